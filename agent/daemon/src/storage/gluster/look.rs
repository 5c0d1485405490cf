//! What is asked of the storage daemon, and how old an answer may be.

use super::super::cli::{READ, must, run};
use super::super::copies;
use super::super::directory;
use super::super::reach::Heard;
use super::super::spread::{self, Noted};
use super::super::xml::{Output, Processes};
use super::{ADMITS, Gluster, TURN};
use anyhow::Result;
use ashlar_cluster::{COMMON, Options, Rebalance, TLS, Volume};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// `EG_NOVOL` of glusterd.
const NO_SUCH_VOLUME: i32 = 30806;

/// `volume status` is a transaction over all peers and refuses a second one at
/// the same time; asking seldom keeps out of the way of changes.
const STATUS_AGE: Duration = Duration::from_secs(4);

/// What could not be asked for so long is not known any more.
const STATUS_GONE: Duration = Duration::from_secs(60);

/// For how long nobody asks what heals before the volume is mounted.
const MOUNTS: Duration = Duration::from_secs(120);

/// What moves between sets is asked of every box; files take their time anyway.
const MOVING_AGE: Duration = Duration::from_secs(10);

impl Gluster {
    /// What runs of the volume, of so many bricks in all. If that cannot be
    /// asked for long, nobody can tell: an error, and not "nothing runs".
    pub(super) async fn processes(&self, bricks: usize) -> Result<Processes> {
        if let Some(kept) = self.processes.within(|_| STATUS_AGE)
            && kept.bricks.len() == bricks
            && kept.healers_down.is_empty()
        {
            return Ok(kept);
        }
        // Another node's question may be in the way. What was true a moment ago
        // will do; an agent that has just started knows nothing, and asks again.
        let mut tries = if self.known().is_some() { 0 } else { 5 };
        let mut last = self.ask_processes().await;
        while last.is_err() && tries > 0 {
            tokio::time::sleep(pause()).await;
            last = self.ask_processes().await;
            tries -= 1;
        }
        match last {
            Ok(processes) => {
                let before = self.processes.keep(processes.clone());
                // What heals is another question when other bricks run.
                if before.is_some_and(|before| before.bricks != processes.bricks) {
                    self.heals.expire();
                }
                Ok(processes)
            }
            Err(error) => self.known().ok_or(error),
        }
    }

    /// What the mount heard when it was last asked.
    pub(super) fn heard(&self) -> Heard {
        self.heard.within(|_| STATUS_GONE).unwrap_or_default()
    }

    pub(super) fn known(&self) -> Option<Processes> {
        self.processes.within(|_| STATUS_GONE)
    }

    pub(super) async fn ask_processes(&self) -> Result<Processes> {
        Ok(must(&["volume", "status", &self.volume], READ).await?.processes())
    }

    /// How far files are on their way, of a volume that has sets to which not all are
    /// spread; `None` if that cannot be asked.
    pub(super) async fn moving(
        &self,
        volume: &Volume,
        noted: &Noted,
        own: Option<IpAddr>,
    ) -> Option<Rebalance> {
        if let Some(kept) = self.moving.within(|_| MOVING_AGE) {
            return kept;
        }
        let answer = run(&["volume", "rebalance", &self.volume, "status"], READ).await.ok();
        // Of a volume whose files never moved it says so, as an error without a number
        // of its own.
        let answer = answer.filter(|o| o.op_ret == 0 || o.op_errstr.contains("not started"));
        let hosts: Vec<_> = volume.bricks.iter().map(|b| b.address).collect();
        let value = answer.map(|output| spread::how_far(output.moving(), noted, &hosts, own));
        self.moving.keep(value.clone());
        value
    }

    /// Takes bricks that run and that the mount here does not hear for what they are.
    /// Whether it tells anything.
    pub(super) async fn note_silent(&self, volume: &mut Volume, own: Option<IpAddr>) -> bool {
        let Some(own) = own else { return false };
        let names = match copies::names(&self.paths, &self.volume, own) {
            Ok(names) => names,
            Err(error) => {
                tracing::debug!("which bricks answer is not known: {error:#}");
                return false;
            }
        };
        let heard = self.reach.heard(&self.paths.volume(), names).await;
        self.heard.keep(heard.clone());
        let silent = match heard {
            Heard::AllBut(silent) => silent,
            // Of two copies one decides; of more it is not known which are left.
            Heard::TooFew => match volume.decides() {
                Some(brick) if !volume.is_handed_over() => [brick.address].into(),
                _ => volume.bricks.iter().map(|b| b.address).collect(),
            },
            Heard::Untold => return false,
        };
        for brick in volume.bricks.iter_mut().filter(|b| b.online && silent.contains(&b.address)) {
            brick.online = false;
            volume.silent.insert(brick.address);
        }
        true
    }

    /// Whether this agent saw the volume started not long ago for the first time.
    fn is_new(&self) -> bool {
        self.started_since.get_or_init(Instant::now).elapsed() < MOUNTS
    }

    /// Whether this box's own brick lost all that it held. What cannot be read is not
    /// known to be lost.
    fn is_emptied(&self, own: IpAddr) -> bool {
        let brick = copies::own_brick(&self.paths, &self.volume, own);
        brick.ok().flatten().is_some_and(|b| directory::is_emptied(&self.directory(), &b))
    }

    /// The volume, by what `volume info` told.
    pub(super) async fn volume(&self, own: Option<IpAddr>, info: Output) -> Result<Option<Volume>> {
        if info.op_ret != 0 && info.op_errno != NO_SUCH_VOLUME {
            anyhow::bail!("glusterd does not tell of {}: {}", self.volume, info.op_errstr);
        }
        let Some((mut volume, options)) = info.volume(&self.volume) else { return Ok(None) };
        let noted = Noted::of(&options);
        volume.spread = noted.sets;
        volume.admits = admitted(&options);
        volume.turn = turn(&options);
        volume.tls = has(&options, TLS);
        volume.tuned = has(&options, COMMON) && has(&options, volume.who_writes());
        if volume.started {
            let processes = self.processes(volume.bricks.len()).await?;
            // One that is being given back counts for nothing yet, whether it runs or not.
            let renewed = own.filter(|_| directory::is_renewing(&self.directory()));
            for brick in &mut volume.bricks {
                let counts = renewed != Some(brick.address);
                brick.online = counts && processes.bricks.contains(&brick.address);
            }
            let heard = self.note_silent(&mut volume, own).await;
            let down = |own: IpAddr| volume.bricks.iter().any(|b| b.address == own && !b.online);
            volume.emptied = own.is_some_and(|own| down(own) && self.is_emptied(own));
            if volume.replicas > 1 {
                volume.healers_down = processes.healers_down(own);
            }
            volume.pending_heals = match volume.replicas {
                ..=1 => Some(0),
                // A box that is only on its way to mounting it has better things to do.
                _ if !heard && self.is_new() => None,
                _ => self.heals.pending(&self.volume).await,
            };
            if !volume.is_spread() {
                volume.rebalance = self.moving(&volume, &noted, own).await;
            }
        }
        Ok(Some(volume))
    }
}

/// A pause that differs between nodes, so that they do not meet again.
fn pause() -> Duration {
    Duration::from_millis(rand::rng().random_range(50..400))
}

/// Whose turn it is; what cannot be read is nobody's to give.
pub(super) fn turn(options: &BTreeMap<String, String>) -> u32 {
    options.get(TURN).and_then(|turn| turn.parse().ok()).unwrap_or(0)
}

/// Whom the bricks let in, by name.
pub(super) fn admitted(options: &BTreeMap<String, String>) -> Option<BTreeSet<String>> {
    let names = options.get(ADMITS).filter(|names| *names != "*")?;
    Some(names.split(',').map(str::to_owned).collect())
}

pub(super) fn has(options: &BTreeMap<String, String>, wanted: Options) -> bool {
    wanted.iter().all(|(name, value)| options.get(*name).is_some_and(|v| v == value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_without_a_list_of_names_admits_every_box() {
        let with = |names: &str| admitted(&[(ADMITS.to_owned(), names.to_owned())].into());
        assert_eq!(admitted(&BTreeMap::new()), None);
        assert_eq!(with("*"), None);
        assert_eq!(
            with("ashlar-1,ashlar-2"),
            Some(["ashlar-1", "ashlar-2"].map(str::to_owned).into())
        );
    }

    #[test]
    fn a_volume_is_tuned_only_when_every_option_is_as_wanted() {
        let mut options: BTreeMap<String, String> =
            COMMON.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert!(has(&options, COMMON));
        options.insert("network.ping-timeout".into(), "42".into());
        assert!(!has(&options, COMMON));
    }
}
