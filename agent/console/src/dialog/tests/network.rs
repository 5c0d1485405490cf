//! The questions about the network.

use super::*;
use crate::dialog::{Question, Way};
use ashlar_api::NetworkChange;

/// What an agent knows of the network.
#[derive(Debug, Default)]
pub(super) struct Box {
    pub(super) change: Option<NetworkChange>,
    /// What was asked about or tried, one after the other.
    pub(super) asked: Vec<(WayOut, bool)>,
}

const ADDRESS: &str = "192.168.7.21/24";
const ROUTER: &str = "192.168.7.1";

impl Agent {
    /// As one whose site takes those values and no others.
    pub(super) fn network(&mut self, verb: NetworkVerb, dry_run: bool) -> Result<Reply, Refused> {
        let refused =
            |words: &str| Refused { refusal: Some(Refusal::BadRequest), words: words.into() };
        let mut answer = NetworkAnswer {
            change: None,
            left_s: Some(120),
            way_out: Some(WayOut::default()),
            lines: Vec::new(),
        };
        match verb {
            NetworkVerb::Look => answer.change.clone_from(&self.network.change),
            NetworkVerb::WayOut(way) => {
                if way.address.as_deref().is_some_and(|address| address != ADDRESS) {
                    return Err(refused("expected an address with the length of its network"));
                }
                if way.gateway.as_deref().is_some_and(|router| router != ROUTER) {
                    return Err(refused("expected an address inside 192.168.7.0/24"));
                }
                if way.names.iter().any(|name| name.parse::<std::net::IpAddr>().is_err()) {
                    return Err(refused("expected addresses of name servers"));
                }
                answer.lines.push(format!("The way out of this box is then {way}."));
                if !dry_run {
                    self.did.push(Action::Network);
                    answer.change = Some(NetworkChange::Trying);
                }
                self.network.asked.push((way, dry_run));
            }
            NetworkVerb::Confirm => self.did.push(Action::KeepNetwork),
            NetworkVerb::Revert => self.did.push(Action::OldNetwork),
            NetworkVerb::Set(_) => panic!("no screen has a site"),
        }
        Ok(Reply::Network(answer))
    }
}

/// Answers every question, each one wrongly first.
pub(super) fn answering(person: &mut Person<'_>) {
    person.press(Key::Down);
    person.press(Key::Enter);
    for (wrong, right) in
        [("192.168.7.21", ADDRESS), ("192.168.8.1", ROUTER), ("dns.example", "9.9.9.9 1.1.1.1")]
    {
        person.types(wrong);
        let Some(Dialog::Network(Question::Value { wrong: Some(why), typed, .. })) = &person.sees
        else {
            panic!("{:?}", person.sees)
        };
        assert!(why.starts_with("expected") && typed == wrong, "{why} {typed}");
        wrong.chars().for_each(|_| person.press(Key::Erase));
        person.types(right);
    }
    person.press(Key::Letter('y'));
}

#[test]
fn each_answer_is_looked_at_before_the_next_question_and_all_of_them_are_tried() {
    let mut agent = Agent::default();
    let person = confirming(&mut agent, Action::Network);
    assert!(person.sees.as_ref().unwrap().watches().is_some(), "{:?}", person.sees);
    let way = WayOut {
        address: Some(ADDRESS.into()),
        gateway: Some(ROUTER.into()),
        names: vec!["9.9.9.9".into(), "1.1.1.1".into()],
    };
    assert_eq!(agent.network.asked.last(), Some(&(way, false)));
    assert_eq!(agent.network.asked.iter().filter(|(_, dry_run)| *dry_run).count(), 3);
}

#[test]
fn a_lease_is_asked_for_with_name_servers_and_nothing_else() {
    let mut agent = Agent::default();
    let mut person = choosing(&mut agent, Action::Network);
    person.press(Key::Enter);
    person.types("");
    person.press(Key::Letter('n'));
    assert!(person.sees.is_none() && person.agent.did.is_empty(), "anything but y is no");
    let mut person = choosing(&mut agent, Action::Network);
    person.press(Key::Enter);
    person.types("");
    person.press(Key::Letter('y'));
    assert_eq!(agent.network.asked.last(), Some(&(WayOut::default(), false)));
}

#[test]
fn an_address_that_is_left_empty_is_no_lease() {
    let mut agent = Agent::default();
    let mut person = choosing(&mut agent, Action::Network);
    person.press(Key::Down);
    person.press(Key::Enter);
    person.types("");
    let Some(Dialog::Network(Question::Value { wrong: Some(_), .. })) = &person.sees else {
        panic!("{:?}", person.sees)
    };
}

const fn tried() -> Dialog {
    Dialog::Network(Question::Tried { left: Some(100) })
}

#[test]
fn what_is_tried_is_kept_or_taken_back_with_the_pin_and_not_without() {
    for (key, action) in [('k', Action::KeepNetwork), ('b', Action::OldNetwork)] {
        let mut agent = Agent { pin: Some("4711"), ..Agent::default() };
        let mut person = Person { agent: &mut agent, sees: Some(tried()) };
        person.press(Key::Letter(key));
        person.types("0000");
        assert!(matches!(person.sees, Some(Dialog::Pin { complaint: Some(_), .. })));
        assert!(person.agent.did.is_empty());
        person.types("4711");
        assert!(matches!(person.sees, Some(Dialog::Done(_))), "{:?}", person.sees);
        assert_eq!(agent.did, [action]);
    }
}

fn answer(change: Option<NetworkChange>, way_out: Option<WayOut>) -> Result<Reply, Refused> {
    Ok(Reply::Network(NetworkAnswer { change, left_s: Some(42), way_out, lines: Vec::new() }))
}

#[test]
fn a_change_is_watched_until_it_is_kept_or_undone_through_a_restart_of_the_agent() {
    let silent = || Err(Refused { refusal: None, words: "no answer".into() });
    let hears = |reply| tried().hear(reply, None).dialog.unwrap();
    let still = hears(answer(Some(NetworkChange::Trying), None));
    assert!(matches!(still, Dialog::Network(Question::Tried { left: Some(42) })), "{still:?}");
    for reply in [silent(), answer(None, None)] {
        let still = hears(reply);
        assert!(matches!(still, Dialog::Network(Question::Tried { left: None })), "{still:?}");
    }
    let Dialog::Done(words) = hears(answer(None, Some(WayOut::default()))) else { panic!("kept") };
    assert!(words.contains("a lease"), "{words}");
    let why = "no router answered".to_owned();
    let undone = hears(answer(Some(NetworkChange::Undone { why }), None));
    let Dialog::Failed(words) = undone else { panic!("undone") };
    assert!(words.contains("no router answered") && words.contains("as it was"), "{words}");
    // The answer to a key may go with the agent.
    let keeping = Dialog::Doing(deed(Action::KeepNetwork)).hear(silent(), None);
    assert!(keeping.dialog.unwrap().watches().is_some());
}

#[test]
fn a_box_whose_change_was_undone_says_so_and_can_be_told_that_it_was_read() {
    let change = Some(NetworkChange::Undone { why: "no router answered".into() });
    let mut agent = Agent { network: Box { change, asked: Vec::new() }, ..Agent::default() };
    let mut person = choosing(&mut agent, Action::Network);
    let Some(Dialog::Network(Question::Way { undone: Some(_), .. })) = &person.sees else {
        panic!("{:?}", person.sees)
    };
    (0..Way::choices(true).len()).for_each(|_| person.press(Key::Down));
    person.press(Key::Enter);
    assert_eq!(agent.did, [Action::OldNetwork]);
}

#[test]
fn a_box_where_a_network_is_tried_shows_that_and_one_without_a_site_has_none_to_change() {
    let mut agent = Agent {
        network: Box { change: Some(NetworkChange::Trying), asked: Vec::new() },
        ..Agent::default()
    };
    let person = choosing(&mut agent, Action::Network);
    assert!(person.sees.as_ref().unwrap().watches().is_some(), "{:?}", person.sees);
    let next = Dialog::Asking(Action::Network).hear(answer(None, None), None);
    assert!(matches!(next.dialog, Some(Dialog::Failed(_))), "{next:?}");
}
