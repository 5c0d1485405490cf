//! What is asked of a person before something is done that cannot be undone, and of a
//! cluster that has no leader for a moment.

use anyhow::{Result, bail};
use ashlar_api::{ClientError, Refusal};
use std::io::{BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How long a cluster may be without a leader, and how often it is asked again.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(2);

/// Asks until somebody leads: an election passes, and a leader that is taken out
/// hands over.
pub(crate) async fn whoever_leads<A>(
    mut ask: impl AsyncFnMut() -> Result<A, ClientError>,
) -> Result<A> {
    let since = Instant::now();
    loop {
        match ask().await {
            Err(error)
                if error.refusal().is_some_and(|e| e.refusal == Refusal::NotReady)
                    && since.elapsed() < PATIENCE =>
            {
                eprintln!("{error}; asking again");
                tokio::time::sleep(PAUSE).await;
            }
            answer => return Ok(answer?),
        }
    }
}

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
