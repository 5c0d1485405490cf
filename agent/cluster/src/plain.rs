//! What a step does, for whoever stands before a box at night: no tag, no path, no word
//! of the parts that it is made with. The exact words are [`Step`]'s `Display`; they stand
//! in the journal, the history and `why`.

use crate::{Daemon, Step, SwarmRole};

impl Step {
    /// What is being done, as it goes on after "doing".
    #[must_use]
    pub fn plain(&self) -> String {
        let words = match self {
            Self::MakeIdentity => "giving this box its name and address",
            Self::TakeMachine => "going on as the same box in another machine",
            Self::Start { daemon } => match daemon {
                Daemon::Ring => "starting to listen for the other boxes",
                Daemon::Storage => "starting the storage",
                Daemon::Bricks => "starting this box's copy of the files",
                Daemon::Engine => "starting the containers",
            },
            Self::Restart { daemon } => match daemon {
                Daemon::Ring => "starting anew to listen for the other boxes: it hung",
                Daemon::Storage => "starting the storage anew: it hung",
                Daemon::Bricks => "starting this box's copy of the files anew: it hung",
                Daemon::Engine => "starting the containers anew: they hung",
            },
            Self::JoinRing { .. } => "calling the other boxes",
            Self::SetTags { .. } => "telling the other boxes how this one stands",
            Self::SetClock { .. } => "setting this box's clock by those of the others",
            Self::Found => "founding the cluster",
            Self::Enrol { .. } => "asking to be let into the cluster",
            Self::RenewCertificate { .. } => "renewing this box's certificate",
            Self::FetchCaKey { .. } => "keeping a second copy of the key that signs certificates",
            Self::DropCaKey { .. } => "leaving the key that signs certificates to other boxes",
            Self::AdoptRingKey => "writing down the site's new key",
            Self::TakeRingKey { .. } => "taking the site's new key",
            Self::UseRingKey { .. } => "talking to the other boxes with the site's new key",
            Self::DropRingKeys { .. } => "forgetting the site's old key",
            Self::TrustCa { .. } => "accepting certificates by the new key as well",
            Self::FetchNextCaKey { .. } => "keeping a copy of the new key for certificates",
            Self::SignByCa { .. } => "signing certificates with the new key",
            Self::TrustOnlyCa { .. } => "accepting certificates by the new key only",
            Self::TuneVolume => "setting up the storage that the boxes share",
            Self::NoteSpread { .. } => "writing down that the files are spread over all boxes",
            Self::Rebalance { .. } => "spreading the files over all boxes",
            Self::HandBack { .. } => "letting both boxes work as before",
            Self::StartVolume => "starting the storage that the boxes share",
            Self::MountVolume => "opening the storage that the boxes share",
            Self::Remount => "opening the shared storage anew: it hung",
            Self::ConnectAnew => "connecting to a copy of the storage that it lost",
            Self::InitSwarm => "getting ready to run containers",
            Self::RecordSwarm => "writing down that containers may run",
            Self::JoinSwarm { role: SwarmRole::Worker, .. } => {
                "joining the boxes that run containers"
            }
            Self::JoinSwarm { role: SwarmRole::Manager, .. } => {
                "joining the boxes that say where containers run"
            }
            Self::TrimLogs => "shortening what the storage wrote down",
            Self::LeaveSwarm => "leaving the boxes that run containers, to join them anew",
            Self::RestartEngine => "starting the containers anew: the others do not see this box",
            Self::Record { .. } => "writing down which boxes belong to the cluster",
            Self::AdmitToVolume { names: None } => {
                "opening the shared storage to every box of the cluster"
            }
            Self::AdmitToVolume { names: Some(_) } => {
                "closing the shared storage to boxes that were taken out"
            }
            Self::StrikeOff { .. } => "turning away boxes that were taken out",
            Self::StartAnew => "beginning anew as a fresh box; its old files are kept aside",
            Self::Yield { .. } => "getting ready to go over to the site's other cluster",
            Self::StandFast => "staying a cluster of its own",
            Self::LeadAlone => "taking over to say where containers run",
            Self::ForgetWord => "striking out that the other box is gone for good",
            Self::GoOnAlone { without } => {
                return format!("going on without the box at {without}");
            }
            Self::Dissolve { .. } => {
                "going over to the site's other cluster; the old files are kept aside"
            }
            Self::StayOut => "leaving the cluster; this box's files are kept aside",
            Self::ProbePeer { address } => {
                return format!("letting the box at {address} into the shared storage");
            }
            Self::CreateVolume { bricks } => {
                return format!("making the storage that {} share", boxes(bricks.len()));
            }
            Self::AddBricks { replicas, .. } => {
                return format!("copying the files to more boxes: {replicas} copies in all");
            }
            Self::AddSet { bricks } => {
                return format!("making room for more files on {}", boxes(bricks.len()));
            }
            Self::AddArbiter { brick } => {
                return format!("letting the box at {brick} vote on which copy is right");
            }
            Self::ReplaceBrick { from, to } => {
                return format!("moving the copy of the files from the box at {from} to {to}");
            }
            Self::RenewBrick => {
                return "getting the files back that this box's disk lost".to_owned();
            }
            Self::RemakeData => {
                return "making this box's data partition anew, which was broken".to_owned();
            }
            Self::SettleDirectory { .. } => {
                return "making one folder again of two that boxes made at once".to_owned();
            }
            Self::DropBrick { brick, .. } => {
                return format!("giving up the copy of the files on the box at {brick}");
            }
            Self::DetachPeer { address } => {
                return format!("taking the box at {address} out of the shared storage");
            }
            Self::HandOver { to, .. } => {
                return format!("handing the work over to the box at {to}");
            }
            Self::SetSwarmRole { name, role: SwarmRole::Manager } => {
                return format!("letting {name} help to say where containers run");
            }
            Self::SetSwarmRole { name, role: SwarmRole::Worker } => {
                return format!("letting {name} run containers, and others say where");
            }
            Self::SetLeaving { name, leaving: true } => {
                return format!("moving the containers of {name} to other boxes");
            }
            Self::SetVoting { name, voting: true } => {
                return format!("keeping containers away from {name}, which only votes");
            }
            Self::SetLeaving { name, leaving: false } | Self::SetVoting { name, voting: false } => {
                return format!("letting {name} run containers again");
            }
            Self::DropSwarmEntry { name, revoked: true, .. } => {
                return format!("shutting {name} out of the cluster");
            }
            Self::DropSwarmEntry { name, revoked: false, .. } => {
                return format!("forgetting what {name} was before");
            }
            Self::ForgetMember { name } => {
                return format!("forgetting {name}, which was taken out");
            }
            Self::DeployStack { name } => return format!("starting or updating {name}"),
            Self::RemoveStack { name } => return format!("removing {name}"),
        };
        words.to_owned()
    }
}

fn boxes(count: usize) -> String {
    format!("{count} box{}", if count == 1 { "" } else { "es" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClusterId, Intent, KeyPrint, NodeId, Tags};
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    fn tags() -> Tags {
        Tags {
            id: NodeId("1a2b".into()),
            cluster: Some(ClusterId("c0ffee".into())),
            storage_open: true,
            ca_key: true,
            swarm: Some(SwarmRole::Manager),
            witness: false,
            full: false,
            keys: None,
            cas: None,
            keeps: None,
            yields: None,
            hand: None,
            left: None,
        }
    }

    /// Every step, with whatever it may say.
    fn steps() -> Vec<Step> {
        let address = IpAddr::from([10, 83, 0, 2]);
        let via = vec![address];
        let bricks = vec![address, IpAddr::from([10, 83, 0, 3])];
        let name = "ashlar-1a2b3c4d".to_owned();
        let (cluster, key) = (ClusterId("c0ffee".into()), KeyPrint("0011223344556677".into()));
        let daemons = [Daemon::Ring, Daemon::Storage, Daemon::Bricks, Daemon::Engine];
        let starts = daemons.map(|daemon| Step::Start { daemon });
        let restarts = daemons.map(|daemon| Step::Restart { daemon });
        let roles = [SwarmRole::Manager, SwarmRole::Worker];
        let joins = roles.map(|role| Step::JoinSwarm { role, via: via.clone() });
        let sets = roles.map(|role| Step::SetSwarmRole { name: name.clone(), role });
        let either = [true, false].map(|is| {
            [
                Step::SetLeaving { name: name.clone(), leaving: is },
                Step::SetVoting { name: name.clone(), voting: is },
                Step::DropSwarmEntry { id: "x7/=".into(), name: name.clone(), revoked: is },
            ]
        });
        let others = [
            Step::MakeIdentity,
            Step::TakeMachine,
            Step::JoinRing { addresses: vec!["10.83.0.2:7945".into()] },
            Step::SetTags { tags: tags() },
            Step::SetClock { ahead_s: -90 },
            Step::Found,
            Step::Enrol { cluster: cluster.clone(), via: via.clone() },
            Step::RenewCertificate { via: via.clone() },
            Step::FetchCaKey { via: via.clone() },
            Step::DropCaKey { via: via.clone() },
            Step::AdoptRingKey,
            Step::TakeRingKey { key: key.clone(), via: via.clone() },
            Step::UseRingKey { key: key.clone() },
            Step::DropRingKeys { keep: key.clone() },
            Step::TrustCa { ca: key.clone() },
            Step::FetchNextCaKey { ca: key.clone(), via },
            Step::SignByCa { ca: key.clone() },
            Step::TrustOnlyCa { ca: key },
            Step::ProbePeer { address },
            Step::CreateVolume { bricks: bricks.clone() },
            Step::AddBricks { replicas: 3, bricks: bricks.clone() },
            Step::AddSet { bricks },
            Step::Rebalance { sets: 2 },
            Step::NoteSpread { sets: 2 },
            Step::AddArbiter { brick: address },
            Step::TuneVolume,
            Step::HandOver { to: address, turn: 1 },
            Step::HandBack { turn: 2 },
            Step::StartVolume,
            Step::MountVolume,
            Step::Remount,
            Step::ConnectAnew,
            Step::InitSwarm,
            Step::RecordSwarm,
            Step::TrimLogs,
            Step::LeaveSwarm,
            Step::RestartEngine,
            Step::Record { intent: Intent::default() },
            Step::ReplaceBrick { from: address, to: address },
            Step::RenewBrick,
            Step::RemakeData,
            Step::SettleDirectory { path: "/tills".into() },
            Step::DropBrick { brick: address, replicas: 2 },
            Step::AdmitToVolume { names: None },
            Step::AdmitToVolume { names: Some(BTreeSet::from([name.clone()])) },
            Step::DetachPeer { address },
            Step::ForgetMember { name: name.clone() },
            Step::StrikeOff { nodes: BTreeSet::from([NodeId("1a2b".into())]) },
            Step::StartAnew,
            Step::Yield { into: cluster.clone() },
            Step::StandFast,
            Step::LeadAlone,
            Step::ForgetWord,
            Step::GoOnAlone { without: address },
            Step::Dissolve { into: cluster },
            Step::StayOut,
            Step::DeployStack { name: "till".into() },
            Step::RemoveStack { name: "till".into() },
        ];
        let either = either.into_iter().flatten();
        others
            .into_iter()
            .chain(starts)
            .chain(restarts)
            .chain(joins)
            .chain(sets)
            .chain(either)
            .collect()
    }

    /// Every variant of [`Step`] that its file has.
    fn variants() -> BTreeSet<String> {
        let (_, after) = include_str!("step.rs").split_once("pub enum Step {").unwrap();
        let body = after.split_once("\n}").unwrap().0;
        let begins = |line: &&str| line.starts_with("    ") && !line.starts_with("     ");
        let lines = body.lines().filter(begins).map(str::trim);
        let name = |line: &str| line.split([' ', ',']).next().unwrap_or_default().to_owned();
        lines.map(name).filter(|name| name.starts_with(char::is_uppercase)).collect()
    }

    #[test]
    fn every_step_says_what_it_does_without_a_tag_a_path_or_a_word_of_ours() {
        let mut said = BTreeSet::new();
        for step in steps() {
            let words = step.plain();
            let debug = format!("{step:?}");
            said.insert(debug.split([' ', '{']).next().unwrap().to_owned());
            assert!(words.split(' ').next().unwrap().ends_with("ing"), "{debug}: {words}");
            assert!(words.chars().count() <= 68, "longer than a line: {words}");
            assert!(!words.contains(['=', '/', '_', '\u{60}']), "{debug}: {words}");
            for word in
                ["ring ", "swarm", "brick", "volume", "tag", "raft", "gluster", "CA ", "pool"]
            {
                let spaced = format!(" {words} ").to_lowercase();
                let ours = format!(" {}", word.to_lowercase());
                assert!(!spaced.contains(&ours), "`{word}` in {words}");
            }
        }
        assert_eq!(said, variants(), "a step that nobody looked at");
    }

    #[test]
    fn what_is_done_to_another_box_names_it() {
        for step in steps() {
            let (words, exact) = (step.plain(), step.to_string());
            if matches!(step, Step::JoinSwarm { .. } | Step::AdmitToVolume { .. }) {
                continue;
            }
            if exact.contains("ashlar-1a2b3c4d") {
                assert!(words.contains("ashlar-1a2b3c4d"), "{words}: {exact}");
            }
        }
    }
}
