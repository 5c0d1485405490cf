//! The listener for other agents: mutual TLS 1.3 on the cluster address.

use super::Decider;
use super::handlers::{Session, router};
use super::listen::{Arrived, answer, listen};
use crate::people::Admission;
use crate::swarm::Engine;
use crate::trust::Trust;
use anyhow::{Context, Result};
use ashlar_api::CLUSTER_PORT;
use ashlar_cluster::RingMember;
use ashlar_pki::enrolment::Channel;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a session of a member may last,
const SESSION: Duration = Duration::from_secs(60);

/// and one of a stranger, who may enrol and do nothing else.
const STRANGER: Duration = Duration::from_secs(20);

/// What answering other agents takes.
pub(crate) struct ClusterApi {
    /// This node's keys.
    pub(crate) trust: Arc<Trust>,
    /// The container engine, for join tokens.
    pub(crate) engine: Engine,
    /// What people decide.
    pub(crate) decider: Decider,
    /// The ring as last observed.
    pub(crate) members: watch::Receiver<Vec<RingMember>>,
    /// Whom the site lets in from elsewhere.
    pub(crate) people: Option<Arc<Admission>>,
}

/// Serves as soon as there is a configuration, that is, a certificate; every
/// new session takes the latest one. Ends with its task.
pub(crate) async fn serve_cluster(
    api: Arc<ClusterApi>,
    mut configuration: watch::Receiver<Option<Arc<ServerConfig>>>,
) {
    if configuration.wait_for(Option::is_some).await.is_err() {
        return;
    }
    let address = SocketAddr::new(api.trust.subject().address(), CLUSTER_PORT);
    let config = || configuration.borrow().clone();
    listen("the cluster API", address, config, SESSION, move |arrived| {
        session(api.clone(), arrived)
    })
    .await;
}

async fn session(api: Arc<ClusterApi>, arrived: Arrived) -> Result<()> {
    let Arrived { stream, remote, stranger, doors } = arrived;
    let (_, tls) = stream.get_ref();
    let peer = ashlar_pki::tls::peer(tls.peer_certificates())?;
    let channel = Channel::of(tls)?;
    // Members do not stand in line with strangers.
    let (_place, longest) = match &peer {
        Some(_) => (doors.member(stranger).context("too many members call at once")?, SESSION),
        None => (stranger, STRANGER),
    };
    let session = Session::new(api, remote.ip(), peer, channel);
    answer(stream, router(Arc::new(session)), longest).await
}
