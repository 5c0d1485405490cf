//! A throwaway site: a ring key, a founder and newcomers, on disk, and TLS
//! between them without sockets.

use ashlar_pki::{Credentials, NodeSubject, RingKey, Store};
use jiff::Timestamp;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) const RING_KEY: RingKey = [7; 32];
pub(crate) const CLUSTER: &str = "c0ffee00c0ffee00";

pub(crate) struct Node {
    pub(crate) store: Store,
    pub(crate) subject: NodeSubject,
    pub(crate) dir: TempDir,
}

impl Node {
    /// A node that has an identity and nothing else.
    pub(crate) fn new(number: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let subject = NodeSubject::new(
            format!("{number:032x}"),
            format!("ashlar-{number:08x}"),
            [10, 83, 0, number].into(),
        )
        .unwrap();
        Self { store: Store::open(dir.path().join("pki")).unwrap(), subject, dir }
    }

    pub(crate) fn founder() -> Self {
        Self::founder_of(CLUSTER)
    }

    pub(crate) fn founder_of(cluster: &str) -> Self {
        let node = Self::new(1);
        node.store
            .found(cluster, &node.subject, &RING_KEY, Timestamp::now(), Timestamp::now())
            .unwrap();
        node
    }

    /// A node with a certificate that `founder` issued.
    pub(crate) fn member(number: u8, founder: &Self) -> Self {
        let node = Self::new(number);
        let ca = founder.store.authority(&RING_KEY).unwrap().unwrap();
        let request = node.store.node_key().unwrap().request(&node.subject).unwrap();
        let certificate = ca.issue(&request, &node.subject, Timestamp::now()).unwrap();
        node.store.install(ca.certificate(), &certificate, Timestamp::now()).unwrap();
        node
    }

    pub(crate) fn credentials(&self) -> Credentials {
        self.store.credentials().unwrap().unwrap()
    }

    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("pki").join(name)
    }
}

/// A TLS session, with messages passed by hand. Either side's refusal ends it.
pub(crate) fn handshake(
    client: ClientConfig,
    server: ServerConfig,
    name: ServerName<'static>,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking()
        || server.is_handshaking()
        || client.wants_write()
        || server.wants_write()
    {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}
