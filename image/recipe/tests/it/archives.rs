//! `archives.toml`, and what a recipe takes from it.

use crate::project::Project;
use ashlar_recipe::{Archives, Fault};

const KEY: &str = include_str!("../golden/vendor.asc");
const FINGERPRINT: &str = "FFF6 916D E677 93F4 62C5  187D 1174 2178 CA10 83E7";

fn vendor(fingerprint: &str) -> String {
    format!(
        "[vendor]\nurl = 'https://packages.vendor.example/debian/'\nsuites = ['stable']\n\
         components = ['main']\nkey = 'vendor.asc'\nfingerprint = '{fingerprint}'\n"
    )
}

fn project(archives: &str, recipe: &str) -> Project {
    Project::new()
        .file("recipes/archives.toml", archives)
        .file("recipes/vendor.asc", KEY)
        .recipe("x", recipe)
}

/// The words of the refusal of an `archives.toml`, and what they point at.
fn refusal(archives: &str) -> (String, String) {
    let seen = project(archives, "repositories = ['vendor']\n").refusal("x");
    (seen.words, seen.pointed.unwrap_or_default())
}

#[test]
fn without_the_file_there_is_debian_alone() {
    let composed = Project::new().recipe("x", "").composed("x");
    let names: Vec<&str> = composed.archives.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["debian", "debian-security"]);
    assert_eq!(composed.archives[0].suites, ["trixie", "trixie-updates"]);
    assert!(composed.archives[0].snapshot.as_ref().unwrap().contains("{date}"));
}

#[test]
fn a_mirror_of_one_s_own_replaces_debian_s_and_makes_no_lock_stale() {
    let plain = Project::new().recipe("x", "").composed("x");
    let own = "[debian]\nurl = 'http://mirror.example/debian/'\nmirrors = ['http://b.example/d']\n";
    let composed = project(own, "").composed("x");
    assert_eq!(composed.archives[0].url, "http://mirror.example/debian");
    assert_eq!(composed.archives[0].mirrors, ["http://b.example/d"]);
    assert_eq!(composed.wanted().digest(), plain.wanted().digest());
}

#[test]
fn a_repository_comes_with_its_key_and_behind_debian() {
    let composed = project(&vendor(FINGERPRINT), "repositories = ['vendor']\n").composed("x");
    let vendor = composed.archives.last().unwrap();
    assert_eq!(vendor.url, "https://packages.vendor.example/debian");
    assert_eq!(vendor.key.as_ref().unwrap().fingerprint, FINGERPRINT.replace(' ', ""));
    assert_eq!(vendor.pin, Some(100));
    let plain = Project::new().recipe("x", "").composed("x");
    assert_ne!(composed.wanted().digest(), plain.wanted().digest());
}

#[test]
fn a_repository_that_no_recipe_names_is_not_asked() {
    assert_eq!(project(&vendor(FINGERPRINT), "").composed("x").archives.len(), 2);
}

#[test]
fn a_key_with_another_fingerprint_is_refused_with_both() {
    let other = "4D64FEC119C2029067D6E791F8D2585B8783D481";
    let (words, pointed) = refusal(&vendor(other));
    assert!(words.starts_with("recipes/archives.toml:6: wrong value for `vendor.fingerprint`"));
    assert!(words.contains(&FINGERPRINT.replace(' ', "")), "{words}");
    assert!(pointed.contains(other));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let lacking = vendor(FINGERPRINT).replace("suites = ['stable']\n", "");
    let whole = vendor(FINGERPRINT);
    for (archives, line, told) in [
        ("[debian]\nmirors = []\n", 2, "unknown key `mirors`"),
        ("[debian]\nurl = 'ftp://x'\n", 2, "`ftp://x` is not a URL"),
        ("[debian]\nurl = 'http://me:word@x/'\n", 2, "a password here would be in git"),
        ("[debian]\n\nsuites = 'trixie'\n", 3, "expected a list"),
        (lacking.as_str(), 1, "a repository needs `suites`"),
        (&whole.replace("vendor.asc", "lost.asc"), 5, "lost.asc cannot be read"),
        (&whole.replace("FFF6 916D", ""), 6, "expected a whole fingerprint"),
        (&whole.replace("key =", "#"), 6, "`fingerprint` needs `key`"),
    ] {
        let (words, _) = refusal(archives);
        assert!(words.starts_with(&format!("recipes/archives.toml:{line}: ")), "{words}");
        assert!(words.contains(told), "{told}: {words}");
    }
}

#[test]
fn a_repository_that_nobody_described_is_refused_where_it_is_named() {
    let seen = project(&vendor(FINGERPRINT), "\nrepositories = ['vendro']\n").refusal("x");
    assert!(seen.words.starts_with("recipes/x.toml:2: there is no repository `vendro`"));
    assert!(seen.help.starts_with("Did you mean `vendor`?"), "{}", seen.help);
    assert!(matches!(seen.fault, Fault::NoSuchRepository { .. }));
}

#[test]
fn a_package_file_must_be_there() {
    let missing = project("", "debs = ['debs/label.deb']\n").refusal("x");
    assert!(missing.words.contains("there is no package file `debs/label.deb`"));
    let there = project("", "debs = ['debs/label.deb']\n").file("recipes/debs/label.deb", "x");
    assert_eq!(there.composed("x").wanted().debs, ["debs/label.deb"]);
    let plain = project("", "").composed("x").wanted().digest();
    assert_ne!(there.composed("x").wanted().digest(), plain);
}

#[test]
fn the_file_of_archives_is_no_recipe() {
    let project = project(&vendor(FINGERPRINT), "");
    assert_eq!(ashlar_recipe::recipes(&project.recipes()).unwrap(), ["x"]);
    assert!(project.refusal("archives").words.contains("there is no recipe `archives`"));
    assert_eq!(Archives::read(&project.recipes()).unwrap().repositories(), ["vendor"]);
}
