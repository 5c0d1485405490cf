//! Finding nodes by mDNS, and being found.
//!
//! HashiCorp's agent asks for `_serf_<cluster>._tcp.local` once a minute and
//! never again asks whom it could not join; this one asks whoever answers
//! until the ring has him. Source: RFC 6762, RFC 6763; hashicorp/serf,
//! `cmd/serf/command/agent/mdns.go`.

use super::AgentError;
use super::announce::{Announcements, Words};
use super::handle::Agent;
use super::journal::Level;
use mdns_sd::{DaemonEvent, IfKind, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;

/// How often those who were found and are not in the ring yet are asked.
const RETRY: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(60);

/// Most nodes that are kept in mind.
const MOST: usize = 256;

/// How nodes find each other without knowing an address.
#[derive(Clone, Debug)]
pub struct Discover {
    /// Nodes of this cluster are looked for; it is part of the service's name.
    pub cluster: String,
    /// Only on this interface; by default on all.
    pub interface: Option<String>,
    /// What else is announced, and heard.
    pub announcements: Announcements,
}

pub(super) struct Discovery {
    daemon: ServiceDaemon,
    config: Discover,
    name: String,
    words: watch::Receiver<Words>,
    /// What the daemon, which works in a thread of its own, could not do.
    trouble: mdns_sd::Receiver<DaemonEvent>,
    found: mdns_sd::Receiver<ServiceEvent>,
}

/// Announces this node and begins to look for others.
pub(super) fn start(
    config: &Discover,
    name: &str,
    address: SocketAddr,
) -> Result<Discovery, AgentError> {
    let failed = |error: mdns_sd::Error| AgentError::Discovery(error.to_string());
    let service = service(&config.cluster);
    let daemon = ServiceDaemon::new().map_err(failed)?;
    let trouble = daemon.monitor().map_err(failed)?;
    // A service type of more than 15 bytes breaks a rule that Serf never kept.
    daemon.set_service_name_len_max(LONGEST_SERVICE).map_err(failed)?;
    let interface = match &config.interface {
        Some(interface) => IfKind::Name(interface.clone()),
        None => IfKind::Addr(address.ip()),
    };
    daemon.disable_interface(IfKind::All).map_err(failed)?;
    daemon.enable_interface(interface).map_err(failed)?;
    config.announcements.forget_all();
    let mut words = config.announcements.follow();
    let info = info(config, name, address, &words.borrow_and_update()).map_err(failed)?;
    daemon.register(info).map_err(failed)?;
    let found = daemon.browse(&service).map_err(failed)?;
    Ok(Discovery { daemon, config: config.clone(), name: name.to_owned(), words, trouble, found })
}

/// This node as it is announced with these words.
fn info(
    config: &Discover,
    name: &str,
    address: SocketAddr,
    words: &Words,
) -> mdns_sd::Result<ServiceInfo> {
    // The node's name is unique, the machine's may not be.
    let host = format!("{name}.local.");
    let mut text = vec![("info".to_owned(), format!("Serf '{}' cluster", config.cluster))];
    text.extend(words.iter().map(|(key, word)| (key.clone(), word.clone())));
    let service = service(&config.cluster);
    let mut info =
        ServiceInfo::new(&service, name, &host, address.ip(), address.port(), &text[..])?;
    // A ring takes care that names are unique, as RFC 6762 8.1 wants it of whoever does not
    // probe. Probing takes 0.75 to 1 s, in which nobody is answered: HashiCorp's agent listens
    // for 1 s after its question, and asks again a minute later.
    info.set_requires_probe(false);
    Ok(info)
}

/// The longest name of a service, without its underscore, that the mDNS library
/// announces. A longer one it would refuse in its own thread.
const LONGEST_SERVICE: u8 = 30;

/// The service by which the nodes of a cluster find each other. HashiCorp's agent
/// takes the name as it is; one that is too long keeps its beginning and gets a
/// checksum of all of it.
fn service(cluster: &str) -> String {
    let most = usize::from(LONGEST_SERVICE) - "serf_".len();
    if cluster.len() <= most {
        return format!("_serf_{cluster}._tcp.local.");
    }
    let sum = format!("-{:08x}", crc32fast::hash(cluster.as_bytes()));
    let mut keep = most - sum.len();
    while !cluster.is_char_boundary(keep) {
        keep -= 1;
    }
    format!("_serf_{}{sum}._tcp.local.", &cluster[..keep])
}

impl Discovery {
    /// Joins whoever is found, until the agent ends.
    pub(super) fn run(mut self, agent: &Agent, replay: bool) {
        let commands = agent.commands.downgrade();
        let (events, journal, own) = (agent.events.clone(), agent.journal.clone(), agent.address());
        tokio::spawn(async move {
            let mut waiting: BTreeMap<SocketAddr, Waiting> = BTreeMap::new();
            loop {
                let next = waiting.values().map(|waiting| waiting.next).min();
                let pause =
                    next.map_or(LAST, |next| next.duration_since(tokio::time::Instant::now()));
                tokio::select! {
                    event = self.found.recv_async() => match event {
                        Ok(ServiceEvent::ServiceResolved(info)) => {
                            let others = elsewhere(&info, own);
                            if !others.is_empty() {
                                self.config.announcements.hear(&info.fullname, words(&info), MOST);
                            }
                            for address in others {
                                if waiting.len() < MOST {
                                    waiting.entry(address).or_insert_with(Waiting::new);
                                }
                            }
                        }
                        Ok(ServiceEvent::ServiceRemoved(_, who)) => {
                            self.config.announcements.forget(&who);
                        }
                        Ok(_) => {}
                        Err(_) => break,
                    },
                    event = self.trouble.recv_async() => match event {
                        Ok(DaemonEvent::Error(error)) => {
                            journal.note(Level::Warn, format_args!("mDNS: {error}"));
                            continue;
                        }
                        Ok(_) => continue,
                        Err(_) => break,
                    },
                    Ok(()) = self.words.changed() => {
                        if let Err(error) = self.announce(own) {
                            journal.note(Level::Warn, format_args!("mDNS: {error}"));
                        }
                        continue;
                    }
                    () = tokio::time::sleep(pause) => {}
                }
                let Some(commands) = commands.upgrade() else { break };
                let agent = Agent::revive(commands, events.clone(), journal.clone(), own);
                attempt(&agent, &mut waiting, replay).await;
            }
            // The daemon's thread ends with it; nothing is left to say.
            let _ = self.daemon.shutdown();
        });
    }

    /// Announces this node anew, with other words than before.
    fn announce(&mut self, address: SocketAddr) -> mdns_sd::Result<()> {
        let words = self.words.borrow_and_update().clone();
        self.daemon.register(info(&self.config, &self.name, address, &words)?)
    }
}

/// Where one who was found is: nowhere, if that is this node.
fn elsewhere(info: &ResolvedService, own: SocketAddr) -> Vec<SocketAddr> {
    let addresses = info.get_addresses().iter().map(|ip| ip.to_ip_addr());
    let addresses = addresses.map(|ip| SocketAddr::new(ip, info.get_port()));
    addresses.filter(|address| *address != own).collect()
}

/// What one who was found says besides where he is.
fn words(info: &ResolvedService) -> Words {
    let text = info.get_properties().iter();
    text.map(|word| (word.key().to_owned(), word.val_str().to_owned())).collect()
}

/// Somebody who was found and is not in the ring yet.
struct Waiting {
    next: tokio::time::Instant,
    pause: Duration,
}

impl Waiting {
    fn new() -> Self {
        Self { next: tokio::time::Instant::now(), pause: RETRY }
    }
}

async fn attempt(agent: &Agent, waiting: &mut BTreeMap<SocketAddr, Waiting>, replay: bool) {
    let members = agent.members().await.unwrap_or_default();
    waiting.retain(|address, _| !members.iter().any(|member| member.address == *address));
    let now = tokio::time::Instant::now();
    let due: Vec<SocketAddr> =
        waiting.iter().filter(|(_, waiting)| waiting.next <= now).map(|(at, _)| *at).collect();
    for address in due {
        match agent.join(vec![address], replay).await {
            Ok(_) => {
                agent.journal.note(Level::Info, format_args!("found and joined {address}"));
                waiting.remove(&address);
            }
            Err(error) => {
                agent.journal.note(Level::Debug, format_args!("{error}"));
                if let Some(waiting) = waiting.get_mut(&address) {
                    waiting.next = now + waiting.pause;
                    waiting.pause = (waiting.pause * 2).min(LAST);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_in_the_first_second_is_answered() -> mdns_sd::Result<()> {
        let config = Discover {
            cluster: "shop".to_owned(),
            interface: None,
            announcements: Announcements::default(),
        };
        let address = SocketAddr::from(([10, 77, 0, 1], 7946));
        assert!(!info(&config, "box-1", address, &Words::new())?.requires_probe());
        Ok(())
    }

    #[test]
    fn every_name_makes_a_service_that_is_announced_and_no_two_the_same() {
        let mut seen = std::collections::BTreeSet::new();
        for length in 1..=48 {
            for last in ["a", "b"] {
                let service = service(&format!("{}{last}", "n".repeat(length - 1)));
                let name = service.strip_prefix('_').and_then(|s| s.strip_suffix("._tcp.local."));
                assert!(name.is_some_and(|name| name.len() <= 30), "{service}");
                assert!(seen.insert(service), "{length}");
            }
        }
        assert_eq!(service("shop"), "_serf_shop._tcp.local.");
        service(&"ü".repeat(40));
    }
}
