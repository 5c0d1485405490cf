//! [`Host`] on a machine that systemd runs, over D-Bus.

use super::{Host, Link, Mount, UnitState, links, mounts::VolumeMount};
use anyhow::{Context, Result, anyhow, bail};
use ashlar_site::StorageDriver;
use futures_util::StreamExt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{Connection, proxy};

/// How long a unit may take to start or stop before the agent looks again; the
/// job itself goes on.
const JOB_PATIENCE: Duration = Duration::from_secs(90);

/// What no process can ignore.
const SIGKILL: i32 = 9;
/// What tells a daemon to read its configuration again.
const SIGHUP: i32 = 1;

#[proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Systemd {
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn try_restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn kill_unit(&self, name: &str, whom: &str, signal: i32) -> zbus::Result<()>;

    #[zbus(signal)]
    fn job_removed(
        &self,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;

    #[zbus(property(emits_changed_signal = "const"))]
    fn userspace_timestamp_monotonic(&self) -> zbus::Result<u64>;
}

#[proxy(
    interface = "org.freedesktop.hostname1",
    default_service = "org.freedesktop.hostname1",
    default_path = "/org/freedesktop/hostname1"
)]
trait Hostname {
    fn set_static_hostname(&self, name: &str, interactive: bool) -> zbus::Result<()>;
    fn set_hostname(&self, name: &str, interactive: bool) -> zbus::Result<()>;

    #[zbus(property, name = "Hostname")]
    fn name(&self) -> zbus::Result<String>;
}

#[proxy(
    interface = "org.freedesktop.network1.Manager",
    default_service = "org.freedesktop.network1",
    default_path = "/org/freedesktop/network1"
)]
trait Network {
    fn reload(&self) -> zbus::Result<()>;
}

/// This machine.
#[derive(Debug)]
pub(crate) struct Machine {
    bus: Connection,
    volume: VolumeMount,
    /// The name that the machine was once seen to go by.
    name: OnceLock<String>,
}

#[derive(Clone, Copy)]
enum Job {
    Start,
    Stop,
    Restart,
    TryRestart,
}

impl Machine {
    /// Connects to the system bus; `volume` is where the cluster volume is mounted,
    /// as that driver does it.
    pub(crate) async fn connect(volume: PathBuf, driver: StorageDriver) -> Result<Self> {
        let bus = Connection::system().await.context("cannot connect to the system bus")?;
        Ok(Self { bus, volume: VolumeMount::new(volume, driver), name: OnceLock::new() })
    }

    async fn job(&self, unit: &str, job: Job) -> Result<()> {
        finished(&self.bus, unit, job).await
    }

    /// Kills those of a unit's processes that there are.
    async fn kill(&self, unit: &str, whom: &str) -> Result<()> {
        let killed = SystemdProxy::new(&self.bus).await?.kill_unit(unit, whom, SIGKILL).await;
        if let Err(error) = killed {
            tracing::debug!("{unit} has no process to kill: {error}");
        }
        Ok(())
    }
}

/// Starts a unit that ends by itself, and waits until it has.
pub(crate) async fn run(unit: &str) -> Result<()> {
    let bus = Connection::system().await.context("cannot connect to the system bus")?;
    finished(&bus, unit, Job::Start).await
}

/// Queues a job and waits for its result, by systemd's signal. It is sent to
/// whoever queued the job; who subscribes, as the manual advises, is told of every
/// change of every unit instead, which costs PID 1 seconds of a boot.
async fn finished(bus: &Connection, unit: &str, job: Job) -> Result<()> {
    let systemd = SystemdProxy::new(bus).await?;
    // Subscribed before the job exists, so that its end cannot be missed.
    let mut removed = systemd.receive_job_removed().await?;
    let path = match job {
        Job::Start => systemd.start_unit(unit, "replace").await,
        Job::Stop => systemd.stop_unit(unit, "replace").await,
        Job::Restart => systemd.restart_unit(unit, "replace").await,
        Job::TryRestart => systemd.try_restart_unit(unit, "replace").await,
    }
    .with_context(|| format!("systemd refuses a job for {unit}"))?;
    let end = async {
        while let Some(signal) = removed.next().await {
            let args = signal.args()?;
            if args.job == path {
                return Ok(args.result.clone());
            }
        }
        Err(anyhow!("the system bus went away"))
    };
    let result = tokio::time::timeout(JOB_PATIENCE, end)
        .await
        .map_err(|_| anyhow!("{unit} is not done after {} s", JOB_PATIENCE.as_secs()))??;
    match result.as_str() {
        "done" | "skipped" => Ok(()),
        other => bail!("{unit}: systemd's job ended as `{other}`; see `journalctl -u {unit}`"),
    }
}

impl Host for Machine {
    async fn start(&self, unit: &str) -> Result<()> {
        self.job(unit, Job::Start).await
    }

    async fn stop(&self, unit: &str) -> Result<()> {
        self.job(unit, Job::Stop).await
    }

    async fn restart_if_running(&self, unit: &str) -> Result<()> {
        self.job(unit, Job::TryRestart).await
    }

    async fn kill_and_start(&self, unit: &str) -> Result<()> {
        // Its children go on, as they do when the process crashes by itself.
        self.kill(unit, "main").await?;
        self.job(unit, Job::Restart).await
    }

    async fn kill_all(&self, unit: &str) -> Result<()> {
        self.kill(unit, "all").await
    }

    async fn hang_up(&self, unit: &str) -> Result<()> {
        let told = SystemdProxy::new(&self.bus).await?.kill_unit(unit, "all", SIGHUP).await;
        told.with_context(|| format!("{unit} cannot be told to read its configuration again"))
    }

    async fn unit(&self, unit: &str) -> Result<UnitState> {
        let path = SystemdProxy::new(&self.bus).await?.load_unit(unit).await?;
        // Read uncached: the agent asks for a few units every few seconds, and a
        // cache would hold a signal subscription for each.
        let reply = self
            .bus
            .call_method(
                Some("org.freedesktop.systemd1"),
                &path,
                Some("org.freedesktop.DBus.Properties"),
                "Get",
                &("org.freedesktop.systemd1.Unit", "ActiveState"),
            )
            .await
            .with_context(|| format!("cannot ask systemd for {unit}"))?;
        let state: OwnedValue = reply.body().deserialize()?;
        Ok(match <&str>::try_from(&*state)? {
            "active" | "reloading" | "refreshing" => UnitState::Active,
            "activating" => UnitState::Starting,
            "failed" => UnitState::Failed,
            _ => UnitState::Inactive,
        })
    }

    async fn is_named(&self, name: &str) -> Result<bool> {
        // Asked of hostnamed, because the agent's sandbox has a UTS namespace of
        // its own; and only until it holds, because hostnamed starts for each
        // question.
        if self.name.get().is_some_and(|known| known == name) {
            return Ok(true);
        }
        let now = HostnameProxy::new(&self.bus).await?.name().await?;
        if now == name {
            let _ = self.name.set(now);
            return Ok(true);
        }
        Ok(false)
    }

    async fn set_hostname(&self, name: &str) -> Result<()> {
        let hostname = HostnameProxy::new(&self.bus).await?;
        // The static name lands in the volatile /etc and so lasts for this boot;
        // the transient one is what the kernel and the engine report.
        hostname
            .set_static_hostname(name, false)
            .await
            .with_context(|| format!("cannot set the host name to {name}"))?;
        hostname
            .set_hostname(name, false)
            .await
            .with_context(|| format!("cannot set the host name to {name}"))
    }

    async fn reload_network(&self) -> Result<()> {
        NetworkProxy::new(&self.bus)
            .await?
            .reload()
            .await
            .context("networkd does not reload its configuration")
    }

    async fn links(&self) -> Result<Vec<Link>> {
        links::wired()
    }

    async fn link_of(&self, address: IpAddr) -> Result<Option<String>> {
        links::link_of(address)
    }

    async fn gateways(&self) -> Result<Vec<(IpAddr, String)>> {
        links::gateways()
    }

    async fn answers(&self, address: IpAddr, link: &str) -> Result<bool> {
        links::answers(address, link).await
    }

    async fn volume(&self) -> Mount {
        self.volume.ask().await
    }

    async fn userspace_started(&self) -> Option<f64> {
        let systemd = SystemdProxy::new(&self.bus).await.ok()?;
        let micros = systemd.userspace_timestamp_monotonic().await.ok()?;
        Some(Duration::from_micros(micros).as_secs_f64())
    }
}
