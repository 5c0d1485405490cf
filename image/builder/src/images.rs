//! Finding what a person names: images, sites, the tools.
//!
//! Every verb that takes an image takes the same: a file, the directory of a
//! finished build, or a profile, whose newest image is meant.

use crate::command::cache::CacheDir;
use crate::context::Context;
use ashlar_build::{Store, Toolbox};
use ashlar_inspect::{InspectError, Opened, artefact_in};
use ashlar_sandbox::Sandbox;
use miette::miette;
use std::path::{Path, PathBuf};

/// How the name of a whole disk ends.
pub(crate) const DISK: &str = ".raw";
/// How the name of a root file system ends.
pub(crate) const ROOT: &str = ".root.erofs";

/// The newest image of a profile: the file whose name ends so.
pub(crate) fn newest(
    context: &Context,
    profile: &str,
    ending: &'static str,
) -> miette::Result<PathBuf> {
    let latest = context.project()?.out().join(profile).join("latest");
    match artefact_in(&latest, ending) {
        Ok(image) => Ok(image),
        Err(InspectError::Open { .. } | InspectError::NoImageIn { .. }) => Err(miette!(
            help = format!("`ashlar build --profile {profile}` makes it"),
            "profile `{profile}` has no image in {}",
            latest.display()
        )),
        Err(error) => Err(error.into()),
    }
}

/// The image that was named: a file or a directory, or else the newest of a profile.
pub(crate) fn named(
    context: &Context,
    image: Option<&Path>,
    profile: &str,
) -> miette::Result<PathBuf> {
    match image {
        Some(image) => Ok(image.to_owned()),
        None => newest(context, profile, DISK),
    }
}

/// The file of a site: a name in keys/, or a path.
pub(crate) fn site_file(context: &Context, site: &str) -> miette::Result<PathBuf> {
    if site.contains('/') || Path::new(site).is_file() {
        return Ok(PathBuf::from(site));
    }
    Ok(context.project()?.keys().join(site).join("site.toml"))
}

/// Where tools run, and a place on disk to unpack into.
pub(crate) struct Workbench {
    /// Where tools run.
    pub(crate) sandbox: Sandbox,
    /// Beside the cache: a root is too large for a file system in memory.
    pub(crate) place: PathBuf,
}

impl Workbench {
    /// With the cache's tools; they are made if they are not there yet.
    pub(crate) fn ready(cache: &CacheDir, context: &Context) -> miette::Result<Self> {
        let store = Store::open(cache.cache_dir.as_deref())?;
        let sandbox = Toolbox::ready(&store, &context.output)?.sandbox();
        // Not the cache's own tmp/: a build empties that.
        let place = store.root().join("opened");
        std::fs::create_dir_all(&place)
            .map_err(|error| miette!("{} cannot be made: {error}", place.display()))?;
        Ok(Self { sandbox, place })
    }

    /// Opens an image and unpacks its root.
    pub(crate) fn open(&self, image: &Path, context: &Context) -> miette::Result<Opened> {
        let spinner = context.output.spinner("unpacking the root");
        let opened = Opened::new(image, &self.place, &self.sandbox);
        spinner.finish_and_clear();
        Ok(opened?)
    }
}
