//! A program that the tests run on a box: it opens one session to another one's cluster
//! port with the certificate of this box, asks something over it once a second for so
//! many seconds, and prints how often it was answered.
//!
//! usage: `member ADDRESS SECONDS`

use anyhow::{Context, Result, ensure};
use ashlar_api::{CLUSTER_PORT, route};
use ashlar_pki::{Store, tls};
use rustls::{ClientConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().context("usage: member ADDRESS SECONDS");
    let address: IpAddr = word()?.parse().context("an IP address")?;
    let until = Instant::now() + Duration::from_secs(word()?.parse().context("seconds")?);
    let store = Store::open("/var/lib/ashlar/pki")?;
    let credentials = store.credentials()?.context("this box has no certificate")?;
    let socket = TcpStream::connect((address, CLUSTER_PORT)).context("the cluster port")?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let config = Arc::new(tls::client(&credentials)?);
    let connection = ClientConnection::new(config, tls::server_name(address))?;
    let mut stream = BufReader::new(StreamOwned::new(connection, socket));
    let mut answered = 0;
    while Instant::now() < until {
        ask(&mut stream).with_context(|| format!("after {answered} answers"))?;
        answered += 1;
        std::thread::sleep(Duration::from_secs(1));
    }
    println!("{answered}");
    Ok(())
}

fn ask(stream: &mut BufReader<Stream>) -> Result<()> {
    let to = stream.get_mut();
    write!(
        to,
        "POST {} HTTP/1.1\r\nHost: ashlar\r\nContent-Type: application/json\r\n\
         Content-Length: 2\r\n\r\n{{}}",
        route::PLACES
    )?;
    to.flush()?;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    ensure!(line.contains(" 200 "), "answered with {line:?}");
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok(())
}
