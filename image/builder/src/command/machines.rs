//! The verbs that `ashlar vm` and `ashlar lab` share.

use crate::cache_dir::CacheDir;
use crate::context::Context;
use crate::images;
use ashlar_build::{Project, Store, Toolbox, ToolsLock};
use ashlar_machine::{
    Accelerator, Backend, Cluster, ClusterView, Exec, Finished, Spec, Store as Machines, Tools,
};
use clap::{Args, Subcommand};
use miette::{IntoDiagnostic, WrapErr, miette};
use owo_colors::{OwoColorize, Stream};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What can be done on both back ends.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a cluster and power all its nodes on.
    ///
    ///   ashlar vm up --site shop
    ///   ashlar vm up --site shop -n 5 --name five
    #[command(verbatim_doc_comment)]
    Up(Up),
    /// Cut the power of all nodes and remove the cluster.
    ///
    ///   ashlar vm down
    #[command(verbatim_doc_comment)]
    Down(Which),
    /// List clusters and their nodes.
    ///
    ///   ashlar vm list
    #[command(verbatim_doc_comment)]
    List,
    /// Power a node on.
    ///
    ///   ashlar vm start node2
    #[command(verbatim_doc_comment)]
    Start(OneNode),
    /// Ask a node to shut down, and wait until it has.
    ///
    ///   ashlar vm stop node2
    #[command(verbatim_doc_comment)]
    Stop(OneNode),
    /// Cut a node's power, as if its plug were pulled.
    ///
    ///   ashlar vm kill node2
    #[command(verbatim_doc_comment)]
    Kill(OneNode),
    /// Pull a node's network cable.
    ///
    ///   ashlar vm cut node2
    #[command(verbatim_doc_comment)]
    Cut(OneNode),
    /// Put a node's network cable back.
    ///
    ///   ashlar vm restore node2
    #[command(verbatim_doc_comment)]
    Restore(OneNode),
    /// Run a command in a node as root; its exit code is passed on.
    ///
    ///   ashlar vm exec node1 -- ashlarctl status
    ///   ashlar vm exec node1 --input -- tar x -C /srv/cluster <files.tar
    #[command(verbatim_doc_comment)]
    Exec(ExecArgs),
}

/// Which cluster.
#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// The cluster. Default: the only one that there is.
    #[arg(long, value_name = "CLUSTER")]
    pub(crate) name: Option<String>,
}

/// Which node of which cluster.
#[derive(Clone, Debug, Args)]
pub(crate) struct OneNode {
    /// The node, as `list` shows it: node1, node2 …
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) cluster: Which,
}

/// Options of `up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// How many nodes.
    #[arg(long, short, default_value_t = 3, value_name = "N")]
    nodes: u16,
    /// Name of the new cluster. Default: `vm` or `lab`.
    #[arg(long, value_name = "CLUSTER")]
    name: Option<String>,
    /// Run the newest image of this profile.
    #[arg(long, short, default_value = "retail", value_name = "PROFILE")]
    profile: String,
    /// Run this image instead (vm: a disk image, raw, qcow2 or vmdk, or an ISO, which
    /// is put into a DVD drive unless there is a site to write; lab: an erofs root or a
    /// tree).
    #[arg(long, value_name = "PATH", conflicts_with = "profile")]
    image: Option<PathBuf>,
    /// The site that the nodes get: a name in keys/, or the path of a site.toml.
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    #[command(flatten)]
    hardware: Hardware,
    #[command(flatten)]
    cache: CacheDir,
}

/// What a VM is made of. A lab node has all of the host's.
#[derive(Clone, Debug, Args)]
pub(crate) struct Hardware {
    /// VM: memory of a node, in MiB.
    #[arg(long, default_value_t = 1536, value_name = "MIB")]
    memory: u32,
    /// VM: virtual processors of a node. Default: 2 with KVM, 1 without.
    #[arg(long, value_name = "N")]
    cpus: Option<u16>,
    /// VM: disk of a node, in GiB; it takes only the room that it uses.
    #[arg(long, default_value_t = 16, value_name = "GIB")]
    disk: u32,
    /// VM: what executes the nodes, `kvm` or `tcg`. Default: KVM if a probe guest
    /// runs with it.
    #[arg(long, value_name = "HOW", env = "ASHLAR_ACCELERATOR")]
    accelerator: Option<Accelerator>,
}

/// Options of `exec`.
#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    node: OneNode,
    /// Give it this command's standard input.
    #[arg(long, short)]
    input: bool,
    /// End it after so many seconds; a node that still boots is waited for.
    #[arg(long, short, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Verb {
    /// Runs it on a back end.
    pub(crate) fn run(&self, backend: Backend, context: &Context) -> miette::Result<ExitCode> {
        match self {
            Self::Up(args) => up(args, backend, context),
            Self::Down(which) => {
                let cluster = which.find(backend)?;
                cluster.down()?;
                done(context, &format!("{} is gone", cluster.name()))
            }
            Self::List => list(backend, context),
            Self::Start(one) => one.apply(backend, context, Cluster::start, "is powered on"),
            Self::Stop(one) => one.apply(backend, context, Cluster::stop, "is off"),
            Self::Kill(one) => one.apply(backend, context, Cluster::kill, "has lost its power"),
            Self::Cut(one) => one.apply(backend, context, Cluster::cut, "is unplugged"),
            Self::Restore(one) => one.apply(backend, context, Cluster::restore, "is plugged in"),
            Self::Exec(args) => exec(args, backend, context),
        }
    }
}

impl Which {
    /// The named cluster, or the only one.
    pub(crate) fn find(&self, backend: Backend) -> miette::Result<Cluster> {
        let store = Machines::of_user()?;
        if let Some(name) = &self.name {
            return Ok(Cluster::open(&store, backend, name)?);
        }
        let names: Vec<String> =
            Cluster::list(&store, backend)?.into_iter().map(|cluster| cluster.name).collect();
        match names.as_slice() {
            [] => Err(miette!(
                help = format!("`ashlar {backend} up` makes one"),
                "there is no {backend} cluster"
            )),
            [only] => Ok(Cluster::open(&store, backend, only)?),
            several => Err(miette!(
                help = "say which with --name CLUSTER",
                "there are several {backend} clusters: {}",
                several.join(", ")
            )),
        }
    }
}

impl OneNode {
    fn apply(
        &self,
        backend: Backend,
        context: &Context,
        action: impl Fn(&Cluster, &str) -> ashlar_machine::Result<()>,
        outcome: &str,
    ) -> miette::Result<ExitCode> {
        let cluster = self.cluster.find(backend)?;
        let spinner = context.output.spinner(&self.node);
        let result = action(&cluster, &self.node);
        spinner.finish_and_clear();
        result?;
        done(context, &format!("{} {outcome}", self.node))
    }
}

impl Hardware {
    /// Puts these choices into a specification.
    pub(crate) fn apply(&self, spec: Spec) -> Spec {
        Spec {
            memory_mib: self.memory,
            cpus: self.cpus,
            disk_gib: self.disk,
            accelerator: self.accelerator,
            ..spec
        }
    }
}

/// What verbs print with `--json` that do something to a cluster or a node.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Done<'a> {
    /// What was done, in words.
    done: &'a str,
}

/// What `list --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Clusters {
    /// The clusters of this kind.
    clusters: Vec<ClusterView>,
}

/// What `exec --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Executed<'a> {
    /// The node.
    node: &'a str,
    /// How the command ended.
    code: u8,
    /// What it wrote.
    stdout: Cow<'a, str>,
    /// What it wrote besides, as to an error.
    stderr: Cow<'a, str>,
}

/// Says in one line what was done.
pub(crate) fn done(context: &Context, text: &str) -> miette::Result<ExitCode> {
    context.output.line(text);
    context.output.json(&Done { done: text })?;
    Ok(ExitCode::SUCCESS)
}

fn up(args: &Up, backend: Backend, context: &Context) -> miette::Result<ExitCode> {
    let name = args.name.clone().unwrap_or_else(|| backend.to_string());
    let image = match &args.image {
        Some(path) => path.clone(),
        None => images::newest(context, &args.profile, boots(backend))?,
    };
    let mut spec = args.hardware.apply(Spec::new(backend, &name, image));
    spec.nodes = args.nodes;
    spec.site = args.site.as_deref().map(|site| images::site_file(context, site)).transpose()?;
    if spec.site.is_none() {
        context.output.warning("without --site the nodes stay alone, each waiting for a site");
    }
    let cluster = make(&spec, &args.cache, context)?;
    let view = cluster.view();
    show(context, &view);
    context.output.line(format_args!("\nashlar {backend} exec node1 -- ashlarctl status"));
    context.output.json(&view)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a cluster and shows what takes time.
pub(crate) fn make(spec: &Spec, cache: &CacheDir, context: &Context) -> miette::Result<Cluster> {
    spec.check()?;
    let tools = match spec.backend {
        Backend::Vm => tools_in(cache)?,
        // Only for unpacking an image that the host's kernel cannot mount.
        Backend::Lab => tools_in(cache).unwrap_or(Tools::Host),
    };
    let spinner = context.output.spinner("looking around");
    let report = |text: &str| spinner.set_message(text.to_owned());
    let cluster = Cluster::up(&Machines::of_user()?, spec, tools, &report);
    spinner.finish_and_clear();
    Ok(cluster?)
}

/// Where QEMU comes from.
fn tools_in(cache: &CacheDir) -> miette::Result<Tools> {
    let named = std::env::var_os("ASHLAR_TOOLS").map(PathBuf::from);
    let store = Store::open(cache.cache_dir.as_deref()).ok();
    let project = Project::find(None).ok();
    let lock = ToolsLock::of(project.as_ref()).ok();
    let built = store.zip(lock).and_then(|(store, lock)| Toolbox::found(&store, &lock));
    let built = built.map(|tools| tools.sandbox().root().to_owned());
    Ok(Tools::find(named.iter().chain(&built).map(PathBuf::as_path))?)
}

/// How the name of the file ends that a back end boots.
pub(crate) const fn boots(backend: Backend) -> &'static str {
    match backend {
        Backend::Vm => images::DISK,
        Backend::Lab => images::ROOT,
    }
}

fn list(backend: Backend, context: &Context) -> miette::Result<ExitCode> {
    let clusters = Cluster::list(&Machines::of_user()?, backend)?;
    if clusters.is_empty() {
        context.output.line(format_args!("no {backend} clusters; `ashlar {backend} up` makes one"));
    }
    for cluster in &clusters {
        show(context, cluster);
    }
    context.output.json(&Clusters { clusters })?;
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, cluster: &ClusterView) {
    let how = match cluster.accelerator {
        Some(Accelerator::Kvm) => ", KVM",
        Some(Accelerator::Tcg) => ", emulated processor",
        None => "",
    };
    let name = cluster.name.if_supports_color(Stream::Stdout, |name| name.bold()).to_string();
    context.output.line(format_args!(
        "{name} ({}{how}) {}",
        cluster.backend,
        cluster.image.display()
    ));
    for node in &cluster.nodes {
        let state = match node.seconds {
            Some(seconds) => format!("on for {seconds:.0} s, process {}", node.pid.unwrap_or(0)),
            None => "off".to_owned(),
        };
        context.output.line(format_args!("  {:8} {}  {state}", node.name, node.mac));
    }
}

fn exec(args: &ExecArgs, backend: Backend, context: &Context) -> miette::Result<ExitCode> {
    let cluster = args.node.cluster.find(backend)?;
    let mut exec = Exec::argv(&args.command).within(Duration::from_secs(args.timeout));
    if args.input {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .into_diagnostic()
            .wrap_err("standard input cannot be read")?;
        exec = exec.stdin(bytes);
    }
    let spinner = std::io::stdout()
        .is_terminal()
        .then(|| context.output.spinner(&format!("{}: {}", args.node.node, args.command[0])));
    let result = cluster.exec(&args.node.node, &exec);
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    let Finished { code, stdout, stderr } = result?;
    if context.output.is_json() {
        context.output.json(&Executed {
            node: &args.node.node,
            code,
            stdout: String::from_utf8_lossy(&stdout),
            stderr: String::from_utf8_lossy(&stderr),
        })?;
    } else {
        // Bytes, not text: a command's output may be anything.
        let _ = std::io::stdout().write_all(&stdout);
        let _ = std::io::stderr().write_all(&stderr);
    }
    Ok(ExitCode::from(code))
}
