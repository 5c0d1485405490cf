//! What libtest says, line by line: counts, and how long each test took.

use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the lines `test result: …` of a run add up to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Counts {
    /// Adds `line` if it is libtest's result line.
    pub(crate) fn read(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ") else { return };
        // "ok. 3 passed; 0 failed; 1 ignored; …"
        let words: Vec<&str> = counts.split([' ', ';']).collect();
        for pair in words.windows(2) {
            let [number, word] = pair else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match *word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// How long one test took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Timed {
    pub(crate) test: String,
    pub(crate) seconds: f64,
}

/// Tests of one program as they end.
///
/// Stable libtest tells when a test ends but not when it began. It takes tests
/// in the order of their names, so many at a time, the next one when one has
/// ended: so the moment of each beginning follows.
#[derive(Debug, Default)]
pub(crate) struct Ends(BTreeMap<String, Duration>);

impl Ends {
    /// Notes `line`, seen so long after the program's start, if it ends a test.
    pub(crate) fn read(&mut self, line: &str, at: Duration) {
        let Some((name, verdict)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        else {
            return;
        };
        // "ignored" takes no time. What a test prints itself may stand before
        // its verdict.
        if ["ok", "FAILED"].iter().any(|end| verdict.ends_with(end)) {
            self.0.insert(name.trim_end_matches(" - should panic").to_owned(), at);
        }
    }

    /// How long each took with so many at a time.
    pub(crate) fn seconds(&self, threads: usize) -> Vec<Timed> {
        let mut free = vec![Duration::ZERO; threads.max(1)];
        let mut timed = Vec::new();
        for (test, end) in &self.0 {
            free.sort();
            let began = free[0].min(*end);
            free[0] = *end;
            let seconds = (*end - began).as_secs_f64();
            timed.push(Timed { test: test.clone(), seconds: (seconds * 1000.0).round() / 1000.0 });
        }
        timed
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Ends};
    use std::time::Duration;

    #[test]
    fn result_lines_add_up() {
        let mut sum = Counts::default();
        sum.read("running 3 tests");
        sum.read("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s");
        sum.read("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(sum, Counts { passed: 4, failed: 2, ignored: 1 });
    }

    #[test]
    fn of_two_at_a_time_the_third_begins_when_the_first_has_ended() {
        let mut ends = Ends::default();
        for (line, at) in [
            ("running 4 tests", 0),
            ("test b ... ok", 2),
            ("test skipped ... ignored", 2),
            ("test c - should panic ... FAILED", 5),
            ("test a ... ok", 6),
            ("test result: ok. 3 passed", 6),
        ] {
            ends.read(line, Duration::from_secs(at));
        }
        let took: Vec<_> = ends.seconds(2).into_iter().map(|t| (t.test, t.seconds)).collect();
        assert_eq!(took, [("a".into(), 6.0), ("b".into(), 2.0), ("c".into(), 3.0)]);
    }
}
