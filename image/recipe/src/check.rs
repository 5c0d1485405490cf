//! What a recipe's values must be beyond their types.

use crate::error::{Fault, RecipeError};
use crate::recipe::{Compression, Recipe};
use crate::size::Size;
use ashlar_site::{StorageDriver, is_name};

/// Debian policy 5.6.1.
fn is_package(text: &str) -> bool {
    text.len() >= 2
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c))
}

/// Checks every value; `error` places a fault at a key of the origins.
pub(crate) fn values(
    recipe: &Recipe,
    error: &dyn Fn(&str, Fault) -> RecipeError,
) -> Result<(), RecipeError> {
    let wrong = |place: &str, key: &str, reason: String| {
        Err(error(place, Fault::WrongValue { key: key.to_owned(), reason }))
    };
    let each = |key: &str, items: &[String], is: fn(&str) -> bool, form: &str| match items
        .iter()
        .find(|item| !is(item))
    {
        Some(item) => wrong(&format!("{key}[{item:?}]"), key, format!("`{item}` is {form}")),
        None => Ok(()),
    };
    let name = "not a name: write lower-case letters, digits and dashes";
    each("overlays", &recipe.overlays, is_name, name)?;
    each("hardware.sets", &recipe.hardware.sets, is_name, name)?;
    each("hardware.initrd-sets", &recipe.hardware.initrd_sets, is_name, name)?;
    each("repositories", &recipe.repositories, is_name, name)?;
    let deb = |path: &str| path.ends_with(".deb");
    each("debs", &recipe.debs, deb, "not the path of a .deb file")?;
    each("initrd.overlays", &recipe.initrd.overlays, is_name, name)?;
    let package = "not the name of a Debian package";
    each("packages", &recipe.packages, is_package, package)?;
    each("firmware.packages", &recipe.firmware.packages, is_package, package)?;
    if let Some(kernel) = recipe.kernel.package.as_deref().filter(|kernel| !is_package(kernel)) {
        let key = "kernel.package";
        return wrong(key, key, format!("`{kernel}` is {package}"));
    }
    let component =
        |text: &str| ["contrib", "main", "non-free", "non-free-firmware"].contains(&text);
    let none = "no part of Debian's archive: use `contrib`, `non-free` or `non-free-firmware`";
    each("components", &recipe.components, component, none)?;
    let word = |text: &str| {
        !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    each(
        "kernel.command-line",
        &recipe.kernel.command_line,
        word,
        "not one word: write each word as an item of its own",
    )?;

    disk(recipe, &wrong)?;
    image(recipe, &wrong)?;
    agent(recipe, &wrong)
}

/// Says that the value at a place, of a key, is wrong, and why.
type Wrong<'a> = &'a dyn Fn(&str, &str, String) -> Result<(), RecipeError>;

fn disk(recipe: &Recipe, wrong: Wrong<'_>) -> Result<(), RecipeError> {
    let disk = &recipe.disk;
    let sizes = [
        ("disk.esp", disk.esp),
        ("disk.root", disk.root),
        ("disk.verity", disk.verity),
        ("disk.seed", disk.seed),
        ("disk.state", disk.state),
        ("disk.data", disk.data),
    ];
    for (key, size) in sizes {
        if size < Size::mebibytes(1) || !size.as_bytes().is_multiple_of(4096) {
            let reason = format!("{size} is not a multiple of 4KiB, or below 1MiB");
            return wrong(key, key, reason);
        }
    }
    Ok(())
}

fn image(recipe: &Recipe, wrong: Wrong<'_>) -> Result<(), RecipeError> {
    let image = &recipe.image;
    let (least, most) = match image.compression {
        Compression::Zstd => (1, 22),
        Compression::Lz4hc => (0, 12),
    };
    if !(least..=most).contains(&image.compression_level) {
        let key = "image.compression-level";
        let (level, kind) = (image.compression_level, image.compression.as_str());
        return wrong(key, key, format!("{kind} has no level {level}; use {least} to {most}"));
    }
    let cluster = image.cluster_size.as_bytes();
    if !cluster.is_power_of_two() || !(4096..=1 << 20).contains(&cluster) {
        let key = "image.cluster-size";
        return wrong(key, key, "use a power of two from 4KiB to 1MiB".into());
    }
    if image.repart_seed.as_deref().is_some_and(|seed| !is_uuid(seed)) {
        let key = "image.repart-seed";
        return wrong(key, key, "expected a UUID; `uuidgen` prints one".into());
    }
    if image.documentation_url.as_deref().is_some_and(|url| !is_web_address(url)) {
        let key = "image.documentation-url";
        return wrong(key, key, "expected an address such as `https://docs.example.org/`".into());
    }
    Ok(())
}

fn agent(recipe: &Recipe, wrong: Wrong<'_>) -> Result<(), RecipeError> {
    let agent = &recipe.agent;
    if !(1..=3).contains(&agent.storage.replicas) {
        let key = "agent.storage.replicas";
        return wrong(key, key, "use 1, 2 or 3".into());
    }
    let volume = &agent.storage.volume;
    if !is_name(volume) {
        let key = "agent.storage.volume";
        let reason =
            format!("`{volume}` is not a name: write lower-case letters, digits and dashes");
        return wrong(key, key, reason);
    }
    if agent.storage.witness && agent.storage.driver == StorageDriver::Local {
        let key = "agent.storage.witness";
        return wrong(key, key, "one box by itself has nobody to witness for".into());
    }
    if !matches!(agent.swarm.managers, 1 | 3 | 5 | 7) {
        let key = "agent.swarm.managers";
        return wrong(key, key, "use 1, 3, 5 or 7: Raft needs an odd number".into());
    }
    for (key, enabled) in [
        ("agent.storage.enabled", agent.storage.enabled),
        ("agent.swarm.enabled", agent.swarm.enabled),
    ] {
        if enabled && !agent.ring.enabled {
            let reason = "it needs the ring; set `agent.ring.enabled = true` as well";
            return wrong(key, key, reason.into());
        }
    }
    match recipe.stacks.first() {
        Some(stack) if !agent.swarm.enabled => wrong(
            &format!("stacks[{stack:?}]"),
            "stacks",
            "stacks need a Swarm; set `agent.swarm.enabled = true` as well".into(),
        ),
        _ => Ok(()),
    }
}

/// Of the web, and without what a shell that reads `os-release` would take for its own.
fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let plain = |c: char| c.is_ascii_graphic() && !"\"'\\$`".contains(c);
        !rest.is_empty() && rest.chars().all(plain)
    })
}

fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    text.split('-').map(str::len).eq(lengths)
        && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}
