//! Who asks, and whether it may: root may all that there is, and so may an admin: a user
//! of this box in the group for it, or a person from elsewhere whose certificate says so;
//! the box's own screen acts for whoever stands before it, who types the site's PIN
//! if it has one; all others who are let in may look.

use crate::clock::since_boot;
use crate::paths::Paths;
use crate::state::{self, Versioned};
use anyhow::Result;
use ashlar_api::{ApiError, Refusal, Secret};
use ashlar_site::{PinHash, Site};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The user that the screen runs as.
const SCREEN: &str = "ashlar-console";

/// Wrong PINs that cost nothing but the typing,
const FREE: u32 = 3;

/// and how long the next one makes everybody wait; each one more twice as long,
const FIRST_WAIT: Duration = Duration::from_secs(10);

/// up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// The version of the file that counts wrong PINs.
const VERSION: u32 = 1;

const FILE: Versioned =
    Versioned { reads: VERSION..=VERSION, cure: "the next right PIN replaces it" };

/// Who asks: at the other end of the socket, as the kernel says, or from elsewhere, as
/// a certificate says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    uid: Option<u32>,
    is_admin: bool,
}

impl Peer {
    /// A user of this box: root, the screen, or one who may look.
    pub(crate) const fn here(uid: Option<u32>) -> Self {
        Self { uid, is_admin: false }
    }

    /// A user of this box who may what an admin from elsewhere may.
    pub(crate) const fn admin(uid: u32) -> Self {
        Self { uid: Some(uid), is_admin: true }
    }

    /// A person from elsewhere, who may act or only look.
    pub(crate) const fn elsewhere(may_act: bool) -> Self {
        Self { uid: None, is_admin: may_act }
    }

    /// Whether it is root, who can read every file.
    pub(crate) fn is_root(self) -> bool {
        self.uid == Some(0)
    }

    /// Whether it may what root may.
    fn may_act(self) -> bool {
        self.is_root() || self.is_admin
    }

    /// Refuses everybody who may not what root may; `what` that is.
    pub(crate) fn must_be_root(self, what: &str) -> Result<(), ApiError> {
        if self.may_act() {
            return Ok(());
        }
        Err(ApiError::new(Refusal::Forbidden, format!("only root and admins may {what}")))
    }
}

/// On whose behalf something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Root or an admin of this box, or a program of theirs.
    Root,
    /// A person from elsewhere whose role lets it act; the log has the name.
    Elsewhere,
    /// Somebody who stands before the box.
    AtTheScreen,
}

/// Decides who may act.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    site: PathBuf,
    count: PathBuf,
    /// The screen's user, if the image has it.
    screen: Option<u32>,
    tries: Arc<Mutex<Tries>>,
}

/// Wrong PINs since the last right one.
#[derive(Debug)]
struct Tries {
    wrong: u32,
    /// When the last one was, or this process began: a restart waives no wait.
    last: Duration,
}

/// `console-tries.json`
#[derive(Debug, Serialize, Deserialize)]
struct Count {
    version: u32,
    wrong: u32,
}

impl Presence {
    /// On this node.
    pub(crate) fn new(paths: &Paths) -> Self {
        let screen = nix::unistd::User::from_name(SCREEN).unwrap_or_else(|error| {
            tracing::warn!("whether there is a user {SCREEN} is not known: {error}");
            None
        });
        Self::with_screen(paths, screen.map(|user| user.uid.as_raw()))
    }

    /// With a given user for the screen.
    pub(crate) fn with_screen(paths: &Paths, screen: Option<u32>) -> Self {
        let count = paths.console_tries();
        let wrong = match FILE.read::<Count>(&count) {
            Ok(kept) => kept.map_or(0, |kept| kept.wrong),
            // Neither a reason not to start, nor one to forget them.
            Err(error) => {
                tracing::warn!("the wrong PINs are not known: {error:#}");
                FREE
            }
        };
        let tries = Tries { wrong, last: since_boot() };
        Self { site: paths.site(), count, screen, tries: Arc::new(Mutex::new(tries)) }
    }

    /// Whether this user is the screen.
    pub(crate) fn is_the_screen(&self, uid: u32) -> bool {
        self.screen == Some(uid)
    }

    /// On whose behalf `peer` asks, if it is one who may act.
    pub(crate) fn asker(&self, peer: Peer) -> Result<Asker, ApiError> {
        match peer.uid {
            Some(uid) if Some(uid) == self.screen => Ok(Asker::AtTheScreen),
            Some(_) if peer.may_act() => Ok(Asker::Root),
            None if peer.may_act() => Ok(Asker::Elsewhere),
            _ => Err(ApiError::new(
                Refusal::Forbidden,
                "only root, admins and whoever stands before the box may do this",
            )),
        }
    }

    /// Whether the asker has shown that it may act: root has, and who has a certificate;
    /// the screen needs the site's PIN if there is one.
    pub(crate) async fn admit(&self, asker: Asker, pin: Option<Secret>) -> Result<(), ApiError> {
        if asker != Asker::AtTheScreen {
            return Ok(());
        }
        let presence = self.clone();
        // Working out a hash takes long enough to hold up everything else.
        let check = tokio::task::spawn_blocking(move || presence.check(pin.as_ref(), since_boot()));
        check.await.unwrap_or_else(|error| Err(internal(&error)))
    }

    fn check(&self, pin: Option<&Secret>, now: Duration) -> Result<(), ApiError> {
        let Some(hash) = self.pin()? else { return Ok(()) };
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let left = wait_after(tries.wrong).saturating_sub(now.saturating_sub(tries.last));
        if !left.is_zero() {
            let seconds = left.as_secs() + 1;
            let words = format!("too many wrong PINs: wait {seconds} s");
            return Err(ApiError::new(Refusal::TooSoon, words));
        }
        let Some(pin) = pin.and_then(Secret::expose_str) else {
            return Err(ApiError::new(Refusal::PinNeeded, "this needs the site's PIN"));
        };
        // Counted before it is looked at: a power cut must not make a try free.
        self.note(&mut tries, |wrong| wrong.saturating_add(1)).map_err(|e| internal(&e))?;
        tries.last = now;
        if hash.is(pin) {
            return self.note(&mut tries, |_| 0).map_err(|error| internal(&error));
        }
        let wrong = tries.wrong;
        tracing::warn!(wrong, "a wrong PIN was typed at the screen, {wrong} since the last right");
        let words = match wait_after(wrong).as_secs() {
            0 => "that is not the PIN".to_owned(),
            seconds => format!("that is not the PIN; the next try is in {seconds} s"),
        };
        Err(ApiError::new(Refusal::PinWrong, words))
    }

    /// What the site says of the PIN.
    fn pin(&self) -> Result<Option<PinHash>, ApiError> {
        if !self.site.exists() {
            return Ok(None);
        }
        Site::load(&self.site).map(|site| site.console.pin_hash).map_err(|error| {
            ApiError::new(
                Refusal::Forbidden,
                format!("whether a PIN is needed is not known: {error}"),
            )
            .hint("the boot menu has a factory reset")
        })
    }

    fn note(&self, tries: &mut Tries, count: impl FnOnce(u32) -> u32) -> Result<()> {
        let wrong = count(tries.wrong);
        if wrong == 0 {
            state::remove(&self.count)?;
        } else {
            state::write_json(&self.count, &Count { version: VERSION, wrong }, 0o600)?;
        }
        tries.wrong = wrong;
        Ok(())
    }
}

fn internal(error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!("a PIN cannot be looked at: {error:#}");
    ApiError::new(Refusal::Internal, format!("the PIN cannot be looked at: {error:#}"))
}

/// How long after so many wrong PINs nobody may try.
fn wait_after(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => FIRST_WAIT.saturating_mul(2u32.saturating_pow(more)).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;

    pub(crate) const PIN: &str = "4711";

    /// The paths of a node whose site has a PIN, or has none.
    pub(crate) fn node(pin: Option<&str>) -> (tempfile::TempDir, Paths) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        state::make_private_dir(&paths.state()).unwrap();
        let mut site = Site::generate("demo", ashlar_site::SiteOptions::default()).unwrap();
        site.console.pin_hash = pin.map(|pin| PinHash::of(pin).unwrap());
        site.save(&paths.site()).unwrap();
        (root, paths)
    }

    pub(crate) fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    fn refusal(presence: &Presence, pin: Option<&str>, at: u64) -> Option<Refusal> {
        let pin = pin.map(secret);
        presence.check(pin.as_ref(), Duration::from_secs(at)).err().map(|error| error.refusal)
    }

    #[test]
    fn root_admins_and_the_screen_may_act_and_who_may_look_may_not() {
        let (_root, paths) = node(None);
        let presence = Presence::with_screen(&paths, Some(990));
        let asker = |uid| presence.asker(Peer::here(uid)).ok();
        assert_eq!(asker(Some(0)), Some(Asker::Root));
        assert_eq!(asker(Some(990)), Some(Asker::AtTheScreen));
        assert_eq!(asker(Some(1000)), None);
        assert_eq!(presence.asker(Peer::admin(1000)).ok(), Some(Asker::Root));
        assert!(!Peer::admin(1000).is_root(), "the ring's key is not for everybody who may act");
        assert_eq!(asker(None), None);
        let without = Presence::with_screen(&paths, None);
        assert!(without.asker(Peer::here(None)).is_err(), "nobody is not the screen");
        assert_eq!(presence.asker(Peer::elsewhere(true)).ok(), Some(Asker::Elsewhere));
        assert!(presence.asker(Peer::elsewhere(false)).is_err());
    }

    #[test]
    fn a_site_without_a_pin_asks_for_none_and_one_with_a_pin_for_nothing_else() {
        let (_root, paths) = node(None);
        let presence = Presence::with_screen(&paths, None);
        assert_eq!(refusal(&presence, None, 0), None);
        let (_root, paths) = node(Some(PIN));
        let presence = Presence::with_screen(&paths, None);
        assert_eq!(refusal(&presence, None, 0), Some(Refusal::PinNeeded));
        assert_eq!(refusal(&presence, Some("4712"), 0), Some(Refusal::PinWrong));
        assert_eq!(refusal(&presence, Some(PIN), 0), None);
        assert!(!paths.console_tries().exists(), "a right one forgets the wrong ones");
    }

    #[test]
    fn wrong_pins_make_the_right_one_wait_too_and_no_restart_waives_that() {
        let (_root, paths) = node(Some(PIN));
        let presence = Presence::with_screen(&paths, None);
        for _ in 0..FREE {
            assert_eq!(refusal(&presence, Some("0000"), 1_000_000), Some(Refusal::PinWrong));
        }
        assert_eq!(refusal(&presence, Some(PIN), 1_000_001), Some(Refusal::TooSoon));
        assert_eq!(refusal(&presence, Some(PIN), 1_000_011), None);
        for _ in 0..FREE {
            refusal(&presence, Some("0000"), 2_000_000);
        }
        let restarted = Presence::with_screen(&paths, None);
        assert_eq!(refusal(&restarted, Some(PIN), since_boot().as_secs()), Some(Refusal::TooSoon));
        assert_eq!(refusal(&restarted, Some(PIN), since_boot().as_secs() + 60), None);
    }

    #[test]
    fn the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let waits = [0, 2, 3, 4, 5, 9, 10, u32::MAX].map(|wrong| wait_after(wrong).as_secs());
        assert_eq!(waits, [0, 0, 10, 20, 40, 640, 900, 900]);
    }

    #[test]
    fn a_site_that_cannot_be_read_lets_nobody_act() {
        let (_root, paths) = node(None);
        state::write(&paths.site(), b"version = 1\n", 0o600).unwrap();
        let presence = Presence::with_screen(&paths, None);
        assert_eq!(refusal(&presence, None, 0), Some(Refusal::Forbidden));
        fs::remove_file(paths.site()).unwrap();
        assert_eq!(refusal(&presence, None, 0), None, "no site has no PIN");
    }

    #[test]
    fn the_count_on_disk_is_read_and_one_that_cannot_be_is_no_free_try() {
        let (_root, paths) = node(Some(PIN));
        for (text, wrong) in [
            ("{\"version\": 1, \"wrong\": 5}\n", 5),
            ("{\"version\": 2, \"tries\": 5}\n", FREE),
            ("torn", FREE),
        ] {
            state::write(&paths.console_tries(), text.as_bytes(), 0o600).unwrap();
            let presence = Presence::with_screen(&paths, None);
            assert_eq!(presence.tries.lock().unwrap().wrong, wrong, "{text}");
        }
    }

    #[test]
    fn the_screen_s_unit_runs_as_the_user_that_the_agent_knows() {
        let overlay =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../overlays/console/usr/lib");
        let read = |path: &str| fs::read_to_string(overlay.join(path)).unwrap();
        let unit = read("systemd/system/ashlar-console.service");
        assert!(unit.lines().any(|line| line == format!("User={SCREEN}")), "{unit}");
        let users = read("sysusers.d/ashlar-console.conf");
        assert!(users.lines().any(|line| line.starts_with(&format!("u {SCREEN} "))), "{users}");
    }
}
