//! SPDX 2.3, as JSON.

use super::{SbomBinary, SbomCrate, SbomInput, SbomPackage};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const IMAGE: &str = "SPDXRef-Image";

/// The image as an SPDX 2.3 document.
pub(super) fn spdx(input: &SbomInput) -> Value {
    let mut packages = vec![image(input)];
    packages.extend(input.sorted_packages().into_iter().map(debian));
    packages.extend(input.sorted_binaries().into_iter().map(file));
    packages.extend(input.sorted_crates().into_iter().map(linked));

    let mut relationships = vec![relationship("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)];
    for part in packages.iter().skip(1) {
        if let Some(id) = part["SPDXID"].as_str() {
            relationships.push(relationship(IMAGE, "CONTAINS", id));
        }
    }

    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("{}-{}", input.name, input.version),
        // A namespace is a name, not an address; RFC 2606 keeps `.invalid` from
        // ever being somebody's.
        "documentNamespace": format!(
            "https://ashlar.invalid/spdx/{}-{}-{}", input.name, input.version, input.content_id()
        ),
        "creationInfo": {
            "created": input.created_text(),
            "creators": [format!("Tool: ashlar-{}", env!("CARGO_PKG_VERSION"))],
        },
        "hasExtractedLicensingInfos": named_by_debian(&packages),
        "packages": packages,
        "relationships": relationships,
    })
}

fn image(input: &SbomInput) -> Value {
    json!({
        "SPDXID": IMAGE,
        "name": input.name,
        "versionInfo": input.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "OPERATING-SYSTEM",
    })
}

fn debian(package: &SbomPackage) -> Value {
    let licence = package.licence.as_deref().unwrap_or("NOASSERTION");
    let mut value = json!({
        "SPDXID": format!("SPDXRef-deb-{}-{}", id_text(&package.name), id_text(&package.arch)),
        "name": package.name,
        "versionInfo": package.version,
        "supplier": "Organization: Debian",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": package.purl(),
        }],
    });
    if let Some(sha256) = &package.sha256 {
        value["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sha256 }]);
    }
    value
}

fn file(file: &SbomBinary) -> Value {
    let licence = file.licence.as_deref().unwrap_or("NOASSERTION");
    let ours = !file.version.is_empty();
    let id = if ours { file.name.as_str() } else { file.path.as_str() };
    let mut value = json!({
        "SPDXID": format!("SPDXRef-{}-{}", if ours { "bin" } else { "file" }, id_text(id)),
        "name": file.name,
        "packageFileName": file.path,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": licence,
        "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": if ours { "APPLICATION" } else { "FILE" },
        "checksums": [{ "algorithm": "SHA256", "checksumValue": file.sha256 }],
    });
    if ours {
        value["versionInfo"] = file.version.as_str().into();
    }
    value
}

fn linked(found: &SbomCrate) -> Value {
    let id = format!("{}-{}", id_text(&found.name), id_text(&found.version));
    json!({
        "SPDXID": format!("SPDXRef-crate-{id}"),
        "name": found.name,
        "versionInfo": found.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": found.licence.as_deref().unwrap_or("NOASSERTION"),
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "LIBRARY",
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": found.purl(),
        }],
    })
}

/// The licences that only Debian has a name for; each has to be explained once.
fn named_by_debian(packages: &[Value]) -> Vec<Value> {
    let expressions = packages.iter().filter_map(|package| package["licenseDeclared"].as_str());
    let words = expressions.flat_map(|text| text.split([' ', '(', ')']));
    let names: BTreeSet<&str> = words.filter(|word| word.starts_with("LicenseRef-")).collect();
    names
        .into_iter()
        .map(|name| {
            json!({
                "licenseId": name,
                "name": name.trim_start_matches("LicenseRef-Debian-"),
                "extractedText": "See /usr/share/doc/<package>/copyright in the image.",
            })
        })
        .collect()
}

fn relationship(from: &str, kind: &str, to: &str) -> Value {
    json!({
        "spdxElementId": from,
        "relationshipType": kind,
        "relatedSpdxElement": to,
    })
}

/// SPDX ids hold letters, digits, `.` and `-` only; other characters (the `+` of
/// `libstdc++6`) are written as their code, so that ids stay distinct.
fn id_text(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || c == '.' || c == '-' {
            text.push(c);
        } else {
            text.push_str(&format!("-x{:x}-", u32::from(c)));
        }
    }
    text
}
