//! The listener for other agents: mutual TLS 1.3 on the cluster address.

use super::Decider;
use super::doors::{Doors, Place};
use super::handlers::{Session, router};
use crate::swarm::Engine;
use crate::trust::Trust;
use anyhow::{Context, Result};
use ashlar_api::CLUSTER_PORT;
use ashlar_cluster::RingMember;
use ashlar_pki::enrolment::Channel;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long a caller may take to get through the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

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
    let doors = Doors::default();
    loop {
        if let Err(error) = accept(&api, address, &configuration, &doors).await {
            tracing::warn!("the cluster API does not listen: {error:#}");
        }
        // Not a wait for something: the pause between two attempts to listen.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn accept(
    api: &Arc<ClusterApi>,
    address: SocketAddr,
    configuration: &watch::Receiver<Option<Arc<ServerConfig>>>,
    doors: &Doors,
) -> Result<()> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot bind {address}"))?;
    loop {
        let (stream, remote) = listener.accept().await?;
        // Whoever finds the house full is sent away: others must not wait for
        // those who only hold a door.
        let Some(stranger) = doors.stranger(remote.ip()) else { continue };
        let Some(config) = configuration.borrow().clone() else { continue };
        let (api, doors) = (api.clone(), doors.clone());
        tokio::spawn(async move {
            let session = session(api, config, stream, remote, stranger, doors);
            match timeout(SESSION, session).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(peer = %remote, "a session failed: {error:#}"),
                Err(_) => tracing::debug!(peer = %remote, "a session took too long"),
            }
        });
    }
}

async fn session(
    api: Arc<ClusterApi>,
    config: Arc<ServerConfig>,
    stream: TcpStream,
    remote: SocketAddr,
    stranger: Place,
    doors: Doors,
) -> Result<()> {
    let stream = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream))
        .await
        .context("the handshake takes too long")??;
    let (_, tls) = stream.get_ref();
    let peer = ashlar_pki::tls::peer(tls.peer_certificates())?;
    let channel = Channel::of(tls)?;
    // Members do not stand in line with strangers.
    let (_place, longest) = match &peer {
        Some(_) => (doors.member(stranger).context("too many members call at once")?, SESSION),
        None => (stranger, STRANGER),
    };
    let session = Session::new(api, remote.ip(), peer, channel);
    let service = TowerToHyperService::new(router(Arc::new(session)));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    timeout(longest, served)
        .await
        .context("the session took too long")?
        .context("the session broke")
}
