//! Checks of a finished image. Each is one function in one of the modules below
//! and one entry in that module's table; adding one is adding both.
//!
//! A check looks at the [`Subject`]: the image's bytes, and its root unpacked
//! into a directory of its own. What is allowed where is data, in
//! `data/lint.toml` and, for a project's own additions, a file of the same form.
//! What is known from outside the image (budgets, secrets that must not be in it,
//! locked packages) comes in [`SubjectOptions`].

mod allow;
mod files;
mod image;
mod packages;
mod programs;
mod secrets;
mod subject;
mod units;

pub use allow::{Allow, AllowError};
pub use secrets::Secret;
pub use subject::{Budgets, Subject, SubjectOptions};

use serde::Serialize;

/// How bad it is when a check finds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "CheckSeverity"))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth mending.
    Warning,
    /// Not to be shipped.
    Error,
}

/// One rule.
#[derive(Debug)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// How bad a finding is.
    pub severity: Severity,
    /// The rule, in a line.
    pub rule: &'static str,
    /// Why it is one, and how to keep it.
    pub explanation: &'static str,
    run: fn(&Subject, &mut Findings) -> miette::Result<()>,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Findings {
    found: Vec<Finding>,
    skipped: Option<String>,
}

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// Where: a path in the root, a partition, a unit.
    pub place: String,
    /// What is wrong there.
    pub message: String,
}

impl Findings {
    fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.found.push(Finding { place: place.into(), message: message.into() });
    }

    /// The check cannot be made on this image.
    fn skip(&mut self, reason: impl Into<String>) {
        self.skipped = Some(reason.into());
    }
}

/// How a check ended.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verdict {
    /// Its name.
    pub check: &'static str,
    /// How bad a finding is.
    pub severity: Severity,
    /// `passed`, `failed`, or `skipped`.
    pub status: Status,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it found.
    pub findings: Vec<Finding>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "CheckStatus"))]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing found.
    Passed,
    /// Something found.
    Failed,
    /// Not made.
    Skipped,
}

/// Every check, by name.
pub fn checks() -> Vec<&'static Check> {
    let mut all: Vec<&Check> = [
        image::CHECKS,
        secrets::CHECKS,
        files::CHECKS,
        packages::CHECKS,
        programs::CHECKS,
        units::CHECKS,
    ]
    .into_iter()
    .flatten()
    .collect();
    all.sort_by_key(|check| check.name);
    all
}

/// Makes one check.
pub fn run(check: &Check, subject: &Subject) -> miette::Result<Verdict> {
    let mut findings = Findings::default();
    (check.run)(subject, &mut findings)?;
    findings.found.sort_by(|a, b| (&a.place, &a.message).cmp(&(&b.place, &b.message)));
    let status = match (&findings.skipped, findings.found.is_empty()) {
        (Some(_), true) => Status::Skipped,
        (_, true) => Status::Passed,
        (_, false) => Status::Failed,
    };
    Ok(Verdict {
        check: check.name,
        severity: check.severity,
        status,
        reason: findings.skipped,
        findings: findings.found,
    })
}

#[cfg(test)]
mod tests;
