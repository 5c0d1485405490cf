//! A screen as a picture of the book: SVG with the colours of the Linux console. The
//! screen's tests and the wizard's take this file in, each to draw its own.

use std::fmt::Write;
use std::path::Path;

/// One cell: its letter, and of what colours, by the console's numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) letter: char,
    pub(crate) ink: u8,
    pub(crate) ground: u8,
}

/// What the kernel's console shows the 16 colours as.
const PALETTE: [&str; 16] = [
    "#000", "#a00", "#0a0", "#a50", "#00a", "#a0a", "#0aa", "#aaa", "#555", "#f55", "#5f5", "#ff5",
    "#55f", "#f5f", "#5ff", "#fff",
];

/// A cell in pixels, and what is around the screen.
const WIDE: usize = 8;
const HIGH: usize = 16;
const MARGIN: usize = 8;

/// What letters fill of a cell that a font may not join to the next one: from left and
/// above, how wide and how high.
const fn filled(letter: char) -> &'static [[usize; 4]] {
    match letter {
        '█' => &[[0, 0, WIDE, HIGH]],
        '▀' => &[[0, 0, WIDE, 8]],
        '▄' => &[[0, 8, WIDE, 8]],
        '─' => &[[0, 7, WIDE, 1]],
        '│' => &[[4, 0, 1, HIGH]],
        '┌' => &[[4, 7, 4, 1], [4, 7, 1, 9]],
        '┐' => &[[0, 7, 5, 1], [4, 7, 1, 9]],
        '└' => &[[4, 7, 4, 1], [4, 0, 1, 8]],
        '┘' => &[[0, 7, 5, 1], [4, 0, 1, 8]],
        _ => &[],
    }
}

/// Draws it.
pub(crate) fn svg(rows: &[Vec<Cell>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let (width, height) = (columns * WIDE + 2 * MARGIN, rows.len() * HIGH + 2 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"13\" \
         xml:space=\"preserve\" shape-rendering=\"crispEdges\">\n\
         <rect width=\"{width}\" height=\"{height}\"/>\n"
    );
    for (y, row) in rows.iter().enumerate() {
        let top = MARGIN + y * HIGH;
        for (x, cells) in runs(row, |cell| cell.ground) {
            let [left, width] = [MARGIN + x * WIDE, cells.len() * WIDE];
            // The picture is black.
            if cells[0].ground != 0 {
                rectangle(&mut out, [left, top, width, HIGH], cells[0].ground);
            }
        }
        let mut row = row.clone();
        // A blank has no colour: it is of the word before it.
        for n in 1..row.len() {
            if row[n].letter == ' ' {
                row[n].ink = row[n - 1].ink;
            }
        }
        for (x, cells) in runs(&row, |cell| (cell.ink, filled(cell.letter))) {
            let left = MARGIN + x * WIDE;
            for (n, [right, below, wide, high]) in parts(cells) {
                let at = [left + n * WIDE + right, top + below, wide, high];
                rectangle(&mut out, at, cells[0].ink);
            }
            text(&mut out, (x, top + HIGH - 4), cells);
        }
    }
    out.push_str("</svg>\n");
    out
}

/// The rectangles of neighbours with one letter: one if they join.
fn parts(cells: &[Cell]) -> Vec<(usize, [usize; 4])> {
    match filled(cells[0].letter) {
        [[0, below, WIDE, high]] => vec![(0, [0, *below, cells.len() * WIDE, *high])],
        each => (0..cells.len()).flat_map(|n| each.iter().map(move |part| (n, *part))).collect(),
    }
}

/// Neighbours that are alike, with where they begin.
fn runs<K: PartialEq>(row: &[Cell], key: impl Fn(&Cell) -> K) -> Vec<(usize, &[Cell])> {
    let mut at = 0;
    let same = row.chunk_by(|one, other| key(one) == key(other));
    same.map(|cells| {
        at += cells.len();
        (at - cells.len(), cells)
    })
    .collect()
}

fn rectangle(out: &mut String, [x, y, width, height]: [usize; 4], colour: u8) {
    let colour = PALETTE[usize::from(colour)];
    let _ = writeln!(
        out,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\"/>"
    );
}

/// As wide as its cells, whatever font there is.
fn text(out: &mut String, (x, y): (usize, usize), cells: &[Cell]) {
    let is_blank = |cell: &Cell| cell.letter == ' ';
    let Some(first) = cells.iter().position(|cell| !is_blank(cell)) else { return };
    let last = cells.iter().rposition(|cell| !is_blank(cell)).unwrap_or(first);
    if !filled(cells[first].letter).is_empty() {
        return;
    }
    let (x, cells) = (x + first, &cells[first..=last]);
    let (x, width) = (MARGIN + x * WIDE, cells.len() * WIDE);
    let colour = PALETTE[usize::from(cells[0].ink)];
    let _ = write!(
        out,
        "<text x=\"{x}\" y=\"{y}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\" \
         fill=\"{colour}\">"
    );
    for cell in cells {
        match cell.letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            letter => out.push(letter),
        }
    }
    out.push_str("</text>\n");
}

/// The picture of this name is as it is drawn; or becomes so, if a person asks for that.
pub(crate) fn is_in_the_book(name: &str, rows: &[Vec<Cell>], program: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures");
    let (path, drawn) = (folder.join(format!("{name}.svg")), svg(rows));
    if std::env::var_os("ASHLAR_WRITE_BOOK").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, &drawn).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).is_ok_and(|old| old == drawn),
        "docs/pictures/{name}.svg shows something else; make it anew with\n  \
         ASHLAR_WRITE_BOOK=1 cargo test -p {program}"
    );
}

#[test]
fn a_picture_has_each_word_in_its_colour_and_at_its_place() {
    let cell = |letter, ink| Cell { letter, ink, ground: 0 };
    let row = vec![cell('<', 15), cell('a', 15), cell(' ', 7), cell('█', 2), cell('b', 9)];
    let black = Cell { letter: '▄', ink: 0, ground: 2 };
    let drawn = svg(&[row, vec![black]]);
    for part in [
        "viewBox=\"0 0 56 48\"",
        "<text x=\"8\" y=\"20\" textLength=\"16\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#fff\">&lt;a</text>",
        "<rect x=\"32\" y=\"8\" width=\"8\" height=\"16\" fill=\"#0a0\"/>",
        "<text x=\"40\"",
        "<rect x=\"8\" y=\"32\" width=\"8\" height=\"8\" fill=\"#000\"/>",
    ] {
        assert!(drawn.contains(part), "{part}:\n{drawn}");
    }
}
