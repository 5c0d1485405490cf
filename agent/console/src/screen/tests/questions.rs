//! The questions about the network and about going on alone, as they are drawn.

use super::*;
use crate::dialog::{Field, Question};
use crate::feed::Reply;
use ashlar_api::{NetworkAnswer, NetworkChange, WayOut};

/// As the agent of the second of two says it.
fn alone() -> Vec<String> {
    [
        "ashlar-00000002 at 10.83.12.200 is taken to be gone for good, and loses its place",
        "clusterfs goes on with the copy here; both were last seen whole 47 minutes ago, and what \
         ashlar-00000002 wrote alone since then is lost",
        "the Swarm is led here, with services, configs and secrets as they were 47 minutes ago",
        "what runs here is stopped for a moment, and starts again",
        "never switch ashlar-00000002 on without its cable: it would go on with its old copy; with \
         its cable it sees this box, sets its copy aside and joins as a new one",
        "any fresh box with the same site takes its place",
    ]
    .map(|line| format!("  - {line}"))
    .into()
}

const EXPECTED: &str = "expected an address with the length of its network: `192.168.7.21/24`";

/// Every question about the network, with the longest that there is to say.
fn about_the_network() -> Vec<Dialog> {
    let now = || WayOut {
        address: Some("192.168.178.142/24".into()),
        gateway: Some("192.168.178.1".into()),
        names: ["2001:db8:4711:42:5054:ff:fe12:3456", "9.9.9.9", "149.112.112.112"]
            .map(str::to_owned)
            .into(),
    };
    let value = |field, way: WayOut, typed: &str, wrong: Option<&str>, checking| Question::Value {
        now: now(),
        way,
        field,
        typed: typed.into(),
        wrong: wrong.map(str::to_owned),
        checking,
    };
    let names = now().names.join(" ");
    let twice = "it is in the list already";
    let lines = vec![
        "The way out of this box is now a lease (DHCP), with the lease's name servers.".into(),
        format!("Then it is {}.", now()),
        "Its address in the cluster stays.".into(),
        "Beware: this box's site forgets 192.168.7.22/24 192.168.7.23/24, which other boxes have \
         in another network: they are told theirs at their own screens."
            .into(),
    ];
    let undone = Some("neither a router nor another box answered".to_owned());
    let questions = [
        Question::Way { now: WayOut::default(), undone: None, at: 0 },
        Question::Way { now: now(), undone, at: 2 },
        value(Field::Address, now(), "192.168.178.142", Some(EXPECTED), false),
        value(Field::Gateway, now(), "192.168.178.1", None, true),
        value(Field::Names, WayOut::default(), "", None, false),
        value(Field::Names, now(), &names, Some(twice), false),
        Question::Sure { way: now(), lines },
        Question::Tried { left: Some(97) },
        Question::Tried { left: None },
    ];
    questions.into_iter().map(Dialog::Network).collect()
}

#[test]
fn every_question_about_the_network_on_the_smallest_common_screen() {
    insta::assert_snapshot!(boxes(&about_the_network(), 80, 25));
}

#[test]
fn every_question_about_the_network_on_a_large_screen() {
    insta::assert_snapshot!(boxes(&about_the_network(), 240, 67));
}

/// A wrong answer, what is tried, and going on alone, as the book shows them.
pub(super) fn of_the_book() -> [(&'static str, Status, Dialog); 4] {
    let address = Dialog::Network(Question::Value {
        now: WayOut::default(),
        way: WayOut::default(),
        field: Field::Address,
        typed: "192.168.7.21".into(),
        wrong: Some(EXPECTED.into()),
        checking: false,
    });
    let tried = Dialog::Network(Question::Tried { left: Some(97) });
    let goes_on = going_on_alone("ashlar-0000000", false);
    let menu = Dialog::Menu { actions: Action::menu(false), at: 2 };
    [
        ("screen-actions", ready(), menu),
        ("screen-address", ready(), address),
        ("screen-tried", ready(), tried),
        ("screen-alone", troubled(), goes_on),
    ]
}

fn going_on_alone(typed: &str, wrong: bool) -> Dialog {
    Dialog::Name {
        action: Action::GoOnAlone,
        sentences: alone(),
        wanted: "ashlar-00000002".into(),
        typed: typed.into(),
        wrong,
    }
}

#[test]
fn going_on_alone_on_both_screens() {
    let question = [going_on_alone("ashlar-0000", true)];
    let drawn = [boxes(&question, 80, 25), boxes(&question, 240, 67)];
    insta::assert_snapshot!(drawn.join("\n\n"));
}

#[test]
fn a_change_of_the_network_is_watched_every_second_and_its_end_is_there_to_be_read() {
    let now = Instant::now();
    let mut model = told(ready(), now);
    model.press(Button::Letter('a'), now);
    (0..3).for_each(|_| drop(model.press(Button::Down, now)));
    model.press(Button::Enter, now);
    let answer = |change| {
        let (left_s, way_out) = (Some(120), Some(WayOut::default()));
        let answer = NetworkAnswer { change, left_s, way_out, lines: Vec::new() };
        News::Reply(Ok(Reply::Network(answer)))
    };
    model.hear(answer(Some(NetworkChange::Trying)), now);
    assert!(at(&model, now, 80, 25).contains("undone in 120 s"));
    let asks = (0..=1_200).filter(|tenth| {
        let then = now + Duration::from_millis(100 * tenth);
        model.tick(then).is_some()
    });
    assert_eq!(asks.count(), 121);
    let end = now + Duration::from_secs(125);
    let why = "no router answered".to_owned();
    model.hear(answer(Some(NetworkChange::Undone { why })), end);
    model.tick(end);
    assert!(at(&model, end, 80, 25).contains("no router answered"), "it is taken back at once");
    model.tick(end + Duration::from_secs(121));
    assert!(!at(&model, end, 80, 25).contains("no router answered"));
}
