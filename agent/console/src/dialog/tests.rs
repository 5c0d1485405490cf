mod network;

use super::*;
use ashlar_api::{
    Absence, LeftBehind, NetworkAnswer, NetworkVerb, Power, PowerAnswer, ResetAnswer,
    SiteAfterReset, WayOut,
};

const NAME: &str = "ashlar-1a2b3c4d";
const GONE: &str = "ashlar-00000002";

/// What a menu may have, one after the other.
fn actions() -> Vec<Action> {
    Action::menu(true)
}

/// A site with a PIN, as its agent answers: what was asked of it, and what it did.
#[derive(Default)]
struct Agent {
    pin: Option<&'static str>,
    unbearable: bool,
    did: Vec<Action>,
    network: network::Box,
}

impl Agent {
    fn answer(&mut self, ask: Ask) -> Result<Reply, Refused> {
        let (dry_run, pin) = match &ask {
            Ask::Power(request) => (request.dry_run, &request.pin),
            Ask::Reset(request) => (request.dry_run, &request.pin),
            Ask::Stick(request) => (request.volume.is_none(), &request.pin),
            Ask::Network(request) => {
                let looks = matches!(request.verb, NetworkVerb::Look);
                (request.dry_run || looks, &request.pin)
            }
            Ask::Alone(request) => (request.dry_run, &request.pin),
            Ask::Logs => panic!("no dialog asks for the journal"),
        };
        let refused =
            |refusal, words: &str| Refused { refusal: Some(refusal), words: words.into() };
        if !dry_run {
            match (self.pin, pin.as_ref().and_then(Secret::expose_str)) {
                (None, _) => {}
                (Some(_), None) => return Err(refused(Refusal::PinNeeded, "needs the PIN")),
                (Some(right), Some(typed)) if right == typed => {}
                _ => return Err(refused(Refusal::PinWrong, "that is not the PIN")),
            }
        }
        let begun = !dry_run;
        Ok(match ask {
            Ask::Power(request) => {
                if begun {
                    let reboot = request.power == Power::Reboot;
                    self.did.push(if reboot { Action::Reboot } else { Action::PowerOff });
                }
                Reply::Power(PowerAnswer { absence: Absence::default(), begun })
            }
            Ask::Reset(request) => {
                if begun {
                    assert_eq!(request.name.as_deref(), Some(NAME), "typed by a person");
                    let keep = matches!(request.site, SiteAfterReset::Keep);
                    self.did.push(if keep { Action::ResetAndKeep } else { Action::ResetAndForget });
                }
                let unbearable = self.unbearable.then(|| "the last copy".to_owned());
                let losses =
                    Losses { lines: vec!["all of it".into()], unbearable, ..Losses::default() };
                Reply::Reset(ResetAnswer { losses, begun })
            }
            Ask::Stick(request) => {
                if begun {
                    assert_eq!(request.volume.as_deref(), Some("sdc1"), "the second was chosen");
                    self.did.push(Action::Support);
                }
                let written = request.volume.map(|volume| OnStick {
                    volume,
                    file: "ashlar-1a2b3c4d-20261126T034000Z.tar.zst".into(),
                    bytes: 312_000,
                });
                Reply::Stick(StickAnswer { volumes: sticks(), written })
            }
            Ask::Network(request) => self.network(request.verb, request.dry_run)?,
            Ask::Alone(request) => {
                if begun {
                    assert_eq!(request.typed.as_deref(), Some(GONE), "typed by a person");
                    self.did.push(Action::GoOnAlone);
                }
                let left = LeftBehind {
                    id: ashlar_api::NodeId("00000002".into()),
                    name: GONE.into(),
                    address: [10, 83, 0, 2].into(),
                };
                let lines = vec!["it is taken to be gone for good".into()];
                let target = GoingAlone { without: Some(left), lines, refused: None };
                Reply::Alone(AloneAnswer { target, begun })
            }
            Ask::Logs => panic!("no dialog asks for the journal"),
        })
    }
}

fn is_done(seen: Option<&Dialog>) -> bool {
    let tried = |dialog: &Dialog| dialog.watches().is_some();
    seen.is_some_and(|seen| matches!(seen, Dialog::Begun(_) | Dialog::Done(_)) || tried(seen))
}

fn sticks() -> Vec<StickVolume> {
    let names = ["sdb1", "sdc1"].map(str::to_owned);
    names.map(|name| StickVolume { name, label: None, model: None, bytes: 1 << 30 }).into()
}

/// A person at the screen.
struct Person<'a> {
    agent: &'a mut Agent,
    sees: Option<Dialog>,
}

impl Person<'_> {
    fn press(&mut self, key: Key) {
        let Some(dialog) = self.sees.take() else { return };
        let Next { dialog, ask } = dialog.press(key);
        self.sees = dialog;
        let Some(ask) = ask else { return };
        let dialog = self.sees.take().unwrap();
        self.sees = dialog.hear(self.agent.answer(ask), Some(NAME)).dialog;
    }

    fn types(&mut self, text: &str) {
        text.chars().for_each(|c| self.press(Key::Letter(c)));
        self.press(Key::Enter);
    }
}

/// Chooses an action in the menu.
fn choosing(agent: &mut Agent, action: Action) -> Person<'_> {
    let mut person = Person { agent, sees: Some(Dialog::open(false, true)) };
    let at = actions().iter().position(|other| *other == action).unwrap();
    (0..at).for_each(|_| person.press(Key::Down));
    person.press(Key::Enter);
    person
}

/// Says yes to it, in the way that it asks for.
fn confirming(agent: &mut Agent, action: Action) -> Person<'_> {
    let mut person = choosing(agent, action);
    match &person.sees {
        Some(Dialog::Sure { .. }) => person.press(Key::Letter('y')),
        Some(Dialog::Name { action: Action::GoOnAlone, .. }) => person.types(GONE),
        Some(Dialog::Name { .. }) => person.types(NAME),
        Some(Dialog::Network(_)) => network::answering(&mut person),
        Some(Dialog::Stick { .. }) => {
            person.press(Key::Down);
            person.press(Key::Down);
            person.press(Key::Enter);
        }
        other => panic!("{action:?}: {other:?}"),
    }
    person
}

#[test]
fn every_action_is_done_without_a_pin_where_the_site_has_none() {
    for action in actions() {
        let mut agent = Agent::default();
        let person = confirming(&mut agent, action);
        let seen = &person.sees;
        assert!(is_done(seen.as_ref()), "{action:?}: {seen:?}");
        assert_eq!(agent.did, [action]);
    }
}

#[test]
fn every_action_is_refused_without_the_pin_and_done_with_it() {
    for action in actions() {
        let mut agent = Agent { pin: Some("4711"), ..Agent::default() };
        let mut person = confirming(&mut agent, action);
        assert!(matches!(person.sees, Some(Dialog::Pin { .. })), "{action:?}: {:?}", person.sees);
        assert!(person.agent.did.is_empty());
        person.types("");
        person.types("0000");
        let Some(Dialog::Pin { complaint: Some(why), typed, .. }) = &person.sees else {
            panic!("{action:?}: {:?}", person.sees)
        };
        assert!(why.contains("not the PIN") && typed.is_empty());
        assert!(person.agent.did.is_empty());
        person.types("4711");
        let seen = &person.sees;
        assert!(is_done(seen.as_ref()), "{action:?}: {seen:?}");
        assert_eq!(agent.did, [action]);
    }
}

#[test]
fn a_box_without_a_stick_says_which_one_it_wants_and_what_was_written_is_told_by_name() {
    let none = Ok(Reply::Stick(StickAnswer::default()));
    let next = Dialog::Asking(Action::Support).hear(none, Some(NAME));
    let Some(Dialog::Failed(words)) = next.dialog else { panic!("{next:?}") };
    assert!(words.contains("FAT32"), "{words}");
    let mut agent = Agent::default();
    let person = confirming(&mut agent, Action::Support);
    let Some(Dialog::Done(words)) = &person.sees else { panic!("{:?}", person.sees) };
    for word in ["ashlar-1a2b3c4d-20261126T034000Z.tar.zst", "312 kB", "sdc1", "read back"] {
        assert!(words.contains(word), "{word}: {words}");
    }
}

#[test]
fn anything_but_y_is_no() {
    for key in [Key::Letter('n'), Key::Letter(' '), Key::Enter, Key::Escape, Key::Down] {
        let mut agent = Agent::default();
        let mut person = choosing(&mut agent, Action::PowerOff);
        person.press(key);
        assert!(person.sees.is_none(), "{key:?}");
        assert!(agent.did.is_empty(), "{key:?}");
    }
}

#[test]
fn another_box_s_name_resets_nothing() {
    let mut agent = Agent { unbearable: true, ..Agent::default() };
    let mut person = choosing(&mut agent, Action::ResetAndForget);
    for typed in ["", "yes", "ashlar-1a2b3c4e", "ASHLAR-1A2B3C4D"] {
        person.types(typed);
        assert!(matches!(person.sees, Some(Dialog::Name { wrong: true, .. })), "{typed}");
    }
    person.press(Key::Letter('x'));
    person.press(Key::Erase);
    person.types(NAME);
    assert_eq!(agent.did, [Action::ResetAndForget]);
}

#[test]
fn a_box_without_a_name_is_reset_by_the_word() {
    let next = Dialog::Asking(Action::ResetAndForget)
        .hear(Ok(Reply::Reset(ResetAnswer { losses: Losses::default(), begun: false })), None);
    let Some(Dialog::Name { wanted, .. }) = next.dialog else { panic!("{next:?}") };
    assert_eq!(wanted, "reset");
}

const fn deed(action: Action) -> Deed {
    Deed { action, given: Given::Nothing }
}

#[test]
fn to_go_on_alone_is_offered_to_whom_it_is_for_and_wants_the_name_of_the_box_that_is_gone() {
    let offered = |could| {
        let Dialog::Menu { actions, .. } = Dialog::open(false, could) else { panic!("no menu") };
        actions.contains(&Action::GoOnAlone)
    };
    assert!(offered(true) && !offered(false));
    let mut agent = Agent::default();
    let mut person = choosing(&mut agent, Action::GoOnAlone);
    for typed in ["", NAME, "ashlar-00000003"] {
        person.types(typed);
        assert!(matches!(person.sees, Some(Dialog::Name { wrong: true, .. })), "{typed}");
    }
    person.types(GONE);
    assert_eq!(agent.did, [Action::GoOnAlone]);
}

#[test]
fn a_box_that_may_not_go_on_alone_any_more_says_why() {
    let target =
        GoingAlone { refused: Some("the other box is seen".into()), ..GoingAlone::default() };
    for asked in [Dialog::Asking(Action::GoOnAlone), Dialog::Doing(deed(Action::GoOnAlone))] {
        let answer = AloneAnswer { target: target.clone(), begun: false };
        let next = asked.hear(Ok(Reply::Alone(answer)), Some(NAME));
        let Some(Dialog::Failed(why)) = next.dialog else { panic!("{next:?}") };
        assert_eq!(why, "the other box is seen");
    }
}

#[test]
fn escape_leads_back_from_every_question_and_stops_nothing_that_is_under_way() {
    let action = Action::Reboot;
    let typed = String::new;
    for dialog in [
        Dialog::Menu { actions: actions(), at: 2 },
        Dialog::Asking(action),
        Dialog::Sure { action, sentences: Vec::new() },
        Dialog::Stick { volumes: sticks(), at: 0 },
        Dialog::Name {
            action,
            sentences: Vec::new(),
            wanted: typed(),
            typed: typed(),
            wrong: false,
        },
        Dialog::Pin { deed: deed(action), typed: typed(), complaint: None },
        Dialog::Network(Question::Tried { left: Some(7) }),
        Dialog::Failed("no".into()),
    ] {
        let words = format!("{dialog:?}");
        let next = dialog.press(Key::Escape);
        assert!(next.dialog.is_none() && next.ask.is_none(), "{words}");
    }
    let next = Dialog::Doing(deed(action)).press(Key::Escape);
    assert!(matches!(next.dialog, Some(Dialog::Doing(_))));
}

#[test]
fn an_answer_to_a_question_that_is_asked_no_more_does_nothing() {
    let reset = || Ok(Reply::Reset(ResetAnswer { losses: Losses::default(), begun: false }));
    let next = Dialog::Asking(Action::PowerOff).hear(reset(), Some(NAME));
    assert!(matches!(next.dialog, Some(Dialog::Asking(Action::PowerOff))), "{next:?}");
    let next = Dialog::Doing(deed(Action::PowerOff)).hear(reset(), Some(NAME));
    assert!(matches!(next.dialog, Some(Dialog::Doing(_))), "what would be is not done");
}

#[test]
fn a_silent_agent_is_asked_nothing_and_the_way_round_it_is_told() {
    let Dialog::Failed(words) = Dialog::open(true, true) else {
        panic!("a menu that leads nowhere")
    };
    assert!(words.contains("power button"), "{words}");
}
