//! *Observe*: everything that this node knows, gathered afresh. A part that
//! does not answer is `None`, and why is a matter for the debug log: the
//! planner decides what follows from it.

use crate::clock::since_boot_ms;
use crate::host::{Host, Mount, UnitState};
use crate::identity;
use crate::node::{Node, unit};
use crate::ring::Ring;
use crate::state;
use crate::storage::Storage;
use crate::swarm::Swarm;
use anyhow::Result;
use ashlar_cluster::{Daemon, Identity, Observed, RingMember};

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// Looks at everything that is wanted, at the same time.
    pub(crate) async fn observe(&self) -> Result<Observed> {
        let wanted = &self.wanted;
        let (identity, ring, storage, mounted, swarm) = tokio::join!(
            self.observe_identity(),
            self.observe_ring(),
            self.observe_storage(),
            async { wanted.storage && self.effects.host.volume().await == Mount::Answers },
            self.observe_swarm(),
        );
        let identity = identity?;
        let now_ms = since_boot_ms();
        let ring = ring.map(|members| ashlar_cluster::Ring {
            quiet_ms: self.quiet.borrow_mut().note(&members, now_ms),
            members,
        });
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
        })
    }

    /// The identity, if the machine goes by it: without its address nothing
    /// else can work.
    async fn observe_identity(&self) -> Result<Option<Identity>> {
        let Some(identity) = identity::load(&self.paths)? else { return Ok(None) };
        let holds = identity::holds(&self.effects.host, &identity).await?;
        Ok(holds.then_some(identity))
    }

    async fn observe_ring(&self) -> Option<Vec<RingMember>> {
        if !self.wanted.ring || !self.runs(Daemon::Ring).await {
            return None;
        }
        let members = answered("the ring", self.effects.ring.members().await)?;
        Some(members.into_iter().map(RingMember::from).collect())
    }

    async fn observe_storage(&self) -> Option<ashlar_cluster::Storage> {
        if !self.wanted.storage || !self.runs(Daemon::Storage).await {
            return None;
        }
        answered("the storage daemon", self.effects.storage.observe().await)
    }

    async fn observe_swarm(&self) -> Option<ashlar_cluster::Swarm> {
        // Asking the socket of an engine that is stopped would start it.
        if !self.wanted.swarm || !self.runs(Daemon::Engine).await {
            return None;
        }
        answered("the container engine", self.effects.swarm.observe().await)
    }

    async fn runs(&self, daemon: Daemon) -> bool {
        let state = self.effects.host.unit(unit(daemon)).await;
        answered(unit(daemon), state) == Some(UnitState::Active)
    }
}

fn answered<T>(who: &str, answer: Result<T>) -> Option<T> {
    answer.inspect_err(|error| tracing::debug!("{who} does not answer: {error:#}")).ok()
}
