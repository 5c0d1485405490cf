//! Listening with TLS: so many callers at once, so long for the handshake, so long for
//! a session; whoever comes on top of that is sent away.

use super::doors::{Doors, Place};
use anyhow::{Context, Result};
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a caller may take to get through the handshake.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(5);

/// A caller that got through the handshake.
pub(super) struct Arrived {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) remote: SocketAddr,
    /// Its place among those of whom nothing is known.
    pub(super) stranger: Place,
    pub(super) doors: Doors,
}

/// Listens until the process ends. `config` is asked for each caller; `within` is the
/// longest that one may stay.
pub(super) async fn listen<S>(
    what: &'static str,
    address: SocketAddr,
    config: impl Fn() -> Option<Arc<ServerConfig>>,
    within: Duration,
    session: impl Fn(Arrived) -> S + Clone + Send + Sync + 'static,
) where
    S: Future<Output = Result<()>> + Send + 'static,
{
    let doors = Doors::default();
    loop {
        if let Err(error) = accept(address, &config, within, &doors, &session).await {
            tracing::warn!("{what} does not listen: {error:#}");
        }
        // Not a wait for something: the pause between two attempts to listen.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn accept<S>(
    address: SocketAddr,
    config: &impl Fn() -> Option<Arc<ServerConfig>>,
    within: Duration,
    doors: &Doors,
    session: &(impl Fn(Arrived) -> S + Clone + Send + Sync + 'static),
) -> Result<()>
where
    S: Future<Output = Result<()>> + Send + 'static,
{
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot bind {address}"))?;
    loop {
        let (stream, remote) = listener.accept().await?;
        // Whoever finds the house full is sent away: others must not wait for
        // those who only hold a door.
        let Some(stranger) = doors.stranger(remote.ip()) else { continue };
        let Some(config) = config() else { continue };
        let (session, doors) = (session.clone(), doors.clone());
        tokio::spawn(async move {
            let whole = async {
                let stream = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream))
                    .await
                    .context("the handshake takes too long")??;
                session(Arrived { stream, remote, stranger, doors }).await
            };
            match timeout(within, whole).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(peer = %remote, "a session failed: {error:#}"),
                Err(_) => tracing::debug!(peer = %remote, "a session took too long"),
            }
        });
    }
}

/// Answers what comes over this session, for so long at most.
pub(super) async fn answer(
    stream: TlsStream<TcpStream>,
    router: Router,
    longest: Duration,
) -> Result<()> {
    timeout(longest, serve(stream, router)).await.context("the session took too long")?
}

/// Answers what comes over this stream, for as long as somebody asks: one that says
/// nothing is closed.
pub(super) async fn serve<S>(stream: S, router: Router) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
        .context("the session broke")
}
