//! A program that the tests run on a node's network: it calls a member's
//! cluster port as somebody who does not belong there, and prints what it was
//! told as one JSON object.
//!
//! usage: `stranger ADDRESS`, with a ring key (base64) on standard input

use anyhow::{Context, Result, ensure};
use ashlar_api::{CLUSTER_PORT, route};
use ashlar_pki::enrolment::{Challenge, Channel, Newcomer};
use ashlar_pki::tls;
use ashlar_tests::session;
use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn main() -> Result<()> {
    let address = std::env::args().nth(1).context("usage: stranger ADDRESS <KEY")?;
    let address: IpAddr = address.parse().context("an IP address")?;
    let mut key = String::new();
    std::io::stdin().read_to_string(&mut key)?;
    let key: [u8; 32] =
        BASE64_STANDARD.decode(key.trim())?.try_into().ok().context("32 bytes in base64")?;
    println!("{}", call(address, &key)?);
    Ok(())
}

fn call(address: IpAddr, key: &[u8; 32]) -> Result<Value> {
    let mut stream = connect(address)?;
    let channel = Channel::of(&stream.conn)?;
    let shown = stream.conn.peer_certificates().and_then(|chain| chain.first());
    let shown = shown.context("the member showed no certificate")?.clone();
    let (newcomer, hello) = Newcomer::hello(key, &channel, &shown)?;
    let (status, body) = post(&mut stream, route::ENROL_HELLO, &hello.encode()?)?;
    ensure!(status == 200, "a hello was answered with {status}: {body}");
    let challenge = Challenge::decode(body.as_bytes())?;

    let node = ashlar_pki::NodeSubject::new("0123abcd", "ashlar-0123abcd", address)?;
    let now = jiff::Timestamp::now();
    // The cluster's name is not known here; a member that was found true is one
    // that fails on that name at the earliest.
    let tried = newcomer.prove(&challenge, "", node.clone(), ashlar_pki::NodeKey::generate()?, now);
    let member_is_proved =
        !matches!(tried, Err(ashlar_pki::enrolment::EnrolError::Unproved { .. }));

    // And now as somebody who does not care who the member is.
    let blob = BASE64_STANDARD.encode([0; 32]);
    let forged = json!({ "subject": node, "request": blob, "mac": blob }).to_string();
    let (proof, said) = post(&mut stream, route::ENROL_PROOF, forged.as_bytes())?;

    let mut without = serde_json::Map::new();
    for route in [route::CA_KEY, route::SWARM_JOIN, route::SWARM_STANDING, route::CERTIFICATE] {
        let (status, _) = post(&mut connect(address)?, route, br#"{"role":"manager"}"#)?;
        without.insert(route.to_owned(), status.into());
    }
    Ok(json!({
        "member_is_proved": member_is_proved,
        "forged_proof": proof,
        "said": said,
        "without_certificate": without,
    }))
}

fn connect(address: IpAddr) -> Result<Stream> {
    let socket = TcpStream::connect((address, CLUSTER_PORT)).context("the cluster port")?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let config = Arc::new(tls::enrolment_client()?);
    let connection = ClientConnection::new(config, tls::server_name(address))?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.conn.complete_io(&mut stream.sock).context("the TLS handshake")?;
    Ok(stream)
}

fn post(stream: &mut Stream, path: &str, body: &[u8]) -> Result<(u16, String)> {
    session::post(stream, path, route::ENROL_TYPE, body)
}
