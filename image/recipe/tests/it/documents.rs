//! The recipes that the documents show.

use ashlar_recipe::{Composed, compose, recipes};
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The TOML blocks of a document.
fn blocks(text: &str) -> Vec<&str> {
    let opened = text.split("```toml\n").skip(1);
    opened.filter_map(|rest| rest.split("```").next()).collect()
}

/// Recipes and hardware lists of this repository, and overlays of the same names.
fn project() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    copy(&workspace().join("recipes"), &project.path().join("recipes"));
    for overlay in std::fs::read_dir(workspace().join("overlays")).unwrap() {
        let overlays = project.path().join("overlays");
        std::fs::create_dir_all(overlays.join(overlay.unwrap().file_name())).unwrap();
    }
    project
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn every_recipe_that_the_guide_to_recipes_shows_can_be_pasted() {
    let text = std::fs::read_to_string(workspace().join("docs/recipes.md")).unwrap();
    let blocks = blocks(&text);
    assert!(blocks.len() >= 3, "{} blocks", blocks.len());
    for block in blocks {
        let project = project();
        let folder = project.path().join("recipes");
        // A block may name its own file in its first line.
        let named = block.lines().next().and_then(|line| line.strip_prefix("# recipes/machines/"));
        if let Some(file) = named {
            std::fs::write(folder.join("machines").join(file), block).unwrap();
            let machine = file.trim_end_matches(".toml");
            let pasted = format!("extends = 'retail-metal'\nmachine = '{machine}'\n");
            std::fs::write(folder.join("pasted.toml"), pasted).unwrap();
        } else if block.starts_with("# recipes/archives.toml\n") {
            std::fs::write(folder.join("archives.toml"), block).unwrap();
            std::fs::write(folder.join("vendor.asc"), include_str!("../golden/vendor.asc"))
                .unwrap();
            std::fs::write(folder.join("pasted.toml"), "repositories = ['vendor']\n").unwrap();
        } else {
            std::fs::write(folder.join("pasted.toml"), block).unwrap();
        }
        let pasted = compose(&folder, "pasted").unwrap_or_else(|error| panic!("{error}\n{block}"));
        let name = larger_budget_of(&folder, &pasted);
        assert!(name.is_none(), "a smaller root than {}'s\n{block}", name.unwrap_or_default());
    }
}

/// The shipped profile for real machines whose packages are all in this one as well, and
/// whose budget for them is larger.
fn larger_budget_of(folder: &Path, pasted: &Composed) -> Option<String> {
    let root = pasted.recipe.budget.root?;
    if pasted.recipe.machine.as_deref() == Some("vm") {
        return None;
    }
    recipes(folder).unwrap().into_iter().filter(|name| *name != "pasted").find(|name| {
        let shipped = compose(folder, name).unwrap();
        shipped.recipe.machine.as_deref() == Some("metal")
            && shipped.packages().iter().all(|package| pasted.packages().contains(package))
            && shipped.recipe.budget.root.is_some_and(|budget| root < budget)
    })
}
