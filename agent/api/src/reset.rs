//! `POST /v1/reset`: what a person takes from this box: its applications, its place
//! in the cluster, or all that it is.

use crate::{Client, ClientError, MemberStatus, Phase, Secret, Status, route};
use serde::{Deserialize, Serialize};

/// How much is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reset {
    /// What containers left on this box.
    Workloads,
    /// Its place in the cluster; the copy of the volume is set aside.
    Cluster,
    /// All state and data.
    #[default]
    Factory,
}

/// The body of `POST /v1/reset`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResetRequest {
    /// How much is taken.
    #[serde(default)]
    pub what: Reset,
    /// What the box has of its site after a factory reset; the others keep it.
    pub site: SiteAfterReset,
    /// Say what would be lost, and do nothing.
    pub dry_run: bool,
    /// The node's name, typed by a person: without it nothing is done that the
    /// cluster could not bear.
    pub name: Option<String>,
    /// The site's PIN, typed at the box's own screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Secret>,
}

/// What a box that was reset has of its site.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SiteAfterReset {
    /// The one that it has now.
    Keep,
    /// Another: the text of a `site.toml`.
    New(Secret),
    /// None: it waits until it is given one.
    Forget,
}

/// The answer to `POST /v1/reset`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResetAnswer {
    /// What is lost, a line each.
    pub losses: Losses,
    /// The reset has begun; for a factory reset the box reboots within seconds.
    pub begun: bool,
}

/// What a reset of a node takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Losses {
    /// In words, a line each.
    pub lines: Vec<String>,
    /// What stays all the same, in words, a line each.
    #[serde(default)]
    pub kept: Vec<String>,
    /// Why the cluster cannot bear it, or cannot be known to: no other healthy
    /// copy is in sight.
    pub unbearable: Option<String>,
}

impl Losses {
    /// What that reset of the node with this status would take away. `volumes`: the
    /// local volumes of its container engine.
    #[must_use]
    pub fn of(what: Reset, status: &Status, volumes: &[String]) -> Self {
        match what {
            Reset::Workloads => Self::of_workloads(volumes),
            Reset::Cluster => Self::of_place(status),
            Reset::Factory => Self::of_all(status),
        }
    }

    fn of_workloads(volumes: &[String]) -> Self {
        let mut lines = vec![
            "the containers of this box and what they wrote into themselves".to_owned(),
            "its images: they are fetched again".to_owned(),
        ];
        if !volumes.is_empty() {
            lines.push(format!("its local volumes: {}", volumes.join(", ")));
        }
        let kept = vec![
            "the stacks of the cluster: what belongs here starts again from nothing".to_owned(),
            "the files below /srv/cluster, which are the whole cluster's".to_owned(),
        ];
        let unbearable =
            (!volumes.is_empty()).then(|| "local volumes are on no other box".to_owned());
        Self { lines, kept, unbearable }
    }

    fn of_place(status: &Status) -> Self {
        let identity = status.identity.as_ref();
        let mut lines: Vec<_> = identity
            .map(|identity| {
                format!(
                    "the place of {}: it joins as a new node, under another name",
                    identity.name
                )
            })
            .into_iter()
            .collect();
        if let Some(swarm) = &status.swarm {
            lines.push(format!("its place in the Swarm ({swarm}): its tasks start elsewhere"));
        }
        lines.push("its certificates, and its copy of the CA's key if it has one".to_owned());
        let copy = status.storage.as_ref().map(
            |_| "its copy of the volume, set aside below /data/bricks until somebody deletes it",
        );
        let rest = "its site, containers' images and local volumes";
        let kept = copy.into_iter().chain([rest]).map(str::to_owned).collect();
        Self { lines, kept, unbearable: unbearable(status) }
    }

    fn of_all(status: &Status) -> Self {
        let mut lines = Vec::new();
        match &status.identity {
            Some(identity) => lines.push(format!(
                "the identity of {}: it comes back under another name and address",
                identity.name
            )),
            None => lines.push("nothing of a cluster: this box has no identity yet".to_owned()),
        }
        if let Some(swarm) = &status.swarm {
            lines.push(format!("its place in the Swarm ({swarm})"));
        }
        if let Some(storage) = &status.storage {
            lines.push(format!("its copy of the volume ({storage})"));
        }
        lines.push(
            "everything else in /var and /data: containers, local volumes, the journal".to_owned(),
        );
        Self { lines, kept: Vec::new(), unbearable: unbearable(status) }
    }

    /// All of it as a person reads it, a line each.
    #[must_use]
    pub fn sentences(&self, request: &ResetRequest) -> Vec<String> {
        let begin = match request.what {
            Reset::Workloads => "A reset of its workloads takes from this box, for good:",
            Reset::Cluster => "A reset of its cluster takes from this box:",
            Reset::Factory => "A factory reset of this box takes away, for good:",
        };
        let site = match (request.what, &request.site) {
            (Reset::Workloads | Reset::Cluster, _) => None,
            (_, SiteAfterReset::Keep) => Some("It keeps its site, and joins as a new node."),
            (_, SiteAfterReset::New(_)) => Some("It gets the new site, and joins as a new node."),
            (_, SiteAfterReset::Forget) => {
                Some("It forgets its site, and waits until it is given one.")
            }
        };
        let mut sentences = vec![begin.to_owned()];
        sentences.extend(self.lines.iter().map(|line| format!("  - {line}")));
        if !self.kept.is_empty() {
            sentences.push("It keeps:".to_owned());
        }
        sentences.extend(self.kept.iter().map(|line| format!("  - {line}")));
        sentences.extend(site.map(str::to_owned));
        sentences.extend(self.unbearable.iter().map(|why| format!("Beware: {why}.")));
        sentences
    }
}

fn unbearable(status: &Status) -> Option<String> {
    status.cluster.as_ref()?;
    let here = status.identity.as_ref().map(|identity| identity.name.as_str());
    let others = status.members.iter().filter(|member| {
        member.same_cluster
            && member.status == MemberStatus::Alive
            && Some(member.name.as_str()) != here
    });
    if others.count() == 0 {
        return Some("no other member of its cluster is alive".to_owned());
    }
    if status.phases.iter().all(|phase| phase.phase != Phase::Storage) {
        return None;
    }
    match &status.storage {
        None => Some("how many copies of its volume there are is not known".to_owned()),
        Some(storage) if storage.replicas == 0 => None,
        Some(storage) if storage.replicas == 1 || storage.bricks_online < storage.bricks => {
            Some("it may hold the last copy of its volume".to_owned())
        }
        Some(storage) if storage.pending_heals != Some(0) => {
            Some("the other copies of its volume are not healed".to_owned())
        }
        Some(_) => None,
    }
}

impl Client {
    /// Asks for a reset of this node.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root.
    pub async fn reset(&self, request: &ResetRequest) -> Result<ResetAnswer, ClientError> {
        self.connect().await?.post(route::RESET, request).await
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::SwarmView;
    use crate::{BootTimes, ClusterId, Identity, MemberView, NodeId, PhaseStatus, StorageView};

    fn member(name: &str, status: MemberStatus) -> MemberView {
        let (name, address) = (name.into(), [10, 83, 0, 1].into());
        MemberView { name, address, status, same_cluster: true, tenure: None, witness: false }
    }

    /// One of three whose volume has three healthy copies.
    pub(crate) fn healthy() -> Status {
        Status {
            release: "1".into(),
            profile: "retail".into(),
            site: Some("shop".into()),
            identity: Some(Identity {
                id: NodeId("aa".into()),
                name: "ashlar-aa".into(),
                address: [10, 83, 0, 1].into(),
            }),
            cluster: Some(ClusterId("c".into())),
            phases: vec![PhaseStatus {
                phase: Phase::Storage,
                holds: true,
                reached: None,
                detail: String::new(),
            }],
            ready: true,
            members: vec![
                member("ashlar-aa", MemberStatus::Alive),
                member("ashlar-bb", MemberStatus::Alive),
                member("ashlar-cc", MemberStatus::Alive),
            ],
            storage: Some(StorageView {
                volume: "clusterfs".into(),
                replicas: 3,
                bricks_online: 3,
                bricks: 3,
                tls: true,
                mounted: true,
                pending_heals: Some(0),
            }),
            swarm: Some(SwarmView {
                local: ashlar_cluster::SwarmLocal::Active,
                manager: true,
                leader: false,
                nodes_up: 3,
                nodes: 3,
            }),
            stacks: Vec::new(),
            disks: Vec::new(),
            doing: Vec::new(),
            exactly: Vec::new(),
            book: None,
            trouble: None,
            alerts: Vec::new(),
            could_go_on_without: None,
            waits: Vec::new(),
            parts: Vec::new(),
            now_ms: 0,
            boot: BootTimes::default(),
        }
    }

    fn refused(change: impl FnOnce(&mut Status)) -> bool {
        let mut status = healthy();
        change(&mut status);
        Losses::of(Reset::Factory, &status, &[]).unbearable.is_some()
    }

    #[test]
    fn one_of_three_healthy_copies_may_go() {
        let losses = Losses::of(Reset::Factory, &healthy(), &[]);
        assert_eq!(losses.unbearable, None);
        assert!(losses.lines[0].contains("ashlar-aa"), "{losses:?}");
    }

    #[test]
    fn what_may_be_the_last_healthy_copy_may_not() {
        assert!(refused(|s| s.storage.as_mut().unwrap().replicas = 1));
        assert!(refused(|s| s.storage.as_mut().unwrap().bricks_online = 2));
        assert!(refused(|s| s.storage.as_mut().unwrap().pending_heals = Some(3)));
        assert!(refused(|s| s.storage.as_mut().unwrap().pending_heals = None));
        assert!(refused(|s| s.storage = None), "unknown is not healthy");
        assert!(refused(|s| {
            s.members.truncate(2);
            s.members[1].status = MemberStatus::Failed;
        }));
    }

    #[test]
    fn a_place_is_given_up_under_the_rules_of_a_copy_and_the_copy_is_kept() {
        let mut status = healthy();
        let losses = Losses::of(Reset::Cluster, &status, &[]);
        assert_eq!(losses.unbearable, None);
        assert!(losses.kept[0].contains("set aside") && losses.kept[1].contains("site"));
        status.storage.as_mut().unwrap().bricks_online = 2;
        assert!(Losses::of(Reset::Cluster, &status, &[]).unbearable.is_some());
    }

    #[test]
    fn what_containers_left_may_go_unless_it_is_on_no_other_box() {
        let of = |volumes: &[String]| Losses::of(Reset::Workloads, &healthy(), volumes);
        assert_eq!(of(&[]).unbearable, None);
        let with = of(&["till".into(), "web_db".into()]);
        assert!(with.lines.contains(&"its local volumes: till, web_db".into()), "{with:?}");
        assert!(with.unbearable.is_some());
    }

    #[test]
    fn a_request_of_an_older_tool_is_one_for_a_factory_reset() {
        let old = r#"{"site":"keep","dry_run":true,"name":null}"#;
        let request: ResetRequest = serde_json::from_str(old).unwrap();
        assert_eq!(request.what, Reset::Factory);
    }

    #[test]
    fn a_box_without_a_cluster_has_no_last_copy() {
        assert!(!refused(|s| (s.cluster, s.storage) = (None, None)));
    }
}
