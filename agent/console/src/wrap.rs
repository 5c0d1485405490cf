//! Text in lines of a given width.

use crate::glyphs::plain;

/// The words of `text` in lines of at most `width` cells, in glyphs that the kernel
/// has; a word that is longer is cut. Never empty.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let text = plain(text);
    let mut lines = Vec::new();
    // Kept: a table's gaps, and what an indented line begins with.
    let mut line = String::new();
    let mut taken = 0;
    for piece in text.split_inclusive(' ') {
        let word = piece.trim_end().chars().count();
        if taken > 0 && taken + word > width {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            taken = 0;
        }
        for c in piece.chars() {
            if taken == width {
                if c == ' ' {
                    continue;
                }
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                taken = 0;
            }
            line.push(c);
            taken += 1;
        }
    }
    lines.push(line.trim_end().to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrapped("switch the box on", 10), ["switch the", "box on"]);
        assert_eq!(wrapped("switch the box on", 40), ["switch the box on"]);
        assert_eq!(wrapped("abcdefghijklm no", 5), ["abcde", "fghij", "klm", "no"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("a", 0), ["a"]);
    }

    #[test]
    fn no_line_is_wider_than_asked_for() {
        let text = "the copy of clusterfs on 10.83.0.3 is out of reach  and   so on";
        for width in 1..80 {
            assert!(wrapped(text, width).iter().all(|l| l.chars().count() <= width), "{width}");
        }
    }
}
