//! What can be chosen, as a person weighs it: all of it from the recipes.

use ashlar_build::Project;
use ashlar_recipe::{Composed, compose, recipes};
use ashlar_site::StorageDriver;

/// One profile.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) name: String,
    pub(super) description: String,
    /// It runs in virtual machines only.
    pub(super) is_virtual: bool,
    /// It is for one box by itself.
    pub(super) is_solo: bool,
    /// How many recipes it extends.
    parents: usize,
    /// What runs on it, and what it takes.
    facts: Vec<String>,
}

/// Every profile that can be composed: those for real machines first, of these those
/// for several boxes, of these the plainest.
pub(super) fn all(project: &Project) -> miette::Result<Vec<Card>> {
    let folder = project.recipes();
    let composed = recipes(&folder)?.into_iter().filter_map(|name| compose(&folder, &name).ok());
    let mut cards: Vec<Card> = composed.map(|composed| card(&composed)).collect();
    let place = |card: &Card| (card.is_virtual, card.is_solo, card.parents, card.name.clone());
    cards.sort_by_key(place);
    if cards.is_empty() {
        return Err(miette::miette!("no recipe in {} can be used", folder.display()));
    }
    Ok(cards)
}

fn card(composed: &Composed) -> Card {
    let recipe = &composed.recipe;
    let is_virtual = recipe.machine.as_deref() == Some("vm");
    let agent = &recipe.agent;
    let is_solo = agent.storage.enabled && agent.storage.driver == StorageDriver::Local;
    let storage = match (is_solo, agent.storage.witness) {
        (true, _) => "storage of its own",
        (false, true) => "a vote beside two boxes that carry data",
        (false, false) => "replicated storage",
    };
    let runs: Vec<&str> = [
        (agent.ring.enabled && !is_solo, "one cluster"),
        (agent.storage.enabled, storage),
        (agent.swarm.enabled, "containers (Docker Swarm)"),
    ]
    .into_iter()
    .filter_map(|(there, words)| there.then_some(words))
    .collect();
    let runs = if runs.is_empty() { "nothing but the agent".to_owned() } else { runs.join(", ") };
    let whole = recipe.disk.smallest().div_ceil(1_000_000_000);
    let mut facts = vec![
        format!("for {}", if is_virtual { "virtual machines" } else { "real machines" }),
        format!("runs {runs}"),
        format!("disk of {whole} GB or more"),
    ];
    facts.extend(recipe.budget.root.map(|root| format!("system of at most {root}")));
    let stacks: Vec<_> = composed.stacks.iter().map(|stack| stack.name.as_str()).collect();
    if !stacks.is_empty() {
        facts.push(format!("stacks: {}", stacks.join(", ")));
    }
    let description = recipe.description.clone();
    let (name, parents) = (composed.name.clone(), composed.parents.len());
    Card { name, description, is_virtual, is_solo, parents, facts }
}

impl Card {
    /// A few lines within 80 cells.
    pub(super) fn text(&self, number: usize) -> String {
        let mut text = format!("{number:2}  {}\n", self.name);
        for fact in std::iter::once(&self.description).chain(&self.facts) {
            text.push_str(&format!("      {fact}\n"));
        }
        text
    }
}
