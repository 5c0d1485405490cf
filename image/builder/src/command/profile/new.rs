//! `ashlar profile new`: a recipe of one's own.

use super::beside;
use crate::context::Context;
use ashlar_build::Project;
use ashlar_recipe::compose;
use ashlar_site::is_name;
use ashlar_site::whole_file::{Existing, write_whole};
use miette::{IntoDiagnostic, miette};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What it has besides what it extends.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct More {
    /// A Compose file that its boxes run from the beginning. May be repeated.
    #[arg(long = "stack", value_name = "FILE")]
    pub(crate) stacks: Vec<PathBuf>,
    /// A hardware list in recipes/hardware/, as `ashlar scan --write` makes one. May be
    /// repeated.
    #[arg(long = "hardware", value_name = "LIST")]
    pub(crate) hardware: Vec<String>,
}

impl More {
    /// There is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.stacks.is_empty() && self.hardware.is_empty()
    }
}

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
    more: &More,
    context: &Context,
) -> miette::Result<ExitCode> {
    let (output, project) = (&context.output, context.project()?);
    let path = begin(&project, name, extends, description, more)?;
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

/// Writes the recipe; nothing is left of one that cannot be used.
pub(crate) fn begin(
    project: &Project,
    name: &str,
    extends: &str,
    description: Option<&str>,
    more: &More,
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
    write(&path, &recipe(described, extends, more, &folder)?)?;
    match compose(&folder, name) {
        Ok(_) => Ok(path),
        Err(error) => {
            let _ = std::fs::remove_file(&path);
            Err(error.into())
        }
    }
}

/// Whether a profile may have that: composed beside those of the project, and not kept.
pub(crate) fn check(project: &Project, extends: &str, more: &More) -> miette::Result<()> {
    let place = tempfile::tempdir().into_diagnostic()?;
    let ours = std::fs::canonicalize(project.recipes()).into_diagnostic()?;
    let theirs = place.path().join("recipes");
    std::fs::create_dir(&theirs).into_diagnostic()?;
    let link = |from: &Path, to: PathBuf| std::os::unix::fs::symlink(from, to).into_diagnostic();
    if let Some(root) = ours.parent() {
        link(&root.join("overlays"), place.path().join("overlays"))?;
    }
    for entry in std::fs::read_dir(&ours).into_diagnostic()? {
        let entry = entry.into_diagnostic()?;
        link(&entry.path(), theirs.join(entry.file_name()))?;
    }
    let name = "x-that-is-tried";
    let text = recipe("", extends, more, &theirs)?;
    std::fs::write(theirs.join(format!("{name}.toml")), text).into_diagnostic()?;
    compose(&theirs, name).map(drop).map_err(|error| {
        let said = error.to_string().replace(&theirs.display().to_string(), "recipes");
        miette!("{}", without_line(&said, &format!("recipes/{name}.toml")))
    })
}

/// What is wrong, without where it stands in a file that is not kept.
fn without_line<'a>(said: &'a str, file: &str) -> &'a str {
    let rest = said.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    let rest = rest.map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':'));
    rest.map_or(said, str::trim_start)
}

/// A file as a recipe in this folder names it: wherever the project is moved to, if it
/// is in it.
fn from_recipe(file: &Path, folder: &Path) -> miette::Result<String> {
    let whole = std::fs::canonicalize(file)
        .map_err(|error| miette!("{} cannot be read: {error}", file.display()))?;
    let root = folder.parent().and_then(|root| std::fs::canonicalize(root).ok());
    let inside = root.as_ref().and_then(|root| whole.strip_prefix(root).ok());
    Ok(inside.map_or_else(
        || whole.display().to_string(),
        |inside| match inside.strip_prefix("recipes") {
            Ok(beside) => format!("./{}", beside.display()),
            Err(_) => format!("../{}", inside.display()),
        },
    ))
}

fn recipe(description: &str, extends: &str, more: &More, folder: &Path) -> miette::Result<String> {
    let text = |value: &str| toml::Value::from(value).to_string();
    let list = |values: &[String]| toml::Value::from(values.to_vec()).to_string();
    let stacks = more.stacks.iter().map(|file| from_recipe(file, folder));
    let stacks = stacks.collect::<miette::Result<Vec<_>>>()?;
    let mut added = String::new();
    if !stacks.is_empty() {
        added.push_str(&format!("stacks = {}\n", list(&stacks)));
    }
    if !more.hardware.is_empty() {
        added.push_str(&format!("\n[hardware]\nsets = {}\n", list(&more.hardware)));
    }
    if !added.is_empty() {
        return Ok(format!(
            "#:schema ./recipe.schema.json\n\
             description = {}\n\
             extends = {}\n\
             \n\
             # What it adds; lists grow, single values replace those of `{extends}`.\n\
             {added}",
            text(description),
            text(extends)
        ));
    }
    Ok(format!(
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
    ))
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
    use super::{More, begin, check};
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
        begin(&project, "till-2", "base", None, &More::default()).unwrap();
        let composed = compose(&project.recipes(), "till-2").unwrap();
        assert_eq!(composed.recipe.description, "a \"base\"");
        assert_eq!(composed.recipe.packages, ["bash"]);
        begin(&project, "kiosk", "till-2", Some("Screens"), &More::default()).unwrap();
        let composed = compose(&project.recipes(), "kiosk").unwrap();
        assert_eq!(composed.recipe.description, "Screens");
    }

    #[test]
    fn stacks_and_hardware_lists_are_in_the_recipe_and_checked_before_there_is_one() {
        let (dir, project) = project();
        let recipes = project.recipes();
        std::fs::create_dir(recipes.join("hardware")).unwrap();
        std::fs::write(recipes.join("hardware/till.txt"), "r8169\n").unwrap();
        std::fs::write(
            recipes.join("swarm.toml"),
            "extends = 'base'\n[agent.ring]\nenabled = true\n[agent.swarm]\nenabled = true\n",
        )
        .unwrap();
        let file = dir.path().join("till.yml");
        std::fs::write(&file, "services: {}\n").unwrap();
        let more = More { stacks: vec![file.clone()], hardware: vec!["till".into()] };
        check(&project, "swarm", &more).unwrap();
        assert_eq!(std::fs::read_dir(&recipes).unwrap().count(), 3, "nothing is left of a check");
        begin(&project, "shop", "swarm", None, &more).unwrap();
        let composed = compose(&recipes, "shop").unwrap();
        assert_eq!(composed.recipe.stacks, ["../till.yml"], "it may be moved with the project");
        assert_eq!(composed.recipe.hardware.sets, ["till"]);
        for (extends, more, wanted) in [
            ("base", More { stacks: vec![file], hardware: vec![] }, "stacks need a Swarm"),
            (
                "swarm",
                More { stacks: vec!["/none.yml".into()], hardware: vec![] },
                "cannot be read",
            ),
            ("swarm", More { stacks: vec![], hardware: vec!["none".into()] }, "none"),
        ] {
            let error = check(&project, extends, &more).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("tried"), "{error}");
        }
    }

    #[test]
    fn a_bad_name_an_unknown_parent_and_a_recipe_that_is_there_are_refused() {
        let (dir, project) = project();
        for name in ["", "Till", "../till", "-x", "a b"] {
            let refused = begin(&project, name, "base", None, &More::default()).unwrap_err();
            assert!(refused.to_string().contains("no name for a profile"), "{refused}");
        }
        assert!(
            begin(&project, "till", "none", None, &More::default())
                .unwrap_err()
                .to_string()
                .contains("none")
        );
        begin(&project, "till", "base", None, &More::default()).unwrap();
        let before = std::fs::read_to_string(dir.path().join("recipes/till.toml")).unwrap();
        let refused = begin(&project, "till", "base", Some("other"), &More::default()).unwrap_err();
        assert!(refused.to_string().contains("is there already"), "{refused}");
        let after = std::fs::read_to_string(dir.path().join("recipes/till.toml")).unwrap();
        assert_eq!(before, after);
        assert_eq!(std::fs::read_dir(dir.path().join("recipes")).unwrap().count(), 2);
    }
}
