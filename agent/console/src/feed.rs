//! News from the agent, fetched beside the screen so that a stuck agent never
//! delays a key or a resize.

use anyhow::Result;
use ashlar_api::{Client, Status};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// What the agent said, or why it said nothing.
pub(crate) type Answer = std::result::Result<Status, String>;

const EVERY: Duration = Duration::from_secs(1);

/// Asks about once a second, until nobody listens.
pub(crate) fn start(client: Client) -> Result<Receiver<Answer>> {
    let runtime = runtime()?;
    let (tell, news) = channel();
    std::thread::Builder::new().name("feed".into()).spawn(move || {
        runtime.block_on(async {
            let mut tick = tokio::time::interval(EVERY);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let answer = client.status().await.map_err(|e| e.to_string());
                if tell.send(answer).is_err() {
                    return;
                }
            }
        });
    })?;
    Ok(news)
}

/// Asks once.
pub(crate) fn ask(client: &Client) -> Result<Answer> {
    Ok(runtime()?.block_on(client.status()).map_err(|e| e.to_string()))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
