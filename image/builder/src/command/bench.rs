//! `ashlar bench`: how long things take.

use crate::bench::{
    self, COLD_BUDGET, Measured, Programs, REBUILD_BUDGET, Ratio, UNCHANGED_BUDGET,
};
use crate::context::Context;
use ashlar_build::{self as build, Locking, Request, Store, Target, Toolbox, ToolsLock};
use ashlar_recipe::Lock;
use bytesize::ByteSize;
use miette::{IntoDiagnostic, WrapErr};
use serde::Serialize;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure what a build takes, beside another image builder.
///
///   ashlar bench image
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Build an image cold and after a change of the agent, here and with mkosi.
    ///
    /// Both builders get the same recipe, the same programs and one directory with
    /// the locked packages, as `ashlar vendor` fills it, one after the other on this
    /// machine. Neither asks an archive. Ours also builds with nothing changed, and
    /// from the directory alone without a network. Let nothing else run meanwhile. It
    /// takes about ten minutes and 15 GB on two cores, and needs root for mkosi's
    /// part and for the build without a network.
    ///
    ///   ashlar bench image
    ///   ashlar bench image --vendor ~/releases/1.4
    ///   ashlar bench image --json | jq .ratio
    ///   ashlar bench image --no-peer      our own times alone
    #[command(verbatim_doc_comment)]
    Image(Image),
}

#[derive(Debug, clap::Args)]
struct Image {
    /// Which recipe: recipes/<PROFILE>.toml.
    #[arg(long, short, default_value = "retail")]
    profile: String,
    /// Measure our own builds only.
    #[arg(long)]
    no_peer: bool,
    /// End with 1 when a budget is exceeded.
    #[arg(long, conflicts_with = "no_peer")]
    check: bool,
    /// Take ashlar-agent, ashlarctl and ashlar-console from here, instead of
    /// compiling them.
    #[arg(long, value_name = "DIR")]
    agent_dir: Option<PathBuf>,
    /// Take locks and packages from a directory that `ashlar vendor` filled, instead
    /// of filling one.
    #[arg(long, value_name = "DIR")]
    vendor: Option<PathBuf>,
    #[command(flatten)]
    cache: crate::cache_dir::CacheDir,
}

/// What `ashlar bench image --json` prints.
#[derive(Debug, Serialize)]
struct Benched<'a> {
    /// The profile.
    profile: &'a str,
    /// What we took.
    ashlar: Measured,
    /// What mkosi took, if it was asked.
    mkosi: Option<Measured>,
    /// Our share of its times.
    ratio: Option<Ratio>,
    /// What they may be.
    budget: Budget,
}

/// What our times may be.
#[derive(Debug, Serialize)]
struct Budget {
    /// Share of the cold build.
    cold: f64,
    /// Share of the rebuild.
    rebuild: f64,
    /// Seconds of a build when nothing changed.
    unchanged_seconds: f64,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let What::Image(args) = &args.what;
    let output = &context.output;
    let project = context.project()?;
    let store = Store::open(args.cache.cache_dir.as_deref())?;
    let programs = build::programs(&project, args.agent_dir.as_deref(), &store, output)?;
    // Beside the cache, so that both are on one disk.
    let work = Work::new(store.root())?;

    // One build, not measured: tools and packages are there afterwards.
    output.note(format_args!("preparing (not measured)"));
    let cache = args.cache.cache_dir.as_deref();
    let vendor = match &args.vendor {
        Some(vendor) => vendor.clone(),
        None => {
            let profiles = [args.profile.clone()];
            build::vendor(&project, &profiles, &work.0.join("vendor"), cache, output)?.directory
        }
    };
    build::build(
        &Request {
            project: project.clone(),
            profile: args.profile.clone(),
            locking: Locking::Refuse,
            version: None,
            agent_dir: Some(programs.clone()),
            vendor: Some(vendor.clone()),
            cache_dir: args.cache.cache_dir.clone(),
            targets: [Target::Raw].into(),
        },
        output,
    )?;

    let copy = |name: &str| {
        Programs::copy(&programs, work.0.join(name))
            .into_diagnostic()
            .wrap_err("the programs cannot be copied")
    };
    let own = work.0.join("ours");
    std::fs::create_dir(&own).into_diagnostic()?;
    let ours = bench::measure_ours(
        (&project, &args.profile),
        (&store, &vendor),
        &copy("programs")?,
        &own,
        output,
    )?;
    let theirs = if args.no_peer {
        None
    } else {
        let composed = ashlar_recipe::compose(&project.recipes(), &args.profile)?;
        let lock = Lock::load(&vendor.join(format!("{}.lock", args.profile)))?;
        let sandbox = Toolbox::ready(&store, &ToolsLock::vendored(&vendor)?, output)?.sandbox();
        Some(bench::measure_mkosi(
            &composed,
            &lock,
            (&sandbox, &vendor),
            &copy("programs-of-mkosi")?,
            &work.0.join("mkosi"),
            output,
        )?)
    };
    let ratio = theirs.as_ref().map(|theirs| Ratio::of(&ours, theirs));
    show(&ours, theirs.as_ref(), ratio.as_ref(), context);
    output.json(&Benched {
        profile: &args.profile,
        ashlar: ours,
        mkosi: theirs,
        ratio,
        budget: Budget {
            cold: COLD_BUDGET,
            rebuild: REBUILD_BUDGET,
            unchanged_seconds: UNCHANGED_BUDGET,
        },
    })?;
    let exceeded = args.check && ratio.is_some_and(|ratio| !ratio.within_budget);
    Ok(if exceeded { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(ours: &Measured, theirs: Option<&Measured>, ratio: Option<&Ratio>, context: &Context) {
    let output = &context.output;
    let row = |name: &str, of: &dyn Fn(&Measured) -> String, share: Option<String>| {
        let theirs = theirs.map(of).unwrap_or_default();
        output.line(format_args!(
            "{name:24} {:>12} {theirs:>12}  {}",
            of(ours),
            share.unwrap_or_default()
        ));
    };
    let share = |of: fn(&Ratio) -> f64, budget: f64| {
        ratio.map(|ratio| {
            let word = if of(ratio) <= budget { "within" } else { "over" };
            format!("{:.2} ({word} {budget})", of(ratio))
        })
    };
    let peer = if theirs.is_some() { "mkosi" } else { "" };
    output.line(format_args!("{:24} {:>12} {peer:>12}", "", "ashlar"));
    row(
        "cold, packages cached",
        &|it| format!("{:.1} s", it.cold_seconds),
        share(|ratio| ratio.cold, COLD_BUDGET),
    );
    row(
        "after an agent change",
        &|it| format!("{:.1} s", it.rebuild_seconds),
        share(|ratio| ratio.rebuild, REBUILD_BUDGET),
    );
    let seconds = |seconds: Option<f64>| seconds.map_or(String::new(), |it| format!("{it:.1} s"));
    let quick = ours.unchanged_seconds.map(|took| {
        let word = if took <= UNCHANGED_BUDGET { "within" } else { "over" };
        format!("({word} {UNCHANGED_BUDGET} s)")
    });
    row("nothing changed", &|it| seconds(it.unchanged_seconds), quick);
    row("vendored, no network", &|it| seconds(it.vendored_seconds), None);
    row("root", &|it| ByteSize(it.root_bytes).to_string(), None);
    row("uki", &|it| ByteSize(it.uki_bytes).to_string(), None);
    row("packages", &|it| it.packages.to_string(), None);
    for (step, took) in &ours.rebuild_steps {
        output.line(format_args!("  after an agent change, {step:11} {took:>5.1} s"));
    }
}

/// Where builds are made; removed afterwards.
struct Work(PathBuf);

impl Work {
    fn new(cache: &std::path::Path) -> miette::Result<Self> {
        let made = tempfile::Builder::new().prefix("bench.").tempdir_in(cache);
        let path = made.into_diagnostic().wrap_err("no place for the measured builds")?.keep();
        let work = Self(path);
        // Tools that drop to users of their own must be able to enter.
        std::fs::set_permissions(&work.0, std::fs::Permissions::from_mode(0o755))
            .into_diagnostic()?;
        std::fs::create_dir(work.0.join("mkosi")).into_diagnostic()?;
        Ok(work)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = ashlar_sandbox::Sandbox::remove(&self.0);
    }
}
