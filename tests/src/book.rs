//! The book in `docs/` is whole, and what it says of alerts and files is what the
//! sources say. Pages under `docs/reference` are made from the sources:
//! `ASHLAR_WRITE_BOOK=1 cargo test -p ashlar-tests --lib book` writes them.

mod alerts;
mod api;
mod schema;

#[cfg(test)]
mod tests {
    use super::{alerts, api, schema};
    use crate::command::workspace;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn read(path: &str) -> String {
        fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A page is as the sources make it; or becomes so, if a person asks for that.
    fn is_made(page: &str, text: &str) {
        let path = workspace().join("docs/reference").join(page);
        if std::env::var_os("ASHLAR_WRITE_BOOK").is_some() {
            fs::write(&path, text).unwrap();
        }
        assert!(
            fs::read_to_string(&path).is_ok_and(|old| old == text),
            "docs/reference/{page} is out of date; make it anew with\n  \
             ASHLAR_WRITE_BOOK=1 cargo test -p ashlar-tests --lib book"
        );
    }

    #[test]
    fn every_alert_stands_in_the_book_as_the_agent_says_it() {
        let mut told = alerts::read(&read("agent/cluster/src/alerts.rs"));
        for more in ["clocks", "data"] {
            let more = format!("agent/cluster/src/alerts/{more}.rs");
            told.extend(alerts::read(&read(&more)));
        }
        assert!(told.len() >= 15, "{told:?}");
        let elsewhere = alerts::read_one(&read("agent/daemon/src/agent_loop.rs"));
        is_made("alerts.md", &alerts::page(told.into_iter().chain(elsewhere)));
    }

    #[test]
    fn every_key_of_a_site_and_of_a_recipe_stands_in_the_book() {
        let editors = "Editors that know JSON Schema check it while it is written.";
        for (file, title, lead) in [
            (
                "site",
                "The site file",
                "`keys/NAME/site.toml`: see the [guide](../guide.md#2-make-a-site).",
            ),
            (
                "recipe",
                "The recipe file",
                "`recipes/NAME.toml`: see [writing recipes](../recipes.md).",
            ),
        ] {
            let text = read(&format!("recipes/{file}.schema.json"));
            let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
            let lead = format!("{lead} {editors}");
            is_made(&format!("{file}.md"), &schema::page(title, &lead, "At the top", &schema));
        }
    }

    #[test]
    fn what_ashlarctl_prints_for_programs_stands_in_the_book() {
        let lead = "Every verb of `ashlarctl` has `--json`, but those that print a script or a \
                    page: what it found on standard output, and what went wrong on standard \
                    error, with the same exit code as without. Programs may rely on \
                    [the schema](ashlarctl.schema.json): what is required in it is \
                    always there.";
        is_made("json.md", &printed("ashlarctl", lead));
    }

    #[test]
    fn what_ashlar_prints_for_programs_stands_in_the_book() {
        let lead = "Every verb of `ashlar` has `--json`: the last line of standard output is then \
                    one object, and nothing else is there; its keys come in the order of their \
                    names. A verb that fails prints what stands here as `failure`. Programs may \
                    rely on [the schema](ashlar.schema.json), of which `ashlar schema` prints that \
                    of one verb: what is required in it is always there.";
        is_made("ashlar-json.md", &printed("ashlar", lead));
    }

    /// The page of what a command prints.
    fn printed(command: &str, lead: &str) -> String {
        let schema = read(&format!("docs/reference/{command}.schema.json"));
        let schema = serde_json::from_str(&schema).unwrap();
        schema::page(&format!("What {command} prints"), lead, "Verbs", &schema)
    }

    #[test]
    fn what_a_box_answers_stands_in_the_book() {
        let document = read("docs/reference/openapi.json");
        is_made("api.md", &api::page(&serde_json::from_str(&document).unwrap()));
    }

    /// Every page of `docs/`, from there.
    fn pages(below: &Path) -> BTreeSet<PathBuf> {
        let entries = fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| match path.is_dir() {
                true => pages(&path),
                false => BTreeSet::from([path]),
            })
            .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
            .collect()
    }

    /// Targets of the links of a page, outside of its code.
    fn links(text: &str) -> Vec<String> {
        let mut code = false;
        let prose = text.lines().filter(|line| {
            let fence = line.trim_start().starts_with("```");
            code ^= fence;
            !code && !fence
        });
        let links = prose.flat_map(|line| line.split("](").skip(1));
        links.filter_map(|rest| rest.split_once(')').map(|(link, _)| link.to_owned())).collect()
    }

    /// What a heading is called in a link: as mdBook and GitHub do it.
    fn anchors(text: &str) -> BTreeSet<String> {
        let headings = text.lines().filter(|line| line.starts_with('#'));
        let anchor = |line: &str| -> String {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept =
                title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        headings.map(anchor).collect()
    }

    #[test]
    fn every_page_is_in_the_table_of_contents_once() {
        let docs = workspace().join("docs");
        let listed = links(&read("docs/SUMMARY.md"));
        let unique: BTreeSet<_> = listed.iter().map(|link| docs.join(link)).collect();
        assert_eq!(unique.len(), listed.len(), "a page is listed twice");
        let there: BTreeSet<_> =
            pages(&docs).into_iter().filter(|page| !page.ends_with("SUMMARY.md")).collect();
        assert_eq!(unique, there);
    }

    #[test]
    fn every_link_inside_the_book_leads_somewhere() {
        let readme = workspace().join("README.md");
        let mut seen = 0;
        for page in pages(&workspace().join("docs")).into_iter().chain([readme]) {
            let text = fs::read_to_string(&page).unwrap();
            for link in links(&text).iter().filter(|link| !link.contains("://")) {
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = match file {
                    "" => page.clone(),
                    file => page.parent().unwrap().join(file),
                };
                assert!(target.exists(), "{}: {link} leads nowhere", page.display());
                if !anchor.is_empty() {
                    let there = anchors(&fs::read_to_string(&target).unwrap());
                    assert!(there.contains(anchor), "{}: {link}: {there:?}", page.display());
                }
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen} links were found");
    }

    #[test]
    fn every_question_of_ten_has_a_screen_and_a_command_that_there_is() {
        let page = read("docs/questions.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.contains("? |")).collect();
        assert_eq!(rows.len(), 10);
        let verbs =
            [read("docs/reference/ashlarctl.md"), read("docs/reference/ashlar.md")].concat();
        for row in rows {
            let command = row.split('`').rfind(|word| word.starts_with("ashlar"));
            let command = command.unwrap_or_else(|| panic!("no command: {row}"));
            let verb: Vec<_> = command.split(' ').take(2).collect();
            assert!(verbs.contains(&format!("## {}\n", verb.join(" "))), "{command}");
        }
    }
}
