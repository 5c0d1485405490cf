//! `ashlarctl power`.

use crate::{ask, cli};
use anyhow::{Result, bail};
use ashlar_api::{Client, Power, PowerRequest};
use std::process::ExitCode;

pub(crate) async fn run(client: &Client, options: &cli::Power) -> Result<ExitCode> {
    let power = match options.what {
        cli::PowerWhat::Reboot => Power::Reboot,
        cli::PowerWhat::Off => Power::Off,
    };
    let mut request = PowerRequest { power, dry_run: true, pin: None };
    let mut answer = client.power(&request).await?;
    if !options.json {
        for sentence in answer.absence.sentences(power) {
            println!("{sentence}");
        }
    }
    if !options.dry_run {
        let prompt = format!("Type `yes` to {}", power.as_str());
        if !options.yes && ask::line(&prompt, "--yes")? != "yes" {
            bail!("nothing is done");
        }
        request.dry_run = false;
        answer = client.power(&request).await?;
    }
    if options.json {
        println!("{}", serde_json::to_string(&answer)?);
    }
    Ok(ExitCode::SUCCESS)
}
