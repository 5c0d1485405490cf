//! [`Ring`] by HashiCorp serf: its RPC on the loopback interface.

use super::config::{rpc_address, rpc_auth};
use super::wire::{
    Auth, ChangeTags, Handshake, Join, Joined, Members, RequestHeader, ResponseHeader, Stream,
    encode, value_length,
};
use super::{Member, Ring};
use crate::paths::Paths;
use anyhow::{Context, Result, bail};
use ashlar_cluster::{MemberStatus, Tags};
use bytes::{Buf, BytesMut};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long serf may take for an answer that it has in memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a join may take: serf tries each address for up to ten seconds.
const JOIN_PATIENCE: Duration = Duration::from_secs(30);

/// The local ring daemon.
#[derive(Clone, Debug)]
pub(crate) struct Serf {
    paths: Paths,
}

impl Serf {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// Opens a connection that may give commands.
    async fn connect(&self) -> Result<Rpc> {
        let auth = rpc_auth(&self.paths)?;
        let stream = TcpStream::connect(rpc_address())
            .await
            .with_context(|| format!("the ring daemon does not answer on {}", rpc_address()))?;
        stream.set_nodelay(true)?;
        let mut rpc = Rpc { stream, buffer: BytesMut::with_capacity(4096), seq: 0 };
        rpc.order("handshake", &Handshake { version: 1 }).await?;
        rpc.order("auth", &Auth { auth_key: &auth }).await?;
        Ok(rpc)
    }
}

impl Ring for Serf {
    async fn members(&self) -> Result<Vec<Member>> {
        let ask = async {
            let mut rpc = self.connect().await?;
            rpc.request("members", None::<&()>).await?;
            rpc.read::<Members>().await
        };
        let answer = timeout(PATIENCE, ask).await.context("the ring daemon hangs")??;
        Ok(answer.members.into_iter().filter_map(member).collect())
    }

    async fn join(&self, addresses: &[String]) -> Result<()> {
        let ask = async {
            let mut rpc = self.connect().await?;
            // Replay would hand old user events to this node; nobody uses them.
            rpc.request("join", Some(&Join { existing: addresses, replay: false })).await?;
            rpc.read::<Joined>().await
        };
        let joined = timeout(JOIN_PATIENCE, ask).await.context("the ring daemon hangs")??;
        if joined.num < 1 {
            bail!("no member of the ring answers at {}", addresses.join(", "));
        }
        Ok(())
    }

    async fn set_tags(&self, name: &str, tags: &Tags) -> Result<()> {
        let now = self.members().await?.into_iter().find(|m| m.name == name);
        let tags = tags.to_map();
        let gone = now.map(|m| m.tags).unwrap_or_default().into_keys();
        let delete_tags = gone.filter(|key| !tags.contains_key(key)).collect();
        let ask = async {
            let mut rpc = self.connect().await?;
            rpc.order("tags", &ChangeTags { tags, delete_tags }).await
        };
        timeout(PATIENCE, ask).await.context("the ring daemon hangs")?
    }
}

fn member(wire: super::wire::WireMember) -> Option<Member> {
    let status = match wire.status.as_str() {
        "alive" => MemberStatus::Alive,
        "leaving" => MemberStatus::Leaving,
        "left" => MemberStatus::Left,
        "failed" => MemberStatus::Failed,
        // `none`: known by a rumour only.
        _ => return None,
    };
    Some(Member {
        name: wire.name,
        address: wire.addr?,
        status,
        tags: wire.tags.unwrap_or_default(),
    })
}

/// Wakes the loop whenever the ring changes, for as long as the process lives.
pub(crate) async fn watch(serf: Serf, wake: Arc<Notify>) {
    loop {
        if let Err(error) = follow(&serf, &wake).await {
            tracing::debug!("no news from the ring: {error:#}");
        }
        // Not a wait for something: the pause between two attempts to connect.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn follow(serf: &Serf, wake: &Notify) -> Result<()> {
    let connect = async {
        let mut rpc = serf.connect().await?;
        let events = "member-join,member-leave,member-failed,member-update,member-reap";
        rpc.order("stream", &Stream { r#type: events }).await?;
        anyhow::Ok(rpc)
    };
    let mut rpc = timeout(PATIENCE, connect).await.context("the ring daemon hangs")??;
    wake.notify_one();
    loop {
        // What changed is read by the next observation, all of it.
        rpc.read_value().await?;
        wake.notify_one();
    }
}

/// One connection: commands in turn.
struct Rpc {
    stream: TcpStream,
    buffer: BytesMut,
    seq: u64,
}

impl Rpc {
    /// A command whose answer is a head alone.
    async fn order<B: Serialize>(&mut self, command: &str, body: &B) -> Result<()> {
        self.request(command, Some(body)).await
    }

    /// Sends a command and reads the head of its answer.
    async fn request<B: Serialize>(&mut self, command: &str, body: Option<&B>) -> Result<()> {
        self.seq += 1;
        let mut frame = zeroize::Zeroizing::new(encode(&RequestHeader { command, seq: self.seq })?);
        if let Some(body) = body {
            frame.extend(zeroize::Zeroizing::new(encode(body)?).iter());
        }
        self.stream.write_all(&frame).await.context("the ring daemon hung up")?;
        let head: ResponseHeader = self.read().await?;
        if head.seq != self.seq {
            bail!("the ring daemon answered another question than `{command}`");
        }
        if !head.error.is_empty() {
            // Serf writes lists of errors over several lines.
            let words: Vec<_> = head.error.split_whitespace().collect();
            bail!("the ring daemon refuses `{command}`: {}", words.join(" "));
        }
        Ok(())
    }

    async fn read<T: DeserializeOwned>(&mut self) -> Result<T> {
        let value = self.read_value().await?;
        rmp_serde::from_slice(&value).context("the ring daemon sent an answer of another form")
    }

    async fn read_value(&mut self) -> Result<BytesMut> {
        loop {
            if let Some(length) = value_length(&self.buffer)? {
                let value = self.buffer.split_to(length);
                return Ok(value);
            }
            self.buffer.reserve(4096);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                let left = self.buffer.remaining();
                bail!("the ring daemon hung up ({left} bytes of an answer were there)");
            }
        }
    }
}
