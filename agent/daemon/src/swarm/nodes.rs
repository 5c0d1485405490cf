//! Nodes of the Swarm, from the engine's words.

use ashlar_cluster::{Availability, SwarmNode};
use bollard::models::{Node, NodeSpecAvailabilityEnum, NodeSpecRoleEnum, NodeState, Reachability};
use std::net::{IpAddr, SocketAddr};

/// A node from which the agent took the tasks carries this label.
pub(super) const LEAVING_LABEL: &str = "ashlar.leaving";

/// A node that gets no tasks because it is a witness carries this one.
pub(super) const WITNESS_LABEL: &str = "ashlar.witness";

/// By its role, whether it is in Raft or not: one that is promised a seat takes
/// it as soon as it comes.
pub(super) fn is_manager(node: &Node) -> bool {
    let role = node.spec.as_ref().and_then(|s| s.role);
    role == Some(NodeSpecRoleEnum::MANAGER) || node.manager_status.is_some()
}

/// Whether the entry of that id leads.
pub(super) fn leads(nodes: &[Node], own: Option<&str>) -> bool {
    let leads = |n: &Node| n.manager_status.as_ref().is_some_and(|m| m.leader == Some(true));
    own.is_some() && nodes.iter().any(|n| n.id.as_deref() == own && leads(n))
}

/// Whether Raft knows the manager of that id by another address than this one.
pub(super) fn misplaced(nodes: &[Node], own: Option<&str>, address: IpAddr) -> bool {
    let entry = nodes.iter().find(|n| own.is_some() && n.id.as_deref() == own);
    let known = entry.and_then(|n| n.manager_status.as_ref()?.addr.as_deref());
    let known = known.and_then(|known| known.parse::<SocketAddr>().ok());
    known.is_some_and(|known| known.ip() != address)
}

/// Whether it is given tasks; our own label tells our order from a person's.
fn availability(node: &Node) -> Availability {
    let spec = node.spec.as_ref();
    match spec.and_then(|s| s.availability) {
        None | Some(NodeSpecAvailabilityEnum::EMPTY | NodeSpecAvailabilityEnum::ACTIVE) => {
            Availability::Active
        }
        Some(NodeSpecAvailabilityEnum::PAUSE | NodeSpecAvailabilityEnum::DRAIN) => {
            let labels = spec.and_then(|s| s.labels.as_ref());
            let carries = |label| labels.is_some_and(|labels| labels.contains_key(label));
            match (carries(LEAVING_LABEL), carries(WITNESS_LABEL)) {
                (true, _) => Availability::Leaving,
                (false, true) => Availability::Voting,
                (false, false) => Availability::Closed,
            }
        }
    }
}

/// As the planner knows it; one that never told its name is nobody.
pub(super) fn node(node: Node) -> Option<SwarmNode> {
    let manager = node.manager_status.as_ref();
    Some(SwarmNode {
        manager: is_manager(&node),
        id: node.id.clone().unwrap_or_default(),
        address: node.status.as_ref().and_then(|s| s.addr.as_ref()?.parse().ok()),
        up: node.status.as_ref().and_then(|s| s.state) == Some(NodeState::READY),
        reachable: manager.and_then(|m| m.reachability) == Some(Reachability::REACHABLE),
        leader: manager.and_then(|m| m.leader) == Some(true),
        availability: availability(&node),
        tasks: 0,
        name: node.description?.hostname?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    /// `GET /nodes` of Docker 26 on a leader, shortened.
    const NODE: &str = r#"{"ID":"n1","Version":{"Index":9},"Spec":{"Role":"manager",
        "Availability":"active","Labels":{}},"Description":{"Hostname":"ashlar-e6f3963a"},
        "Status":{"State":"ready","Addr":"10.83.100.37"},
        "ManagerStatus":{"Leader":true,"Reachability":"reachable","Addr":"10.83.100.37:2377"}}"#;

    #[test]
    fn a_leading_manager_is_read_from_the_engine_s_words() {
        let seen = node(serde_json::from_str(NODE).unwrap()).unwrap();
        assert_eq!(seen.name, "ashlar-e6f3963a");
        assert_eq!(seen.address, Some(IpAddr::from([10, 83, 100, 37])));
        assert!(seen.up && seen.manager && seen.reachable && seen.leader);
    }

    #[test]
    fn who_took_the_tasks_away_is_told_by_the_label() {
        let with = |labels: &str| {
            let text = NODE
                .replace("\"active\"", "\"drain\"")
                .replace("\"Labels\":{}", &format!("\"Labels\":{labels}"));
            node(serde_json::from_str(&text).unwrap()).unwrap().availability
        };
        assert_eq!(with("{}"), Availability::Closed);
        assert_eq!(with(r#"{"ashlar.witness":"true"}"#), Availability::Voting);
        let both = r#"{"ashlar.witness":"true","ashlar.leaving":"true"}"#;
        assert_eq!(with(both), Availability::Leaving);
    }

    #[test]
    fn one_with_a_managers_role_is_a_manager_though_raft_does_not_know_it_yet() {
        let mut raw: Node = serde_json::from_str(NODE).unwrap();
        raw.manager_status = None;
        let seen = node(raw).unwrap();
        assert!(seen.manager && !seen.reachable, "a box whose join was cut");
        assert_eq!(seen.id, "n1");
    }

    #[test]
    fn a_worker_that_is_down_is_neither_up_nor_manager() {
        let text = NODE.replace("\"ready\"", "\"down\"").replace("\"manager\"", "\"worker\"");
        let mut raw: Node = serde_json::from_str(&text).unwrap();
        raw.manager_status = None;
        let seen = node(raw).unwrap();
        assert!(!seen.up && !seen.manager && !seen.reachable && !seen.leader);
    }
}
