//! What a person types before something is done that cannot be undone.

use anyhow::{Result, bail};
use std::io::{BufRead, IsTerminal, Write};

/// A line, typed at a terminal; elsewhere an error that names what to add to the
/// command `instead`.
pub(crate) fn line(prompt: &str, instead: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to confirm this: add {instead}");
    }
    print!("{prompt}: ");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
