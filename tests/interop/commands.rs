//! Every subcommand of the stock `serf`, asked of our agent and of HashiCorp's
//! in one ring, with and without a key to the RPC: both say the same.

use super::telling::Answered;
use anyhow::{Result, ensure};
use ashlar_tests::ring::{Agent, EVENTUALLY, Kind, Peer, Ring, SOON, fresh_key};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs::File;
use std::process::Child;

const AUTH: &str = "-rpc-auth=sesame";

/// Ours, theirs and ours, each with a tag: `n` is its number.
fn three(peer: &Peer, flags: &[&str]) -> Result<(Ring, Vec<Agent>)> {
    let ring = Ring::new(peer)?;
    let mut agents: Vec<Agent> = Vec::new();
    for (kind, tag) in
        [(Kind::Ours, "-tag=n=one"), (Kind::Theirs, "-tag=n=two"), (Kind::Ours, "-tag=n=three")]
    {
        let join = agents.first().map(Agent::join_flag);
        let all: Vec<&str> = flags.iter().copied().chain([tag]).chain(join.as_deref()).collect();
        agents.push(ring.start(kind, &all)?);
    }
    ring.until_all_see_all(&agents, SOON)?;
    Ok((ring, agents))
}

fn with_and_without_auth(claim: impl Fn(&Peer, &[&str]) -> Result<()> + Sync) -> Result<()> {
    Peer::each(|peer| claim(peer, &[]).and_then(|()| claim(peer, &[AUTH])))
}

#[test]
fn members_is_filtered_and_shown_as_theirs_does() -> Result<()> {
    with_and_without_auth(|peer, flags| {
        let (_ring, agents) = three(peer, flags)?;
        let cases: &[(&[&str], &[&str])] = &[
            (&[], &["ours-1", "theirs-2", "ours-3"]),
            (&["-detailed"], &["ours-1", "theirs-2", "ours-3"]),
            (&["-format=json"], &["ours-1", "theirs-2", "ours-3"]),
            (&["-status=alive"], &["ours-1", "theirs-2", "ours-3"]),
            (&["-status=failed|left"], &[]),
            (&["-name=ours-."], &["ours-1", "ours-3"]),
            // Patterns have to match the whole name.
            (&["-name=ours"], &[]),
            (&["-tag", "n=t.*"], &["theirs-2", "ours-3"]),
            (&["-tag", "n=t.*", "-name=ours.*", "-status=alive"], &["ours-3"]),
        ];
        for (filters, expected) in cases {
            let words = [&["members"], *filters].concat();
            let [ours, theirs] = [agents[0].serf(&words)?, agents[1].serf(&words)?];
            // The order is nobody's promise, and nor is it that of JSON's lines.
            let sorted = |said: &str| {
                let mut lines: Vec<String> =
                    said.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
                lines.sort();
                lines
            };
            ensure!(sorted(&ours) == sorted(&theirs), "{words:?}:\n{ours}\n{theirs}");
            for agent in &agents {
                let listed = ours.contains(agent.name());
                let wanted = expected.contains(&agent.name());
                ensure!(listed == wanted, "{words:?} and {}:\n{ours}", agent.name());
            }
        }
        for agent in &agents {
            agent.serf_fails(&["members", "-name=("])?;
        }
        Ok(())
    })
}

#[test]
fn event_and_query_reach_whom_they_name() -> Result<()> {
    with_and_without_auth(|peer, flags| {
        let (ring, agents) = three(peer, flags)?;
        let mut listeners = Vec::new();
        for agent in &agents {
            listeners.push(agent.session()?.listen(Some(agent.name()))?);
        }
        agents[0].serf(&["event", "-coalesce=false", "deploy", "now"])?;
        for listener in &listeners {
            ring.until("the event", SOON, || {
                Ok((listener.payloads("deploy") == ["now"]).then_some(()))
            })?;
        }
        let cases: &[(&[&str], &[&str])] = &[
            (&[], &["ours-1", "theirs-2", "ours-3"]),
            (&["-node=theirs-2", "-node=ours-3"], &["theirs-2", "ours-3"]),
            (&["-tag", "n=t.*"], &["theirs-2", "ours-3"]),
            (&["-tag", "n=t.*", "-node=ours-3"], &["ours-3"]),
            (&["-node=nobody"], &[]),
        ];
        for (filters, expected) in cases {
            let expected: BTreeSet<String> = expected.iter().map(|name| (*name).into()).collect();
            for agent in &agents[..2] {
                let words = ["query", "-format=json", "-timeout=700ms"];
                let words = [&words[..], filters, &["load"]].concat();
                let answered: Answered = serde_json::from_str(&agent.serf(&words)?)?;
                let acks: BTreeSet<String> = answered.acks.into_iter().flatten().collect();
                let answers: BTreeSet<String> = answered.responses.into_keys().collect();
                let name = agent.name();
                ensure!(acks == expected && answers == expected, "{name} {filters:?}: {answers:?}");
            }
        }
        for agent in &agents[..2] {
            let text = agent.serf(&["query", "-timeout=700ms", "-node=theirs-2", "load", "all"])?;
            for line in ["Ack from 'theirs-2'", "Response from 'theirs-2': theirs-2"] {
                ensure!(text.contains(line), "{text}");
            }
            let text = agent.serf(&["query", "-timeout=700ms", "-no-ack", "load"])?;
            ensure!(!text.contains("Ack") && text.contains("Total Responses: 3"), "{text}");
            let long = "x".repeat(600);
            agent.serf_fails(&["event", "deploy", &long])?;
            agent.serf_fails(&["query", "load", &long.repeat(2)])?;
        }
        Ok(())
    })
}

#[test]
fn keys_and_tags_are_changed_by_command() -> Result<()> {
    with_and_without_auth(|peer, flags| {
        let (old, new) = (fresh_key()?, fresh_key()?);
        let encrypt = format!("-encrypt={old}");
        let (_ring, agents) = three(peer, &[flags, &[&encrypt]].concat())?;
        let ours = &agents[0];
        ours.serf_fails(&["keys", "-install", "no key"])?;
        ours.serf(&["keys", "-install", &new])?;
        ours.serf(&["keys", "-use", &new])?;
        ours.serf_fails(&["keys", "-remove", &new])?;
        ours.serf(&["keys", "-remove", &old])?;
        let mut listed = Vec::new();
        for agent in &agents {
            listed.push(agent.serf(&["keys", "-list"])?);
        }
        ensure!(listed[0].contains(&new) && listed[0].contains("[3/3]"), "{}", listed[0]);
        ensure!(listed.iter().all(|list| *list == listed[0]), "{listed:?}");

        ours.serf(&["tags", "-set", "disk=ssd", "-delete", "n"])?;
        let tags = &ours.members()?["ours-1"].tags;
        ensure!(tags.len() == 1 && tags["disk"] == "ssd", "{tags:?}");
        let most = format!("disk={}", "x".repeat(600));
        ours.serf_fails(&["tags", "-set", &most])?;
        let tags = &ours.members()?["ours-1"].tags;
        ensure!(tags["disk"] == "ssd", "{tags:?}");
        Ok(())
    })
}

#[test]
fn reachability_rtt_and_info_answer() -> Result<()> {
    with_and_without_auth(|peer, flags| {
        let (ring, agents) = three(peer, flags)?;
        let ours = &agents[0];
        let said = ours.serf(&["reachability", "-verbose"])?;
        for agent in &agents {
            ensure!(said.contains(&format!("Ack from '{}'", agent.name())), "{said}");
        }
        ensure!(said.contains("Successfully contacted all live nodes"), "{said}");
        for nodes in [&["theirs-2"][..], &["ours-1", "ours-3"]] {
            // Known once it was probed.
            ring.until("a round trip time", SOON, || {
                let said = ours.serf(&[&["rtt"], nodes].concat())?;
                Ok(said.trim_end().ends_with(" ms").then_some(()))
            })?;
        }
        ours.serf_fails(&["rtt", "nobody"])?;

        // Everything that theirs tells of the ring, ours tells too.
        let info = |agent: &Agent| -> Result<serde_json::Value> {
            Ok(serde_json::from_str(&agent.serf(&["info", "-format=json"])?)?)
        };
        let (said, expected) = (info(ours)?, info(&agents[1])?);
        for (name, value) in expected["serf"].as_object().into_iter().flatten() {
            let own = &said["serf"][name];
            ensure!(own.is_string(), "no {name} in {said}");
            ensure!(name != "members" || own == value, "{said}");
        }
        ensure!(said["agent"]["name"] == "ours-1" && said["tags"]["n"] == "one", "{said}");
        let text = ours.serf(&["info"])?;
        ensure!(text.contains("name = ours-1") && text.contains("n = one"), "{text}");
        Ok(())
    })
}

/// A `serf monitor` that runs until it is dropped.
struct Monitor(Child);

impl Drop for Monitor {
    fn drop(&mut self) {
        // It may have ended with its agent.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn monitor_shows_log_and_events() -> Result<()> {
    with_and_without_auth(|peer, flags| {
        let (ring, agents) = three(peer, flags)?;
        let ours = &agents[0];
        let shown = ring.file("monitor");
        let mut command = ours.serf_command(&["monitor", "-log-level=debug"])?;
        let _monitor = Monitor(command.stdout(File::create(&shown)?).spawn()?);
        let wait = |text: &str| {
            ring.until(&format!("{text} in the monitor"), SOON, || {
                Ok(std::fs::read_to_string(&shown)?.contains(text).then_some(()))
            })
        };
        // What was before it, and what comes.
        wait("member-join: theirs-2")?;
        agents[1].serf(&["event", "-coalesce=false", "deploy", "now"])?;
        wait("Name: \"deploy\"")?;
        wait("Payload: \"now\"")?;
        agents[2].signal(Signal::SIGKILL)?;
        wait("Event: \"member-failed\"")?;
        ours.serf_fails(&["monitor", "-log-level=all"]).map(drop)
    })
}

#[test]
fn join_leave_and_force_leave_do_as_they_say() -> Result<()> {
    with_and_without_auth(|peer, flags| {
        let ring = Ring::new(peer)?;
        let mut agents = Vec::new();
        for kind in [Kind::Ours, Kind::Theirs, Kind::Ours, Kind::Theirs] {
            agents.push(ring.start(kind, flags)?);
        }
        let others: Vec<String> =
            agents[1..].iter().map(|agent| agent.address().to_string()).collect();
        let said = agents[0].serf_fails(&["join", "127.0.0.99"])?;
        ensure!(said.contains("127.0.0.99"), "{said}");
        // Who is there is joined, whoever else is not.
        let words = ["join", "-replay", &others[0], "127.0.0.99", &others[1], &others[2]];
        let said = agents[0].serf(&words)?;
        ensure!(said.contains("contacting 3 nodes"), "{said}");
        ring.until_all_see_all(&agents, SOON)?;

        for victim in &agents[2..] {
            victim.signal(Signal::SIGKILL)?;
        }
        let [ours_3, theirs_4] = [agents[2].name().to_owned(), agents[3].name().to_owned()];
        for gone in [&ours_3, &theirs_4] {
            ring.until_seen(&agents[..2], gone, "failed", EVENTUALLY)?;
        }
        agents[0].serf(&["force-leave", &ours_3])?;
        ring.until_seen(&agents[..2], &ours_3, "left", SOON)?;
        // Forgotten by all, whether failed or left.
        for gone in [&ours_3, &theirs_4] {
            agents[0].serf(&["force-leave", "-prune", gone])?;
        }
        ring.until_all_see_all(&agents[..2], SOON)?;

        agents[0].serf(&["leave"])?;
        let status = agents[0].until_ended()?;
        ensure!(status.success(), "{status}");
        ring.until_seen(&agents[1..2], agents[0].name(), "left", SOON)
    })
}

#[test]
fn nothing_is_told_or_done_without_the_right_auth() -> Result<()> {
    Peer::each(|peer| {
        let (_ring, agents) = three(peer, &[AUTH])?;
        let commands: &[&[&str]] = &[
            &["members"],
            &["event", "deploy"],
            &["query", "load"],
            &["keys", "-list"],
            &["tags", "-set", "n=none"],
            &["reachability"],
            &["rtt", "ours-1"],
            &["info"],
            &["monitor"],
            &["force-leave", "ours-3"],
            &["join", "127.0.0.1"],
            &["leave"],
        ];
        for agent in &agents[..2] {
            for auth in ["-rpc-auth=", "-rpc-auth=sesam", "-rpc-auth=sesame!"] {
                for command in commands {
                    let words = [&command[..1], &[auth], &command[1..]].concat();
                    let said = agent.serf_fails(&words)?;
                    ensure!(!said.contains("ours-3"), "{words:?} told: {said}");
                }
            }
        }
        for agent in &agents[..2] {
            let members = agent.members()?;
            ensure!(members.values().all(|member| member.status == "alive"), "{members:?}");
            ensure!(members["ours-1"].tags["n"] == "one", "{members:?}");
        }
        Ok(())
    })
}
