//! Making a cluster.

use super::cluster::Cluster;
use super::error::{Doing, Error, Result};
use super::store::{self, NodeRecord, Record};
use super::{Accelerator, Backend, Spec, Store, Tools, lab, vm};
use std::path::Path;

impl Cluster {
    /// Makes a cluster and powers all its nodes on. `report` is told what takes
    /// time. If anything fails, nothing is left behind.
    pub fn up(store: &Store, spec: &Spec, tools: Tools, report: &dyn Fn(&str)) -> Result<Self> {
        let cluster = Self::make(store, spec, tools, report)?;
        report("powering the nodes on");
        let started =
            cluster.record.nodes.iter().try_for_each(|node| cluster.power_on(node).map(drop));
        match started {
            Ok(()) => Ok(cluster),
            Err(error) => {
                cluster.down()?;
                Err(error)
            }
        }
    }

    /// Makes a cluster whose nodes are all off.
    pub fn make(store: &Store, spec: &Spec, tools: Tools, report: &dyn Fn(&str)) -> Result<Self> {
        spec.check()?;
        if spec.backend == Backend::Lab {
            lab::check_host()?;
        }
        let dir = store.dir(&spec.name);
        let _lock = store::cluster_lock(&dir, false)?;
        if let Some(existing) = store.record(&spec.name)? {
            let existing = Self { dir: dir.clone(), record: existing, tools: tools.clone() };
            if existing.nodes().iter().any(|node| node.on) {
                let (backend, name) = (existing.record.backend, existing.record.name);
                return Err(Error::AlreadyUp { backend, name });
            }
            report("removing what is left of an earlier cluster of that name");
            existing.remove()?;
        }
        if dir.exists() {
            // Left by a process that died while it made a cluster.
            lab::discard(&dir)?;
            std::fs::remove_dir_all(&dir).doing("removing", &dir)?;
        }
        store::private_dir(&dir)?;
        let made = Self::fill(store, spec, &dir, tools, report);
        if made.is_err() {
            // The first error is the one to tell.
            let _ = lab::discard(&dir);
            let _ = std::fs::remove_dir_all(&dir);
        }
        made
    }

    fn fill(
        store: &Store,
        spec: &Spec,
        dir: &Path,
        tools: Tools,
        report: &dyn Fn(&str),
    ) -> Result<Self> {
        let image = std::fs::canonicalize(&spec.image).doing("resolving", &spec.image)?;
        let spec = &Spec { image, ..spec.clone() };
        let (base, port, accelerator) = match spec.backend {
            Backend::Vm => {
                let accelerator = match spec.accelerator {
                    Some(accelerator) => accelerator,
                    None => vm::accelerator(&spec.image, &store.host_facts(), &tools, report)?,
                };
                report("copying the image and writing the site into it");
                (vm::base(spec, dir)?, vm::free_port(store)?, Some(accelerator))
            }
            Backend::Lab => {
                report("opening the root image");
                (lab::root(spec, dir, &tools)?, 0, None)
            }
        };
        // A VM has it on its disk, unless the image itself is that.
        let unwritten = spec.backend == Backend::Lab || base == spec.image;
        let site = match &spec.site {
            Some(site) if unwritten => Some(store::keep_site(site, dir)?),
            _ => None,
        };
        let default_cpus = if accelerator == Some(Accelerator::Kvm) { 2 } else { 1 };
        let record = Record {
            backend: spec.backend,
            name: spec.name.clone(),
            image: spec.image.clone(),
            base,
            site,
            nodes: (1..=spec.nodes).map(|number| node(&spec.name, number)).collect(),
            port,
            memory_mib: spec.memory_mib,
            cpus: spec.cpus.unwrap_or(default_cpus),
            accelerator,
        };
        let cluster = Self { dir: dir.to_owned(), record, tools };
        report("making the nodes' disks");
        for node in &cluster.record.nodes {
            match cluster.record.backend {
                Backend::Vm => cluster.vm().prepare(node, spec.disk_gib)?,
                Backend::Lab => cluster.lab().prepare(node, spec.data_gib)?,
            }
        }
        store::save(&dir.join("cluster.json"), &cluster.record)?;
        store::save(&dir.join("tools.json"), &cluster.tools)?;
        Ok(cluster)
    }
}

/// A node of a new cluster. MAC addresses follow from the cluster's name, so
/// that a site may name them.
fn node(cluster: &str, number: u16) -> NodeRecord {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(cluster.as_bytes());
    NodeRecord {
        name: format!("node{number}"),
        mac: format!("52:54:00:{:02x}:{:02x}:{number:02x}", hash[0], hash[1]),
        uuid: uuid::Uuid::new_v4().to_string(),
    }
}
