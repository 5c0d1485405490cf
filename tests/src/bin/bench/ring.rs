//! serf-rs beside HashiCorp's serf: the same flags, the same profile, each
//! agent a process with loopback addresses of its own, in a namespace of its
//! own, one kind after the other in one run.

use crate::row::Row;
use anyhow::{Context, Result, ensure};
use ashlar_tests::command::built_as;
use ashlar_tests::ring::Peer;
use ashlar_tests::ring::namespace::Namespace;
use rmp_serde::Deserializer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Rings of a hundred are formed so often, to see whether they form every time.
const RINGS: usize = 10;

/// A ring that has not formed by then has a straggler.
const PATIENCE: Duration = Duration::from_secs(60);

/// Agents are killed so often, one after the other.
const KILLS: usize = 5;

/// CPU is measured for so long, in a ring at rest.
const REST: Duration = Duration::from_secs(20);

/// The ring's key: rings are encrypted, as they are on appliances.
const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

/// What one kind of agent takes.
#[derive(Debug, Default)]
struct Measured {
    /// Megabytes of an agent in a ring of 1, 20, 100.
    memory: [f64; 3],
    /// Percent of a core, of the whole ring.
    cpu: [f64; 3],
    /// Seconds until all see all, for 20 and 100; the worst of several.
    formed: [f64; 2],
    formed_median: f64,
    /// Seconds until everyone knows of a SIGKILL, for 20 and 100; the mean of
    /// several.
    noticed: [f64; 2],
    /// Of 20, who answered with a fifth of the packets lost.
    answered: f64,
}

/// Both kinds.
pub(crate) fn compare() -> Result<Vec<Row>> {
    let peer = Peer::of_host()?;
    let ours = measure(&built_as("small", "examples/serf-rs")?, "serf-rs")?;
    let theirs = measure(&peer.program, "HashiCorp serf")?;
    Ok(rows(&ours, &theirs))
}

fn rows(ours: &Measured, theirs: &Measured) -> Vec<Row> {
    let mut rows = Vec::new();
    let sizes = [
        ("ring of 1: memory of an agent", "ring of 1: CPU of one core"),
        ("ring of 20: memory of an agent", "ring of 20: CPU of one core, all together"),
        ("ring of 100: memory of an agent", "ring of 100: CPU of one core, all together"),
    ];
    for (place, (memory, cpu)) in sizes.into_iter().enumerate() {
        rows.push(Row::new(memory, "MB", ours.memory[place]).beside(theirs.memory[place], 0.4));
        rows.push(Row::new(cpu, "%", ours.cpu[place]).beside(theirs.cpu[place], 0.5));
    }
    let seconds = |what, ours, theirs| Row::new(what, "s", ours).next_to(theirs);
    rows.push(seconds("ring of 20: all see all", ours.formed[0], theirs.formed[0]));
    rows.push(seconds(
        "ring of 100: all see all, median",
        ours.formed_median,
        theirs.formed_median,
    ));
    rows.push(
        seconds("ring of 100: all see all, worst of 10", ours.formed[1], theirs.formed[1])
            .budget(3.0),
    );
    rows.push(
        Row::new("ring of 20: a SIGKILL is known", "s", ours.noticed[0])
            .beside(theirs.noticed[0], 1.1),
    );
    rows.push(
        Row::new("ring of 100: a SIGKILL is known", "s", ours.noticed[1])
            .beside(theirs.noticed[1], 1.1),
    );
    rows.push(
        Row::new("ring of 20: answers with 20 % lost", "", ours.answered).next_to(theirs.answered),
    );
    rows
}

fn measure(program: &Path, name: &str) -> Result<Measured> {
    let mut measured = Measured::default();
    for (place, size) in [1, 20, 100].into_iter().enumerate() {
        eprintln!("{name}: a ring of {size}");
        let (mut ring, formed) = Ring::form(program, size)?;
        // The rumours of the beginning are told to their end.
        std::thread::sleep(Duration::from_secs(10));
        measured.memory[place] = ring.memory()?;
        measured.cpu[place] = ring.cpu()?;
        if size > 1 {
            measured.formed[place - 1] = formed;
            measured.noticed[place - 1] = ring.kill_some()?;
        }
        if size == 20 {
            drop(ring);
            measured.answered = Ring::form(program, size)?.0.answers()?;
        }
    }
    let mut all = vec![measured.formed[1]];
    for round in 1..RINGS {
        eprintln!("{name}: a ring of 100 again, {} of {RINGS}", round + 1);
        all.push(Ring::form(program, 100)?.1);
    }
    eprintln!("{name}: seconds until all of 100 see all: {all:.2?}");
    all.sort_by(f64::total_cmp);
    measured.formed_median = all[all.len() / 2];
    measured.formed[1] = all[all.len() - 1];
    Ok(measured)
}

struct Ring {
    agents: Vec<Agent>,
    namespace: Namespace,
}

struct Agent {
    child: Child,
    rpc: Rpc,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ring {
    /// Starts the first, then all others at once, which join the first. Returns
    /// the seconds from then until all see all; `PATIENCE` if they do not.
    fn form(program: &Path, size: u8) -> Result<(Self, f64)> {
        let namespace = Namespace::new()?;
        let mut children = vec![spawn(&namespace, program, 1)?];
        let first = Rpc::connect(&namespace, 1)?;
        let begun = Instant::now();
        for number in 2..=size {
            children.push(spawn(&namespace, program, number)?);
        }
        let mut agents = Vec::new();
        let mut rpcs = vec![first];
        for number in 2..=size {
            rpcs.push(Rpc::connect(&namespace, number)?);
        }
        for (child, rpc) in children.into_iter().zip(rpcs) {
            agents.push(Agent { child, rpc });
        }
        let mut ring = Self { agents, namespace };
        // Whether they did shows in the time.
        ring.until(|stats| stats.members == usize::from(size) && stats.failed == 0)?;
        Ok((ring, begun.elapsed().min(PATIENCE).as_secs_f64()))
    }

    /// Waits until it holds for each agent; gives up after `PATIENCE`.
    fn until(&mut self, holds: impl Fn(&Stats) -> bool) -> Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        for agent in &mut self.agents {
            while !holds(&agent.rpc.stats()?) {
                if Instant::now() > deadline {
                    return Ok(false);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(true)
    }

    /// Resident megabytes of an agent, the median.
    fn memory(&self) -> Result<f64> {
        let mut sizes: Vec<f64> = Vec::new();
        for agent in &self.agents {
            let status = std::fs::read_to_string(format!("/proc/{}/status", agent.child.id()))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kilobytes =
                line.and_then(|line| line.split_whitespace().next()).context("VmRSS")?;
            sizes.push(kilobytes.parse::<f64>()? * 1024.0 / 1e6);
        }
        sizes.sort_by(f64::total_cmp);
        Ok(sizes[sizes.len() / 2])
    }

    /// Percent of a core that all agents take together, at rest.
    fn cpu(&self) -> Result<f64> {
        let ticks = || -> Result<f64> {
            let mut sum = 0.0;
            for agent in &self.agents {
                let stat = std::fs::read_to_string(format!("/proc/{}/stat", agent.child.id()))?;
                let (_, rest) = stat.rsplit_once(')').context("a name in parentheses")?;
                let fields: Vec<&str> = rest.split_whitespace().collect();
                for field in [11, 12] {
                    sum += fields.get(field).context("times")?.parse::<f64>()?;
                }
            }
            Ok(sum)
        };
        let before = ticks()?;
        std::thread::sleep(REST);
        // A hundred ticks a second: the kernel's unit for user space.
        Ok((ticks()? - before) / REST.as_secs_f64())
    }

    /// Kills the last one, and again. Returns the seconds until all others know,
    /// the mean of the deaths: each begins with the wait for who is next to ask.
    fn kill_some(&mut self) -> Result<f64> {
        let begun = Instant::now();
        for failed in 1..=KILLS {
            drop(self.agents.pop().context("an agent")?);
            let known = self.until(|stats| stats.failed == failed)?;
            ensure!(known, "a SIGKILL was not known everywhere within {PATIENCE:?}");
        }
        Ok(begun.elapsed().as_secs_f64() / KILLS as f64)
    }

    /// How many acknowledge a query while a fifth of the packets is lost; the
    /// mean of five queries.
    fn answers(&mut self) -> Result<f64> {
        self.namespace.drop_packets("udp dport 7946 numgen random mod 100 < 20 drop")?;
        let mut sum = 0;
        for _ in 0..5 {
            sum += self.agents[0].rpc.query()?;
        }
        Ok(f64::from(sum) / 5.0)
    }
}

fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, number)
}

fn spawn(namespace: &Namespace, program: &Path, number: u8) -> Result<Child> {
    let at = address(number);
    let mut command = namespace.companion(program);
    command
        .args(["agent", "-log-level=err", &format!("-encrypt={KEY}")])
        .arg(format!("-node=node-{number}"))
        .arg(format!("-bind={at}:7946"))
        .arg(format!("-rpc-addr={at}:7373"));
    if number > 1 {
        command.arg(format!("-join={}:7946", address(1)));
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.with_context(|| program.display().to_string())
}

struct Rpc {
    stream: TcpStream,
    answers: Deserializer<rmp_serde::decode::ReadReader<BufReader<TcpStream>>>,
    requests: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    command: &'a str,
    seq: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    error: String,
}

#[derive(Debug)]
struct Stats {
    members: usize,
    failed: usize,
}

impl Rpc {
    /// Connects, as soon as the agent answers.
    fn connect(namespace: &Namespace, number: u8) -> Result<Self> {
        let to: SocketAddr = SocketAddrV4::new(address(number), 7373).into();
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match namespace.connect(to) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Handshake {
            version: i32,
        }
        let answers = Deserializer::new(BufReader::new(stream.try_clone()?));
        let mut rpc = Self { stream, answers, requests: 0 };
        rpc.request("handshake", Some(&Handshake { version: 1 }))?;
        Ok(rpc)
    }

    fn request(&mut self, command: &str, body: Option<&impl Serialize>) -> Result<()> {
        self.requests += 1;
        let mut bytes = rmp_serde::to_vec_named(&Request { command, seq: self.requests })?;
        if let Some(body) = body {
            bytes.extend(rmp_serde::to_vec_named(body)?);
        }
        self.stream.write_all(&bytes)?;
        let Answer { error } = Answer::deserialize(&mut self.answers)?;
        ensure!(error.is_empty(), "{command}: {error}");
        Ok(())
    }

    fn stats(&mut self) -> Result<Stats> {
        type Groups = BTreeMap<String, Option<BTreeMap<String, String>>>;
        self.request("stats", None::<&()>)?;
        let groups = Groups::deserialize(&mut self.answers)?;
        let serf = groups.get("serf").cloned().flatten().context("no group `serf`")?;
        let number = |name: &str| -> Result<usize> {
            Ok(serf.get(name).with_context(|| format!("no number `{name}`"))?.parse()?)
        };
        Ok(Stats { members: number("members")?, failed: number("failed")? })
    }

    /// Asks everybody, and counts who confirms.
    fn query(&mut self) -> Result<u32> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Query<'a> {
            name: &'a str,
            request_ack: bool,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Record {
            r#type: String,
        }
        self.request("query", Some(&Query { name: "load", request_ack: true }))?;
        let mut acks = 0;
        loop {
            let Answer { error } = Answer::deserialize(&mut self.answers)?;
            ensure!(error.is_empty(), "query: {error}");
            let record = Record::deserialize(&mut self.answers)?;
            match record.r#type.as_str() {
                "ack" => acks += 1,
                "done" => return Ok(acks),
                _ => {}
            }
        }
    }
}
