//! `ashlar lint`: checks a finished image.

mod needles;

use crate::context::Context;
use crate::images::Workbench;
use crate::report::verdicts;
use ashlar_build::Project;
use ashlar_inspect::Package;
use ashlar_inspect::lint::{
    self, Budgets, Check, Severity, Status, Subject, SubjectOptions, Verdict,
};
use ashlar_recipe::{Composed, Size};
use miette::miette;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check a finished image against named rules.
///
/// The root is unpacked beside the cache, looked at, and removed; the image is not
/// changed, nothing in it is run, and no root is needed. Ends with 1 if a check of
/// severity `error` fails.
///
///   ashlar lint out/retail/latest
///   ashlar lint --list
///   ashlar lint --explain setuid
///   ashlar lint --json image.raw | jq '.checks[] | select(.status == "failed")'
///
/// What is allowed (setuid files, enabled units …) is a list with reasons; a
/// project adds to it in recipes/lint.toml.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A raw disk image, or a directory with one in it.
    #[arg(required_unless_present_any = ["explain", "list"])]
    image: Option<PathBuf>,
    /// Make only these checks.
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    only: Vec<String>,
    /// Do not make these checks.
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    skip: Vec<String>,
    /// The profile whose budgets count. Default: the one that the image names.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Say why a check is one, and how to keep it.
    #[arg(long, value_name = "CHECK", conflicts_with_all = ["image", "list"])]
    explain: Option<String>,
    /// List all checks.
    #[arg(long, conflicts_with = "image")]
    list: bool,
    #[command(flatten)]
    cache: crate::cache_dir::CacheDir,
}

/// What `ashlar lint --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Linted<'a> {
    /// The image.
    image: &'a Path,
    /// The profile whose budgets counted, if that is known.
    profile: Option<&'a str>,
    /// How many checks failed that must not.
    errors: usize,
    /// How many others failed.
    warnings: usize,
    /// How each check ended.
    checks: &'a [Verdict],
}

/// What `ashlar lint --list --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Checks {
    /// Every check.
    checks: Vec<Described>,
}

/// What `ashlar lint --explain --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Check"))]
pub(crate) struct Described {
    /// The check.
    name: &'static str,
    /// How bad a finding is.
    severity: Severity,
    /// The rule, in a line.
    rule: &'static str,
    /// Why it is one, and how to keep it.
    explanation: &'static str,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let output = &context.output;
    let all = lint::checks();
    if let Some(name) = &args.explain {
        let check = find(&all, name)?;
        verdicts::explain(check, output);
        output.json(&describe(check))?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(image) = args.image.as_ref().filter(|_| !args.list) else {
        verdicts::list(&all, output);
        let described: Vec<_> = all.iter().map(|check| describe(check)).collect();
        output.json(&Checks { checks: described })?;
        return Ok(ExitCode::SUCCESS);
    };
    for name in args.only.iter().chain(&args.skip) {
        find(&all, name)?;
    }
    let chosen: Vec<_> = all
        .iter()
        .filter(|check| args.only.is_empty() || args.only.iter().any(|name| name == check.name))
        .filter(|check| !args.skip.iter().any(|name| name == check.name))
        .collect();

    let bench = Workbench::ready(&[image], &args.cache, context)?;
    // Longer than the subject, which is in it.
    let place = bench.place()?;
    let project = context.project().ok();
    let secrets = project.as_ref().map(|project| needles::below(&project.keys())).transpose()?;
    let options = SubjectOptions {
        sandbox: bench.sandbox.clone(),
        work: place.path().to_owned(),
        exceptions: project.as_ref().map(|project| project.recipes().join("lint.toml")),
        secrets: secrets.unwrap_or_default(),
        budgets: None,
        locked: None,
    };
    let spinner = output.spinner("unpacking the root");
    let subject = Subject::open(image, options);
    spinner.finish_and_clear();
    bench.go_on()?;
    let mut subject = subject?;
    let profile = expect(&mut subject, args, project.as_ref())?;

    let bar = output.bar(chosen.len() as u64, "checking");
    let mut verdicts = Vec::new();
    for check in chosen {
        bench.go_on()?;
        bar.set_message(check.name);
        verdicts.push(lint::run(check, &subject)?);
        bar.inc(1);
    }
    bar.finish_and_clear();

    verdicts::print(&verdicts, output);
    let count = |severity| failed(&verdicts, severity);
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    output.line(format_args!(
        "\n{} checks: {errors} with errors, {warnings} with warnings",
        verdicts.len()
    ));
    output.json(&Linted {
        image,
        profile: profile.as_deref(),
        errors,
        warnings,
        checks: &verdicts,
    })?;
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tells the subject what its profile says of it, and gives the profile's name.
fn expect(
    subject: &mut Subject,
    args: &Args,
    project: Option<&Project>,
) -> miette::Result<Option<String>> {
    let profile = args.profile.clone().or_else(|| subject.image.profile());
    if let (Some(project), Some(profile)) = (project, &profile) {
        match ashlar_recipe::compose(&project.recipes(), profile) {
            Ok(composed) => {
                let bytes = |size: Option<Size>| size.map(Size::as_bytes);
                let budget = &composed.recipe.budget;
                subject.options.budgets =
                    Some(Budgets { root: bytes(budget.root), uki: bytes(budget.uki) });
                subject.options.locked = locked(project, &composed);
            }
            Err(error) if args.profile.is_some() => return Err(error.into()),
            // The image may be another project's.
            Err(_) => {}
        }
    }
    Ok(profile)
}

/// The packages of a profile's lock, if it is up to date.
fn locked(project: &Project, composed: &Composed) -> Option<Vec<Package>> {
    let lock = ashlar_build::current_lock(&project.recipes(), composed).ok()?;
    let package = |package: ashlar_recipe::LockedPackage| Package {
        name: package.name,
        version: package.version,
        architecture: package.architecture,
        source: None,
    };
    Some(lock.packages.into_iter().map(package).collect())
}

fn failed(verdicts: &[Verdict], severity: Severity) -> usize {
    let counts = |v: &&Verdict| v.status == Status::Failed && v.severity == severity;
    verdicts.iter().filter(counts).count()
}

fn find<'a>(all: &[&'a Check], name: &str) -> miette::Result<&'a Check> {
    all.iter().find(|check| check.name == name).copied().ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|check| check.name).collect();
        miette!(help = format!("checks are: {}", names.join(", ")), "there is no check `{name}`")
    })
}

fn describe(check: &Check) -> Described {
    Described {
        name: check.name,
        severity: check.severity,
        rule: check.rule,
        explanation: check.explanation,
    }
}
