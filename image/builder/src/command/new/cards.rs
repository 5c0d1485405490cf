//! What can be chosen, as a person weighs it: all of it from the recipes.

use ashlar_build::Project;
use ashlar_machine::{Backend, Spec};
use ashlar_recipe::{Composed, compose, recipes};
use ashlar_site::StorageDriver;
use std::path::PathBuf;

/// One profile.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) name: String,
    pub(super) description: String,
    /// It runs in virtual machines only.
    pub(super) is_virtual: bool,
    /// It is for one box by itself.
    pub(super) is_solo: bool,
    /// It runs nothing but the agent: a base to extend.
    is_base: bool,
    /// How many recipes it extends.
    parents: usize,
    /// What it takes,
    needs: String,
    /// and what runs on it.
    runs: String,
}

/// Every profile that can be composed: those first that do something on real machines,
/// of these those for several boxes, of these the plainest.
pub(super) fn all(project: &Project) -> miette::Result<Vec<Card>> {
    let folder = project.recipes();
    let composed = recipes(&folder)?.into_iter().filter_map(|name| compose(&folder, &name).ok());
    let mut cards: Vec<Card> = composed.map(|composed| card(&composed)).collect();
    let place = |card: &Card| {
        (card.is_aside(), card.is_virtual, card.is_solo, card.parents, card.name.clone())
    };
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
        // A witness is given no task.
        (agent.swarm.enabled && !agent.storage.witness, "containers (Docker Swarm)"),
    ]
    .into_iter()
    .filter_map(|(there, words)| there.then_some(words))
    .collect();
    let is_base = runs.is_empty();
    let runs = if is_base { "nothing but the agent".to_owned() } else { runs.join(", ") };
    let disk = recipe.disk.smallest().div_ceil(1_000_000_000);
    let needs = format!("disk {disk} GB, memory {} GB or more", memory());
    let mut runs = format!("runs {runs}");
    let stacks: Vec<_> = composed.stacks.iter().map(|stack| stack.name.as_str()).collect();
    if !stacks.is_empty() {
        runs.push_str(&format!("; stacks: {}", stacks.join(", ")));
    }
    let (name, description) = (composed.name.clone(), recipe.description.clone());
    let parents = composed.parents.len();
    Card { name, description, is_virtual, is_solo, is_base, parents, needs, runs }
}

/// Gigabytes of memory that boxes of every profile were seen to do with, before anybody's
/// services: those of the tests.
fn memory() -> u64 {
    let machine = Spec::new(Backend::Vm, "any", PathBuf::new());
    let bytes = u64::from(machine.memory_mib) << 20;
    bytes.div_ceil(1_000_000_000)
}

/// Those that there is room for on a small screen, and the names of the others: what runs
/// in virtual machines only, or is a base, is for whoever asks.
pub(super) fn shown(cards: &[Card]) -> (String, Vec<&str>) {
    let first = cards.iter().filter(|card| !card.is_aside()).count();
    let shown = if first == 0 { cards.len() } else { first }.min(ROOM);
    let numbered = (1..).zip(cards).take(shown);
    let text = numbered.map(|(number, card)| card.text(number)).collect();
    (text, cards.iter().skip(shown).map(|card| card.name.as_str()).collect())
}

/// All the others.
pub(super) fn others(cards: &[Card]) -> String {
    let shown = cards.len() - shown(cards).1.len();
    (1..).zip(cards).skip(shown).map(|(number, card)| card.text(number)).collect()
}

/// So many cells there are right of a card's number.
const WIDTH: usize = 74;

/// As much of a line as there is room for: one more would push the question away.
fn in_one_line(text: &str) -> String {
    const MORE: &str = " ...";
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    let room: String = text.chars().take(WIDTH - MORE.len() + 1).collect();
    let whole = room.rsplit_once(' ').map_or(room.as_str(), |(whole, _)| whole);
    format!("{}{MORE}", whole.trim_end_matches([',', ';', ':']))
}

/// So many cards stand on a screen of 24 lines, with the question below them.
const ROOM: usize = 6;

impl Card {
    /// It is no first choice for boxes.
    const fn is_aside(&self) -> bool {
        self.is_virtual || self.is_base
    }

    /// Three lines within 80 cells.
    fn text(&self, number: usize) -> String {
        let Self { name, description, needs, runs, .. } = self;
        let (description, runs) = (in_one_line(description), in_one_line(runs));
        let place = if self.is_virtual { "virtual machines" } else { "real machines" };
        format!("{number:2}  {name}: {place}, {needs}\n      {description}\n      {runs}\n")
    }
}
