use super::*;
use crate::Silent;
use crate::files::children;
use std::fmt::Arguments;
use std::sync::mpsc;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(Some(&dir.path().join("cache"))).unwrap();
    (dir, store)
}

/// Hands every note on.
struct Heard(mpsc::SyncSender<String>, Cancel);

impl Events for Heard {
    fn note(&self, text: Arguments<'_>) {
        self.0.send(text.to_string()).unwrap();
    }
    fn warning(&self, text: Arguments<'_>) {
        self.note(text);
    }
    fn begin(&self, _: &str) -> Box<dyn crate::Activity> {
        Box::new(Silent)
    }
    fn begin_bytes(&self, _: &str, _: u64) -> Box<dyn crate::Activity> {
        Box::new(Silent)
    }
    fn cancel(&self) -> Cancel {
        self.1.clone()
    }
}

#[test]
fn a_second_build_waits_and_says_for_whom() {
    let (_dir, store) = store();
    let held = store.lock(&Silent).unwrap();
    let (heard, words) = mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| store.lock(&Heard(heard, Cancel::default())));
        let words = words.recv().unwrap();
        assert!(words.contains(&std::process::id().to_string()), "{words}");
        drop(held);
        second.join().unwrap().unwrap();
    });
}

#[test]
fn a_build_that_waits_can_be_cancelled() {
    let (_dir, store) = store();
    let _held = store.lock(&Silent).unwrap();
    let (heard, words) = mpsc::sync_channel(1);
    let cancel = Cancel::default();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| store.lock(&Heard(heard, cancel.clone())));
        words.recv().unwrap();
        cancel.cancel();
        second.join().unwrap().unwrap_err();
    });
}

#[test]
fn opening_a_cache_writes_nothing() {
    let (_dir, store) = store();
    assert!(store.entries().unwrap().is_empty());
    assert!(!store.root().exists());
}

#[test]
fn a_draft_that_was_not_kept_leaves_nothing() {
    let (_dir, store) = store();
    let draft = store.draft("base").unwrap();
    std::fs::write(draft.path().join("half"), "x").unwrap();
    let tmp = store.root().join("tmp");
    drop((draft, store));
    assert_eq!(children(&tmp).unwrap(), Vec::<PathBuf>::new());
}

#[test]
fn what_a_killed_build_left_is_removed_by_the_next_and_what_others_make_is_not() {
    let (_dir, store) = store();
    let tmp = store.root().join("tmp");
    let killed = tmp.join("4711.xyz/base.abc");
    std::fs::create_dir_all(&killed).unwrap();
    let other = Store::open(Some(store.root())).unwrap();
    let theirs = other.draft("tools").unwrap();
    store.lock(&Silent).unwrap();
    assert!(!killed.exists() && theirs.path().is_dir());
}

#[test]
fn a_step_counts_once_it_is_sealed_and_no_more_when_a_byte_has_changed() {
    let (_dir, store) = store();
    let place = store.step("base", "key");
    let draft = store.draft("base").unwrap();
    std::fs::write(draft.path().join("x"), "whole").unwrap();
    draft.keep(&place).unwrap();
    let usable = || store.usable(&place, Depth::Changed, &Silent).unwrap();
    // As after a power cut: the directory is there, its bytes may not be.
    assert!(!store.has(&place) && !usable() && !place.exists());

    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("x"), "whole").unwrap();
    store.seal(&place, &Cancel::default()).unwrap();
    assert!(store.has(&place) && usable());
    std::fs::write(place.join("x"), "wholE").unwrap();
    assert!(!usable());
    assert!(!store.has(&place) && !place.exists());
}

#[test]
fn the_record_of_an_output_can_be_read_by_whoever_is_lent_it() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, store) = store();
    let place = store.step("tools", "key");
    std::fs::create_dir_all(&place).unwrap();
    store.seal(&place, &Cancel::default()).unwrap();
    let mode = record_of(&place).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}
