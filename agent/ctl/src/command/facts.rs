//! How facts are shown, in words or as JSON, and the option of verbs that have nothing
//! else to be told.

use anyhow::Result;
use serde::Serialize;
use std::io::Write;
use std::process::ExitCode;

/// What a verb is told that has nothing else to be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Facts {
    /// One JSON object, and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

/// As JSON, or in words.
pub(crate) fn show<T: Serialize>(
    facts: &T,
    json: bool,
    words: fn(&T) -> String,
) -> Result<ExitCode> {
    let text = if json { line(facts)? } else { words(facts) };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// One JSON value in a line.
pub(crate) fn line<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}
