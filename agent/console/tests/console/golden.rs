//! The golden frames of the screen's own tests are what a terminal shows.

use super::{Terminal, agent_of, samples};
use ashlar_api::Status;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Every page, one under the other, as the screen's own test of this name draws it.
fn golden(test: &str) -> String {
    let name = format!("src/screen/snapshots/ashlar_console__screen__tests__{test}.snap");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(path).unwrap();
    text.splitn(3, "---\n").nth(2).unwrap().to_owned()
}

/// Without the time of day, and without blanks at the ends.
fn lines(text: &str) -> Vec<String> {
    const CLOCK: &str = "2026-11-26 03:40";
    let line = |line: &str| {
        let mut line = line.trim_end().to_owned();
        if let Some(start) = line.find(" UTC").and_then(|end| end.checked_sub(CLOCK.len())) {
            line.replace_range(start..start + CLOCK.len(), "");
        }
        line
    };
    text.lines().map(line).collect()
}

fn every_page_is_golden(status: &Status, test: &str, width: u16, height: u16) {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journalctl");
    let said: Vec<_> = samples::logs().iter().map(|line| format!("echo '{line}'\n")).collect();
    std::fs::write(&journal, format!("#!/bin/sh\n{}", said.concat())).unwrap();
    std::fs::set_permissions(&journal, std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = dir.path().join("agent.sock");
    let _asked = agent_of(&socket, json!(status));
    let mut screen = Terminal::sized(socket, width, height, Some(dir.path()));
    let all = lines(&golden(test));
    for (n, page) in all.chunks(usize::from(height) + 1).enumerate() {
        screen.types(&(n + 1).to_string());
        let page = &page[..page.len().min(height.into())];
        let mut page = page.to_vec();
        page.resize(height.into(), String::new());
        let what = format!("page {}, which is\n{}", n + 1, page.join("\n"));
        screen.waits_for(&what, |text| lines(text) == page);
    }
}

#[test]
fn the_longest_names_on_a_terminal_of_80_by_25() {
    let test = "every_page_with_the_longest_names_on_the_smallest_common_screen";
    every_page_is_golden(&samples::longest(), test, 80, 25);
}

#[test]
fn the_longest_names_on_a_terminal_of_240_by_67() {
    let test = "every_page_with_the_longest_names_on_a_large_screen";
    every_page_is_golden(&samples::longest(), test, 240, 67);
}

#[test]
fn a_box_that_is_well_on_a_terminal_of_80_by_25() {
    let test = "every_page_of_a_box_that_is_well_on_the_smallest_common_screen";
    every_page_is_golden(&samples::ready(), test, 80, 25);
}
