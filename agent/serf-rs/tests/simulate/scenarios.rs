//! What may happen to a ring, and what has to hold nevertheless.

use crate::world::{Network, World, seconds};
use rand::Rng;
use rand::seq::SliceRandom;
use serf_rs::{Event, Key, KeyOperation, Keyring, QueryRequest, Status};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a scenario found wrong.
pub(crate) type Found = Result<(), String>;

/// A scenario: its name, and what it does with a ring of so many.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut World) -> Found,
    /// Whether the ring is encrypted.
    pub(crate) sealed: bool,
}

const fn plain(name: &'static str, run: fn(&mut World) -> Found) -> Scenario {
    Scenario { name, run, sealed: false }
}

/// Every scenario.
pub(crate) const ALL: &[Scenario] = &[
    plain("joining-at-once", joining_at_once),
    plain("joining-in-a-chain", joining_in_a_chain),
    plain("a-death", a_death),
    plain("half-dies", half_dies),
    plain("a-pause", a_pause),
    plain("loss", loss),
    plain("doubled-and-reordered", doubled_and_reordered),
    plain("partition", partition),
    plain("one-way-partition", one_way_partition),
    plain("restarts", restarts),
    plain("leaving", leaving),
    plain("events", events),
    plain("queries", queries),
    plain("skewed-clocks", skewed_clocks),
    Scenario { name: "key-rotation", run: key_rotation, sealed: true },
];

/// The ring's first key.
pub(crate) fn keyring() -> Keyring {
    Keyring::new(Key::new(&[1; 32]).expect("32 bytes")).expect("one key")
}

fn check(world: &World) -> Found {
    match world.violations.first() {
        Some(violation) => Err(violation.clone()),
        None => Ok(()),
    }
}

fn soon(world: &mut World, most: f64, what: &str, is_so: impl Fn(&World) -> bool) -> Found {
    if world.run_until(seconds(most), is_so) {
        return check(world);
    }
    Err(format!("{what}: not within {most} s"))
}

/// Everybody joins the first one.
pub(crate) fn form(world: &mut World) -> Found {
    for machine in 0..world.machines.len() {
        world.start(machine);
    }
    for machine in 1..world.machines.len() {
        world.join(machine, 0);
    }
    soon(world, 60.0, "all see all", World::all_see_all)?;
    // The rumours of the beginning are told to their end.
    world.run(seconds(5.0));
    Ok(())
}

fn someone(world: &mut World) -> usize {
    world.rng.random_range(0..world.machines.len())
}

/// How long it may take at most until everyone knows that someone died: a few
/// probes, the longest suspicion, and the rumour's way.
fn detection(world: &World) -> f64 {
    let n = world.machines.len();
    let suspicion = serf_rs::Profile::LAN.suspicion(n).as_secs_f64();
    10.0 + 6.0 * suspicion + (n as f64).log2()
}

fn joining_at_once(world: &mut World) -> Found {
    for machine in 0..world.machines.len() {
        world.start(machine);
    }
    for machine in 1..world.machines.len() {
        world.join(machine, 0);
    }
    soon(world, 3.0, "all see all", World::all_see_all)
}

fn joining_in_a_chain(world: &mut World) -> Found {
    for machine in 0..world.machines.len() {
        world.start(machine);
        if machine > 0 {
            let pause = world.rng.random_range(0.0..0.3);
            world.run(seconds(pause));
            world.join(machine, machine - 1);
        }
    }
    soon(world, 5.0, "all see all", World::all_see_all)
}

fn a_death(world: &mut World) -> Found {
    form(world)?;
    let dead = someone(world);
    let since = world.now;
    world.kill(dead);
    let most = detection(world);
    soon(world, most, "everyone knows of the death", |world| {
        world.running().iter().all(|m| world.belief(*m, dead) == Some(Status::Failed))
    })?;
    no_false_failures(world, since)
}

fn no_false_failures(world: &World, since: serf_rs::Time) -> Found {
    match world.false_failures(since) {
        0 => Ok(()),
        n => Err(format!("someone who lives was taken for failed {n} times")),
    }
}

fn half_dies(world: &mut World) -> Found {
    form(world)?;
    let n = world.machines.len();
    let mut machines: Vec<usize> = (0..n).collect();
    machines.shuffle(&mut world.rng);
    let dead: Vec<usize> = machines[..n / 2].to_vec();
    for machine in &dead {
        world.kill(*machine);
    }
    // Whoever probes has to find the dead among many, one after the other.
    let most = 3.0 * detection(world) + n as f64;
    soon(world, most, "everyone knows of the deaths", |world| {
        let alive = world.running();
        alive.iter().all(|m| dead.iter().all(|d| world.belief(*m, *d) == Some(Status::Failed)))
    })?;
    soon(world, 60.0, "the living see each other", World::all_see_all)
}

fn a_pause(world: &mut World) -> Found {
    form(world)?;
    let sleeper = someone(world);
    world.pause(sleeper, seconds(4.0));
    world.run(seconds(4.1));
    soon(world, 40.0, "the sleeper is back", World::all_see_all)
}

fn loss(world: &mut World) -> Found {
    form(world)?;
    world.network = Network { loss: 0.2, ..Network::default() };
    let since = world.now;
    world.run(seconds(120.0));
    // With one other to ask, a row of losses can look like a death; it must
    // pass. With more to ask it must not even happen.
    if world.machines.len() >= 10 {
        no_false_failures(world, since)?;
    }
    soon(world, 30.0, "all see all", World::all_see_all)
}

fn doubled_and_reordered(world: &mut World) -> Found {
    world.network = Network { loss: 0.05, delay: (0.1, 150.0), doubled: 0.3 };
    form(world)?;
    let since = world.now;
    world.run(seconds(60.0));
    no_false_failures(world, since)?;
    let dead = someone(world);
    world.kill(dead);
    let most = detection(world) + 10.0;
    soon(world, most, "everyone knows of the death", |world| {
        world.running().iter().all(|m| world.belief(*m, dead) == Some(Status::Failed))
    })
}

fn partition(world: &mut World) -> Found {
    form(world)?;
    let n = world.machines.len();
    let border = world.rng.random_range(1..n);
    cut(world, |a, b| (a < border) != (b < border));
    let most = 3.0 * detection(world) + n as f64;
    soon(world, most, "each side knows that the other is gone", |world| {
        (0..n).all(|a| {
            (0..n).all(|b| {
                let expected =
                    if (a < border) == (b < border) { Status::Alive } else { Status::Failed };
                world.belief(a, b) == Some(expected)
            })
        })
    })?;
    let apart = world.rng.random_range(0.0..120.0);
    world.run(seconds(apart));
    world.cut.clear();
    soon(world, 300.0, "the halves are one ring again", World::all_see_all)
}

fn cut(world: &mut World, is_cut: impl Fn(usize, usize) -> bool) {
    let n = world.machines.len();
    for a in 0..n {
        for b in 0..n {
            if a != b && is_cut(a, b) {
                world.cut.insert((a, b));
            }
        }
    }
}

/// One node can speak to nobody, and hears everybody; later it can again.
fn one_way_partition(world: &mut World) -> Found {
    form(world)?;
    let mute = someone(world);
    cut(world, |a, _| a == mute);
    world.run(seconds(60.0));
    world.cut.clear();
    soon(world, 300.0, "the mute one is back", World::all_see_all)
}

fn restarts(world: &mut World) -> Found {
    form(world)?;
    for _ in 0..3 {
        let machine = someone(world);
        world.kill(machine);
        let pause = world.rng.random_range(0.0..30.0);
        world.run(seconds(pause));
        world.start(machine);
        let others: Vec<usize> = world.running().into_iter().filter(|m| *m != machine).collect();
        world.join(machine, others[0]);
        soon(world, 90.0, "the restarted one is back", World::all_see_all)?;
    }
    Ok(())
}

fn leaving(world: &mut World) -> Found {
    form(world)?;
    let leaver = someone(world);
    world.with(leaver, serf_rs::Node::leave);
    if !world.run_until(seconds(15.0), |world| world.machines[leaver].left) {
        return Err("the goodbye did not end".into());
    }
    world.kill(leaver);
    soon(world, 10.0, "everyone knows that it left", |world| {
        world.running().iter().all(|m| world.belief(*m, leaver) == Some(Status::Left))
    })?;
    world.run(seconds(60.0));
    for machine in world.running() {
        if world.belief(machine, leaver) != Some(Status::Left) {
            return Err("who left is taken for failed later".into());
        }
    }
    check(world)
}

/// Everyone hears every event once, later ones under later times.
fn events(world: &mut World) -> Found {
    form(world)?;
    world.network = Network { loss: 0.1, delay: (0.1, 50.0), doubled: 0.1 };
    let mut sent: BTreeMap<String, u64> = BTreeMap::new();
    let mut last = 0;
    for count in 0..20_u32 {
        let teller = someone(world);
        let name = format!("event-{count}");
        world
            .with(teller, |node, now| node.user_event(now, &name, name.clone(), false))
            .transpose()
            .map_err(|error| error.to_string())?;
        let heard = ltimes(world, teller);
        let Some(&ltime) = heard.get(&name) else {
            return Err("the teller did not hear itself".into());
        };
        // Caused by everything that the teller had heard.
        if heard.iter().any(|(other, at)| *other != name && *at >= ltime) {
            return Err(format!("{name} is not later than what its teller knew"));
        }
        last = last.max(ltime);
        sent.insert(name, ltime);
        let pause = world.rng.random_range(0.0..0.5);
        world.run(seconds(pause));
    }
    soon(world, 200.0, "everyone hears every event", |world| {
        world.running().iter().all(|m| ltimes(world, *m) == sent)
    })?;
    world.run(seconds(60.0));
    for machine in world.running() {
        let heard = world.machines[machine].noted.iter();
        let events = heard.filter(|noted| matches!(noted.event, Event::User(_))).count();
        if events != sent.len() {
            return Err(format!(
                "{} heard {events} events, {} were told",
                world.name(machine),
                sent.len()
            ));
        }
    }
    check(world)
}

fn ltimes(world: &World, machine: usize) -> BTreeMap<String, u64> {
    let noted = world.machines[machine].noted.iter();
    noted
        .filter_map(|noted| match &noted.event {
            Event::User(event) => Some((event.name.clone(), event.ltime)),
            _ => None,
        })
        .collect()
}

/// Everyone is asked and answers.
fn queries(world: &mut World) -> Found {
    form(world)?;
    let asker = someone(world);
    let request =
        QueryRequest { name: "load".into(), timeout: Some(seconds(10.0)), ..Default::default() };
    world
        .with(asker, |node, now| node.query(now, request))
        .transpose()
        .map_err(|e| e.to_string())?;
    for _ in 0..200 {
        world.run(Duration::from_millis(25));
        for machine in world.running() {
            let asked: Vec<_> = world.machines[machine]
                .noted
                .iter()
                .filter_map(|noted| match &noted.event {
                    Event::Query(query) => Some(query.id),
                    _ => None,
                })
                .collect();
            if asked.len() > 1 {
                return Err("asked twice".into());
            }
            let name = world.name(machine).to_owned();
            for id in asked {
                // The second answer is refused, and that is right.
                let _ = world.with(machine, |node, now| node.respond(now, id, name.clone()));
            }
        }
    }
    let answers = &world.machines[asker].answers;
    if answers.len() != world.machines.len() {
        return Err(format!("{} of {} answered", answers.len(), world.machines.len()));
    }
    if answers.iter().any(|(from, answer)| from.as_bytes() != answer) {
        return Err("an answer from somebody else".into());
    }
    check(world)
}

fn skewed_clocks(world: &mut World) -> Found {
    for machine in 0..world.machines.len() {
        world.skew(machine, 0.1);
    }
    form(world)?;
    let since = world.now;
    world.run(seconds(120.0));
    no_false_failures(world, since)?;
    a_death_of(world)
}

fn a_death_of(world: &mut World) -> Found {
    let dead = someone(world);
    world.kill(dead);
    let most = detection(world) + 10.0;
    soon(world, most, "everyone knows of the death", |world| {
        world.running().iter().all(|m| world.belief(*m, dead) == Some(Status::Failed))
    })
}

/// A new key is installed, used, and the old one removed, while nodes restart.
fn key_rotation(world: &mut World) -> Found {
    form(world)?;
    let new = Key::new(&[2; 32]).map_err(|error| error.to_string())?;
    let old = Key::new(&[1; 32]).map_err(|error| error.to_string())?;
    let steps = [
        KeyOperation::Install(new.clone()),
        KeyOperation::Use(new.clone()),
        KeyOperation::Remove(old),
    ];
    for step in steps {
        let asker = someone(world);
        let sleeper = someone(world);
        if sleeper != asker {
            world.pause(sleeper, seconds(1.0));
        }
        let done = world.machines[asker].keys_done.len();
        world
            .with(asker, |node, now| node.keys(now, &step))
            .transpose()
            .map_err(|e| e.to_string())?;
        soon(world, 30.0, "the keys are changed", |world| {
            world.machines[asker].keys_done.len() > done
        })?;
        if let Some(problem) =
            world.machines[asker].keys_done.last().and_then(|result| result.problem())
        {
            return Err(format!("{step:?}: {problem}"));
        }
        world.run(seconds(2.0));
    }
    for machine in world.running() {
        let keys = world.machines[machine].node.as_ref().and_then(serf_rs::Node::keyring);
        let only = keys.is_some_and(|keys| keys.keys().eq([&new]));
        if !only {
            return Err(format!("{} has other keys", world.name(machine)));
        }
    }
    let since = world.now;
    world.run(seconds(30.0));
    no_false_failures(world, since)?;
    soon(world, 1.0, "all see all", World::all_see_all)
}
