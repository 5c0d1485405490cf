//! `ashlar cache`: what is kept between builds.

use crate::cache_dir::CacheDir;
use crate::context::Context;
use ashlar_build::{Rule, Store, prune, size_of};
use ashlar_machine::{Backend, Cluster, Store as Machines};
use bytesize::ByteSize;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Show, check or clean what is kept between builds
///
/// The cache has finished build steps, packages and the tools; out/ has the
/// versions of each profile. One rule prunes both, and never takes what
/// out/<profile>/latest points to, what a cluster on this host was made from, or
/// what a running process has open:
///
///   ashlar cache list                       what is there, and when it was used
///   ashlar cache check                      read every byte; remove what is damaged
///   ashlar cache gc                         keep two weeks, and three versions
///   ashlar cache gc --days 0 --versions 1   keep what is in use, and the newest
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the finished steps that are kept.
    ///
    ///   ashlar cache list
    #[command(verbatim_doc_comment)]
    List {
        #[command(flatten)]
        cache: CacheDir,
    },
    /// Read every finished step and the tools, and remove what is not as it was
    /// written; ends with 1 if there was any.
    ///
    ///   ashlar cache check
    #[command(verbatim_doc_comment)]
    Check {
        #[command(flatten)]
        cache: CacheDir,
    },
    /// Remove what no build used lately, and old versions in out/.
    ///
    ///   ashlar cache gc
    ///   ashlar cache gc --days 3 --versions 1
    #[command(verbatim_doc_comment)]
    Gc {
        /// Keep what was used within this many days; 0 empties the cache of all that
        /// is not in use.
        #[arg(long, value_name = "DAYS", default_value_t = 14)]
        days: u32,
        /// Keep this many of the newest versions of each profile.
        #[arg(long, value_name = "N", default_value_t = 3)]
        versions: usize,
        #[command(flatten)]
        cache: CacheDir,
    },
}

/// What `ashlar cache list --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Entries<'a> {
    /// Where the cache is.
    cache: &'a Path,
    /// Its finished steps.
    entries: Vec<Entry>,
}

/// A finished step.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "CacheEntry"))]
pub(crate) struct Entry {
    /// Which step.
    step: String,
    /// The hash of its inputs.
    key: String,
    /// Its directory.
    path: PathBuf,
    /// Its bytes.
    bytes: u64,
    /// When it was used last.
    used: String,
}

/// What `ashlar cache check --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "ReadCache"))]
pub(crate) struct Read {
    /// How many finished steps were read.
    entries: usize,
    /// Those that were damaged and are removed.
    damaged: Vec<String>,
}

/// What `ashlar cache gc --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Collected<'a> {
    /// Where the cache is.
    cache: &'a Path,
    /// Bytes that are free now.
    freed_bytes: u64,
    /// Versions in out/ that were removed.
    removed: &'a [PathBuf],
    /// What would have been, and something uses.
    in_use: &'a [PathBuf],
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    match &args.verb {
        Verb::List { cache } => list(cache, context)?,
        Verb::Check { cache } => return check(cache, context),
        Verb::Gc { days, versions, cache } => collect(*days, *versions, cache, context)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(cache: &CacheDir, context: &Context) -> miette::Result<()> {
    let store = Store::open(cache.cache_dir.as_deref())?;
    let output = &context.output;
    let mut rows = Vec::new();
    for entry in store.entries()? {
        let bytes = size_of(&entry.path);
        let used = jiff::Timestamp::try_from(entry.used).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        output.line(format_args!(
            "{:<11} {}  {:>8}  used {}",
            entry.step,
            entry.key,
            ByteSize(bytes),
            used.strftime("%Y-%m-%d %H:%M UTC")
        ));
        rows.push(Entry {
            step: entry.step,
            key: entry.key,
            path: entry.path,
            bytes,
            used: used.to_string(),
        });
    }
    output.line(format_args!("{} in {}", ByteSize(size_of(store.root())), store.root().display()));
    output.json(&Entries { cache: store.root(), entries: rows })
}

fn check(cache: &CacheDir, context: &Context) -> miette::Result<ExitCode> {
    let store = Store::open(cache.cache_dir.as_deref())?;
    let events = context.watched(false);
    let _lock = store.lock(&events)?;
    let entries = store.entries()?.len();
    let damaged = store.check(&events)?;
    context.output.line(format_args!("{entries} read, {} damaged and removed", damaged.len()));
    let well = damaged.is_empty();
    context.output.json(&Read { entries, damaged })?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn collect(days: u32, versions: usize, cache: &CacheDir, context: &Context) -> miette::Result<()> {
    let store = Store::open(cache.cache_dir.as_deref())?;
    let _lock = store.lock(&context.watched(false))?;
    let machines = Machines::of_user()?;
    let mut images = Vec::new();
    for backend in [Backend::Vm, Backend::Lab] {
        images.extend(Cluster::list(&machines, backend)?.into_iter().map(|view| view.image));
    }
    let used_within = Duration::from_secs(u64::from(days) * 86_400);
    // Outside a project there is no out/.
    let project = context.project().ok();
    let pruned = prune(&store, project.as_ref(), &Rule { used_within, versions, images })?;
    let output = &context.output;
    for version in &pruned.versions {
        output.line(format_args!("removed {}", version.display()));
    }
    for path in &pruned.in_use {
        output.line(format_args!("kept {}, which is in use", path.display()));
    }
    output.line(format_args!("freed {}", ByteSize(pruned.bytes)));
    output.json(&Collected {
        cache: store.root(),
        freed_bytes: pruned.bytes,
        removed: &pruned.versions,
        in_use: &pruned.in_use,
    })
}
