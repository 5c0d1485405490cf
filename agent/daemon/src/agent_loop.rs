//! The loop: observe → plan → lint → act.

use crate::clock::since_boot;
use crate::health::{self, Pulse};
use crate::host::{Host, Machine};
use crate::paths::Paths;
use crate::phases::Phases;
use crate::release::{self, Release};
use crate::status::Facts;
use crate::{identity, serve, state};
use anyhow::Result;
use ashlar_api::BootTimes;
use ashlar_cluster::{Observed, Phase, PhaseState};
use ashlar_recipe::Site;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Runs the node until it is told to stop.
pub(crate) async fn run(paths: Paths) -> Result<()> {
    let started = since_boot().as_secs_f64();
    let release = Release::load(&paths)?;
    let settings = release::settings(&paths)?;
    state::make_private_dir(&paths.state())?;
    let machine = Machine::connect("/srv/cluster".into()).await?;
    let mut facts = Facts {
        site: None,
        boot: BootTimes {
            userspace: machine.userspace_started().await.unwrap_or_default(),
            agent: started,
        },
        release,
    };
    let (status, receiver) = watch::channel(facts.blank());
    tokio::spawn(serve::serve_local(serve::bind(&paths.socket())?, receiver));
    let pulse = Arc::new(Pulse::new(Duration::from_secs(30)));
    tokio::spawn(health::feed_watchdog(pulse.clone()));
    tracing::info!(
        version = facts.release.version,
        profile = facts.release.profile,
        "hello from the agent of {} {}",
        facts.release.profile,
        facts.release.version
    );
    health::ready();

    let mut phases = Phases::load(&paths)?;
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    loop {
        pulse.promise(Duration::from_secs(60));
        let mut observed = Observed::default();
        if let Ok(text) = std::fs::read_to_string(paths.site()) {
            let site: Site = toml::from_str(&text)?;
            facts.site = Some(site.name.clone());
            let identity = identity::assume(&paths, &machine, &site).await?;
            if identity::holds(&machine, &identity).await? {
                observed.identity = Some(identity);
            }
            let wanted = release::wanted(&paths, &settings, &site)?;
            let now = [PhaseState {
                phase: Phase::Identity,
                holds: observed.identity.is_some(),
                detail: String::new(),
            }];
            phases.tell(&machine, &now).await?;
            let view = phases.view(&now);
            status.send_replace(facts.status(&observed, &wanted, view));
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            _ = stop.recv() => break,
        }
    }
    health::stopping();
    Ok(())
}
