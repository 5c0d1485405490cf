use super::*;
use crate::command::site::tests::{new, project};
use clap::Parser;
use std::os::unix::fs::PermissionsExt;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn admin(project: &Project, words: &[&str]) -> miette::Result<()> {
    let line =
        Line::try_parse_from(["admin"].iter().chain(words)).map_err(|error| miette!("{error}"))?;
    run(&line.args, project, &Output::new(true, true))
}

fn pass(project: &Project, name: &str) -> Pass {
    let path = files(project, "shop").passes.join(name);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_pass_is_made_by_the_site_s_ca_and_taken_back_by_name() {
    let (_dir, project) = project();
    new(&project, &["shop", "--join", "10.9.0.1:7945"]).unwrap();
    let files = files(&project, "shop");
    let ca = Site::load(&files.site).unwrap().people.ca().unwrap();
    let ca = PeopleCertificate::from_der(&ca).unwrap();
    assert_eq!(std::fs::metadata(&files.ca_key).unwrap().permissions().mode() & 0o777, 0o600);

    admin(&project, &["shop", "anna", "--days", "30"]).unwrap();
    admin(&project, &["shop", "ben", "--role", "view", "--address", "10.9.0.7"]).unwrap();
    let (anna, ben) = (pass(&project, "anna.toml"), pass(&project, "ben.toml"));
    assert_eq!(anna.open().unwrap().certificate.person().role(), Role::Admin);
    assert_eq!(ben.open().unwrap().certificate.person().role(), Role::View);
    assert_eq!(ben.addresses, ["10.9.0.7", "10.9.0.1"]);

    let serial = anna.open().unwrap().certificate.serial().to_owned();
    admin(&project, &["revoke", "shop", "anna"]).unwrap();
    let list = RevokedList::from_pem(&std::fs::read(&files.revoked).unwrap(), &ca).unwrap();
    assert_eq!(list.serials(), &[serial].into());
    let of_site = Site::load(&files.site).unwrap().people.revoked().unwrap();
    assert_eq!(of_site, list.der(), "boxes that are set up later know it too");
    assert!(!files.passes.join("anna.toml").exists());
    admin(&project, &["revoke", "shop", "ben"]).unwrap();
    let later = RevokedList::from_pem(&std::fs::read(&files.revoked).unwrap(), &ca).unwrap();
    assert!(later.number() > list.number() && later.serials().len() == 2);
    assert!(admin(&project, &["revoke", "shop", "nobody"]).is_err());
}

#[test]
fn what_is_wrong_makes_no_pass() {
    let (_dir, project) = project();
    new(&project, &["shop"]).unwrap();
    for words in [
        &["shop", "Anna"][..],
        &["shop", "../anna"],
        &["none", "anna"],
        &["shop", "anna", "--role", "root"],
        &["shop", "anna", "--days", "0"],
        &["shop"],
    ] {
        assert!(admin(&project, words).is_err(), "{words:?}");
    }
    assert!(!files(&project, "shop").passes.exists());
    std::fs::remove_file(files(&project, "shop").ca_key).unwrap();
    let error = admin(&project, &["shop", "anna"]).unwrap_err().to_string();
    assert!(error.contains("people-ca.key"), "{error}");
}

#[test]
fn a_site_of_an_older_release_gets_a_ca_and_keeps_its_words() {
    let (_dir, project) = project();
    let site = new(&project, &["shop"]).unwrap();
    let files = files(&project, "shop");
    let old = Site { people: Default::default(), ..site }.to_toml().unwrap();
    std::fs::write(&files.site, format!("# Mine.\n{}", *old)).unwrap();
    std::fs::remove_file(&files.ca_key).unwrap();
    admin(&project, &["shop", "anna"]).unwrap();
    assert!(std::fs::read_to_string(&files.site).unwrap().starts_with("# Mine.\n"));
    assert!(Site::load(&files.site).unwrap().people.ca().is_some());
}
