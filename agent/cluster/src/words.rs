//! Plans in plain words, for the journal, the status and the golden files.

use crate::clock::apart;
use crate::{Daemon, Plan, Planned, Step, Wait};
use std::fmt::{Display, Formatter, Result};

impl Display for Daemon {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.pad(match self {
            Self::Ring => "ring",
            Self::Storage => "storage daemon",
            Self::Bricks => "brick or self-heal daemon",
            Self::Engine => "container engine",
        })
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::MakeIdentity => f.write_str("make this node's identity"),
            Self::TakeMachine => f.write_str("go on as this node in another machine"),
            Self::SetClock { ahead_s } => {
                write!(f, "set the clock, which is {} the others'", apart(ahead_s.saturating_neg()))
            }
            Self::Start { daemon } => write!(f, "start the {daemon}"),
            Self::Restart { daemon } => write!(f, "kill the {daemon} and start it anew"),
            Self::JoinRing { addresses } => write!(f, "join the ring at {}", list(addresses)),
            Self::SetTags { tags } => {
                let tags: Vec<_> =
                    tags.to_map().iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, "set the ring tags {}", tags.join(" "))
            }
            Self::Found => f.write_str("found a cluster"),
            Self::Enrol { cluster, via } => {
                write!(f, "enrol with cluster {cluster} by way of {}", list(via))
            }
            Self::RenewCertificate { via } if via.is_empty() => {
                f.write_str("renew this node's certificate with the CA key held here")
            }
            Self::RenewCertificate { via } => {
                write!(f, "renew this node's certificate by way of {}", list(via))
            }
            Self::FetchCaKey { via } => write!(f, "fetch the CA key from {}", list(via)),
            Self::DropCaKey { via } => write!(f, "leave the CA key to {}", all(via)),
            Self::AdoptRingKey => f.write_str("take the ring's new key for the site's"),
            Self::TakeRingKey { via, .. } if via.is_empty() => {
                f.write_str("read with the ring's new key, made here")
            }
            Self::TakeRingKey { via, .. } => {
                write!(f, "fetch the ring's new key from {}", list(via))
            }
            Self::UseRingKey { .. } => f.write_str("use the ring's new key"),
            Self::DropRingKeys { .. } => f.write_str("forget the ring's old key"),
            Self::TrustCa { .. } => f.write_str("trust the cluster's new CA besides"),
            Self::FetchNextCaKey { via, .. } => {
                write!(f, "fetch the key of the cluster's new CA from {}", list(via))
            }
            Self::SignByCa { .. } => f.write_str("sign by the cluster's new CA"),
            Self::TrustOnlyCa { .. } => f.write_str("trust the cluster's new CA alone"),
            Self::ProbePeer { address } => write!(f, "bring {address} into the storage pool"),
            Self::CreateVolume { bricks } => {
                write!(f, "create the volume with bricks on {}", all(bricks))
            }
            Self::AddBricks { replicas, bricks } => {
                write!(f, "add bricks on {} for {replicas} copies", all(bricks))
            }
            Self::AddArbiter { brick } => write!(f, "let {brick} witness the two copies"),
            Self::AddSet { bricks } => {
                write!(f, "add a set of copies on {}", all(bricks))
            }
            Self::Rebalance { sets } => write!(f, "spread the files over {sets} sets"),
            Self::NoteSpread { sets } => {
                write!(f, "note that the files are spread over {sets} sets")
            }
            Self::TuneVolume => f.write_str("set the volume's options"),
            Self::HandOver { to, .. } => write!(f, "stop to work here, and hand over to {to}"),
            Self::GoOnAlone { without } => {
                write!(f, "go on with the copy here, without {without}")
            }
            Self::LeadAlone => f.write_str("lead the Swarm here, from the seat that is kept"),
            Self::ForgetWord => f.write_str("strike out that the other box is gone for good"),
            Self::HandBack { .. } => f.write_str("give the first of two copies its turn back"),
            Self::StartVolume => f.write_str("start the volume with all its parts"),
            Self::MountVolume => f.write_str("mount the volume"),
            Self::Remount => f.write_str("tear the silent mount away and mount the volume anew"),
            Self::ConnectAnew => f.write_str("connect to the copies of the volume anew"),
            Self::InitSwarm => f.write_str("start the Swarm"),
            Self::RecordSwarm => f.write_str("write down that there is a Swarm"),
            Self::JoinSwarm { role, via } => {
                write!(f, "join the Swarm as {role} by way of {}", list(via))
            }
            Self::TrimLogs => f.write_str("cut the logs of the storage daemons"),
            Self::LeaveSwarm => f.write_str("leave the Swarm to join it anew"),
            Self::RestartEngine => f.write_str("restart the container engine"),
            Self::SetSwarmRole { name, role } => write!(f, "make {name} a {role} of the Swarm"),
            Self::SetLeaving { name, leaving: true } => {
                write!(f, "take the tasks of {name} away")
            }
            Self::SetLeaving { name, leaving: false } => {
                write!(f, "give {name} tasks again")
            }
            Self::SetVoting { name, voting: true } => {
                write!(f, "give {name} no tasks, only a vote")
            }
            Self::SetVoting { name, voting: false } => write!(f, "give {name} tasks again"),
            Self::DropSwarmEntry { id, name, revoked: true } => {
                write!(f, "strike {name} and its entry {id} off the Swarm, though it is up")
            }
            Self::DropSwarmEntry { id, name, revoked: false } => {
                write!(f, "strike the dead entry {id} of {name} from the Swarm")
            }
            Self::Record { .. } => f.write_str("write the cluster's record"),
            Self::ReplaceBrick { from, to } => {
                write!(f, "give the copy of {from} to {to}")
            }
            Self::SettleDirectory { path } => {
                write!(f, "let this node's copy of the directory {path} count")
            }
            Self::RenewBrick => f.write_str("let the other copies fill this node's brick anew"),
            Self::RemakeData => f.write_str(
                "make this node's data partition anew, and lose what containers kept on it alone",
            ),
            Self::DropBrick { brick, replicas } => {
                write!(f, "give up the brick of {brick} and go on with {replicas}")
            }
            Self::AdmitToVolume { names: None } => {
                f.write_str("let every box of the cluster use the volume")
            }
            Self::AdmitToVolume { names: Some(names) } => {
                write!(f, "let only {} use the volume", all(&names.iter().collect::<Vec<_>>()))
            }
            Self::DetachPeer { address } => write!(f, "strike {address} off the storage pool"),
            Self::ForgetMember { name } => write!(f, "let the ring forget {name}"),
            Self::StrikeOff { nodes } => {
                let nodes: Vec<_> = nodes.iter().collect();
                write!(f, "serve {} no more", all(&nodes))
            }
            Self::StartAnew => {
                f.write_str("set this node's copy aside, and begin anew under a new id")
            }
            Self::Yield { into } => {
                write!(f, "write down that this cluster dissolves into cluster {into}")
            }
            Self::StandFast => f.write_str("strike out that this cluster dissolves"),
            Self::Dissolve { into } => {
                write!(f, "set this node's copy aside, and begin anew as a box of cluster {into}")
            }
            Self::StayOut => f.write_str("set this node's copy aside, and stay out of the cluster"),
            Self::RemoveStack { name } => write!(f, "remove stack {name}"),
            Self::DeployStack { name } => write!(f, "deploy stack {name}"),
        }
    }
}

impl Display for Planned {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}, because {}", self.step, self.because)
    }
}

impl Display for Wait {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} waits: {}", self.wanted, self.what_for)
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.steps.is_empty() {
            f.write_str("nothing to do")?;
        }
        for (i, planned) in self.steps.iter().enumerate() {
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}{}. {planned}", i + 1)?;
        }
        for wait in &self.waits {
            write!(f, "\n- {wait}")?;
        }
        Ok(())
    }
}

/// Alternatives, tried in order.
fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" or ")
}

/// All of them.
fn all<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" and ")
}
