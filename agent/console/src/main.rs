//! The screen on an Ashlar box's own monitor: what a person in front of the
//! box needs to see, and nothing to log in to.
//!
//! # What a bare tty can show
//!
//! This runs on the kernel's own console (`TERM=linux`) before and without any
//! graphics stack, so everything on it keeps to these limits:
//!
//! - 16 colours; no bold, italic or underline that is not a colour;
//! - the kernel's built-in font, 256 glyphs of code page 437: ASCII, simple box
//!   lines, half and full blocks, `√ • ↑ ↓`, but neither `✔` nor `…`
//!   ([`glyphs`]);
//! - 80 × 25 cells until the framebuffer takes over, then whatever it gives:
//!   the size may change at any time, and may be tiny;
//! - no mouse, no alternate screen, no scrollback; the kernel may write over
//!   us, so the screen is drawn anew every ten seconds;
//! - the reader may stand two metres away: the name is large ([`big`]).
//!
//! The agent may be absent, restarting or stuck: then the screen says so, and
//! keeps showing what it last heard, with its age.
//!
//! # What acts
//!
//! Whoever stands at the screen may restart the box, switch it off, reset it, change its
//! way out, let it go on alone where the first of two is gone, and have what a helper
//! needs written onto a stick: they could take it away as well. The agent decides: it
//! knows this program by its user, asks for the site's PIN if there is one, and for a
//! box's name before a reset and before one goes on alone. Nothing here is trusted with
//! more.

mod big;
mod code;
mod dialog;
mod feed;
mod glyphs;
mod healing;
mod known;
mod model;
mod page;
#[cfg(test)]
mod samples;
mod screen;
mod scroll;
mod verdict;
mod wrap;

use anyhow::Result;
use ashlar_api::{Client, LOCAL_SOCKET};
use clap::Parser;
use feed::{Feed, News};
use jiff::Zoned;
use model::{Button, Model};
use page::Page;
use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long to wait for a key before looking for news. Four times a second feels
/// prompt to whoever waits for an answer, and looking costs nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often it is drawn while nothing is pressed and nobody has news: it shows how old
/// things are, in seconds. On a weak box each picture costs what the box has better use for.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// How often everything is drawn anew, over what the kernel may have written.
const REPAINT_EVERY: Duration = Duration::from_secs(10);

/// Show where this node stands on its own monitor, and act for whoever stands there.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// Where the agent listens.
    #[arg(long, value_name = "PATH", env = "ASHLAR_SOCKET", default_value = LOCAL_SOCKET)]
    socket: PathBuf,
    /// What says where the book is.
    #[arg(long, value_name = "PATH", hide = true, default_value = "/usr/lib/os-release")]
    os_release: PathBuf,
    /// Print one screen as text and exit: 0 if the node is ready, 3 if not, 1
    /// if the agent does not answer.
    #[arg(long)]
    once: bool,
    /// Which page that is.
    #[arg(long, default_value = "home", requires = "once")]
    page: Page,
    /// Width of that text.
    #[arg(long, value_name = "CELLS", default_value_t = 80, requires = "once",
          value_parser = clap::value_parser!(u16).range(1..=500))]
    width: u16,
    /// Height of that text.
    #[arg(long, value_name = "CELLS", default_value_t = 25, requires = "once",
          value_parser = clap::value_parser!(u16).range(1..=500))]
    height: u16,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let client = Client::at(&cli.socket);
    if cli.once {
        return once(&client, &cli);
    }
    let terminal = ratatui::try_init()?;
    let outcome = show(terminal, client, book(&cli));
    ratatui::restore();
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Where the book is, if the image says it.
fn book(cli: &Cli) -> Option<String> {
    ashlar_api::book(&std::fs::read_to_string(&cli.os_release).ok()?)
}

/// The time of day.
fn clock() -> String {
    Zoned::now().strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// Shows the screen until a person leaves it. As a unit's main process there is
/// nowhere to leave to, so no key ends it.
fn show(mut terminal: DefaultTerminal, client: Client, book: Option<String>) -> Result<()> {
    // systemd sets this for what it runs itself.
    let unattended = std::env::var_os("INVOCATION_ID").is_some();
    let Feed { news, asks } = feed::start(client)?;
    let mut model = Model::new(!unattended, Instant::now()).with_book(book);
    // There is no alternate screen on a bare tty: what the kernel wrote during
    // boot is still there.
    terminal.clear()?;
    let mut painted = Instant::now();
    // When what is on the screen was drawn, if that holds.
    let mut drawn: Option<Instant> = None;
    loop {
        for piece in news.try_iter() {
            // What comes every second waits for the next picture.
            if !matches!(piece, News::Status(_)) {
                drawn = None;
            }
            model.hear(piece, Instant::now());
        }
        if let Some(ask) = model.tick(Instant::now()) {
            asks.send(ask)?;
        }
        if painted.elapsed() >= REPAINT_EVERY {
            terminal.clear()?;
            painted = Instant::now();
            drawn = None;
        }
        if drawn.is_none_or(|at| at.elapsed() >= DRAW_EVERY) {
            drawn = Some(Instant::now());
            // Draws only the cells that differ.
            let (clock, heals_for) = (clock(), model.heals_for());
            terminal.draw(|frame| {
                let screen = model.screen(Instant::now(), &clock, heals_for.as_deref());
                frame.render_widget(&screen, frame.area());
            })?;
        }
        if !event::poll(LOOK_EVERY)? {
            continue;
        }
        drawn = None;
        // A resize needs nothing but the next draw.
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            if is_interrupt(key) && !unattended {
                return Ok(());
            }
            let pressed = model.press(button(key), Instant::now());
            if pressed.quit {
                return Ok(());
            }
            if let Some(ask) = pressed.ask {
                asks.send(ask)?;
            }
        }
    }
}

fn is_interrupt(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL
}

fn button(key: KeyEvent) -> Button {
    if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return Button::Other;
    }
    match key.code {
        KeyCode::Char(letter) => Button::Letter(letter),
        KeyCode::Up => Button::Up,
        KeyCode::Down => Button::Down,
        KeyCode::Left | KeyCode::BackTab => Button::Left,
        KeyCode::Right | KeyCode::Tab => Button::Right,
        KeyCode::PageUp => Button::PageUp,
        KeyCode::PageDown => Button::PageDown,
        KeyCode::Home => Button::Home,
        KeyCode::End => Button::End,
        KeyCode::Enter => Button::Enter,
        KeyCode::Esc => Button::Escape,
        KeyCode::Backspace => Button::Erase,
        _ => Button::Other,
    }
}

fn once(client: &Client, cli: &Cli) -> Result<ExitCode> {
    let now = Instant::now();
    let mut model = Model::new(false, now).with_book(book(cli));
    model.open(cli.page);
    let mut code = ExitCode::FAILURE;
    for piece in feed::once(client, cli.page == Page::Logs)? {
        if let News::Status(Ok(status)) = &piece {
            code = if status.ready { ExitCode::SUCCESS } else { ExitCode::from(3) };
        }
        model.hear(piece, now);
    }
    let area = Rect::new(0, 0, cli.width, cli.height);
    let mut buffer = Buffer::empty(area);
    let (clock, heals_for) = (clock(), model.heals_for());
    (&model.screen(now, &clock, heals_for.as_deref())).render(area, &mut buffer);
    let mut text = String::new();
    for y in 0..cli.height {
        let row: String = (0..cli.width).map(|x| buffer[(x, y)].symbol()).collect();
        text.push_str(row.trim_end());
        text.push('\n');
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(code)
}
