//! Which known holes the packages of an image have, by the JSON that Debian's
//! security tracker publishes.
//!
//! A hole belongs to a source package. It is open in an image when the tracker has
//! no fixed version for the image's release, or a later one than the image's, by
//! dpkg's own [order of versions](crate::version). What a project has looked at and
//! lives with is in an [`Ignore`] list, each entry with its reason and the day on
//! which somebody has to look again.

mod ignore;

pub use ignore::{Ignore, IgnoreError, Ignored};

use crate::{Package, version};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What the tracker knows: source package → hole → what is known of it.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Tracker(BTreeMap<String, BTreeMap<String, Issue>>);

#[derive(Debug, Deserialize)]
struct Issue {
    #[serde(default)]
    description: String,
    #[serde(default)]
    releases: BTreeMap<String, State>,
}

#[derive(Debug, Deserialize)]
struct State {
    #[serde(default)]
    status: String,
    fixed_version: Option<String>,
    #[serde(default)]
    urgency: String,
    nodsa: Option<String>,
}

/// How bad a hole is, as the tracker has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "HoleSeverity"))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Debian takes it for no hole, or it needs what nobody does.
    Unimportant,
    /// Little harm.
    Low,
    /// Between them.
    Medium,
    /// Nobody has rated it yet: it may be anything.
    Unrated,
    /// Much harm.
    High,
}

impl Severity {
    /// Every severity, the least first.
    pub const ALL: [Self; 5] =
        [Self::Unimportant, Self::Low, Self::Medium, Self::Unrated, Self::High];

    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unimportant => "unimportant",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::Unrated => "unrated",
            Self::High => "high",
        }
    }

    fn of_urgency(text: &str) -> Self {
        // A star says that the rating is not Debian's own.
        match text.trim_end_matches('*') {
            "unimportant" => Self::Unimportant,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            _ => Self::Unrated,
        }
    }
}

impl std::str::FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            format!("`{text}` is no severity; there are {words}")
        })
    }
}

/// One hole in one source package of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hole {
    /// Its name, `CVE-2026-1234`.
    pub id: String,
    /// The source package.
    pub source: String,
    /// The source's version in the image.
    pub version: String,
    /// The image's packages that were built from it.
    pub packages: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
    /// The version of this release that mends it; nothing if there is none yet.
    pub fixed: Option<String>,
    /// Why Debian does not hurry, in the tracker's word.
    pub postponed: Option<String>,
    /// What it is.
    pub description: String,
}

impl Tracker {
    /// Reads the tracker's file.
    ///
    /// # Errors
    /// When it is another file.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The holes of an image's packages in a Debian release (`trixie`), the worst
    /// first.
    #[must_use]
    pub fn holes(&self, packages: &[Package], release: &str) -> Vec<Hole> {
        let mut sources: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for package in packages {
            sources.entry(package.source()).or_default().push(package.name.clone());
        }
        let mut holes = Vec::new();
        for ((source, installed), names) in sources {
            for (id, issue) in self.0.get(source).into_iter().flatten() {
                let Some(state) = issue.releases.get(release) else { continue };
                if !is_open(state, installed) {
                    continue;
                }
                holes.push(Hole {
                    id: id.clone(),
                    source: source.to_owned(),
                    version: installed.to_owned(),
                    packages: names.clone(),
                    severity: Severity::of_urgency(&state.urgency),
                    fixed: state.fixed_version.clone(),
                    postponed: state.nodsa.clone(),
                    description: issue.description.clone(),
                });
            }
        }
        holes.sort_by(|one, other| {
            let key = |hole: &Hole| (hole.source.clone(), hole.id.clone());
            other.severity.cmp(&one.severity).then_with(|| key(one).cmp(&key(other)))
        });
        holes
    }
}

fn is_open(state: &State, installed: &str) -> bool {
    match (state.status.as_str(), state.fixed_version.as_deref()) {
        // The tracker's word for a release that never had the hole.
        (_, Some("0")) => false,
        (_, Some(fixed)) => version::compare(installed, fixed) == Ordering::Less,
        ("resolved", None) => false,
        (_, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{Severity, Tracker};
    use crate::packages::{Package, Source};
    use proptest::prelude::*;

    const TRACKER: &str = r#"{
        "glibc": {
            "CVE-2026-1": { "description": "a stack overflow", "releases": {
                "trixie": { "status": "resolved", "fixed_version": "2.41-12+deb13u2", "urgency": "high" },
                "bookworm": { "status": "open", "urgency": "high" } } },
            "CVE-2026-2": { "releases": { "trixie": { "status": "open", "urgency": "not yet assigned", "nodsa": "Minor issue" } } },
            "CVE-2026-3": { "releases": { "trixie": { "status": "resolved", "fixed_version": "0", "urgency": "low" } } },
            "CVE-2026-4": { "releases": { "bookworm": { "status": "open", "urgency": "low" } } }
        },
        "bash": { "CVE-2026-5": { "releases": { "trixie": { "status": "open", "urgency": "unimportant" } } } }
    }"#;

    fn package(name: &str, version: &str, source: Option<(&str, &str)>) -> Package {
        Package {
            name: name.into(),
            version: version.into(),
            architecture: "amd64".into(),
            source: source
                .map(|(name, version)| Source { name: name.into(), version: version.into() }),
        }
    }

    fn holes(glibc: &str) -> Vec<String> {
        let of = Some(("glibc", glibc));
        let packages =
            [package("libc6", "9", of), package("libc-bin", "9", of), package("bash", "5.2", None)];
        let tracker = Tracker::parse(TRACKER).unwrap();
        let holes = tracker.holes(&packages, "trixie");
        holes.iter().map(|hole| format!("{} {}", hole.id, hole.packages.join("+"))).collect()
    }

    #[test]
    fn a_hole_is_open_until_the_image_has_the_fixed_version_of_its_source() {
        let old = ["CVE-2026-1 libc6+libc-bin", "CVE-2026-2 libc6+libc-bin", "CVE-2026-5 bash"];
        assert_eq!(holes("2.41-12+deb13u1"), old);
        assert_eq!(holes("2.41-12+deb13u2"), old[1..]);
        assert_eq!(holes("2.41-13"), old[1..]);
    }

    #[test]
    fn what_nobody_has_rated_is_not_taken_for_harmless() {
        let tracker = Tracker::parse(TRACKER).unwrap();
        let holes = tracker.holes(&[package("glibc", "2.41-13", None)], "trixie");
        assert_eq!(holes[0].severity, Severity::Unrated);
        assert!(Severity::Unrated > Severity::Medium);
        assert_eq!(holes[0].postponed.as_deref(), Some("Minor issue"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
            let _ = Tracker::parse(&text);
        }
    }
}
