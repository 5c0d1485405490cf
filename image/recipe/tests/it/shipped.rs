//! The recipes of this repository.

use ashlar_recipe::{Compression, Lock, compose, recipes};
use ashlar_site::StorageDriver;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../recipes")
}

#[test]
fn every_shipped_recipe_composes_and_says_what_it_is_for() {
    let names = recipes(&folder()).unwrap();
    assert!(names.contains(&"minimal".into()) && names.contains(&"retail".into()), "{names:?}");
    for name in names {
        let composed = compose(&folder(), &name).unwrap_or_else(|error| panic!("{error}"));
        assert!(!composed.recipe.description.is_empty(), "{name} has no description");
    }
}

#[test]
fn every_shipped_recipe_has_a_lock_that_is_its_own_and_budgets() {
    for name in recipes(&folder()).unwrap() {
        let composed = compose(&folder(), &name).unwrap();
        let lock = Lock::load(&folder().join(format!("{name}.lock"))).unwrap();
        assert_eq!(lock.inputs, composed.wanted().digest(), "ashlar lock --profile {name}");
        let budget = &composed.recipe.budget;
        assert!(budget.root.is_some() && budget.uki.is_some(), "{name} has no budgets");
    }
}

#[test]
fn solo_is_one_box_without_glusterfs() {
    let (solo, metal) =
        (compose(&folder(), "solo").unwrap(), compose(&folder(), "solo-metal").unwrap());
    let agent = &solo.recipe.agent;
    assert!(agent.ring.enabled && agent.storage.enabled && agent.swarm.enabled);
    assert_eq!(agent.storage.driver, StorageDriver::Local);
    assert!(solo.recipe.overlays.contains(&"storage-local".into()));
    for absent in ["glusterfs-server", "glusterfs-client", "serf"] {
        assert!(!solo.packages().contains(&absent.into()), "{absent}");
    }
    assert_eq!(metal.recipe.agent, *agent);
    assert_eq!(metal.recipe.machine.as_deref(), Some("metal"));
}

#[test]
fn gpu_is_retail_metal_with_drivers_and_firmware_of_graphics() {
    let (metal, gpu) =
        (compose(&folder(), "retail-metal").unwrap(), compose(&folder(), "gpu").unwrap());
    assert_eq!(gpu.recipe.agent, metal.recipe.agent);
    assert!(gpu.recipe.hardware.sets.contains(&"graphics".into()));
    for package in ["firmware-amd-graphics", "firmware-intel-graphics"] {
        assert!(gpu.packages().contains(&package.into()), "{package}");
    }
}

#[test]
fn witness_is_retail_metal_that_carries_no_data() {
    let (metal, witness) =
        (compose(&folder(), "retail-metal").unwrap(), compose(&folder(), "witness").unwrap());
    assert!(witness.recipe.agent.storage.witness && !metal.recipe.agent.storage.witness);
    assert_eq!(witness.packages(), metal.packages());
    assert!(witness.recipe.disk.smallest() < metal.recipe.disk.smallest());
}

#[test]
fn minimal_is_the_agent_and_the_console_alone() {
    let minimal = compose(&folder(), "minimal").unwrap();
    assert_eq!(minimal.recipe.overlays, ["base", "console"]);
    let agent = &minimal.recipe.agent;
    assert!(!agent.ring.enabled && !agent.storage.enabled && !agent.swarm.enabled);
    for heavy in ["docker.io", "glusterfs-server", "serf"] {
        assert!(!minimal.packages().contains(&heavy.into()), "{heavy}");
    }
}

#[test]
fn retail_is_minimal_with_ring_storage_and_swarm() {
    let (minimal, retail) =
        (compose(&folder(), "minimal").unwrap(), compose(&folder(), "retail").unwrap());
    assert_eq!(retail.recipe.overlays, ["base", "console", "ring", "storage", "swarm"]);
    let agent = &retail.recipe.agent;
    assert!(agent.ring.enabled && agent.storage.enabled && agent.swarm.enabled);
    assert!(minimal.packages().iter().all(|name| retail.packages().contains(name)));
    assert!(retail.recipe.budget.root.is_some() && retail.recipe.budget.uki.is_some());
    assert_eq!(retail.recipe.image.compression, Compression::Zstd);
}

#[test]
fn retail_metal_is_retail_for_real_machines() {
    let (retail, metal) =
        (compose(&folder(), "retail").unwrap(), compose(&folder(), "retail-metal").unwrap());
    assert_eq!(retail.recipe.machine.as_deref(), Some("vm"));
    assert_eq!(metal.recipe.machine.as_deref(), Some("metal"));
    assert_eq!(metal.recipe.agent, retail.recipe.agent);
    assert!(metal.packages().contains(&"intel-microcode".into()));
    assert!(metal.components().contains(&"non-free-firmware"));
    // An emergency is shown where the box has a screen.
    let serial = |word: &String| word.starts_with("console=ttyS");
    assert!(!metal.recipe.kernel.command_line.iter().any(serial));
    assert!(metal.recipe.budget.uki > retail.recipe.budget.uki);
    let virtual_too = |name: &str| metal.recipe.hardware.sets.iter().any(|set| set == name);
    assert!(virtual_too("machine") && virtual_too("virtual-machine"));
}

#[test]
fn the_published_schemas_are_current() {
    for (name, current, word) in [
        ("recipe.schema.json", ashlar_recipe::schema(), ""),
        ("archives.schema.json", ashlar_recipe::archives_schema(), " archives"),
    ] {
        let published = std::fs::read_to_string(folder().join(name)).unwrap_or_default();
        // As values: the order of keys depends on features of other crates.
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        assert!(
            value(&published) == value(&current),
            "recipes/{name} is out of date; make it anew with\n  \
             cargo run -p ashlar-recipe --example schema{word} > recipes/{name}"
        );
    }
}
