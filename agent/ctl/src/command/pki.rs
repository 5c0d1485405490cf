//! `ashlarctl pki`.

use super::facts::{Facts, line, show};
use super::rotation::{Progress, Rotate, say_who_is_away};
use crate::NOT_READY;
use crate::style::{bad, faint, good, heading, plain, waiting};
use anyhow::Result;
use ashlar_api::{CertificateView, Client, MemberCertificate, PkiAnswer, PkiStatus, RotationStage};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// Show the cluster's CA and whose certificate ends when, or replace the CA
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What is asked of the PKI.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// The CA and its life, who holds its key, this box's certificate and the others'
    ///
    /// Every box that is alive is called for the certificate that it shows.
    #[command(after_help = "\
Examples:
  ashlarctl pki status
  ashlarctl pki status --json | jq -r .own.not_after")]
    Status(Facts),
    /// Replace the cluster's CA, and with it the certificate of every box
    ///
    /// Says first what would change. The new CA is minted on a box that holds the key of
    /// the one of now, which vouches for it. All that are on trust both, then get
    /// certificates of the new one, one after another, then trust no other. One that is
    /// off takes it when it is back, while it has its place in the cluster. Who
    /// reads and writes goes on meanwhile, and a power cut only makes it go on.
    #[command(after_help = "\
Examples:
  ashlarctl pki rotate --dry-run    what would change
  ashlarctl pki rotate --yes && ashlarctl pki status
  ashlarctl --site shop pki rotate  the same from a workstation, with a pass")]
    Rotate(Rotate),
}

pub(crate) async fn run(client: &Client, args: &Args) -> Result<ExitCode> {
    match &args.verb {
        Verb::Status(options) => show(&client.pki().await?, options.json, words),
        Verb::Rotate(options) => rotate(client, options).await,
    }
}

async fn rotate(client: &Client, options: &Rotate) -> Result<ExitCode> {
    let ask = async |dry_run| client.rotate_ca(dry_run).await;
    let answer = options.ask(ask, |answer: &PkiAnswer| &answer.target).await?;
    let over = !answer.decided || options.no_wait || follow(client, options).await;
    if options.json {
        print!("{}", line(&answer)?);
    }
    Ok(match (&answer.target.refused, over) {
        (Some(_), _) => ExitCode::FAILURE,
        (None, true) => ExitCode::SUCCESS,
        (None, false) => ExitCode::from(NOT_READY),
    })
}

/// Whether it is over.
async fn follow(client: &Client, options: &Rotate) -> bool {
    let Some(last) = options.follow(async || client.pki().await).await else { return false };
    if !options.json {
        say_who_is_away(&last);
        println!("The cluster has a new CA, and no certificate of the one before opens anything.");
    }
    true
}

impl Progress for PkiStatus {
    const STATUS: &str = "ashlarctl pki status";
    /// Every box is called for its certificate each time.
    const PAUSE: Duration = Duration::from_secs(2);
    const UNHEARD: &str = "this box has not heard of it yet";

    fn stage(&self) -> Option<RotationStage> {
        self.succession.as_ref().map(|succession| succession.stage)
    }

    fn words(stage: RotationStage) -> &'static str {
        match stage {
            RotationStage::Spread => "every box trusts it, the one before signs",
            RotationStage::Use => {
                "every box gets a certificate of it, the one before is still trusted"
            }
            RotationStage::Only => "in use, and no other",
        }
    }

    fn boxes(&self) -> impl Iterator<Item = (&str, bool, Option<&str>)> {
        self.boxes.iter().map(|one| (one.name.as_str(), one.alive, one.lacks.as_deref()))
    }
}

fn words(pki: &PkiStatus) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(out, "{} {value}", heading(name));
    };
    row("cluster", &pki.cluster.as_ref().map_or_else(|| faint("none yet"), |c| plain(&c.0)));
    for ca in &pki.authorities {
        row("CA", &plain(&ca.fingerprint));
        row("", &format!("from {} to {}", day(&ca.not_before), day(&ca.not_after)));
    }
    if let Some(succession) = &pki.succession {
        let words = format!(
            "replaced: {}, {}",
            plain(&succession.ca.0),
            PkiStatus::words(succession.stage)
        );
        row("", &words);
        for one in &pki.boxes {
            if let Some(lacks) = &one.lacks {
                row("", &waiting(&format!("{} {}", plain(&one.name), plain(lacks))));
            }
        }
    }
    let here = pki.key_here.then_some("this box");
    let held = pki.members.iter().filter(|m| m.ca_key).map(|m| m.name.as_str());
    let holders: Vec<_> = here.into_iter().chain(held).map(plain).collect();
    row("its key", &if holders.is_empty() { bad("nobody") } else { holders.join(", ") });
    let own = pki.own.as_ref().map_or_else(|| bad("has no certificate"), life);
    row("this box", &own);
    if let Some(own) = &pki.own {
        row("", &format!("serial {}", plain(&own.serial)));
    }
    let width = pki.members.iter().map(|m| m.name.chars().count()).max().unwrap_or(0);
    for member in &pki.members {
        row("", &format!("{:<width$}  {}", plain(&member.name), of_member(member)));
    }
    row("struck off", &pki.struck_off.to_string());
    out
}

fn of_member(member: &MemberCertificate) -> String {
    match (&member.certificate, &member.unknown) {
        _ if member.struck_off => faint("struck off: nobody serves it"),
        (Some(certificate), _) => life(certificate),
        (None, Some(why)) => waiting(&format!("not known: {}", plain(why))),
        (None, None) => waiting("not known"),
    }
}

fn life(certificate: &CertificateView) -> String {
    let CertificateView { not_after, renewal, renewal_due, .. } = certificate;
    let renewal = format!("renewed from {} on", day(renewal));
    let renewal = if *renewal_due { waiting(&renewal) } else { good(&renewal) };
    format!("until {}, {renewal}{}", day(not_after), left(not_after, jiff::Timestamp::now()))
}

/// For how long it holds still, as far as this machine's clock is right.
fn left(not_after: &str, now: jiff::Timestamp) -> String {
    let Ok(end) = not_after.parse::<jiff::Timestamp>() else { return String::new() };
    if end < now {
        return format!(", {}", bad("it has ended"));
    }
    match (end.as_second() - now.as_second()) / 86_400 {
        1 => ", 1 day left".into(),
        days => format!(", {days} days left"),
    }
}

/// The day of a time, which is as exact as a person needs it.
fn day(time: &str) -> String {
    plain(time.split('T').next().unwrap_or(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_certificate_is_told_in_whole_days() {
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        assert_eq!(left("2026-12-01T10:00:00Z", now), ", 4 days left");
        assert_eq!(left("2026-11-27T12:00:00Z", now), ", 1 day left");
        assert_eq!(left("2026-11-26T13:00:00Z", now), ", 0 days left");
        assert!(left("2026-11-26T11:00:00Z", now).contains("ended"));
        assert_eq!(left("some day", now), "");
    }
}
