//! What was looked at, as lines of a check: a pure function.

use ashlar_api::{
    Alert, Hardware, LinkKind, MemberStatus, Network, Phase, Severity, Status, duration,
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// All that was looked at.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) status: Status,
    pub(super) hardware: Hardware,
    pub(super) network: Network,
    /// `None` from elsewhere.
    pub(super) here: Option<Here>,
}

/// What only the box itself sees.
#[derive(Clone, Debug)]
pub(super) struct Here {
    /// A file was written to the volume and read back; `None` while it is not mounted.
    pub(super) volume: Option<Result<(), String>>,
    /// The other live boxes, by name, and how they answered on their cluster port.
    pub(super) called: BTreeMap<String, Result<(), String>>,
    /// When this box's certificate ends.
    pub(super) certificate_ends: Option<Timestamp>,
    /// By this box's clock.
    pub(super) now: Timestamp,
    /// The port that carries the cluster address, and the longest packet it takes.
    pub(super) mtu: Option<(String, u32)>,
}

/// A part of a box that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Area {
    Ring,
    Pki,
    Storage,
    Swarm,
    Time,
    Disk,
    Network,
    Box,
}

impl Area {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Pki => "pki",
            Self::Storage => "storage",
            Self::Swarm => "swarm",
            Self::Time => "time",
            Self::Disk => "disk",
            Self::Network => "network",
            Self::Box => "box",
        }
    }

    /// Where an alert belongs.
    fn of(alert: &Alert) -> Self {
        match alert.id.as_str() {
            "another-cluster" | "copied-node" | "member-lost" | "box-lost" | "not-alone" => {
                Self::Ring
            }
            "copy-offline" | "copy-without-place" | "healing" | "self-heal-off"
            | "spread-failed" | "spreading" | "storage-state-lost" | "volume-read-only"
            | "witness-away" => Self::Storage,
            "disk-filling" | "disk-full" => Self::Disk,
            "network-tried" | "network-undone" => Self::Network,
            id if id.starts_with("swarm-") || id.starts_with("stack-") => Self::Swarm,
            id if id.starts_with("clock-") => Self::Time,
            _ => Self::Box,
        }
    }
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Good,
    /// Nothing is wrong, and a person may want to know.
    Note,
    Warning,
    Bad,
    /// It could not be looked at from here.
    Skipped,
}

impl Verdict {
    pub(super) const fn is_wrong(self) -> bool {
        matches!(self, Self::Warning | Self::Bad)
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) part: Area,
    pub(super) id: String,
    pub(super) verdict: Verdict,
    pub(super) words: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cure: Option<String>,
}

impl Line {
    fn new(part: Area, id: &str, verdict: Verdict, words: impl Into<String>) -> Self {
        Self { part, id: id.to_owned(), verdict, words: words.into(), cure: None }
    }

    fn good(part: Area, id: &str, words: impl Into<String>) -> Self {
        Self::new(part, id, Verdict::Good, words)
    }

    fn skipped(part: Area, id: &str, words: impl Into<String>) -> Self {
        Self::new(part, id, Verdict::Skipped, words)
    }

    fn wrong(
        part: Area,
        id: &str,
        verdict: Verdict,
        words: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self { cure: Some(cure.into()), ..Self::new(part, id, verdict, words) }
    }
}

/// Every check, part by part.
pub(super) fn judge(facts: &Facts) -> Vec<Line> {
    let mut lines = phases(&facts.status);
    lines.extend(facts.status.alerts.iter().map(alert));
    members(&facts.status, &mut lines);
    time(facts, &mut lines);
    disks(facts, &mut lines);
    cables(facts, &mut lines);
    match &facts.here {
        Some(here) => from_here(here, &mut lines),
        None => {
            let words = "from elsewhere nothing is written or called: type it on the box itself";
            lines.push(Line::skipped(Area::Box, "on-the-box", words));
        }
    }
    lines.sort_by_key(|line| line.part);
    lines
}

fn phases(status: &Status) -> Vec<Line> {
    let mut lines = Vec::new();
    for phase in &status.phases {
        let part = match phase.phase {
            Phase::Ring => Area::Ring,
            Phase::Pki => Area::Pki,
            Phase::Storage => Area::Storage,
            Phase::Swarm => Area::Swarm,
            _ => Area::Box,
        };
        let id = format!("phase-{}", phase.phase);
        let words =
            if phase.detail.is_empty() { phase.phase.to_string() } else { phase.detail.clone() };
        lines.push(if phase.holds {
            Line::good(part, &id, words)
        } else {
            let cure = "`ashlarctl why` says what it waits for and which rule holds it back";
            Line::wrong(part, &id, Verdict::Bad, words, cure)
        });
    }
    if lines.is_empty() {
        let cure = "look again in a few seconds: `ashlarctl wait` waits";
        let words = "the agent has just started and has seen nothing yet";
        lines.push(Line::wrong(Area::Box, "phases", Verdict::Bad, words, cure));
    }
    for part in status.parts.iter().filter(|part| part.silent_ms > 0) {
        let why = part.silent.as_deref().unwrap_or("no answer");
        let words = format!("{} silent for {}: {why}", part.part, duration(part.silent_ms));
        let cure = "it is started anew when it stays silent; `ashlarctl logs` has more";
        lines.push(Line::wrong(Area::Box, "part-silent", Verdict::Warning, words, cure));
    }
    lines
}

fn alert(alert: &Alert) -> Line {
    let verdict = match alert.severity {
        Severity::Critical => Verdict::Bad,
        Severity::Warning => Verdict::Warning,
        Severity::Notice => Verdict::Note,
    };
    Line::wrong(Area::of(alert), &alert.id, verdict, &alert.words, &alert.cure)
}

fn members(status: &Status, lines: &mut Vec<Line>) {
    let kin: Vec<_> = status.members.iter().filter(|member| member.same_cluster).collect();
    let alive = kin.iter().filter(|member| member.status == MemberStatus::Alive).count();
    if alive == kin.len() && alive > 0 {
        let words = format!("all {alive} boxes of the cluster answer, each to each");
        lines.push(Line::good(Area::Ring, "members", words));
    } else if alive > 0 {
        let words = format!("{alive} of {} boxes of the cluster answer", kin.len());
        let cure = "look whether the others have power and their cable: `ashlarctl members`";
        lines.push(Line::wrong(Area::Ring, "members", Verdict::Warning, words, cure));
    }
}

fn time(facts: &Facts, lines: &mut Vec<Line>) {
    lines.push(if facts.hardware.clock_synchronised {
        Line::good(Area::Time, "time-server", "a time server has set the clock")
    } else {
        let words = "no time server has set the clock since power-on";
        let cure = "let UDP port 123 out, or name a server of yours in the site's `[time]`";
        Line::wrong(Area::Time, "time-server", Verdict::Warning, words, cure)
    });
}

/// Alerts tell of those that are filling; the others are told of here.
fn disks(facts: &Facts, lines: &mut Vec<Line>) {
    let told = |name: &str| {
        facts.status.alerts.iter().any(|a| a.id.starts_with("disk-") && a.subject == name)
    };
    for disk in facts.status.disks.iter().filter(|disk| !told(&disk.name)) {
        let words = format!("the {} partition is full to {} %", disk.name, disk.used_percent);
        lines.push(Line::good(Area::Disk, "disk", words));
    }
}

fn cables(facts: &Facts, lines: &mut Vec<Line>) {
    let me = facts.status.identity.as_ref().map(|me| me.address);
    let carries = |link: &&ashlar_api::LinkView| {
        me.is_some_and(|me| link.addresses.iter().any(|a| a.address == me))
    };
    match facts.network.links.iter().find(carries) {
        Some(link) if link.carrier || link.kind == LinkKind::Virtual => {
            let words = format!("{} carries the cluster address: {}", link.name, link.state());
            lines.push(Line::good(Area::Network, "cable", words));
        }
        Some(link) => {
            let words = format!("{} carries the cluster address and has no cable", link.name);
            lines.push(Line::wrong(Area::Network, "cable", Verdict::Bad, words, "put it in"));
        }
        None if me.is_some() => {
            let words = "no port carries this box's cluster address";
            let cure = "put a cable in; `ashlarctl network` lists the ports";
            lines.push(Line::wrong(Area::Network, "cable", Verdict::Bad, words, cure));
        }
        None => {}
    }
    if facts.network.gateways.is_empty() {
        let words = "there is no router: nothing outside is reached";
        let cure = "it is right where nothing outside is wanted; else look at DHCP, or set one";
        lines.push(Line {
            cure: Some(cure.to_owned()),
            ..Line::new(Area::Network, "router", Verdict::Note, words)
        });
    }
}

/// Renewal begins at a third of the life: less than this is left only when it failed
/// for long.
const CERTIFICATE_LEFT_HOURS: i64 = 24;

/// What the containers' encrypted networks need besides what they carry is taken off it.
const MTU: u32 = 1500;

fn from_here(here: &Here, lines: &mut Vec<Line>) {
    match &here.volume {
        None => {}
        Some(Ok(())) => {
            let words = "a file was written to the volume, read back and removed";
            lines.push(Line::good(Area::Storage, "written-and-read", words));
        }
        Some(Err(why)) if why == "root only" => {
            let words = "a file is written to the volume for root only";
            lines.push(Line::skipped(Area::Storage, "written-and-read", words));
        }
        Some(Err(why)) => {
            let words = format!("a file cannot be written to the volume and read back: {why}");
            let cure = "`ashlarctl why` says what the volume lacks; most often boxes that are off";
            lines.push(Line::wrong(Area::Storage, "written-and-read", Verdict::Bad, words, cure));
        }
    }
    match here.certificate_ends {
        None => {
            let words = "this box's certificate is there for root only, or not at all";
            lines.push(Line::skipped(Area::Pki, "certificate", words));
        }
        Some(ends) => lines.push(certificate(ends, here.now)),
    }
    for (name, called) in &here.called {
        lines.push(match called {
            Ok(()) => Line::good(Area::Network, "reach", format!("{name} is reached over TCP")),
            Err(why) => {
                let words = format!("{name} is alive in the ring, and not reached over TCP: {why}");
                let cure = "look for a filter between the two; type this on that box as well";
                Line::wrong(Area::Network, "reach", Verdict::Bad, words, cure)
            }
        });
    }
    if let Some((name, mtu)) = &here.mtu {
        lines.push(if *mtu >= MTU {
            Line::good(Area::Network, "mtu", format!("{name} takes packets of {mtu} bytes"))
        } else {
            let words = format!("{name} takes packets of {mtu} bytes only");
            let cure = "set the switch or tunnel between the boxes to 1500: networks of containers \
                        lose long packets otherwise";
            Line::wrong(Area::Network, "mtu", Verdict::Warning, words, cure)
        });
    }
}

fn certificate(ends: Timestamp, now: Timestamp) -> Line {
    let left = ends.duration_since(now).as_hours();
    let cure = "it is renewed by itself while a box with the CA key is there and the clocks are \
                right: `ashlarctl history --failed`";
    if left <= 0 {
        let words = format!("this box's certificate ended on {ends}");
        Line::wrong(Area::Pki, "certificate", Verdict::Bad, words, cure)
    } else if left < CERTIFICATE_LEFT_HOURS {
        let words = format!("this box's certificate ends in {left} hours");
        Line::wrong(Area::Pki, "certificate", Verdict::Warning, words, cure)
    } else {
        let words = format!("this box's certificate holds for {} days more", left / 24);
        Line::good(Area::Pki, "certificate", words)
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
pub(super) mod tests;
