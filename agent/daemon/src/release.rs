//! Which image this is, and what its recipe asks of the agent.

use crate::paths::Paths;
use anyhow::{Context, Result};
use ashlar_cluster::{StackFile, Wanted};
use ashlar_site::{AgentSettings, Site, StorageDriver};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;

/// `release.json`: what the builder says of the image.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Release {
    /// The recipe's name.
    pub(crate) profile: String,
    /// The image's version.
    pub(crate) version: String,
    /// Where its book is on the web, if its recipe says so.
    #[serde(skip)]
    pub(crate) book: Option<String>,
}

impl Release {
    /// Reads it; an agent outside an image says so instead of failing.
    pub(crate) fn load(paths: &Paths) -> Result<Self> {
        let release = crate::state::read_json(&paths.release())?.unwrap_or_else(|| Self {
            profile: "none".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            book: None,
        });
        let about = fs::read_to_string(paths.os_release()).unwrap_or_default();
        Ok(Self { book: ashlar_api::book(&about), ..release })
    }
}

/// Reads the recipe's settings; without a file every feature is at its default.
pub(crate) fn settings(paths: &Paths) -> Result<AgentSettings> {
    let path = paths.settings();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(AgentSettings::default()),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    };
    toml::from_str(&text).with_context(|| format!("{} is no agent settings file", path.display()))
}

/// What recipe, site and image together ask of this node.
pub(crate) fn wanted(paths: &Paths, settings: &AgentSettings, site: &Site) -> Result<Wanted> {
    let solo = is_solo(settings);
    Ok(Wanted {
        ring: settings.ring.enabled,
        storage: settings.ring.enabled && settings.storage.enabled,
        swarm: settings.ring.enabled && settings.swarm.enabled,
        solo,
        expect: if solo { Some(1) } else { site.expect },
        removal_ms: match site.grace_seconds {
            Some(seconds) => seconds.saturating_mul(1000),
            None => Wanted::default().removal_ms,
        },
        settle_ms: settings.ring.settle_seconds.saturating_mul(1000),
        join: if solo { Vec::new() } else { site.network.join.clone() },
        volume: settings.storage.volume.clone(),
        replicas: if solo { 1 } else { settings.storage.replicas },
        witness: settings.storage.witness,
        managers: settings.swarm.managers,
        stacks: stacks(paths)?,
        ..Wanted::default()
    })
}

/// Whether the recipe is for one box by itself.
fn is_solo(settings: &AgentSettings) -> bool {
    settings.storage.enabled && settings.storage.driver == StorageDriver::Local
}

/// Why a site is not for boxes of this profile.
pub(crate) fn refuses(settings: &AgentSettings, site: &Site) -> Option<String> {
    let expect = site.expect.filter(|count| is_solo(settings) && *count != 1)?;
    Some(format!(
        "this profile is for one box by itself, and the site expects {expect}: take a profile for \
         several boxes, or give this box a site of its own with `expect = 1`"
    ))
}

/// The stacks that the image ships, by name.
fn stacks(paths: &Paths) -> Result<Vec<StackFile>> {
    let dir = paths.stacks();
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).with_context(|| format!("cannot list {}", dir.display())),
    };
    let mut stacks = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".yml")) else { continue };
        let path = entry.path();
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let digest = hex::encode(&Sha256::digest(bytes)[..16]);
        stacks.push(StackFile { name: name.to_owned(), digest });
    }
    stacks.sort();
    Ok(stacks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_site::RingKey;

    #[test]
    fn an_agent_outside_an_image_wants_nothing_and_says_which_it_is() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        assert_eq!(Release::load(&paths).unwrap().profile, "none");
        assert_eq!(settings(&paths).unwrap(), AgentSettings::default());
    }

    #[test]
    fn a_profile_for_one_box_takes_no_site_of_several_and_looks_for_nobody() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let mut settings: AgentSettings =
            toml::from_str("ring.enabled = true\nstorage = { enabled = true, driver = 'local' }")
                .unwrap();
        let mut site = Site::new("shop", RingKey::new([7; 32]));
        site.network.join = vec!["10.0.0.1".into()];
        for (expect, taken) in [(None, true), (Some(1), true), (Some(3), false)] {
            site.expect = expect;
            assert_eq!(refuses(&settings, &site).is_none(), taken, "{expect:?}");
        }
        site.expect = None;
        let wanted = wanted(&paths, &settings, &site).unwrap();
        assert!(wanted.solo && wanted.join.is_empty());
        assert_eq!((wanted.expect, wanted.replicas), (Some(1), 1));
        settings.storage.driver = StorageDriver::Gluster;
        site.expect = Some(3);
        assert_eq!(refuses(&settings, &site), None);
    }

    #[test]
    fn the_stacks_of_an_image_are_found_by_their_file_names() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        fs::create_dir_all(paths.stacks()).unwrap();
        for file in ["web.yml", "db.yml", "README"] {
            fs::write(paths.stacks().join(file), "").unwrap();
        }
        let found = stacks(&paths).unwrap();
        let names: Vec<_> = found.iter().map(|stack| stack.name.as_str()).collect();
        assert_eq!(names, ["db", "web"]);
        assert_eq!(found[0].digest, "e3b0c44298fc1c149afbf4c8996fb924");
        fs::write(paths.stacks().join("db.yml"), "services: {}").unwrap();
        assert_ne!(stacks(&paths).unwrap()[0].digest, found[0].digest);
    }
}
