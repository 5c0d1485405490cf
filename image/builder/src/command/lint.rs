//! `ashlar lint`: checks a finished image.

use crate::context::Context;
use crate::report::verdicts;
use ashlar_build::{Store, Toolbox, ToolsLock};
use ashlar_inspect::lint::{self, Check, Severity, Status, Subject, SubjectOptions, Verdict};
use ashlar_sandbox::Cancel;
use miette::miette;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check a finished image against named rules.
///
/// The root is unpacked into a temporary directory (in $TMPDIR, or /var/tmp),
/// looked at, and removed; the image is not changed, nothing in it is run, and
/// no root is needed. Ends with 1 if a check of severity `error` fails.
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
    cache: super::cache::CacheDir,
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
        output.json(&serde_json::json!({ "checks": described }))?;
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

    let store = Store::open(args.cache.cache_dir.as_deref())?;
    let project = context.project().ok();
    let lock = ToolsLock::of(project.as_ref())?;
    let sandbox = Toolbox::ready(&store, &lock, &Cancel::default(), output)?.sandbox();
    let options = SubjectOptions {
        sandbox,
        recipes: project.as_ref().map(|project| project.recipes()),
        keys: project.as_ref().map(|project| project.keys()),
        budget: None,
    };
    let spinner = output.spinner("unpacking the root");
    let subject = Subject::open(image, options);
    spinner.finish_and_clear();
    let mut subject = subject?;
    let profile = args.profile.clone().or_else(|| subject.profile());
    if let (Some(project), Some(profile)) = (&project, &profile) {
        let composed = ashlar_recipe::compose(&project.recipes(), profile);
        match composed {
            Ok(composed) => subject.set_budget(composed.recipe.budget),
            Err(error) if args.profile.is_some() => return Err(error.into()),
            // The image may be another project's.
            Err(_) => {}
        }
    }

    let bar = output.bar(chosen.len() as u64, "checking");
    let mut verdicts = Vec::new();
    for check in chosen {
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
    output.json(&serde_json::json!({
        "image": image, "profile": profile, "errors": errors, "warnings": warnings,
        "checks": verdicts,
    }))?;
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

fn describe(check: &Check) -> serde_json::Value {
    serde_json::json!({
        "name": check.name, "severity": check.severity,
        "rule": check.rule, "explanation": check.explanation,
    })
}
