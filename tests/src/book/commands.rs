//! The commands that stand in the book's blocks of code. `ashlar` and `ashlarctl` take
//! this file in, each to parse its own.

use std::fs;
use std::path::{Path, PathBuf};

/// One command.
pub(crate) struct Typed {
    /// Page and line.
    at: String,
    words: Vec<String>,
}

/// Each time that this program is called.
pub(crate) fn typed(program: &str) -> Vec<Typed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = below(&root.join("docs"));
    pages.extend(["README.md", "CONTRIBUTING.md"].map(|page| root.join(page)));
    let mut all = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.strip_prefix(&root).unwrap().display();
        for (line, code) in code(&text) {
            for words in calls(&code, program) {
                all.push(Typed { at: format!("{name}:{line}"), words });
            }
        }
    }
    all
}

/// What is said to whoever types those of them that this parser does not take.
pub(crate) fn mistakes<C: clap::Parser>(typed: &[Typed]) -> String {
    let wrong = typed.iter().filter_map(|typed| {
        let error = C::try_parse_from(&typed.words).err()?;
        // `--help` and `--version` are no mistakes.
        error.use_stderr().then(|| format!("{}: {}\n{error}", typed.at, typed.words.join(" ")))
    });
    wrong.collect::<Vec<_>>().join("\n")
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages = entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] });
    pages.filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

/// The lines of the blocks of code, each with its number; what goes on after a `\` is one.
fn code(text: &str) -> Vec<(usize, String)> {
    let (mut inside, mut whole) = (false, Vec::<(usize, String)>::new());
    let mut goes_on = false;
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            continue;
        }
        let part = line.trim_end().trim_end_matches('\\');
        match whole.last_mut() {
            Some((_, before)) if inside && goes_on => {
                *before = format!("{} {}", before.trim_end(), part.trim());
            }
            _ if inside => whole.push((number, part.to_owned())),
            _ => continue,
        }
        goes_on = line.trim_end().ends_with('\\');
    }
    whole
}

/// The calls of a program in a line of a shell.
fn calls(line: &str, program: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for words in commands(line) {
        for (n, word) in words.iter().enumerate() {
            let name = word.rsplit('/').next().unwrap_or_default();
            let before = n.checked_sub(1).and_then(|n| words.get(n));
            let begins = before.is_none_or(|word| {
                ["--", "sudo", "$"].contains(&word.as_str()) || word.contains('=')
            });
            if name == program && begins {
                calls.push(words[n..].to_vec());
            }
        }
    }
    calls
}

/// The words of each command of a line, as a shell reads them. What stands behind two
/// spaces in a table of examples explains it.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.trim_start();
    // The prompt of root, which is no comment.
    let line = line.strip_prefix("# ").filter(|rest| !rest.contains(" # ")).unwrap_or(line);
    let line = line.split("  ").next().unwrap_or(line);
    // A synopsis, which nobody types.
    if line.contains(" <") || line.contains(" [") {
        return Vec::new();
    }
    let (mut all, mut word, mut quote) = (vec![Vec::new()], None::<String>, None);
    for letter in line.chars().chain([' ']) {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '|' | ';' | '&' | '>' | '(' | ')') => {
                all.last_mut().unwrap().extend(word.take());
                match letter {
                    ' ' => {}
                    // What follows is a file.
                    '>' => all.push(vec![">".to_owned()]),
                    _ => all.push(Vec::new()),
                }
            }
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    all
}

#[test]
fn a_call_is_found_wherever_a_person_types_it() {
    let words = |line: &str| calls(line, "ashlarctl").concat().join(" ");
    for (line, wanted) in [
        ("ashlarctl status            # the phases", "ashlarctl status"),
        ("# ashlarctl cluster go-on-alone", "ashlarctl cluster go-on-alone"),
        ("target/release/ashlar vm exec node1 -- ashlarctl status", "ashlarctl status"),
        (
            "ashlarctl support bundle --to 'a b' && tar -tf 'a b'",
            "ashlarctl support bundle --to a b",
        ),
        ("  ashlarctl logs -f   goes on", "ashlarctl logs -f"),
        ("journalctl -u ashlar-agent", ""),
        ("echo ashlarctl", ""),
        ("ashlarctl network <COMMAND>", ""),
        ("ashlarctl completions bash >/etc/ashlarctl", "ashlarctl completions bash"),
    ] {
        assert_eq!(words(line), wanted, "{line}");
    }
    let text = "words\n```sh\nashlar \\\n  lock a\n```\nashlar no\n";
    assert_eq!(code(text), [(3, "ashlar lock a".to_owned())]);
}
