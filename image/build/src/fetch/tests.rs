//! An archive that moves on, by a server of the test's own.

use super::*;
use crate::events::Silent;
use crate::files;
use crate::test_archive::{Server, deb};
use crate::vendor::{Filling, check_vendored};
use std::collections::BTreeMap;

/// Three packages in an archive, locked, and a cache that has none of them.
struct Moving {
    directory: tempfile::TempDir,
    server: Server,
    lock: Lock,
    bytes: BTreeMap<String, Vec<u8>>,
}

/// A cache whose directories are there, as they are once a build holds it.
fn opened(path: &Path) -> Store {
    let store = Store::open(Some(path)).unwrap();
    store.lock(&Silent).unwrap();
    store
}

const DATE: &str = "2026-01-10T08:17:31Z";
/// Twelve hours after the lock.
const DATED: &str = "/dated/20260110T201731Z";

impl Moving {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start();
        let (mut packages, mut bytes) = (Vec::new(), BTreeMap::new());
        for (name, version) in [("alpha", "1.0"), ("beta", "2.0+b1"), ("gamma", "3.0")] {
            let path = deb(directory.path(), name, version);
            let content = std::fs::read(&path).unwrap();
            let filename = format!("pool/main/{name}_{version}_all.deb");
            server.put(&format!("/debian/{filename}"), &content);
            packages.push(LockedPackage {
                name: name.into(),
                architecture: "all".into(),
                version: version.into(),
                source: name.into(),
                source_version: version.into(),
                archive: Some("debian".into()),
                suite: Some("trixie".into()),
                component: Some("main".into()),
                filename,
                size: content.len() as u64,
                sha256: digest::file(&path).unwrap(),
            });
            bytes.insert(name.to_owned(), content);
        }
        let lock = Lock {
            version: Lock::VERSION,
            inputs: String::new(),
            archives: vec![LockedArchive {
                name: "debian".into(),
                suite: "trixie".into(),
                url: server.url("/debian"),
                components: vec!["main".into()],
                date: DATE.into(),
                keys: Vec::new(),
            }],
            packages,
        };
        Self { directory, server, lock, bytes }
    }

    /// The archive, with places to ask when it has something no more.
    fn archive(&self, mirrors: &[&str], snapshot: Option<&str>) -> Archive {
        Archive {
            name: "debian".into(),
            url: self.server.url("/debian"),
            suites: vec!["trixie".into()],
            components: vec!["main".into()],
            mirrors: mirrors.iter().map(|path| self.server.url(path)).collect(),
            snapshot: snapshot.map(|path| self.server.url(path)),
            key: None,
            pin: None,
            check_valid_until: true,
        }
    }

    fn store(&self, name: &str) -> Store {
        opened(&self.directory.path().join(name))
    }

    fn package(&self, name: &str) -> &LockedPackage {
        self.lock.packages.iter().find(|package| package.name == name).unwrap()
    }

    fn path(&self, name: &str) -> String {
        format!("/{}", self.package(name).filename)
    }

    fn leaves_the_archive(&self, name: &str) {
        self.server.remove(&format!("/debian{}", self.path(name)));
    }

    fn fetch(&self, store: &Store, archive: Archive) -> Vec<Lost> {
        self.fetch_through(&Proxies::default(), store, archive)
    }

    fn fetch_through(&self, proxies: &Proxies, store: &Store, archive: Archive) -> Vec<Lost> {
        let archives = [archive];
        let places = Places { vendor: None, recipes: Path::new("/none"), archives: &archives };
        fetch_through(proxies, &places, store, &self.lock, &Silent).unwrap()
    }

    /// Every package is in the cache, byte for byte.
    fn is_whole(&self, store: &Store) {
        for package in &self.lock.packages {
            let cached = std::fs::read(store.deb(&package.sha256)).unwrap();
            assert!(cached == self.bytes[&package.name], "{} differs", package.name);
        }
        let left = files::children(&store.root().join("debs")).unwrap();
        assert_eq!(left.len(), self.lock.packages.len(), "{left:?}");
    }
}

#[test]
fn the_archive_moves_on_and_a_mirror_gives_the_same_bytes() {
    let moving = Moving::new();
    moving.leaves_the_archive("beta");
    moving.server.put(&format!("/mirror{}", moving.path("beta")), &moving.bytes["beta"]);
    let store = moving.store("cache");
    let archive = moving.archive(&["/mirror"], None);
    assert!(moving.fetch(&store, archive).is_empty());
    moving.is_whole(&store);
}

#[test]
fn the_archive_moves_on_and_the_dated_archive_gives_the_same_bytes() {
    let moving = Moving::new();
    for (name, place) in [("alpha", "/dated/20260110T081731Z"), ("beta", DATED)] {
        moving.leaves_the_archive(name);
        moving.server.put(&format!("{place}{}", moving.path(name)), &moving.bytes[name]);
    }
    let store = moving.store("cache");
    let archive = moving.archive(&["/mirror-that-moved-too"], Some("/dated/{date}"));
    assert!(moving.fetch(&store, archive).is_empty());
    moving.is_whole(&store);
}

#[test]
fn a_store_of_packages_by_their_hash_is_asked_by_hash() {
    let moving = Moving::new();
    moving.leaves_the_archive("gamma");
    let sum = &moving.package("gamma").sha256;
    moving.server.put(&format!("/by-hash/{sum}"), &moving.bytes["gamma"]);
    let store = moving.store("cache");
    assert!(moving.fetch(&store, moving.archive(&[], Some("/by-hash/{sha256}"))).is_empty());
    moving.is_whole(&store);
}

#[test]
fn what_no_place_has_is_refused_and_every_package_is_named() {
    let moving = Moving::new();
    moving.leaves_the_archive("alpha");
    moving.leaves_the_archive("gamma");
    let store = moving.store("cache");
    let lost = moving.fetch(&store, moving.archive(&["/mirror"], Some("/dated/{date}")));
    assert!(lost.iter().all(|lost| lost.gone));
    let error = refusal("shop", &lost, None, String::new()).to_string();
    for told in ["alpha 1.0", "gamma 3.0", "/mirror/pool", DATED, "404"] {
        assert!(error.contains(told), "{told}: {error}");
    }
    assert!(!error.contains("beta"), "{error}");
    // What was to be had is kept.
    assert_eq!(missing(&moving.lock, &store).len(), 2);
}

#[test]
fn a_network_that_is_down_is_not_taken_for_an_archive_that_moved() {
    let moving = Moving::new();
    let archive = moving.archive(&[], None);
    let Moving { server, directory, lock, .. } = moving;
    drop(server);
    let store = opened(&directory.path().join("cache"));
    let archives = [archive];
    let places = Places { vendor: None, recipes: Path::new("/none"), archives: &archives };
    let lost = fetch_through(&Proxies::default(), &places, &store, &lock, &Silent).unwrap();
    assert_eq!(lost.len(), 3);
    let error = refusal("shop", &lost, None, String::new());
    assert!(matches!(error, BuildError::OutOfReach { .. }), "{error}");
    for name in ["alpha", "beta", "gamma"] {
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_truncated_or_garbled_package_is_noticed_and_the_next_place_is_asked() {
    let moving = Moving::new();
    let (alpha, beta, gamma) =
        (&moving.bytes["alpha"], &moving.bytes["beta"], &moving.bytes["gamma"]);
    let mut garbled = beta.clone();
    garbled[1000] ^= 1;
    let longer = [&gamma[..], b"more"].concat();
    for (name, bytes) in [("alpha", &alpha[..5000]), ("beta", &garbled), ("gamma", &longer)] {
        moving.server.put(&format!("/debian{}", moving.path(name)), bytes);
        moving.server.put(&format!("/mirror{}", moving.path(name)), &moving.bytes[name]);
    }
    let refused = moving.fetch(&moving.store("alone"), moving.archive(&[], None));
    assert_eq!(refused.len(), 3);
    assert!(refused[0].to_string().contains("size or SHA-256"), "{}", refused[0]);
    let store = moving.store("cache");
    assert!(moving.fetch(&store, moving.archive(&["/mirror"], None)).is_empty());
    moving.is_whole(&store);
}

#[test]
fn a_broken_connection_goes_on_from_where_it_broke() {
    let moving = Moving::new();
    let store = moving.store("cache");
    moving.server.breaks_the_next_answer();
    assert!(moving.fetch(&store, moving.archive(&[], None)).is_empty());
    moving.is_whole(&store);
    let ranges: Vec<_> = moving
        .server
        .asked()
        .into_iter()
        .filter_map(|it| it.headers.get("range").cloned())
        .collect();
    assert_eq!(ranges.len(), 1, "{ranges:?}");
    assert_ne!(ranges[0], "bytes=0-");
}

#[test]
fn what_a_killed_build_left_half_fetched_is_gone_on_with_or_thrown_away() {
    let moving = Moving::new();
    let store = moving.store("cache");
    let part = |name: &str| store.deb(&moving.package(name).sha256).with_extension("part");
    std::fs::write(part("alpha"), &moving.bytes["alpha"][..9000]).unwrap();
    std::fs::write(part("beta"), vec![0; 9000]).unwrap();
    assert!(moving.fetch(&store, moving.archive(&[], None)).is_empty());
    moving.is_whole(&store);
}

#[test]
fn a_package_that_was_damaged_in_the_cache_is_not_linked_and_is_fetched_anew() {
    let moving = Moving::new();
    let store = moving.store("cache");
    moving.fetch(&store, moving.archive(&[], None));
    let package = moving.package("beta");
    let cached = store.deb(&package.sha256);
    let mut bytes = std::fs::read(&cached).unwrap();
    bytes[70_000] ^= 0x10;
    std::fs::write(&cached, bytes).unwrap();
    let to = moving.directory.path().join("linked.deb");
    let error = link(&store, package, &to).unwrap_err();
    assert!(error.to_string().contains("the package beta 2.0+b1 was damaged"), "{error}");
    assert!(!to.exists());
    assert!(moving.fetch(&store, moving.archive(&[], None)).is_empty());
    link(&store, package, &to).unwrap();
    assert!(std::fs::read(&to).unwrap() == moving.bytes["beta"]);
}

#[test]
fn a_package_that_was_fetched_under_umask_077_can_be_read_by_apt_s_own_user() {
    use std::os::unix::fs::PermissionsExt;
    let moving = Moving::new();
    let store = moving.store("cache");
    moving.fetch(&store, moving.archive(&[], None));
    let package = moving.package("alpha");
    files::set_mode(&store.deb(&package.sha256), 0o600).unwrap();
    let to = moving.directory.path().join("linked.deb");
    link(&store, package, &to).unwrap();
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_package_that_lost_its_end_in_the_cache_counts_as_missing() {
    let moving = Moving::new();
    let store = moving.store("cache");
    moving.fetch(&store, moving.archive(&[], None));
    let cached = store.deb(&moving.package("alpha").sha256);
    File::options().write(true).open(cached).unwrap().set_len(0).unwrap();
    assert_eq!(missing(&moving.lock, &store).len(), 1);
    assert!(moving.fetch(&store, moving.archive(&[], None)).is_empty());
    moving.is_whole(&store);
}

#[test]
fn a_proxy_is_given_its_password_in_a_header_and_no_command_line_shows_it() {
    let moving = Moving::new();
    let proxy = Server::start();
    // "shop:pass-47fb" in base64.
    proxy.wants("Basic c2hvcDpwYXNzLTQ3ZmI=");
    for name in ["alpha", "beta", "gamma"] {
        proxy.put(&format!("/debian{}", moving.path(name)), &moving.bytes[name]);
    }
    let without = Proxies { http: Some(proxy.url("")), ..Proxies::default() };
    let lost = moving.fetch_through(&without, &moving.store("refused"), moving.archive(&[], None));
    assert!(lost.iter().all(|lost| !lost.gone && lost.to_string().contains("password")));

    let http = Some(proxy.url_of("shop:pass-47fb"));
    let with = Proxies { http, ..Proxies::default() };
    let store = moving.store("cache");
    assert!(moving.fetch_through(&with, &store, moving.archive(&[], None)).is_empty());
    moving.is_whole(&store);
    assert!(moving.server.asked().is_empty(), "the archive was asked without the proxy");
    let seen = proxy.asked();
    let target = moving.server.url("/debian/pool/main/alpha_1.0_all.deb");
    assert!(seen.iter().any(|it| it.target == target), "{seen:?}");
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&line).contains("pass-47fb"), "{entry:?}");
    }
}

#[test]
fn a_refusal_by_a_proxy_does_not_tell_its_password() {
    let moving = Moving::new();
    let http = Some("http://shop:pass-47fb@127.0.0.1:9".into());
    let down = Proxies { http, ..Proxies::default() };
    let lost = moving.fetch_through(&down, &moving.store("cache"), moving.archive(&[], None));
    assert_eq!(lost.len(), 3);
    assert!(lost.iter().all(|lost| !lost.to_string().contains("pass-47fb")), "{}", lost[0]);
}

#[test]
fn a_vendored_directory_is_enough_when_every_server_is_down() {
    let moving = Moving::new();
    let store = moving.store("cache");
    moving.fetch(&store, moving.archive(&[], None));
    let vendored = moving.directory.path().join("vendored");
    let locks = BTreeMap::from([
        ("shop.lock".to_owned(), moving.lock.clone()),
        ("tools.lock".to_owned(), Lock { packages: Vec::new(), ..moving.lock.clone() }),
    ]);
    let filling = Filling { store: &store, directory: &vendored, events: &Silent };
    assert_eq!(filling.fill(&locks, BTreeMap::new()).unwrap().packages, 3);
    let sums = std::process::Command::new("sha256sum")
        .args(["--check", "--quiet", "SHA256SUMS"])
        .current_dir(&vendored)
        .output()
        .unwrap();
    assert!(sums.status.success(), "{sums:?}");
    assert_eq!(check_vendored(&vendored, &Silent).unwrap().profiles, ["shop"]);

    let Moving { server, directory, lock, bytes } = moving;
    drop(server);
    let fresh = opened(&directory.path().join("another"));
    let places = Places { vendor: Some(&vendored), recipes: Path::new("/none"), archives: &[] };
    let lost = fetch(&places, &fresh, &lock, &Silent).unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    for package in &lock.packages {
        let cached = std::fs::read(fresh.deb(&package.sha256)).unwrap();
        assert!(cached == bytes[&package.name]);
    }

    // One byte, one file: both are named, by the check and by the build.
    let debs = vendored.join("debs");
    let mut damaged = bytes["alpha"].clone();
    damaged[80_000] ^= 1;
    std::fs::write(debs.join("alpha_1.0_all.deb"), damaged).unwrap();
    std::fs::remove_file(debs.join("gamma_3.0_all.deb")).unwrap();
    let error = check_vendored(&vendored, &Silent).unwrap_err().to_string();
    assert!(error.contains("alpha_1.0_all.deb is damaged"), "{error}");
    assert!(error.contains("gamma_3.0_all.deb is not there"), "{error}");
    let third = opened(&directory.path().join("third"));
    let lost = fetch(&places, &third, &lock, &Silent).unwrap();
    let error = refusal("shop", &lost, Some(&vendored), String::new()).to_string();
    assert!(error.contains("alpha 1.0") && error.contains("gamma 3.0"), "{error}");
    assert!(!error.contains("beta"), "{error}");
    // Filling it again mends it.
    filling.fill(&locks, BTreeMap::new()).unwrap();
    check_vendored(&vendored, &Silent).unwrap();
}

#[test]
fn a_package_of_one_s_own_comes_from_beside_the_recipe() {
    let directory = tempfile::tempdir().unwrap();
    let path = deb(directory.path(), "label", "1");
    let package = LockedPackage {
        name: "label".into(),
        architecture: "all".into(),
        version: "1".into(),
        source: "label".into(),
        source_version: "1".into(),
        archive: None,
        suite: None,
        component: None,
        filename: "label_1_all.deb".into(),
        size: path.metadata().unwrap().len(),
        sha256: digest::file(&path).unwrap(),
    };
    let lock =
        Lock { version: 2, inputs: String::new(), archives: Vec::new(), packages: vec![package] };
    let store = opened(&directory.path().join("cache"));
    let places = Places { vendor: None, recipes: directory.path(), archives: &[] };
    assert!(fetch(&places, &store, &lock, &Silent).unwrap().is_empty());
    std::fs::write(&path, "another").unwrap();
    std::fs::remove_file(store.deb(&lock.packages[0].sha256)).unwrap();
    let lost = fetch(&places, &store, &lock, &Silent).unwrap();
    assert!(lost[0].to_string().contains("size or SHA-256 are not the lock's"), "{}", lost[0]);
}

#[test]
fn a_path_is_escaped_as_little_as_a_url_needs() {
    assert_eq!(escaped("pool/l/x_1:2+b~1_all.deb"), "pool/l/x_1:2+b~1_all.deb");
    assert_eq!(escaped("a b?ü"), "a%20b%3F%C3%BC");
}
