//! `ashlar profile new`: a recipe of one's own.

use super::beside;
use crate::context::Context;
use ashlar_build::Project;
use ashlar_recipe::compose;
use ashlar_site::is_name;
use ashlar_site::whole_file::{Existing, write_whole};
use miette::miette;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `ashlar profile new --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Begun<'a> {
    /// The profile.
    name: &'a str,
    /// Its recipe.
    file: &'a Path,
    /// The profile that it starts from.
    extends: &'a str,
}

/// Runs it.
pub(super) fn run(
    name: &str,
    extends: &str,
    description: Option<&str>,
    context: &Context,
) -> miette::Result<ExitCode> {
    let (output, project) = (&context.output, context.project()?);
    let path = begin(&project, name, extends, description)?;
    let shown = beside(&project, &path.display().to_string());
    output.line(format_args!(
        "{shown} is written. Next:\n\n  \
         $EDITOR {shown}\n  \
         ashlar profile check {name}\n  \
         ashlar lock {name}\n  \
         ashlar build --profile {name}"
    ));
    output.json(&Begun { name, file: &path, extends })?;
    Ok(ExitCode::SUCCESS)
}

fn begin(
    project: &Project,
    name: &str,
    extends: &str,
    description: Option<&str>,
) -> miette::Result<PathBuf> {
    let folder = project.recipes();
    // A parent that cannot be used is its own error, before anything is written.
    let parent = compose(&folder, extends)?;
    let described = description.unwrap_or(&parent.recipe.description);
    if !is_name(name) {
        return Err(miette!(
            help = "small letters, digits and dashes, such as `till` or `shop-2`",
            "`{name}` is no name for a profile"
        ));
    }
    let path = folder.join(format!("{name}.toml"));
    write(&path, &recipe(described, extends))?;
    match compose(&folder, name) {
        Ok(_) => Ok(path),
        Err(error) => {
            let _ = std::fs::remove_file(&path);
            Err(error.into())
        }
    }
}

fn recipe(description: &str, extends: &str) -> String {
    let text = |value: &str| toml::Value::from(value).to_string();
    format!(
        "#:schema ./recipe.schema.json\n\
         description = {}\n\
         extends = {}\n\
         \n\
         # What it adds; lists grow, single values replace those of `{extends}`.\n\
         # `ashlar profile show` says all that it has, docs/recipes.md what there is.\n\
         # packages = [\"avahi-utils\"]\n\
         # stacks = [\"./till.yml\"]\n\
         \n\
         # What it takes back.\n\
         # [remove]\n\
         # packages = [\"less\"]\n",
        text(description),
        text(extends)
    )
}

/// Over nothing that is there.
fn write(path: &Path, text: &str) -> miette::Result<()> {
    write_whole(path, text.as_bytes(), true, Existing::Keep).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => miette!(
            help = "take another name, or change that file",
            "{} is there already",
            path.display()
        ),
        _ => miette!("{} cannot be written: {error}", path.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::begin;
    use ashlar_build::Project;
    use ashlar_recipe::compose;

    fn project() -> (tempfile::TempDir, Project) {
        let dir = tempfile::tempdir().unwrap();
        let recipes = dir.path().join("recipes");
        std::fs::create_dir(&recipes).unwrap();
        std::fs::write(
            recipes.join("base.toml"),
            "description = 'a \"base\"'\npackages = ['bash']",
        )
        .unwrap();
        let project = Project::find(Some(dir.path())).unwrap();
        (dir, project)
    }

    #[test]
    fn what_is_begun_can_be_composed_and_is_what_it_extends() {
        let (_dir, project) = project();
        begin(&project, "till-2", "base", None).unwrap();
        let composed = compose(&project.recipes(), "till-2").unwrap();
        assert_eq!(composed.recipe.description, "a \"base\"");
        assert_eq!(composed.recipe.packages, ["bash"]);
        begin(&project, "kiosk", "till-2", Some("Screens")).unwrap();
        let composed = compose(&project.recipes(), "kiosk").unwrap();
        assert_eq!(composed.recipe.description, "Screens");
    }

    #[test]
    fn a_bad_name_an_unknown_parent_and_a_recipe_that_is_there_are_refused() {
        let (dir, project) = project();
        for name in ["", "Till", "../till", "-x", "a b"] {
            let refused = begin(&project, name, "base", None).unwrap_err();
            assert!(refused.to_string().contains("no name for a profile"), "{refused}");
        }
        assert!(begin(&project, "till", "none", None).unwrap_err().to_string().contains("none"));
        begin(&project, "till", "base", None).unwrap();
        let before = std::fs::read_to_string(dir.path().join("recipes/till.toml")).unwrap();
        let refused = begin(&project, "till", "base", Some("other")).unwrap_err();
        assert!(refused.to_string().contains("is there already"), "{refused}");
        let after = std::fs::read_to_string(dir.path().join("recipes/till.toml")).unwrap();
        assert_eq!(before, after);
        assert_eq!(std::fs::read_dir(dir.path().join("recipes")).unwrap().count(), 2);
    }
}
