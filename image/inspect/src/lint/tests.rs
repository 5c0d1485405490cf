use super::{Budgets, Finding, Secret, Status, Subject, SubjectOptions, checks, run};
use crate::Package;
use ashlar_sandbox::Sandbox;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
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
fn a_ring_key_is_found_in_a_file_whatever_its_form() {
    let key = *b"a ring key of thirty-two bytes..";
    assert_eq!(Image::good().finds("site-secrets").0, Status::Skipped, "nothing to search for");
    Image::good().key(key).passes("site-secrets");
    let forms = [key.to_vec(), BASE64_STANDARD.encode(key).into_bytes(), hex::encode(key).into()];
    for form in forms {
        let text = [b"padding ".as_slice(), &form, b" more"].concat();
        let image = Image::good().key(key).file("/usr/share/x", text);
        let (_, found) = image.finds("site-secrets");
        assert_eq!(found[0].place, "/usr/share/x");
        assert!(!found[0].message.contains(&hex::encode(key)), "a finding shows no secret");
    }
}

#[test]
fn a_site_on_the_seed_or_the_boot_partition_is_found() {
    let key = [0xa7; 32];
    let image = Image::good().key(key);
    let text = BASE64_STANDARD.encode(key);
    for label in ["seed", "esp"] {
        image.disk(|at, directory| {
            if at == label {
                directory.create_file("site.toml").unwrap().write_all(text.as_bytes()).unwrap();
            }
        });
        image.fails("site-secrets", &[label]);
    }
    image.passes("seed-empty");
}

#[test]
fn a_seed_with_any_file_is_refused() {
    let image = Image::good();
    image.disk(|at, directory| {
        if at == "seed" {
            directory.create_file("site.toml").unwrap();
        }
    });
    image.fails("seed-empty", &["seed"]);
}

#[test]
fn a_private_key_of_a_site_is_found_by_its_lines() {
    let line = "Q".repeat(64);
    let pem = format!("-----BEGIN PRIVATE KEY-----\nMIGH\n{line}\n-----END PRIVATE KEY-----\n");
    let mut image = Image::good().file("/usr/lib/x", format!("x{line}x"));
    image.pem = Some(pem.clone());
    image.fails("site-secrets", &["/usr/lib/x"]);
    Image::good().file("/etc/key.pem", &pem).fails("private-keys", &["/etc/key.pem"]);
}

#[test]
fn what_belongs_to_one_node_is_refused() {
    let image = Image::good()
        .file("/etc/ssh/ssh_host_ed25519_key", "x")
        .file("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    image.fails("ssh-host-keys", &["/etc/ssh/ssh_host_ed25519_key"]);
    image.fails("machine-id", &["/etc/machine-id"]);
    Image::good().file("/etc/machine-id", "uninitialized\n").passes("machine-id");
    Image::good().without("/etc/machine-id").fails("machine-id", &["/etc/machine-id"]);
}

#[test]
fn an_account_with_a_password_or_without_one_is_refused() {
    Image::good().file("/etc/shadow", "root::1:::::\n").fails("password-hashes", &["/etc/shadow"]);
    let image = Image::good().file("/etc/shadow", "root:$y$j9T$x:1:::::\n");
    image.fails("password-hashes", &["/etc/shadow"]);
    let shown = image.finds("password-hashes").1;
    assert!(!shown[0].message.contains("$y$"), "a finding shows no hash");
}

#[test]
fn files_that_anybody_may_write_are_refused_and_sticky_directories_are_not() {
    let image = Image::good()
        .file("/usr/a", "")
        .mode("/usr/a", 0o666)
        .file("/usr/open/x", "")
        .mode("/usr/open", 0o777)
        .file("/tmp/.keep", "")
        .mode("/tmp", 0o1777)
        .link("/usr/link", "a");
    image.fails("world-writable", &["/usr/a", "/usr/open"]);
}

#[test]
fn setuid_files_pass_by_name_only() {
    let image = Image::good()
        .file("/usr/bin/su", "")
        .mode("/usr/bin/su", 0o4755)
        .file("/usr/bin/rootme", "")
        .mode("/usr/bin/rootme", 0o2755);
    image.fails("setuid", &["/usr/bin/rootme"]);
}

#[test]
fn a_link_to_a_unit_that_is_not_there_is_refused_and_a_mask_is_not() {
    let wants = "/etc/systemd/system/multi-user.target.wants";
    let image = Image::good()
        .file("/usr/lib/systemd/system/good.service", "")
        .link(&format!("{wants}/good.service"), "/usr/lib/systemd/system/good.service")
        .link(&format!("{wants}/gone.service"), "/usr/lib/systemd/system/gone.service")
        .link("/etc/systemd/system/masked.service", "/dev/null");
    image.fails("dangling-units", &[&format!("{wants}/gone.service")]);
}

#[test]
fn a_socket_on_the_network_counts_only_when_something_wants_it() {
    let socket = "[Socket]\nListenStream=22\n";
    let image = Image::good().file("/usr/lib/systemd/system/ssh.socket", socket);
    image.passes("network-sockets");
    let image = image.link("/etc/systemd/system/sockets.target.wants/ssh.socket", "x");
    image.fails("network-sockets", &["ssh.socket"]);
}

#[test]
fn what_the_build_leaves_behind_is_refused() {
    let image = Image::good()
        .file("/var/cache/ldconfig/aux-cache", "")
        .file("/var/log/dpkg.log", "")
        .file("/etc/shadow-", "");
    let places = ["/etc/shadow-", "/var/cache/ldconfig/aux-cache", "/var/log/dpkg.log"];
    image.fails("build-leftovers", &places);
    image.fails("var-empty", &places[1..]);
}

#[test]
fn a_package_without_its_licence_is_told() {
    let image = Image::good().without("/usr/share/doc/a/copyright");
    image.fails("licences-kept", &["/usr/share/doc/a/copyright"]);
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
    with(r#"{"components":[]}"#).fails("bill-of-materials", &["/usr/bin/till", "a"]);
}

#[test]
fn a_program_that_names_its_builders_home_is_refused() {
    let image = Image::good().file("/usr/bin/ashlar-agent", "\0/home/ann/.cargo/x.rs\0");
    image.fails("build-paths", &["/usr/bin/ashlar-agent"]);
    Image::good().file("/usr/bin/ashlar-agent", "/build/agent/x.rs").passes("build-paths");
}

#[test]
fn a_program_that_the_roots_libc_cannot_start_is_refused() {
    // This test is a program that was linked against a libc that is not there.
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let image = Image::good().file("/usr/bin/ashlar-agent", own);
    let (status, found) = image.finds("libc-symbols");
    assert_eq!(status, Status::Failed);
    assert!(found.iter().any(|f| f.message == "libc.so.6 is not in the root"), "{found:?}");
    let here = std::fs::read("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2").unwrap();
    let image = image.file("/usr/lib/x86_64-linux-gnu/libc.so.6", here);
    let (_, found) = image.finds("libc-symbols");
    assert!(found.iter().any(|f| f.message.contains("which the root's libc.so.6 has not")));
}
