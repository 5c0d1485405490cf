//! What the firmware runs before the kernel, from the locked packages of the
//! image itself: a tool of the host's or of the tools root would be in no lock
//! and in no bill of materials.

use crate::error::{BuildError, Result};
use ashlar_recipe::Composed;
use std::path::Path;

/// Where the package puts both.
pub(crate) const FOLDER: &str = "usr/lib/systemd/boot/efi";
/// The package that brings them.
pub(crate) const PACKAGE: &str = "systemd-boot-efi";
/// The boot loader.
pub(crate) const LOADER: &str = "systemd-bootx64.efi";
/// The stub of a UKI.
pub(crate) const STUB: &str = "linuxx64.efi.stub";

/// The name of one of them, if the root has it.
pub(crate) fn file<'a>(root: &Path, name: &'a str) -> Result<&'a str> {
    if root.join(FOLDER).join(name).is_file() {
        return Ok(name);
    }
    Err(BuildError::Unexpected {
        what: format!(
            "the image boots with {name}, which no package of the recipe brings: add \
             \"{PACKAGE}\" to its packages"
        ),
    })
}

/// The boot loader's settings. On a machine that people touch its menu is there for
/// some seconds; elsewhere the space bar still shows it.
pub(crate) fn settings(composed: &Composed) -> &'static str {
    match composed.recipe.machine.as_deref() {
        Some("vm") => include_str!("../data/loader-vm.conf"),
        _ => include_str!("../data/loader.conf"),
    }
}

/// The kernel's command line of a recipe, but for the root hash.
pub(crate) fn command_line(composed: &Composed) -> String {
    let mut words = vec!["systemd.verity=yes", "rootfstype=erofs", "ro", "fsck.repair=yes"];
    words.extend(composed.recipe.kernel.command_line.iter().map(String::as_str));
    words.join(" ")
}
