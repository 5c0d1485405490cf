//! One connection of the `serf` command.

use super::commands::{self, Session};
use super::wire::{RequestHeader, ResponseHeader};
use crate::agent::handle::Agent;
use crate::wire::msgpack::{Decoder, Encoder, Malformed, Value};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;

/// Most bytes of a request: events and queries are far smaller.
const LARGEST: usize = 64 * 1024;

/// A client says what it speaks, and the key if there is one, within so long,
/// or makes room for others.
const GREETING: Duration = Duration::from_secs(10);

/// Reads values as they come.
pub(super) struct Requests {
    stream: Box<dyn AsyncRead + Send + Unpin>,
    bytes: Vec<u8>,
}

impl Requests {
    /// The next value; none at the end of the connection.
    pub(super) async fn next<T: Value>(&mut self) -> io::Result<Option<T>> {
        loop {
            let mut from = Decoder::new(&self.bytes);
            match T::unpack(&mut from) {
                Ok(value) => {
                    let used = self.bytes.len() - from.rest().len();
                    self.bytes.drain(..used);
                    return Ok(Some(value));
                }
                Err(Malformed::Short(missing)) if self.bytes.len() + missing <= LARGEST => {}
                Err(Malformed::Short(_)) => return Err(invalid("a request of more than 64 KiB")),
                Err(error) => return Err(invalid(&error.to_string())),
            }
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The body of a request: without one the request is broken.
    pub(super) async fn body<T: Value>(&mut self) -> io::Result<T> {
        self.next().await?.ok_or_else(|| invalid("a request without its body"))
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Writes answers; streams share it.
#[derive(Clone)]
pub(super) struct Answers(Arc<Mutex<Box<dyn AsyncWrite + Send + Unpin>>>);

impl Answers {
    /// Sends a header, with what went wrong if something did.
    pub(super) async fn done(&self, seq: u64, error: Option<String>) -> io::Result<()> {
        self.write(seq, error, |_| {}).await
    }

    /// Sends a header and a body.
    pub(super) async fn send(
        &self,
        seq: u64,
        error: Option<String>,
        body: &impl Value,
    ) -> io::Result<()> {
        self.write(seq, error, |to| body.pack(to)).await
    }

    async fn write(
        &self,
        seq: u64,
        error: Option<String>,
        body: impl FnOnce(&mut Encoder),
    ) -> io::Result<()> {
        let mut to = Encoder::default();
        ResponseHeader { seq, error: error.unwrap_or_default() }.pack(&mut to);
        body(&mut to);
        self.0.lock().await.write_all(&to.finish()).await
    }
}

/// Serves one client until it goes or breaks the rules.
pub(super) async fn serve(
    read: impl AsyncRead + Send + Unpin + 'static,
    write: impl AsyncWrite + Send + Unpin + 'static,
    agent: Agent,
    key: Option<Arc<str>>,
) {
    let mut requests = Requests { stream: Box::new(read), bytes: Vec::new() };
    let answers = Answers(Arc::new(Mutex::new(Box::new(write))));
    let mut session = Session::new(agent, answers, key);
    let greeting = async {
        while !session.is_greeted() {
            serve_one(&mut session, &mut requests).await?;
        }
        Some(())
    };
    if let Ok(Some(())) = tokio::time::timeout(GREETING, greeting).await {
        while serve_one(&mut session, &mut requests).await.is_some() {}
    }
}

/// Serves one request. None: the connection is to be closed.
async fn serve_one(session: &mut Session, requests: &mut Requests) -> Option<()> {
    let header = requests.next::<RequestHeader>().await.ok()??;
    commands::obey(session, requests, header).await.ok()?.then_some(())
}
