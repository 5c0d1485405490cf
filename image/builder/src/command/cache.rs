//! `ashlar cache`: what is kept between builds.

use crate::context::Context;
use ashlar_build::{Store, size_of};
use bytesize::ByteSize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Where the cache is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CacheDir {
    /// Where finished steps and packages are kept. Default: ashlar/ in the user's
    /// cache directory.
    #[arg(long, value_name = "DIR", env = "ASHLAR_CACHE_DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
}

/// Show or clean the cache of build steps.
///
///   ashlar cache list
///   ashlar cache gc --days 3
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
    /// Remove steps and packages that no build used lately.
    ///
    ///   ashlar cache gc
    ///   ashlar cache gc --days 0      empties it
    #[command(verbatim_doc_comment)]
    Gc {
        /// Keep what was used within this many days; 0 empties the cache.
        #[arg(long, value_name = "DAYS", default_value_t = 14)]
        days: u32,
        #[command(flatten)]
        cache: CacheDir,
    },
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    match &args.verb {
        Verb::List { cache } => list(cache, context)?,
        Verb::Gc { days, cache } => collect(*days, cache, context)?,
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
        rows.push(serde_json::json!({
            "step": entry.step, "key": entry.key, "path": entry.path, "bytes": bytes,
            "used": used.to_string(),
        }));
    }
    output.line(format_args!("{} in {}", ByteSize(size_of(store.root())), store.root().display()));
    output.json(&serde_json::json!({ "cache": store.root(), "entries": rows }))
}

fn collect(days: u32, cache: &CacheDir, context: &Context) -> miette::Result<()> {
    let store = Store::open(cache.cache_dir.as_deref())?;
    let _lock = store.lock()?;
    let freed = store.collect(Duration::from_secs(u64::from(days) * 86_400))?;
    context.output.line(format_args!("freed {} in {}", ByteSize(freed), store.root().display()));
    context.output.json(&serde_json::json!({ "cache": store.root(), "freed_bytes": freed }))
}
