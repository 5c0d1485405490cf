//! `ashlarctl pki`.

use super::facts::{Facts, show};
use crate::style::{bad, faint, good, heading, plain, waiting};
use anyhow::Result;
use ashlar_api::{CertificateView, Client, MemberCertificate, PkiStatus};
use std::fmt::Write as _;
use std::process::ExitCode;

/// Show the cluster's CA, who holds its key, and whose certificate ends when
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What of the PKI.
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
}

pub(crate) async fn run(client: &Client, args: &Args) -> Result<ExitCode> {
    let Verb::Status(options) = &args.verb;
    show(&client.pki().await?, options.json, words)
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
    format!("until {}, {renewal}", day(not_after))
}

/// The day of a time, which is as exact as a person needs it.
fn day(time: &str) -> String {
    plain(time.split('T').next().unwrap_or(time))
}
