//! [`Swarm`] by Docker: its API on the Unix socket, and its command for what
//! the API does not have (stacks live in the client).

use super::nodes::{LEAVING_LABEL, WITNESS_LABEL, is_manager, leads, misplaced, node};
use super::own_address;
use super::seats::Seats;
use super::stacks;
use super::{Invitation, SWARM_PORT, Swarm};
use crate::paths::Paths;
use anyhow::{Context, Result, anyhow, bail, ensure};
use ashlar_api::{ApiError, Refusal};
use ashlar_cluster::{
    Availability, INTENT_LABEL, Intent, Record, SwarmLocal, SwarmNode, SwarmRole,
};
use ashlar_site::Pools;
use bollard::models::{
    LocalNodeState, Node, NodeSpec, NodeSpecAvailabilityEnum, NodeSpecRoleEnum, NodeState,
    SwarmInitRequest, SwarmJoinRequest, SwarmSpec, SwarmSpecCaConfig, Task, TaskState,
};
use bollard::query_parameters::{
    DeleteNodeOptionsBuilder, EventsOptionsBuilder, LeaveSwarmOptionsBuilder, ListConfigsOptions,
    ListNodesOptions, ListSecretsOptions, ListServicesOptions, ListServicesOptionsBuilder,
    ListTasksOptionsBuilder, UpdateNodeOptionsBuilder, UpdateSwarmOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

const SOCKET: &str = "/run/docker.sock";

/// How long the engine may take for an answer.
const READ: Duration = Duration::from_secs(10);

/// How long a join may take: the engine itself waits 20 s and then goes on
/// trying behind our back.
const CHANGE: Duration = Duration::from_secs(60);

/// How long a node's certificate in the Swarm lives, in nanoseconds: longer
/// than any season that a box may be switched off for. Docker's own 90 days
/// leave a kiosk that winters in a shed out of its Swarm for good.
const CERTIFICATE: i64 = 2 * 365 * 24 * 3600 * 1_000_000_000;

/// The local container engine.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    paths: Paths,
    pools: Pools,
    seats: Arc<Seats>,
}

impl Engine {
    /// `pools`: what overlay networks are cut from. Docker's own choice begins at
    /// 10.0.0.0/24, a common LAN, and hides its printers from the containers; it
    /// cannot be changed once there is a Swarm.
    pub(crate) fn new(paths: &Paths, pools: Pools) -> Self {
        Self { paths: paths.clone(), pools, seats: Arc::default() }
    }

    /// Where Docker's command keeps its own files.
    fn home(&self) -> PathBuf {
        self.paths.run().join("docker")
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

    /// Makes out how a caller gets in, as a manager of the Swarm. Seats of
    /// managers are given by the leader alone, one for each token; while as many
    /// as `most` are taken or promised, whatever was asked for is a worker.
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
        let role = match role {
            SwarmRole::Worker => SwarmRole::Worker,
            SwarmRole::Manager if !leads(&nodes, swarm.node_id.as_deref()) => {
                return Err(ApiError::new(
                    Refusal::AskAnother,
                    "only the leader gives a manager's seat in the Swarm",
                ));
            }
            SwarmRole::Manager => {
                let taken = nodes.iter().filter(|n| is_manager(n)).count();
                let free = self.seats.promise(taken, usize::from(most), Instant::now());
                if free { SwarmRole::Manager } else { SwarmRole::Worker }
            }
        };
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
            index: swarm.cluster.as_ref().and_then(|c| c.version.as_ref()?.index),
            ..ashlar_cluster::Swarm::default()
        };
        if !seen.manager {
            return Ok(seen);
        }
        // A manager without quorum tells of no cluster.
        if let Some(cluster) = &swarm.cluster {
            let labels = cluster.spec.as_ref().and_then(|spec| spec.labels.as_ref());
            let label = labels.and_then(|labels| labels.get(INTENT_LABEL));
            seen.record = Record::of_label(label.map(String::as_str));
        }
        // A manager without quorum cannot tell: it then knows of nobody.
        match docker.list_nodes(None::<ListNodesOptions>).await {
            Ok(nodes) => {
                seen.leader = leads(&nodes, swarm.node_id.as_deref());
                let own = crate::identity::load(&self.paths)?.map(|me| me.address);
                seen.misplaced =
                    own.is_some_and(|own| misplaced(&nodes, swarm.node_id.as_deref(), own));
                seen.nodes = nodes.into_iter().filter_map(node).collect();
            }
            Err(error) => tracing::debug!("the Swarm has no quorum: {error}"),
        }
        for node in seen.nodes.iter_mut().filter(|n| n.availability == Availability::Leaving) {
            let filters = HashMap::from([("node", vec![node.id.as_str()])]);
            let options = ListTasksOptionsBuilder::default().filters(&filters).build();
            let tasks = docker.list_tasks(Some(options)).await?;
            let runs = |task: &&Task| {
                task.status.as_ref().and_then(|s| s.state) == Some(TaskState::RUNNING)
            };
            node.tasks = tasks.iter().filter(runs).count() as u64;
        }
        if seen.leader {
            let options = ListServicesOptionsBuilder::default().status(true).build();
            let services = docker.list_services(Some(options)).await?;
            seen.stacks = stacks::stacks(&services, &self.shipped());
        }
        Ok(seen)
    }

    async fn init(&self, own: IpAddr) -> Result<()> {
        let request = SwarmInitRequest {
            listen_addr: Some(format!("{own}:{SWARM_PORT}")),
            advertise_addr: Some(own.to_string()),
            data_path_addr: Some(own.to_string()),
            default_addr_pool: Some(vec![self.pools.overlay.to_string()]),
            subnet_size: Some(Pools::PIECE.into()),
            spec: Some(SwarmSpec {
                ca_config: Some(SwarmSpecCaConfig {
                    node_cert_expiry: Some(CERTIFICATE),
                    ..SwarmSpecCaConfig::default()
                }),
                ..SwarmSpec::default()
            }),
            ..SwarmInitRequest::default()
        };
        let docker = self.docker(CHANGE).await?;
        docker.init_swarm(request).await.context("the engine does not start a Swarm")?;
        Ok(())
    }

    async fn force_new(&self, own: IpAddr) -> Result<()> {
        let request = SwarmInitRequest {
            listen_addr: Some(format!("{own}:{SWARM_PORT}")),
            advertise_addr: Some(own.to_string()),
            data_path_addr: Some(own.to_string()),
            force_new_cluster: Some(true),
            ..SwarmInitRequest::default()
        };
        let docker = self.docker(CHANGE).await?;
        docker.init_swarm(request).await.context("the engine does not go on alone")?;
        Ok(())
    }

    async fn correct_address(&self, own: IpAddr) -> Result<()> {
        own_address::correct(&self.paths, own).await
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

    async fn leave(&self) -> Result<()> {
        let docker = self.docker(CHANGE).await?;
        let options = LeaveSwarmOptionsBuilder::default().force(true).build();
        docker.leave_swarm(Some(options)).await.context("the engine does not leave the Swarm")
    }

    async fn set_leaving(&self, name: &str, leaving: bool) -> Result<()> {
        self.close(name, LEAVING_LABEL, leaving).await
    }

    async fn set_voting(&self, name: &str, voting: bool) -> Result<()> {
        self.close(name, WITNESS_LABEL, voting).await
    }

    async fn drop_entry(&self, id: &str, revoked: bool) -> Result<()> {
        let docker = self.docker(READ).await?;
        let nodes = docker.list_nodes(None::<ListNodesOptions>).await?;
        let Some(node) = nodes.into_iter().find(|n| n.id.as_deref() == Some(id)) else {
            return Ok(());
        };
        let up = node.status.as_ref().and_then(|s| s.state) == Some(NodeState::READY);
        if up && !revoked {
            bail!("the Swarm's entry {id} is alive");
        }
        // Raft must know that it has one manager less before the entry goes.
        if is_manager(&node) {
            self.change_role(&docker, node, SwarmRole::Worker).await?;
        }
        let options = DeleteNodeOptionsBuilder::default().force(true).build();
        docker
            .delete_node(id, Some(options))
            .await
            .with_context(|| format!("the Swarm does not strike its entry {id}"))
    }

    async fn write_record(&self, intent: &Intent, index: Option<u64>) -> Result<()> {
        let index = index.context("the Swarm tells no version of its record")?;
        let docker = self.docker(READ).await?;
        let now = docker.inspect_swarm().await.context("the engine does not tell of its Swarm")?;
        let found = now.version.and_then(|version| version.index);
        ensure!(found == Some(index), "the Swarm's record is another one by now");
        let mut spec = now.spec.context("the engine does not tell what its Swarm is like")?;
        let labels = spec.labels.get_or_insert_default();
        let struck = |intent: &Intent| {
            let gone = intent.retired.iter().filter(|(_, gone)| gone.revoked);
            gone.map(|(id, _)| id.clone()).collect::<BTreeSet<_>>()
        };
        let before = Record::of_label(labels.get(INTENT_LABEL).map(String::as_str));
        let news = before.intent().is_some_and(|now| !struck(intent).is_subset(&struck(now)));
        labels.insert(INTENT_LABEL.into(), intent.encode()?);
        // The version makes the managers refuse if somebody else was quicker.
        let options = UpdateSwarmOptionsBuilder::default()
            .version(i64::try_from(index)?)
            .rotate_worker_token(news)
            .rotate_manager_token(news)
            .build();
        docker
            .update_swarm(spec, options)
            .await
            .context("the Swarm does not take the cluster's record")
    }

    async fn set_role(&self, name: &str, role: SwarmRole, most: u8) -> Result<()> {
        let docker = self.docker(READ).await?;
        let nodes = docker.list_nodes(None::<ListNodesOptions>).await?;
        let managers = nodes.iter().filter(|n| is_manager(n)).count();
        if role == SwarmRole::Manager && managers >= usize::from(most) {
            return Ok(());
        }
        // One that died may be demoted; only one that lives can be promoted.
        let named = |n: &Node| {
            n.description.as_ref().and_then(|d| d.hostname.as_deref()) == Some(name)
                && match role {
                    SwarmRole::Worker => is_manager(n),
                    SwarmRole::Manager => {
                        n.status.as_ref().and_then(|s| s.state) != Some(NodeState::DOWN)
                    }
                }
        };
        let node = nodes.into_iter().find(named);
        let node = node.with_context(|| format!("the Swarm has no {name} to make a {role}"))?;
        self.change_role(&docker, node, role).await
    }

    async fn deploy(&self, stack: &str, digest: &str) -> Result<()> {
        let home = self.home();
        let file = self.paths.stacks().join(format!("{stack}.yml"));
        stacks::deploy(&home, &file, stack).await?;
        let docker = self.docker(READ).await?;
        let services = docker.list_services(None::<ListServicesOptions>).await?;
        let services = stacks::services_of(&services, stack);
        for service in &services {
            stacks::mark(&home, service, digest, services.len()).await?;
        }
        Ok(())
    }

    async fn of_people(&self) -> Result<Vec<String>> {
        let docker = self.docker(READ).await?;
        let services = docker.list_services(None::<ListServicesOptions>).await?;
        let configs = docker.list_configs(None::<ListConfigsOptions>).await?;
        let secrets = docker.list_secrets(None::<ListSecretsOptions>).await?;
        let services = services.into_iter().filter_map(|s| s.spec).map(|s| (s.name, s.labels));
        let configs = configs.into_iter().filter_map(|c| c.spec).map(|c| (c.name, c.labels));
        let secrets = secrets.into_iter().filter_map(|s| s.spec).map(|s| (s.name, s.labels));
        let all = services
            .map(|found| ("service", found))
            .chain(configs.map(|found| ("config", found)))
            .chain(secrets.map(|found| ("secret", found)));
        Ok(stacks::of_people(all, &self.shipped()))
    }

    async fn remove(&self, stack: &str) -> Result<()> {
        stacks::remove(&self.home(), stack).await
    }
}

impl Engine {
    /// Names of the stacks that the image ships.
    fn shipped(&self) -> BTreeSet<String> {
        let files = std::fs::read_dir(self.paths.stacks()).into_iter().flatten().flatten();
        files
            .filter_map(|f| f.file_name().to_str()?.strip_suffix(".yml").map(str::to_owned))
            .collect()
    }

    /// Takes a node's tasks away and notes by a label why, or gives it tasks again.
    async fn close(&self, name: &str, label: &str, closed: bool) -> Result<()> {
        let docker = self.docker(READ).await?;
        let nodes = docker.list_nodes(None::<ListNodesOptions>).await?;
        let named = |n: &Node| {
            n.description.as_ref().and_then(|d| d.hostname.as_deref()) == Some(name)
                && n.status.as_ref().and_then(|s| s.state) == Some(NodeState::READY)
        };
        let node = nodes.into_iter().find(named);
        let node = node.with_context(|| format!("the Swarm has no {name} that is up"))?;
        let mut spec = node.spec.clone().unwrap_or_default();
        let labels = spec.labels.get_or_insert_default();
        spec.availability = Some(if closed {
            labels.insert(label.into(), "true".into());
            NodeSpecAvailabilityEnum::DRAIN
        } else {
            labels.remove(label);
            NodeSpecAvailabilityEnum::ACTIVE
        });
        let what = if closed { "take the tasks away from" } else { "give tasks to" };
        self.change_node(&docker, node, spec).await.with_context(|| format!("cannot {what} {name}"))
    }

    async fn change_role(&self, docker: &Docker, node: Node, role: SwarmRole) -> Result<()> {
        let wanted = match role {
            SwarmRole::Manager => NodeSpecRoleEnum::MANAGER,
            SwarmRole::Worker => NodeSpecRoleEnum::WORKER,
        };
        let spec = NodeSpec { role: Some(wanted), ..node.spec.clone().unwrap_or_default() };
        self.change_node(docker, node, spec).await.with_context(|| format!("no {role} is made"))
    }

    async fn change_node(&self, docker: &Docker, node: Node, spec: NodeSpec) -> Result<()> {
        let name = node.description.and_then(|d| d.hostname).unwrap_or_default();
        let (Some(id), Some(version)) = (node.id, node.version.and_then(|v| v.index)) else {
            bail!("the engine tells no id and version of {name}");
        };
        // The version makes the engine refuse if somebody else changed the node.
        let options = UpdateNodeOptionsBuilder::default().version(i64::try_from(version)?).build();
        docker
            .update_node(&id, spec, options)
            .await
            .with_context(|| format!("the Swarm does not change {name}"))
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
