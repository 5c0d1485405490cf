//! A terminal's other screen: what stood on the first is there again afterwards.

use std::io::{Result, Write, stdout};
use terminal_size::{Height, terminal_size};

/// The other screen, until it is dropped.
pub(crate) struct OtherScreen;

impl OtherScreen {
    /// Changes to it: no cursor is shown, and a line that is too long is cut.
    pub(crate) fn open() -> Result<Self> {
        stdout().write_all(b"\x1b[?1049h\x1b[?25l\x1b[?7l")?;
        stdout().flush()?;
        Ok(Self)
    }

    /// Shows as much of `text` as there is room for, in the place of what was shown.
    pub(crate) fn show(&self, text: &str) -> Result<()> {
        let rows = terminal_size().map_or(24, |(_, Height(rows))| usize::from(rows));
        // Home, clear each line's rest as it is written, then what is left below: no
        // flicker.
        let text = fitted(text, rows).join("\x1b[K\n");
        write!(stdout(), "\x1b[H{text}\x1b[K\x1b[J")?;
        stdout().flush()
    }
}

impl Drop for OtherScreen {
    fn drop(&mut self) {
        let _ = stdout().write_all(b"\x1b[?7h\x1b[?25h\x1b[?1049l");
        let _ = stdout().flush();
    }
}

/// The lines of `text`, in at most so many rows; the last one says what is missing.
fn fitted(text: &str, rows: usize) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() > rows {
        let shown = rows.saturating_sub(1);
        let missing = lines.len() - shown;
        lines.truncate(shown);
        lines.push(format!("… {missing} more lines: ashlarctl status"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn what_does_not_fit_is_said_to_be_missing() {
        assert_eq!(fitted("a\nb\nc\n", 3), ["a", "b", "c"]);
        assert_eq!(fitted("a\nb\nc\nd\n", 3), ["a", "b", "… 2 more lines: ashlarctl status"]);
        assert_eq!(fitted("a\nb\n", 0).len(), 1);
    }
}
