//! CycloneDX 1.5, as JSON.

use super::{SbomBinary, SbomInput, SbomPackage};
use serde_json::{Value, json};

const IMAGE: &str = "image";

/// The image as a CycloneDX 1.5 document.
pub(crate) fn cyclonedx(input: &SbomInput) -> Value {
    let mut components: Vec<Value> = input.sorted_packages().into_iter().map(debian).collect();
    components.extend(input.sorted_binaries().into_iter().map(own));
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

fn own(binary: &SbomBinary) -> Value {
    json!({
        "type": "application",
        "bom-ref": format!("file:{}", binary.path),
        "name": binary.name,
        "version": binary.version,
        "hashes": [{ "alg": "SHA-256", "content": binary.sha256 }],
        "licenses": [{ "expression": binary.licence }],
        "properties": [{ "name": "ashlar:path", "value": binary.path }],
    })
}
