//! What becomes of a lock when the archive moves on, by a server of the test's own.

use super::*;
use crate::events::Silent;
use crate::test_archive::{SIGNED, Server, signed};

/// A profile whose lock names a `tool` that its archive has no more, and a cache that
/// has all else.
struct Moved {
    directory: tempfile::TempDir,
    composed: Composed,
    store: Store,
    tools: Toolbox,
    lock: Lock,
    _server: Server,
}

impl Moved {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start();
        let recipe = "description = \"x\"\n[kernel]\npackage = \"tool\"\n";
        std::fs::write(directory.path().join("shop.toml"), recipe).unwrap();
        let mut composed = ashlar_recipe::compose(directory.path(), "shop").unwrap();
        composed.archives = vec![signed(&server, &format!("{SIGNED}/vendor.asc"))];
        let store = Store::open(Some(&directory.path().join("cache"))).unwrap();
        store.lock(&Silent).unwrap();
        let tools = Toolbox::of_host();
        let recipes = directory.path();
        let smith = smith(recipes, &store, Locking::Renew);
        let mut lock = smith.resolve(&composed, &tools).unwrap();
        for package in &lock.packages {
            // By its size it is whole; nobody unpacks it here.
            let place = store.deb(&package.sha256);
            std::fs::write(place, vec![0; usize::try_from(package.size).unwrap()]).unwrap();
        }
        let tool = lock.packages.iter_mut().find(|package| package.name == "tool").unwrap();
        tool.version = "2:3.0-1".into();
        tool.sha256 = "0".repeat(64);
        tool.filename = "pool/main/t/toolbox/tool_3.0-1_amd64.deb".into();
        lock.save(&path(recipes, "shop")).unwrap();
        Self { directory, composed, store, tools, lock, _server: server }
    }

    fn path(&self) -> PathBuf {
        path(self.directory.path(), "shop")
    }

    fn smith(&self, locking: Locking) -> Locksmith<'_> {
        smith(self.directory.path(), &self.store, locking)
    }

    fn fetch(&self, locking: Locking) -> Result<Lock> {
        let smith = self.smith(locking);
        let lock = smith.load_or_resolve(&self.composed, &self.tools)?;
        assert_eq!(lock, self.lock, "the lock is the recipe's");
        smith.fetch(lock, &self.composed, &self.tools)
    }
}

fn smith<'a>(recipes: &'a Path, store: &'a Store, locking: Locking) -> Locksmith<'a> {
    Locksmith { recipes, vendor: None, locking, store, events: &Silent }
}

#[test]
fn a_locked_build_names_the_package_that_moved_and_leaves_the_lock_alone() {
    let moved = Moved::new();
    let error = moved.fetch(Locking::Refuse).unwrap_err();
    assert!(matches!(error, BuildError::Gone { .. }), "{error}");
    // What there was, and what there is.
    let said = error.to_string();
    for word in ["tool 2:3.0-1", "404", "2:3.1-2+b1"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("libtool"), "{said}");
    assert_eq!(Lock::load(&moved.path()).unwrap(), moved.lock);
}

#[test]
fn any_other_build_takes_the_version_that_there_is_into_the_lock() {
    let moved = Moved::new();
    let lock = moved.fetch(Locking::Renew).unwrap();
    let tool = lock.packages.iter().find(|package| package.name == "tool").unwrap();
    assert_eq!(tool.version, "2:3.1-2+b1");
    assert_eq!(Lock::load(&moved.path()).unwrap(), lock);
}

#[test]
fn a_recipe_that_asks_for_a_package_that_no_archive_has_leaves_no_lock() {
    let mut moved = Moved::new();
    std::fs::remove_file(moved.path()).unwrap();
    moved.composed.recipe.packages.push("no-such-tool".into());
    let smith = moved.smith(Locking::Renew);
    let error = smith.load_or_resolve(&moved.composed, &moved.tools).unwrap_err();
    assert!(error.to_string().contains("no-such-tool"), "{error}");
    assert!(!moved.path().exists(), "a lock was written all the same");
}
