//! `ashlar new`, and what makes sites, on a terminal of 80 cells and 24 lines: what a person
//! sees who types, each question answered wrongly once.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../tests/src/book/picture.rs"]
mod picture;

use nix::pty::{OpenptyResult, Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const WIDTH: usize = 80;
const HEIGHT: usize = 24;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@here";

/// A person at a terminal.
struct Terminal {
    child: Child,
    keys: File,
    said: Receiver<Vec<u8>>,
    text: String,
    /// How much of it was answered.
    answered: usize,
    /// Where the project is: no two tests have the same place.
    place: String,
    width: usize,
    height: usize,
}

impl Terminal {
    fn at(project: &Path) -> Self {
        Self::of(project, &["new"], WIDTH, HEIGHT)
    }

    fn typing(project: &Path, words: &[&str]) -> Self {
        Self::of(project, words, WIDTH, HEIGHT)
    }

    fn of(project: &Path, words: &[&str], width: usize, height: usize) -> Self {
        let size =
            Winsize { ws_row: height as u16, ws_col: width as u16, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let child = Command::new(assert_cmd::cargo::cargo_bin!("ashlar"))
            .args(words)
            .current_dir(project)
            .env("NO_COLOR", "1")
            .env("TERM", "linux")
            .env_remove("ASHLAR_PROJECT")
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        let keys = File::from(master);
        let mut screen = keys.try_clone().unwrap();
        let (tell, said) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The end of a terminal is an error.
            while let Ok(count) = screen.read(&mut bytes) {
                if count == 0 || tell.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let place = project.canonicalize().unwrap().display().to_string();
        Self { child, keys, said, text: String::new(), answered: 0, place, width, height }
    }

    /// Waits until this question is asked, after which nothing is said.
    fn until(&mut self, question: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.text[self.answered..].ends_with(question) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout) => panic!("no `{question}`:\n{}", self.text),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended:\n{}", self.text),
            }
        }
    }

    /// Waits for the question, and answers it.
    fn answers(&mut self, question: &str, answer: &str) {
        self.until(question);
        self.answered = self.text.len();
        self.keys.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }

    /// All that there is until it ends, and whether it ended well.
    fn end(&mut self) -> bool {
        let ended = self.child.wait().unwrap().success();
        while let Ok(bytes) = self.said.recv_timeout(Duration::from_secs(1)) {
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
        ended
    }

    /// What stands on the screen: the last lines, each broken where it is too long.
    fn screen(&self) -> String {
        let text = self.text.replace(&self.place, "/home/me/shop").replace("\r\n", "\n");
        let mut rows = Vec::new();
        for line in text.split('\n') {
            let cells: Vec<char> = line.chars().collect();
            if cells.is_empty() {
                rows.push(String::new());
            }
            rows.extend(cells.chunks(self.width).map(|row| row.iter().collect::<String>()));
        }
        let first = rows.len().saturating_sub(self.height);
        let rows: Vec<_> = rows[first..].iter().map(|row| row.trim_end()).collect();
        rows.join("\n")
    }

    /// The picture of this name shows the same.
    fn is_in_the_book(&self, name: &str) {
        let cell = |letter| picture::Cell { letter, ink: 7, ground: 0 };
        let screen = self.screen();
        let row = |line: &str| line.chars().map(cell).collect::<Vec<_>>();
        let mut rows: Vec<_> = screen.lines().map(row).collect();
        rows.iter_mut().for_each(|row| row.resize(self.width, cell(' ')));
        picture::is_in_the_book(name, &rows, "ashlar --test wizard");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A project with the recipes that are shipped.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    std::fs::create_dir(dir.path().join("recipes")).unwrap();
    std::os::unix::fs::symlink(ours.join("overlays"), dir.path().join("overlays")).unwrap();
    for entry in std::fs::read_dir(ours.join("recipes")).unwrap() {
        let entry = entry.unwrap();
        let to = dir.path().join("recipes").join(entry.file_name());
        std::os::unix::fs::symlink(entry.path(), to).unwrap();
    }
    std::fs::write(dir.path().join("me.pub"), KEY).unwrap();
    std::fs::write(dir.path().join("till.yml"), "services: {}\n").unwrap();
    dir
}

#[test]
fn each_question_on_a_small_screen_answered_wrongly_once() {
    let dir = project();
    let mut at = Terminal::at(dir.path());
    at.until("[retail-metal]: ");
    insta::assert_snapshot!("the_cards", at.screen());
    at.is_in_the_book("wizard-cards");
    at.answers("[retail-metal]: ", "77");
    at.answers("[retail-metal]: ", "?");
    at.until("[retail-metal]: ");
    insta::assert_snapshot!("the_other_cards", at.screen());
    at.answers("[retail-metal]: ", "retail-metal");
    at.answers("[shop]: ", "My Shop");
    at.answers("[shop]: ", "shop");
    at.answers("[3]: ", "many");
    at.answers("[3]: ", "3");
    at.answers("[10.83.0.0/16]: ", "10.83.0.1/16");
    at.answers("[10.83.0.0/16]: ", "10.20.0.0/24");
    at.answers("[yes]: ", "maybe");
    at.until("[yes]: ");
    insta::assert_snapshot!("the_site_and_its_network", at.screen());
    at.answers("[yes]: ", "yes");
    at.answers("[none]: ", "none.pub");
    at.answers("[none]: ", "me.pub");
    at.answers("[none]: ", "1234");
    at.answers("[none]: ", "4711");
    at.answers("[none]: ", "none.yml");
    at.answers("[none]: ", "till.yml");
    at.answers("[none]: ", "nowhere");
    at.answers("[none]: ", "?");
    at.until("[none]: ");
    insta::assert_snapshot!("keys_stacks_and_hardware", at.screen());
    at.answers("[none]: ", "wifi");
    at.answers("yes or no: ", "perhaps");
    // Back at any point, and nothing is forgotten.
    at.answers("yes or no: ", "<");
    at.answers("[wifi]: ", "<");
    at.answers("[till.yml]: ", "");
    at.answers("[wifi]: ", "");
    at.until("yes or no: ");
    insta::assert_snapshot!("what_will_be_made", at.screen());
    assert!(!dir.path().join("keys").exists(), "nothing is made before the last answer");
    at.answers("yes or no: ", "yes");
    assert!(at.end(), "{}", at.text);
    insta::assert_snapshot!("what_comes_next", at.screen());
    at.is_in_the_book("wizard-next");
    for file in ["keys/shop/site.toml", "recipes/shop.toml"] {
        assert!(dir.path().join(file).exists(), "{file}");
    }
}

/// The longest names that are allowed, on this screen.
fn the_longest_names(width: usize, height: usize) {
    let dir = project();
    let (site, stack) =
        ("a-site-with-a-longest-name", "a-stack-whose-file-has-a-name-that-goes-on");
    let site = &site[..25];
    std::fs::write(dir.path().join(format!("{stack}.yml")), "services: {}\n").unwrap();
    let mut at = Terminal::of(dir.path(), &["new"], width, height);
    let named = |frame: &str| format!("{frame}_with_the_longest_names_{width}");
    at.answers("[retail-metal]: ", "");
    at.answers("[shop]: ", &format!("{site}e"));
    at.answers("[shop]: ", site);
    at.answers("[3]: ", "");
    at.answers("[10.83.0.0/16]: ", "192.168.254.0/24");
    at.answers("[yes]: ", "");
    at.answers("[none]: ", "me.pub");
    at.answers("[none]: ", "471108154711");
    at.answers("[none]: ", &format!("{stack}.yml"));
    at.answers("[none]: ", "graphics wifi");
    at.until("yes or no: ");
    insta::assert_snapshot!(named("what_will_be_made"), at.screen());
    at.answers("yes or no: ", "yes");
    assert!(at.end(), "{}", at.text);
    insta::assert_snapshot!(named("what_comes_next"), at.screen());
}

#[test]
fn the_longest_names_break_no_word_on_a_small_screen_or_a_large_one() {
    the_longest_names(WIDTH, HEIGHT);
    the_longest_names(240, 67);
}

#[test]
fn whoever_says_no_or_hangs_up_leaves_nothing_behind() {
    let dir = project();
    let mut at = Terminal::at(dir.path());
    for (question, answer) in [
        ("[retail-metal]: ", ""),
        ("[shop]: ", ""),
        ("[3]: ", ""),
        ("[10.83.0.0/16]: ", ""),
        ("[yes]: ", ""),
        ("[none]: ", ""),
        ("[none]: ", ""),
        ("[none]: ", ""),
        ("[none]: ", ""),
        ("yes or no: ", "no"),
    ] {
        at.answers(question, answer);
    }
    assert!(!at.end());
    assert!(at.text.contains("nothing was made"), "{}", at.text);
    let mut at = Terminal::at(dir.path());
    at.until("[retail-metal]: ");
    at.keys.write_all(b"\x04").unwrap();
    assert!(!at.end());
    assert!(!dir.path().join("keys").exists());
}

#[test]
fn whoever_makes_a_site_is_asked_how_many_boxes_until_it_is_a_number_and_told_what_to_back_up() {
    const QUESTION: &str = "(Enter: not known yet) ";
    let dir = project();
    let mut at = Terminal::typing(dir.path(), &["site", "new", "shop"]);
    for wrong in ["many", "0", "300"] {
        at.answers(QUESTION, wrong);
    }
    at.until(QUESTION);
    assert_eq!(at.text.matches("a number from 1 to 255, please").count(), 3, "{}", at.text);
    at.answers(QUESTION, "3");
    assert!(at.end(), "{}", at.text);
    let told = at.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("keys/shop now, encrypted: it has the only copy"), "{}", at.text);
    let site = std::fs::read_to_string(dir.path().join("keys/shop/site.toml")).unwrap();
    assert!(site.contains("expect = 3"), "another number");
}

#[test]
fn a_pin_that_is_none_makes_no_hash() {
    let dir = project();
    for (typed, good) in [("12", false), ("twelve", false), ("4711", true)] {
        let mut at = Terminal::typing(dir.path(), &["site", "pin"]);
        at.answers("(4 to 12 digits; it is shown as you type): ", typed);
        assert_eq!(at.end(), good, "{typed}: {}", at.text);
        assert_eq!(at.text.contains("pin-hash"), good, "{typed}: {}", at.text);
    }
}
