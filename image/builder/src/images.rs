//! Finding what a person names: images, sites, the tools.
//!
//! Every verb that takes an image takes the same: a file, the directory of a
//! finished build, or a profile, whose newest image is meant.

use crate::cache_dir::CacheDir;
use crate::context::Context;
use crate::output::Output;
use ashlar_build::{Draft, Store, Toolbox, ToolsLock};
use ashlar_inspect::{Disk, InspectError, Opened, artefact_in};
use ashlar_sandbox::Sandbox;
use miette::miette;
use std::ops::Deref;
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

/// Where tools run, and a place on disk to unpack into. Ctrl-C ends what it does.
pub(crate) struct Workbench<'a> {
    /// Where tools run.
    pub(crate) sandbox: Sandbox,
    store: Store,
    output: &'a Output,
}

/// An image whose root is unpacked beside the cache for as long as this lives.
pub(crate) struct Unpacked {
    // First, so that it is gone before the place that it is in.
    opened: Opened,
    _place: Draft,
}

impl Deref for Unpacked {
    type Target = Opened;

    fn deref(&self) -> &Opened {
        &self.opened
    }
}

impl<'a> Workbench<'a> {
    /// For these images, with the cache's tools; they are made if they are not there
    /// yet, and the images can be opened.
    pub(crate) fn ready(
        images: &[&Path],
        cache: &CacheDir,
        context: &'a Context,
    ) -> miette::Result<Self> {
        images.iter().try_for_each(|image| Disk::open(image).map(drop))?;
        let store = Store::open(cache.cache_dir.as_deref())?;
        let lock = ToolsLock::of(context.project().ok().as_ref())?;
        let sandbox = Toolbox::ready(&store, &lock, &context.watched(false))?.sandbox();
        // What was killed in the middle left a root.
        store.sweep()?;
        Ok(Self { sandbox, store, output: &context.output })
    }

    /// A place to unpack into. The cache is on a disk: a root is too large for a
    /// file system in memory.
    pub(crate) fn place(&self) -> miette::Result<Draft> {
        Ok(self.store.draft("opened")?)
    }

    /// Opens an image and unpacks its root.
    pub(crate) fn open(&self, image: &Path) -> miette::Result<Unpacked> {
        let place = self.place()?;
        let spinner = self.output.spinner("unpacking the root");
        let opened = Opened::new(image, place.path(), &self.sandbox);
        spinner.finish_and_clear();
        let unpacked = Unpacked { opened: opened?, _place: place };
        self.go_on()?;
        Ok(unpacked)
    }

    /// Ends here after Ctrl-C.
    pub(crate) fn go_on(&self) -> miette::Result<()> {
        Ok(self.sandbox.cancel().check()?)
    }
}
