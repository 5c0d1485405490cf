//! The graph in words.

use super::{Graph, Kind, Node};
use std::fmt::Write;

/// Recipes with what they give, and steps with what they are made from.
pub(crate) fn text(graph: &Graph) -> String {
    let mut text = String::new();
    let line = |text: &mut String, node: &Node, word: &str, parts: &[String]| {
        let _ = writeln!(text, "  {:14} {word} {}", node.name, parts.join(", "));
    };
    let label = |node: &Node| match node.kind {
        Kind::Given if node.about == "packages" => node.name.clone(),
        Kind::Given => format!("{} {}", node.about, node.name),
        Kind::Recipe | Kind::Step => node.name.clone(),
    };
    text.push_str("recipes give\n");
    for (at, node) in graph.nodes.iter().enumerate().filter(|(_, node)| node.kind == Kind::Recipe) {
        let gives = graph.edges.iter().filter(|(from, _)| *from == at);
        let gives: Vec<String> = gives.map(|(_, to)| label(&graph.nodes[*to])).collect();
        line(&mut text, node, "→", &gives);
    }
    text.push_str("\nsteps are made from\n");
    for (at, node) in graph.nodes.iter().enumerate().filter(|(_, node)| node.kind == Kind::Step) {
        let from = graph.edges.iter().filter(|(_, to)| *to == at);
        let from: Vec<String> = from.map(|(from, _)| label(&graph.nodes[*from])).collect();
        line(&mut text, node, "←", &from);
    }
    text
}
