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

    #[test]
    fn every_test_that_the_security_page_names_exists() {
        let page = std::fs::read_to_string(workspace().join("docs/security.md")).unwrap();
        let tests: String = ["tests/image", "tests/lab", "tests/vm", "agent"]
            .iter()
            .map(|folder| sources(&workspace().join(folder)))
            .collect();
        let words = page.split('`').skip(1).step_by(2);
        let names: Vec<&str> = words.filter(|word| word.matches('_').count() >= 3).collect();
        assert!(names.len() >= 6, "{names:?}");
        for name in names {
            assert!(tests.contains(&format!("fn {name}()")), "no test is called {name}");
        }
    }
}
