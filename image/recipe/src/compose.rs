//! Composition: a recipe and all that it extends become one.

use crate::archives::Archive;
use crate::check;
use crate::document::Document;
use crate::error::{Fault, RecipeError};
use crate::finder::{Finder, StackFile, stems};
use crate::modules::ModulePattern;
use crate::origin::{Origin, item_key};
use crate::recipe::{Extends, Recipe};
use crate::remove::RemoveSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A recipe with everything that it extends merged in, and every file that it
/// names found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Composed {
    /// Its name: the file name without `.toml`.
    pub name: String,
    /// The merged recipe; `extends` and `remove` are spent and empty.
    pub recipe: Recipe,
    /// Where each value comes from: by dotted key (`kernel.package`), and for
    /// lists by item (`packages["docker.io"]`). Defaults have no origin.
    pub origins: BTreeMap<String, Origin>,
    /// The recipes that it extends, furthest first.
    pub parents: Vec<String>,
    /// Every file that was read, parents first: the target machine, recipes and
    /// hardware sets.
    pub sources: Vec<PathBuf>,
    /// Overlay folders, in the order in which they are laid.
    pub overlays: Vec<PathBuf>,
    /// Overlay folders of the initrd, in the order in which they are laid.
    pub initrd_overlays: Vec<PathBuf>,
    /// Where packages come from: Debian's archives, then the recipe's own.
    pub archives: Vec<Archive>,
    /// Compose files.
    pub stacks: Vec<StackFile>,
    /// Which kernel modules stay; empty keeps all.
    #[schemars(with = "Vec<String>")]
    pub modules: Vec<ModulePattern>,
    /// Which kernel modules the initrd carries.
    #[schemars(with = "Vec<String>")]
    pub initrd_modules: Vec<ModulePattern>,
}

impl Composed {
    /// Every Debian package to ask apt for, sorted: the recipe's, the kernel and
    /// the firmware.
    #[must_use]
    pub fn packages(&self) -> Vec<String> {
        let Recipe { packages, kernel, firmware, .. } = &self.recipe;
        let all: BTreeSet<&String> =
            packages.iter().chain(&kernel.package).chain(&firmware.packages).collect();
        all.into_iter().cloned().collect()
    }

    /// The archive components that are needed, `main` first.
    #[must_use]
    pub fn components(&self) -> Vec<&str> {
        components(&self.recipe)
    }
}

fn components(recipe: &Recipe) -> Vec<&str> {
    let further = recipe.components.iter().map(String::as_str);
    std::iter::once("main").chain(further.filter(|name| *name != "main")).collect()
}

/// What no recipe can be called: `archives.toml` is none, and `tools.lock` is the
/// lock of the tools.
const RESERVED: [&str; 2] = ["archives", "tools"];

/// The names of the recipes in a folder, sorted.
///
/// # Errors
/// When the folder cannot be read.
pub fn recipes(dir: &Path) -> Result<Vec<String>, RecipeError> {
    let mut names = stems(dir, "toml").map_err(|error| RecipeError::read(dir, error))?;
    names.retain(|name| !RESERVED.contains(&name.as_str()));
    Ok(names)
}

/// Reads `dir/<name>.toml` and all that it extends. Overlays are looked for in
/// `overlays/` beside `dir`, stacks and hardware sets inside `dir`.
///
/// # Errors
/// When a file is missing or wrong; the error shows the place and the remedy.
pub fn compose(dir: &Path, name: &str) -> Result<Composed, RecipeError> {
    let mut lineage = Lineage { dir, documents: Vec::new(), path: Vec::new() };
    lineage.visit(name, None)?;
    let mut documents = lineage.documents;
    let parents = documents.iter().filter_map(Document::name).filter(|other| other != name);
    let parents = parents.collect();
    let machine = machine(dir, &documents)?;
    let machine_name = machine.as_ref().and_then(Document::name);
    if let Some(machine) = machine {
        documents.insert(0, machine);
    }

    let mut merge = Merge::default();
    for document in &documents {
        merge.add(document)?;
    }
    let Merge { table, origins, .. } = merge;
    let mut recipe = Recipe::deserialize(toml::Value::Table(table))
        .map_err(|error| RecipeError::new(Fault::Syntax { reason: error.message().to_owned() }))?;
    recipe.extends = Extends::default();
    recipe.remove = RemoveSettings::default();
    recipe.machine = machine_name;

    let texts: BTreeMap<&Path, &Arc<str>> =
        documents.iter().map(|document| (document.file.as_path(), &document.text)).collect();
    let finder = Finder { dir, origins: &origins, texts };
    check::values(&recipe, &|key, fault| finder.error(key, fault))?;

    let mut sources: Vec<PathBuf> =
        documents.iter().map(|document| document.file.clone()).collect();
    let overlays = finder.overlays("overlays", &recipe.overlays)?;
    let initrd_overlays = finder.overlays("initrd.overlays", &recipe.initrd.overlays)?;
    finder.debs(&recipe.debs)?;
    let archives = finder.archives(&components(&recipe), &recipe.repositories)?;
    let stacks = finder.stacks(&recipe.stacks)?;
    let mut modules = finder.sets("hardware.sets", &recipe.hardware.sets, &mut sources)?;
    modules.extend(finder.patterns(&recipe.hardware.modules)?);
    let initrd = &recipe.hardware.initrd_sets;
    let initrd_modules = finder.sets("hardware.initrd-sets", initrd, &mut sources)?;

    Ok(Composed {
        name: name.to_owned(),
        recipe,
        origins,
        parents,
        sources,
        overlays,
        initrd_overlays,
        archives,
        stacks,
        modules,
        initrd_modules,
    })
}

/// The target machine that a recipe has when none is named: what it makes runs on
/// real machines and on virtual ones.
const USUAL_MACHINE: &str = "metal";

/// The target machine that the last of the recipes names, or the usual one.
fn machine(dir: &Path, documents: &[Document]) -> Result<Option<Document>, RecipeError> {
    let folder = dir.join("machines");
    let named = documents.iter().rev().find_map(|document| {
        let (name, span) = document.words("machine").next()?;
        Some((name, span, document))
    });
    let Some((name, span, document)) = named else {
        let usual = folder.join(format!("{USUAL_MACHINE}.toml"));
        return if usual.is_file() { Document::read(&usual).map(Some) } else { Ok(None) };
    };
    let path = folder.join(format!("{name}.toml"));
    if !ashlar_site::is_name(name) || !path.is_file() {
        let known = stems(&folder, "toml").unwrap_or_default();
        let fault = Fault::Missing { what: "target machine", name: name.to_owned(), path, known };
        return Err(document.error(fault, span));
    }
    let machine = Document::read(&path)?;
    for key in ["extends", "machine"] {
        if let Some((_, span)) = machine.words(key).next() {
            let reason = "a target machine is complete by itself".to_owned();
            return Err(machine.error(Fault::WrongValue { key: key.into(), reason }, span));
        }
    }
    Ok(Some(machine))
}

/// Walks the parents, each once, parents before children.
struct Lineage<'a> {
    dir: &'a Path,
    documents: Vec<Document>,
    /// The recipes that are being visited, each with where it names the next.
    path: Vec<(String, PathBuf, usize)>,
}

impl Lineage<'_> {
    fn visit(
        &mut self,
        name: &str,
        from: Option<(&Document, &Range<usize>)>,
    ) -> Result<(), RecipeError> {
        let refuse = |fault| match from {
            Some((child, span)) => child.error(fault, span),
            None => RecipeError::new(fault),
        };
        if let Some(start) = self.path.iter().position(|(visited, ..)| visited == name) {
            let chain = self.path.get(start..).unwrap_or_default().to_vec();
            return Err(refuse(Fault::Circle { chain }));
        }
        let file = self.dir.join(format!("{name}.toml"));
        if self.documents.iter().any(|document| document.file == file) {
            return Ok(());
        }
        if !ashlar_site::is_name(name) || RESERVED.contains(&name) || !file.is_file() {
            let known = recipes(self.dir).unwrap_or_default();
            let folder = self.dir.to_owned();
            return Err(refuse(Fault::NoSuchRecipe { name: name.to_owned(), folder, known }));
        }
        let document = Document::read(&file)?;
        for (parent, span) in document.words("extends") {
            self.path.push((name.to_owned(), file.clone(), document.line(span)));
            self.visit(parent, Some((&document, span)))?;
            self.path.pop();
        }
        self.documents.push(document);
        Ok(())
    }
}

/// The documents merged so far.
#[derive(Default)]
struct Merge {
    table: toml::Table,
    origins: BTreeMap<String, Origin>,
    /// What any recipe so far has named in each list, removed items too.
    named: BTreeMap<String, Vec<String>>,
}

impl Merge {
    fn add(&mut self, document: &Document) -> Result<(), RecipeError> {
        self.remove(document)?;
        for entry in &document.entries {
            // Spent: they say how to merge and are no part of the result.
            if entry.path.first().is_some_and(|key| key == "extends" || key == "remove") {
                continue;
            }
            let origin = Origin {
                file: document.file.clone(),
                line: document.line(&entry.span),
                span: entry.span.clone(),
            };
            let Some((last, parents)) = entry.path.split_last() else { continue };
            let Some(table) = descend(&mut self.table, parents) else { continue };
            let dotted = entry.dotted();
            if !entry.item {
                table.insert(last.clone(), entry.value.clone());
                self.origins.insert(dotted, origin);
                continue;
            }
            let list = table.entry(last.clone()).or_insert_with(|| toml::Value::Array(Vec::new()));
            let item = entry.value.as_str().unwrap_or_default();
            self.named.entry(dotted.clone()).or_default().push(item.to_owned());
            if let toml::Value::Array(items) = list
                && !items.contains(&entry.value)
            {
                items.push(entry.value.clone());
                self.origins.insert(item_key(&dotted, item), origin);
            }
        }
        Ok(())
    }

    /// Takes back what the document says, under `remove` by each list's own key.
    fn remove(&mut self, document: &Document) -> Result<(), RecipeError> {
        for entry in document.entries.iter().filter(|entry| entry.item) {
            let Some((first, path)) = entry.path.split_first() else { continue };
            let (Some((last, parents)), Some(name)) = (path.split_last(), entry.value.as_str())
            else {
                continue;
            };
            if first != "remove" {
                continue;
            }
            let list = path.join(".");
            let known = self.named.get(&list).cloned().unwrap_or_default();
            if !known.iter().any(|item| item == name) {
                let fault = Fault::NothingToRemove { name: name.to_owned(), list, known };
                return Err(document.error(fault, &entry.span));
            }
            let table = descend(&mut self.table, parents);
            if let Some(toml::Value::Array(items)) = table.and_then(|table| table.get_mut(last)) {
                items.retain(|item| item.as_str() != Some(name));
            }
            self.origins.remove(&item_key(&list, name));
        }
        Ok(())
    }
}

/// The table below `table` at a path, made where it is not there yet.
fn descend<'a>(table: &'a mut toml::Table, path: &[String]) -> Option<&'a mut toml::Table> {
    let Some((first, rest)) = path.split_first() else { return Some(table) };
    let inner = table.entry(first.clone()).or_insert_with(|| toml::Table::new().into());
    descend(inner.as_table_mut()?, rest)
}
