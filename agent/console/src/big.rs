//! Large letters: five dots high and three wide, `m` and `w` five, so that nobody
//! reads `well` as something else. Two dots above each other are one cell by half
//! blocks: fifteen letters fit into 60 columns and 3 rows.

use ratatui::text::Line;

/// Dots of each letter, top row first, leftmost dot highest of its width.
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
    ('m', [0b10001, 0b11011, 0b10101, 0b10001, 0b10001]),
    ('n', [0b110, 0b101, 0b101, 0b101, 0b101]),
    ('o', [0b010, 0b101, 0b101, 0b101, 0b010]),
    ('p', [0b110, 0b101, 0b110, 0b100, 0b100]),
    ('q', [0b010, 0b101, 0b101, 0b110, 0b011]),
    ('r', [0b110, 0b101, 0b110, 0b101, 0b101]),
    ('s', [0b011, 0b100, 0b010, 0b001, 0b110]),
    ('t', [0b111, 0b010, 0b010, 0b010, 0b010]),
    ('u', [0b101, 0b101, 0b101, 0b101, 0b111]),
    ('v', [0b101, 0b101, 0b101, 0b101, 0b010]),
    ('w', [0b10001, 0b10001, 0b10101, 0b11011, 0b10001]),
    ('x', [0b101, 0b101, 0b010, 0b101, 0b101]),
    ('y', [0b101, 0b101, 0b010, 0b010, 0b010]),
    ('z', [0b111, 0b001, 0b010, 0b100, 0b111]),
];

/// How large: dots of a cell's width and half its height, in three lines; or twice
/// that, in five.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

impl Size {
    /// Cells that a dot is wide.
    const fn dot(self) -> usize {
        match self {
            Self::Small => 1,
            Self::Large => 2,
        }
    }

    /// Lines that letters take.
    pub(crate) const fn height(self) -> u16 {
        match self {
            Self::Small => 3,
            Self::Large => 5,
        }
    }
}

/// `text` in lines of large letters; `None` if it does not fit into `width` cells
/// or has a letter that is not drawn here.
pub(crate) fn lines(text: &str, size: Size, width: usize) -> Option<Vec<Line<'static>>> {
    let glyphs: Vec<[u8; 5]> = text
        .chars()
        .map(|c| FONT.iter().find(|(known, _)| *known == c).map(|(_, dots)| *dots))
        .collect::<Option<_>>()?;
    let dots: usize = glyphs.iter().map(|dots| bits(dots).len() + 1).sum();
    if dots.saturating_sub(1) * size.dot() > width {
        return None;
    }
    let rows = match size {
        Size::Small => {
            [0, 2, 4].map(|upper| row(&glyphs, |dots, bit| small(dots, upper, bit))).into()
        }
        Size::Large => [0, 1, 2, 3, 4]
            .map(|y| row(&glyphs, |dots, bit| if dots[y] & bit != 0 { "██" } else { "  " }))
            .into(),
    };
    Some(rows)
}

/// The columns of a letter, the leftmost first.
fn bits(dots: &[u8; 5]) -> &'static [u8] {
    const NARROW: &[u8] = &[0b100, 0b10, 0b1];
    const WIDE: &[u8] = &[0b10000, 0b1000, 0b100, 0b10, 0b1];
    if dots.iter().any(|row| *row > 0b111) { WIDE } else { NARROW }
}

fn row(glyphs: &[[u8; 5]], cell: impl Fn(&[u8; 5], u8) -> &'static str) -> Line<'static> {
    let letters: Vec<String> =
        glyphs.iter().map(|dots| bits(dots).iter().map(|bit| cell(dots, *bit)).collect()).collect();
    // A gap as wide as a dot.
    letters.join(cell(&[0; 5], 0)).into()
}

fn small(dots: &[u8; 5], upper: usize, bit: u8) -> &'static str {
    let lower = dots.get(upper + 1).copied().unwrap_or(0);
    match (dots[upper] & bit != 0, lower & bit != 0) {
        (true, true) => "█",
        (true, false) => "▀",
        (false, true) => "▄",
        (false, false) => " ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_told_from_each_other() {
        for (n, (letter, dots)) in FONT.iter().enumerate() {
            let other = FONT.iter().take(n).find(|(_, other)| other == dots);
            // People do not tell them apart in writing either.
            let alike = [('5', 's'), ('0', 'o')];
            assert!(
                other.is_none_or(|(other, _)| alike.contains(&(*other, *letter))),
                "{letter} {other:?}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_not_drawn() {
        assert_eq!(lines("well", Size::Small, 17).map(|rows| rows.len()), Some(3));
        assert!(lines("well", Size::Small, 16).is_none());
        assert_eq!(lines("well", Size::Large, 34).map(|rows| rows.len()), Some(5));
        assert!(lines("well", Size::Large, 33).is_none());
        assert!(lines("Well", Size::Small, 80).is_none(), "a letter that is not drawn");
    }
}
