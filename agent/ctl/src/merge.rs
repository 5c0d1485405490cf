//! `ashlarctl cluster merge`.

use crate::ask;
use crate::cli;
use anyhow::{Result, bail};
use ashlar_api::{Client, MergeAnswer, MergeRequest};
use std::process::ExitCode;

pub(crate) async fn run(client: &Client, options: &cli::Cluster) -> Result<ExitCode> {
    let cli::ClusterWhat::Merge(options) = &options.what;
    let mut request = MergeRequest {
        into: options.into.clone(),
        site: options.name.clone(),
        partial: options.partial,
        dry_run: true,
    };
    let mut answer = client.merge(&request).await?;
    if !options.json {
        for line in &answer.target.lines {
            println!("{line}");
        }
    }
    if let Some(why) = &answer.target.refused {
        end(&answer, options.json)?;
        bail!("{why}");
    }
    if options.dry_run {
        return end(&answer, options.json);
    }
    if !answer.target.away.is_empty() && !options.partial {
        end(&answer, options.json)?;
        bail!("not every box of this cluster is seen: switch it on first; or add --partial");
    }
    if request.site.is_none() {
        let typed = ask::line("Type the site's name to go on", "--name with the site's name")?;
        request.site = Some(typed);
    }
    request.dry_run = false;
    answer = client.merge(&request).await?;
    end(&answer, options.json)?;
    if !answer.begun {
        for one in &answer.boxes {
            if let Some(why) = &one.trouble {
                eprintln!("{}: {why}", one.name);
            }
        }
        bail!("not every box wrote it down, and none has left: ask again, or add --partial");
    }
    if !options.json {
        println!("It dissolves: `ashlarctl why` says how far it is.");
    }
    Ok(ExitCode::SUCCESS)
}

fn end(answer: &MergeAnswer, json: bool) -> Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string(answer)?);
    }
    Ok(ExitCode::SUCCESS)
}
