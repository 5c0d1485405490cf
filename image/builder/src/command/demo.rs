//! `ashlar demo`: the whole chain, from a recipe to a cluster that holds.

mod progress;

use crate::cache_dir::CacheDir;
use crate::command::machines::{self, Hardware};
use crate::context::Context;
use ashlar_build::{self as build, Locking, Request, Target};
use ashlar_inspect::artefact_in;
use ashlar_machine::{Backend, Cluster, Deadline, NodeReport, NodeTimes, Spec, Watch, last_words};
use ashlar_site::{Site, SiteOptions};
use miette::{IntoDiagnostic, WrapErr, miette};
use progress::Progress;
use serde::Serialize;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The name of the demo's cluster.
const NAME: &str = "demo";

/// Build an image, boot machines from it, and watch them become one cluster
///
/// Nothing is typed into the machines: they get a throwaway site, find each
/// other, found a cluster with certificates of its own, replicate storage and
/// form a Swarm. The demo stays up until Ctrl-C; meanwhile `ashlar vm` works on
/// it from another terminal. With --headless it ends once all are ready.
///
///   ashlar demo
///   ashlar demo --headless --json
///
/// With --json the last line is
///   {"ready":3,"nodes":[{"name":…,"phases":{"kernel":s,…,"ready":s}}],
///    "image_bytes":…,"build_seconds":…}
/// where times are seconds since power-on, and image_bytes is the room that the
/// image takes on this disk.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// End once all nodes are ready, and take everything down.
    #[arg(long)]
    headless: bool,
    /// How many nodes.
    #[arg(long, short, default_value_t = 3, value_name = "N")]
    nodes: u16,
    /// Which recipe.
    #[arg(long, short, default_value = "retail", value_name = "PROFILE")]
    profile: String,
    /// What runs the nodes, `vm` or `lab`; `lab` needs root and takes seconds.
    #[arg(long, default_value = "vm", value_name = "BACKEND")]
    backend: Backend,
    /// Give up after so many seconds.
    #[arg(long, default_value_t = 1200, value_name = "SECONDS")]
    deadline: u64,
    /// Boot this image instead of building one.
    #[arg(long, value_name = "PATH")]
    image: Option<PathBuf>,
    /// Take our programs from here, instead of compiling them.
    #[arg(long, value_name = "DIR", conflicts_with = "image")]
    agent_dir: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheDir,
    #[command(flatten)]
    hardware: Hardware,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    /// How many nodes are ready.
    ready: usize,
    /// Every node.
    nodes: Vec<NodeSummary>,
    /// The room that the image takes.
    image_bytes: u64,
    /// How long it was built.
    build_seconds: f64,
}

#[derive(Debug, Serialize)]
struct NodeSummary {
    /// Its name.
    name: String,
    /// When it passed its phases.
    phases: NodeTimes,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    // From here on, Ctrl-C takes everything down.
    let _ = context.cancel();
    let (image, build_seconds) = image(args, context)?;
    let image_bytes = image.metadata().map(|data| data.blocks() * 512).unwrap_or_default();
    let site = throwaway_site(args.nodes)?;
    let mut spec = args.hardware.apply(Spec::new(args.backend, NAME, image));
    spec.nodes = args.nodes;
    spec.site = Some(site.path().to_owned());
    let cluster = machines::make(&spec, &args.cache, context)?;
    drop(site);
    let outcome = show(args, context, &cluster, image_bytes, build_seconds);
    context.output.note("taking the demo down");
    let gone = cluster.down();
    let code = outcome?;
    gone?;
    Ok(code)
}

/// The image, and how long it took to build.
fn image(args: &Args, context: &Context) -> miette::Result<(PathBuf, f64)> {
    if let Some(image) = &args.image {
        return Ok((image.clone(), 0.0));
    }
    let request = Request {
        project: context.project()?,
        profile: args.profile.clone(),
        locking: Locking::Renew,
        version: None,
        agent_dir: args.agent_dir.clone(),
        vendor: None,
        cache_dir: args.cache.cache_dir.clone(),
        targets: [Target::Raw].into(),
    };
    let built = build::build(&request, &context.watched(false))?;
    context.output.event(format_args!(
        "{} {} is built, in {:.0} s",
        built.profile, built.version, built.total_seconds
    ));
    let image = artefact_in(&built.directory, machines::boots(args.backend))?;
    let seconds = (built.total_seconds * 10.0).round() / 10.0;
    Ok((image, seconds))
}

/// A site that nobody keeps: its file is gone before the nodes have read it
/// from their own disks.
fn throwaway_site(nodes: u16) -> miette::Result<tempfile::NamedTempFile> {
    let expect = u8::try_from(nodes).into_diagnostic()?;
    let options = SiteOptions { expect: Some(expect), ..SiteOptions::default() };
    let site = Site::generate(NAME, options).into_diagnostic()?;
    let text = site.to_toml().into_diagnostic()?;
    let mut file = tempfile::Builder::new()
        .prefix("ashlar-demo-")
        .suffix(".toml")
        .tempfile()
        .into_diagnostic()
        .wrap_err("the site's temporary file cannot be made")?;
    std::io::Write::write_all(&mut file, text.as_bytes()).into_diagnostic()?;
    Ok(file)
}

/// Watches the nodes, and says how it went.
fn show(
    args: &Args,
    context: &Context,
    cluster: &Cluster,
    image_bytes: u64,
    build_seconds: f64,
) -> miette::Result<ExitCode> {
    let names: Vec<String> = cluster.nodes().into_iter().map(|node| node.name).collect();
    let progress = Progress::new(&context.output, &names);
    let watch = Watch {
        deadline: Deadline::within(Duration::from_secs(args.deadline)),
        report: &|report| progress.show(report),
        cancelled: &|| context.cancel().is_cancelled(),
    };
    let reports = watch.until_ready(cluster);
    progress.finish();
    let reports = reports?;
    context.cancel().check()?;
    let ready = reports.iter().filter(|report| report.ready).count();
    if ready < reports.len() {
        return Err(explain(args, context, cluster, &reports, ready));
    }
    if !args.headless {
        stay(args, context, cluster)?;
    }
    let nodes = reports
        .into_iter()
        .map(|report| NodeSummary {
            name: report.name.unwrap_or(report.node),
            phases: report.times,
        })
        .collect();
    context.output.line(format_args!("{ready} nodes were ready"));
    context.output.json(&Summary { ready, nodes, image_bytes, build_seconds })?;
    Ok(ExitCode::SUCCESS)
}

/// The last lines of every node, and the error.
fn explain(
    args: &Args,
    context: &Context,
    cluster: &Cluster,
    reports: &[NodeReport],
    ready: usize,
) -> miette::Report {
    for report in reports {
        let state = if report.ready { "ready" } else { report.doing.as_str() };
        context.output.event(format_args!("\n=== {}: {state}", report.node));
        context.output.event(last_words(cluster, &report.node));
    }
    miette!(
        help = "the last lines of each node are above; `ashlar demo` without --headless leaves \
                more time with --deadline SECONDS",
        "{ready} of {} nodes were ready within {} s",
        reports.len(),
        args.deadline
    )
}

/// Says what to try, and waits for Ctrl-C.
fn stay(args: &Args, context: &Context, cluster: &Cluster) -> miette::Result<()> {
    let command = format!("ashlar {}", args.backend);
    let name = cluster.name();
    let on = |node: &str| format!("{command} exec --name {name} {node} --");
    context.output.line(format_args!(
        "\nAll are ready. From another terminal:\n\
         \x20 {} ashlarctl status\n\
         \x20 {} sh -c 'echo hello > /srv/cluster/hello'\n\
         \x20 {} cat /srv/cluster/hello\n\
         \x20 {} docker node ls\n\
         \x20 {command} kill --name {name} node3     pull its plug\n\
         \x20 {command} start --name {name} node3\n\
         Ctrl-C ends the demo.",
        on("node1"),
        on("node1"),
        on("node2"),
        on("node1"),
    ));
    let hour = Duration::from_secs(3600);
    while Deadline::within(hour)
        .poll(Duration::from_millis(200), || {
            Ok::<_, miette::Report>(context.cancel().is_cancelled().then_some(()))
        })?
        .is_none()
    {}
    Ok(())
}
