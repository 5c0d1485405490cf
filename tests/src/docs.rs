//! What the documents say about tests is true.

#[cfg(test)]
mod tests {
    use crate::command::workspace;
    use std::path::Path;

    /// All Rust sources of the tiers, as one text.
    fn sources(directory: &Path) -> String {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| {
                if path.is_dir() {
                    sources(&path)
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    std::fs::read_to_string(&path).unwrap()
                } else {
                    String::new()
                }
            })
            .collect()
    }

    /// The body of a test, if there is one of this name.
    fn body<'a>(sources: &'a str, name: &str) -> Option<&'a str> {
        let (_, rest) = sources.split_once(&format!("fn {name}()"))?;
        // rustfmt: what is outside all braces ends with a brace in the first column.
        rest.split_once("\n}").map(|(body, _)| body)
    }

    /// It can fail: it compares something, has a node do so, or leaves it to a
    /// claim.
    fn proves_something(body: &str) -> bool {
        [
            "ensure!(",
            "assert",
            "claims::",
            ".sh(",
            "fails_with(",
            "refuses_with(",
            "nothing_happens(",
            // Of the simulator: every invariant after every step.
            "play(Scenario::",
        ]
        .iter()
        .any(|word| body.contains(word))
    }

    #[test]
    fn every_test_that_the_security_page_names_exists_and_proves_something() {
        let page = std::fs::read_to_string(workspace().join("docs/security.md")).unwrap();
        let tests: String = ["tests/image", "tests/lab", "tests/single", "tests/vm", "agent"]
            .iter()
            .map(|folder| sources(&workspace().join(folder)))
            .collect();
        let words = page.split('`').skip(1).step_by(2);
        let names: Vec<&str> = words.filter(|word| word.matches('_').count() >= 3).collect();
        assert!(names.len() >= 6, "{names:?}");
        for name in names {
            let body = body(&tests, name).unwrap_or_else(|| panic!("no test is called {name}"));
            assert!(proves_something(body), "{name} proves nothing:{body}");
        }
    }

    #[test]
    fn an_empty_test_proves_nothing() {
        let tests = "fn kept_a_b_c() -> Result<()> {\n    Ok(())\n}\nfn x() { assert!(a) }\n}";
        assert!(!proves_something(body(tests, "kept_a_b_c").unwrap()));
    }
}
