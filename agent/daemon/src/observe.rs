//! *Observe*: everything that this node knows, gathered afresh. A part that
//! does not answer is `None`, and why is a matter for the debug log: the
//! planner decides what follows from it.

use crate::clock::{self, since_boot_ms};
use crate::host::{Host, Mount, UnitState};
use crate::identity;
use crate::node::{ENGINE_UNIT, Node, STORAGE_UNIT};
use crate::ring::Ring;
use crate::state;
use crate::storage::Storage;
use crate::swarm::Swarm;
use anyhow::Result;
use ashlar_cluster::{Identity, Observed, Place, RingMember};
use jiff::Timestamp;

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// Looks at everything that is wanted, at the same time.
    pub(crate) async fn observe(&self) -> Result<Observed> {
        let wanted = &self.wanted;
        let (identity, ring, storage, mounted, mut swarm) = tokio::join!(
            self.observe_identity(),
            self.observe_ring(),
            self.observe_storage(),
            async { wanted.storage && self.effects.host.volume().await == Mount::Answers },
            self.observe_swarm(),
        );
        let (identity, place) = identity?;
        let now_ms = since_boot_ms();
        let ring = ring.map(|members| ashlar_cluster::Ring {
            quiet_ms: self.quiet.borrow_mut().note(&members, now_ms),
            members,
        });
        if let (Some(swarm), Some(identity)) = (&mut swarm, &identity) {
            let members = ring.as_ref().map_or(&[][..], |ring| &ring.members);
            swarm.disowned_ms = self.disowned_ms(swarm, &identity.name, members, now_ms).await;
        }
        let pki = match &identity {
            Some(_) if self.wanted.ring => self.trust()?.observe()?,
            _ => ashlar_cluster::Pki::default(),
        };
        Ok(Observed {
            now_ms,
            site: true,
            membership: state::read_json(&self.paths.membership())?,
            identity,
            ring,
            pki,
            storage,
            mounted,
            swarm,
            place,
            clock: clock::look(&self.paths, Timestamp::now()),
        })
    }

    /// The identity, if the machine goes by it: without its address nothing
    /// else can work. And where the machine's cable is.
    async fn observe_identity(&self) -> Result<(Option<Identity>, Place)> {
        let Some(identity) = identity::load(&self.paths)? else {
            return Ok((None, Place::default()));
        };
        let worn = identity::look(&self.paths, &self.effects.host, &self.site, &identity).await?;
        let place = Place {
            carrier_ms: self.carrier.borrow_mut().note(worn.carrier, since_boot_ms()),
            cable_elsewhere: worn.cable_elsewhere,
            moved: worn.moved,
        };
        Ok((worn.holds.then_some(identity), place))
    }

    async fn observe_ring(&self) -> Option<Vec<RingMember>> {
        let members = answered("the ring", self.effects.ring.members().await)??;
        Some(members.into_iter().map(RingMember::from).collect())
    }

    async fn observe_storage(&self) -> Option<ashlar_cluster::Storage> {
        if !self.wanted.storage || !self.runs(STORAGE_UNIT).await {
            return None;
        }
        answered("the storage daemon", self.effects.storage.observe().await)
    }

    async fn observe_swarm(&self) -> Option<ashlar_cluster::Swarm> {
        // Asking the socket of an engine that is stopped would start it.
        if !self.wanted.swarm || !self.runs(ENGINE_UNIT).await {
            return None;
        }
        answered("the container engine", self.effects.swarm.observe().await)
    }

    async fn runs(&self, unit: &str) -> bool {
        let state = self.effects.host.unit(unit).await;
        answered(unit, state) == Some(UnitState::Active)
    }
}

fn answered<T>(who: &str, answer: Result<T>) -> Option<T> {
    answer.inspect_err(|error| tracing::debug!("{who} does not answer: {error:#}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, loopback};
    use ashlar_cluster::Step;

    #[tokio::test]
    async fn a_node_has_no_identity_until_the_machine_goes_by_it() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(21));
        assert_eq!(node.observe().await.unwrap().identity, None);
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        assert!(node.observe().await.unwrap().identity.is_some());
        fake.world().network_reloaded = false;
        assert_eq!(node.observe().await.unwrap().identity, None, "its address is gone");
    }

    #[tokio::test]
    async fn an_engine_that_is_stopped_is_not_asked() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(22));
        assert_eq!(node.observe().await.unwrap().swarm, None);
        assert!(fake.world().calls.is_empty());
        fake.world().active.insert(ENGINE_UNIT.into());
        assert!(node.observe().await.unwrap().swarm.is_some());
    }

    #[tokio::test]
    async fn a_manager_sees_that_it_is_taken_for_down() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(24));
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        node.effects.swarm.init(loopback(24)).await.unwrap();
        fake.world().active.insert(ENGINE_UNIT.into());
        let disowned = async || node.observe().await.unwrap().swarm.unwrap().disowned_ms;
        assert_eq!(disowned().await, 0);
        fake.world().swarm.nodes[0].up = false;
        assert!(disowned().await > 0);
        fake.world().swarm.nodes.clear();
        assert_eq!(disowned().await, 0, "without quorum nobody can tell");
    }

    #[tokio::test]
    async fn a_membership_that_cannot_be_read_is_not_taken_for_none() {
        let root = tempfile::tempdir().unwrap();
        let node = Fake::default().node(root.path(), loopback(23));
        std::fs::write(node.paths.membership(), "{").unwrap();
        assert!(node.observe().await.is_err());
    }
}
