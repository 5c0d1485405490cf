//! `ashlarctl members`.

use super::facts;
use crate::style::{bad, faint, good, plain, waiting};
use anyhow::Result;
use ashlar_api::{Client, MemberStatus, MemberView, Status, Tenure};
use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// List the members of the ring
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A JSON list instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(client: &Client, options: &Args) -> Result<ExitCode> {
    let status = client.status().await?;
    let text = if options.json {
        facts::line(&status.members)?
    } else if status.members.is_empty() {
        "no members: the ring has not formed yet (see `ashlarctl status`)\n".into()
    } else {
        table(&status)
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// One line a member, this node first, then by name.
pub(crate) fn table(status: &Status) -> String {
    let own = status.identity.as_ref().map(|me| me.name.as_str());
    let mut members: Vec<&MemberView> = status.members.iter().collect();
    members.sort_by_key(|m| (Some(m.name.as_str()) != own, &m.name));
    let width = members.iter().map(|m| m.name.chars().count()).max().unwrap_or(0);
    let address_width = members.iter().map(|m| m.address.to_string().len()).max().unwrap_or(0);
    let line = |member: &MemberView| {
        let (mark, word) = match member.status {
            MemberStatus::Alive => (good("✔"), "alive"),
            MemberStatus::Leaving => (waiting("…"), "leaving"),
            MemberStatus::Left => (faint("-"), "left"),
            MemberStatus::Failed => (bad("✘"), "failed"),
        };
        let mut place = match (Some(member.name.as_str()) == own, member.same_cluster) {
            (true, _) => "this node".to_owned(),
            (false, true) => member.tenure.map_or_else(String::new, place),
            (false, false) => "not in this cluster".into(),
        };
        if member.witness {
            place += if place.is_empty() { "witness" } else { ", witness" };
        }
        let line = format!(
            "{mark} {:<width$}  {:<address_width$}  {word:<7}  {place}",
            plain(&member.name),
            member.address.to_string()
        );
        format!("{}\n", line.trim_end())
    };
    members.into_iter().map(line).collect()
}

/// How a box stands that is not as it should be.
fn place(tenure: Tenure) -> String {
    match tenure {
        Tenure::Active => String::new(),
        Tenure::Draining => "is being taken out".into(),
        Tenure::Retired => "lost its place".into(),
        Tenure::Lost { since: None } => "lost".into(),
        Tenure::Lost { since: Some(since) } => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            match now.saturating_sub(since) {
                7_200.. => format!("lost for {} hours", (now - since) / 3_600),
                120.. => format!("lost for {} minutes", (now - since) / 60),
                seconds => format!("lost for {seconds} s"),
            }
        }
    }
}
