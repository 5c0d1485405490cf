//! Whether the mount and the self-heal daemon of this box hear every brick that answers.
//!
//! A client of GlusterFS over TLS that lost a brick while that hung may never look for it
//! again, and nobody says so: of 11.1, 8 of 12 mounts and 2 of 12 self-heal daemons. What makes
//! a mount connect to all bricks anew, with its files open, is another graph of translators,
//! and one is another by the name of one translator. GlusterFS's management daemon gives a
//! client that asks again the file that it keeps for it.

use super::hung;
use super::reach::Heard;
use super::xml::Processes;
use anyhow::{Context, Result};
use futures_util::future::join_all;
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What sets the name of a translator apart from the one that it was made with.
const MARK: &str = "-anew-";

/// How long a brick may take to let somebody in and to answer what it does not understand.
const PATIENCE: Duration = Duration::from_secs(3);

/// States of a connection in the kernel's table (`include/net/tcp_states.h`) that is there
/// or on its way.
const ESTABLISHED: &str = "01";
const SYN_SENT: &str = "02";

/// A client of the volume on this box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Mount,
    /// The self-heal daemon, with its process.
    Healer(Pid),
}

/// A client here that has no connection to a brick that answers, and that brick's box.
///
/// # Errors
/// When this box's connections cannot be listed.
pub(super) async fn deaf(processes: &Processes, heard: &Heard) -> Result<Option<(Client, IpAddr)>> {
    let table = std::fs::read_to_string("/proc/net/tcp").context("cannot list connections")?;
    let asked = unconnected(processes, heard, &connections(&table))
        .into_iter()
        .map(async |(client, brick)| answers(brick).await.then_some((client, brick.ip())));
    Ok(join_all(asked).await.into_iter().flatten().next())
}

/// How many connections there are from this network to each address elsewhere, by the
/// kernel's table.
fn connections(table: &str) -> BTreeMap<SocketAddr, usize> {
    let mut found = BTreeMap::new();
    let remote = |line: &str| {
        let mut words = line.split_whitespace().skip(2);
        let (remote, state) = (words.next()?, words.next()?);
        let (address, port) =
            remote.split_once(':').filter(|_| [ESTABLISHED, SYN_SENT].contains(&state))?;
        let address = u32::from_str_radix(address, 16).ok()?;
        let port = u16::from_str_radix(port, 16).ok()?;
        // Written as a number of this machine, of bytes in the network's order.
        Some(SocketAddr::from((Ipv4Addr::from(address.to_ne_bytes()), port)))
    };
    for remote in table.lines().filter_map(remote) {
        *found.entry(remote).or_default() += 1;
    }
    found
}

/// Bricks that run and to which this box has fewer connections than clients, and the client
/// that lacks one.
fn unconnected(
    processes: &Processes,
    heard: &Heard,
    connections: &BTreeMap<SocketAddr, usize>,
) -> Vec<(Client, SocketAddr)> {
    let healer = processes.healer_here.map(Client::Healer);
    let mount = (*heard != Heard::Untold).then_some(Client::Mount);
    let all = [mount, healer].into_iter().flatten().count();
    let lacks = |(host, port): (&IpAddr, &u16)| {
        let brick = SocketAddr::new(*host, *port);
        if connections.get(&brick).copied().unwrap_or(0) >= all {
            return None;
        }
        let client = match heard {
            Heard::AllBut(silent) if !silent.contains(host) => healer,
            _ => mount.or(healer),
        };
        Some((client?, brick))
    };
    processes.ports.iter().filter_map(lacks).collect()
}

/// Whether somebody reads there what is written. Who hangs does not: the kernel takes the
/// connection for it.
async fn answers(brick: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(brick).await.ok()?;
        hung::answers(&mut stream).await;
        Some(())
    };
    timeout(PATIENCE, ask).await.is_ok_and(|answered| answered.is_some())
}

/// The file of a mount's translators with another name for one of them; `None` if it is not
/// understood.
pub(super) fn renamed(volfile: &str, by: u32) -> Option<String> {
    let lines: Vec<_> = volfile.lines().collect();
    let last = lines.iter().rposition(|line| below(line).is_some())?;
    let name = below(lines[last]).filter(|name| !name.contains(' '))?;
    let made = lines.iter().position(|line| line.trim() == format!("volume {name}"))?;
    let base = name.split_once(MARK).map_or(name, |(base, _)| base);
    let new = format!("{base}{MARK}{by:08x}");
    let mut text = String::with_capacity(volfile.len() + new.len());
    for (at, line) in lines.iter().enumerate() {
        if at == last || at == made {
            text.push_str(&line.replace(name, &new));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    Some(text)
}

/// What a line of such a file puts below the translator of which it tells.
fn below(line: &str) -> Option<&str> {
    line.trim().strip_prefix("subvolumes ").map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use tokio::net::TcpListener;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:5E07 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: E145530A:BFF4 E508530A:CE1C 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: E145530A:BFF5 E508530A:CE1C 06 00000000:00000000 00:00000000 00000000     0        0 3
   3: E145530A:BFF6 A44C530A:E77D 01 00000000:00000000 00:00000000 00000000     0        0 4
   4: E145530A:BFF7 A44C530A:E77D 02 00000000:00000000 00:00000000 00000000     0        0 5
";

    fn two_bricks() -> Processes {
        let ports = BTreeMap::from([(ip(8, 229), 52764), (ip(76, 164), 59261)]);
        Processes { ports, healer_here: Some(Pid::from_raw(339)), ..Processes::default() }
    }

    fn ip(third: u8, last: u8) -> IpAddr {
        IpAddr::from([10, 83, third, last])
    }

    fn all_but(silent: &[IpAddr]) -> Heard {
        Heard::AllBut(silent.iter().copied().collect::<BTreeSet<_>>())
    }

    #[test]
    fn connections_that_are_there_or_on_their_way_are_counted_by_where_they_lead() {
        let expected = [((ip(8, 229), 52764).into(), 1), ((ip(76, 164), 59261).into(), 2)];
        assert_eq!(connections(TABLE), BTreeMap::from(expected));
    }

    #[test]
    fn the_client_that_lacks_a_connection_is_the_one_of_which_nothing_else_is_known() {
        let (there, brick) = (connections(TABLE), SocketAddr::from((ip(8, 229), 52764)));
        let (mount, healer) = (Client::Mount, Client::Healer(Pid::from_raw(339)));
        let lacks = |heard: &Heard| unconnected(&two_bricks(), heard, &there);
        assert_eq!(lacks(&all_but(&[ip(8, 229)])), [(mount, brick)], "the mount says so");
        assert_eq!(lacks(&Heard::TooFew), [(mount, brick)], "it cannot even say so");
        assert_eq!(lacks(&all_but(&[])), [(healer, brick)], "the mount hears it");
        assert_eq!(lacks(&Heard::Untold), [], "one client, one connection");
        let alone = Processes { healer_here: None, ..two_bricks() };
        assert_eq!(unconnected(&alone, &all_but(&[]), &there), [], "no self-heal daemon");
    }

    #[tokio::test]
    async fn a_brick_that_ends_the_conversation_answers_and_one_that_hangs_does_not() {
        let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(!answers(hangs.local_addr().unwrap()).await, "nobody accepts");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { drop(listener.accept().await) });
        assert!(answers(at).await, "it does not like what it reads");
        let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(!answers(refused).await, "nobody is there");
    }

    #[test]
    fn one_translator_of_a_mount_gets_another_name_each_time_and_nothing_else_changes() {
        let volfile = "volume v-md-cache\n    type performance/md-cache\n    subvolumes v-dht\n\
            end-volume\n\nvolume v\n    type debug/io-stats\n    subvolumes v-md-cache\nend-volume\n";
        let once = renamed(volfile, 7).unwrap();
        assert_eq!(once, volfile.replace("v-md-cache", "v-md-cache-anew-00000007"));
        let twice = renamed(&once, 8).unwrap();
        assert_eq!(twice, volfile.replace("v-md-cache", "v-md-cache-anew-00000008"));
        assert_eq!(renamed("volume v\n    type x\nend-volume\n", 7), None);
        assert_eq!(renamed("subvolumes a b\n", 7), None);
    }
}
