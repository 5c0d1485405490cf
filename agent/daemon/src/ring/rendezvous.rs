//! Finding ring members by mDNS, again and again.
//!
//! Serf asks once a minute and gives up a turn at the first fault: a question
//! asked while the link's IPv6 address is still tentative, or while a switch
//! port still learns, costs a node a minute, in which it may found a cluster of
//! its own. So the agent asks as well, and plans a join with whoever answers.
//! Nothing of an answer is believed but the address that it came from: whether
//! that is a member is decided by the ring's key.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::timeout;

/// mDNS' group and port.
const GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)), 5353);

/// How long answers are awaited after each question.
const LISTEN: Duration = Duration::from_millis(500);

/// The pauses between two questions grow from the first to the last.
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(30);

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(45);

/// How long somebody who answered and could not be joined is left alone: he may
/// be of another site of the same name.
const REFUSED: Duration = Duration::from_secs(60);

/// Most answers that are kept: more than a LAN has boxes of one site.
const MOST: usize = 256;

/// Who answered lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found(Arc<Mutex<BTreeMap<IpAddr, Seen>>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    answered: Instant,
    refused: Option<Instant>,
}

impl Seen {
    fn is_refused(&self) -> bool {
        self.refused.is_some_and(|at| at.elapsed() < REFUSED)
    }

    fn counts(&self) -> bool {
        self.answered.elapsed() < FRESH || self.is_refused()
    }
}

impl Found {
    /// Addresses that answered lately.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let Ok(mut found) = self.0.lock() else { return Vec::new() };
        found.retain(|_, seen| seen.counts());
        found.iter().filter(|(_, seen)| !seen.is_refused()).map(|(ip, _)| *ip).collect()
    }

    /// Leaves those of `addresses` that were found here alone for a while.
    pub(crate) fn refuse(&self, addresses: &[String]) {
        let Ok(mut found) = self.0.lock() else { return };
        let ips = addresses.iter().filter_map(|a| a.parse::<SocketAddr>().ok());
        for address in ips {
            if let Some(seen) = found.get_mut(&address.ip()) {
                seen.refused = Some(Instant::now());
            }
        }
    }

    /// Notes an answer; returns whether it is from someone new.
    fn note(&self, address: IpAddr) -> bool {
        let Ok(mut found) = self.0.lock() else { return false };
        found.retain(|_, seen| seen.counts());
        if found.len() >= MOST && !found.contains_key(&address) {
            return false;
        }
        let refused = found.get(&address).and_then(|seen| seen.refused);
        found.insert(address, Seen { answered: Instant::now(), refused }).is_none()
    }
}

/// Asks for members of `site` from `own` address, for as long as the process
/// lives, and wakes the loop when somebody new answers.
pub(crate) async fn seek(own: IpAddr, site: String, found: Found, wake: Arc<Notify>) {
    let question = question(&site);
    let mut pause = FIRST;
    loop {
        match ask(own, &question, &found).await {
            Ok(true) => wake.notify_one(),
            Ok(false) => {}
            // No cable, or no address yet.
            Err(error) => tracing::debug!("cannot ask the network for members: {error}"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST);
    }
}

async fn ask(own: IpAddr, question: &[u8], found: &Found) -> std::io::Result<bool> {
    let socket = UdpSocket::bind(SocketAddr::new(own, 0)).await?;
    socket.send_to(question, GROUP).await?;
    let mut new = false;
    let listen = async {
        let mut buffer = [0_u8; 1500];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await?;
            if from.ip() != own && is_answer(&buffer[..length]) {
                new |= found.note(from.ip());
            }
        }
    };
    match timeout(LISTEN, listen).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) | Err(_) => Ok(new),
    }
}

/// `PTR _serf_<site>._tcp.local`, with the wish for an answer to this socket
/// alone. The id is zero, as mDNS has it.
fn question(site: &str) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [&format!("_serf_{site}"), "_tcp", "local"] {
        // A site's name is a DNS label, so that this is always one.
        let label = &label.as_bytes()[..label.len().min(63)];
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend_from_slice(label);
    }
    bytes.extend_from_slice(&[0, 0, 12, 0x80, 1]);
    bytes
}

/// A DNS response with at least one answer.
fn is_answer(packet: &[u8]) -> bool {
    let [_, _, flags, code, _, _, high, low, _, _, _, _, ..] = packet else { return false };
    flags & 0x80 != 0 && code & 0x0f == 0 && (*high, *low) != (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_question_is_the_one_that_serf_answers() {
        let expected = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x0a_serf_demo\x04_tcp\x05local\0\0\x0c\x80\x01";
        assert_eq!(question("demo"), expected);
    }

    #[test]
    fn only_an_answer_counts_and_only_once_as_news() {
        assert!(is_answer(b"\0\0\x84\0\0\0\0\x01\0\0\0\0rest"));
        assert!(!is_answer(b"\0\0\0\0\0\x01\0\0\0\0\0\0question"), "another node's question");
        assert!(!is_answer(b"\0\0\x84\x03\0\0\0\0\0\0\0\0"), "no such name");
        let found = Found::default();
        let address = IpAddr::from([10, 83, 0, 1]);
        assert!(found.note(address) && !found.note(address));
        assert_eq!(found.addresses(), [address]);
    }

    #[test]
    fn somebody_of_another_site_is_left_alone_for_a_while() {
        let found = Found::default();
        let (own, other) = (IpAddr::from([10, 83, 0, 1]), IpAddr::from([10, 83, 0, 2]));
        found.note(own);
        found.note(other);
        found.refuse(&["10.83.0.2:7945".into(), "10.83.0.9:7945".into()]);
        assert!(!found.note(other), "no news");
        assert_eq!(found.addresses(), [own]);
    }

    proptest! {
        #[test]
        fn whatever_packet_comes_nothing_panics(packet in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = is_answer(&packet);
        }
    }
}
