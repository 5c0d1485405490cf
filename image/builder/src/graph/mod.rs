//! How recipes become an image, as a graph: recipes give overlays, packages and
//! lists, and steps make an image of them.

mod svg;
mod text;

pub(crate) use svg::svg;
pub(crate) use text::text;

use ashlar_build::Outline;
use ashlar_recipe::{Composed, Origin};
use serde::Serialize;
use std::collections::BTreeMap;

/// The graph of one profile.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Graph {
    /// The profile.
    pub(crate) profile: String,
    /// Its parts, in columns from left to right.
    pub(crate) nodes: Vec<Node>,
    /// From one part's place in the list to another's.
    pub(crate) edges: Vec<(usize, usize)>,
}

/// One part.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "GraphNode"))]
pub(crate) struct Node {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its name.
    pub(crate) name: String,
    /// More about it.
    pub(crate) about: String,
    /// Its column: recipes, what they give, and the steps by depth.
    pub(crate) column: usize,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "GraphNodeKind"))]
pub(crate) enum Kind {
    /// A target machine, a parent, or the profile itself.
    Recipe,
    /// Something that recipes give.
    Given,
    /// A step of the build.
    Step,
}

/// A list of a recipe: its key, the word for one item, and the steps that read it.
const LISTS: [(&str, &str, &[&str]); 8] = [
    ("repositories", "repository", &["base"]),
    ("debs", "package file", &["base"]),
    ("overlays", "overlay", &["system"]),
    ("stacks", "stack", &["system"]),
    ("initrd.overlays", "initrd overlay", &["initrd"]),
    ("hardware.sets", "modules", &["modules"]),
    ("hardware.modules", "module", &["modules"]),
    ("hardware.initrd-sets", "initrd modules", &["modules", "initrd"]),
];

/// Lists whose items are too many to be shown one by one.
const PACKAGES: [&str; 2] = ["packages", "firmware.packages"];

impl Graph {
    /// Of a composed recipe and the steps of a build.
    pub(crate) fn of(composed: &Composed, steps: &[Outline]) -> Self {
        let mut graph =
            Self { profile: composed.name.clone(), nodes: Vec::new(), edges: Vec::new() };
        let mut recipes = BTreeMap::new();
        for source in composed.sources.iter().filter(|path| is_toml(path)) {
            let folder = source.parent().and_then(|folder| folder.file_name());
            let machine = folder.is_some_and(|folder| folder == "machines");
            let stem = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let about = match (machine, stem == composed.name) {
                (true, _) => "target machine",
                (_, true) => "profile",
                _ => "parent",
            };
            let node = graph.add(Kind::Recipe, stem, about.to_owned(), 0);
            recipes.insert(source.clone(), node);
        }
        let first_step = graph.given(composed, &recipes);
        graph.steps(steps, &first_step);
        graph
    }

    fn add(&mut self, kind: Kind, name: String, about: String, column: usize) -> usize {
        self.nodes.push(Node { kind, name, about, column });
        self.nodes.len() - 1
    }

    /// What recipes give, and for each step what it reads of that.
    fn given(
        &mut self,
        composed: &Composed,
        recipes: &BTreeMap<std::path::PathBuf, usize>,
    ) -> BTreeMap<&'static str, Vec<usize>> {
        let mut read: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        // Packages count by the recipe that names them.
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let mut kernel = None;
        for (key, origin) in &composed.origins {
            let Some(recipe) = recipes.get(&origin.file).copied() else { continue };
            let list = key.split('[').next().unwrap_or(key);
            if PACKAGES.contains(&list) {
                *counts.entry(recipe).or_default() += 1;
            } else if list == "kernel.package" {
                kernel = Some(recipe);
            }
        }
        for (recipe, count) in counts {
            let name = format!("{count} packages");
            let node = self.add(Kind::Given, name, "packages".to_owned(), 1);
            self.edges.push((recipe, node));
            read.entry("base").or_default().push(node);
        }
        if let (Some(recipe), Some(package)) = (kernel, &composed.recipe.kernel.package) {
            let node = self.add(Kind::Given, package.clone(), "kernel".to_owned(), 1);
            self.edges.push((recipe, node));
            read.entry("base").or_default().push(node);
        }
        for (list, word, steps) in LISTS {
            let items = composed.origins.iter().filter_map(|(key, origin)| {
                let name = key.strip_prefix(list)?.strip_prefix("[\"")?.strip_suffix("\"]")?;
                Some((name.to_owned(), origin))
            });
            let mut items: Vec<(String, &Origin)> = items.collect();
            items.sort_by_key(|(_, origin)| (recipes.get(&origin.file).copied(), origin.line));
            for (name, origin) in items {
                let node = self.add(Kind::Given, name, word.to_owned(), 1);
                if let Some(recipe) = recipes.get(&origin.file) {
                    self.edges.push((*recipe, node));
                }
                for step in steps {
                    read.entry(step).or_default().push(node);
                }
            }
        }
        let programs = ashlar_build::PROGRAMS.join(", ");
        let node = self.add(Kind::Given, programs, "our programs".to_owned(), 1);
        read.entry("root").or_default().push(node);
        read
    }

    fn steps(&mut self, steps: &[Outline], read: &BTreeMap<&str, Vec<usize>>) {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for step in steps {
            let before: Vec<usize> =
                step.needs.iter().filter_map(|need| places.get(need).copied()).collect();
            let column = before.iter().map(|node| self.nodes[*node].column).max().unwrap_or(1) + 1;
            let node = self.add(Kind::Step, step.name.to_owned(), step.about.to_owned(), column);
            let given = read.get(step.name).into_iter().flatten();
            self.edges.extend(before.iter().chain(given).map(|from| (*from, node)));
            places.insert(step.name, node);
        }
    }
}

fn is_toml(path: &std::path::Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

#[cfg(test)]
mod tests {
    use super::{Graph, Kind, svg, text};
    use std::path::PathBuf;

    fn retail() -> Graph {
        let recipes = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let composed = ashlar_recipe::compose(&recipes, "retail").unwrap();
        Graph::of(&composed, &ashlar_build::outline())
    }

    #[test]
    fn every_part_has_its_place_and_every_edge_leads_to_the_right() {
        let graph = retail();
        let named = |name: &str| graph.nodes.iter().position(|node| node.name == name).unwrap();
        let edge = |from: &str, to: &str| graph.edges.contains(&(named(from), named(to)));
        assert!(edge("minimal", "base") && edge("retail", "swarm") && edge("swarm", "system"));
        assert!(edge("vm", "linux-image-cloud-amd64") && edge("root", "uki"));
        for (from, to) in &graph.edges {
            let (from, to) = (&graph.nodes[*from], &graph.nodes[*to]);
            assert!(from.column < to.column, "{} → {}", from.name, to.name);
        }
        let steps = graph.nodes.iter().filter(|node| node.kind == Kind::Step).count();
        assert_eq!(steps, ashlar_build::outline().len());
    }

    #[test]
    fn every_list_of_a_recipe_is_drawn() {
        let place = tempfile::tempdir().unwrap();
        let recipe = "description = \"x\"\ndebs = [\"own.deb\"]\n[kernel]\npackage = \"linux\"\n";
        std::fs::write(place.path().join("x.toml"), recipe).unwrap();
        std::fs::write(place.path().join("own.deb"), "").unwrap();
        let composed = ashlar_recipe::compose(place.path(), "x").unwrap();
        let graph = Graph::of(&composed, &ashlar_build::outline());
        let named = |name: &str| graph.nodes.iter().position(|node| node.name == name).unwrap();
        assert!(graph.edges.contains(&(named("own.deb"), named("base"))));
        // Those that are told by number aside, every list has its line.
        let lists = serde_json::to_value(composed.recipe).unwrap();
        let lists = lists.as_object().unwrap().iter().filter(|(_, value)| value.is_array());
        for (list, _) in lists {
            let drawn = super::LISTS.iter().any(|(name, ..)| name == list);
            let told = super::PACKAGES.contains(&list.as_str()) || list == "components";
            assert!(drawn || told, "{list}");
        }
    }

    #[test]
    fn the_text_names_every_part() {
        let graph = retail();
        let text = text(&graph);
        for node in &graph.nodes {
            assert!(text.contains(&node.name), "{} in\n{text}", node.name);
        }
    }

    #[test]
    fn the_picture_is_well_formed_and_no_box_lies_on_another() {
        let graph = retail();
        let picture = svg(&graph);
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
        assert_eq!(picture.matches("<rect").count(), graph.nodes.len() + 1);
        assert_eq!(picture.matches("<path").count(), graph.edges.len());
        let boxes = super::svg::places(&graph);
        for (at, one) in boxes.iter().enumerate() {
            for other in &boxes[at + 1..] {
                let apart = (one.0 - other.0).abs() >= super::svg::WIDTH
                    || (one.1 - other.1).abs() >= super::svg::HEIGHT;
                assert!(apart, "{one:?} {other:?}");
            }
        }
    }
}
