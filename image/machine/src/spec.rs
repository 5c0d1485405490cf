//! What a new cluster shall be.

use super::{Accelerator, Backend, Error, Result};
use ashlar_site::Site;
use std::path::PathBuf;

/// A cluster to be made.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Back end.
    pub backend: Backend,
    /// Name, unique on this host.
    pub name: String,
    /// How many nodes.
    pub nodes: u16,
    /// VM: a disk image, raw, qcow2 or vmdk, or an ISO, which without a site is put into
    /// a drive. Lab: an erofs root image, or a root tree.
    pub image: PathBuf,
    /// The site file that each node gets; without one nodes stay alone.
    pub site: Option<PathBuf>,
    /// VM: memory of a node in MiB.
    pub memory_mib: u32,
    /// VM: virtual processors of a node; by default 2 with KVM, 1 without.
    pub cpus: Option<u16>,
    /// VM: size of a node's disk in GiB.
    pub disk_gib: u32,
    /// Lab: size of a node's data partition in GiB; without one it is a directory of the
    /// host's.
    pub data_gib: Option<u32>,
    /// VM: by default KVM where a probe guest has run with it.
    pub accelerator: Option<Accelerator>,
}

impl Spec {
    /// Three nodes with what a retail node needs.
    #[must_use]
    pub fn new(backend: Backend, name: &str, image: PathBuf) -> Self {
        Self {
            backend,
            name: name.to_owned(),
            nodes: 3,
            image,
            site: None,
            memory_mib: 1536,
            cpus: None,
            disk_gib: 16,
            data_gib: None,
            accelerator: None,
        }
    }

    /// Refuses what cannot be, before anything is made.
    pub fn check(&self) -> Result<()> {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let sound = self.name.starts_with(|c: char| c.is_ascii_lowercase())
            && self.name.len() <= 24
            && self.name.chars().all(letters);
        if !sound {
            return Err(Error::Name { name: self.name.clone() });
        }
        if !(1..=99).contains(&self.nodes) {
            return Err(Error::Nodes { nodes: self.nodes });
        }
        if !self.image.exists() {
            return Err(Error::NoFile {
                what: "the image",
                path: self.image.clone(),
                help: "`ashlar build` makes one; --image PATH names another".to_owned(),
            });
        }
        if let Some(site) = self.site.as_ref().filter(|site| !site.exists()) {
            return Err(Error::NoFile {
                what: "the site",
                path: site.clone(),
                help: "`ashlar site new NAME` makes one".to_owned(),
            });
        }
        if let Some(site) = &self.site {
            Site::load(site).map_err(Error::Site)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Accelerator, Backend, Spec};

    #[test]
    fn a_word_that_is_none_is_told_with_those_that_are() {
        assert_eq!("lab".parse(), Ok(Backend::Lab));
        let error = "quick".parse::<Accelerator>().unwrap_err();
        assert_eq!(error.to_string(), "`quick` is none of: kvm, tcg");
    }

    #[test]
    fn a_name_that_could_leave_its_directory_is_refused() {
        for name in ["", "../x", "a/b", "A", "1a", "a b", "abcdefghijklmnopqrstuvwxy"] {
            let spec = Spec::new(Backend::Vm, name, "/".into());
            assert!(spec.check().is_err(), "{name:?}");
        }
        assert!(Spec::new(Backend::Vm, "shop-1", "/".into()).check().is_ok());
    }

    #[test]
    fn a_site_that_no_node_could_use_is_refused_before_anything_is_made() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "version = 1\nname = \"a\"\nring-key = \"c2hvcnQ=\"\n").unwrap();
        let mut spec = Spec::new(Backend::Vm, "a", "/".into());
        spec.site = Some(file.path().to_owned());
        assert!(spec.check().unwrap_err().to_string().contains("32 bytes"));
    }

    #[test]
    fn a_missing_image_is_named_before_anything_is_made() {
        let error = Spec::new(Backend::Vm, "a", "/no/such.raw".into()).check().unwrap_err();
        assert!(error.to_string().contains("/no/such.raw"));
    }
}
