//! A question, in a box over the page.

mod network;

use crate::dialog::{Action, Dialog};
use crate::glyphs::plain;
use crate::wrap::wrapped;
use ashlar_api::StickVolume;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Widget};

/// What a line of a list begins with.
const DASH: &str = "  - ";

/// The most cells that a question takes in width.
const WIDEST: u16 = 76;

pub(super) fn draw(dialog: &Dialog, area: Rect, buffer: &mut Buffer) {
    let width = WIDEST.min(area.width);
    let text = usize::from(width.saturating_sub(4));
    if let Dialog::Code { pages, at } = dialog {
        return code(pages, *at, text, area, buffer);
    }
    let (title, lines, keys) = words(dialog, text);
    let mut height = u16::try_from(lines.len() + 4).unwrap_or(u16::MAX).min(area.height);
    // What is typed stands at the end: on a small screen the beginning gives way.
    let skip = lines.len().saturating_sub(usize::from(height.saturating_sub(4)));
    let mut lines: Vec<_> = lines.into_iter().skip(skip).collect();
    if height >= 4 {
        lines.push(Line::default());
    } else {
        height = height.max(1);
    }
    lines.push(Line::from(keys.fg(Color::LightCyan)));
    framed(&title, lines, height, area, buffer);
}

/// A code with its address below it, as far as there is room for both.
fn code(pages: &[(String, String)], at: usize, text: usize, area: Rect, buffer: &mut Buffer) {
    let Some((title, address)) = pages.get(at) else { return };
    let keys = if pages.len() > 1 {
        format!("page {} of {}   ↑ ↓ others   Esc back", at + 1, pages.len())
    } else {
        "Esc back".to_owned()
    };
    let below = wrapped(address, text);
    // Frame and keys.
    let rows = usize::from(area.height).saturating_sub(below.len() + 3);
    let mut lines = crate::code::lines(address, text, rows).unwrap_or_else(|| {
        let words = "This screen is too small for the code. The page is at";
        wrapped(words, text).into_iter().map(Line::from).collect()
    });
    lines = lines.into_iter().map(Line::centered).collect();
    lines.extend(below.into_iter().map(|line| Line::from(line.fg(Color::White))));
    lines.push(Line::from(keys.fg(Color::LightCyan)));
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height);
    framed(&plain(title), lines, height, area, buffer);
}

/// A box in the middle, this high.
fn framed(title: &str, lines: Vec<Line<'static>>, height: u16, area: Rect, buffer: &mut Buffer) {
    let width = WIDEST.min(area.width);
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let at = Rect { x, y, width, height };
    Clear.render(at, buffer);
    let frame = Block::bordered()
        .title(format!(" {title} ").fg(Color::White).bold())
        .border_style(Style::new().fg(Color::LightYellow));
    let inside = frame.inner(at);
    frame.render(at, buffer);
    let inside = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
    Paragraph::new(lines).render(inside.intersection(area), buffer);
}

/// Title, lines and keys of a question.
type Words = (String, Vec<Line<'static>>, &'static str);

fn said(text: &str, color: Color, width: usize) -> Vec<Line<'static>> {
    // What is in a list stays right of its dash.
    let (mut lead, rest) = text.strip_prefix(DASH).map_or(("", text), |rest| (DASH, rest));
    let room = width.saturating_sub(lead.len());
    let blank = if lead.is_empty() { "" } else { "    " };
    wrapped(rest, room)
        .into_iter()
        .map(|line| Line::from(format!("{}{line}", std::mem::replace(&mut lead, blank)).fg(color)))
        .collect()
}

fn all(sentences: &[String], width: usize) -> Vec<Line<'static>> {
    let color = |s: &String| if s.starts_with("Beware") { Color::LightRed } else { Color::White };
    sentences.iter().flat_map(|sentence| said(sentence, color(sentence), width)).collect()
}

fn words(dialog: &Dialog, width: usize) -> Words {
    let said = |text: &str, color| said(text, color, width);
    let all = |sentences: &[String]| all(sentences, width);
    match dialog {
        Dialog::Network(question) => network::words(question, width),
        Dialog::Menu { actions, at } => {
            let lines = actions.iter().enumerate();
            let lines = lines.map(|(n, action)| chosen(n == *at, action.words(), width));
            ("what is to be done?".into(), lines.collect(), "↑ ↓ choose   Enter   Esc back")
        }
        Dialog::Asking(action) => {
            let lines = said("The agent looks what that would mean ...", Color::White);
            (action.words().into(), lines, "Esc back")
        }
        Dialog::Sure { action, sentences } => {
            (action.words().into(), all(sentences), "y do it   any other key: back")
        }
        Dialog::Stick { volumes, at } => {
            let mut lines = said(STICK, Color::White);
            lines.push(Line::default());
            lines.extend(
                volumes
                    .iter()
                    .enumerate()
                    .map(|(n, volume)| chosen(n == *at, &stick(volume), width)),
            );
            (Action::Support.words().into(), lines, "↑ ↓ choose   Enter write   Esc back")
        }
        Dialog::Name { action, sentences, wanted, typed, wrong } => {
            let mut lines = all(sentences);
            lines.push(Line::default());
            let what = match action {
                Action::GoOnAlone => "the name of the box that is gone",
                _ if wanted == "reset" => "`reset`",
                _ => "this node's name",
            };
            if *wrong {
                let words = format!("That is not {what}: nothing is done.");
                lines.extend(said(&words, Color::LightRed));
            }
            lines.push(input(&format!("Type {what} to go on: "), typed, width));
            (action.words().into(), lines, "Enter do it   Esc back")
        }
        Dialog::Pin { deed, typed, complaint } => {
            let mut lines = complaint
                .iter()
                .flat_map(|c| said(&sentence(c), Color::LightRed))
                .collect::<Vec<_>>();
            lines.push(input("PIN of this site: ", &"*".repeat(typed.chars().count()), width));
            (deed.action.words().into(), lines, "Enter do it   Esc back")
        }
        Dialog::Doing(deed) => {
            let words = match deed.action {
                Action::Support => {
                    "Collecting and writing ... This may take a minute. Leave the stick in."
                }
                _ => "The agent is at it ...",
            };
            (deed.action.words().into(), said(words, Color::White), "")
        }
        Dialog::Failed(why) => {
            ("not done".into(), said(&sentence(why), Color::LightRed), "any key: back")
        }
        Dialog::Code { .. } => (String::new(), Vec::new(), ""),
        Dialog::Done(words) => ("done".into(), said(words, Color::LightGreen), "any key: back"),
        Dialog::Begun(words) => {
            ("under way".into(), said(words, Color::LightGreen), "any key: back")
        }
    }
}

/// What is said before a stick is chosen.
const STICK: &str = "One file with the state of this box and its journals. No key or password of \
                     the site is in it; names and addresses are. What is on the stick stays.";

/// A line of a list, one of which is chosen.
fn chosen(here: bool, words: &str, width: usize) -> Line<'static> {
    let text = format!(" {words:<w$}", w = width.saturating_sub(1));
    let style = Style::new().fg(Color::Black).bg(Color::Cyan);
    if here { Line::styled(text, style) } else { Line::from(text.fg(Color::White)) }
}

/// A stick as its owner knows it.
fn stick(volume: &StickVolume) -> String {
    let label = volume.label.as_deref().unwrap_or("without a name");
    let model = volume.model.as_deref().unwrap_or_default();
    plain(&format!("{label}  {}  {model}  {}", ashlar_api::bytes(volume.bytes), volume.name))
}

/// What is typed; its end, marked as one, if there is no room for all of it.
fn input(prompt: &str, typed: &str, width: usize) -> Line<'static> {
    const CUT: &str = "...";
    let room = width.saturating_sub(prompt.chars().count() + 1);
    let length = typed.chars().count();
    let shown = if length > room {
        let skip = length - room.saturating_sub(CUT.len()).min(length);
        CUT.chars().chain(typed.chars().skip(skip)).collect()
    } else {
        typed.to_owned()
    };
    Line::from(vec![prompt.to_owned().fg(Color::White), format!("{shown}_").fg(Color::LightCyan)])
}

/// The agent's words as a sentence of their own.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}
