//! `ashlar lock`: exact packages.

use crate::context::Context;
use ashlar_build::{Locked, Project, lock_profile, lock_tools};
use bytesize::ByteSize;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Resolve packages to exact versions and checksums
///
/// The result is recipes/<profile>.lock. Commit it: builds of one lock hold the
/// same packages until you lock again. It says of each package its source, the
/// archive that it was found in, and that archive's date. The programs that make
/// images have a lock of their own, recipes/tools.lock.
///
///   ashlar lock                            take the newest packages, everywhere
///   ashlar lock --profile retail           of one recipe
///   ashlar lock --tools                    of the tools
///   ashlar lock --profile retail --check   only say whether the lock still holds
///
/// Which archives are asked is said in recipes/archives.toml, if there is one.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Which recipe: recipes/<PROFILE>.toml. Default: all of them, and the tools.
    #[arg(long, short)]
    profile: Option<String>,
    /// The programs that make images, and no recipe.
    #[arg(long, conflicts_with = "profile")]
    tools: bool,
    /// Write nothing; exit with 1 if something moved.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    cache: crate::cache_dir::CacheDir,
}

/// What `ashlar lock --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Locks {
    /// What was locked or looked at, the tools first.
    locks: Vec<Row>,
}

/// One lock.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "ShownLock"))]
pub(crate) struct Row {
    /// Its profile, or `tools`.
    profile: String,
    /// Its file.
    lock: PathBuf,
    /// How many packages it has.
    packages: usize,
    /// Their bytes.
    bytes: u64,
    /// Nothing moved since it was made.
    up_to_date: bool,
    /// What moved, a line each.
    changes: Vec<String>,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let project = context.project()?;
    let names = names(args, &project)?;
    let output = &context.output;
    let events = context.watched(false);
    let mut holds = true;
    let mut rows = Vec::new();
    for name in names {
        let cache = args.cache.cache_dir.as_deref();
        let locked = if name == TOOLS {
            lock_tools(&project, cache, args.check, &events)?
        } else {
            lock_profile(&project, &name, cache, args.check, &events)?
        };
        let Locked { path, packages, bytes, changes, fresh } = locked;
        holds &= fresh;
        let verb = match (args.check, fresh) {
            (true, true) => "holds",
            (true, false) => "is out of date",
            (false, true) => "is unchanged",
            (false, false) => "is written",
        };
        output.line(format_args!(
            "{} {verb}: {packages} packages, {}",
            path.display(),
            ByteSize(bytes)
        ));
        if !changes.is_empty() {
            output.line(&changes);
        }
        rows.push(Row {
            profile: name,
            lock: path,
            packages,
            bytes,
            up_to_date: fresh,
            changes: changes.lines().map(str::to_owned).collect(),
        });
    }
    output.json(&Locks { locks: rows })?;
    Ok(if args.check && !holds { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// No recipe can be called so.
const TOOLS: &str = "tools";

/// What is to be locked, the tools first: they are what the rest is locked with.
fn names(args: &Args, project: &Project) -> miette::Result<Vec<String>> {
    if let Some(profile) = &args.profile {
        return Ok(vec![profile.clone()]);
    }
    let mut names = vec![TOOLS.to_owned()];
    if !args.tools {
        names.extend(ashlar_recipe::recipes(&project.recipes())?);
    }
    Ok(names)
}
