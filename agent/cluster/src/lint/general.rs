//! Rules for every step: who may do it, and on what grounds.

use super::{Case, Verdict, must};
use crate::{Daemon, Hand, Phase, RingKeys, Scope, Step, SwarmLocal, SwarmRole};

pub(super) fn by_authority_only(step: &Step, c: &Case<'_>) -> Verdict {
    must(step.scope() == Scope::Node || c.authority(), "this node does not lead the cluster")
}

pub(super) fn tags_tell_the_truth(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::SetTags { tags } = step else { return Ok(()) };
    let own = c.o.membership.as_ref();
    must(c.o.identity.as_ref().is_some_and(|me| me.id == tags.id), "the id is not this node's")?;
    must(tags.cluster.as_ref() == own.map(|m| &m.cluster), "the cluster is not this node's")?;
    must(!tags.ca_key || (own.is_some() && c.o.pki.ca_key), "the CA key is not here")?;
    must(
        tags.yields == own.and(c.o.yields.as_ref()).map(|y| y.into.clone()),
        "it yields otherwise",
    )?;
    let files = !c.w.storage || c.o.files == Some(false);
    must(tags.keeps.is_none_or(|k| k.data || files), "nobody looked into the volume")?;
    must(tags.keeps.is_none() || c.authority(), "it does not speak for its cluster")?;
    let closed = c.o.storage.is_some() && !c.certified();
    must(tags.witness == c.o.witness, "whether it carries data is not so")?;
    must(tags.full == c.o.full, "whether it has room is not so")?;
    must(tags.keys == c.o.pki.ring_keys.as_ref().map(RingKeys::shown), "the ring keys are others")?;
    must(tags.cas == own.and(c.o.pki.cas.clone()), "the CAs that it trusts are others")?;
    must(tags.left == own.and_then(|_| c.left()), "without whom it went on is not so")?;
    must(
        (tags.hand == Some(Hand::Over)) == (c.o.goes_down && own.is_some()),
        "how it goes on is not so",
    )?;
    must(!(tags.storage_open && closed), "the storage has no certificate")?;
    must(tags.swarm.is_none() || own.is_some_and(|m| m.swarm), "the Swarm is not yet on record")?;
    match (&c.o.swarm, tags.swarm) {
        (Some(swarm), Some(role)) => must(
            swarm.local == SwarmLocal::Active && swarm.manager == (role == SwarmRole::Manager),
            "the Swarm role is another",
        ),
        _ => Ok(()),
    }
}

pub(super) fn nothing_on_unobserved_parts(step: &Step, c: &Case<'_>) -> Verdict {
    let ring = || must(c.o.ring.is_some(), "the ring could not be observed");
    let storage = || must(c.o.storage.is_some(), "the storage could not be observed");
    let swarm = || must(c.o.swarm.is_some(), "the container engine could not be observed");
    match step {
        Step::MakeIdentity
        | Step::TakeMachine
        | Step::Start { .. }
        | Step::Restart { .. }
        | Step::TrimLogs
        | Step::StartAnew
        | Step::StayOut
        | Step::StrikeOff { .. }
        | Step::StandFast
        | Step::AdoptRingKey => Ok(()),
        Step::GoOnAlone { .. } => ring().and(storage()),
        Step::LeadAlone | Step::ForgetWord => ring().and(storage()),
        Step::RenewCertificate { via } if via.is_empty() => Ok(()),
        Step::Yield { .. } | Step::Dissolve { .. } => ring(),
        Step::SetClock { .. }
        | Step::JoinRing { .. }
        | Step::SetTags { .. }
        | Step::Found
        | Step::Enrol { .. }
        | Step::RenewCertificate { .. }
        | Step::FetchCaKey { .. }
        | Step::TakeRingKey { .. }
        | Step::UseRingKey { .. }
        | Step::DropRingKeys { .. }
        | Step::TrustCa { .. }
        | Step::FetchNextCaKey { .. }
        | Step::SignByCa { .. }
        | Step::TrustOnlyCa { .. }
        | Step::DropCaKey { .. } => ring(),
        Step::ProbePeer { .. } => ring().and(storage()),
        Step::Record { .. } => ring().and(swarm()),
        Step::ForgetMember { .. } => ring().and(swarm()),
        // A witness's brick is given up for a third copy where there is no Swarm as well.
        Step::DropBrick { .. } if !c.w.swarm => ring().and(storage()),
        Step::ReplaceBrick { .. } | Step::DropBrick { .. } | Step::DetachPeer { .. } => {
            ring().and(storage()).and(swarm())
        }
        Step::CreateVolume { .. }
        | Step::AddBricks { .. }
        | Step::AddArbiter { .. }
        | Step::AddSet { .. }
        | Step::Rebalance { .. }
        | Step::NoteSpread { .. }
        | Step::AdmitToVolume { .. }
        | Step::TuneVolume
        | Step::StartVolume
        | Step::MountVolume
        | Step::Remount
        | Step::ConnectAnew
        | Step::RenewBrick
        | Step::RemakeData
        | Step::SettleDirectory { .. } => storage(),
        Step::HandOver { .. } | Step::HandBack { .. } => ring().and(storage()),
        Step::JoinSwarm { .. } | Step::LeaveSwarm => ring().and(swarm()),
        Step::InitSwarm
        | Step::RecordSwarm
        | Step::RestartEngine
        | Step::SetSwarmRole { .. }
        | Step::SetLeaving { .. }
        | Step::SetVoting { .. }
        | Step::DropSwarmEntry { .. }
        | Step::DeployStack { .. }
        | Step::RemoveStack { .. } => swarm(),
    }
}

pub(super) fn certified_before_services(step: &Step, c: &Case<'_>) -> Verdict {
    let services = matches!(step.phase(), Phase::Storage | Phase::Swarm);
    must(!services || c.certified(), "this node has no valid certificate of its cluster")
}

pub(super) fn nothing_unwanted(step: &Step, c: &Case<'_>) -> Verdict {
    must(c.o.site, "there is no site")?;
    if c.o.place.moved {
        return must(
            matches!(step, Step::TakeMachine | Step::StartAnew | Step::StayOut),
            "this disk was set up in another machine",
        );
    }
    let ends = matches!(step, Step::StartAnew | Step::StayOut);
    let makes = matches!(step, Step::MakeIdentity);
    must(c.o.identity.is_some() || makes || ends, "there is no identity")?;
    let wanted = match step.phase() {
        Phase::Identity | Phase::Ready => true,
        Phase::Ring | Phase::Pki => c.w.ring,
        Phase::Storage => c.w.ring && c.w.storage,
        Phase::Swarm => c.w.ring && c.w.swarm,
    };
    must(wanted, format!("the recipe does not want {}", step.phase()))?;
    let running = match step {
        Step::Start { daemon: Daemon::Ring } => c.o.ring.is_some(),
        Step::Start { daemon: Daemon::Storage } => c.o.storage.is_some(),
        Step::Start { daemon: Daemon::Bricks } => {
            return Err("nobody starts bricks by themselves".into());
        }
        Step::Start { daemon: Daemon::Engine } => c.o.swarm.is_some(),
        Step::MakeIdentity => c.o.identity.is_some() && !c.o.place.cable_elsewhere,
        Step::TakeMachine => true,
        _ => false,
    };
    must(!running, "it is there already")
}

pub(super) fn restart_only_the_hung(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::Restart { daemon } = step else { return Ok(()) };
    let silent = c.o.looks.get(&daemon.part()).and_then(|look| look.silent.as_ref());
    let silent = silent.ok_or_else(|| format!("the {daemon} is not known to be silent"))?;
    must(silent.runs, format!("the {daemon} does not run"))?;
    let long = c.o.now_ms.saturating_sub(silent.since_ms);
    let least = if c.o.cpu_pressure >= 80 { 150_000 } else { 45_000 };
    must(long >= least, format!("the {daemon} has been silent for {} s only", long / 1000))
}

pub(super) fn trim_only_when_filling(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::TrimLogs) {
        return Ok(());
    }
    let fills = |d: &crate::Disk| d.name == "state" && d.used_percent >= 80;
    must(c.o.disks.iter().any(fills), "there is room for the logs")?;
    must(c.o.long_logs, "they are cut already: what fills the partition is something else")
}
