//! What this box is made of and how it is connected, read anew for each question.

mod hardware;
mod network;

pub(crate) use hardware::hardware;
pub(crate) use network::network;

use std::fs;
use std::path::Path;

/// The text of a small file of the kernel's; `None` if there is none or it says
/// nothing.
pub(crate) fn told(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// What a directory holds, by name, in order.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    names
}
