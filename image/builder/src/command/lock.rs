//! `ashlar lock`: exact packages.

use crate::context::Context;
use ashlar_build::{Locked, lock_profile};
use bytesize::ByteSize;
use std::process::ExitCode;

/// Resolve a profile's packages to exact versions and checksums.
///
/// The result is recipes/<profile>.lock. Commit it: builds of one lock hold the
/// same packages until you lock again.
///
///   ashlar lock --profile retail           take the newest packages
///   ashlar lock --profile retail --check   only say whether the lock still holds
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Which recipe: recipes/<PROFILE>.toml. Default: all of them.
    #[arg(long, short)]
    profile: Option<String>,
    /// Write nothing; exit with 1 if something moved.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    cache: super::cache::CacheDir,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let project = context.project()?;
    let profiles = match &args.profile {
        Some(profile) => vec![profile.clone()],
        None => ashlar_recipe::recipes(&project.recipes())?,
    };
    let output = &context.output;
    let mut holds = true;
    let mut rows = Vec::new();
    for profile in profiles {
        let cache = args.cache.cache_dir.as_deref();
        let locked = lock_profile(&project, &profile, cache, args.check, output)?;
        let Locked { path, packages, bytes, changes, fresh } = &locked;
        holds &= *fresh;
        let verb = match (args.check, fresh) {
            (true, true) => "holds",
            (true, false) => "is out of date",
            (false, true) => "is unchanged",
            (false, false) => "is written",
        };
        output.line(format_args!(
            "{} {verb}: {packages} packages, {}",
            path.display(),
            ByteSize(*bytes)
        ));
        if !changes.is_empty() {
            output.line(changes);
        }
        rows.push(serde_json::json!({
            "profile": profile, "lock": path, "packages": packages, "bytes": bytes,
            "up_to_date": fresh, "changes": changes.lines().collect::<Vec<_>>(),
        }));
    }
    output.json(&serde_json::json!({ "locks": rows }))?;
    Ok(if args.check && !holds { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
