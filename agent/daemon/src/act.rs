//! *Act*: each step of a plan as an effect. Every one may be done twice, or
//! again after a power cut half-way.

use crate::data;
use crate::firewall;
use crate::host::{Host, Mount, UnitState};
use crate::identity::{self, Address};
use crate::node::{AGENT_UNIT, ENGINE_SOCKET, ENGINE_UNIT, Effects, MOUNT_UNIT, Node};
use crate::ring::{self, Ring};
use crate::state;
use crate::storage::Storage;
use crate::swarm::{Invitation, Swarm};
use crate::yielding;
use anyhow::{Context, Result, bail};
use ashlar_cluster::{
    ClusterId, Daemon, Membership, Observed, Step, SwarmRole, Tags, Yielding, current_succession,
};
use jiff::Timestamp;
use rand::TryRngCore;
use rand::rngs::OsRng;
use std::net::IpAddr;
use zeroize::Zeroizing;

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// Does one step of a plan that was made from `observed`.
    pub(crate) async fn act(&self, step: &Step, observed: &Observed) -> Result<()> {
        let Effects { host, storage, swarm, ring } = &self.effects;
        match step {
            Step::MakeIdentity => {
                if identity::assume(&self.paths, host, &self.site).await? == Address::Moves {
                    // It looks for others on the link that it was started with.
                    ring.stop().await;
                }
                Ok(())
            }
            Step::TakeMachine => self.take_machine().await,
            Step::SetClock { ahead_s } => {
                let to = Timestamp::now().as_second().saturating_add(*ahead_s);
                host.start(&format!("ashlar-clock@{to}.service")).await
            }
            Step::Start { daemon } => self.start(*daemon, observed).await,
            Step::Restart { daemon } => self.restart(*daemon).await,
            Step::JoinRing { addresses } => ring.join(addresses).await,
            Step::SetTags { tags } => ring.set_tags(tags).await,
            Step::Found => self.found(),
            Step::Enrol { cluster, via } => self.enrol(cluster, via).await,
            Step::RenewCertificate { via } => {
                self.trust()?.renew(via).await?;
                self.take_up_certificate().await
            }
            Step::FetchCaKey { via } => self.trust()?.fetch_ca_key(via).await,
            Step::DropCaKey { via } => self.trust()?.drop_ca_key(via).await,
            Step::AdoptRingKey => self.adopt_ring_key(),
            Step::TrustCa { ca } => {
                let succession = current_succession(observed).filter(|s| s.ca == *ca);
                self.trust()?.trust_ca(succession.context("nobody tells of that CA")?)
            }
            Step::FetchNextCaKey { ca, via } => self.trust()?.fetch_next_ca_key(ca, via).await,
            Step::SignByCa { ca } => self.trust()?.sign_by_ca(ca),
            Step::TrustOnlyCa { ca } => self.trust()?.trust_only_ca(ca),
            Step::TakeRingKey { key, via } => self.take_ring_key(key, via).await,
            Step::UseRingKey { key } => self.use_ring_key(key).await,
            Step::DropRingKeys { keep } => self.drop_ring_keys(keep).await,
            Step::ProbePeer { address } => storage.probe(*address).await,
            Step::CreateVolume { bricks } => storage.create(bricks).await,
            Step::AddBricks { replicas, bricks } => storage.add_bricks(*replicas, bricks).await,
            Step::AddArbiter { brick } => storage.add_arbiter(*brick).await,
            Step::AddSet { bricks } => storage.add_set(bricks).await,
            Step::Rebalance { .. } => storage.rebalance().await,
            Step::NoteSpread { sets } => storage.note_spread(*sets).await,
            Step::TuneVolume => storage.tune().await,
            Step::HandOver { turn, .. } => self.hand_over(*turn).await,
            Step::HandBack { turn } => storage.hand_back(*turn).await,
            Step::GoOnAlone { without } => self.go_on_alone(*without).await,
            Step::LeadAlone => self.lead_alone(observed).await,
            Step::ForgetWord => self.forget_word(observed).await,
            Step::StartVolume => storage.start().await,
            Step::MountVolume => self.mount().await,
            Step::Remount => self.remount().await,
            Step::ConnectAnew => {
                if storage.connect_anew().await? {
                    host.hang_up(MOUNT_UNIT).await?;
                }
                Ok(())
            }
            Step::InitSwarm => {
                swarm.init(self.identity()?.address).await?;
                self.record_swarm()
            }
            Step::RecordSwarm => self.record_swarm(),
            Step::JoinSwarm { role, via } => self.join_swarm(*role, via).await,
            Step::TrimLogs => storage.trim_logs().await,
            Step::LeaveSwarm => swarm.leave().await,
            Step::RestartEngine => {
                host.restart_if_running(ENGINE_UNIT).await?;
                self.standing.borrow_mut().forget();
                Ok(())
            }
            Step::SetLeaving { name, leaving } => swarm.set_leaving(name, *leaving).await,
            Step::SetVoting { name, voting } => swarm.set_voting(name, *voting).await,
            Step::DropSwarmEntry { id, revoked, .. } => swarm.drop_entry(id, *revoked).await,
            Step::SetSwarmRole { name, role } => {
                // One to whom the last manager hands over is always let in.
                swarm.set_role(name, *role, self.wanted.managers.max(2)).await
            }
            Step::Record { intent } => {
                let seen = observed.swarm.as_ref().and_then(|swarm| swarm.index);
                swarm.write_record(intent, seen).await
            }
            Step::ReplaceBrick { from, to } => storage.replace(*from, *to).await,
            Step::RenewBrick => storage.renew().await,
            Step::RemakeData => {
                host.start(data::REMAKE_UNIT).await?;
                // It was not there when the storage daemon was started.
                storage.prepare().await
            }
            Step::SettleDirectory { path } => storage.settle_directory(path).await,
            Step::DropBrick { brick, replicas } => storage.drop_brick(*brick, *replicas).await,
            Step::AdmitToVolume { names } => storage.admit(names.as_ref()).await,
            Step::DetachPeer { address } => storage.detach(*address).await,
            Step::ForgetMember { name } => ring.forget(name).await,
            Step::StrikeOff { nodes } => self.strike_off(nodes, observed),
            Step::StartAnew => self.end_membership(false).await,
            Step::StayOut => self.end_membership(true).await,
            Step::Yield { into } => {
                let note = Yielding { into: into.clone(), asked: false };
                yielding::write(&self.paths, &note)
            }
            Step::StandFast => yielding::forget(&self.paths),
            Step::Dissolve { .. } => self.end_membership(false).await,
            Step::DeployStack { name } => {
                let file = self.wanted.stacks.iter().find(|stack| stack.name == *name);
                let file = file.with_context(|| format!("the image ships no stack {name}"))?;
                swarm.deploy(name, &file.digest).await
            }
            Step::RemoveStack { name } => swarm.remove(name).await,
        }
    }

    async fn take_machine(&self) -> Result<()> {
        let twin = identity::take_machine(&self.paths, &self.effects.host, &self.site).await?;
        self.twin.set(twin);
        if twin {
            bail!("another machine answers at its address: one of the two is a copy");
        }
        Ok(())
    }

    /// Starts a part of the node, after writing what it reads.
    async fn start(&self, daemon: Daemon, observed: &Observed) -> Result<()> {
        let Effects { host, storage, ring, .. } = &self.effects;
        match daemon {
            Daemon::Ring => {
                let identity = self.identity()?;
                firewall::admit(&self.paths, host, &self.site, identity.address).await?;
                let link = host.link_of(identity.address).await?;
                let with = ring::Configuration {
                    identity: &identity,
                    site: &self.site,
                    // One box by itself looks for no others.
                    interface: link.as_deref().filter(|_| !self.wanted.solo),
                    rpc: Some(ring::RPC),
                };
                let tags = Tags::wanted(observed).context("this node has no identity yet")?;
                ring.start(&with, &tags).await
            }
            Daemon::Storage => {
                storage.prepare().await?;
                self.trust()?.storage_shows_it()?;
                match storage.unit() {
                    Some(unit) => host.start(unit).await,
                    None => Ok(()),
                }
            }
            // The leader lets the storage daemon do it.
            Daemon::Bricks => Ok(()),
            Daemon::Engine => host.start(ENGINE_UNIT).await,
        }
    }

    /// The membership is written last: a node that has one has all that it
    /// stands for.
    fn found(&self) -> Result<()> {
        let cluster = self.trust()?.found(&new_cluster_id()?)?;
        tracing::info!(cluster = %cluster, "this node founds cluster {cluster}");
        yielding::forget(&self.paths)?;
        self.write_membership(&Membership { cluster, founder: true, swarm: false })
    }

    async fn enrol(&self, cluster: &ClusterId, via: &[IpAddr]) -> Result<()> {
        self.trust()?.enrol(cluster, via).await?;
        if self.membership()?.is_some_and(|m| m.cluster == *cluster) {
            // It had lost its certificate; what it knows of its place stays.
            return self.take_up_certificate().await;
        }
        tracing::info!(cluster = %cluster, "this node belongs to cluster {cluster}");
        let cluster = cluster.clone();
        // It has arrived where it was sent. A note that outlived this would end the new
        // membership as well.
        yielding::forget(&self.paths)?;
        self.write_membership(&Membership { cluster, founder: false, swarm: false })
    }

    /// The storage daemon reads its certificate when it starts; its bricks and
    /// mounts outlive the restart. Noted last: one that failed is done again.
    async fn take_up_certificate(&self) -> Result<()> {
        let Some(unit) = self.effects.storage.unit().filter(|_| self.wanted.storage) else {
            return Ok(());
        };
        self.effects.host.restart_if_running(unit).await?;
        self.trust()?.storage_shows_it()
    }

    /// A daemon that hangs hears no polite request.
    async fn restart(&self, daemon: Daemon) -> Result<()> {
        let Effects { host, storage, .. } = &self.effects;
        match daemon {
            // A thread of this process: only a new process ends it.
            Daemon::Ring => host.restart_if_running(AGENT_UNIT).await,
            Daemon::Storage => {
                storage.prepare().await?;
                match storage.unit() {
                    Some(unit) => host.kill_and_start(unit).await,
                    None => Ok(()),
                }
            }
            Daemon::Bricks => storage.kill_hung_bricks().await,
            Daemon::Engine => {
                host.kill_and_start(ENGINE_UNIT).await?;
                self.standing.borrow_mut().forget();
                Ok(())
            }
        }
    }

    async fn mount(&self) -> Result<()> {
        let host = &self.effects.host;
        match host.volume().await {
            Mount::Answers => return Ok(()),
            // It may come back when its bricks do; to tear it away now would
            // take the files from every running container.
            Mount::Silent => bail!("the volume is mounted and does not answer"),
            // systemd takes a mount whose client died for active.
            Mount::Dead => {
                self.stop_tasks().await?;
                host.stop(MOUNT_UNIT).await?;
            }
            Mount::Absent => {
                self.stop_tasks().await?;
                if host.unit(MOUNT_UNIT).await? == UnitState::Active {
                    host.stop(MOUNT_UNIT).await?;
                }
            }
        }
        host.start(MOUNT_UNIT).await
    }

    /// Its containers are frozen in it already.
    async fn remount(&self) -> Result<()> {
        let host = &self.effects.host;
        if host.volume().await == Mount::Answers {
            return Ok(());
        }
        self.stop_tasks().await?;
        host.stop(MOUNT_UNIT).await?;
        host.start(MOUNT_UNIT).await
    }

    /// Containers that run hold on to the mount that is gone: their engine is
    /// stopped, and started again by the plan, which waits for the new mount.
    /// The engine of a node that is in no Swarm yet has none.
    async fn stop_tasks(&self) -> Result<()> {
        let host = &self.effects.host;
        let in_swarm = self.membership()?.is_some_and(|m| m.swarm);
        if !in_swarm || !self.wanted.swarm || host.unit(ENGINE_UNIT).await? != UnitState::Active {
            return Ok(());
        }
        tracing::warn!("the containers of this node lost their files: they start again with them");
        host.stop(ENGINE_SOCKET).await?;
        host.stop(ENGINE_UNIT).await
    }

    /// Written first: once the engine was told to join, this node can be in
    /// the Swarm whatever happens to the agent.
    async fn join_swarm(&self, role: SwarmRole, via: &[IpAddr]) -> Result<()> {
        self.record_swarm()?;
        let answer = self.trust()?.swarm_invitation(role, via).await?;
        let token = answer.token.expose_str().context("the join token is no text")?;
        let invitation =
            Invitation { token: Zeroizing::new(token.to_owned()), manager: answer.address };
        self.effects.swarm.join(self.identity()?.address, &invitation).await
    }

    fn record_swarm(&self) -> Result<()> {
        let membership = self.membership()?.context("this node belongs to no cluster")?;
        if membership.swarm {
            return Ok(());
        }
        self.write_membership(&Membership { swarm: true, ..membership })
    }

    /// The membership on disk.
    pub(crate) fn membership(&self) -> Result<Option<Membership>> {
        state::read_json(&self.paths.membership())
    }

    fn write_membership(&self, membership: &Membership) -> Result<()> {
        state::write_json(&self.paths.membership(), membership, 0o600)
    }
}

fn new_cluster_id() -> Result<ClusterId> {
    let mut bytes = [0_u8; 8];
    OsRng.try_fill_bytes(&mut bytes).context("the kernel gives no random numbers")?;
    Ok(ClusterId(hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, FakeNode, loopback};
    use crate::host::Mount;
    use ashlar_cluster::Observed;

    async fn founded(fake: &mut Fake, root: &std::path::Path, last: u8) -> FakeNode {
        let node = fake.node(root, loopback(last));
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        node.act(&Step::Found, &Observed::default()).await.unwrap();
        node
    }

    #[tokio::test]
    async fn a_node_that_lost_power_while_founding_goes_on_with_its_ca() {
        let root = tempfile::tempdir().unwrap();
        let node = founded(&mut Fake::default(), root.path(), 1).await;
        let first = node.membership().unwrap().unwrap();
        std::fs::remove_file(node.paths.membership()).unwrap();
        node.act(&Step::Found, &Observed::default()).await.unwrap();
        assert_eq!(node.membership().unwrap().unwrap(), first);
    }

    #[tokio::test]
    async fn a_renewal_is_not_over_while_the_storage_daemon_shows_the_old_certificate() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = founded(&mut fake, root.path(), 5).await;
        let due = || node.trust().unwrap().observe().unwrap().renewal_due;
        let start = Step::Start { daemon: Daemon::Storage };
        node.act(&start, &Observed::default()).await.unwrap();
        assert!(!due());
        // The certificate is new, and the agent died before the restart.
        node.trust().unwrap().renew(&[]).await.unwrap();
        assert!(due());
        let renew = Step::RenewCertificate { via: Vec::new() };
        node.act(&renew, &Observed::default()).await.unwrap();
        assert!(!due());
        assert!(fake.world().calls.contains(&"restart glusterd.service".to_owned()));
    }

    #[tokio::test]
    async fn the_swarm_is_on_record_before_the_engine_is_told_to_join() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = founded(&mut fake, root.path(), 2).await;
        let join = Step::JoinSwarm { role: SwarmRole::Manager, via: Vec::new() };
        assert!(node.act(&join, &Observed::default()).await.is_err(), "nobody to ask");
        assert!(node.membership().unwrap().unwrap().swarm);
        assert!(!fake.world().calls.contains(&"join swarm".to_owned()));
    }

    #[tokio::test]
    async fn a_volume_that_only_stalls_is_not_torn_from_its_containers() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(3));
        fake.world().mount = Some(Mount::Silent);
        assert!(node.act(&Step::MountVolume, &Observed::default()).await.is_err());
        assert!(fake.world().calls.is_empty());
    }

    #[tokio::test]
    async fn a_mount_whose_client_died_is_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(4));
        fake.world().mount = Some(Mount::Dead);
        node.act(&Step::MountVolume, &Observed::default()).await.unwrap();
        assert_eq!(fake.world().calls, ["stop srv-cluster.mount", "start srv-cluster.mount"]);
    }

    #[tokio::test]
    async fn containers_that_lost_their_files_are_stopped_before_the_volume_is_mounted_anew() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = founded(&mut fake, root.path(), 5).await;
        node.record_swarm().unwrap();
        fake.world().active.insert(ENGINE_UNIT.into());
        for mount in [Mount::Dead, Mount::Absent] {
            fake.world().active.insert(ENGINE_UNIT.into());
            fake.world().mount = Some(mount);
            fake.world().calls.clear();
            node.act(&Step::MountVolume, &Observed::default()).await.unwrap();
            let calls = fake.world().calls.clone();
            assert_eq!(calls[..2], ["stop docker.socket", "stop docker.service"], "{mount:?}");
            assert_eq!(calls.last().unwrap(), "start srv-cluster.mount");
        }
    }

    #[tokio::test]
    async fn a_daemon_that_hangs_is_killed_and_not_only_asked() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(6));
        for daemon in [Daemon::Storage, Daemon::Bricks, Daemon::Engine] {
            node.act(&Step::Restart { daemon }, &Observed::default()).await.unwrap();
        }
        let calls = fake.world().calls.clone();
        let expected =
            ["prepare storage", "kill glusterd.service", "kill bricks", "kill docker.service"];
        assert_eq!(calls, expected);
    }
}
