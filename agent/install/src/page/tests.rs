//! Every page of the installer, as it stands on the smallest screen of a kernel.

use super::*;
use crate::consoles::{Consoles, tests::terminal};
use crate::{installing, words};
use anyhow::anyhow;
use ashlar_disk::{Bus, Disk, DiskNow, Drive, Events, Failure, FlashError, Refusal, Stage, Unfit};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a kernel's console of 80 by 25 shows after these bytes.
fn frame(bytes: &str) -> String {
    const ROWS: usize = 25;
    let mut rows = vec![vec![' '; WIDTH]; ROWS];
    let (mut x, mut y, mut rest) = (0, 0, bytes);
    while let Some(c) = rest.chars().next() {
        let commands = ["\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[1m", "\x1b[0m"];
        if let Some(command) = commands.iter().find(|command| rest.starts_with(**command)) {
            match *command {
                "\x1b[2J" => rows.iter_mut().for_each(|row| row.fill(' ')),
                "\x1b[H" => (x, y) = (0, 0),
                "\x1b[K" => rows[y][x.min(WIDTH)..].fill(' '),
                _ => {}
            }
            rest = &rest[command.len()..];
            continue;
        }
        match c {
            '\r' => x = 0,
            '\n' => y += 1,
            c if c.is_control() => panic!("{c:?} is none of ours: {bytes:?}"),
            c => {
                assert!(x < WIDTH, "a line is too long: {bytes:?}");
                rows[y][x] = c;
                x += 1;
            }
        }
        assert!(y < ROWS, "it scrolls:\n{bytes}");
        rest = &rest[c.len_utf8()..];
    }
    let rows: Vec<String> = rows.iter().map(|row| row.iter().collect()).collect();
    let rows = rows.iter().map(|row| row.trim_end()).collect::<Vec<_>>();
    format!("{}\n{}", "-".repeat(WIDTH), rows.join("\n").trim_end())
}

/// What a terminal shows to which something else was written before.
fn shown(show: impl FnOnce(&mut Consoles)) -> String {
    let (mut consoles, mut screen) = terminal();
    consoles.head(words::heading(Some(&"x".repeat(25))));
    consoles.say(&["what was there before"; 24].join("\n"));
    show(&mut consoles);
    drop(consoles);
    let mut bytes = String::new();
    screen.read_to_string(&mut bytes).unwrap();
    frame(&bytes)
}

fn page(page: Page) -> String {
    shown(|consoles| consoles.show(&page))
}

fn asked(refusal: &Refusal<'_>) -> String {
    page(words::refusal(refusal))
}

/// A disk whose every name is as long as disks have them.
fn disk(name: &str, contents: Option<Vec<String>>) -> Disk {
    let drive = Drive {
        path: Path::new("/dev").join(name),
        model: "Vendored SAMSUNG MZVL22T0HBLB-00B00 with 40 letters".into(),
        serial: "S676NX0R123456-AND-40-LETTERS-ALTOGETHER".into(),
        size: 15_362_991_415_296,
        sector: 512,
        bus: Bus::Nvme,
        speed: None,
        removable: false,
        read_only: false,
        in_use: None,
        contents,
    };
    Disk { drive, starts_here: false }
}

/// What is on a disk of ours, one name of which is as long as it may be.
fn ours() -> Vec<String> {
    let names = ["esp", "root-a", "root-a-verity", "root-a-sig", "root-b", "root-b-verity"];
    let names = [&names[..], &["root-b-sig", "seed", "state", "data"]].concat();
    let of = |(n, name)| format!("partition {} `{name}`: LUKS (encrypted), 15360.0 GB", n + 1);
    let mut all: Vec<_> = names.into_iter().enumerate().map(of).collect();
    all.push(of((10, &"p".repeat(36))));
    all
}

#[test]
fn every_page_that_asks_begins_on_an_empty_screen_and_fits_it() {
    let alien = || Some(vec!["NTFS".to_owned()]);
    let [one, two, three] = ["nvme0n1", "mmcblk0", "sda"].map(|name| disk(name, Some(ours())));
    let empty = disk("nvme1n1", Some(Vec::new()));
    let unread = disk("nvme2n1", None);
    let small = disk("sdb", alien());
    let medium = disk("sdz", Some(ours()));
    let unfit = vec![
        (&medium, Unfit::Medium),
        (
            &one,
            Unfit::InUse(
                "md127, mounted at /a/place/with/a/name/that/goes/on/and/on/and/on".into(),
            ),
        ),
        (&two, Unfit::Sectors(4096)),
        (&small, Unfit::Small(13_000_000_000)),
        (&three, Unfit::Serial("S676NX0R123456-AND-40-LETTERS-ALTOGETHER".into())),
    ];
    let many: Vec<_> = (0..40).map(|n| disk(&format!("nvme{n}n1"), Some(ours()))).collect();
    let lean = "what somebody types who leans on the keyboard ".repeat(5);
    let wrong = |answer| Page {
        complaint: words::complaint(answer),
        ..words::refusal(&Refusal::Equal(vec![&one, &two, &empty, &unread]))
    };
    let frames = [
        page(Page::of("Looking at the stick ...", "")),
        asked(&Refusal::None(Vec::new())),
        asked(&Refusal::None(unfit)),
        asked(&Refusal::Foreign(&small)),
        asked(&Refusal::Foreign(&one)),
        asked(&Refusal::Installed(&one)),
        asked(&Refusal::Equal(vec![&small, &empty])),
        page(wrong("sdq")),
        page(wrong(&lean)),
        asked(&Refusal::Equal(many.iter().collect())),
    ];
    insta::assert_snapshot!(frames.join("\n"));
}

#[test]
fn every_page_of_what_is_done_begins_on_an_empty_screen_and_fits_it() {
    let drive = disk("nvme0n1", None).drive;
    let stopped = Failure {
        why: Box::new(FlashError::NotADisk { path: PathBuf::from("/dev/nvme0n1") }),
        disk: drive.path.clone(),
        now: DiskNow::NotBootable,
    };
    let refused = anyhow!("the firmware does not keep Boot0007: No space left on device");
    let frames = [
        shown(|consoles| {
            consoles.show(&Page::of(words::onto(&drive), ""));
            let progress = installing::Progress::new(consoles);
            for stage in [Stage::Examine, Stage::Empty, Stage::Write, Stage::Verify] {
                progress.begin(stage, 15_362_991_415_296);
                progress.advance(7_362_991_415_296);
                if stage != Stage::Verify {
                    progress.end();
                }
            }
        }),
        page(words::failed(&drive, &words::failure(&stopped))),
        page(words::installed(Ok(()), words::PULL)),
        page(words::installed(Ok(()), words::ALONE)),
        page(words::installed(Err(&refused), words::PULL)),
    ];
    insta::assert_snapshot!(frames.join("\n"));
}

#[test]
fn a_disk_that_calls_itself_a_command_of_the_terminal_gives_it_none() {
    let mut evil = disk("sda", Some(vec!["partition 1 `\x1b[2J\x07`: NTFS".into()]));
    evil.drive.model = "\x1b]0;evil\x07".into();
    let drawn = asked(&Refusal::Foreign(&evil));
    assert!(drawn.contains("`?[2J?`") && drawn.contains("?]0;evil?"), "{drawn}");
}
