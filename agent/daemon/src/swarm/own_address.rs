//! A manager that sits on another box's seat is known in Raft by that one's address, and
//! whoever joins would be sent there. Docker has no word for it: to force a new cluster
//! leaves the address as it is. A manager that asks to join a Raft that it is in has its
//! address corrected, so it asks itself (swarmkit, `manager/state/raft`, `Join`).

use super::SWARM_PORT;
use crate::paths::Paths;
use anyhow::{Context, Result, ensure};
use http::header::{CONTENT_TYPE, HeaderValue, TE};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

/// How long it may take: Raft has to agree with itself only.
const PATIENCE: Duration = Duration::from_secs(15);

/// The name that every manager's certificate carries.
const MANAGER: &str = "swarm-manager";

const JOIN: &str = "https://swarm-manager/docker.swarmkit.v1.RaftMembership/Join";

/// Lets the manager on this box be known by this box's address.
pub(crate) async fn correct(paths: &Paths, own: IpAddr) -> Result<()> {
    timeout(PATIENCE, ask(paths, own)).await.context("the manager here does not answer")?
}

async fn ask(paths: &Paths, own: IpAddr) -> Result<()> {
    let config = config(&paths.engine_swarm().join("certificates"))?;
    let stream = TcpStream::connect(SocketAddr::new(own, SWARM_PORT)).await?;
    let name = ServerName::try_from(MANAGER)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = http::Request::post(JOIN)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(TE, HeaderValue::from_static("trailers"))
        .body(Full::new(Bytes::from(join(&format!("{own}:{SWARM_PORT}"))?)))?;
    let answer = sender.send_request(request).await?;
    let told = answer.headers().get("grpc-status").cloned();
    let body = answer.into_body().collect().await?;
    driver.abort();
    let status = body.trailers().and_then(|t| t.get("grpc-status").cloned()).or(told);
    let status = status.context("the manager here ends without a status")?;
    ensure!(status == "0", "the manager here refuses its own address: {status:?}");
    Ok(())
}

/// `JoinRequest { addr }`, in one frame of gRPC.
fn join(address: &str) -> Result<Vec<u8>> {
    let length = u8::try_from(address.len()).ok().filter(|length| *length < 0x80);
    let length = length.context("the address is too long")?;
    let message = [&[0x0a, length], address.as_bytes()].concat();
    let frame = u32::try_from(message.len())?.to_be_bytes();
    Ok([&[0], &frame[..], &message].concat())
}

fn config(certificates: &Path) -> Result<ClientConfig> {
    let read = |name: &str| {
        let read = std::fs::read(certificates.join(name)).map(Zeroizing::new);
        read.with_context(|| format!("cannot read the Swarm's {name}"))
    };
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(&read("swarm-root-ca.crt")?) {
        roots.add(root?)?;
    }
    let own = read("swarm-node.crt")?;
    let chain = CertificateDer::pem_slice_iter(&own).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&bare(&read("swarm-node.key")?)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// The key without the headers in which the engine keeps those of its log.
fn bare(pem: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(pem).context("the Swarm's key is no text")?;
    let lines = text.lines().filter(|line| !line.contains(':') && !line.trim().is_empty());
    let mut bare = Zeroizing::new(Vec::with_capacity(pem.len()));
    for line in lines {
        bare.extend_from_slice(line.as_bytes());
        bare.push(b'\n');
    }
    Ok(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_asked_in_swarmkit_s_words() {
        let frame = join("10.83.0.2:2377").unwrap();
        assert_eq!(frame[..7], [0, 0, 0, 0, 16, 0x0a, 14]);
        assert_eq!(&frame[7..], b"10.83.0.2:2377");
    }

    #[test]
    fn a_key_of_the_engine_is_read_past_its_headers() {
        let pem = b"-----BEGIN PRIVATE KEY-----\nkek-version: 0\nraft-dek: EiA=\n\nMIGH\n\
                    -----END PRIVATE KEY-----\n";
        let bare = bare(pem).unwrap();
        let text = std::str::from_utf8(&bare).unwrap();
        assert_eq!(text, "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n");
    }
}
