//! Makes the tools root of the packages that its lock names. This file is a part
//! of the root's key: what is changed in it makes all hosts' roots anew.

use crate::error::Result;
use crate::events::Events;
use crate::store::Store;
use crate::{digest, fetch, index, layer};
use ashlar_recipe::{Lock, RELEASE};
use ashlar_sandbox::Sandbox;
use std::path::Path;

/// How the root is made, as a text, which is a part of its key.
pub(crate) fn how() -> String {
    let sources = [include_str!("bootstrap.rs"), include_str!("index.rs")];
    format!("{}{}", sources.map(digest::code).concat(), ashlar_sandbox::conditions())
}

/// The host's mmdebstrap unpacks the packages, from a directory and without a
/// network; these do the rest themselves.
pub(crate) fn bootstrap(
    store: &Store,
    lock: &Lock,
    place: &Path,
    events: &dyn Events,
) -> Result<()> {
    let repository = store.draft("tools-repository")?;
    for package in &lock.packages {
        fetch::link(store, package, &repository.path().join(package.file_name()))?;
    }
    let host =
        Sandbox::host().until(events.cancel()).logging_to(store.logs()).traced(events.trace());
    index::make(&host, repository.path())?;
    let draft = store.draft("tools")?;
    let root = draft.path().join("root");
    let include: Vec<&str> = lock.packages.iter().map(|package| package.name.as_str()).collect();
    host.command("making the tools root", "mmdebstrap")
        .mounting()
        .args(["--mode=root", "--variant=apt", "--format=directory", "--architectures=amd64"])
        .arg("--dpkgopt=force-unsafe-io")
        .arg("--aptopt=APT::Install-Recommends false")
        .arg(format!("--include={}", include.join(",")))
        .args([RELEASE, "/run/out/root", "deb [trusted=yes] copy:/run/repo ./"])
        .read(repository.path(), "repo")
        .write(draft.path(), "out")
        .run()?;
    // What mmdebstrap copied from the host would end up in images.
    for name in ["etc/resolv.conf", "etc/hosts", "etc/hostname"] {
        layer::put(&root, name, b"", 0o644)?;
    }
    draft.keep(place)?;
    // Only now it counts: a root with empty files would be taken for a whole one.
    store.seal(place, &events.cancel())
}
