//! Text that the kernel's built-in font can show.

/// Marks of code page 437 in place of ctl's ✔ … ✘.
pub(crate) const GOOD: &str = "√";
pub(crate) const WAITING: &str = "·";
pub(crate) const BAD: &str = "x";

/// Replaces what the font lacks. Control characters go as well: some of this
/// text comes from other machines, and must not steer the terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' | '√' | '·' | '•' | '→' | '←' | '↑' | '↓' => out.push(c),
            '…' => out.push_str("..."),
            '–' | '—' | '‐' | '‑' => out.push('-'),
            '‘' | '’' => out.push('\''),
            '“' | '”' => out.push('"'),
            '×' => out.push('x'),
            '✔' => out.push('√'),
            '✘' => out.push('x'),
            '\t' | '\n' => out.push(' '),
            c if c.is_control() => {}
            _ => out.push('?'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\u{9b}31m"), "a[2Jb31m");
        assert_eq!(plain("two\nlines\r"), "two lines");
    }

    #[test]
    fn what_the_font_lacks_is_spelt_otherwise() {
        assert_eq!(plain("waiting … – “ok” ✔ 名"), "waiting ... - \"ok\" √ ?");
    }
}
