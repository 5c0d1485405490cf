//! This node's part in the PKI: what it holds, and what it asks of others.

mod calls;

use crate::paths::Paths;
use anyhow::{Context, Result};
use ashlar_api::cluster::{
    CaKeyAnswer, CaKeyRequest, CertificateAnswer, CertificateRequest, SwarmJoinAnswer,
    SwarmJoinRequest, SwarmStandingAnswer, SwarmStandingRequest,
};
use ashlar_api::route;
use ashlar_cluster::{ClusterId, Identity, Pki, SwarmRole};
use ashlar_pki::{CaCertificate, ClusterCa, NodeCertificate, NodeSubject, Store};
use calls::{Caller, first_that};
use jiff::Timestamp;
use std::net::IpAddr;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Keys and certificates of this node.
#[derive(Debug)]
pub(crate) struct Trust {
    store: Store,
    ring_key: Zeroizing<[u8; 32]>,
    subject: NodeSubject,
}

impl Trust {
    /// Opens the store for a node with an identity and a site.
    pub(crate) fn open(paths: &Paths, identity: &Identity, ring_key: &[u8; 32]) -> Result<Self> {
        Ok(Self {
            store: Store::open(paths.pki())?,
            ring_key: Zeroizing::new(*ring_key),
            subject: NodeSubject::new(identity.id.0.as_str(), &identity.name, identity.address)?,
        })
    }

    /// The store.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// The site's ring key.
    pub(crate) fn ring_key(&self) -> &[u8; 32] {
        &self.ring_key
    }

    /// This node as certificates name it.
    pub(crate) const fn subject(&self) -> &NodeSubject {
        &self.subject
    }

    /// What this node holds, in the planner's words.
    pub(crate) fn observe(&self) -> Result<Pki> {
        let holdings = self.store.holdings(Timestamp::now())?;
        Ok(Pki {
            ca: holdings.cluster.is_some(),
            certificate: holdings.certificate,
            renewal_due: holdings.renewal_due,
            ca_key: holdings.ca_key,
        })
    }

    /// Founds a cluster, or goes on with a founding that lost power: the id of
    /// the CA that is here wins.
    pub(crate) fn found(&self, cluster: &ClusterId) -> Result<ClusterId> {
        let now = Timestamp::now();
        let ca = self.store.found(&cluster.0, &self.subject, &self.ring_key, now)?;
        Ok(ClusterId(ca.cluster().to_owned()))
    }

    /// Enrols with the first of these members that lets this node in.
    pub(crate) async fn enrol(&self, cluster: &ClusterId, via: &[IpAddr]) -> Result<()> {
        let enrolled =
            first_that(via, async |address| calls::enrol(self, cluster, address).await).await?;
        self.store.install(&enrolled.ca, &enrolled.certificate, Timestamp::now())?;
        Ok(())
    }

    /// Renews this node's certificate: by itself if it holds the CA key, else
    /// through the first of these members that does.
    pub(crate) async fn renew(&self, via: &[IpAddr]) -> Result<()> {
        let now = Timestamp::now();
        if let Some(authority) = self.authority()? {
            let request = self.store.node_key()?.request(&self.subject)?;
            let certificate = authority.issue(&request, &self.subject, now)?;
            self.store.install(authority.certificate(), &certificate, now)?;
            return Ok(());
        }
        let caller = self.caller()?;
        let request =
            CertificateRequest { csr: self.store.node_key()?.request_pem(&self.subject)? };
        let answer: CertificateAnswer = first_that(via, async |address| {
            caller.post(address, route::CERTIFICATE, &request).await
        })
        .await?;
        let ca = self.store.ca()?.context("this node has no CA certificate")?;
        let certificate = NodeCertificate::from_pem(answer.certificate.as_bytes())?;
        self.store.install(&ca, &certificate, now)?;
        Ok(())
    }

    /// Fetches the CA key and seals it.
    pub(crate) async fn fetch_ca_key(&self, via: &[IpAddr]) -> Result<()> {
        let caller = self.caller()?;
        let answer: CaKeyAnswer = first_that(via, async |address| {
            caller.post(address, route::CA_KEY, &CaKeyRequest {}).await
        })
        .await?;
        let certificate = CaCertificate::from_pem(answer.certificate.as_bytes())?;
        let ca = ClusterCa::from_parts(certificate, answer.key.expose())?;
        self.store.keep_authority(&ca, &self.ring_key)?;
        Ok(())
    }

    /// Asks managers of the Swarm how to get in.
    pub(crate) async fn swarm_invitation(
        &self,
        role: SwarmRole,
        via: &[IpAddr],
    ) -> Result<SwarmJoinAnswer> {
        let caller = self.caller()?;
        first_that(via, async |address| {
            caller.post(address, route::SWARM_JOIN, &SwarmJoinRequest { role }).await
        })
        .await
    }

    /// Asks managers of the Swarm whether they take this node for up.
    pub(crate) async fn swarm_standing(&self, via: &[IpAddr]) -> Result<bool> {
        let caller = self.caller()?;
        let answer: SwarmStandingAnswer = first_that(via, async |address| {
            caller.post(address, route::SWARM_STANDING, &SwarmStandingRequest {}).await
        })
        .await?;
        Ok(answer.up)
    }

    /// The CA with its key, if this node holds it.
    pub(crate) fn authority(&self) -> Result<Option<ClusterCa>> {
        Ok(self.store.authority(&self.ring_key)?)
    }

    /// rustls' configuration of the cluster listener; `None` before this node
    /// has a certificate.
    pub(crate) fn server(&self) -> Result<Option<Arc<rustls::ServerConfig>>> {
        let credentials = self.store.credentials()?;
        let config = credentials.map(|c| ashlar_pki::tls::server(&c)).transpose()?;
        Ok(config.map(Arc::new))
    }

    fn caller(&self) -> Result<Caller> {
        let credentials = self.store.credentials()?.context("this node has no certificate yet")?;
        Ok(Caller::new(self.subject.address(), ashlar_pki::tls::client(&credentials)?))
    }
}
