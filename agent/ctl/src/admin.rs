//! `ashlarctl admin`.

use crate::cli::{self, AdminWhat};
use crate::style::plain;
use anyhow::{Context, Result};
use ashlar_api::{Client, RevokedRequest};
use std::process::ExitCode;

pub(crate) async fn run(client: &Client, options: &cli::Admin) -> Result<ExitCode> {
    let AdminWhat::Revoke { list, json } = &options.what;
    let text = std::fs::read_to_string(list)
        .with_context(|| format!("cannot read the list {}", list.display()))?;
    let answer = client.revoked(&RevokedRequest { list: Some(text) }).await?;
    if *json {
        println!("{}", serde_json::to_string(&answer)?);
        return Ok(ExitCode::SUCCESS);
    }
    let told = answer.told + 1;
    println!("{} revoked; {told} boxes know it.", answer.revoked);
    for name in &answer.untold {
        println!("  - {} did not answer; it learns it from the others.", plain(name));
    }
    Ok(ExitCode::SUCCESS)
}
