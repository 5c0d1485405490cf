//! The alerts, read from the lines of the planner that raise them.
//!
//! Those are written alike: `let words = …;`, `let cure = …;`, then
//! `found.warning("its-id", …)`. Whoever writes one otherwise is told so by a test.

use std::collections::BTreeMap;
use std::fmt::Write;

/// One alert.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) id: String,
    severity: &'static str,
    /// Sentences, one of which is said.
    words: Vec<String>,
    cures: Vec<String>,
}

const SEVERITIES: [&str; 3] = ["critical", "warning", "notice"];

/// The string literals of a piece of source, as a person reads them: what is filled
/// in is left to be seen.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut letters = source.chars().peekable();
    while let Some(c) = letters.next() {
        if c != '"' {
            continue;
        }
        let mut text = String::new();
        while let Some(c) = letters.next() {
            match c {
                '"' => break,
                '\\' if letters.peek() == Some(&'\n') => {
                    while letters.next_if(|c| c.is_whitespace()).is_some() {}
                }
                '\\' => text.extend(letters.next()),
                c => text.push(c),
            }
        }
        found.push(text);
    }
    found
}

/// What stands between `from` and the end of its statement.
fn statement(from: &str) -> &str {
    let end = from.find(";\n").unwrap_or(from.len());
    from.get(..end).unwrap_or(from)
}

/// What `{this}` of a sentence is, in words.
fn readable(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, after)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push('…');
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Sentences among literals: what is no `, ` or ` and ` between names.
fn sentences(source: &str) -> Vec<String> {
    let all = literals(statement(source)).into_iter().filter(|text| text.trim().contains(' '));
    all.map(|text| readable(&text)).collect()
}

/// Every alert of `alerts.rs`.
pub(super) fn read(source: &str) -> Vec<Told> {
    let source = source.split("#[cfg(test)]").next().unwrap_or(source);
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    let (mut words, mut cures) = (Vec::new(), Vec::new());
    for (at, _) in source.match_indices(['l', 'f']) {
        let here = source.get(at..).unwrap_or_default();
        if here.starts_with("let words =") {
            words = sentences(here);
        } else if here.starts_with("let cure =") {
            cures = sentences(here);
        } else if let Some(call) = here.strip_prefix("found.") {
            let Some(severity) = SEVERITIES
                .into_iter()
                .find(|s| call.strip_prefix(s).is_some_and(|rest| rest.starts_with('(')))
            else {
                continue;
            };
            let inside = statement(call);
            let inline = literals(inside);
            let id = inline.first().cloned().unwrap_or_default();
            let given: Vec<_> = inline.iter().skip(1).filter(|s| s.contains(' ')).collect();
            let alert =
                told.entry(id.clone()).or_insert_with(|| Told { id, severity, ..Told::default() });
            // `broken.to_string()` and the like are said by others.
            alert.words.extend(if inside.contains("words") { words.clone() } else { Vec::new() });
            let cure = if inside.contains("cure") {
                cures.clone()
            } else {
                given.into_iter().cloned().collect()
            };
            alert.cures.extend(cure);
            if alert.severity != severity {
                alert.severity = "critical or warning";
            }
        }
    }
    for alert in told.values_mut() {
        alert.words.dedup();
        alert.cures.dedup();
        assert!(!alert.id.is_empty() && !alert.cures.is_empty(), "cannot be read: {alert:?}");
    }
    told.into_values().collect()
}

/// An alert that is put together as `Alert { … }`.
pub(super) fn read_one(source: &str) -> Vec<Told> {
    let source = source.split("#[cfg(test)]").next().unwrap_or(source);
    let each = source.split("Alert {\n").skip(1).filter_map(|rest| {
        let field = |name: &str| {
            let (_, value) = rest.split_once(&format!("{name}: "))?;
            literals(value.lines().next()?).into_iter().next()
        };
        let severity = if rest.contains("Severity::Critical") { "critical" } else { "warning" };
        let words = field("words").filter(|text| text.contains(' ')).map(|text| readable(&text));
        let words = words.into_iter().collect();
        Some(Told { id: field("id")?, severity, words, cures: vec![field("cure")?] })
    });
    each.collect()
}

/// What those say that have their words from what failed.
const SAID_BY_OTHERS: [(&str, &str); 3] = [
    ("rule-broken", "which rule the plan would have broken, and by which step"),
    ("state-unreadable", "which file of the box cannot be read, and why"),
    ("step-fails", "which step fails, in the planner's words, and with which error"),
];

/// The page, by id.
pub(super) fn page(alerts: impl Iterator<Item = Told>) -> String {
    let mut sorted: Vec<_> = alerts.collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    let mut out = String::from(
        "# Alerts\n\nWhat a box may say, by the id that does not change. Screen, `ashlarctl why` \
         and `ashlarctl status --json` say it in these words; where … stands, they name the box, \
         the address or the number. *Critical*: something that the box is there for does not \
         work. *Warning*: it works, and one more fault may end that. *Notice*: it passes by \
         itself.\n\nThis page is made from the source.\n",
    );
    for Told { id, severity, words, cures } in sorted {
        let _ = write!(out, "\n## {id}\n\n*{severity}*\n");
        let words: Vec<_> =
            words.iter().filter(|words| words.contains(char::is_alphabetic)).collect();
        for (n, sentence) in words.iter().enumerate() {
            let _ = writeln!(out, "{}> {sentence}", if n == 0 { "\n" } else { ">\n" });
        }
        if words.is_empty() {
            let told = SAID_BY_OTHERS.iter().find(|(known, _)| *known == id);
            let (_, what) = told.unwrap_or_else(|| panic!("what does `{id}` say?"));
            let _ = writeln!(out, "\nIt says {what}.");
        }
        out.push_str("\nWhat to do: ");
        out.push_str(&cures.join("; or: "));
        out.push_str(".\n");
    }
    out
}

#[test]
fn an_alert_is_read_with_all_that_it_may_say() {
    let source = r#"
        let words = format!("{name} takes no writes: no brick on {}", away.join(" and "));
        let cure = if two {
            "switch the first one on"
        } else {
            "switch the missing \
             ones on"
        };
        found.critical("volume-read-only", name, words, cure);
        let words = "nothing new";
        found.warning("idle", "swarm", words, "wait a while");
    "#;
    let told = read(source);
    let ids: Vec<_> = told.iter().map(|alert| (alert.id.as_str(), alert.severity)).collect();
    assert_eq!(ids, [("idle", "warning"), ("volume-read-only", "critical")]);
    assert_eq!(told[0].cures, ["wait a while"]);
    assert_eq!(told[1].words, ["… takes no writes: no brick on …"]);
    assert_eq!(told[1].cures, ["switch the first one on", "switch the missing ones on"]);
}
