//! This node's part in the PKI: what it holds, and what it asks of others.

mod calls;
mod struck_off;

use crate::clock;
use crate::paths::Paths;
use crate::ring_keys;
use crate::site_store::{self, SiteStore};
use crate::state;
use crate::storage::copies;
use anyhow::{Context, Result, anyhow, bail};
use ashlar_api::cluster::{
    CaKeyAnswer, CaKeyRequest, CertificateAnswer, CertificateRequest, CopiesAnswer, CopiesRequest,
    Look, PlacesAnswer, PlacesRequest, RingKeyAnswer, RingKeyRequest, SeatAnswer, SeatRequest,
    SuccessorRequest, SwarmJoinAnswer, SwarmJoinRequest, SwarmStandingAnswer, SwarmStandingRequest,
};
use ashlar_api::{
    BoxMergeAnswer, BoxMergeRequest, BoxResetRequest, ResetAnswer, RevokedAnswer, RevokedRequest,
    route,
};
use ashlar_cluster::{
    Cas, ClusterId, Identity, KeyPrint, NodeId, Pki, RotationStage, Succession, Successor,
    SwarmRole,
};
use ashlar_pki::{
    CaCertificate, ClusterCa, Endorsement, NodeCertificate, NodeSubject, RingKey, Store,
};
use ashlar_site::Site;
use calls::{Caller, first_that};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// Keys and certificates of this node.
#[derive(Debug)]
pub(crate) struct Trust {
    paths: Paths,
    store: Store,
    site: SiteStore,
    subject: NodeSubject,
    /// Whether the CA's key was here when last looked at.
    signs: AtomicBool,
    /// Members that proved themselves and refused this node for good; and whether
    /// because a person took it out.
    refused: Mutex<BTreeMap<IpAddr, bool>>,
    /// Another member says that somebody lost its place.
    news: AtomicBool,
    /// The others' clocks show another time.
    outvoted: AtomicBool,
}

impl Trust {
    /// Opens the store for a node with an identity and a site.
    pub(crate) fn open(paths: &Paths, identity: &Identity, site: &Site) -> Result<Self> {
        Ok(Self {
            paths: paths.clone(),
            store: Store::open(paths.pki())?,
            site: SiteStore::open(paths, site.ring_key.as_bytes()),
            subject: NodeSubject::new(identity.id.0.as_str(), &identity.name, identity.address)?,
            signs: AtomicBool::new(false),
            refused: Mutex::default(),
            news: AtomicBool::new(false),
            outvoted: AtomicBool::new(false),
        })
    }

    /// The store.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// The key by which this node proves itself: the ring's primary one.
    pub(crate) fn ring_key(&self) -> Result<Zeroizing<RingKey>> {
        self.site.ring_key()
    }

    /// Whether this node holds the CA's key, as last looked at.
    pub(crate) fn signs(&self) -> bool {
        self.signs.load(Ordering::Relaxed)
    }

    /// Strikes nodes off the cluster, some because a person took them out.
    pub(crate) fn strike_off(
        &self,
        nodes: &BTreeSet<NodeId>,
        taken_out: &BTreeSet<NodeId>,
    ) -> Result<()> {
        let ids =
            |nodes: &BTreeSet<NodeId>| nodes.iter().map(|id| id.0.clone()).collect::<Vec<_>>();
        struck_off::add(&self.paths, ids(nodes).into_iter(), ids(taken_out).into_iter())
    }

    /// Those struck off that a person took out.
    pub(crate) fn taken_out(&self) -> Result<BTreeSet<NodeId>> {
        Ok(struck_off::removed(&self.paths)?.into_iter().map(NodeId).collect())
    }

    /// Every node that was struck off.
    pub(crate) fn struck_off(&self) -> Result<BTreeSet<NodeId>> {
        Ok(struck_off::all(&self.paths)?.into_iter().map(NodeId).collect())
    }

    /// Members that proved themselves and refused this node for good.
    pub(crate) fn refused_by(&self) -> BTreeMap<IpAddr, bool> {
        self.refused.lock().map(|refused| refused.clone()).unwrap_or_default()
    }

    /// Who lost its place, as this member knows it.
    pub(crate) async fn places(&self, member: IpAddr) -> Result<PlacesAnswer> {
        self.caller()?.post(member, route::PLACES, &PlacesRequest {}).await
    }

    /// Tells one member that somebody lost its place.
    pub(crate) async fn let_look(&self, member: IpAddr) -> Result<()> {
        let Look {} = self.caller()?.post(member, route::LOOK, &Look {}).await?;
        Ok(())
    }

    /// Notes that another member says so.
    pub(crate) fn note_news(&self) {
        self.news.store(true, Ordering::Relaxed);
    }

    /// Whether one did since this was asked last.
    pub(crate) fn take_news(&self) -> bool {
        self.news.swap(false, Ordering::Relaxed)
    }

    /// What one of these managers, who leads, makes of a person's wish.
    pub(crate) async fn decide<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        managers: &[IpAddr],
        route: &str,
        request: &Q,
    ) -> Result<A> {
        let caller = self.caller()?;
        // As `first_that`, whose closures cannot be sent to another thread, as a route
        // of the local API has to be.
        let mut last = anyhow!("no manager of the Swarm is seen");
        for manager in managers {
            match caller.post(*manager, route, request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Asks one member for its reset, or what it would lose by one.
    pub(crate) async fn reset(
        &self,
        member: IpAddr,
        request: &BoxResetRequest,
    ) -> Result<ResetAnswer> {
        self.caller()?.post(member, route::BOX_RESET, request).await
    }

    /// Tells a member that this cluster dissolves into another one.
    pub(crate) async fn merge(
        &self,
        member: IpAddr,
        request: &BoxMergeRequest,
    ) -> Result<BoxMergeAnswer> {
        self.caller()?.post(member, route::BOX_MERGE, request).await
    }

    /// Gives a member the newest list of revoked people that is known here, and asks for
    /// its own.
    pub(crate) async fn share_revoked(
        &self,
        member: IpAddr,
        request: &RevokedRequest,
    ) -> Result<RevokedAnswer> {
        self.caller()?.post(member, route::REVOKED, request).await
    }

    /// The certificate that a member shows.
    pub(crate) async fn shown_by(&self, member: IpAddr) -> Result<NodeCertificate> {
        self.caller()?.shown_by(member).await
    }

    /// A part of what this manager of the Swarm knows.
    pub(crate) async fn seat_of(
        &self,
        member: IpAddr,
        request: &SeatRequest,
    ) -> Result<SeatAnswer> {
        self.caller()?.post(member, route::SEAT, request).await
    }

    /// Whose copies lack something that the one of this member has.
    pub(crate) async fn lacking_by(&self, member: IpAddr) -> Result<BTreeSet<IpAddr>> {
        let answer: CopiesAnswer =
            self.caller()?.post(member, route::COPIES, &CopiesRequest {}).await?;
        Ok(answer.lacking)
    }

    /// What this node's own copy holds against the others.
    pub(crate) fn lacking(&self) -> Result<BTreeSet<IpAddr>> {
        copies::lacking(&self.paths)
    }

    /// This node as certificates name it.
    pub(crate) const fn subject(&self) -> &NodeSubject {
        &self.subject
    }

    /// What this node holds, in the planner's words.
    pub(crate) fn observe(&self) -> Result<Pki> {
        let ring_key_changed = self.site.look()?;
        let holdings = self.store.holdings(&*self.ring_key()?, Timestamp::now())?;
        // The seal may still be under the key that the ring had before.
        let ca_key = holdings.ca_key || self.site.authority(&self.store).is_ok_and(|a| a.is_some());
        self.signs.store(ca_key, Ordering::Relaxed);
        Ok(Pki {
            ca: holdings.cluster.is_some(),
            certificate: holdings.certificate,
            renewal_due: holdings.renewal_due || self.storage_shows_another()?,
            ca_key,
            ring_key_changed,
            ring_keys: Some(self.site.shown()?),
            // One that cannot be read is missed where it is needed, and blinds nobody.
            next_key: ring_keys::next(&self.paths).ok().flatten().map(|key| ring_keys::print(&key)),
            told_rotation: None,
            cas: self.cas()?,
            signs_by: self.store.ca()?.as_ref().map(print),
            told_succession: None,
            struck_off: self.struck_off()?,
        })
    }

    /// The CAs of this node, as it shows them to the others.
    fn cas(&self) -> Result<Option<Cas>> {
        let Some(credentials) = self.store.credentials()? else { return Ok(None) };
        let issuer = credentials.bundle.issuer_of(&credentials.certificate);
        let Some(shows) = issuer.map(print) else { return Ok(None) };
        let also = credentials.bundle.iter().map(print).filter(|ca| *ca != shows).collect();
        let next = self.site.next_authority(&self.store).ok().flatten();
        Ok(Some(Cas { shows, also, next: next.map(|next| print(next.certificate())) }))
    }

    /// Founds a cluster, or goes on with a founding that lost power: the id of
    /// the CA that is here wins.
    pub(crate) fn found(&self, cluster: &ClusterId) -> Result<ClusterId> {
        let (now, build) = (self.now()?, clock::build_time(&self.paths));
        let ca = self.store.found(&cluster.0, &self.subject, &*self.ring_key()?, now, build)?;
        self.signs.store(true, Ordering::Relaxed);
        Ok(ClusterId(ca.cluster().to_owned()))
    }

    /// Notes whether this node's clock may be right, as far as the others' tell.
    pub(crate) fn believe_clock(&self, believed: bool) {
        self.outvoted.store(!believed, Ordering::Relaxed);
    }

    /// The time by which this node signs: a clock before the release was made, or one that
    /// the others contradict, is wrong, and what it signs may have ended before it was
    /// issued.
    pub(crate) fn now(&self) -> Result<Timestamp> {
        let now = Timestamp::now();
        if self.outvoted.load(Ordering::Relaxed) {
            bail!("this box's clock says {now}, and the others' do not: it signs nothing");
        }
        if clock::look(&self.paths, now, Vec::new()).before_build {
            bail!(
                "this box's clock says {now}, which is before its release was made: it signs nothing"
            );
        }
        Ok(now)
    }

    /// Notes that the storage daemon reads the certificate that is here.
    pub(crate) fn storage_shows_it(&self) -> Result<()> {
        let Some(credentials) = self.store.credentials()? else { return Ok(()) };
        let pem = credentials.certificate.to_pem();
        state::write(&self.paths.shown_certificate(), pem.as_bytes(), 0o644)
    }

    /// Whether the storage daemon was started with another certificate than is
    /// here: a renewal is over only once that is not so.
    fn storage_shows_another(&self) -> Result<bool> {
        let Ok(shown) = std::fs::read(self.paths.shown_certificate()) else { return Ok(false) };
        let here = self.store.credentials()?.map(|c| c.certificate.to_pem());
        Ok(here.is_some_and(|here| here.as_bytes() != shown))
    }

    /// Makes the ring's key the site's and the seal's.
    pub(crate) fn adopt_ring_key(&self) -> Result<()> {
        self.site.adopt(&self.store)?;
        tracing::info!("this node's site has the ring's new key");
        Ok(())
    }

    /// Enrols with the first of these members that lets this node in.
    pub(crate) async fn enrol(&self, cluster: &ClusterId, via: &[IpAddr]) -> Result<()> {
        let enrolled =
            first_that(via, async |address| calls::enrol(self, cluster, address).await).await?;
        self.store.enrol(&enrolled, Timestamp::now())?;
        Ok(())
    }

    /// Renews this node's certificate: by itself if it holds the CA key, else
    /// through the first of these members that does.
    pub(crate) async fn renew(&self, via: &[IpAddr]) -> Result<()> {
        if let Some(authority) = self.authority()?
            && let Ok(now) = self.now()
        {
            let request = self.store.node_key()?.request(&self.subject)?;
            let certificate = authority.issue(&request, &self.subject, now)?;
            self.store.install(authority.certificate(), &certificate, now)?;
            return Ok(());
        }
        let caller = self.caller()?;
        let ca = self.store.ca()?.context("this node has no CA certificate")?;
        let certificate = first_that(via, async |address| {
            let certificate = self.certificate_from(&caller, address).await?;
            // Another member may sign by the CA that this one goes by.
            certificate.verify(&ca, Timestamp::now())?;
            Ok(certificate)
        })
        .await?;
        self.store.install(&ca, &certificate, Timestamp::now())?;
        Ok(())
    }

    /// A certificate for this node's key from one member.
    async fn certificate_from(&self, caller: &Caller, member: IpAddr) -> Result<NodeCertificate> {
        let csr = self.store.node_key()?.request_pem(&self.subject)?;
        let answer: CertificateAnswer =
            caller.post(member, route::CERTIFICATE, &CertificateRequest { csr }).await?;
        Ok(NodeCertificate::from_pem(answer.certificate.as_bytes())?)
    }

    /// Gives up the CA's key, if each of these members has it: what the ring says
    /// of them is a hint, what they sign is a proof.
    pub(crate) async fn drop_ca_key(&self, via: &[IpAddr]) -> Result<()> {
        let caller = self.caller()?;
        let ca = self.store.ca()?.context("this node has no CA certificate")?;
        for member in via {
            let signed = self.certificate_from(&caller, *member).await;
            signed
                .and_then(|certificate| Ok(certificate.verify(&ca, Timestamp::now())?))
                .with_context(|| format!("{member} does not show that it holds the CA key"))?;
        }
        self.store.drop_authority()?;
        self.signs.store(false, Ordering::Relaxed);
        tracing::info!("this node gave up the CA key: {} others hold it", via.len());
        Ok(())
    }

    /// Fetches the CA key and seals it.
    pub(crate) async fn fetch_ca_key(&self, via: &[IpAddr]) -> Result<()> {
        let caller = self.caller()?;
        let answer = first_that(via, async |address| {
            caller.post(address, route::CA_KEY, &CaKeyRequest::default()).await
        })
        .await?;
        let ca = given(&answer)?;
        self.store.keep_authority(&ca, &*self.ring_key()?)?;
        Ok(())
    }

    /// Fetches the key of the CA that is to follow, and seals it.
    pub(crate) async fn fetch_next_ca_key(&self, ca: &KeyPrint, via: &[IpAddr]) -> Result<()> {
        let caller = self.caller()?;
        let request = CaKeyRequest { next: Some(ca.clone()) };
        let next = first_that(via, async |address| {
            let next = given(&caller.post(address, route::CA_KEY, &request).await?)?;
            if print(next.certificate()) != *ca {
                bail!("it gives the key of another CA than it was asked for");
            }
            Ok(next)
        })
        .await?;
        self.store.keep_next(&next, &*self.ring_key()?)?;
        Ok(())
    }

    /// The CA that is to follow, with its key, if it is here.
    pub(crate) fn next_authority(&self) -> Result<Option<ClusterCa>> {
        self.site.next_authority(&self.store)
    }

    /// The CA whose key is here and that is already on its way: the record names it, as this
    /// node heard of it, or this node trusts it. Another one that is minted would take the
    /// place of its key.
    pub(crate) fn under_way(&self, told: Option<&Succession>) -> Result<Option<KeyPrint>> {
        // A seal that does not open is no key.
        let Some(next) = self.next_authority().ok().flatten() else { return Ok(None) };
        let ca = print(next.certificate());
        let named = told.is_some_and(|t| t.ca == ca && t.stage != RotationStage::Only);
        let trusted = self.store.bundle()?.is_some_and(|own| own.contains(next.certificate()));
        Ok((named || trusted).then_some(ca))
    }

    /// Mints a CA that is to follow the one whose key is here, and keeps it, before anybody
    /// hears of it.
    pub(crate) fn mint_successor(&self) -> Result<Option<Successor>> {
        let Some(authority) = self.authority()? else { return Ok(None) };
        let (now, build) = (self.now()?, clock::build_time(&self.paths));
        let (next, said) = authority.successor(now, build)?;
        self.store.keep_next(&next, &*self.ring_key()?)?;
        let certificate = next.certificate();
        Ok(Some(Successor {
            ca: print(certificate).0,
            certificate: certificate.to_pem(),
            endorsement: said.encode(),
        }))
    }

    /// Has one of these members, which hold the CA's key, mint a CA that is to follow.
    pub(crate) async fn successor_from(&self, signers: &[IpAddr]) -> Result<Successor> {
        let caller = self.caller()?;
        // Not by `first_that`: what waits for an async closure cannot be sent between
        // threads, as what answers a request is.
        let mut last = anyhow!("no box that holds the CA's key is seen");
        for signer in signers {
            match caller.post(*signer, route::CA_SUCCESSOR, &SuccessorRequest {}).await {
                Ok(successor) => return Ok(successor),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Takes certificates of the CA that is to follow besides.
    pub(crate) fn trust_ca(&self, succession: &Succession) -> Result<()> {
        let ca = CaCertificate::from_pem(succession.certificate.as_bytes())?;
        if print(&ca) != succession.ca {
            bail!("the record's certificate is not that of the CA that it names");
        }
        self.store.trust(&ca, &Endorsement::decode(&succession.endorsement)?)?;
        Ok(())
    }

    /// Signs by that CA from now on.
    pub(crate) fn sign_by_ca(&self, ca: &KeyPrint) -> Result<()> {
        self.store.sign_by(&ca.0)?;
        Ok(())
    }

    /// Takes certificates of no other CA any more.
    pub(crate) fn trust_only_ca(&self, ca: &KeyPrint) -> Result<()> {
        self.store.trust_only(&ca.0)?;
        tracing::info!("this node takes certificates of the cluster's new CA alone");
        Ok(())
    }

    /// Fetches the ring's new key from the first of these that gives it.
    pub(crate) async fn fetch_ring_key(
        &self,
        key: &KeyPrint,
        via: &[IpAddr],
    ) -> Result<Zeroizing<RingKey>> {
        let caller = self.caller()?;
        let request = RingKeyRequest { key: key.clone() };
        first_that(via, async |address| {
            let RingKeyAnswer { key: given } =
                caller.post(address, route::RING_KEY, &request).await?;
            let given = Zeroizing::new(RingKey::try_from(given.expose()).context("no ring key")?);
            if ring_keys::print(&given) != *key {
                bail!("it gives another key than it was asked for");
            }
            Ok(given)
        })
        .await
    }

    /// A key of this node that the ring reads, or will, by its fingerprint.
    pub(crate) fn ring_key_called(&self, key: &KeyPrint) -> Result<Option<Zeroizing<RingKey>>> {
        let next = ring_keys::next(&self.paths)?;
        let mut all = site_store::keyring_keys(&self.paths)?.into_iter().chain(next);
        Ok(all.find(|known| ring_keys::print(known) == *key))
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
        self.site.authority(&self.store)
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
        Ok(Caller::new(self.subject.address(), &self.paths, ashlar_pki::tls::client(&credentials)?))
    }
}

/// A CA with its key, as a member gives it.
fn given(answer: &CaKeyAnswer) -> Result<ClusterCa> {
    let certificate = CaCertificate::from_pem(answer.certificate.as_bytes())?;
    Ok(ClusterCa::from_parts(certificate, answer.key.expose())?)
}

/// How a CA is called in tags and in the record.
pub(crate) fn print(ca: &CaCertificate) -> KeyPrint {
    KeyPrint(ca.fingerprint().chars().take(16).collect())
}
