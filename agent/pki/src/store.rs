//! Keys and certificates on disk, so that power may fail between any two
//! instructions.
//!
//! Every file is replaced as a whole (new file, fsync, rename, fsync of the
//! directory) and in an order that leaves a usable or a visibly unfinished
//! state:
//!
//! | step | order | a cut in between leaves |
//! |---|---|---|
//! | found | `ca.key.sealed`, `ca.pem`, `node.key`, `node.pem` | a seal without its CA, minted over; or a CA that is taken up again |
//! | enrol | `node.key` (before the request is sent), `ca.pem`, `node.pem` | a key without certificate, used for the next try |
//! | renew | `node.pem` | the old certificate |
//! | a CA is replaced | `next-ca.key.sealed`, `next-ca.pem`; `ca.endorsement`, `ca.pem` | a CA that nobody trusts; what is said of one |
//! | it signs | `ca.pem` | the one before signs |
//! | it alone | `ca.key.sealed`, `ca.pem` | the one before is trusted |
//!
//! A certificate that does not fit the key or the CA beside it counts as absent.

use crate::enrolment::Enrolled;
use crate::sealed::SealedKey;
use crate::{
    Bundle, CaCertificate, ClusterCa, Endorsement, NodeCertificate, NodeKey, NodeSubject, PkiError,
    RingKey,
};
use jiff::Timestamp;
use std::fs::{DirBuilder, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

const CA: &str = "ca.pem";
const CA_KEY: &str = "ca.key.sealed";
/// A CA that is to follow, and its key.
const NEXT_CA: &str = "next-ca.pem";
const NEXT_KEY: &str = "next-ca.key.sealed";
/// What the CA before said of the one here.
const ENDORSEMENT: &str = "ca.endorsement";
const NODE: &str = "node.pem";
const NODE_KEY: &str = "node.key";
/// Prefix of files that are being written.
const NEW: &str = ".new-";

/// The directory of this node's keys and certificates, `/var/lib/ashlar/pki`.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

/// What a node speaks TLS with. Whoever holds this has a certificate that fits
/// its key and CA; without it a node serves nothing.
#[derive(Debug)]
pub struct Credentials {
    /// The cluster's CA, and the others that it trusts.
    pub bundle: Bundle,
    /// This node's certificate.
    pub certificate: NodeCertificate,
    /// Its key.
    pub key: NodeKey,
}

/// What the store holds, for the planner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// The CA certificate is here; the cluster it belongs to.
    pub cluster: Option<String>,
    /// A certificate is here that fits the key and the CA and holds now.
    pub certificate: bool,
    /// It should be renewed.
    pub renewal_due: bool,
    /// The CA's key is here, and its seal opens.
    pub ca_key: bool,
}

impl Store {
    /// Opens the directory, making it (0700) if needed, and removes what a
    /// power cut left half-written.
    ///
    /// # Errors
    /// [`PkiError::File`].
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, PkiError> {
        let dir = dir.into();
        let failed = |source| PkiError::File { path: dir.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        for entry in dir.read_dir().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().as_encoded_bytes().starts_with(NEW.as_bytes()) {
                let path = entry.path();
                std::fs::remove_file(&path).map_err(|source| PkiError::File { path, source })?;
            }
        }
        Ok(Self { dir })
    }

    /// The certificate of the CA that signs, if this node belongs to a cluster.
    ///
    /// # Errors
    /// [`PkiError::File`], or [`PkiError::Content`] when it is not one.
    pub fn ca(&self) -> Result<Option<CaCertificate>, PkiError> {
        Ok(self.bundle()?.map(|bundle| bundle.first().clone()))
    }

    /// All the CAs that this node trusts.
    ///
    /// # Errors
    /// As [`Store::ca`].
    pub fn bundle(&self) -> Result<Option<Bundle>, PkiError> {
        self.read(CA, Bundle::from_pem)
    }

    fn write_bundle(&self, bundle: &Bundle) -> Result<(), PkiError> {
        if self.bundle()?.as_ref() == Some(bundle) {
            return Ok(());
        }
        self.write(CA, bundle.to_pem().as_bytes(), 0o644)
    }

    /// This node's key, made on first use and on disk before it is returned.
    ///
    /// # Errors
    /// [`PkiError::File`], [`PkiError::Content`], [`PkiError::Crypto`].
    pub fn node_key(&self) -> Result<NodeKey, PkiError> {
        if let Some(key) = self.read(NODE_KEY, NodeKey::from_pem)? {
            return Ok(key);
        }
        let key = NodeKey::generate()?;
        self.write(NODE_KEY, key.to_pem().as_bytes(), 0o600)?;
        Ok(key)
    }

    /// What to speak TLS with; `None` until a certificate is here that fits the
    /// key and the CA. It may have ended: rustls on the other side refuses it
    /// then, and [`Holdings::certificate`] says so here.
    ///
    /// # Errors
    /// [`PkiError::File`] or [`PkiError::Content`].
    pub fn credentials(&self) -> Result<Option<Credentials>, PkiError> {
        let Some(bundle) = self.bundle()? else { return Ok(None) };
        let Some(certificate) = self.read(NODE, NodeCertificate::from_pem)? else {
            return Ok(None);
        };
        let Some(key) = self.read(NODE_KEY, NodeKey::from_pem)? else { return Ok(None) };
        let fits = certificate.matches(&key) && bundle.issuer_of(&certificate).is_some();
        Ok(fits.then_some(Credentials { bundle, certificate, key }))
    }

    /// What is here, for the planner. A seal that does not open is no key: it
    /// has to be fetched again.
    ///
    /// # Errors
    /// As [`Store::credentials`].
    pub fn holdings(&self, ring_key: &RingKey, now: Timestamp) -> Result<Holdings, PkiError> {
        let Some(ca) = self.ca()? else { return Ok(Holdings::default()) };
        let certificate = self.credentials()?.map(|c| c.certificate);
        Ok(Holdings {
            certificate: certificate.as_ref().is_some_and(|c| c.valid_at(now)),
            renewal_due: certificate.as_ref().is_some_and(|c| c.renewal_due(now)),
            ca_key: self.authority(ring_key).is_ok_and(|authority| authority.is_some()),
            cluster: Some(ca.cluster().to_owned()),
        })
    }

    /// Founds a cluster: mints its CA and this node's certificate. Taken up
    /// again after a power cut, it goes on with the CA that is already here,
    /// whose [`CaCertificate::cluster`] then differs from `cluster`: use the
    /// id of the CA that is returned. `build` is when this release was made.
    ///
    /// # Errors
    /// [`PkiError::AlreadyEnrolled`] when this node joined a cluster, else as
    /// the others.
    pub fn found(
        &self,
        cluster: &str,
        subject: &NodeSubject,
        ring_key: &RingKey,
        now: Timestamp,
        build: Timestamp,
    ) -> Result<CaCertificate, PkiError> {
        let ca = match (self.ca()?, self.authority(ring_key)?) {
            (_, Some(ca)) => ca,
            (Some(ca), None) => {
                return Err(PkiError::AlreadyEnrolled { cluster: ca.cluster().to_owned() });
            }
            (None, None) => {
                let ca = ClusterCa::mint(cluster, now, build)?;
                self.keep_authority(&ca, ring_key)?;
                self.write(CA, ca.certificate().to_pem().as_bytes(), 0o644)?;
                ca
            }
        };
        let request = self.node_key()?.request(subject)?;
        self.install(ca.certificate(), &ca.issue(&request, subject, now)?, now)?;
        Ok(ca.certificate().clone())
    }

    /// Keeps an issued certificate and its CA, unless that is trusted already.
    ///
    /// # Errors
    /// [`PkiError::Mismatch`] or [`PkiError::Untrusted`] when it does not fit
    /// this node's key or the CA; nothing is written then.
    pub fn install(
        &self,
        ca: &CaCertificate,
        certificate: &NodeCertificate,
        now: Timestamp,
    ) -> Result<(), PkiError> {
        self.must_fit(ca, certificate, now)?;
        if !self.bundle()?.is_some_and(|own| own.contains(ca)) {
            self.write_bundle(&Bundle::of(ca.clone()))?;
        }
        self.write(NODE, certificate.to_pem().as_bytes(), 0o644)
    }

    fn must_fit(
        &self,
        ca: &CaCertificate,
        certificate: &NodeCertificate,
        now: Timestamp,
    ) -> Result<(), PkiError> {
        if !certificate.matches(&self.node_key()?) {
            return Err(PkiError::Mismatch("the certificate is not for this node's key".into()));
        }
        certificate.verify(ca, now)
    }

    /// Keeps what an enrolment brought. A node that belongs to that cluster already takes
    /// another CA of it only if the one that it trusts vouches for that: the ring's key
    /// alone changes nobody's trust.
    ///
    /// # Errors
    /// As [`Store::install`]; nothing is written then.
    pub fn enrol(&self, enrolled: &Enrolled, now: Timestamp) -> Result<(), PkiError> {
        let Enrolled { bundle, endorsement, certificate } = enrolled;
        let ca = bundle.first();
        self.must_fit(ca, certificate, now)?;
        let own = self.bundle()?.filter(|own| own.first().cluster() == ca.cluster());
        if let Some(own) = own.filter(|own| !own.contains(ca)) {
            vouched_for(ca, &own, endorsement.as_ref())?;
        }
        if let Some(endorsement) = endorsement {
            self.write(ENDORSEMENT, endorsement.encode().as_bytes(), 0o644)?;
        }
        self.write_bundle(bundle)?;
        self.write(NODE, certificate.to_pem().as_bytes(), 0o644)
    }

    /// Trusts the CA that is to follow besides, if one that is trusted vouches for it.
    ///
    /// # Errors
    /// [`PkiError::Mismatch`] when none does, or this node belongs to no cluster.
    pub fn trust(&self, ca: &CaCertificate, endorsement: &Endorsement) -> Result<(), PkiError> {
        let own = self.must_belong()?;
        if own.contains(ca) {
            return Ok(());
        }
        vouched_for(ca, &own, Some(endorsement))?;
        self.write(ENDORSEMENT, endorsement.encode().as_bytes(), 0o644)?;
        let also = own.also().iter().cloned().chain([ca.clone()]);
        self.write_bundle(&Bundle::with(own.first().clone(), also)?)
    }

    /// Lets that CA sign, which is trusted already.
    ///
    /// # Errors
    /// [`PkiError::Mismatch`] when it is not.
    pub fn sign_by(&self, fingerprint: &str) -> Result<(), PkiError> {
        let own = self.must_belong()?;
        let first = find(&own, fingerprint)?.clone();
        self.write_bundle(&Bundle::with(first, own.iter().cloned())?)
    }

    /// Trusts no other CA than that one, which signs already.
    ///
    /// # Errors
    /// [`PkiError::Mismatch`] when it does not.
    pub fn trust_only(&self, fingerprint: &str) -> Result<(), PkiError> {
        let own = self.must_belong()?;
        let ca = find(&own, fingerprint)?.clone();
        if own.first() != &ca {
            return Err(PkiError::Mismatch("another CA signs here".into()));
        }
        self.settle_seal()?;
        if self.seal_of(&ca)?.is_none() {
            self.remove(CA_KEY)?;
        }
        self.write_bundle(&Bundle::of(ca))?;
        self.remove(NEXT_KEY)?;
        self.remove(NEXT_CA)
    }

    /// What the CA before said of the one that was trusted last.
    ///
    /// # Errors
    /// [`PkiError::File`] or [`PkiError::Content`].
    pub fn endorsement(&self) -> Result<Option<Endorsement>, PkiError> {
        self.read(ENDORSEMENT, |text| {
            let text = std::str::from_utf8(text);
            Endorsement::decode(text.map_err(|e| PkiError::malformed("an endorsement", e))?)
        })
    }

    fn must_belong(&self) -> Result<Bundle, PkiError> {
        let own = self.bundle()?;
        own.ok_or_else(|| PkiError::Mismatch("this node belongs to no cluster".into()))
    }

    /// Moves the key of the CA that signs to where such a key is looked for first.
    fn settle_seal(&self) -> Result<(), PkiError> {
        let Some(ca) = self.ca()? else { return Ok(()) };
        if self.seal_of(&ca)? != Some(NEXT_KEY) {
            return Ok(());
        }
        let path = self.dir.join(CA_KEY);
        std::fs::rename(self.dir.join(NEXT_KEY), &path)
            .and_then(|()| File::open(&self.dir)?.sync_all())
            .map_err(|source| PkiError::File { path, source })
    }

    /// In which of the two files the key of this CA is sealed.
    fn seal_of(&self, ca: &CaCertificate) -> Result<Option<&'static str>, PkiError> {
        for name in [CA_KEY, NEXT_KEY] {
            if self.read(name, parse_seal)?.is_some_and(|seal| seal.is_of(ca)) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// This CA with its key; `None` when the key is not here.
    fn authority_of(
        &self,
        ca: CaCertificate,
        ring_key: &RingKey,
    ) -> Result<Option<ClusterCa>, PkiError> {
        // A seal of a cluster that this node has left is none.
        let Some(name) = self.seal_of(&ca)? else { return Ok(None) };
        let Some(seal) = self.read(name, parse_seal)? else { return Ok(None) };
        seal.open(ca, ring_key).map(Some).map_err(|e| self.content(name, e))
    }

    /// The CA that is to follow, with its key, if that is here: it was minted here, or
    /// fetched, and does not sign yet.
    ///
    /// # Errors
    /// [`PkiError::Content`] when the seal does not open.
    pub fn next_authority(&self, ring_key: &RingKey) -> Result<Option<ClusterCa>, PkiError> {
        let Some(next) = self.read(NEXT_CA, CaCertificate::from_pem)? else { return Ok(None) };
        let own = self.bundle()?;
        if own.is_none_or(|own| own.first() == &next || own.first().cluster() != next.cluster()) {
            return Ok(None);
        }
        self.authority_of(next, ring_key)
    }

    /// Keeps the key of a CA that is to follow.
    ///
    /// # Errors
    /// [`PkiError::File`], [`PkiError::Crypto`].
    pub fn keep_next(&self, ca: &ClusterCa, ring_key: &RingKey) -> Result<(), PkiError> {
        self.settle_seal()?;
        self.seal(NEXT_KEY, ca, ring_key)?;
        self.write(NEXT_CA, ca.certificate().to_pem().as_bytes(), 0o644)
    }

    fn seal(&self, name: &str, ca: &ClusterCa, ring_key: &RingKey) -> Result<(), PkiError> {
        let seal = SealedKey::seal(ca, ring_key)?;
        let json =
            serde_json::to_vec(&seal).map_err(|e| PkiError::malformed("a sealed CA key", e))?;
        self.write(name, &json, 0o600)
    }

    fn remove(&self, name: &str) -> Result<(), PkiError> {
        let path = self.dir.join(name);
        let gone = match std::fs::remove_file(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        };
        gone.and_then(|()| File::open(&self.dir)?.sync_all())
            .map_err(|source| PkiError::File { path, source })
    }

    /// The CA with its key; `None` when this node does not hold the key.
    ///
    /// # Errors
    /// [`PkiError::Content`] when the seal does not open.
    pub fn authority(&self, ring_key: &RingKey) -> Result<Option<ClusterCa>, PkiError> {
        let Some(ca) = self.ca()? else { return Ok(None) };
        self.authority_of(ca, ring_key)
    }

    /// Seals and keeps the CA's key. The founder does so before it keeps the
    /// CA's certificate; a member that fetched the key, after.
    ///
    /// # Errors
    /// [`PkiError::Mismatch`] when this node belongs to another CA.
    pub fn keep_authority(&self, ca: &ClusterCa, ring_key: &RingKey) -> Result<(), PkiError> {
        if self.ca()?.is_some_and(|own| own != *ca.certificate()) {
            return Err(PkiError::Mismatch(format!(
                "this node does not belong to {}",
                ca.certificate()
            )));
        }
        // Where it is already, so that no key is in two places.
        let name = self.seal_of(ca.certificate())?.unwrap_or(CA_KEY);
        self.seal(name, ca, ring_key)
    }

    /// Gives up the CA's key.
    ///
    /// # Errors
    /// [`PkiError::File`].
    pub fn drop_authority(&self) -> Result<(), PkiError> {
        self.remove(CA_KEY)?;
        self.remove(NEXT_KEY)?;
        self.remove(NEXT_CA)
    }

    fn content(&self, name: &str, problem: PkiError) -> PkiError {
        PkiError::Content { path: self.dir.join(name), problem: problem.into() }
    }

    fn read<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, PkiError>,
    ) -> Result<Option<T>, PkiError> {
        let path = self.dir.join(name);
        match std::fs::read(&path).map(zeroize::Zeroizing::new) {
            Ok(bytes) => parse(&bytes).map(Some).map_err(|e| self.content(name, e)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(PkiError::File { path, source }),
        }
    }

    fn write(&self, name: &str, content: &[u8], mode: u32) -> Result<(), PkiError> {
        let path = self.dir.join(name);
        write_whole(&self.dir, &path, content, mode)
            .map_err(|source| PkiError::File { path, source })
    }
}

fn find<'a>(own: &'a Bundle, fingerprint: &str) -> Result<&'a CaCertificate, PkiError> {
    let found = own.iter().find(|ca| ca.fingerprint().starts_with(fingerprint));
    found.ok_or_else(|| PkiError::Mismatch(format!("no CA {fingerprint} is trusted here")))
}

fn vouched_for(
    ca: &CaCertificate,
    own: &Bundle,
    endorsement: Option<&Endorsement>,
) -> Result<(), PkiError> {
    let unknown = || PkiError::Mismatch("nobody vouches for another CA of this cluster".into());
    let said = endorsement.ok_or_else(unknown)?;
    if own.iter().any(|by| said.check(ca, by).is_ok()) { Ok(()) } else { Err(unknown()) }
}

fn write_whole(dir: &Path, path: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let mut new = tempfile::Builder::new().prefix(NEW).tempfile_in(dir)?;
    new.write_all(content)?;
    new.as_file().set_permissions(Permissions::from_mode(mode))?;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|e| e.error)?;
    File::open(dir)?.sync_all()
}

fn parse_seal(bytes: &[u8]) -> Result<SealedKey, PkiError> {
    serde_json::from_slice(bytes).map_err(|e| PkiError::malformed("a sealed CA key", e))
}
