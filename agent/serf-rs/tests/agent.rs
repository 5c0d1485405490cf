//! Real agents on loopback addresses: sockets, files, and the handle.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so and ends"
)]

use serf_rs::agent::{Agent, AgentConfig, AgentError, Occurred, QueryReply, read_keyring};
use serf_rs::{Change, Config, Event, Key, KeyOperation, Keyring, QueryRequest, Status};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::time::timeout;

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// An address of this process alone.
fn here(last: u8) -> SocketAddr {
    let [high, low, ..] = std::process::id().to_le_bytes();
    SocketAddr::new(IpAddr::from([127, high | 0x80, low, last]), 7946)
}

fn config(name: &str, address: SocketAddr) -> AgentConfig {
    let mut node = Config::new(name, address);
    node.keyring = Some(Keyring::new(key(1)).unwrap());
    AgentConfig::new(node)
}

fn key(byte: u8) -> Key {
    Key::new(&[byte; 32]).unwrap()
}

async fn until(agent: &Agent, what: &str, holds: impl Fn(&[serf_rs::Member]) -> bool) {
    let mut events = agent.events();
    let wait = async {
        while !holds(&agent.members().await.unwrap()) {
            // Events tell when to look again; a pause covers what tells none.
            let _ = timeout(Duration::from_millis(200), events.next()).await;
        }
    };
    assert!(timeout(SOON, wait).await.is_ok(), "{what}: {:?}", agent.members().await);
}

fn alive(members: &[serf_rs::Member]) -> usize {
    members.iter().filter(|member| member.status == Status::Alive).count()
}

#[tokio::test]
async fn two_agents_on_ipv6_are_a_ring() {
    let at = |port| SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
    let base = 20_000 + u16::from_le_bytes([std::process::id().to_le_bytes()[0], 0]) * 2;
    let one = Agent::start(config("one", at(base))).await.unwrap();
    let two = Agent::start(config("two", at(base + 1))).await.unwrap();
    assert_eq!(two.join(vec![at(base)], false).await.unwrap(), 1);
    until(&one, "one sees two", |members| alive(members) == 2).await;
}

#[tokio::test]
async fn a_restarted_agent_finds_its_ring_by_its_snapshot_alone() {
    let folder = tempfile::tempdir().unwrap();
    let one = Agent::start(config("one", here(1))).await.unwrap();
    let remembering = || {
        let mut config = config("two", here(2));
        config.snapshot = Some(folder.path().join("snapshot"));
        config
    };
    let two = Agent::start(remembering()).await.unwrap();
    two.join(vec![one.address()], false).await.unwrap();
    until(&one, "one sees two", |members| alive(members) == 2).await;
    two.shutdown().await;
    drop(two);
    let two = start_again(remembering).await;
    until(&two, "two is back", |members| alive(members) == 2).await;
}

/// The sockets of an agent that has just ended may need a moment.
async fn start_again(config: impl Fn() -> AgentConfig) -> Agent {
    let wait = async {
        loop {
            match Agent::start(config()).await {
                Ok(agent) => return agent,
                Err(AgentError::Listen { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(SOON, wait).await.unwrap()
}

#[tokio::test]
async fn who_leaves_forgets_the_ring_that_it_left() {
    let folder = tempfile::tempdir().unwrap();
    let one = Agent::start(config("one", here(3))).await.unwrap();
    let mut remembering = config("two", here(4));
    remembering.snapshot = Some(folder.path().join("snapshot"));
    let two = Agent::start(remembering).await.unwrap();
    two.join(vec![one.address()], false).await.unwrap();
    until(&one, "one sees two", |members| alive(members) == 2).await;
    two.leave().await.unwrap();
    until(&one, "one knows that two left", |members| {
        members.iter().any(|member| &*member.name == "two" && member.status == Status::Left)
    })
    .await;
    two.shutdown().await;
    let text = std::fs::read_to_string(folder.path().join("snapshot")).unwrap();
    assert!(text.contains("leave") && !text.contains("alive:"), "{text}");
}

#[tokio::test]
async fn a_changed_keyring_is_on_disk_before_anybody_hears_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring.json");
    let mut kept = config("one", here(5));
    kept.keyring_file = Some(path.clone());
    let one = Agent::start(kept).await.unwrap();
    let two = Agent::start(config("two", here(6))).await.unwrap();
    two.join(vec![one.address()], false).await.unwrap();
    until(&two, "two sees one", |members| alive(members) == 2).await;
    for operation in [KeyOperation::Install(key(2)), KeyOperation::Use(key(2))] {
        let result = timeout(SOON, two.keys(operation)).await.unwrap().unwrap();
        assert_eq!(result.problem(), None, "{result:?}");
    }
    let keys = read_keyring(&path).unwrap();
    assert!(keys.keys().eq([&key(2), &key(1)]));
}

#[tokio::test]
async fn events_and_queries_reach_the_other_and_answers_come_back() {
    let one = Agent::start(config("one", here(7))).await.unwrap();
    let two = Agent::start(config("two", here(8))).await.unwrap();
    two.join(vec![one.address()], false).await.unwrap();
    until(&one, "one sees two", |members| alive(members) == 2).await;
    let mut heard = two.events();
    one.user_event("deploy".into(), "now", false).await.unwrap();
    let request = QueryRequest { name: "load".into(), ..QueryRequest::default() };
    let mut asking = one.query(request).await.unwrap();
    let answer = async {
        // They travel apart: either may come first.
        let (mut told, mut asked) = (false, false);
        while !(told && asked) {
            match heard.next().await {
                Some(Occurred::Event(Event::User(user))) => told = &*user.payload == b"now",
                Some(Occurred::Event(Event::Query(query))) => {
                    two.respond(query.id, "0.7").await.unwrap();
                    asked = true;
                }
                Some(_) => {}
                None => panic!("the agent has ended"),
            }
        }
    };
    timeout(SOON, answer).await.unwrap();
    let reply = timeout(SOON, asking.next()).await.unwrap();
    assert_eq!(reply, Some(QueryReply::Answer { from: "two".into(), payload: "0.7".into() }));
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_how_much_it_missed() {
    let mut quick = config("one", here(9));
    quick.node.keyring = None;
    let one = Agent::start(quick).await.unwrap();
    let mut events = one.events();
    for count in 0..300 {
        one.user_event(format!("event-{count}"), "", false).await.unwrap();
    }
    assert!(matches!(events.next().await, Some(Occurred::Missed(missed)) if missed >= 44));
    assert!(matches!(events.next().await, Some(Occurred::Event(_))));
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_with_its_name() {
    let one = Agent::start(config("one", here(10))).await.unwrap();
    let error = Agent::start(config("two", here(10))).await.unwrap_err().to_string();
    assert!(error.contains(&one.address().to_string()), "{error}");
}

#[tokio::test]
async fn a_member_that_was_killed_is_known_as_failed() {
    let one = Agent::start(config("one", here(11))).await.unwrap();
    let two = Agent::start(config("two", here(12))).await.unwrap();
    two.join(vec![one.address()], false).await.unwrap();
    until(&one, "one sees two", |members| alive(members) == 2).await;
    let mut events = one.events();
    two.shutdown().await;
    let failed = async {
        loop {
            if let Some(Occurred::Event(Event::Members { change: Change::Failed, members })) =
                events.next().await
            {
                return members[0].name.clone();
            }
        }
    };
    assert_eq!(&*timeout(Duration::from_secs(40), failed).await.unwrap(), "two");
}

#[tokio::test]
async fn a_key_that_each_agent_is_given_by_itself_never_goes_through_the_ring() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keyring.json");
    let (mut one, two) = (config("one", here(61)), config("two", here(62)));
    one.keyring_file = Some(file.clone());
    let (one, two) = (Agent::start(one).await.unwrap(), Agent::start(two).await.unwrap());
    two.join(vec![here(61)], false).await.unwrap();
    until(&one, "one sees two", |members| alive(members) == 2).await;
    let ring = |keys: &[u8]| Keyring::from_keys(keys.iter().map(|byte| key(*byte))).unwrap();
    for keys in [&[1, 2][..], &[2, 1], &[2]] {
        for agent in [&one, &two] {
            agent.set_keyring(ring(keys)).await.unwrap();
        }
    }
    let kept: Vec<_> = read_keyring(&file).unwrap().keys().map(Key::to_base64).collect();
    assert_eq!(kept, [key(2).to_base64()]);
    // Said with the new key, and heard.
    one.set_tags([("now".to_owned(), "new".to_owned())].into()).await.unwrap();
    let heard = |members: &[serf_rs::Member]| members.iter().any(|m| m.tags.contains_key("now"));
    until(&two, "two hears it", heard).await;
    assert_eq!(alive(&one.members().await.unwrap()), 2);
}
