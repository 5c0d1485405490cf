//! [`Swarm`] by Docker: its API on the Unix socket, and its command for what
//! the API does not have (stacks live in the client).

use super::{Invitation, SWARM_PORT, Swarm};
use crate::paths::Paths;
use anyhow::{Context, Result, anyhow, bail};
use ashlar_api::{ApiError, Refusal};
use ashlar_cluster::{SwarmLocal, SwarmNode, SwarmRole};
use bollard::models::{
    LocalNodeState, Node, NodeSpec, NodeSpecRoleEnum, NodeState, Reachability, SwarmInitRequest,
    SwarmJoinRequest,
};
use bollard::query_parameters::{
    EventsOptionsBuilder, ListNodesOptions, ListServicesOptions, UpdateNodeOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::time::timeout;

const SOCKET: &str = "/run/docker.sock";

/// How long the engine may take for an answer.
const READ: Duration = Duration::from_secs(10);

/// How long a join may take: the engine itself waits 20 s and then goes on
/// trying behind our back.
const CHANGE: Duration = Duration::from_secs(60);

/// How long the command may take to deploy a stack.
const DEPLOY: Duration = Duration::from_secs(120);

/// The label by which Docker's client marks the services of a stack.
const STACK_LABEL: &str = "com.docker.stack.namespace";

/// The local container engine.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    paths: Paths,
}

impl Engine {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// A client that speaks the version that the engine knows. Each call opens
    /// its own: a restart of the engine must leave nothing stale behind.
    async fn docker(&self, patience: Duration) -> Result<Docker> {
        let docker = Docker::connect_with_unix(SOCKET, patience.as_secs(), API_DEFAULT_VERSION)
            .context("the container engine does not listen")?;
        timeout(READ, docker.negotiate_version())
            .await
            .context("the container engine hangs")?
            .context("the container engine does not answer")
    }

    /// Whether the Swarm takes the node of that name for up; only a manager can
    /// tell.
    pub(crate) async fn takes_for_up(&self, name: &str) -> Result<bool, ApiError> {
        Ok(self.nodes_named(name).await?.iter().any(|n| n.up))
    }

    async fn nodes_named(&self, name: &str) -> Result<Vec<SwarmNode>, ApiError> {
        let asked = async {
            let docker = self.docker(READ).await?;
            Ok::<_, anyhow::Error>(docker.list_nodes(None::<ListNodesOptions>).await?)
        };
        let nodes = asked.await.map_err(|error| {
            ApiError::new(
                Refusal::AskAnother,
                format!("this node cannot tell how the Swarm stands: {error:#}"),
            )
        })?;
        Ok(nodes.into_iter().filter_map(node).filter(|n| n.name == name).collect())
    }

    /// Makes out how a caller gets in, as a manager of the Swarm. While as many
    /// managers as `most` are in Raft, whatever was asked for is a worker.
    pub(crate) async fn invite(
        &self,
        role: SwarmRole,
        most: u8,
        own: IpAddr,
    ) -> Result<Invitation, ApiError> {
        let fault = |error: anyhow::Error| {
            ApiError::new(Refusal::NotReady, format!("{error:#}")).hint("ask again later")
        };
        let docker = self.docker(READ).await.map_err(fault)?;
        let info = docker.info().await.map_err(|e| fault(e.into()))?;
        let swarm = info.swarm.unwrap_or_default();
        if swarm.control_available != Some(true) {
            return Err(ApiError::new(Refusal::AskAnother, "this node does not manage the Swarm"));
        }
        let nodes =
            docker.list_nodes(None::<ListNodesOptions>).await.map_err(|e| fault(e.into()))?;
        let managers = nodes.iter().filter(|n| n.manager_status.is_some()).count();
        let role = if managers >= usize::from(most) { SwarmRole::Worker } else { role };
        let tokens = docker
            .inspect_swarm()
            .await
            .map_err(|e| fault(e.into()))?
            .join_tokens
            .ok_or_else(|| fault(anyhow!("the engine tells no join tokens")))?;
        let token = match role {
            SwarmRole::Manager => tokens.manager,
            SwarmRole::Worker => tokens.worker,
        };
        let token = token.ok_or_else(|| fault(anyhow!("the engine tells no {role} token")))?;
        Ok(Invitation { token: token.into(), manager: format!("{own}:{SWARM_PORT}") })
    }
}

fn node(node: Node) -> Option<SwarmNode> {
    let manager = node.manager_status.as_ref();
    let spec_role = node.spec.as_ref().and_then(|s| s.role);
    Some(SwarmNode {
        name: node.description?.hostname?,
        address: node.status.as_ref().and_then(|s| s.addr.as_ref()?.parse().ok()),
        up: node.status.as_ref().and_then(|s| s.state) == Some(NodeState::READY),
        manager: spec_role == Some(NodeSpecRoleEnum::MANAGER),
        reachable: manager.and_then(|m| m.reachability) == Some(Reachability::REACHABLE),
        leader: manager.and_then(|m| m.leader) == Some(true),
    })
}

impl Swarm for Engine {
    async fn observe(&self) -> Result<ashlar_cluster::Swarm> {
        let docker = self.docker(READ).await?;
        let info = docker.info().await.context("the container engine does not answer")?;
        let swarm = info.swarm.unwrap_or_default();
        let local = match swarm.local_node_state {
            None | Some(LocalNodeState::EMPTY | LocalNodeState::INACTIVE) => SwarmLocal::Inactive,
            Some(LocalNodeState::PENDING) => SwarmLocal::Pending,
            Some(LocalNodeState::ACTIVE) => SwarmLocal::Active,
            Some(LocalNodeState::ERROR | LocalNodeState::LOCKED) => SwarmLocal::Error,
        };
        let mut seen = ashlar_cluster::Swarm {
            local,
            manager: swarm.control_available == Some(true),
            ..ashlar_cluster::Swarm::default()
        };
        if !seen.manager {
            return Ok(seen);
        }
        // A manager without quorum cannot tell: it then knows of nobody.
        match docker.list_nodes(None::<ListNodesOptions>).await {
            Ok(nodes) => {
                let own = swarm.node_id.as_deref();
                seen.leader = nodes.iter().any(|n| {
                    n.id.as_deref() == own
                        && n.manager_status.as_ref().is_some_and(|m| m.leader == Some(true))
                });
                seen.nodes = nodes.into_iter().filter_map(node).collect();
            }
            Err(error) => tracing::debug!("the Swarm has no quorum: {error}"),
        }
        if seen.leader {
            let services = docker.list_services(None::<ListServicesOptions>).await?;
            let stacks: BTreeSet<String> =
                services.into_iter().filter_map(|s| s.spec?.labels?.remove(STACK_LABEL)).collect();
            seen.stacks = stacks.into_iter().collect();
        }
        Ok(seen)
    }

    async fn init(&self, own: IpAddr) -> Result<()> {
        let request = SwarmInitRequest {
            listen_addr: Some(format!("{own}:{SWARM_PORT}")),
            advertise_addr: Some(own.to_string()),
            data_path_addr: Some(own.to_string()),
            ..SwarmInitRequest::default()
        };
        let docker = self.docker(CHANGE).await?;
        docker.init_swarm(request).await.context("the engine does not start a Swarm")?;
        Ok(())
    }

    async fn join(&self, own: IpAddr, invitation: &Invitation) -> Result<()> {
        let request = SwarmJoinRequest {
            listen_addr: Some(format!("{own}:{SWARM_PORT}")),
            advertise_addr: Some(own.to_string()),
            data_path_addr: Some(own.to_string()),
            remote_addrs: Some(vec![invitation.manager.clone()]),
            join_token: Some(invitation.token.to_string()),
        };
        let docker = self.docker(CHANGE).await?;
        docker
            .join_swarm(request)
            .await
            .with_context(|| format!("the engine does not join through {}", invitation.manager))
    }

    async fn set_role(&self, name: &str, role: SwarmRole) -> Result<()> {
        let docker = self.docker(READ).await?;
        let nodes = docker.list_nodes(None::<ListNodesOptions>).await?;
        let named = |n: &Node| {
            n.description.as_ref().and_then(|d| d.hostname.as_deref()) == Some(name)
                && n.status.as_ref().and_then(|s| s.state) != Some(NodeState::DOWN)
        };
        let node = nodes.into_iter().find(named);
        let node = node.with_context(|| format!("the Swarm has no live node {name}"))?;
        let (Some(id), Some(version)) = (node.id, node.version.and_then(|v| v.index)) else {
            bail!("the engine tells no id and version of {name}");
        };
        let wanted = match role {
            SwarmRole::Manager => NodeSpecRoleEnum::MANAGER,
            SwarmRole::Worker => NodeSpecRoleEnum::WORKER,
        };
        let spec = NodeSpec { role: Some(wanted), ..node.spec.unwrap_or_default() };
        // The version makes the engine refuse if somebody else changed the node.
        let options = UpdateNodeOptionsBuilder::default().version(i64::try_from(version)?).build();
        docker
            .update_node(&id, spec, options)
            .await
            .with_context(|| format!("the Swarm does not make {name} a {role}"))
    }

    async fn deploy(&self, stack: &str) -> Result<()> {
        let file = self.paths.stacks().join(format!("{stack}.yml"));
        let child = Command::new("docker")
            .args(["stack", "deploy", "--detach=true", "--compose-file"])
            .arg(&file)
            .arg(stack)
            // The client keeps its own files in a home, which the agent has not.
            .env("DOCKER_CONFIG", self.paths.run().join("docker"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let done = timeout(DEPLOY, child)
            .await
            .map_err(|_| anyhow!("`docker stack deploy` of {stack} hangs"))?
            .context("cannot run `docker stack deploy`")?;
        if !done.status.success() {
            let words = String::from_utf8_lossy(&done.stderr);
            bail!("`docker stack deploy` of {}: {}", file.display(), words.trim());
        }
        Ok(())
    }
}

/// Wakes the loop whenever a node of the Swarm changes, for as long as the
/// process lives.
pub(crate) async fn watch(engine: Engine, wake: Arc<Notify>) {
    loop {
        if let Ok(docker) = engine.docker(READ).await {
            let kinds = HashMap::from([("type", vec!["node"])]);
            let options = EventsOptionsBuilder::default().filters(&kinds).build();
            let mut events = docker.events(Some(options));
            wake.notify_one();
            while let Some(Ok(_)) = events.next().await {
                wake.notify_one();
            }
        }
        // Not a wait for something: the pause between two attempts to connect.
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_worker_that_is_down_is_neither_up_nor_manager() {
        let text = NODE.replace("\"ready\"", "\"down\"").replace("\"manager\"", "\"worker\"");
        let mut raw: Node = serde_json::from_str(&text).unwrap();
        raw.manager_status = None;
        let seen = node(raw).unwrap();
        assert!(!seen.up && !seen.manager && !seen.reachable && !seen.leader);
    }
}
