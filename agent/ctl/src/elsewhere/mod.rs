//! A site's boxes, asked from a workstation: by a pass, over mutual TLS.

mod boxes;
mod pass;

use anyhow::Result;
use ashlar_api::{Client, ClientError, Connection, Dial, IntroductionAnswer, Status, route};
use ashlar_pki::people::{Introduction, OpenPass};
use ashlar_pki::tls;
use base64::{Engine, prelude::BASE64_STANDARD};
use boxes::Place;
use rustls::ClientConfig;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a box may take to answer a call.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who is asked, and by whose pass.
#[derive(Debug)]
struct Elsewhere {
    site: String,
    addresses: Vec<String>,
    /// The one box that is to be asked, by its name or address.
    node: Option<String>,
    pass: Opened,
    config: Arc<ClientConfig>,
    /// The box that answered last: one run of a command talks to one box.
    found: Mutex<Option<Place>>,
}

/// What is in the pass, silent in `Debug`.
struct Opened(OpenPass);

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opened(…)")
    }
}

/// Why no box could be asked, and what to do.
#[derive(Debug)]
pub(crate) struct NoBox {
    words: String,
    pub(crate) hint: &'static str,
}

impl std::fmt::Display for NoBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for NoBox {}

impl NoBox {
    fn new(words: impl Into<String>, hint: &'static str) -> Self {
        Self { words: words.into(), hint }
    }
}

/// A client for the boxes of a site: `site` is its name, or the file of a pass.
pub(crate) fn client(site: &str, node: Option<String>) -> Result<Client> {
    let pass = pass::load(site)?;
    let opened = pass.open()?;
    let config = Arc::new(tls::person_client(&opened.certificate, &opened.key)?);
    Ok(Client::through(Arc::new(Elsewhere {
        site: pass.site.clone(),
        addresses: pass.addresses.clone(),
        node,
        pass: Opened(opened),
        config,
        found: Mutex::new(None),
    })))
}

impl Dial for Elsewhere {
    fn dial(&self) -> Pin<Box<dyn Future<Output = Result<Connection, ClientError>> + Send + '_>> {
        Box::pin(async { self.any().await.map_err(|why| ClientError::NoBox(Box::new(why))) })
    }
}

impl Elsewhere {
    /// A connection to the box that answered last, or to one that is found.
    async fn any(&self) -> Result<Connection, NoBox> {
        let mut found = self.found.lock().await;
        if let Some(place) = &*found {
            return self.open(place).await;
        }
        let mut failures = Vec::new();
        let (known, mut look) = match &self.node {
            None => (self.known(), true),
            Some(node) => (self.named(node).await?, false),
        };
        let mut places = known;
        loop {
            for place in places {
                match self.open(&place).await {
                    Ok(connection) => {
                        *found = Some(place);
                        return Ok(connection);
                    }
                    // The others would say the same.
                    Err(why) if why.hint == NOT_LET_IN => return Err(why),
                    Err(why) => failures.push(format!("{place}: {why}")),
                }
            }
            if !std::mem::take(&mut look) {
                break;
            }
            places = self.look(None).await.unwrap_or_else(|why| {
                failures.push(why.words);
                Vec::new()
            });
        }
        let site = &self.site;
        Err(match failures.is_empty() {
            true => NoBox::new(format!("no box of site {site} was found on this network"), GIVE),
            false => NoBox::new(
                format!("no box of site {site} answers: {}", failures.join("; ")),
                "is the box on, and does this machine reach its network? `--node` names another",
            ),
        })
    }

    /// Where the pass says that boxes are.
    fn known(&self) -> Vec<Place> {
        self.addresses.iter().filter_map(|address| Place::at(address)).collect()
    }

    /// Where the box of this name or address is.
    async fn named(&self, node: &str) -> Result<Vec<Place>, NoBox> {
        if let Some(place) = Place::at(node) {
            return Ok(vec![place]);
        }
        let heard = self.look(Some(node)).await;
        let mut places = heard.as_ref().cloned().unwrap_or_default();
        if places.is_empty() {
            places = self.member(node).await.into_iter().collect();
        }
        if places.is_empty() {
            heard?;
            let words = format!("no box called {node} was found");
            return Err(NoBox::new(words, "give its address: `--node 192.168.1.20`"));
        }
        Ok(places)
    }

    /// Boxes that are heard on this network.
    async fn look(&self, name: Option<&str>) -> Result<Vec<Place>, NoBox> {
        boxes::look(&self.site, name).await.map_err(|error| {
            NoBox::new(format!("this machine cannot ask its network for boxes: {error}"), GIVE)
        })
    }

    /// Where another box says that this one is.
    async fn member(&self, name: &str) -> Option<Place> {
        for place in self.known() {
            let Ok(mut connection) = self.open(&place).await else { continue };
            let Ok(status) = connection.get::<Status>(route::STATUS).await else { continue };
            let me = status.identity.iter().find(|me| me.name == name);
            let member = status.members.iter().find(|member| member.name == name);
            match (me, member) {
                (Some(_), _) => return Some(place),
                (None, Some(member)) => return Place::at(&member.address.to_string()),
                (None, None) => {}
            }
        }
        None
    }

    /// Calls one box, and goes on only if it proves that it is of the site.
    async fn open(&self, place: &Place) -> Result<Connection, NoBox> {
        let reach = async {
            let stream = place.connect().await?;
            stream.set_nodelay(true)?;
            let name = tls::server_name(place.address.ip());
            TlsConnector::from(self.config.clone()).connect(name, stream).await
        };
        let stream = match timeout(PATIENCE, reach).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(refused(&error).unwrap_or_else(|| unreached(&error))),
            Err(_) => return Err(NoBox::new("no answer", GIVE)),
        };
        let strange = |error: &dyn std::fmt::Display| NoBox::new(error.to_string(), GIVE);
        let session = Introduction::of(stream.get_ref().1).map_err(|e| strange(&e))?;
        let mut connection = Connection::over(stream).await.map_err(|e| strange(&e))?;
        let said = connection.get::<IntroductionAnswer>(route::INTRODUCTION).await;
        let said = said.map_err(|error| refused(&error).unwrap_or_else(|| strange(&error)))?;
        let mut proofs = said.proofs.iter().filter_map(|proof| BASE64_STANDARD.decode(proof).ok());
        if !proofs.any(|proof| self.pass.0.introduction.holds(&session, &proof)) {
            return Err(NoBox::new(
                format!(
                    "this is no box of site {}, or someone stands in between, or the site's ring \
                     key was changed since the pass was made",
                    self.site
                ),
                NOT_LET_IN,
            ));
        }
        Ok(connection)
    }
}

const GIVE: &str = "give the address of one: `--node 192.168.1.20`";
const NOT_LET_IN: &str = "whoever made this pass can make another: `ashlar site admin SITE NAME`";

fn unreached(error: &std::io::Error) -> NoBox {
    let words = match error.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            "it does not listen for people: its site names no people CA, or it is no box".into()
        }
        _ => error.to_string(),
    };
    NoBox::new(words, GIVE)
}

/// What a box meant that ended the session for want of a certificate that it takes.
fn refused(error: &(dyn std::error::Error + 'static)) -> Option<NoBox> {
    use rustls::AlertDescription as A;
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = inner
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .or_else(|| error.downcast_ref());
        if let Some(rustls::Error::AlertReceived(alert)) = tls {
            let words = match alert {
                A::CertificateExpired => "this pass has ended, or the box's clock is wrong",
                A::CertificateRevoked => "this pass was revoked",
                A::UnknownCA | A::DecryptError | A::BadCertificate => {
                    "this pass is of another site than the box"
                }
                _ => "the box does not take this pass",
            };
            return Some(NoBox::new(format!("{words} ({alert:?})"), NOT_LET_IN));
        }
        next = error.source();
    }
    None
}
