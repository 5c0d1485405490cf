mod root;
mod secrets;

use super::{Budgets, Finding, Secret, Status, Subject, SubjectOptions, checks, run};
use crate::Package;
use ashlar_sandbox::Sandbox;
use std::fs::{File, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

const MIB: u64 = 1 << 20;

/// An image with an ESP, a seed and a root beside it, all good; a test spoils
/// one thing.
struct Image {
    directory: tempfile::TempDir,
    budgets: Option<Budgets>,
    locked: Option<Vec<Package>>,
    /// The key of a site.
    key: Option<[u8; 32]>,
    /// Other secrets, as text.
    pem: Option<String>,
}

impl Image {
    fn good() -> Self {
        let image = Self {
            directory: tempfile::tempdir().unwrap(),
            budgets: None,
            locked: None,
            key: None,
            pem: None,
        };
        image.disk(|_, _| {});
        image
            .file("/etc/machine-id", "")
            .file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
            .file("/etc/shadow", "root:*:20000:0:99999:7:::\nashlar:!*:20000::::::\n")
            .file("/usr/lib/os-release", "IMAGE_ID=ashlar-test\nIMAGE_VERSION=1\n")
            .file("/usr/lib/ashlar/release.json", r#"{"profile":"test","version":"1"}"#)
            .file(
                "/usr/lib/sysimage/dpkg/status",
                "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
            )
            .file("/usr/share/doc/a/copyright", "free")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join("root").join(path.trim_start_matches('/'))
    }

    fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        let place = self.path(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
        self
    }

    fn link(self, path: &str, target: &str) -> Self {
        let place = self.path(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(target, place).unwrap();
        self
    }

    fn mode(self, path: &str, mode: u32) -> Self {
        std::fs::set_permissions(self.path(path), Permissions::from_mode(mode)).unwrap();
        self
    }

    fn without(self, path: &str) -> Self {
        std::fs::remove_file(self.path(path)).unwrap();
        self
    }

    fn budget(mut self, root: u64) -> Self {
        self.budgets = Some(Budgets { root: Some(root), uki: None });
        self
    }

    fn key(mut self, key: [u8; 32]) -> Self {
        self.key = Some(key);
        self
    }

    fn locked(mut self, packages: &[(&str, &str)]) -> Self {
        let package = |(name, version): &(&str, &str)| Package {
            name: (*name).into(),
            version: (*version).into(),
            architecture: "all".into(),
            source: None,
        };
        self.locked = Some(packages.iter().map(package).collect());
        self
    }

    /// Makes the disk; `fill` puts more into one of its FAT partitions.
    fn disk(&self, fill: impl Fn(&str, &fatfs::Dir<'_, std::io::Cursor<&mut [u8]>>)) {
        let path = self.directory.path().join("disk.raw");
        let mut file =
            File::options().create(true).truncate(true).read(true).write(true).open(path).unwrap();
        file.set_len(24 * MIB).unwrap();
        gpt::mbr::ProtectiveMBR::with_lb_size(48 * 1024 - 1).overwrite_lba0(&mut file).unwrap();
        let mut table =
            gpt::GptConfig::new().writable(true).create_from_device(&mut file, None).unwrap();
        let types = [gpt::partition_types::EFI, gpt::partition_types::LINUX_FS];
        let mut starts = Vec::new();
        for (label, kind) in ["esp", "seed"].into_iter().zip(types) {
            let id = table.add_partition(label, 4 * MIB, kind, 0, None).unwrap();
            let start = table.partitions()[&id].bytes_start(*table.logical_block_size()).unwrap();
            starts.push((label, start));
        }
        table.write().unwrap();
        for (label, start) in starts {
            let mut bytes = vec![0; 4 * MIB as usize];
            let device = || fatfs::FormatVolumeOptions::new();
            fatfs::format_volume(std::io::Cursor::new(&mut bytes[..]), device()).unwrap();
            let volume = std::io::Cursor::new(&mut bytes[..]);
            let volume = fatfs::FileSystem::new(volume, fatfs::FsOptions::new()).unwrap();
            fill(label, &volume.root_dir());
            volume.unmount().unwrap();
            file.seek(SeekFrom::Start(start)).unwrap();
            file.write_all(&bytes).unwrap();
        }
    }

    /// What one check finds.
    #[track_caller]
    fn finds(&self, name: &str) -> (Status, Vec<Finding>) {
        let key = self.key.iter().flat_map(|key| Secret::key(key, "the ring key"));
        let pem = self.pem.iter().flat_map(|pem| Secret::private_key(pem.as_bytes(), "a key"));
        let options = SubjectOptions {
            sandbox: Sandbox::host(),
            work: self.directory.path().to_owned(),
            exceptions: None,
            secrets: key.chain(pem).collect(),
            budgets: self.budgets,
            locked: self.locked.clone(),
        };
        let image = self.directory.path().join("disk.raw");
        let subject =
            Subject::unpacked(&image, &self.directory.path().join("root"), options).unwrap();
        let check = checks().into_iter().find(|check| check.name == name).unwrap();
        let verdict = run(check, &subject).unwrap();
        (verdict.status, verdict.findings)
    }

    #[track_caller]
    fn fails(&self, name: &str, places: &[&str]) {
        let (status, findings) = self.finds(name);
        let found: Vec<_> = findings.iter().map(|finding| finding.place.as_str()).collect();
        assert_eq!((status, found.as_slice()), (Status::Failed, places), "{findings:?}");
    }

    #[track_caller]
    fn passes(&self, name: &str) {
        assert_eq!(self.finds(name), (Status::Passed, Vec::new()));
    }
}

#[test]
fn every_check_has_a_name_of_its_own_and_says_why() {
    let all = checks();
    let mut names: Vec<_> = all.iter().map(|check| check.name).collect();
    names.dedup();
    assert_eq!(names.len(), all.len());
    for check in all {
        assert!(check.explanation.len() > 60, "{}", check.name);
        assert!(check.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", check.name);
    }
}

#[test]
fn a_good_root_passes_all_checks_of_files_and_secrets() {
    let image = Image::good();
    for name in [
        "build-leftovers",
        "dangling-units",
        "file-capabilities",
        "licences-kept",
        "machine-id",
        "network-sockets",
        "os-release",
        "password-hashes",
        "private-keys",
        "root-intact",
        "seed-empty",
        "setuid",
        "ssh-host-keys",
        "var-empty",
        "world-writable",
    ] {
        image.passes(name);
    }
}

#[test]
fn an_image_without_a_name_is_refused() {
    let image = Image::good().file("/usr/lib/os-release", "ID=debian\nIMAGE_ID=\n");
    image.fails("os-release", &["/usr/lib/os-release", "/usr/lib/os-release"]);
}

#[test]
fn budgets_are_skipped_without_a_recipe_and_held_with_one() {
    assert_eq!(Image::good().finds("size-budget").0, Status::Skipped);
    // This disk has no root, which takes nothing.
    Image::good().budget(1).passes("size-budget");
}

#[test]
fn a_disk_without_slots_is_not_consistent() {
    Image::good().fails("slot-consistent", &["esp", "root-a"]);
}

#[test]
fn a_package_that_came_or_went_unseen_is_named() {
    Image::good().locked(&[("a", "1")]).passes("packages-locked");
    Image::good().locked(&[("a", "1"), ("lost", "1")]).fails("packages-locked", &["lost"]);
    Image::good().locked(&[]).fails("packages-locked", &["a"]);
    Image::good().locked(&[("a", "2")]).fails("packages-locked", &["a"]);
    assert_eq!(Image::good().finds("packages-locked").0, Status::Skipped);
}

#[test]
fn what_no_package_brought_must_stand_in_the_bill_of_materials() {
    let bill = |paths: &[&str]| {
        let mut components = vec![serde_json::json!({
            "name": "a", "version": "1", "purl": "pkg:deb/debian/a@1?arch=all&distro=debian-trixie",
        })];
        components.extend(paths.iter().map(
            |path| serde_json::json!({ "properties": [{ "name": "ashlar:path", "value": path }] }),
        ));
        serde_json::json!({ "components": components }).to_string()
    };
    let image = || {
        Image::good()
            .file("/usr/bin/packaged", "#!/bin/sh\n")
            .file("/usr/lib/sysimage/dpkg/info/a.list", "/.\n/bin/packaged\n")
            .file("/usr/bin/till", "#!/bin/sh\n")
            .file("/usr/share/till.txt", "no program")
    };
    let with = |text: &str| {
        let image = image();
        std::fs::write(image.directory.path().join("x.cdx.json"), text).unwrap();
        image
    };
    assert_eq!(image().finds("bill-of-materials").0, Status::Skipped);
    with(&bill(&["/usr/bin/till"])).passes("bill-of-materials");
    with(&bill(&[])).fails("bill-of-materials", &["/usr/bin/till"]);
    // A program of ours tells of its crates by the places of its panics.
    let agent = "\x7fELF /run/cargo/registry/src/index.crates.io-19/tokio-1.48.0/src/lib.rs\0";
    let with_agent = |krate: Option<&str>| {
        let mut bill: serde_json::Value =
            serde_json::from_str(&bill(&["/usr/bin/till", "/usr/bin/ashlar-agent"])).unwrap();
        bill["components"].as_array_mut().unwrap().extend(krate.map(|version| {
            let purl = format!("pkg:cargo/tokio@{version}");
            serde_json::json!({ "name": "tokio", "version": version, "purl": purl })
        }));
        with(&bill.to_string()).file("/usr/bin/ashlar-agent", agent)
    };
    with_agent(Some("1.48.0")).passes("bill-of-materials");
    with_agent(Some("1.47.0")).fails("bill-of-materials", &["/usr/bin/ashlar-agent"]);
    with_agent(None).fails("bill-of-materials", &["/usr/bin/ashlar-agent"]);
    with(r#"{"components":[]}"#).fails("bill-of-materials", &["/usr/bin/till", "a"]);
}
