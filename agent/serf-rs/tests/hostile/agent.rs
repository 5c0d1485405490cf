//! Real agents on loopback addresses, and real connections to them.

use serf_rs::agent::{Agent, AgentConfig};
use serf_rs::wire::msgpack::Encoder;
use serf_rs::{Config, Status};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tracing_subscriber::util::SubscriberInitExt;

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// An address of this process alone.
fn here(last: u8) -> SocketAddr {
    let [high, low, ..] = std::process::id().to_le_bytes();
    SocketAddr::new(IpAddr::from([127, high | 0x80, low, last]), 7946)
}

/// Where the agent at [`here`]`(last)` hears the `serf` command.
fn rpc(last: u8) -> SocketAddr {
    SocketAddr::new(here(last).ip(), 7373)
}

async fn agent(name: &str, last: u8, key: Option<&str>) -> Agent {
    let mut config = AgentConfig::new(Config::new(name, here(last)));
    config.rpc = Some((rpc(last), key.map(str::to_owned)));
    Agent::start(config).await.unwrap()
}

async fn refused(agent: &Agent) -> usize {
    agent.stats().await.unwrap()["refused"].parse().unwrap()
}

async fn alive(agent: &Agent) -> usize {
    let members = agent.members().await.unwrap();
    members.iter().filter(|member| member.status == Status::Alive).count()
}

/// What an operator would read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn a_flood_of_rubbish_is_counted_and_costs_a_few_lines() {
    let log = Log::default();
    let pen = log.clone();
    let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || pen.clone());
    let _until_the_end = lines.finish().set_default();
    let one = agent("one", 1, None).await;
    let stranger = UdpSocket::bind((here(66).ip(), 0)).await.unwrap();
    // What is a message of membership, but not of the ring, is rubbish too.
    let rubbish = [&b"\xff\xff\xff\xff"[..], &[8, 4, 0xc1], &[244], &[4, 0xdf, 1, 2, 3, 4], b""];
    for packet in rubbish.iter().cycle().take(5000) {
        stranger.send_to(packet, one.address()).await.unwrap();
        // The agent lives on this thread too.
        tokio::task::yield_now().await;
    }
    let counted = async { while refused(&one).await < 2000 {} };
    timeout(SOON, counted).await.expect("most of it arrived and was counted");
    let text = log.text();
    let told = text.lines().filter(|line| line.contains("refused")).count();
    assert!((1..=3).contains(&told) && text.lines().count() < 8, "{text}");
    let two = agent("two", 2, None).await;
    assert_eq!(timeout(SOON, two.join(vec![one.address()], false)).await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn idle_connections_keep_nobody_out() {
    let (one, two) = (agent("one", 3, None).await, agent("two", 4, None).await);
    let mut idle = Vec::new();
    for count in 0..100 {
        let mut connection = TcpStream::connect(one.address()).await.unwrap();
        if count % 2 == 0 {
            connection.write_all(&[10, 1, 0, 0, 0, 1, 2, 3]).await.unwrap();
        }
        idle.push(connection);
    }
    assert_eq!(timeout(SOON, two.join(vec![one.address()], false)).await.unwrap().unwrap(), 1);
    for _ in 0..200 {
        idle.push(TcpStream::connect(one.address()).await.unwrap());
    }
    // At worst until the oldest of them are old enough to give way.
    let joined = async { while two.join(vec![one.address()], false).await.is_err() {} };
    timeout(SOON, joined).await.unwrap();
    assert_eq!(alive(&one).await, 2);
    assert!(refused(&one).await > 0);
}

fn text(to: &mut Encoder, pairs: &[(&str, &str)]) {
    to.map(pairs.len());
    for (name, value) in pairs {
        to.raw(name.as_bytes());
        to.raw(value.as_bytes());
    }
}

/// A request without a body.
fn request(command: &str) -> Vec<u8> {
    let mut to = Encoder::default();
    text(&mut to, &[("Command", command)]);
    to.finish()
}

fn handshake() -> Vec<u8> {
    let mut to = Encoder::default();
    to.map(1);
    to.raw(b"Version");
    to.signed(1);
    [request("handshake"), to.finish()].concat()
}

/// Whether the `serf` command gets an answer.
async fn is_served(at: SocketAddr) -> bool {
    let Ok(mut client) = TcpStream::connect(at).await else { return false };
    let asked = [handshake(), request("members")].concat();
    if client.write_all(&asked).await.is_err() {
        return false;
    }
    let mut answer = Vec::new();
    while !answer.windows(7).any(|bytes| bytes == b"Members") {
        if !matches!(client.read_buf(&mut answer).await, Ok(read) if read > 0) {
            return false;
        }
    }
    true
}

/// The server ends the connection, whatever it says before.
async fn is_closed(mut client: TcpStream) -> bool {
    let mut rest = Vec::new();
    // Reset, if there was more that it never read.
    timeout(SOON, client.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn nonsense_on_the_rpc_port_ends_that_connection_alone() {
    let one = agent("one", 5, None).await;
    let body = |bytes: &[u8]| [&handshake()[..], &request("event"), bytes].concat();
    let nonsense = [
        vec![0xc1; 1000],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xdf, 0xff, 0xff, 0xff, 0xff],
        [&request("handshake")[..], &[0x81, 0xa7], b"Version", &[0xdb, 0xff, 0xff, 0xff, 0xff]]
            .concat(),
        vec![0x91; 100_000],
        body(&[0xdf, 0xff, 0xff, 0xff, 0xff]),
        body(&[&[0x81, 0xa6][..], b"Nobody", &[0x91; 50_000]].concat()),
        body(&[&[0x81, 0xa7][..], b"Payload", &[0xdb, 0, 2, 0, 0]].concat()),
        [handshake(), request("explode")].concat(),
        [handshake(), handshake(), vec![0xc1]].concat(),
        request("members"),
    ];
    for bytes in nonsense {
        let mut client = TcpStream::connect(rpc(5)).await.unwrap();
        // It may have closed before it was sent everything.
        let _ = client.write_all(&bytes).await;
        let head = bytes.get(..20).unwrap_or(&bytes);
        assert!(is_closed(client).await, "{head:x?}");
        assert!(timeout(SOON, is_served(rpc(5))).await.unwrap(), "the next after {head:x?}");
    }
    assert_eq!(alive(&one).await, 1);
}

#[tokio::test]
async fn who_never_proves_who_it_is_makes_room_for_others() {
    let _one = agent("one", 6, Some("the key")).await;
    let free = agent("two", 7, None).await;
    let mut idle = Vec::new();
    for (at, sent) in [(rpc(6), handshake()), (rpc(7), request("handshake"))] {
        for _ in 0..64 {
            let mut client = TcpStream::connect(at).await.unwrap();
            client.write_all(&sent).await.unwrap();
            idle.push(client);
        }
    }
    let served = async { while !is_served(rpc(7)).await {} };
    timeout(SOON, served).await.expect("half a greeting holds no place for ever");
    for client in idle {
        assert!(is_closed(client).await);
    }
    assert_eq!(alive(&free).await, 1);
}
