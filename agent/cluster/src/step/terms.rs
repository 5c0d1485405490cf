//! On what terms a step acts: in which phase, for whom, resting on what, and how gently.

use super::{Daemon, Scope, Step};
use crate::{Part, Phase};

impl Daemon {
    /// The part of a node that is looked at to know whether it answers.
    #[must_use]
    pub const fn part(self) -> Part {
        match self {
            Self::Ring => Part::Ring,
            Self::Storage => Part::Storage,
            Self::Bricks => Part::Bricks,
            Self::Engine => Part::Engine,
        }
    }
}

impl Step {
    /// The phase that the step works towards.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self {
            Self::MakeIdentity
            | Self::TakeMachine
            | Self::StartAnew
            | Self::StayOut
            | Self::Dissolve { .. } => Phase::Identity,
            Self::Start { daemon: Daemon::Ring }
            | Self::Restart { daemon: Daemon::Ring }
            | Self::JoinRing { .. }
            | Self::TakeRingKey { .. }
            | Self::UseRingKey { .. }
            | Self::DropRingKeys { .. }
            | Self::ForgetMember { .. }
            | Self::SetTags { .. } => Phase::Ring,
            Self::SetClock { .. }
            | Self::Found
            | Self::Enrol { .. }
            | Self::RenewCertificate { .. }
            | Self::FetchCaKey { .. }
            | Self::DropCaKey { .. }
            | Self::StrikeOff { .. }
            | Self::Yield { .. }
            | Self::StandFast
            | Self::ForgetWord
            | Self::TrustCa { .. }
            | Self::FetchNextCaKey { .. }
            | Self::SignByCa { .. }
            | Self::TrustOnlyCa { .. }
            | Self::AdoptRingKey => Phase::Pki,
            Self::Start { daemon: Daemon::Storage | Daemon::Bricks }
            | Self::Restart { daemon: Daemon::Storage | Daemon::Bricks }
            | Self::ProbePeer { .. }
            | Self::CreateVolume { .. }
            | Self::AddBricks { .. }
            | Self::AddArbiter { .. }
            | Self::AddSet { .. }
            | Self::Rebalance { .. }
            | Self::NoteSpread { .. }
            | Self::ReplaceBrick { .. }
            | Self::RenewBrick
            | Self::RemakeData
            | Self::SettleDirectory { .. }
            | Self::DropBrick { .. }
            | Self::DetachPeer { .. }
            | Self::AdmitToVolume { .. }
            | Self::TuneVolume
            | Self::HandOver { .. }
            | Self::HandBack { .. }
            | Self::GoOnAlone { .. }
            | Self::StartVolume
            | Self::MountVolume
            | Self::Remount
            | Self::ConnectAnew
            | Self::TrimLogs => Phase::Storage,
            Self::Start { daemon: Daemon::Engine }
            | Self::Restart { daemon: Daemon::Engine }
            | Self::InitSwarm
            | Self::LeadAlone
            | Self::RecordSwarm
            | Self::JoinSwarm { .. }
            | Self::LeaveSwarm
            | Self::RestartEngine
            | Self::SetSwarmRole { .. }
            | Self::SetLeaving { .. }
            | Self::SetVoting { .. }
            | Self::DropSwarmEntry { .. }
            | Self::Record { .. }
            | Self::DeployStack { .. }
            | Self::RemoveStack { .. } => Phase::Swarm,
        }
    }

    /// Whom it concerns. Listed one by one, so that a new step has to be put
    /// on a side.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self {
            Self::ProbePeer { .. }
            | Self::CreateVolume { .. }
            | Self::AddBricks { .. }
            | Self::AddArbiter { .. }
            | Self::AddSet { .. }
            | Self::Rebalance { .. }
            | Self::NoteSpread { .. }
            | Self::ReplaceBrick { .. }
            | Self::DropBrick { .. }
            | Self::DetachPeer { .. }
            | Self::AdmitToVolume { .. }
            | Self::ForgetMember { .. }
            | Self::TuneVolume
            | Self::HandBack { .. }
            | Self::StartVolume
            | Self::InitSwarm
            | Self::Record { .. }
            | Self::SetSwarmRole { .. }
            | Self::SetLeaving { .. }
            | Self::SetVoting { .. }
            | Self::DropSwarmEntry { .. }
            | Self::DeployStack { .. }
            | Self::RemoveStack { .. } => Scope::Cluster,
            Self::MakeIdentity
            | Self::TakeMachine
            | Self::SetClock { .. }
            | Self::Start { .. }
            | Self::Restart { .. }
            | Self::JoinRing { .. }
            | Self::SetTags { .. }
            | Self::Found
            | Self::Enrol { .. }
            | Self::RenewCertificate { .. }
            | Self::FetchCaKey { .. }
            | Self::DropCaKey { .. }
            | Self::AdoptRingKey
            | Self::TakeRingKey { .. }
            | Self::UseRingKey { .. }
            | Self::DropRingKeys { .. }
            | Self::TrustCa { .. }
            | Self::FetchNextCaKey { .. }
            | Self::SignByCa { .. }
            | Self::TrustOnlyCa { .. }
            | Self::StrikeOff { .. }
            | Self::StartAnew
            | Self::StayOut
            | Self::Yield { .. }
            | Self::StandFast
            | Self::Dissolve { .. }
            | Self::HandOver { .. }
            | Self::GoOnAlone { .. }
            | Self::LeadAlone
            | Self::ForgetWord
            | Self::RenewBrick
            | Self::RemakeData
            | Self::SettleDirectory { .. }
            | Self::MountVolume
            | Self::Remount
            | Self::ConnectAnew
            | Self::TrimLogs
            | Self::RecordSwarm
            | Self::JoinSwarm { .. }
            | Self::LeaveSwarm
            | Self::RestartEngine => Scope::Node,
        }
    }

    /// The parts that are looked at again just before it acts: whoever changes
    /// the cluster must still lead it then.
    #[must_use]
    pub const fn rests_on(&self) -> &'static [Part] {
        if matches!(self, Self::HandOver { .. } | Self::LeadAlone | Self::ForgetWord) {
            return &[Part::Ring, Part::Storage, Part::Engine];
        }
        if matches!(self, Self::Yield { .. } | Self::Dissolve { .. }) {
            return &[Part::Ring, Part::Mount, Part::Engine];
        }
        if matches!(self, Self::Restart { daemon: Daemon::Bricks }) {
            return &[Part::Bricks];
        }
        // Whom it is about is in the ring; who is in the pool already stays there.
        if matches!(self, Self::ProbePeer { .. }) {
            return &[Part::Ring, Part::Engine];
        }
        if matches!(self, Self::ConnectAnew) {
            return &[Part::Clients];
        }
        match (self.phase(), self.scope()) {
            (Phase::Identity | Phase::Ready, _) => &[],
            (Phase::Ring, Scope::Cluster) => &[Part::Ring, Part::Engine],
            (Phase::Ring | Phase::Pki, _) => &[Part::Ring],
            (Phase::Storage, Scope::Node) => &[Part::Ring, Part::Storage, Part::Mount],
            (Phase::Storage, Scope::Cluster) => &[Part::Ring, Part::Storage, Part::Engine],
            (Phase::Swarm, _) => &[Part::Ring, Part::Mount, Part::Engine],
        }
    }

    /// Whether it takes something away from whoever works on this node: not to
    /// be repeated every few seconds.
    #[must_use]
    pub const fn disturbs(&self) -> bool {
        matches!(
            self,
            Self::Restart { .. }
                | Self::RestartEngine
                | Self::LeaveSwarm
                | Self::LeadAlone
                | Self::Remount
                | Self::ConnectAnew
                | Self::Rebalance { .. }
                | Self::TrimLogs
        )
    }
}
