//! Something that every box of a cluster has is replaced, a key or a CA: the options of
//! such verbs, how it is asked for, and how far it is.

use crate::ask;
use crate::style::plain;
use anyhow::{Result, bail};
use ashlar_api::{ClientError, RotationStage, RotationTarget};
use std::time::{Duration, Instant};

/// How it is replaced.
#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
    /// Do not ask.
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Say what would change, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not wait until it is over.
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Wait no longer than so many seconds; it goes on by itself.
    #[arg(long, short, value_name = "SECONDS", default_value_t = 300)]
    pub(super) timeout: u64,
    /// One JSON object, and nothing else; needs --yes or --dry-run.
    #[arg(long)]
    pub(super) json: bool,
}

/// How far it is, as a box tells.
pub(super) trait Progress {
    /// What says it.
    const STATUS: &str;
    /// How often that is asked.
    const PAUSE: Duration;
    /// What is said of a box that knows of none.
    const UNHEARD: &str;

    /// The stage of the last replacement, if there was one;
    fn stage(&self) -> Option<RotationStage>;
    /// and in words.
    fn words(stage: RotationStage) -> &'static str;
    /// Every box: its name, whether it is seen, and what it still has to do.
    fn boxes(&self) -> impl Iterator<Item = (&str, bool, Option<&str>)>;
}

impl Rotate {
    /// Says what would change and has it done, once it is confirmed. What is refused is an
    /// error, but for who reads JSON.
    pub(super) async fn ask<A>(
        &self,
        ask: impl AsyncFn(bool) -> Result<A, ClientError>,
        target: fn(&A) -> &RotationTarget,
    ) -> Result<A> {
        let mut answer = ask::whoever_leads(async || ask(true).await).await?;
        if !self.json {
            for line in &target(&answer).lines {
                println!("  - {}", plain(line));
            }
        }
        if target(&answer).refused.is_none() && !self.dry_run {
            if !self.yes && ask::line("Type `rotate` to go on", "--yes")? != "rotate" {
                bail!("that is another word: nothing is done");
            }
            answer = ask::whoever_leads(async || ask(false).await).await?;
        }
        if let Some(why) = target(&answer).refused.as_ref().filter(|_| !self.json) {
            bail!("refused, and nothing is done: {why}");
        }
        Ok(answer)
    }

    /// Says how far it is, whenever that changes; and at last how it stands, once it is
    /// over. `None` if that takes too long.
    pub(super) async fn follow<P: Progress>(
        &self,
        look: impl AsyncFn() -> Result<P, ClientError>,
    ) -> Option<P> {
        let until = Instant::now() + Duration::from_secs(self.timeout);
        let mut said = String::new();
        loop {
            // A leader may just have changed.
            if let Ok(progress) = look().await {
                let now = stand(&progress);
                if now != said {
                    eprintln!("… {now}");
                    said = now;
                }
                if is_over(&progress) {
                    return Some(progress);
                }
            }
            if Instant::now() >= until {
                eprintln!("it goes on by itself; `{}` says how far it is", P::STATUS);
                return None;
            }
            tokio::time::sleep(P::PAUSE).await;
        }
    }
}

/// Says who was away when it was over.
pub(super) fn say_who_is_away(progress: &impl Progress) {
    for (name, _, lacks) in progress.boxes().filter(|(_, alive, _)| !alive) {
        println!("  - {} {}", plain(name), plain(lacks.unwrap_or("is away")));
    }
}

/// Whether every box that is on has followed to the end.
fn is_over(progress: &impl Progress) -> bool {
    progress.stage() == Some(RotationStage::Only)
        && progress.boxes().all(|(_, alive, lacks)| !alive || lacks.is_none())
}

/// Where it stands, in one line.
fn stand<P: Progress>(progress: &P) -> String {
    let Some(stage) = progress.stage() else { return P::UNHEARD.into() };
    let behind = progress.boxes().filter(|(_, alive, lacks)| *alive && lacks.is_some());
    let behind: Vec<_> = behind.map(|(name, ..)| plain(name)).collect();
    let words = P::words(stage);
    if behind.is_empty() { words.into() } else { format!("{words}: {}", behind.join(", ")) }
}
