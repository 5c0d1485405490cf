//! Whom this node lets in from elsewhere: people with a certificate of the site's
//! people CA that was not revoked. The list of what was is signed by that CA, so it may
//! come from anybody; of two lists the one with the greater number counts.

use crate::paths::Paths;
use crate::state;
use crate::trust::Trust;
use anyhow::{Context, Result};
use ashlar_api::RevokedRequest;
use ashlar_cluster::{MemberStatus, RingMember};
use ashlar_pki::people::{PeopleCertificate, RevokedList};
use ashlar_pki::tls;
use ashlar_site::Site;
use rustls::ServerConfig;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// How often another box is asked whether it knows a newer list: one after the other,
/// so that a box which was off has it after a minute.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// Who is let in.
#[derive(Debug)]
pub(crate) struct Admission {
    ca: PeopleCertificate,
    file: PathBuf,
    known: RwLock<Known>,
}

#[derive(Clone, Debug)]
struct Known {
    list: Option<RevokedList>,
    config: Arc<ServerConfig>,
}

impl Admission {
    /// As the site says, and what was learned since; `None` for a site that lets in
    /// nobody. A list that cannot be read is an error: it may name whoever comes next.
    pub(crate) fn open(paths: &Paths, site: &Site) -> Result<Option<Self>> {
        let Some(ca) = site.people.ca() else { return Ok(None) };
        let ca = PeopleCertificate::from_der(&ca).context("the site's people CA")?;
        let file = paths.people_revoked();
        let of_site = site.people.revoked().map(|der| RevokedList::from_der(&der, &ca));
        let learned = match std::fs::read(&file) {
            Ok(pem) => {
                Some(RevokedList::from_pem(&pem, &ca).with_context(|| file.display().to_string())?)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| file.display().to_string()),
        };
        let lists = of_site.transpose().context("the site's list of what was revoked")?;
        let list = lists.into_iter().chain(learned).max_by_key(RevokedList::number);
        let config = Arc::new(tls::people_server(&ca, list.as_ref())?);
        Ok(Some(Self { ca, file, known: RwLock::new(Known { list, config }) }))
    }

    /// How to listen now.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// The newest list that is known here.
    pub(crate) fn newest(&self) -> Option<RevokedList> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).list.clone()
    }

    /// Takes a list if the site's people CA signed it and it is newer; says whether.
    /// It is on disk before it counts.
    pub(crate) fn offer(&self, pem: &str) -> Result<bool> {
        let list = RevokedList::from_pem(pem.as_bytes(), &self.ca)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.list.as_ref().is_some_and(|here| here.number() >= list.number()) {
            return Ok(false);
        }
        let config = Arc::new(tls::people_server(&self.ca, Some(&list))?);
        state::write(&self.file, list.to_pem().as_bytes(), 0o600)?;
        let (number, revoked) = (list.number(), list.serials().len());
        *known = Known { list: Some(list), config };
        tracing::warn!(number, revoked, "a newer list of revoked certificates counts: {revoked}");
        Ok(true)
    }
}

/// The other live members of this node's cluster, by name and address.
pub(crate) fn kin(members: &[RingMember], trust: &Trust) -> Vec<(String, IpAddr)> {
    let cluster = trust.store().ca().ok().flatten().map(|ca| ca.cluster().to_owned());
    let own = trust.subject().address();
    let of_it = |m: &&RingMember| {
        m.status == MemberStatus::Alive
            && m.cluster.as_ref().map(|id| &id.0) == cluster.as_ref()
            && m.address != own
    };
    members.iter().filter(of_it).map(|m| (m.name.clone(), m.address)).collect()
}

/// Keeps the list as new as the other boxes', until the process ends.
pub(crate) async fn keep_up(
    admission: Arc<Admission>,
    trust: Arc<Trust>,
    members: watch::Receiver<Vec<RingMember>>,
) {
    let mut tick = interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0_usize.. {
        tick.tick().await;
        let kin = kin(&members.borrow(), &trust);
        let Some((name, address)) = turn.checked_rem(kin.len()).and_then(|n| kin.get(n)) else {
            continue;
        };
        let list = admission.newest().map(|list| list.to_pem());
        let answer = trust.share_revoked(*address, &RevokedRequest { list }).await;
        let offered = answer.and_then(|answer| match answer.list {
            Some(list) => admission.offer(&list),
            None => Ok(false),
        });
        if let Err(error) = offered {
            tracing::debug!("{name} does not tell what was revoked: {error:#}");
        }
    }
}
