//! What a person at a terminal sees who flashes a disk, as the guide shows it.

use crate::loop_device::{Bench, cannot};
use anyhow::{Context, Result, ensure};
use ashlar_tests::command::{program, workspace};
use ashlar_tests::skipped;
use nix::pty::{OpenptyResult, Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;

/// Flashes a disk of the bench at a terminal of 80 by 24, and answers the one question.
/// Tells whether it went well, and what stood on the screen at the end.
fn flashed(bench: &Bench, disk: &str, answer: &str) -> Result<(bool, Vec<String>)> {
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(&size, None)?;
    let mut flash = Command::new(program()?);
    flash.args(["flash", disk, "--image"]).arg(&bench.image).arg("--site").arg(&bench.site);
    flash.env("TERM", "linux").env("NO_COLOR", "1").current_dir("/");
    flash.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
    let mut child = flash.spawn()?;
    // It has the only other end: when it is gone, there is nothing more to read.
    drop(flash);
    let mut screen = File::from(master);
    let (mut said, mut bytes, mut answered) = (Vec::new(), [0; 4096], false);
    // The end of a terminal is an error.
    while let Ok(count @ 1..) = screen.read(&mut bytes) {
        said.extend(bytes.iter().take(count));
        if !answered && said.ends_with(b"to go on: ") {
            screen.write_all(format!("{answer}\n").as_bytes())?;
            answered = true;
        }
    }
    let text = String::from_utf8(said)?;
    Ok((child.wait()?.success(), text.split('\n').map(at_the_end).collect()))
}

/// What of a line is left when everything was written over it that came.
fn at_the_end(line: &str) -> String {
    let last = line.split('\r').map(without_commands).rfind(|text| !text.trim().is_empty());
    last.unwrap_or_default()
}

/// Without what moves the cursor and wipes.
fn without_commands(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    first + &rest.filter_map(|part| part.get(1..)).collect::<String>()
}

/// A line whose figures, and names of this run, may be any.
fn shape(line: &str) -> String {
    let word = |word: &str| match word.trim_end_matches([':', ',', '.']) {
        number if number.parse::<f64>().is_ok() => "1".to_owned(),
        "kB" | "MB" | "GB" => "MB".to_owned(),
        rate if ["kB/s", "MB/s", "GB/s"].contains(&rate) => word.replace(rate, "MB/s"),
        path if path.starts_with("/dev/loop") => word.replace(path, "/dev/loop0"),
        path if path.ends_with(".img") => "disk.img".to_owned(),
        _ => word.to_owned(),
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_guide_shows_what_a_person_sees_who_flashes_a_disk() -> Result<()> {
    if let Some(why) = cannot() {
        return skipped("the_guide_shows_what_a_person_sees_who_flashes_a_disk", why);
    }
    let bench = Bench::new()?;
    let disk = bench.disk()?;
    let name = disk.path.to_str().context("a path that is no text")?;
    let (_, wrong) = flashed(&bench, name, "the wrong one")?;
    ensure!(wrong.iter().any(|line| line.contains("nothing was written")), "{wrong:#?}");
    let (well, seen) = flashed(&bench, name, name)?;
    ensure!(well, "{seen:#?}");
    ensure!(seen.iter().all(|line| line.chars().count() <= 80), "too long: {seen:#?}");
    let guide = std::fs::read_to_string(workspace().join("docs/guide.md"))?;
    let shown = guide.split("```text\n").filter_map(|block| block.split("\n```").next());
    let shown = shown.skip(1).find(|block| block.contains("everything on it will be lost"));
    let shown = shown.context("the guide shows no disk that is flashed")?;
    let shown: Vec<_> = shown.lines().map(shape).collect();
    let seen: Vec<_> =
        seen.iter().map(|line| shape(line)).filter(|line| !line.is_empty()).collect();
    ensure!(seen == shown, "docs/guide.md, section 5, has\n{shown:#?}\nand it is\n{seen:#?}");
    Ok(())
}
