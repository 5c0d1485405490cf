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

mod big;
mod feed;
mod glyphs;
mod model;
mod screen;

use anyhow::Result;
use ashlar_api::{Client, LOCAL_SOCKET};
use clap::Parser;
use model::Model;
use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long to wait for a key before looking for news. Twice a second is
/// prompt enough for a monitor, and costs nothing.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often everything is drawn anew, over what the kernel may have written.
const REPAINT_EVERY: Duration = Duration::from_secs(10);

/// Show where this node stands on its own monitor.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// Where the agent listens.
    #[arg(long, value_name = "PATH", env = "ASHLAR_SOCKET", default_value = LOCAL_SOCKET)]
    socket: PathBuf,
    /// Print one screen as text and exit: 0 if the node is ready, 3 if not, 1
    /// if the agent does not answer.
    #[arg(long)]
    once: bool,
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
        return once(&client, cli.width, cli.height);
    }
    let terminal = ratatui::try_init()?;
    let outcome = show(terminal, client);
    ratatui::restore();
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Shows the screen until a person leaves it. As a unit's main process there is
/// nowhere to leave to, so no key ends it.
fn show(mut terminal: DefaultTerminal, client: Client) -> Result<()> {
    // systemd sets this for what it runs itself.
    let unattended = std::env::var_os("INVOCATION_ID").is_some();
    let news = feed::start(client)?;
    let mut model = Model::new(!unattended);
    // There is no alternate screen on a bare tty: what the kernel wrote during
    // boot is still there.
    terminal.clear()?;
    let mut painted = Instant::now();
    loop {
        for answer in news.try_iter() {
            model.hear(answer, Instant::now());
        }
        if painted.elapsed() >= REPAINT_EVERY {
            terminal.clear()?;
            painted = Instant::now();
        }
        // Draws only the cells that differ.
        terminal.draw(|frame| {
            let screen = model.screen(Instant::now());
            frame.render_widget(&screen, frame.area());
        })?;
        if !event::poll(LOOK_EVERY)? {
            continue;
        }
        // A resize needs nothing but the next draw.
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
            && press(&mut model, key, unattended)
        {
            return Ok(());
        }
    }
}

/// Whether the key ends the program.
fn press(model: &mut Model, key: KeyEvent, unattended: bool) -> bool {
    match key.code {
        KeyCode::Down => model.scroll_down(),
        KeyCode::Up => model.scroll_up(),
        KeyCode::Char('q') => return !unattended,
        KeyCode::Char('c') if key.modifiers == KeyModifiers::CONTROL => return !unattended,
        _ => {}
    }
    false
}

fn once(client: &Client, width: u16, height: u16) -> Result<ExitCode> {
    let answer = feed::ask(client)?;
    let code = match &answer {
        Ok(status) if status.ready => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(3),
        Err(_) => ExitCode::FAILURE,
    };
    let mut model = Model::new(false);
    model.hear(answer, Instant::now());
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    (&model.screen(Instant::now())).render(area, &mut buffer);
    let mut text = String::new();
    for y in 0..height {
        let row: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        text.push_str(row.trim_end());
        text.push('\n');
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(code)
}
