//! Networks of a test's own.

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};
use std::ffi::OsStr;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Names of ours start so; the process that made one follows.
const PREFIX: &str = "serf-interop-";

/// Addresses of a machine, of those that it has to be given.
const PLACES: u8 = 8;

static MADE: AtomicU32 = AtomicU32::new(0);

/// A network namespace with nothing but a loopback interface. It goes with
/// this value.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A new one.
    ///
    /// # Errors
    /// When `ip` refuses: it takes root.
    pub fn new() -> Result<Self> {
        let number = MADE.fetch_add(1, Ordering::SeqCst);
        if number == 0 {
            remove_abandoned();
        }
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// A program in it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }

    /// A program in it that ends when the thread ends that starts it, even by
    /// a signal.
    pub fn companion(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "nsenter"]);
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }

    /// Connects from within. The connection stays in it, whoever uses it.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(&self, to: SocketAddr) -> Result<TcpStream> {
        let namespace = File::open(self.path())?;
        // A thread of its own, because it does not come back.
        let connecting = std::thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            Ok(TcpStream::connect(to)?)
        });
        connecting.join().unwrap_or_else(|_| bail!("it panicked"))
    }

    /// Packets that match these rules vanish, on their way in.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn drop_packets(&self, rules: &str) -> Result<()> {
        self.drop_nothing()?;
        let chain = format!("chain input {{ type filter hook input priority 0; {rules}\n }}");
        self.nft(&format!("table inet test {{\n {chain}\n }}"))
    }

    pub(super) fn drop_nothing(&self) -> Result<()> {
        self.nft("add table inet test; delete table inet test")
    }

    fn nft(&self, rules: &str) -> Result<()> {
        done(self.command("nft").arg(rules)).map(drop)
    }

    fn ip(&self, words: &[&str]) -> Result<()> {
        ip(&[&["-n", &self.name], words].concat()).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "del", &self.name]) {
            eprintln!("{error:#}");
        }
    }
}

/// Two machines with a cable between them, called `cable` on both.
pub(super) fn two_with_a_cable() -> Result<Vec<Namespace>> {
    let sides = vec![Namespace::new()?, Namespace::new()?];
    for namespace in &sides {
        // An address is usable at once, as on a network that has been up for a
        // while: HashiCorp's mDNS asks by IPv6 as well, once, or not at all.
        let setting = "/proc/sys/net/ipv6/conf/default/accept_dad";
        done(namespace.command("sh").args(["-c", &format!("echo 0 >{setting}")]))?;
    }
    let other = sides[1].name.as_str();
    sides[0]
        .ip(&["link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", other])?;
    for (side, namespace) in sides.iter().enumerate() {
        for number in 1..=PLACES {
            let address = format!("{}/24", private(side, number));
            namespace.ip(&["address", "add", &address, "dev", "cable"])?;
        }
        namespace.ip(&["link", "set", "cable", "up"])?;
        // As a default route would; HashiCorp's mDNS does not ask without one.
        namespace.ip(&["route", "add", "224.0.0.0/4", "dev", "cable"])?;
    }
    Ok(sides)
}

/// One machine that has IPv6 addresses as well.
pub(super) fn with_ipv6() -> Result<Namespace> {
    let namespace = Namespace::new()?;
    for number in 1..=PLACES {
        let address = format!("{}/128", ipv6(0, number));
        namespace.ip(&["address", "add", &address, "dev", "lo"])?;
    }
    Ok(namespace)
}

/// The address of an agent on a machine of its own,
pub(super) fn loopback(_side: usize, number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, number).into()
}

/// by IPv6,
pub(super) fn ipv6(_side: usize, number: u8) -> IpAddr {
    Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, number.into()).into()
}

/// and on one of two machines.
pub(super) fn private(side: usize, number: u8) -> IpAddr {
    Ipv4Addr::new(10, 77, 0, if side == 0 { number } else { 100 + number }).into()
}

fn ip(words: &[&str]) -> Result<String> {
    done(Command::new("ip").args(words))
}

fn done(command: &mut Command) -> Result<String> {
    let words = format!("{command:?}");
    let output = command.output().with_context(|| words.clone())?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{words}: {}", error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Removes what processes left that could not clean up.
fn remove_abandoned() {
    let Ok(list) = ip(&["netns", "list"]) else { return };
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    for name in names {
        let Some((process, _)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'))
        else {
            continue;
        };
        if !PathBuf::from("/proc").join(process).exists() {
            // Another process may be doing the same.
            let _ = ip(&["netns", "del", name]);
        }
    }
}
