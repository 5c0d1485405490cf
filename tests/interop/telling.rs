//! Events and queries.

use anyhow::{Result, ensure};
use ashlar_tests::ring::{Kind, Peer, Ring, SOON, fresh_key};
use serde::Deserialize;
use std::collections::BTreeMap;

#[test]
fn an_event_of_either_kind_is_heard_by_all_once() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::new(peer)?;
        let encrypt = format!("-encrypt={}", fresh_key()?);
        let kinds = [Kind::Ours, Kind::Theirs, Kind::Ours, Kind::Theirs];
        let agents = ring.start_all(&kinds, &[&encrypt])?;
        let mut listeners = Vec::new();
        for agent in &agents {
            listeners.push(agent.session()?.listen(None)?);
        }
        for (number, agent) in agents.iter().enumerate() {
            let payload = format!("from {}", agent.name());
            agent.serf(&["event", "-coalesce=false", "deploy", &payload])?;
            // One after the other, so that their order is known.
            for listener in &listeners {
                ring.until("the event", SOON, || {
                    Ok((listener.payloads("deploy").len() > number).then_some(()))
                })?;
            }
        }
        let expected: Vec<String> =
            agents.iter().map(|agent| format!("from {}", agent.name())).collect();
        for (listener, agent) in listeners.iter().zip(&agents) {
            let heard = listener.payloads("deploy");
            ensure!(heard == expected, "{} heard {heard:?}", agent.name());
        }
        Ok(())
    })
}

#[test]
fn of_events_that_coalesce_the_last_is_heard() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::new(peer)?;
        let agents = ring.start_all(&[Kind::Ours, Kind::Theirs], &[])?;
        let listeners = [agents[0].session()?.listen(None)?, agents[1].session()?.listen(None)?];
        for agent in &agents {
            let mut round = 0;
            // What an exchange brings first has lost its flag: the state that is
            // exchanged has no place for it.
            ring.until("events that are told before they are exchanged", SOON, || {
                round += 1;
                let last = format!("last of {}, {round}", agent.name());
                for payload in ["first", "second", &last] {
                    agent.serf(&["event", "-coalesce=true", "progress", payload])?;
                }
                let mut flagged = true;
                for listener in &listeners {
                    flagged &= ring.until("the last event", SOON, || {
                        let heard = listener.heard();
                        let heard = heard.iter().find(|event| event.payload == last);
                        Ok(heard.map(|event| event.coalesce))
                    })?;
                }
                Ok(flagged.then_some(()))
            })?;
        }
        Ok(())
    })
}

/// What `serf query -format=json` prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answered {
    // Go's word for an empty list is null.
    pub(super) acks: Option<Vec<String>>,
    pub(super) responses: BTreeMap<String, String>,
}

#[test]
fn a_query_of_either_kind_is_answered_by_both() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::new(peer)?;
        let encrypt = format!("-encrypt={}", fresh_key()?);
        let kinds = [Kind::Ours, Kind::Theirs, Kind::Ours, Kind::Theirs];
        let agents = ring.start_all(&kinds, &[&encrypt])?;
        let mut responders = Vec::new();
        for agent in &agents {
            responders.push(agent.session()?.listen(Some(agent.name()))?);
        }
        let names: Vec<&str> = agents.iter().map(|agent| agent.name()).collect();
        for asker in &agents[..2] {
            for more in [&[][..], &["-relay-factor=2"]] {
                let words = ["query", "-format=json", "-timeout=2s"];
                let words = [&words[..], more, &["load", "five minutes"]].concat();
                let answered: Answered = serde_json::from_str(&asker.serf(&words)?)?;
                let mut acks = answered.acks.unwrap_or_default();
                acks.sort();
                let mut everybody = names.clone();
                everybody.sort_unstable();
                ensure!(acks == everybody, "{}: {acks:?}", asker.name());
                let answers = &answered.responses;
                ensure!(answers.len() == names.len(), "{}: {answers:?}", asker.name());
                ensure!(answers.iter().all(|(from, answer)| from == answer), "{answers:?}");
            }
        }
        for responder in &responders {
            let asked = responder.payloads("load");
            ensure!(asked == ["five minutes"; 4], "{asked:?}");
        }
        Ok(())
    })
}
