//! What the overlays add to the root and can be seen to work outside of it:
//! scripts, units, and the packet filter in network namespaces of its own.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may; clippy sees only functions marked so.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn overlay(path: &str) -> PathBuf {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../overlays").join(path);
    assert!(whole.exists(), "{}", whole.display());
    whole
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

/// Whether a program that a test needs is there; says so if not.
fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        println!("skipped: no {program} here");
    }
    there
}

#[test]
fn a_host_key_is_made_once_and_anew_when_a_power_cut_broke_it() {
    if !has("ssh-keygen") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("ssh_host_ed25519_key");
    let make = || {
        run(Command::new(overlay("base/usr/lib/ashlar/ssh-host-key")).arg(dir.path()));
        fs::read(&key).unwrap()
    };
    let first = make();
    assert_eq!(make(), first);
    fs::write(&key, &first[..first.len() / 2]).unwrap();
    fs::write(dir.path().join("ssh_host_ed25519_key.new"), "half").unwrap();
    let second = make();
    assert_ne!(second, first);
    assert_eq!(make(), second);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn logs_stay_within_their_limit_and_keep_their_ends() {
    const LIMIT: u64 = 200_000;
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("bricks")).unwrap();
    let [long, short] = ["bricks/data.log", "cli.log"].map(|name| dir.path().join(name));
    let size = || -> u64 {
        let mut find = Command::new("find");
        let files = run(find.arg(dir.path()).args(["-type", "f", "-printf", "%s\n"]));
        String::from_utf8(files.stdout).unwrap().lines().map(|l| l.parse::<u64>().unwrap()).sum()
    };
    fs::write(&short, "a line\n").unwrap();
    for round in 0..20 {
        let mut text = fs::read_to_string(&long).unwrap_or_default();
        text.push_str(&"x".repeat(90_000));
        text.push_str(&format!("\nthe end of round {round}\n"));
        fs::write(&long, text).unwrap();
        let trim = overlay("storage/usr/lib/ashlar/trim-logs");
        run(Command::new(trim).arg(dir.path()).arg(LIMIT.to_string()));
        assert!(size() <= LIMIT, "{} bytes", size());
        let kept = fs::read_to_string(dir.path().join("bricks/data.log.old")).unwrap();
        assert!(kept.ends_with(&format!("the end of round {round}\n")));
    }
    assert_eq!(fs::read_to_string(&short).unwrap(), "a line\n");
}

/// Units of ours, each with a sandbox; the others carry their reason.
#[test]
fn units_of_ours_are_exposed_little() {
    if !has("systemd-analyze") {
        println!("skipped: needs systemd-analyze");
        return;
    }
    let mut units = Vec::new();
    for features in fs::read_dir(overlay("")).unwrap() {
        let features = features.unwrap();
        // The initrd makes disks ready before there is anything to keep from its units.
        if features.file_name() == "initrd" {
            continue;
        }
        let there = fs::read_dir(features.path().join("usr/lib/systemd/system"));
        let there = there.into_iter().flatten().map(|entry| entry.unwrap());
        let ours = there.filter(|entry| {
            let name = entry.file_name().into_string().unwrap();
            name.starts_with("ashlar-") && name.ends_with(".service")
        });
        units.extend(ours.map(|entry| entry.path()));
    }
    assert!(units.len() > 12, "{units:?}");
    for unit in units {
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager", "--threshold=40"]);
        assert!(run(analyze.arg(&unit)).status.success(), "{}", unit.display());
    }
}

/// The box's addresses: of the cluster, and by DHCP on another port.
const CLUSTER: [u8; 4] = [10, 83, 0, 1];
const LEASE: [u8; 4] = [192, 168, 7, 2];

/// In namespaces: a box with two ports, a neighbour on each, and a container.
#[test]
fn cluster_ports_answer_on_the_cluster_address_only() {
    let root = run(Command::new("id").arg("-u")).stdout == b"0\n";
    if !root || !has("nft") {
        println!("skipped: needs root and nft");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let rules = fs::read_to_string(overlay("ring/usr/lib/ashlar/firewall.nft")).unwrap();
    let (file, told) = (dir.path().join("firewall.nft"), dir.path().join("told"));
    fs::create_dir(&told).unwrap();
    fs::write(&file, rules.replace("/run/ashlar/firewall", told.to_str().unwrap())).unwrap();
    let script = r#"set -e
        own=$(readlink /proc/self/ns/net)
        far() {
            unshare -n sleep 120 & pid=$!
            until [ "$(readlink /proc/$pid/ns/net)" != "$own" ]; do :; done
            ip link add $1 type veth peer name far netns $pid
            ip link set $1 up
            nsenter -t $pid -n ip link set lo up
            nsenter -t $pid -n ip address add $2 dev far
            nsenter -t $pid -n ip link set far up
        }
        ip link set lo up
        far lan 10.83.0.2/16; LAN=$pid
        far wan 192.168.7.3/24; WAN=$pid
        far docker0 172.17.0.2/24; BOX=$pid
        trap 'kill $LAN $WAN $BOX' EXIT
        ip address add 10.83.0.1/16 dev lan
        ip address add 192.168.7.2/24 dev wan
        ip address add 172.17.0.1/24 dev docker0
        ip address add fd77::1/64 dev lan nodad
        nsenter -t $LAN -n ip address add fd77::2/64 dev far nodad
        nsenter -t $WAN -n ip route add 10.83.0.0/16 via 192.168.7.2
        nsenter -t $BOX -n ip route add default via 172.17.0.1
        nsenter -t $LAN -n ip route add default via 10.83.0.1
        sysctl -qw net.ipv4.ip_forward=1
        export LAN WAN BOX
        "$0" --ignored --exact in_the_box --nocapture"#;
    let test = std::env::current_exe().unwrap();
    let mut inside = Command::new("unshare");
    inside.args(["-n", "sh", "-c", script]).arg(test).env("RULES", &file).env("TOLD", &told);
    let said = run(&mut inside);
    assert!(String::from_utf8_lossy(&said.stdout).contains("1 passed"), "{said:?}");
}

/// Whether a neighbour gets through to a port.
fn opens(neighbour: &str, address: [u8; 4], port: u16) -> bool {
    let namespace = std::env::var(neighbour).unwrap();
    let to = SocketAddr::new(IpAddr::from(address), port);
    let connect = format!("exec 3<>/dev/tcp/{}/{}", to.ip(), to.port());
    let mut call = Command::new("nsenter");
    call.args(["-t", &namespace, "-n", "timeout", "1", "bash", "-c", &connect]);
    call.output().unwrap().status.success()
}

/// What a neighbour finds who tries every TCP port: those that are open, and those that
/// do not even refuse.
fn scanned(neighbour: &str, address: impl Into<IpAddr>) -> [String; 2] {
    let namespace = std::env::var(neighbour).unwrap();
    let mut scan = Command::new("nsenter");
    scan.args(["-t", &namespace, "-n"]).arg(std::env::current_exe().unwrap());
    scan.args(["--ignored", "--exact", "every_port_is_tried", "--nocapture"]);
    let said = run(scan.env("TO", address.into().to_string()));
    let said = String::from_utf8(said.stdout).unwrap();
    ["open: ", "silent: "].map(|word| {
        let (_, ports) = said.split_once(word).unwrap();
        ports.lines().next().unwrap().to_owned()
    })
}

/// Ports in order, as `nft` writes them.
fn ranges(ports: &[u16]) -> String {
    let next_to = |a: &u16, b: &u16| a + 1 == *b;
    let runs = ports.chunk_by(next_to).map(|run| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
#[ignore = "run by the test below, in the namespace of a neighbour"]
async fn every_port_is_tried() {
    // So many at once as a process may have open files. What refuses does so before
    // the call returns: whoever has said nothing by then says nothing.
    const AT_ONCE: usize = 500;
    const SILENT: std::time::Duration = std::time::Duration::from_millis(30);
    let to: IpAddr = std::env::var("TO").unwrap().parse().unwrap();
    let (mut open, mut silent) = (Vec::new(), Vec::new());
    let ports: Vec<u16> = (1..=u16::MAX).collect();
    for ports in ports.chunks(AT_ONCE) {
        let call = |port: u16| tokio::net::TcpStream::connect((to, port));
        let calls = ports.iter().map(|port| tokio::time::timeout(SILENT, call(*port)));
        for (port, answer) in ports.iter().zip(futures_util::future::join_all(calls).await) {
            match answer {
                Ok(Ok(_)) => open.push(*port),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Ok(Err(error)) => panic!("{to} {port}: {error}"),
                Err(_) => silent.push(*port),
            }
        }
    }
    println!("\nopen: {}\nsilent: {}", ranges(&open), ranges(&silent));
}

#[test]
#[ignore = "run by the test above, in namespaces that it made"]
fn in_the_box() {
    let listen = |address: [u8; 4], port| TcpListener::bind((IpAddr::from(address), port)).unwrap();
    let load = || run(Command::new("nft").arg("-f").arg(std::env::var("RULES").unwrap()));
    // Storage and sshd listen everywhere, the ring on the cluster address.
    let _everywhere = [24_007, 49_152, 22, 7943].map(|port| listen([0; 4], port));
    let _ring = listen(CLUSTER, 7945);
    assert!(opens("WAN", LEASE, 24_007), "without rules it answers");
    load();
    assert!(!opens("LAN", CLUSTER, 24_007), "before the address is told, nowhere");
    let told = Path::new(&std::env::var("TOLD").unwrap()).join("cluster.nft");
    let words = "add element inet ashlar cluster { 10.83.0.1 }\n\
         add element inet ashlar network { 10.83.0.0/16 }\n\
         add rule inet ashlar rendezvous ip daddr != 10.83.0.1 fib daddr type local \
         tcp dport 7945 dnat ip to 10.83.0.1\n";
    fs::write(told, words).unwrap();
    load();
    load();
    for port in [24_007, 49_152, 7945] {
        assert!(opens("LAN", CLUSTER, port), "{port}");
    }
    for port in [24_007, 49_152] {
        assert!(!opens("WAN", LEASE, port), "{port}");
        assert!(!opens("WAN", CLUSTER, port), "{port} by way of the other port");
        assert!(!opens("BOX", CLUSTER, port), "{port} from a container");
        assert!(!opens("BOX", [10, 83, 0, 2], port), "{port} of another node, from a container");
    }
    let forward = run(Command::new("nft").args(["list", "chain", "inet", "ashlar", "forward"]));
    let forward = String::from_utf8(forward.stdout).unwrap();
    let dropped = forward.lines().find(|line| line.contains("@cluster_tcp")).unwrap();
    assert!(!dropped.contains("packets 0 "), "not for want of a listener: {forward}");
    assert!(opens("WAN", LEASE, 7945), "the ring answers on every address");
    assert!(!opens("BOX", [172, 17, 0, 1], 7945), "but not to containers");
    for (neighbour, address) in [("WAN", LEASE), ("LAN", CLUSTER)] {
        assert!(opens(neighbour, address, 7943), "people call on every address");
    }
    assert!(!opens("BOX", [172, 17, 0, 1], 7943), "but not from containers");
    assert!(opens("WAN", LEASE, 22), "what is not the cluster's is as it was");

    // And no port besides, by whatever way.
    let found = |neighbour, address: IpAddr| scanned(neighbour, address).join("; ");
    assert_eq!(found("LAN", CLUSTER.into()), "22, 7943, 7945, 24007, 49152; ");
    assert_eq!(
        found("WAN", LEASE.into()),
        "22, 7943, 7945; 2377, 7944, 7946, 24007-24008, 49152-60999"
    );
    assert_eq!(
        found("BOX", [172, 17, 0, 1].into()),
        "22; 2377, 7943-7946, 24007-24008, 49152-60999",
        "from a container"
    );
    assert_eq!(
        found("LAN", [0xfd77, 0, 0, 0, 0, 0, 0, 1].into()),
        "; 2377, 7944-7946, 24007-24008, 49152-60999",
        "by IPv6"
    );
}
