mod pictures;
mod questions;

use super::*;
use crate::dialog::{Action, Deed, Dialog, Given, Key};
use crate::feed::News;
use crate::model::{Button, Model};
use crate::samples::{
    WITHOUT_A_SITE, alert, hardware, history, joining, logs, longest, network, ready, troubled,
    without_a_site,
};
use ashlar_api::{Severity, Status};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::time::Instant;

const CLOCK: &str = "2026-11-26 03:40 UTC";

/// A screen that was told all that there is to tell about a box.
fn told(status: Status, now: Instant) -> Model {
    let mut model = Model::new(false, now);
    model.hear(News::Network(network()), now);
    model.hear(News::Hardware(hardware()), now);
    model.hear(News::History(history()), now);
    model.hear(News::Logs(Ok(logs())), now);
    model.hear(News::Status(Ok(Box::new(status))), now);
    model
}

fn at(model: &Model, now: Instant, width: u16, height: u16) -> String {
    let heals_for = model.heals_for();
    let screen = model.screen(now, CLOCK, heals_for.as_deref());
    let text = drawn(&screen, width, height).to_string();
    // As a person sees it: without the quotes, and without blanks at the ends.
    let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

fn page(status: Status, page: Page, width: u16, height: u16) -> String {
    let now = Instant::now();
    let mut model = told(status, now);
    model.open(page);
    at(&model, now, width, height)
}

/// Every page of one box, one under the other.
fn pages(status: &Status, width: u16, height: u16) -> String {
    let all = Page::ALL.iter().map(|p| page(status.clone(), *p, width, height));
    all.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn every_page_of_a_box_that_is_well_on_the_smallest_common_screen() {
    insta::assert_snapshot!(pages(&ready(), 80, 25));
}

#[test]
fn every_page_with_the_longest_names_on_the_smallest_common_screen() {
    insta::assert_snapshot!(pages(&longest(), 80, 25));
}

#[test]
fn every_page_of_a_box_in_trouble_on_a_large_screen() {
    insta::assert_snapshot!(pages(&troubled(), 240, 67));
}

#[test]
fn every_page_with_the_longest_names_on_a_large_screen() {
    insta::assert_snapshot!(pages(&longest(), 240, 67));
}

#[test]
fn a_box_in_trouble_says_what_is_wrong_and_what_to_do() {
    insta::assert_snapshot!(page(troubled(), Page::Home, 80, 25));
}

#[test]
fn a_box_on_its_way_says_how_far_it_has_come() {
    insta::assert_snapshot!(page(joining(), Page::Home, 80, 25));
}

#[test]
fn a_box_without_a_site_says_why_on_the_smallest_common_screen() {
    let all = WITHOUT_A_SITE.map(|why| page(without_a_site(why), Page::Home, 80, 25));
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn the_time_keeps_its_corner_unless_the_sentence_would_lose_its_end_to_it() {
    let mut refused = without_a_site(WITHOUT_A_SITE[2]);
    refused.trouble = Some(
        "the site on the stick cannot be used: site.toml:12: `network.uplink.address`: expected \
         an address with the length of its network: `192.168.7.21/24`"
            .into(),
    );
    let all = WITHOUT_A_SITE.map(without_a_site);
    for status in all.into_iter().chain([ready(), joining(), troubled(), longest(), refused]) {
        for (width, line) in [(80, 3), (240, 5)] {
            let height = if width == 80 { 25 } else { 67 };
            let drawn = page(status.clone(), Page::Home, width, height);
            let first = drawn.lines().nth(line).unwrap();
            assert_eq!(drawn.matches(CLOCK).count(), 1, "{drawn}");
            if !first.contains(CLOCK) {
                // Below alerts the sentence has one line: it tells who is meant.
                assert!(!status.alerts.is_empty(), "{drawn}");
                continue;
            }
            assert!(first.ends_with(&format!("  {CLOCK}")), "{drawn}");
            assert_eq!(first.chars().count(), usize::from(width), "{drawn}");
        }
        let narrow = page(status, Page::Home, 50, 25);
        assert!(narrow.contains(CLOCK), "{narrow}");
    }
}

#[test]
fn a_box_whose_agent_is_absent_says_so_and_still_has_its_journal() {
    let now = Instant::now();
    let mut model = Model::new(false, now);
    let why = "the agent does not answer on /run/ashlar/agent.sock: it has not started yet, or this is no box";
    model.hear(News::Status(Err(why.into())), now);
    let later = now + Duration::from_secs(42);
    insta::assert_snapshot!(at(&model, later, 80, 25));
    model.hear(News::Logs(Ok(vec!["ashlar-agent[612]: cannot start".into()])), later);
    model.press(Button::Letter('6'), later);
    assert!(at(&model, later, 80, 25).contains("cannot start"));
}

#[test]
fn a_box_whose_agent_fell_silent_keeps_what_it_knew_and_says_how_old_it_is() {
    let now = Instant::now();
    let mut model = told(ready(), now);
    model.hear(News::Status(Err("no answer".into())), now);
    let drawn = at(&model, now + Duration::from_secs(42), 80, 25);
    assert!(drawn.contains("not answered for 42 s: what is shown is as"), "{drawn}");
    assert!(drawn.contains("ashlar-00000003"), "{drawn}");
}

#[test]
fn a_page_that_is_too_long_says_how_much_more_there_is_and_turns() {
    let now = Instant::now();
    let mut model = told(longest(), now);
    let first = at(&model, now, 80, 25);
    assert!(first.contains("more lines"), "{first}");
    for _ in 0..200 {
        model.press(Button::Down, now);
        at(&model, now, 80, 25);
    }
    let last = at(&model, now, 80, 25);
    assert!(last.contains("ashlar-00000027") && last.contains("lines above"), "{last}");
    model.press(Button::Up, now);
    let before = at(&model, now, 80, 25);
    assert!(before.contains("above, ↓ 1 below"), "turning on at the end did not count: {before}");
}

#[test]
fn the_journal_is_followed_until_somebody_turns_up() {
    let now = Instant::now();
    let mut model = told(ready(), now);
    model.press(Button::Letter('6'), now);
    assert!(at(&model, now, 80, 25).contains("step 59"));
    model.press(Button::PageUp, now);
    let drawn = at(&model, now, 80, 25);
    assert!(!drawn.contains("step 59") && drawn.contains("below"), "{drawn}");
    model.press(Button::End, now);
    let mut more = logs();
    more.push("step 60".into());
    model.hear(News::Logs(Ok(more)), now);
    assert!(at(&model, now, 80, 25).contains("step 60"));
}

#[test]
fn nobody_there_is_a_dark_screen_that_any_key_or_change_wakes() {
    let now = Instant::now();
    let mut model = told(ready(), now);
    model.tick(now);
    let night = now + Duration::from_secs(3_600);
    let dark = at(&model, night, 80, 25);
    assert_eq!(dark.lines().filter(|l| !l.is_empty()).count(), 1, "{dark}");
    assert!(dark.contains("ashlar-1a2b3c4d: well. Any key."), "{dark}");
    assert_ne!(dark, at(&model, night + Duration::from_secs(60), 80, 25), "it burns in nowhere");
    model.press(Button::Letter('a'), night);
    let woken = at(&model, night, 80, 25);
    assert!(woken.contains("All is well") && !woken.contains("what is to be done"), "{woken}");
    let later = night + Duration::from_secs(3_600);
    model.hear(News::Status(Ok(Box::new(troubled()))), later);
    model.tick(later);
    assert!(at(&model, later, 80, 25).contains("Trouble:"), "trouble wakes it");
}

fn sticks() -> Vec<ashlar_api::StickVolume> {
    let stick = |name: &str, label: Option<&str>, model: &str| ashlar_api::StickVolume {
        name: name.into(),
        label: label.map(str::to_owned),
        model: Some(model.into()),
        bytes: 104_857_600,
    };
    vec![
        stick("sdb5", Some("ASHLARSEED"), "SanDisk Ultra"),
        stick("mmcblk0p1", None, "a model with a name that goes on and on and on and on"),
    ]
}

#[test]
fn every_question_fits_the_smallest_common_screen() {
    let sentences = vec![
        "A factory reset of this box takes away, for good:".to_owned(),
        "  - its copy of the volume (clusterfs: 3 copies, 3 of 3 bricks up, TLS, mounted)".into(),
        "Beware: it may hold the last copy of its volume.".into(),
    ];
    let action = Action::ResetAndKeep;
    let wanted = || "ashlar-1a2b3c4d".to_owned();
    let typed = || "ashlar-1a2b".to_owned();
    let dialogs = [
        Dialog::Menu { actions: Action::menu(true), at: 1 },
        Dialog::Asking(action),
        Dialog::Sure {
            action: Action::PowerOff,
            sentences: vec![
                "While this box is off:".to_owned(),
                "  - clusterfs has 2 of 3 copies, and can be written".to_owned(),
                "  - 2 of 3 managers decide; one more may not be missing".to_owned(),
            ],
        },
        Dialog::Name {
            action,
            sentences: sentences.clone(),
            wanted: wanted(),
            typed: typed(),
            wrong: true,
        },
        Dialog::Name {
            action,
            sentences: Vec::new(),
            wanted: wanted(),
            typed: "what somebody types who leans on the keyboard, and on and on".repeat(2),
            wrong: false,
        },
        Dialog::Stick { volumes: sticks(), at: 1 },
        Dialog::Pin {
            deed: Deed { action, given: Given::Nothing },
            typed: "4711".into(),
            complaint: Some("that is not the PIN; the next try is in 10 s".into()),
        },
        Dialog::Doing(Deed { action, given: Given::Nothing }),
        Dialog::open(true, false),
        Dialog::Begun("The box restarts now."),
        Dialog::Done("ashlar-1a2b3c4d-20261126T034000Z.tar.zst, 312 kB, is on sdc1.".into()),
    ];
    insta::assert_snapshot!(boxes(&dialogs, 80, 25));
}

/// These questions, one under the other; the page is below, and only the box of interest.
fn boxes(dialogs: &[Dialog], width: u16, height: u16) -> String {
    let drawn = dialogs.iter().map(|dialog| {
        let text = asking(ready(), dialog, width, height);
        let lines = text.lines();
        let inside = lines.skip_while(|l| !l.contains("┌")).take_while(|l| !l.contains("└"));
        inside.collect::<Vec<_>>().join("\n")
    });
    drawn.collect::<Vec<_>>().join("\n\n")
}

/// The screen of a box that asks this.
fn asked(status: Status, dialog: &Dialog, width: u16, height: u16) -> TestBackend {
    let model = told(status, Instant::now());
    let mut screen = model.screen(Instant::now(), CLOCK, None);
    screen.dialog = Some(dialog);
    drawn(&screen, width, height)
}

fn drawn(screen: &Screen<'_>, width: u16, height: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| frame.render_widget(screen, frame.area())).unwrap();
    terminal.backend().clone()
}

/// A box that asks this, as text.
fn asking(status: Status, dialog: &Dialog, width: u16, height: u16) -> String {
    let text = asked(status, dialog, width, height).to_string();
    let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn no_size_of_the_screen_breaks_it() {
    let now = Instant::now();
    let (ready, longest) = (ready(), longest());
    for (width, height) in (1..100).step_by(9).flat_map(|w| (1..30).step_by(4).map(move |h| (w, h)))
    {
        for status in [&ready, &longest] {
            let mut model = told(status.clone(), now).with_book(Some("https://a/".into()));
            for page in Page::ALL {
                model.open(page);
                at(&model, now, width, height);
            }
            for letter in ['a', 'c'] {
                model.press(Button::Letter(letter), now);
                at(&model, now, width, height);
                model.press(Button::Escape, now);
            }
            at(&model, now + Duration::from_secs(9_999), width, height);
        }
        at(&Model::new(true, now), now, width, height);
    }
}

#[test]
fn a_small_screen_keeps_the_word_and_the_worst() {
    let drawn = page(troubled(), Page::Home, 40, 11);
    assert!(drawn.contains("HELP  ashlar-1a2b3c4d"), "{drawn}");
    assert!(drawn.contains("clusterfs takes no writes"), "{drawn}");
}

#[test]
fn everything_drawn_is_in_the_kernel_s_font() {
    let now = Instant::now();
    let mut status = troubled();
    status.members[0].name = "evil\x1b[2J✔名".into();
    status.alerts[1] = alert(Severity::Warning, "“evil” …\u{9b}31m");
    let mut model = told(status, now).with_book(Some("https://docs.example.org/".into()));
    model.hear(News::Logs(Ok(vec!["\x1b[31mred\x1b[0m ─ 名".into()])), now);
    let mut drawn = String::new();
    for page in Page::ALL {
        model.open(page);
        drawn.push_str(&at(&model, now, 80, 60));
    }
    for letter in ['a', 'c'] {
        model.press(Button::Letter(letter), now);
        drawn.push_str(&at(&model, now, 80, 25));
        model.press(Button::Escape, now);
    }
    let known = |c: char| {
        matches!(
            c,
            '\n' | ' '
                ..='~'
                    | '√'
                    | '·'
                    | '→'
                    | '←'
                    | '↑'
                    | '↓'
                    | '┌'
                    | '┐'
                    | '└'
                    | '┘'
                    | '─'
                    | '│'
        ) || matches!(c, '█' | '▀' | '▄')
    };
    let unknown: Vec<char> = drawn.chars().filter(|c| !known(*c)).collect();
    assert_eq!(unknown, [], "{drawn}");
}

/// A box in trouble whose image says where the book is.
fn with_a_book(now: Instant) -> Model {
    let mut status = troubled();
    status.alerts[1].id = "box-lost".into();
    told(status, now).with_book(Some("https://docs.example.org/ashlar/".into()))
}

#[test]
fn the_code_of_an_alert_s_page_on_the_smallest_common_screen() {
    let now = Instant::now();
    let mut model = with_a_book(now);
    let before = at(&model, now, 80, 25);
    model.press(Button::Letter('c'), now);
    let codes = at(&model, now, 80, 25);
    model.press(Button::Down, now);
    insta::assert_snapshot!(format!("{before}\n\n{codes}\n\n{}", at(&model, now, 80, 25)));
}

#[test]
fn the_code_of_an_alert_s_page_on_a_large_screen() {
    let now = Instant::now();
    let mut model = with_a_book(now);
    model.press(Button::Letter('c'), now);
    insta::assert_snapshot!(at(&model, now, 240, 67));
}

#[test]
fn a_box_that_is_well_or_has_no_book_shows_no_code() {
    let now = Instant::now();
    for (status, book) in [(troubled(), None), (ready(), Some("https://a/".to_owned()))] {
        let mut model = told(status, now).with_book(book);
        let before = at(&model, now, 80, 25);
        assert!(!before.contains("a code for your telephone"), "{before}");
        model.press(Button::Letter('c'), now);
        assert_eq!(at(&model, now, 80, 25), before);
    }
    let mut model = with_a_book(now);
    model.press(Button::Letter('c'), now);
    assert!(at(&model, now, 40, 12).contains("too small"));
    model.press(Button::Escape, now);
    assert!(!at(&model, now, 40, 12).contains("too small"));
}

#[test]
fn a_question_that_nobody_answers_is_taken_back() {
    let now = Instant::now();
    let mut model = told(ready(), now);
    model.press(Button::Letter('a'), now);
    model.tick(now + Duration::from_secs(100));
    assert!(at(&model, now, 80, 25).contains("what is to be done"));
    model.tick(now + Duration::from_secs(121));
    assert!(!at(&model, now, 80, 25).contains("what is to be done"));
}

#[test]
fn a_letter_typed_into_a_question_turns_no_page() {
    let next = Dialog::open(false, false).press(Key::Letter('2'));
    assert!(matches!(next.dialog, Some(Dialog::Menu { at: 0, .. })), "{next:?}");
}
