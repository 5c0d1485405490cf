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

/// The upper left corner of each box: columns from left to right, each in the
/// middle of the height.
pub(super) fn places(graph: &Graph) -> Vec<(i32, i32)> {
    let count = |column: usize| {
        let in_column = graph.nodes.iter().filter(|node| node.column == column).count();
        i32::try_from(in_column).unwrap_or(i32::MAX)
    };
    let tallest = (0..=last_column(graph)).map(count).max().unwrap_or(0);
    let mut used = vec![0; last_column(graph) + 1];
    graph
        .nodes
        .iter()
        .map(|node| {
            let row = used[node.column];
            used[node.column] += 1;
            // Few boxes get the room of many between them.
            let step = (HEIGHT + DOWN) * tallest / count(node.column).max(1);
            let step = step.min((HEIGHT + DOWN) * 3);
            let free = (HEIGHT + DOWN) * tallest - step * count(node.column);
            let column = i32::try_from(node.column).unwrap_or(0);
            let x = MARGIN + column * (WIDTH + ACROSS);
            (x, MARGIN + free / 2 + row * step + (step - HEIGHT) / 2)
        })
        .collect()
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
            escaped(&cut(&node.name, 28)),
            x + 10,
            y + 30,
            escaped(&cut(&node.about, 38))
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
