//! Large letters: three by five dots each, two dots above each other in one
//! cell by half blocks. Fifteen letters fit into 60 columns and 3 rows.

use ratatui::text::Line;

/// Dots of each letter, top row first, leftmost dot highest.
#[rustfmt::skip]
const FONT: &[(char, [u8; 5])] = &[
    ('-', [0b000, 0b000, 0b111, 0b000, 0b000]),
    ('0', [0b111, 0b101, 0b101, 0b101, 0b111]),
    ('1', [0b010, 0b110, 0b010, 0b010, 0b111]),
    ('2', [0b111, 0b001, 0b111, 0b100, 0b111]),
    ('3', [0b111, 0b001, 0b011, 0b001, 0b111]),
    ('4', [0b101, 0b101, 0b111, 0b001, 0b001]),
    ('5', [0b111, 0b100, 0b111, 0b001, 0b111]),
    ('6', [0b111, 0b100, 0b111, 0b101, 0b111]),
    ('7', [0b111, 0b001, 0b010, 0b010, 0b010]),
    ('8', [0b111, 0b101, 0b111, 0b101, 0b111]),
    ('9', [0b111, 0b101, 0b111, 0b001, 0b111]),
    ('a', [0b010, 0b101, 0b111, 0b101, 0b101]),
    ('b', [0b110, 0b101, 0b110, 0b101, 0b110]),
    ('c', [0b011, 0b100, 0b100, 0b100, 0b011]),
    ('d', [0b110, 0b101, 0b101, 0b101, 0b110]),
    ('e', [0b111, 0b100, 0b110, 0b100, 0b111]),
    ('f', [0b111, 0b100, 0b110, 0b100, 0b100]),
    ('g', [0b011, 0b100, 0b101, 0b101, 0b011]),
    ('h', [0b101, 0b101, 0b111, 0b101, 0b101]),
    ('i', [0b111, 0b010, 0b010, 0b010, 0b111]),
    ('j', [0b001, 0b001, 0b001, 0b101, 0b010]),
    ('k', [0b101, 0b101, 0b110, 0b101, 0b101]),
    ('l', [0b100, 0b100, 0b100, 0b100, 0b111]),
    ('m', [0b101, 0b111, 0b111, 0b101, 0b101]),
    ('n', [0b110, 0b101, 0b101, 0b101, 0b101]),
    ('o', [0b010, 0b101, 0b101, 0b101, 0b010]),
    ('p', [0b110, 0b101, 0b110, 0b100, 0b100]),
    ('q', [0b010, 0b101, 0b101, 0b110, 0b011]),
    ('r', [0b110, 0b101, 0b110, 0b101, 0b101]),
    ('s', [0b011, 0b100, 0b010, 0b001, 0b110]),
    ('t', [0b111, 0b010, 0b010, 0b010, 0b010]),
    ('u', [0b101, 0b101, 0b101, 0b101, 0b111]),
    ('v', [0b101, 0b101, 0b101, 0b101, 0b010]),
    ('w', [0b101, 0b101, 0b111, 0b111, 0b101]),
    ('x', [0b101, 0b101, 0b010, 0b101, 0b101]),
    ('y', [0b101, 0b101, 0b010, 0b010, 0b010]),
    ('z', [0b111, 0b001, 0b010, 0b100, 0b111]),
];

/// `text` in three lines of large letters; `None` if it does not fit into
/// `width` cells or has a letter that is not drawn here.
pub(crate) fn lines(text: &str, width: u16) -> Option<Vec<Line<'static>>> {
    let glyphs: Vec<[u8; 5]> = text
        .chars()
        .map(|c| FONT.iter().find(|(known, _)| *known == c).map(|(_, dots)| *dots))
        .collect::<Option<_>>()?;
    if glyphs.len() * 4 > usize::from(width) + 1 {
        return None;
    }
    let row = |upper: usize| -> Line<'static> {
        let mut cells = String::new();
        for dots in &glyphs {
            let lower = dots.get(upper + 1).copied().unwrap_or(0);
            for bit in [0b100, 0b010, 0b001] {
                cells.push(match (dots[upper] & bit != 0, lower & bit != 0) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            cells.push(' ');
        }
        cells.into()
    };
    Some([0, 2, 4].map(row).into())
}
