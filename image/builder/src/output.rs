//! Everything that is printed.
//!
//! Results go to standard output, everything else to standard error. With
//! `--json` the last line of standard output is one JSON object and there is
//! nothing else on it. Colours and progress bars appear on terminals only.

use ashlar_build::{Activity, Events};
use ashlar_sandbox::{Cancel, Trace};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::{OwoColorize, Stream};
use serde::Serialize;
use std::fmt::{Arguments, Display};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// What every verb prints with `--json` that fails.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Failure {
    /// What failed.
    error: String,
    /// Why, the nearest reason first.
    causes: Vec<String>,
    /// What to do.
    help: Option<String>,
}

/// Where and how to print.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    bars: MultiProgress,
}

impl Output {
    /// Progress is drawn if a person is watching.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let watched = !json && !quiet && std::io::stderr().is_terminal();
        let target =
            if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { json, quiet, bars: MultiProgress::with_draw_target(target) }
    }

    /// Whether `--json` was given.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line of the result, for people; nothing with `--json`.
    pub(crate) fn line(&self, text: impl Display) {
        if !self.json {
            self.bars.suspend(|| print(&mut std::io::stdout(), &text));
        }
    }

    /// The result for programs: one line on standard output, with `--json` only, and
    /// its keys in the order of their names.
    pub(crate) fn json(&self, value: &impl Serialize) -> miette::Result<()> {
        if self.json {
            let value = serde_json::to_value(value)
                .map_err(|error| miette::miette!("the result is not JSON: {error}"))?;
            print(&mut std::io::stdout(), &value);
        }
        Ok(())
    }

    /// What is happening, on standard error.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet && !self.json {
            self.bars.suspend(|| print(&mut std::io::stderr(), &text));
        }
    }

    /// A milestone of something long, on standard error, also with `--json`: who
    /// reads a log wants to see that it goes on.
    pub(crate) fn event(&self, text: impl Display) {
        if !self.quiet {
            self.bars.suspend(|| print(&mut std::io::stderr(), &text));
        }
    }

    /// Whether progress is drawn, because a person is watching.
    pub(crate) fn is_watched(&self) -> bool {
        !self.bars.is_hidden()
    }

    /// Something that a person should know about, on standard error, always.
    pub(crate) fn warning(&self, text: impl Display) {
        let word = "warning:".if_supports_color(Stream::Stderr, |word| word.yellow()).to_string();
        self.bars.suspend(|| print(&mut std::io::stderr(), &format_args!("{word} {text}")));
    }

    /// A bar that counts to `total`; hidden when nobody watches.
    pub(crate) fn bar(&self, total: u64, what: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(total).with_message(what.to_owned()));
        if let Ok(style) = ProgressStyle::with_template(
            "  {msg:28!} {wide_bar:.cyan/dim} {pos:>4}/{len:<4} {eta:>4}",
        ) {
            bar.set_style(style);
        }
        bar
    }

    /// A bar that counts bytes.
    pub(crate) fn byte_bar(&self, total: u64, what: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(total).with_message(what.to_owned()));
        if let Ok(style) = ProgressStyle::with_template(
            "  {msg:28!} {wide_bar:.cyan/dim} {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>12} {eta:>4}",
        ) {
            bar.set_style(style);
        }
        bar
    }

    /// Something of unknown length is going on.
    pub(crate) fn spinner(&self, what: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new_spinner().with_message(what.to_owned()));
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg:28!} {elapsed:>4}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// Prints why the command failed (with `--json` as an object too) and gives
    /// the exit code.
    pub(crate) fn failure(&self, report: &miette::Report) -> ExitCode {
        let _ = self.bars.clear();
        print(&mut std::io::stderr(), &format_args!("{report:?}"));
        if self.json {
            let failure = Failure {
                error: report.to_string(),
                causes: report.chain().skip(1).map(ToString::to_string).collect(),
                help: report.help().map(|help| help.to_string()),
            };
            let _ = self.json(&failure);
        }
        ExitCode::FAILURE
    }
}

/// A closed pipe (`ashlar … | head`) is not an error worth a panic.
fn print(to: &mut impl Write, text: &impl Display) {
    let _ = writeln!(to, "{text}");
    let _ = to.flush();
}

/// An output for something that Ctrl-C ends in an orderly way.
#[derive(Debug)]
pub(crate) struct Watched<'a> {
    output: &'a Output,
    cancel: Cancel,
    verbose: bool,
}

impl<'a> Watched<'a> {
    /// `cancel` ends it; `verbose` shows every command.
    pub(crate) fn new(output: &'a Output, cancel: Cancel, verbose: bool) -> Self {
        Self { output, cancel, verbose }
    }
}

impl Events for Watched<'_> {
    fn note(&self, text: Arguments<'_>) {
        self.output.note(text);
    }

    fn warning(&self, text: Arguments<'_>) {
        self.output.warning(text);
    }

    fn begin(&self, what: &str) -> Box<dyn Activity> {
        Events::begin(self.output, what)
    }

    fn begin_bytes(&self, what: &str, total: u64) -> Box<dyn Activity> {
        Events::begin_bytes(self.output, what, total)
    }

    fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    fn trace(&self) -> Option<Trace> {
        let output = self.output.clone();
        let tell = move |what: &str, line: &str| output.event(format_args!("# {what}\n{line}"));
        self.verbose.then(|| Trace::new(tell))
    }
}

/// A bar or a spinner of a build; it goes when the build drops it.
struct Drawn(ProgressBar);

impl Events for Output {
    fn note(&self, text: Arguments<'_>) {
        Self::note(self, text);
    }

    fn warning(&self, text: Arguments<'_>) {
        Self::warning(self, text);
    }

    fn begin(&self, what: &str) -> Box<dyn Activity> {
        Box::new(Drawn(self.spinner(what)))
    }

    fn begin_bytes(&self, what: &str, total: u64) -> Box<dyn Activity> {
        Box::new(Drawn(self.byte_bar(total, what)))
    }
}

impl Activity for Drawn {
    fn at(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
