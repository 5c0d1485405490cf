use super::{Finding, Status, Subject, SubjectOptions, checks, run};
use ashlar_recipe::{BudgetSettings, Size};
use ashlar_sandbox::Sandbox;
use ashlar_site::{RingKey, Site, SiteOptions};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fs::{File, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

/// An image with an ESP, a seed and a root beside it, all good; a test spoils
/// one thing.
struct Image {
    directory: tempfile::TempDir,
    budget: Option<BudgetSettings>,
}

impl Image {
    fn good() -> Self {
        let image = Self { directory: tempfile::tempdir().unwrap(), budget: None };
        image.disk(|_, _| {});
        std::fs::create_dir_all(image.keys()).unwrap();
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

    fn keys(&self) -> PathBuf {
        self.directory.path().join("keys")
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

    fn budget(mut self, root: Size) -> Self {
        self.budget = Some(BudgetSettings { root: Some(root), uki: None });
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
        let options = SubjectOptions {
            sandbox: Sandbox::host(),
            recipes: None,
            keys: Some(self.keys()),
            budget: self.budget.clone(),
        };
        let image = self.directory.path().join("disk.raw");
        let subject = Subject::made(&image, &self.directory.path().join("root"), options);
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

    fn site(&self, name: &str) -> RingKey {
        let site = Site::generate(name, SiteOptions::default()).unwrap();
        let path = self.keys().join(name).join("site.toml");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        site.create(&path).unwrap();
        site.ring_key
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
    let image = Image::good();
    let key = *image.site("shop").as_bytes();
    image.passes("site-secrets");
    let forms = [key.to_vec(), BASE64_STANDARD.encode(key).into_bytes(), hex::encode(key).into()];
    for form in forms {
        let text = [b"padding ".as_slice(), &form, b" more"].concat();
        let image = Image::good().file("/usr/share/x", text);
        std::fs::remove_dir(image.keys()).unwrap();
        let mut options = image.finds("site-secrets");
        assert_eq!(options.0, Status::Skipped, "no sites, nothing to search for");
        copy_site(&key, &image.keys());
        options = image.finds("site-secrets");
        assert_eq!(options.1[0].place, "/usr/share/x");
        assert!(!options.1[0].message.contains(&hex::encode(key)), "a finding shows no secret");
    }
}

/// Writes a site with this key.
fn copy_site(key: &[u8; 32], keys: &Path) {
    let mut site = Site::generate("shop", SiteOptions::default()).unwrap();
    site.ring_key = RingKey::new(*key);
    std::fs::create_dir_all(keys.join("shop")).unwrap();
    site.create(&keys.join("shop/site.toml")).unwrap();
}

#[test]
fn a_site_on_the_seed_or_the_boot_partition_is_found() {
    let image = Image::good();
    let key = image.site("shop");
    let text = BASE64_STANDARD.encode(key.as_bytes());
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
    let image = Image::good().file("/usr/lib/x", format!("x{line}x"));
    std::fs::write(image.keys().join("signing.key"), &pem).unwrap();
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
    Image::good().budget(Size::bytes(1)).passes("size-budget");
}

#[test]
fn a_disk_without_slots_is_not_consistent() {
    Image::good().fails("slot-consistent", &["esp", "root-a"]);
}
