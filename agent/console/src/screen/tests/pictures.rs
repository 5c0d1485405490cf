//! The pictures of the screen in the book.

#[path = "../../../../../tests/src/book/picture.rs"]
mod picture;

use super::*;
use picture::{Cell, is_in_the_book};
use ratatui::buffer;
use ratatui::style::{Color, Modifier};

/// The console's number of a colour; `unset` is what it has without one.
fn number(colour: Color, unset: u8) -> u8 {
    match colour {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        _ => unset,
    }
}

/// As the console draws it: what is bold is bright.
fn cell(cell: &buffer::Cell) -> Cell {
    let (mut ink, ground) = (number(cell.fg, 7), number(cell.bg, 0));
    if cell.modifier.contains(Modifier::BOLD) && ink < 8 {
        ink += 8;
    }
    Cell { letter: cell.symbol().chars().next().unwrap_or(' '), ink, ground }
}

fn is_shown(name: &str, screen: &TestBackend) {
    let buffer = screen.buffer();
    let width = usize::from(buffer.area.width);
    let rows: Vec<Vec<Cell>> =
        buffer.content.chunks(width).map(|row| row.iter().map(cell).collect()).collect();
    is_in_the_book(name, &rows, "ashlar-console book");
}

#[test]
fn the_book_shows_the_screen_as_it_is() {
    let now = Instant::now();
    let mut model = with_a_book(now);
    let shows = |model: &Model, name: &str| {
        let heals_for = model.heals_for();
        is_shown(name, &drawn(&model.screen(now, CLOCK, heals_for.as_deref()), 80, 25));
    };
    shows(&model, "screen-trouble");
    model.press(Button::Letter('c'), now);
    shows(&model, "screen-code");
    let mut model = told(ready(), now);
    for (page, name) in [
        (Page::Home, "screen-home"),
        (Page::Network, "screen-network"),
        (Page::Storage, "screen-storage"),
        (Page::Services, "screen-services"),
    ] {
        model.open(page);
        shows(&model, name);
    }
    for (name, status, dialog) in questions::of_the_book() {
        is_shown(name, &asked(status, &dialog, 80, 25));
    }
}
