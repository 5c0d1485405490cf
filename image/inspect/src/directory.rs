//! The files of a finished build, in its directory.

use crate::error::InspectError;
use std::path::{Path, PathBuf};

/// The one file in a directory whose name ends so: `.raw`, `.root.erofs`.
///
/// # Errors
/// When there is none, or more than one: then a person has to say which.
pub fn artefact_in(directory: &Path, ending: &'static str) -> Result<PathBuf, InspectError> {
    let read = |source| InspectError::Open { path: directory.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    match found.as_slice() {
        [] => Err(InspectError::NoImageIn { path: directory.to_owned(), ending }),
        [one] => Ok(one.clone()),
        many => {
            let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into());
            let names = many.iter().filter_map(name).collect();
            Err(InspectError::ManyImagesIn { path: directory.to_owned(), ending, names })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::artefact_in;

    #[test]
    fn one_image_is_found_and_a_choice_is_left_to_people() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(dir.path().join(name), "").unwrap();
        put("ashlar-retail-1.raw.zst");
        put("ashlar-retail-1.root.erofs");
        let error = artefact_in(dir.path(), ".raw").unwrap_err().to_string();
        assert!(error.contains("no *.raw"), "{error}");
        put("a.raw");
        assert!(artefact_in(dir.path(), ".raw").unwrap().ends_with("a.raw"));
        put("b.raw");
        let error = artefact_in(dir.path(), ".raw").unwrap_err().to_string();
        assert!(error.contains("a.raw, b.raw"), "{error}");
    }
}
