//! The second of two boxes without a witness: what it keeps to go on alone one day, a
//! person's word that the day has come, and what it then does.

use crate::clock::since_boot_ms;
use crate::host::Host;
use crate::node::{ENGINE_SOCKET, ENGINE_UNIT, Effects, Node};
use crate::paths::Paths;
use crate::ring::Ring;
use crate::state::{self, Versioned};
use crate::storage::Storage;
use crate::swarm::{Swarm, seat};
use crate::trust::Trust;
use anyhow::{Context, Result, bail, ensure};
use ashlar_api::cluster::{SeatAnswer, SeatRequest};
use ashlar_cluster::{BothSeen, Keeping, LeftBehind, NodeId, Observed, both_seen, keeps_seat};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;

/// The pause after which the seat is looked after again, in milliseconds.
const KEEP_EVERY: u64 = 15_000;

/// How long that may take: what is not copied then is copied the next time.
const KEEPING: Duration = Duration::from_secs(30);

/// How old what is noted of both copies may be, in seconds.
const SEEN_OLD: u64 = 60;

/// How long the engine may take until it leads on its new seat.
const PATIENCE: Duration = Duration::from_secs(45);

/// The version that this release reads and writes.
const VERSION: u32 = 1;

const FILE: Versioned =
    Versioned { reads: VERSION..=VERSION, cure: "go back to the newer release" };

/// `left-behind.json`: a person's word, on disk before anything is done about it.
#[derive(Serialize, Deserialize)]
struct Word {
    version: u32,
    /// At whom it was said.
    to: NodeId,
    /// In which boot of this box.
    boot: String,
    left: LeftBehind,
}

/// `both-seen.json`.
#[derive(Serialize, Deserialize)]
struct Seen {
    version: u32,
    /// Who saw it.
    by: NodeId,
    seen: BothSeen,
}

/// A person's word.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// About whom.
    pub(crate) left: LeftBehind,
    /// Since this box was switched on.
    pub(crate) said_since_boot: bool,
}

/// A person's word to this box, if one stands.
pub(crate) fn word(paths: &Paths, own: &NodeId) -> Result<Option<Said>> {
    let word = FILE.read::<Word>(&paths.left_behind())?.filter(|word| word.to == *own);
    let now = boot(paths);
    Ok(word.map(|word| Said { said_since_boot: now.as_ref() == Some(&word.boot), left: word.left }))
}

fn boot(paths: &Paths) -> Option<String> {
    Some(std::fs::read_to_string(paths.boot_id()).ok()?.trim().to_owned())
}

/// Writes it down.
pub(crate) fn take_word(paths: &Paths, own: &NodeId, left: &LeftBehind) -> Result<()> {
    let boot = boot(paths).context("the kernel does not tell its boot")?;
    let word = Word { version: VERSION, to: own.clone(), boot, left: left.clone() };
    state::write_json(&paths.left_behind(), &word, 0o600)
}

/// How both copies stood when they were last in sight.
pub(crate) fn seen(paths: &Paths, own: &NodeId) -> Result<Option<BothSeen>> {
    let seen = FILE.read::<Seen>(&paths.both_seen())?;
    Ok(seen.filter(|seen| seen.by == *own).map(|seen| seen.seen))
}

/// What is only of use to the second of two.
pub(crate) fn forget(paths: &Paths) -> Result<()> {
    state::remove(&paths.left_behind())?;
    state::remove(&paths.both_seen())?;
    seat::drop_it(paths)
}

/// The manager of which the seat is copied.
struct Manager<'a> {
    trust: &'a Trust,
    at: IpAddr,
}

impl seat::Ask for Manager<'_> {
    async fn ask(&self, request: SeatRequest) -> Result<SeatAnswer> {
        self.trust.seat_of(self.at, &request).await
    }
}

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// Keeps what this box would need to go on alone, if it is the second of two.
    pub(crate) async fn keep_for_alone(&self) {
        let now_ms = since_boot_ms();
        if self.kept_for_alone.get().is_some_and(|at| now_ms.saturating_sub(at) < KEEP_EVERY) {
            return;
        }
        self.kept_for_alone.set(Some(now_ms));
        let kept = timeout(KEEPING, self.keep_now()).await.context("it took too long");
        if let Err(error) = kept.flatten() {
            tracing::debug!("what this box keeps to go on alone is as it was: {error:#}");
        }
    }

    async fn keep_now(&self) -> Result<()> {
        let observed = self.observed().await?;
        let Some(me) = &observed.identity else { return Ok(()) };
        if let Some(seen) = both_seen(&observed, &self.wanted) {
            let old = |had: &BothSeen| {
                had.whole != seen.whole
                    || had.other != seen.other
                    || seen.at.abs_diff(had.at) >= SEEN_OLD
            };
            if observed.both_seen.as_ref().is_none_or(old) {
                let note = Seen { version: VERSION, by: me.id.clone(), seen };
                state::write_json(&self.paths.both_seen(), &note, 0o600)?;
            }
        }
        match keeps_seat(&observed, &self.wanted) {
            Keeping::AsItIs => Ok(()),
            Keeping::Nothing => seat::drop_it(&self.paths),
            Keeping::Of(at) => {
                let now = observed.clock.unix.context("the clock cannot be right")?;
                let trust = self.trust()?;
                seat::keep(&self.paths, now, &Manager { trust: &trust, at }).await
            }
        }
    }

    pub(crate) async fn go_on_alone(&self, without: IpAddr) -> Result<()> {
        let own = self.identity()?;
        tracing::warn!("a person said that the box at {without} is gone for good: its copy goes");
        self.effects.storage.go_on_alone(&own.name, own.address, without).await
    }

    /// Sits down on the seat that is kept, once, and is known by the own address then.
    pub(crate) async fn lead_alone(&self, observed: &Observed) -> Result<()> {
        let Effects { host, swarm, .. } = &self.effects;
        let own = self.identity()?.address;
        let seen = observed.swarm.as_ref();
        let manages = seen.is_some_and(|swarm| swarm.manager);
        if !manages && !seat::is_taken(&self.paths) {
            ensure!(seat::kept_at(&self.paths).is_some(), "no seat is kept here");
            tracing::warn!("this box takes the seat of the Swarm's manager that is gone");
            host.stop(ENGINE_SOCKET).await?;
            host.stop(ENGINE_UNIT).await?;
            let paths = self.paths.clone();
            tokio::task::spawn_blocking(move || seat::take(&paths, own)).await??;
        }
        host.start(ENGINE_UNIT).await?;
        if manages && !seat::is_taken(&self.paths) && seen.is_some_and(|swarm| !swarm.leader) {
            // It managed beside the one that is gone: without that one nobody agrees.
            swarm.force_new(own).await?;
        }
        let until = tokio::time::Instant::now() + PATIENCE;
        while !swarm.observe().await.is_ok_and(|swarm| swarm.leader) {
            if tokio::time::Instant::now() >= until {
                bail!("the engine does not lead the Swarm yet");
            }
            // Not a wait for something: the pause between two questions.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        if swarm.observe().await?.misplaced {
            swarm.correct_address(own).await?;
        }
        self.standing.borrow_mut().forget();
        Ok(())
    }

    /// Where nothing came of it the other box is let in again.
    pub(crate) async fn forget_word(&self, observed: &Observed) -> Result<()> {
        let volume = observed.storage.as_ref().and_then(|storage| storage.volume.as_ref());
        if let (Some(left), Some(volume)) = (&observed.left_behind, volume)
            && volume.has_brick_of(left.address)
            && volume.admits.is_some()
        {
            self.effects.storage.admit(None).await?;
        }
        state::remove(&self.paths.left_behind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left() -> LeftBehind {
        let id = NodeId("ab".into());
        LeftBehind { id, name: "ashlar-ab".into(), address: IpAddr::from([127, 0, 0, 7]) }
    }

    #[test]
    fn what_is_on_disk_can_be_read_for_ever_and_that_of_a_newer_release_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.state()).unwrap();
        std::fs::create_dir_all(paths.boot_id().parent().unwrap()).unwrap();
        std::fs::write(paths.boot_id(), "b00t\n").unwrap();
        let own = NodeId("cd".into());
        take_word(&paths, &own, &left()).unwrap();
        let left_golden = r#"{"id":"ab","name":"ashlar-ab","address":"127.0.0.7"}"#;
        let golden = format!(r#"{{"version":1,"to":"cd","boot":"b00t","left":{left_golden}}}"#);
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let written = std::fs::read_to_string(paths.left_behind()).unwrap();
        assert_eq!(json(&written), json(&golden));
        assert_eq!(word(&paths, &own).unwrap(), Some(Said { left: left(), said_since_boot: true }));
        std::fs::write(paths.boot_id(), "0ther\n").unwrap();
        assert!(!word(&paths, &own).unwrap().unwrap().said_since_boot);
        assert_eq!(word(&paths, &NodeId("ef".into())).unwrap(), None, "it began anew");
        let both = format!(
            r#"{{"version":1,"by":"cd","seen":{{"other":{left_golden},"at":5,"whole":true}}}}"#
        );
        std::fs::write(paths.both_seen(), &both).unwrap();
        let read = seen(&paths, &own).unwrap();
        assert_eq!(read, Some(BothSeen { other: left(), at: 5, whole: true }));
        std::fs::write(paths.both_seen(), both.replace("\"version\":1", "\"version\":2")).unwrap();
        assert!(seen(&paths, &own).unwrap_err().to_string().contains("version 2"));
    }
}
