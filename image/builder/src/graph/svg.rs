//! The graph as a picture.

use super::{Graph, Kind};
use std::fmt::Write;

/// Of a box.
pub(super) const WIDTH: i32 = 210;
/// Of a box.
pub(super) const HEIGHT: i32 = 38;
const ACROSS: i32 = 80;
const DOWN: i32 = 12;
const MARGIN: i32 = 24;

/// The upper left corner of each box: columns from left to right. The first two
/// stand in the middle of the height, steps beside what they are made from.
pub(super) fn places(graph: &Graph) -> Vec<(i32, i32)> {
    let row = HEIGHT + DOWN;
    let mut places = vec![(0, 0); graph.nodes.len()];
    let column = |at: usize| {
        let nodes = graph.nodes.iter().enumerate();
        nodes.filter(move |(_, node)| node.column == at).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let rows = |at: usize| i32::try_from(column(at).len()).unwrap_or(i32::MAX);
    let tallest = (0..=last_column(graph)).map(rows).max().unwrap_or(0) * row;
    for at in 0..=last_column(graph) {
        let x = MARGIN + i32::try_from(at).unwrap_or(0) * (WIDTH + ACROSS);
        // Few boxes get the room of many between them.
        let step = (tallest / rows(at).max(1)).min(3 * row);
        let top = (tallest - step * rows(at)) / 2;
        let mut wished: Vec<(i32, usize)> = Vec::new();
        for (place, node) in column(at).into_iter().enumerate() {
            let usual = top + i32::try_from(place).unwrap_or(0) * step + (step - HEIGHT) / 2;
            let before = graph.edges.iter().filter(|(_, to)| *to == node);
            let before: Vec<i32> = before.map(|(from, _)| places[*from].1 - MARGIN).collect();
            let count = i32::try_from(before.len()).unwrap_or(1);
            let beside =
                if at > 1 && count > 0 { before.iter().sum::<i32>() / count } else { usual };
            wished.push((beside, node));
        }
        wished.sort_unstable();
        let mut free = 0;
        for (y, node) in wished {
            let y = y.max(free);
            free = y + if at > 1 { 2 * row } else { row };
            places[node] = (x, MARGIN + y);
        }
    }
    places
}

fn last_column(graph: &Graph) -> usize {
    graph.nodes.iter().map(|node| node.column).max().unwrap_or(0)
}

/// The whole picture.
pub(crate) fn svg(graph: &Graph) -> String {
    let places = places(graph);
    let width = places.iter().map(|place| place.0).max().unwrap_or(0) + WIDTH + MARGIN;
    let height = places.iter().map(|place| place.1).max().unwrap_or(0) + HEIGHT + MARGIN;
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\">\n\
         <title>{}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        escaped(&graph.profile)
    );
    for (from, to) in &graph.edges {
        let (from, to) = (places[*from], places[*to]);
        let (x1, y1) = (from.0 + WIDTH, from.1 + HEIGHT / 2);
        let (x2, y2) = (to.0, to.1 + HEIGHT / 2);
        let bend = (x2 - x1).abs().min(2 * ACROSS) / 2;
        let _ = writeln!(
            picture,
            "<path d=\"M {x1} {y1} C {} {y1} {} {y2} {x2} {y2}\" fill=\"none\" \
             stroke=\"#9aa5b1\" stroke-width=\"1.2\"/>",
            x1 + bend,
            x2 - bend
        );
    }
    for (node, (x, y)) in graph.nodes.iter().zip(&places) {
        let fill = match node.kind {
            Kind::Recipe => "#dbeafe",
            Kind::Given => "#f1f5f9",
            Kind::Step => "#dcfce7",
        };
        let _ = writeln!(
            picture,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" \
             fill=\"{fill}\" stroke=\"#475569\"/>\n\
             <text x=\"{}\" y=\"{}\" font-size=\"13\" fill=\"#0f172a\">{}</text>\n\
             <text x=\"{}\" y=\"{}\" font-size=\"10\" fill=\"#475569\">{}</text>",
            x + 10,
            y + 16,
            escaped(&cut(&node.name, 26)),
            x + 10,
            y + 30,
            escaped(&cut(&node.about, 34))
        );
    }
    picture.push_str("</svg>\n");
    picture
}

/// What fits into a box.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
