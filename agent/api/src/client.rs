//! Asking: HTTP/1.1 over the local socket, or over any stream that is already
//! open and authenticated.

mod lines;

use crate::{ApiError, Event, LOCAL_SOCKET, MAX_RESPONSE, Refusal, Status, route};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

pub use lines::Lines;

/// How long one request may take unless [`Connection::deadline`] says
/// otherwise. The agent answers from memory; whatever takes longer is stuck.
const DEADLINE: Duration = Duration::from_secs(10);

const JSON: &str = "application/json";

/// What the absence of a socket means to a person.
fn absent(source: &std::io::Error) -> String {
    match source.kind() {
        ErrorKind::NotFound => "it has not started yet, or this is no box".into(),
        ErrorKind::ConnectionRefused => "it was stopped".into(),
        _ => source.to_string(),
    }
}

/// Why a request got no answer, or not the one asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the local socket.
    #[error("the agent does not answer on {}: {}", path.display(), absent(source))]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No box of the site could be asked, or none lets the caller in.
    #[error("{0}")]
    NoBox(Box<dyn std::error::Error + Send + Sync>),
    /// The other side understood, and refused.
    #[error("{0}")]
    Refused(ApiError),
    /// The stream broke, or what came was no HTTP.
    #[error("{path}: the connection broke: {source}")]
    Broken {
        /// Address asked.
        path: String,
        /// What hyper said.
        source: hyper::Error,
    },
    /// The answer is not what this release expects at this address.
    #[error("{path}: cannot read the answer: {source}")]
    Malformed {
        /// Address asked.
        path: String,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
    /// The answer is longer than is read of one.
    #[error("{path}: the answer is longer than {longest} bytes")]
    TooLong {
        /// Address asked.
        path: String,
        /// How much is read.
        longest: usize,
    },
    /// No answer within the deadline.
    #[error("{path}: no answer within {} s", after.as_secs_f32())]
    Late {
        /// Address asked.
        path: String,
        /// How long the caller waited.
        after: Duration,
    },
    /// The request could not be put into words.
    #[error("{path}: cannot write the request: {source}")]
    Request {
        /// Address asked.
        path: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ClientError {
    /// The refusal, if the other side sent one.
    #[must_use]
    pub const fn refusal(&self) -> Option<&ApiError> {
        match self {
            Self::Refused(error) => Some(error),
            _ => None,
        }
    }
}

/// Opens authenticated connections to an agent that is not this node's own.
pub trait Dial: std::fmt::Debug + Send + Sync {
    /// Opens one.
    fn dial(&self) -> Pin<Box<dyn Future<Output = Result<Connection, ClientError>> + Send + '_>>;
}

/// An agent: this node's own, over the local socket, or one elsewhere.
#[derive(Clone, Debug)]
pub struct Client {
    to: To,
}

#[derive(Clone, Debug)]
enum To {
    Socket(PathBuf),
    Elsewhere(Arc<dyn Dial>),
}

impl Default for Client {
    fn default() -> Self {
        Self::at(LOCAL_SOCKET)
    }
}

impl Client {
    /// The agent that listens on `socket`.
    #[must_use]
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self { to: To::Socket(socket.into()) }
    }

    /// An agent that `dial` reaches.
    #[must_use]
    pub fn through(dial: Arc<dyn Dial>) -> Self {
        Self { to: To::Elsewhere(dial) }
    }

    /// It is another machine's.
    #[must_use]
    pub const fn is_elsewhere(&self) -> bool {
        matches!(self.to, To::Elsewhere(_))
    }

    /// Opens a connection for one or more requests.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] or [`ClientError::NoBox`] when nobody answers.
    pub async fn connect(&self) -> Result<Connection, ClientError> {
        match &self.to {
            To::Socket(path) => {
                let stream = tokio::net::UnixStream::connect(path)
                    .await
                    .map_err(|source| ClientError::Unreachable { path: path.clone(), source })?;
                Connection::over(stream).await
            }
            To::Elsewhere(dial) => dial.dial().await,
        }
    }

    /// Where this node stands.
    ///
    /// # Errors
    /// As [`Connection::get`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.connect().await?.get(route::STATUS).await
    }

    /// What this node did and could not do, the oldest first.
    ///
    /// # Errors
    /// As [`Connection::get`].
    pub async fn history(&self) -> Result<Vec<Event>, ClientError> {
        self.connect().await?.get(route::HISTORY).await
    }
}

/// An HTTP connection over a stream that is already open (and, on the cluster
/// port, authenticated by TLS). Requests follow one another on it; enrolment
/// relies on that. Dropping it closes the stream.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<()>,
    deadline: Duration,
    longest: usize,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Speaks HTTP over `stream`. Needs a running tokio runtime, on which it
    /// drives the connection.
    ///
    /// # Errors
    /// [`ClientError::Broken`] when the stream is closed already.
    pub async fn over<S>(stream: S) -> Result<Self, ClientError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| ClientError::Broken { path: "handshake".into(), source })?;
        // The driver's error is also the error of the request that is under
        // way, which is where it can be reported.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, driver, deadline: DEADLINE, longest: MAX_RESPONSE })
    }

    /// How long each of the following requests may take.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long the following answers may be.
    #[must_use]
    pub const fn longest(mut self, longest: usize) -> Self {
        self.longest = longest;
        self
    }

    /// `GET path`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the other side says no, else one of the
    /// others.
    pub async fn get<A: DeserializeOwned>(&mut self, path: &str) -> Result<A, ClientError> {
        let answer = self.exchange(Method::GET, path, JSON, Bytes::new()).await?;
        parse(path, &answer)
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// As [`Connection::get`].
    pub async fn post<Q, A>(&mut self, path: &str, body: &Q) -> Result<A, ClientError>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        let body = serde_json::to_vec(body)
            .map_err(|e| ClientError::Request { path: path.into(), source: e.into() })?;
        let answer = self.exchange(Method::POST, path, JSON, body.into()).await?;
        parse(path, &answer)
    }

    /// `POST path` with a body that another crate encoded, such as
    /// [`ENROL_HELLO`](route::ENROL_HELLO)'s.
    ///
    /// # Errors
    /// As [`Connection::get`].
    pub async fn post_message(
        &mut self,
        path: &str,
        media_type: &str,
        message: Vec<u8>,
    ) -> Result<Vec<u8>, ClientError> {
        let mut answer = self.exchange(Method::POST, path, media_type, message.into()).await?;
        Ok(std::mem::take(&mut *answer))
    }

    /// `GET path`, whose answer comes line by line for as long as there is something to
    /// tell: nothing else is asked over this connection. The deadline is that of each
    /// line.
    ///
    /// # Errors
    /// As [`Connection::get`].
    pub async fn lines(mut self, path: &str) -> Result<Lines, ClientError> {
        let request = request(Method::GET, path, JSON, Bytes::new())?;
        let patience = self.deadline;
        let begun = async {
            let response = self.send(path, request).await?;
            if response.status().is_success() {
                return Ok(response.into_body());
            }
            let status = response.status();
            let body = self.whole(path, response).await?;
            Err(refused(path, status, &body))
        };
        let begun = tokio::time::timeout(patience, begun).await;
        let late = || ClientError::Late { path: path.into(), after: patience };
        let body = begun.map_err(|_| late())??;
        Ok(Lines::new(self, path, body))
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Bytes,
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let request = request(method, path, media_type, body)?;
        let after = self.deadline;
        tokio::time::timeout(after, self.answer(path, request))
            .await
            .unwrap_or_else(|_| Err(ClientError::Late { path: path.into(), after }))
    }

    async fn answer(
        &mut self,
        path: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let response = self.send(path, request).await?;
        let status = response.status();
        let body = self.whole(path, response).await?;
        if status.is_success() { Ok(body) } else { Err(refused(path, status, &body)) }
    }

    async fn send(
        &mut self,
        path: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let broken = |source| ClientError::Broken { path: path.into(), source };
        self.sender.ready().await.map_err(broken)?;
        self.sender.send_request(request).await.map_err(broken)
    }

    async fn whole(
        &self,
        path: &str,
        response: Response<Incoming>,
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let body = Limited::new(response.into_body(), self.longest).collect().await;
        // An answer may be a secret: it is wiped from this buffer. Copies that
        // hyper keeps while reading are out of reach.
        match body {
            Ok(body) => Ok(Zeroizing::new(Vec::from(body.to_bytes()))),
            Err(e) if e.is::<LengthLimitError>() => {
                Err(ClientError::TooLong { path: path.into(), longest: self.longest })
            }
            Err(e) => match e.downcast::<hyper::Error>() {
                Ok(source) => Err(ClientError::Broken { path: path.into(), source: *source }),
                Err(source) => Err(ClientError::Request { path: path.into(), source }),
            },
        }
    }
}

fn request(
    method: Method,
    path: &str,
    media_type: &str,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, ClientError> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "ashlar")
        .header(header::CONTENT_TYPE, media_type)
        .body(Full::new(body))
        .map_err(|e| ClientError::Request { path: path.into(), source: e.into() })
}

/// A refusal that is not ours (a proxy, a router's 404) is shown as is.
fn refused(path: &str, status: http::StatusCode, body: &[u8]) -> ClientError {
    ClientError::Refused(serde_json::from_slice(body).unwrap_or_else(|_| {
        ApiError::new(Refusal::Unknown, format!("{path}: answered with HTTP {status}"))
    }))
}

fn parse<A: DeserializeOwned>(path: &str, answer: &[u8]) -> Result<A, ClientError> {
    serde_json::from_slice(answer)
        .map_err(|source| ClientError::Malformed { path: path.into(), source })
}
