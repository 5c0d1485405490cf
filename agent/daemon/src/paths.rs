//! Where things lie on a node, in one place.

use std::path::{Path, PathBuf};

/// The node's directories; a test builds them under a directory of its own.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    root: PathBuf,
}

impl Paths {
    /// The paths of a real node.
    pub(crate) fn system() -> Self {
        Self::under("/")
    }

    /// The same tree below `root`.
    pub(crate) fn under(root: impl AsRef<Path>) -> Self {
        Self { root: root.as_ref().to_owned() }
    }

    /// Where all of it begins.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What the recipe tells the agent; part of the image.
    pub(crate) fn settings(&self) -> PathBuf {
        self.root.join("usr/lib/ashlar/agent.toml")
    }

    /// Profile and version of the image.
    pub(crate) fn release(&self) -> PathBuf {
        self.root.join("usr/lib/ashlar/release.json")
    }

    /// What the system calls itself.
    pub(crate) fn os_release(&self) -> PathBuf {
        self.root.join("usr/lib/os-release")
    }

    /// Its time is when the release was made; systemd lets no clock be earlier.
    pub(crate) fn clock_epoch(&self) -> PathBuf {
        self.root.join("usr/lib/clock-epoch")
    }

    /// There once a time server has set the clock.
    pub(crate) fn clock_synchronised(&self) -> PathBuf {
        self.root.join("run/systemd/timesync/synchronized")
    }

    /// The machine's own number, as its firmware tells it.
    pub(crate) fn machine_uuid(&self) -> PathBuf {
        self.root.join("sys/class/dmi/id/product_uuid")
    }

    /// The serial number of its main board.
    pub(crate) fn board_serial(&self) -> PathBuf {
        self.root.join("sys/class/dmi/id/board_serial")
    }

    /// The machine's serial number, as its label says.
    pub(crate) fn machine_serial(&self) -> PathBuf {
        self.root.join("sys/class/dmi/id/product_serial")
    }

    /// Compose files of the stacks that the image ships.
    pub(crate) fn stacks(&self) -> PathBuf {
        self.root.join("usr/lib/ashlar/stacks")
    }

    /// The agent's own state, kept over reboots.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("var/lib/ashlar")
    }

    /// The imported site.
    pub(crate) fn site(&self) -> PathBuf {
        self.state().join("site.toml")
    }

    /// The factory reset that was asked for.
    pub(crate) fn reset(&self) -> PathBuf {
        self.state().join("reset.json")
    }

    /// A change of the network that is not kept, or was undone,
    pub(crate) fn network_change(&self) -> PathBuf {
        self.state().join("network-change.json")
    }

    /// and the site that it tries.
    pub(crate) fn network_trial(&self) -> PathBuf {
        self.state().join("network-trial.toml")
    }

    /// How many wrong PINs were typed at the screen since the last right one.
    pub(crate) fn console_tries(&self) -> PathBuf {
        self.state().join("console-tries.json")
    }

    /// Public keys that may log in, from the site; without the file SSH is off.
    pub(crate) fn authorized_keys(&self) -> PathBuf {
        self.state().join("ssh/authorized_keys")
    }

    /// This node's id, name and address.
    pub(crate) fn identity(&self) -> PathBuf {
        self.state().join("identity.json")
    }

    /// The machine that this node was set up on.
    pub(crate) fn machine(&self) -> PathBuf {
        self.state().join("machine.json")
    }

    /// How much is waited for the processor, as the kernel measures it.
    pub(crate) fn cpu_pressure(&self) -> PathBuf {
        self.root.join("proc/pressure/cpu")
    }

    /// Nodes that were struck off the cluster.
    pub(crate) fn struck_off(&self) -> PathBuf {
        self.state().join("struck-off.json")
    }

    /// Certificates of people that count no more, as the site's people CA signed it.
    pub(crate) fn people_revoked(&self) -> PathBuf {
        self.state().join("people-revoked.pem")
    }

    /// The cluster that this node belongs to.
    pub(crate) fn membership(&self) -> PathBuf {
        self.state().join("membership.json")
    }

    /// Certificates and keys.
    pub(crate) fn pki(&self) -> PathBuf {
        self.state().join("pki")
    }

    /// The ring's keyring and snapshot.
    pub(crate) fn ring(&self) -> PathBuf {
        self.state().join("ring")
    }

    /// The ring's keys, the primary one first; the ring rewrites them when they
    /// are changed.
    pub(crate) fn keyring(&self) -> PathBuf {
        self.ring().join("keyring.json")
    }

    /// A key for the ring that was made here, and is not in it yet;
    pub(crate) fn next_ring_key(&self) -> PathBuf {
        self.ring().join("next-key.json")
    }

    /// and the one before the ring's.
    pub(crate) fn former_ring_key(&self) -> PathBuf {
        self.ring().join("former-key.json")
    }

    /// The certificate that the storage daemon read when it was started last.
    pub(crate) fn shown_certificate(&self) -> PathBuf {
        self.run().join("storage-certificate.pem")
    }

    /// What the packet filter reads besides its own rules.
    pub(crate) fn firewall(&self) -> PathBuf {
        self.run().join("firewall")
    }

    /// What is to go onto a stick, and what became of it.
    pub(crate) fn onto_a_stick(&self) -> PathBuf {
        self.root.join("run/ashlar/support")
    }

    /// State of this boot.
    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run/ashlar")
    }

    /// There if state and data are in memory, because the medium cannot be written.
    pub(crate) fn in_memory(&self) -> PathBuf {
        self.run().join("in-memory")
    }

    /// Why the last site that was offered was not taken.
    pub(crate) fn refused_site(&self) -> PathBuf {
        self.run().join("refused-site")
    }

    /// Password of the ring's RPC, for root's shells.
    pub(crate) fn serf_rpc_auth(&self) -> PathBuf {
        self.run().join("serf-rpc-auth")
    }

    /// One file for each phase that holds.
    pub(crate) fn phases(&self) -> PathBuf {
        self.run().join("phase")
    }

    /// Written when somebody asks which copies of the volume lack something,
    pub(crate) fn copies_asked(&self) -> PathBuf {
        self.run().join("copies.asked")
    }

    /// and the answer.
    pub(crate) fn copies(&self) -> PathBuf {
        self.run().join("copies.json")
    }

    /// This node's place in the cluster was given away: written before it sets
    /// anything aside.
    pub(crate) fn retired(&self) -> PathBuf {
        self.state().join("retired.json")
    }

    /// A person took this box out of its cluster: it stays out while this is here.
    pub(crate) fn out(&self) -> PathBuf {
        self.state().join("out.json")
    }

    /// Where the cluster volume is mounted.
    pub(crate) fn volume(&self) -> PathBuf {
        self.root().join("srv/cluster")
    }

    /// This node's cluster dissolves into another one: kept until it belongs to that one.
    pub(crate) fn yields(&self) -> PathBuf {
        self.state().join("yields.json")
    }

    /// That this box of two handed over when it was switched off.
    pub(crate) fn handed_over(&self) -> PathBuf {
        self.state().join("handed-over.json")
    }

    /// The copy of what the Swarm's manager knows.
    pub(crate) fn seat(&self) -> PathBuf {
        self.state().join("seat")
    }

    /// A person's word that the other box of two is gone for good,
    pub(crate) fn left_behind(&self) -> PathBuf {
        self.state().join("left-behind.json")
    }

    /// and how both copies stood when they were last in sight.
    pub(crate) fn both_seen(&self) -> PathBuf {
        self.state().join("both-seen.json")
    }

    /// What the kernel calls this boot.
    pub(crate) fn boot_id(&self) -> PathBuf {
        self.root.join("proc/sys/kernel/random/boot_id")
    }

    /// Containers, images and local volumes,
    pub(crate) fn engine(&self) -> PathBuf {
        self.data().join("docker")
    }

    /// what the engine knows of the Swarm,
    pub(crate) fn engine_swarm(&self) -> PathBuf {
        self.engine().join("swarm")
    }

    /// and what runs its containers.
    pub(crate) fn containerd(&self) -> PathBuf {
        self.data().join("containerd")
    }

    /// The API for this node's own tools.
    pub(crate) fn socket(&self) -> PathBuf {
        self.run().join("agent.sock")
    }

    /// Configuration of networkd that lasts for this boot.
    pub(crate) fn networkd(&self) -> PathBuf {
        self.root.join("run/systemd/network")
    }

    /// What the resolver reads besides its own settings.
    pub(crate) fn resolved(&self) -> PathBuf {
        self.root.join("run/systemd/resolved.conf.d/20-ashlar-site.conf")
    }

    /// What the clock's daemon reads besides its own settings.
    pub(crate) fn timesyncd(&self) -> PathBuf {
        self.root.join("run/systemd/timesyncd.conf.d/20-ashlar-site.conf")
    }

    /// The kernel's list of graphics devices.
    pub(crate) fn graphics(&self) -> PathBuf {
        self.root.join("sys/class/drm")
    }

    /// The container engine's environment.
    pub(crate) fn engine_environment(&self) -> PathBuf {
        self.run().join("engine/environment")
    }

    /// Wireless networks, a file each.
    pub(crate) fn wifi(&self) -> PathBuf {
        self.run().join("iwd")
    }

    /// The keyboard's layout.
    pub(crate) fn keyboard(&self) -> PathBuf {
        self.run().join("keyboard/layout")
    }

    /// The time zone that the machine shows,
    pub(crate) fn timezone(&self) -> PathBuf {
        self.run().join("timezone/zone")
    }

    /// and one of those that there are.
    pub(crate) fn zone(&self, name: &str) -> PathBuf {
        self.root.join("usr/share/zoneinfo").join(name)
    }

    /// What this node did, one line a step.
    pub(crate) fn history(&self) -> PathBuf {
        self.state().join("history.jsonl")
    }

    /// How the data partition stands, if it did not mount,
    pub(crate) fn data_standing(&self) -> PathBuf {
        self.run().join("data.json")
    }

    /// and that it was repaired.
    pub(crate) fn data_repaired(&self) -> PathBuf {
        self.state().join("data-repaired.json")
    }

    /// The data partition.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Bricks, one directory a volume.
    pub(crate) fn bricks(&self) -> PathBuf {
        self.data().join("bricks")
    }

    /// What the storage daemons write about themselves.
    pub(crate) fn storage_logs(&self) -> PathBuf {
        self.root.join("var/log/glusterfs")
    }

    /// Sockets on which bricks and self-heal daemons listen to the storage daemon.
    pub(crate) fn storage_sockets(&self) -> PathBuf {
        self.root.join("run/gluster")
    }

    /// `secure-access` here turns on TLS between storage daemons.
    pub(crate) fn glusterd(&self) -> PathBuf {
        self.root.join("var/lib/glusterd")
    }
}
