//! `ashlarctl power`.

use crate::cli;
use anyhow::{Result, bail};
use ashlar_api::{Client, Power, PowerRequest};
use std::io::{BufRead, IsTerminal, Write};
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
        if !options.yes && !confirmed(power)? {
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

fn confirmed(power: Power) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to confirm this: add --yes");
    }
    print!("Type `yes` to {}: ", power.as_str());
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}
