use super::*;
use crate::test_archive::{FINGERPRINT, SIGNED, Server, deb, signed};

fn archive(url: &str, suites: &[&str]) -> Archive {
    Archive {
        name: "vendor".into(),
        url: url.into(),
        suites: suites.iter().map(|&suite| suite.into()).collect(),
        components: vec!["main".into(), "extra".into()],
        mirrors: Vec::new(),
        snapshot: None,
        key: None,
        pin: Some(100),
        check_valid_until: true,
    }
}

#[test]
fn an_archive_is_told_to_apt_with_its_key_and_its_pin() {
    let mut it = archive("https://x.example:80/debian", &["stable"]);
    assert_eq!(
        lines(&it, "/k.asc"),
        "deb [signed-by=/k.asc] https://x.example:80/debian stable main extra\n"
    );
    assert_eq!(pin(&it), "Package: *\nPin: origin \"x.example\"\nPin-Priority: 100\n\n");
    it.suites = vec!["./".into()];
    it.check_valid_until = false;
    assert_eq!(
        lines(&it, "/k.asc"),
        "deb [signed-by=/k.asc check-valid-until=no] https://x.example:80/debian ./ \n"
    );
    it.pin = None;
    assert_eq!(pin(&it), "");
}

#[test]
fn an_answer_without_a_sha256_is_refused() {
    let line = "'http://x/pool/b_1%2b2_all.deb' b_1+2_all.deb 100 SHA256:cd8c";
    assert_eq!(sha256(line).unwrap(), "cd8c");
    assert!(sha256(&line.replace("SHA256", "MD5Sum")).is_err());
}

/// Asks this host's apt for packages of the tiny archive, believing `key`.
fn ask(key: &str, packages: &[&str], own: Option<&str>) -> Result<Lock> {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start();
    let mut wanted = Wanted {
        packages: packages.iter().map(|&name| name.into()).collect(),
        debs: Vec::new(),
        archives: vec![signed(&server, key)],
    };
    if let Some(own) = own {
        deb(directory.path(), own, "1.2");
        wanted.debs.push(format!("{own}_1.2_all.deb"));
    }
    let store = Store::open(Some(&directory.path().join("cache"))).unwrap();
    store.lock(&crate::events::Silent).unwrap();
    let question = Question {
        name: "shop",
        wanted: &wanted,
        recipes: directory.path(),
        place_of: &|name| Some(format!("shop.toml:{}", name.len())),
    };
    resolve(&Sandbox::host(), &store, &question, &crate::events::Silent)
}

#[test]
fn a_lock_says_of_each_package_where_it_came_from() {
    let lock = ask(&format!("{SIGNED}/vendor.asc"), &["tool"], Some("label")).unwrap();
    let names: Vec<&str> = lock.packages.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["base", "label", "libtool", "tool"], "no recommended package");
    let tool = &lock.packages[3];
    assert_eq!((tool.source.as_str(), tool.source_version.as_str()), ("toolbox", "3.1-2"));
    assert_eq!(tool.version, "2:3.1-2+b1");
    assert_eq!(tool.filename, "pool/main/t/toolbox/tool_3.1-2+b1_amd64.deb");
    assert_eq!(tool.component.as_deref(), Some("main"));
    let found = lock.archive_of(tool).unwrap();
    assert_eq!((found.name.as_str(), found.suite.as_str()), ("vendor", "stable"));
    assert_eq!(found.date, "2026-01-10T08:17:31Z");
    assert_eq!(found.keys, [FINGERPRINT.trim()]);
    let own = &lock.packages[1];
    assert_eq!((own.filename.as_str(), own.version.as_str()), ("label_1.2_all.deb", "1.2"));
    assert_eq!(own.archive, None);
}

#[test]
fn an_archive_that_another_key_signed_is_refused() {
    let other = format!("{SIGNED}/../../../../recipe/tests/golden/vendor.asc");
    let error = ask(&other, &["tool"], None).unwrap_err().to_string();
    assert!(error.contains("NO_PUBKEY") || error.contains("not signed"), "{error}");
}

#[test]
fn a_package_that_no_archive_has_is_told_with_the_line_that_asks_for_it() {
    let key = format!("{SIGNED}/vendor.asc");
    let error = ask(&key, &["no-such-tool"], None).unwrap_err().to_string();
    assert!(error.contains("`no-such-tool` (shop.toml:12)"), "{error}");
}
