//! A program that the tests run on a box: it opens one session to another one's cluster
//! port with the certificate of this box, asks something over it once a second for so
//! many seconds, and prints how often it was answered.
//!
//! usage: `member ADDRESS SECONDS`

use anyhow::{Context, Result, ensure};
use ashlar_api::{CLUSTER_PORT, route};
use ashlar_pki::{Store, tls};
use ashlar_tests::session;
use rustls::{ClientConnection, StreamOwned};
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    let mut stream = StreamOwned::new(connection, socket);
    let mut answered = 0;
    while Instant::now() < until {
        let asked = session::post(&mut stream, route::PLACES, "application/json", b"{}");
        let (status, _) = asked.with_context(|| format!("after {answered} answers"))?;
        ensure!(status == 200, "answered with {status} after {answered} answers");
        answered += 1;
        std::thread::sleep(Duration::from_secs(1));
    }
    println!("{answered}");
    Ok(())
}
