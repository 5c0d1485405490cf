//! `ashlar-agent run`: puts the parts together and lets them work.

use crate::agent_loop::{AgentLoop, Listener, Tell};
use crate::backoff::Backoff;
use crate::clock::since_boot;
use crate::health::{self, Pulse};
use crate::host::{Host, Machine};
use crate::ledger::Ledger;
use crate::network_change::{self, Changer, Desk};
use crate::node::{Effects, Node};
use crate::paths::Paths;
use crate::people::Admission;
use crate::phases::Phases;
use crate::presence::Presence;
use crate::release::{self, Release};
use crate::ring::Serf;
use crate::seed;
use crate::serve::{self, LocalApi, PeopleApi};
use crate::site_files;
use crate::state;
use crate::status::Facts;
use crate::storage::Driver;
use crate::swarm::{self, Engine};
use crate::work::Work;
use anyhow::Result;
use ashlar_api::{BootTimes, PEOPLE_PORT, Status};
use ashlar_cluster::{Observed, Place, Standing, Wanted, phases};
use ashlar_site::{AgentSettings, Site};
use axum::Router;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::LocalSet;

/// Where the cluster volume is mounted.
const VOLUME: &str = "/srv/cluster";

/// Runs the node until it is told to stop.
pub(crate) async fn run(paths: Paths) -> Result<()> {
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Of this thread only: the loop's tasks share the node without locks.
    let local = LocalSet::new();
    let outcome = tokio::select! {
        outcome = local.run_until(live(&paths)) => outcome,
        _ = stop.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    health::stopping();
    outcome
}

async fn live(paths: &Paths) -> Result<()> {
    let agent = since_boot().as_secs_f64();
    let release = Release::load(paths)?;
    let settings = release::settings(paths)?;
    state::make_private_dir(&paths.state())?;
    state::make_public_dir(&paths.run())?;

    let host = Machine::connect(VOLUME.into(), settings.storage.driver).await?;
    let userspace = host.userspace_started().await.unwrap_or_default();
    let mut facts = Facts { release, site: None, boot: BootTimes { userspace, agent } };
    let (status, receiver) = watch::channel(facts.blank());
    let (decider, decides) = watch::channel(None);
    let presence = Presence::new(paths);
    let (asks, changes_asked) = mpsc::channel(1);
    let (changes_tell, told) = watch::channel(network_change::Told::default());
    let (people, lets_in) = watch::channel(None);
    let api = LocalApi {
        status: receiver,
        decider: decides,
        paths: paths.clone(),
        presence: presence.clone(),
        changes: Desk { asks, told },
        people: lets_in,
    };
    let routes = serve::routes(api);
    tokio::spawn(serve::serve_local(serve::bind(&paths.socket())?, routes.clone(), presence));

    let pulse = Arc::new(Pulse::new(Duration::from_secs(60)));
    tokio::spawn(health::feed_watchdog(pulse.clone()));
    let Release { profile, version, .. } = &facts.release;
    tracing::info!(profile, version, "hello from the agent of {profile} {version}");
    health::ready();

    let mut phases = Phases::load(paths)?;
    let site = site(paths, &settings, &facts, &mut phases, &status, &pulse).await?;
    facts.site = Some(site.name.clone());
    let admission = let_people_in(paths, &site, routes);
    people.send_replace(admission.clone());
    let wanted = release::wanted(paths, &settings, &site)?;
    // Each daemon that hears of its files may take a while.
    pulse.promise(Duration::from_secs(600));
    network_change::undo_unkept(paths)?;
    site_files::apply(paths, &host, &site).await?;

    let wake = Arc::new(Notify::new());
    let (serf, engine) = (Serf::new(paths, wake.clone()), Engine::new(paths, site.network.pools()));
    if wanted.swarm {
        tokio::spawn(swarm::watch(engine.clone(), wake.clone()));
    }
    let storage = Driver::new(paths, &settings.storage);
    let effects = Effects { host, ring: serf, storage, swarm: engine.clone() };
    let (members, members_seen) = watch::channel(Vec::new());
    let (server, server_seen) = watch::channel(None);
    let node = Rc::new(Node::new(paths, site, wanted, effects));
    let changer = Changer::new(node.clone(), members_seen.clone(), changes_tell, wake.clone());
    tokio::task::spawn_local(changer.run(changes_asked));
    let mut agent_loop = AgentLoop {
        node,
        work: Work::new(wake.clone()),
        facts,
        phases,
        tell: Tell { status, members, server, seen: watch::Sender::default(), decider },
        pulse,
        wake,
        backoff: Backoff::default(),
        listener: Some(Listener {
            engine,
            members: members_seen,
            server: server_seen,
            people: admission,
        }),
        blind: None,
        ledger: Ledger::open(paths.history()),
        standing: Standing::default(),
        broken: Vec::new(),
        planned: String::new(),
        holding: watch::Sender::default(),
        left: watch::Sender::default(),
        watch: None,
    };
    agent_loop.run().await;
    Ok(())
}

/// Listens for people from elsewhere, if the site lets in any. What is wrong with that
/// keeps them out, and the node goes on.
fn let_people_in(paths: &Paths, site: &Site, router: Router) -> Option<Arc<Admission>> {
    let admission = Admission::open(paths, site).unwrap_or_else(|error| {
        tracing::error!("nobody is let in from elsewhere: {error:#}");
        None
    })?;
    let admission = Arc::new(admission);
    let api = PeopleApi { router, admission: admission.clone(), paths: paths.clone() };
    tokio::spawn(serve::serve_people(api, (Ipv4Addr::UNSPECIFIED, PEOPLE_PORT).into()));
    Some(admission)
}

/// The site; waits until one is imported, and says meanwhile what is missing.
async fn site(
    paths: &Paths,
    settings: &AgentSettings,
    facts: &Facts,
    phases_told: &mut Phases,
    status: &watch::Sender<Status>,
    pulse: &Pulse,
) -> Result<Site> {
    let path = paths.site();
    let wanted = Wanted {
        ring: settings.ring.enabled,
        storage: settings.storage.enabled,
        swarm: settings.swarm.enabled,
        ..Wanted::default()
    };
    let place = Place {
        in_memory: paths.in_memory().exists(),
        // By the generator `ashlar-role`.
        tried: std::env::var_os("ASHLAR_TRIED").is_some(),
        ..Place::default()
    };
    let observed = Observed { place, ..Observed::default() };
    let mut told = None;
    loop {
        pulse.promise(Duration::from_secs(60));
        let trouble = if path.exists() {
            match Site::load(&path) {
                Ok(site) => match release::refuses(settings, &site) {
                    None => return Ok(site),
                    refused => refused,
                },
                Err(error) => Some(error.to_string()),
            }
        } else {
            seed::refused(paths)
        };
        if told.as_ref() != Some(&trouble) {
            match &trouble {
                Some(error) => tracing::error!("no site that can be used: {error}"),
                None => tracing::warn!("no site: this node waits for one to be imported"),
            }
            told = Some(trouble.clone());
        }
        let now = phases(&observed, &wanted);
        if let Err(error) = phases_told.tell(&now) {
            tracing::warn!("cannot write down a phase: {error:#}");
        }
        let view = phases_told.view(&now);
        let waiting = facts.status(&observed, &wanted, view);
        status.send_replace(Status { trouble, ..waiting });
        health::status("no site");
        // The file is written by `import-seed`, at most once in a node's life.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
