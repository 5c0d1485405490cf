use super::*;
use std::collections::BTreeSet;

fn package(name: &str, version: &str) -> SbomPackage {
    SbomPackage {
        name: name.into(),
        version: version.into(),
        arch: "amd64".into(),
        distro: "trixie".into(),
        sha256: Some(hex::encode(Sha256::digest(name))),
        licence: None,
    }
}

fn input() -> SbomInput {
    SbomInput {
        name: "retail".into(),
        version: "2025.1".into(),
        created: jiff::Timestamp::from_second(1_735_689_600).expect("a time"),
        packages: vec![
            SbomPackage {
                licence: Some("LGPL-2.1-or-later AND LicenseRef-Debian-public-domain".into()),
                ..package("systemd", "257.8-1~deb13u2")
            },
            package("libstdc++6", "14.2.0-19"),
            package("docker.io", "26.1.5+dfsg1-9+b11"),
            SbomPackage { sha256: None, ..package("dbus", "1:1.16.2-2") },
        ],
        binaries: vec![
            SbomBinary {
                name: "ashlar-agent".into(),
                version: "0.1.0".into(),
                path: "/usr/bin/ashlar-agent".into(),
                sha256: hex::encode(Sha256::digest("agent")),
                licence: Some("Apache-2.0".into()),
            },
            SbomBinary {
                name: "20-ashlar.preset".into(),
                version: String::new(),
                path: "/usr/lib/systemd/system-preset/20-ashlar.preset".into(),
                sha256: hex::encode(Sha256::digest("preset")),
                licence: None,
            },
        ],
        crates: vec![SbomCrate {
            name: "tokio".into(),
            version: "1.48.0".into(),
            licence: Some("MIT".into()),
        }],
    }
}

#[test]
fn package_urls_are_escaped_and_name_the_release() {
    assert_eq!(
        package("docker.io", "26.1.5+dfsg1-9+b11").purl(),
        "pkg:deb/debian/docker.io@26.1.5%2Bdfsg1-9%2Bb11?arch=amd64&distro=debian-trixie"
    );
    assert_eq!(
        package("libstdc++6", "1:14~rc1").purl(),
        "pkg:deb/debian/libstdc%2B%2B6@1:14~rc1?arch=amd64&distro=debian-trixie"
    );
}

#[test]
fn the_order_in_which_packages_were_found_changes_nothing() {
    let mut turned = input();
    turned.packages.reverse();
    assert_eq!(spdx(&input()), spdx(&turned));
    assert_eq!(cyclonedx(&input()), cyclonedx(&turned));
}

#[test]
fn another_version_of_one_package_is_another_document() {
    let mut moved = input();
    moved.packages[0].version = "257.8-2".into();
    assert_ne!(spdx(&input())["documentNamespace"], spdx(&moved)["documentNamespace"]);
    assert_ne!(cyclonedx(&input())["serialNumber"], cyclonedx(&moved)["serialNumber"]);
}

#[test]
fn the_official_library_finds_the_cyclonedx_document_valid() {
    use cyclonedx_bom::prelude::*;
    let text = cyclonedx(&input()).to_string();
    let bom = Bom::parse_from_json_v1_5(text.as_bytes()).expect("it parses");
    let verdict = bom.validate_version(SpecVersion::V1_5);
    assert!(verdict.passed(), "{verdict:?}");
}

#[test]
fn spdx_ids_are_legal_and_distinct_and_every_package_is_in_the_image() {
    let document = spdx(&input());
    let ids: Vec<&str> = document["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|p| p["SPDXID"].as_str().expect("an id"))
        .collect();
    for id in &ids {
        let rest = id.strip_prefix("SPDXRef-").expect("the prefix");
        assert!(rest.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)), "{id}");
    }
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());

    let contained: BTreeSet<&str> = document["relationships"]
        .as_array()
        .expect("relationships")
        .iter()
        .filter(|r| r["relationshipType"] == "CONTAINS")
        .map(|r| r["relatedSpdxElement"].as_str().expect("an id"))
        .collect();
    assert_eq!(contained, ids[1..].iter().copied().collect());
}

#[test]
fn a_bill_beside_an_image_tells_what_the_build_knew_and_another_image_s_tells_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let bill = dir.path().join("x.cdx.json");
    std::fs::write(&bill, cyclonedx(&input()).to_string()).unwrap();
    let status = dir.path().join("root/var/lib/dpkg/status");
    std::fs::create_dir_all(status.parent().unwrap()).unwrap();
    let package = |name: &str, version: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n\
             Version: {version}\n\n"
        )
    };
    let text = package("libstdc++6", "14.2.0-19") + &package("systemd", "257.9-1");
    std::fs::write(&status, text).unwrap();
    let gathered = |version: &str| {
        let mut gather = Gather::new("retail", version);
        gather.root(&dir.path().join("root")).unwrap();
        (gather.recorded(&bill).unwrap(), gather.finish())
    };
    let (known, found) = gathered("2025.1");
    assert!(known);
    assert_eq!(found.crates, input().crates);
    let hashes: Vec<_> = found.packages.iter().map(|p| p.sha256.clone()).collect();
    assert_eq!(hashes, [Some(hex::encode(Sha256::digest("libstdc++6"))), None]);
    let (known, found) = gathered("2025.2");
    assert!(!known && found.crates.is_empty() && found.packages[0].sha256.is_none());
}

#[test]
fn both_documents_keep_their_shape() {
    insta::assert_json_snapshot!("spdx", spdx(&input()));
    insta::assert_json_snapshot!("cyclonedx", cyclonedx(&input()));
}
