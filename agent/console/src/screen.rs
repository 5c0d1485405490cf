//! A frame: the word, the page, the keys, and a question over them.

mod ask;

use crate::big::{self, Size};
use crate::dialog::Dialog;
use crate::glyphs::plain;
use crate::known::Known;
use crate::page::Page;
use crate::scroll::Scroll;
use crate::verdict::{Verdict, Word};
use crate::wrap::wrapped;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget};
use std::time::Duration;

/// From this size on letters are twice as large.
const LARGE: (u16, u16) = (200, 50);

/// Below this height the word is not large.
const FLAT: u16 = 12;

/// The fewest cells that the sentence has beside the time.
const BESIDE: usize = 40;

/// How long the dark screen's one line stays where it is.
const DRIFT: u64 = 30;

/// One frame.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    pub(crate) known: Known<'a>,
    pub(crate) verdict: Verdict,
    /// The time of day, in words.
    pub(crate) clock: &'a str,
    pub(crate) page: Page,
    pub(crate) scroll: &'a Scroll,
    /// What is asked.
    pub(crate) dialog: Option<&'a Dialog>,
    /// For how long nobody has been there, if the screen is to be dark.
    pub(crate) dark: Option<Duration>,
}

impl Widget for &Screen<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        if let Some(since) = self.dark {
            return self.saver(since, area, buffer);
        }
        let width = usize::from(area.width);
        let size =
            if area.width >= LARGE.0 && area.height >= LARGE.1 { Size::Large } else { Size::Small };
        let (head, facts) = (self.head(size, area), self.facts(width));
        let [top, said, body, keys] = Layout::vertical([
            Constraint::Length(height(&head)),
            Constraint::Length(height(&facts)),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(area);
        self.band(head, top, buffer);
        Paragraph::new(facts).render(said, buffer);
        self.body(body, buffer);
        self.keys(width).render(keys, buffer);
        if let Some(dialog) = self.dialog {
            ask::draw(dialog, area, buffer);
        }
    }
}

fn height(lines: &[Line<'_>]) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

impl Screen<'_> {
    fn name(&self) -> &str {
        let me = self.known.status.and_then(|status| status.identity.as_ref());
        me.map_or("ashlar", |me| me.name.as_str())
    }

    /// The word and the name, as large as there is room for.
    fn head(&self, size: Size, area: Rect) -> Vec<Line<'static>> {
        let (word, name, width) =
            (self.verdict.word.as_str(), self.name(), usize::from(area.width));
        let small = || vec![Line::from(format!(" {}  {}", word.to_uppercase(), plain(name)))];
        if area.height < FLAT {
            return small();
        }
        let Some(word) = big::lines(word, size, width.saturating_sub(3)) else { return small() };
        // A space before the word, two after it: they are in its colour.
        let block = word.first().map_or(0, Line::width) + 3;
        let name = big::lines(name, size, width.saturating_sub(block + 1));
        let name = name.unwrap_or_else(|| {
            let mut lines = vec![Line::default(); usize::from(size.height())];
            lines[usize::from(size.height() / 2)] = Line::from(plain(self.name()));
            lines
        });
        let rows = word.into_iter().zip(name).map(|(word, name)| {
            let word = format!(" {word}  ").fg(Color::Black);
            Line::from(vec![word, format!(" {name}").fg(Color::LightCyan)])
        });
        rows.collect()
    }

    /// Draws the head, the word on its colour.
    fn band(&self, head: Vec<Line<'static>>, area: Rect, buffer: &mut Buffer) {
        let block = head.first().and_then(|line| line.spans.first()).map_or(0, Span::width);
        Paragraph::new(head).render(area, buffer);
        let width = u16::try_from(block).unwrap_or(u16::MAX).min(area.width);
        buffer.set_style(Rect { width, ..area }, colour_of(self.verdict.word));
    }

    /// The sentence, then what every page begins with.
    fn facts(&self, width: usize) -> Vec<Line<'static>> {
        let colour = match self.verdict.word {
            Word::Well => Color::LightGreen,
            Word::Wait | Word::Look => Color::LightYellow,
            Word::Help => Color::LightRed,
        };
        // What an alert says in full stands on the first page.
        let most = if self.known.status.is_some_and(|s| !s.alerts.is_empty()) { 1 } else { 3 };
        // The time has the corner, and the sentence what is left of its line; where that is
        // too little, or the end of the sentence would be lost, the time is one of the facts.
        let corner = self.clock.chars().count() + 2;
        let whole = |left: usize| most > 1 || self.verdict.sentence.chars().count() <= left;
        let beside = width.checked_sub(corner).filter(|left| *left >= BESIDE && whole(*left));
        let first = beside.unwrap_or(width);
        let sentence = shortened(&self.verdict.sentence, first, width, most);
        let mut lines: Vec<_> = sentence.into_iter().map(|l| Line::from(l.fg(colour))).collect();
        let mut facts = Vec::new();
        match lines.first_mut().filter(|_| beside.is_some()) {
            Some(line) => {
                let gap = width.saturating_sub(line.width() + self.clock.chars().count());
                line.push_span(format!("{:gap$}{}", "", self.clock).fg(Color::White));
            }
            None => facts.push(self.clock.to_owned()),
        }
        if let Some(status) = self.known.status {
            facts.push(status.site.as_ref().map_or("no site yet".into(), |s| format!("site {s}")));
            facts.push(format!("release {}", status.release));
            facts.push(format!("profile {}", status.profile));
        }
        if let Some(hardware) = self.known.hardware {
            facts.extend(hardware.slot.as_ref().map(|slot| format!("slot {slot}")));
            facts.extend(hardware.serial.as_ref().map(|serial| format!("serial {serial}")));
        }
        lines.extend(packed(&facts, width));
        lines
    }

    fn body(&self, area: Rect, buffer: &mut Buffer) {
        let columns = self.page.columns(&self.known, usize::from(area.width));
        let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
        let rows = usize::from(area.height);
        // The last line says how much more there is.
        let shown = if longest > rows { rows.saturating_sub(1) } else { rows };
        let most = longest.saturating_sub(shown);
        let first = self.scroll.first(most);
        let count = u16::try_from(columns.len().max(1)).unwrap_or(1);
        let width = area.width / count;
        for (n, column) in (0..count).zip(columns) {
            let lines: Vec<_> = column.into_iter().skip(first).take(shown).collect();
            let at = Rect { x: area.x + n * (width + 1), width: width.saturating_sub(1), ..area };
            let at = if count == 1 { area } else { at };
            Paragraph::new(lines).render(at.intersection(area), buffer);
        }
        if longest > rows && rows > 0 {
            let (above, below) = (first, longest - first - shown);
            let words = match (above, below) {
                (0, below) => format!("↓ {below} more lines"),
                (above, 0) => format!("↑ {above} lines above"),
                (above, below) => format!("↑ {above} lines above, ↓ {below} below"),
            };
            let y = area.bottom() - 1;
            let at = Rect { y, height: 1, ..area };
            Paragraph::new(words.fg(Color::LightCyan)).right_aligned().render(at, buffer);
        }
    }

    /// The pages and their keys; where there is no room, the keys alone.
    fn keys(&self, width: usize) -> Line<'static> {
        let spans = |long: bool| {
            let mut spans: Vec<Span<'static>> = Page::ALL
                .iter()
                .enumerate()
                .map(|(n, page)| {
                    let name = if long { page.name() } else { "" };
                    let text = format!(" {} {name} ", n + 1).replace("  ", " ");
                    let here = *page == self.page;
                    let style = Style::new().fg(Color::Black).bg(Color::Cyan);
                    Span::styled(text, if here { style } else { Style::new().fg(Color::White) })
                })
                .collect();
            spans.push(" a act ".fg(Color::LightCyan));
            spans
        };
        let long = Line::from(spans(true));
        if long.width() <= width { long } else { Line::from(spans(false)) }
    }

    /// A dark screen, on which one faint line wanders so that it burns in nowhere.
    fn saver(&self, since: Duration, area: Rect, buffer: &mut Buffer) {
        let words = format!("{}: {}. Any key.", plain(self.name()), self.verdict.word.as_str());
        let step = since.as_secs() / DRIFT;
        let length = u16::try_from(words.len()).unwrap_or(u16::MAX).min(area.width);
        let place = |by: u64, room: u16| {
            u16::try_from(step.wrapping_mul(by) % (u64::from(room) + 1)).unwrap_or(0)
        };
        let x = area.x + place(37, area.width.saturating_sub(length));
        let y = area.y + place(7, area.height.saturating_sub(1));
        let at = Rect { x, y, width: length, height: 1 }.intersection(area);
        Paragraph::new(words.fg(Color::DarkGray)).render(at, buffer);
    }
}

const fn colour_of(word: Word) -> Style {
    let ground = match word {
        Word::Well => Color::Green,
        Word::Wait | Word::Look => Color::Yellow,
        Word::Help => Color::Red,
    };
    let ink = match word {
        Word::Help => Color::White,
        _ => Color::Black,
    };
    Style::new().fg(ink).bg(ground)
}

/// Text in at most so many lines, the first of which has less room than the others; what
/// is left out is marked.
fn shortened(text: &str, first: usize, width: usize, most: usize) -> Vec<String> {
    const CUT: &str = " ...";
    let lines = wrapped_beside(text, first, width);
    if lines.len() <= most {
        return lines;
    }
    let room = |width: usize| width.saturating_sub(CUT.len());
    // Only the last line is marked.
    let first = if most == 1 { room(first) } else { first };
    let mut lines = wrapped_beside(text, first, room(width));
    lines.truncate(most);
    if let Some(last) = lines.last_mut() {
        last.push_str(CUT);
    }
    lines
}

/// Text in lines of which the first is narrower.
fn wrapped_beside(text: &str, first: usize, width: usize) -> Vec<String> {
    let mut lines = wrapped(text, first);
    if lines.len() > 1 {
        let rest = lines.drain(1..).collect::<Vec<_>>().join(" ");
        lines.extend(wrapped(&rest, width));
    }
    lines
}

/// Facts side by side, in as many lines as they need.
fn packed(facts: &[String], width: usize) -> Vec<Line<'static>> {
    const GAP: &str = "   ";
    let mut lines: Vec<String> = Vec::new();
    for fact in facts.iter().flat_map(|fact| wrapped(fact, width)) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + GAP.len() + fact.chars().count() <= width => {
                line.push_str(GAP);
                line.push_str(&fact);
            }
            _ => lines.push(fact),
        }
    }
    lines.into_iter().map(Line::from).collect()
}

#[cfg(test)]
mod tests;
