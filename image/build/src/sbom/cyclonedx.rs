//! CycloneDX 1.5, as JSON.

use super::{SbomBinary, SbomCrate, SbomInput, SbomPackage};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const IMAGE: &str = "image";

/// The image as a CycloneDX 1.5 document.
pub(super) fn cyclonedx(input: &SbomInput) -> Value {
    let mut components: Vec<Value> = input.sorted_packages().into_iter().map(debian).collect();
    components.extend(input.sorted_binaries().into_iter().map(file));
    components.extend(input.sorted_crates().into_iter().map(linked));
    let parts: Vec<&Value> = components.iter().map(|c| &c["bom-ref"]).collect();
    let dependencies = json!([{ "ref": IMAGE, "dependsOn": parts }]);

    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": format!("urn:uuid:{}", input.content_id()),
        "version": 1,
        "metadata": {
            "timestamp": input.created_text(),
            "tools": { "components": [{
                "type": "application",
                "name": "ashlar",
                "version": env!("CARGO_PKG_VERSION"),
            }]},
            "component": {
                "type": "operating-system",
                "bom-ref": IMAGE,
                "name": input.name,
                "version": input.version,
            },
        },
        "components": components,
        "dependencies": dependencies,
    })
}

fn debian(package: &SbomPackage) -> Value {
    let purl = package.purl();
    let mut value = json!({
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
    });
    if let Some(sha256) = &package.sha256 {
        value["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
    }
    if let Some(licence) = &package.licence {
        value["licenses"] = json!([{ "expression": licence }]);
    }
    value
}

fn file(file: &SbomBinary) -> Value {
    let ours = !file.version.is_empty();
    let mut value = json!({
        "type": if ours { "application" } else { "file" },
        "bom-ref": format!("file:{}", file.path),
        "name": file.name,
        "hashes": [{ "alg": "SHA-256", "content": file.sha256 }],
        "properties": [{ "name": "ashlar:path", "value": file.path }],
    });
    if ours {
        value["version"] = file.version.as_str().into();
    }
    if let Some(licence) = &file.licence {
        value["licenses"] = json!([{ "expression": licence }]);
    }
    value
}

fn linked(found: &SbomCrate) -> Value {
    let purl = found.purl();
    let mut value = json!({
        "type": "library",
        "bom-ref": purl,
        "name": found.name,
        "version": found.version,
        "purl": purl,
    });
    if let Some(licence) = &found.licence {
        value["licenses"] = json!([{ "expression": licence }]);
    }
    value
}

/// What a bill says that the image does not.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) name: String,
    pub(super) version: String,
    /// Of packages, by their package URL.
    pub(super) hashes: BTreeMap<String, String>,
    pub(super) crates: Vec<SbomCrate>,
}

/// Reads a bill back.
pub(super) fn read(text: &[u8]) -> serde_json::Result<Recorded> {
    let bill: Value = serde_json::from_slice(text)?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let image = &bill["metadata"]["component"];
    let (mut hashes, mut crates) = (BTreeMap::new(), Vec::new());
    for component in bill["components"].as_array().into_iter().flatten() {
        let purl = word(&component["purl"]);
        if purl.starts_with("pkg:cargo/") {
            crates.push(SbomCrate {
                name: word(&component["name"]),
                version: word(&component["version"]),
                licence: component["licenses"][0]["expression"].as_str().map(str::to_owned),
            });
        } else if let Some(sha256) = component["hashes"][0]["content"].as_str() {
            hashes.insert(purl, sha256.to_owned());
        }
    }
    Ok(Recorded { name: word(&image["name"]), version: word(&image["version"]), hashes, crates })
}
