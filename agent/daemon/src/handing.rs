//! Two boxes without a witness: what the one that is switched off in order does before it
//! lets the other one go on, and how it hears that it is to go down.

use crate::host::Host;
use crate::node::{ENGINE_SOCKET, ENGINE_UNIT, Effects, MOUNT_UNIT, Node};
use crate::ring::Ring;
use crate::state::{self, Versioned};
use crate::storage::Storage;
use crate::swarm::Swarm;
use anyhow::{Context, Result, anyhow};
use ashlar_api::Power;
use ashlar_cluster::NodeId;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use zbus::zvariant::OwnedFd;
use zbus::{Connection, proxy};

/// How long a box that is switched off may take to hand over. logind is told to wait for
/// longer, in its own configuration.
const PATIENCE: Duration = Duration::from_secs(100);

/// The pause before logind is asked again.
const AGAIN: Duration = Duration::from_secs(30);

/// The version that this release reads and writes.
const VERSION: u32 = 1;

const FILE: Versioned =
    Versioned { reads: VERSION..=VERSION, cure: "go back to the newer release" };

/// `handed-over.json`: on disk before the other box may go on.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: u32,
    /// Who gave its turn away.
    id: NodeId,
    /// The volume's turn from which on the other one decides.
    turn: u32,
}

#[proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Login {
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<OwnedFd>;
    fn power_off(&self, interactive: bool) -> zbus::Result<()>;
    fn reboot(&self, interactive: bool) -> zbus::Result<()>;

    #[zbus(signal)]
    fn prepare_for_shutdown(&self, start: bool) -> zbus::Result<()>;
}

/// Takes the box down by logind, which lets the agent hand over first.
pub(crate) async fn take_down(power: Power) -> Result<()> {
    let bus = Connection::system().await.context("cannot connect to the system bus")?;
    let login = LoginProxy::new(&bus).await?;
    match power {
        Power::Reboot => login.reboot(false).await,
        Power::Off => login.power_off(false).await,
    }
    .with_context(|| format!("logind does not {}", power.as_str()))
}

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// The turn that this node gave away last, if it ever did.
    pub(crate) fn gave_away(&self, id: &NodeId) -> Result<Option<u32>> {
        let note = FILE.read::<Note>(&self.paths.handed_over())?;
        Ok(note.filter(|note| note.id == *id).map(|note| note.turn))
    }

    /// Stops to work, looks once more whether both copies are whole, writes down that
    /// the other one goes on, and lets it: in this order, so that wherever power fails
    /// not both of them may.
    pub(crate) async fn hand_over(&self, turn: u32) -> Result<()> {
        let Effects { host, storage, .. } = &self.effects;
        let id = self.identity()?.id;
        tracing::info!(turn, "this box is switched off in order: the other one goes on");
        host.stop(ENGINE_SOCKET).await?;
        host.stop(ENGINE_UNIT).await?;
        host.stop(MOUNT_UNIT).await?;
        // Whoever has a file open keeps the client of the mount alive, and could write.
        host.kill_all(MOUNT_UNIT).await?;
        storage.is_whole().await?;
        let note = Note { version: VERSION, id, turn };
        state::write_json(&self.paths.handed_over(), &note, 0o600)?;
        storage.hand_over(turn).await
    }
}

/// Notes in the node when the box goes down, and keeps logind from ending it until there
/// is nothing left to hand over: `left` says so, once the loop knows.
pub(crate) async fn follow<H, R, S, W>(
    node: Rc<Node<H, R, S, W>>,
    wake: Arc<Notify>,
    mut left: watch::Receiver<Option<bool>>,
) {
    loop {
        if let Err(error) = one_shutdown(&node, &wake, &mut left).await {
            tracing::warn!("this box would go down without handing over: {error:#}");
        }
        node.goes_down.set(false);
        wake.notify_one();
        tokio::time::sleep(AGAIN).await;
    }
}

/// From taking the lock until a shutdown is called off.
async fn one_shutdown<H, R, S, W>(
    node: &Node<H, R, S, W>,
    wake: &Notify,
    left: &mut watch::Receiver<Option<bool>>,
) -> Result<()> {
    let bus = Connection::system().await.context("cannot connect to the system bus")?;
    let login = LoginProxy::new(&bus).await?;
    let mut signals = login.receive_prepare_for_shutdown().await?;
    let why = "the other box of two is to go on";
    let lock = login.inhibit("shutdown", "Ashlar", why, "delay").await;
    let lock = lock.context("logind does not wait for this node")?;
    let mut next = async || {
        let signal = signals.next().await.ok_or_else(|| anyhow!("logind went away"))?;
        Ok::<_, anyhow::Error>(signal.args()?.start)
    };
    while !next().await? {}
    node.goes_down.set(true);
    wake.notify_one();
    if timeout(PATIENCE, left.wait_for(|left| *left == Some(false))).await.is_err() {
        tracing::warn!("there was no time to hand over to the other box: it will wait");
    }
    drop(lock);
    while next().await? {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, loopback};
    use ashlar_cluster::{Observed, Step};

    #[tokio::test]
    async fn a_box_works_no_more_and_has_it_on_disk_before_the_other_one_is_let_go_on() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(90));
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        fake.world().calls.clear();
        let step = Step::HandOver { to: loopback(91), turn: 3 };
        assert!(node.act(&step, &Observed::default()).await.is_err(), "a copy is not whole");
        assert!(!node.paths.handed_over().exists(), "nobody was told yet");
        fake.world().whole = true;
        fake.world().calls.clear();
        node.act(&step, &Observed::default()).await.unwrap();
        assert_eq!(
            fake.world().calls,
            [
                "stop docker.socket",
                "stop docker.service",
                "stop srv-cluster.mount",
                "kill all of srv-cluster.mount",
                "hand over, turn 3, noted",
            ]
        );
        let id = node.identity().unwrap().id;
        assert_eq!(node.gave_away(&id).unwrap(), Some(3));
        assert_eq!(node.gave_away(&NodeId("another".into())).unwrap(), None, "it began anew");
    }

    #[test]
    fn what_is_on_disk_can_be_read_for_ever_and_that_of_a_newer_release_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let node = Fake::default().node(root.path(), loopback(90));
        let path = node.paths.handed_over();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let golden = r#"{"version":1,"id":"ab","turn":7}"#;
        std::fs::write(&path, golden).unwrap();
        let id = NodeId("ab".into());
        assert_eq!(node.gave_away(&id).unwrap(), Some(7));
        std::fs::write(&path, golden.replace("\"version\":1", "\"version\":2")).unwrap();
        assert!(node.gave_away(&id).unwrap_err().to_string().contains("version 2"));
    }
}
