//! Calls to other agents over TLS.

use super::{Trust, struck_off};
use crate::paths::Paths;
use anyhow::{Context, Result, anyhow, bail, ensure};
use ashlar_api::{CLUSTER_PORT, ClientError, Connection, Refusal, route};
use ashlar_cluster::ClusterId;
use ashlar_pki::enrolment::{Challenge, Channel, Enrolled, Grant, Newcomer};
use ashlar_pki::{NodeCertificate, tls};
use jiff::Timestamp;
use rustls::ClientConfig;
use serde::{Serialize, de::DeserializeOwned};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a member may take to take a call.
const CONNECT: Duration = Duration::from_secs(5);

/// How long it may take to answer one.
const ANSWER: Duration = Duration::from_secs(20);

/// A member that calls others with its own certificate.
pub(super) struct Caller {
    own: IpAddr,
    paths: Paths,
    config: Arc<ClientConfig>,
}

impl Caller {
    pub(super) fn new(own: IpAddr, paths: &Paths, config: ClientConfig) -> Self {
        Self { own, paths: paths.clone(), config: Arc::new(config) }
    }

    /// Asks one member.
    pub(super) async fn post<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        address: IpAddr,
        path: &str,
        body: &Q,
    ) -> Result<A> {
        let stream = dial(self.own, address, self.config.clone()).await?;
        let shown = shown(&stream)?;
        let struck_off = struck_off::contains(&self.paths, shown.subject().id())?;
        ensure!(!struck_off, "{} was struck off the cluster", shown.subject().name());
        let mut connection = Connection::over(stream).await?.deadline(ANSWER);
        Ok(connection.post(path, body).await?)
    }

    /// The certificate that one member shows.
    pub(super) async fn shown_by(&self, address: IpAddr) -> Result<NodeCertificate> {
        shown(&dial(self.own, address, self.config.clone()).await?)
    }
}

/// The certificate that the called one showed, as rustls has verified it.
fn shown(stream: &TlsStream<TcpStream>) -> Result<NodeCertificate> {
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    Ok(NodeCertificate::from_der(shown.context("the member showed no certificate")?)?)
}

/// Asks one address after the other, and tells of every failure if all fail.
pub(super) async fn first_that<T>(
    via: &[IpAddr],
    ask: impl AsyncFn(IpAddr) -> Result<T>,
) -> Result<T> {
    let mut failures = Vec::new();
    for address in via {
        match ask(*address).await {
            Ok(answer) => return Ok(answer),
            Err(error) => failures.push(format!("{address}: {error:#}")),
        }
    }
    if failures.is_empty() {
        bail!("there is no member to ask");
    }
    Err(anyhow!("no member answers: {}", failures.join("; ")))
}

/// Opens a TLS session from this node's cluster address, by which the called
/// member checks who calls.
async fn dial(own: IpAddr, to: IpAddr, config: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>> {
    let connect = async {
        let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(own, 0))?;
        let stream = socket.connect(SocketAddr::new(to, CLUSTER_PORT)).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(config).connect(tls::server_name(to), stream).await
    };
    timeout(CONNECT, connect)
        .await
        .map_err(|_| anyhow!("no answer within {} s", CONNECT.as_secs()))?
        .context("cannot open a TLS session")
}

/// Enrols with one member: four messages over one TLS session.
pub(super) async fn enrol(trust: &Trust, cluster: &ClusterId, via: IpAddr) -> Result<Enrolled> {
    let config = Arc::new(tls::enrolment_client()?);
    let stream = dial(trust.subject().address(), via, config).await?;
    let (channel, server) = {
        let (_, session) = stream.get_ref();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let shown = shown.context("the member showed no certificate")?;
        (Channel::of(session)?, shown.clone().into_owned())
    };
    let mut connection = Connection::over(stream).await?.deadline(ANSWER);

    let (newcomer, hello) = Newcomer::hello(&*trust.ring_key()?, &channel, &server)?;
    let kind = route::ENROL_TYPE;
    let answer = connection.post_message(route::ENROL_HELLO, kind, hello.encode()?).await?;
    let key = trust.store().node_key()?;
    let (newcomer, proof) = newcomer.prove(
        &Challenge::decode(&answer)?,
        &cluster.0,
        trust.subject().clone(),
        key,
        Timestamp::now(),
    )?;
    // It has proved itself by now, so its word counts.
    let answer = connection.post_message(route::ENROL_PROOF, kind, proof.encode()?).await;
    if let Err(ClientError::Refused(error)) = &answer
        && matches!(error.refusal, Refusal::Retired | Refusal::TakenOut)
        && let Ok(mut refused) = trust.refused.lock()
    {
        refused.insert(via, error.refusal == Refusal::TakenOut);
    }
    let answer = answer?;
    Ok(newcomer.accept(&Grant::decode(&answer)?, Timestamp::now())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_member_is_asked_when_one_does_not_answer() {
        let via = [IpAddr::from([10, 83, 0, 1]), IpAddr::from([10, 83, 0, 2])];
        let answer = first_that(
            &via,
            async |address| {
                if address == via[1] { Ok("in") } else { bail!("busy") }
            },
        );
        assert_eq!(answer.await.unwrap(), "in");
        let nobody = first_that(&via, async |_| -> Result<()> { bail!("busy") }).await;
        let words = nobody.unwrap_err().to_string();
        assert!(words.contains("10.83.0.1: busy") && words.contains("10.83.0.2: busy"), "{words}");
    }
}
