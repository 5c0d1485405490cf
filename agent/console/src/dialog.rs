//! What the screen asks before it acts, one question after the other. Pure: keys
//! and answers in, the next question and what to ask the agent out.

mod action;
mod network;

pub(crate) use action::{Action, Deed, Given};
pub(crate) use network::{Field, Question, Way};

use crate::feed::{Ask, Refused, Reply};
use ashlar_api::{
    AloneAnswer, GoingAlone, Losses, OnStick, Refusal, Secret, StickAnswer, StickVolume,
};

/// The most digits of a PIN, and letters of a name, that are taken.
const LONGEST: usize = 64;

/// A key, as far as a dialog cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Up,
    Down,
    Enter,
    Escape,
    Erase,
    Letter(char),
}

/// One question.
#[derive(Debug)]
pub(crate) enum Dialog {
    /// Which action of these?
    Menu { actions: Vec<Action>, at: usize },
    /// The agent is asked what the action would mean.
    Asking(Action),
    /// Do it, all this being so?
    Sure { action: Action, sentences: Vec<String> },
    /// Type the name.
    Name { action: Action, sentences: Vec<String>, wanted: String, typed: String, wrong: bool },
    /// Which stick?
    Stick { volumes: Vec<StickVolume>, at: usize },
    /// One of those about the network.
    Network(Question),
    /// Type the PIN.
    Pin { deed: Deed, typed: String, complaint: Option<String> },
    /// The agent is at it.
    Doing(Deed),
    /// It cannot be done, or is not: why.
    Failed(String),
    /// It is under way.
    Begun(&'static str),
    /// It was done.
    Done(String),
    /// No question: the pages about what is wrong, by title and address, one shown.
    Code { pages: Vec<(String, String)>, at: usize },
}

/// What a key or an answer leads to.
#[derive(Debug, Default)]
pub(crate) struct Next {
    /// The next question; none ends the dialog.
    pub(crate) dialog: Option<Dialog>,
    /// What the agent is asked.
    pub(crate) ask: Option<Ask>,
}

impl Next {
    fn show(dialog: Dialog) -> Self {
        Self { dialog: Some(dialog), ask: None }
    }

    fn send(dialog: Dialog, ask: Ask) -> Self {
        Self { dialog: Some(dialog), ask: Some(ask) }
    }

    /// Does it, as far as the agent lets it: it may want a PIN.
    fn act(deed: Deed, pin: Option<Secret>) -> Self {
        let ask = deed.clone().ask(false, pin);
        Self::send(Dialog::Doing(deed), ask)
    }
}

impl Dialog {
    /// The first question; a box whose agent is silent can only say so.
    pub(crate) fn open(silent: bool, could_go_on_alone: bool) -> Self {
        if silent {
            return Self::Failed(
                "The agent does not answer, so nothing can be done from here. The power button \
                 switches the box off in order; if it does nothing, pull the plug: what was \
                 written stays. The boot menu has a factory reset."
                    .into(),
            );
        }
        Self::Menu { actions: Action::menu(could_go_on_alone), at: 0 }
    }

    /// A person pressed a key.
    pub(crate) fn press(self, key: Key) -> Next {
        match (self, key) {
            // What the agent was asked to do goes on; its answer is waited for.
            (dialog @ Self::Doing(_), _) => Next::show(dialog),
            (_, Key::Escape) | (Self::Failed(_) | Self::Begun(_) | Self::Done(_), _) => {
                Next::default()
            }
            (dialog @ Self::Asking(_), _) => Next::show(dialog),
            (Self::Code { pages, at }, key) => {
                if !matches!(key, Key::Up | Key::Down) {
                    return Next::default();
                }
                let at = moved(at, pages.len(), key);
                Next::show(Self::Code { pages, at })
            }
            (Self::Menu { actions, at }, key) => Self::choose(actions, at, key),
            (Self::Network(question), key) => question.press(key),
            (Self::Stick { volumes, at }, key) => Self::choose_stick(volumes, at, key),
            (Self::Sure { action, .. }, Key::Letter('y' | 'Y')) => {
                Next::act(Deed { action, given: Given::Nothing }, None)
            }
            (Self::Sure { .. }, _) => Next::default(),
            (Self::Name { action, sentences, wanted, typed, .. }, Key::Enter) => {
                if typed.trim() != wanted {
                    let typed = String::new();
                    return Next::show(Self::Name {
                        action,
                        sentences,
                        wanted,
                        typed,
                        wrong: true,
                    });
                }
                Next::act(Deed { action, given: Given::Name(wanted) }, None)
            }
            (Self::Name { action, sentences, wanted, mut typed, .. }, key) => {
                edit(&mut typed, key);
                Next::show(Self::Name { action, sentences, wanted, typed, wrong: false })
            }
            (Self::Pin { deed, typed, .. }, Key::Enter) if !typed.is_empty() => {
                Next::act(deed, Some(Secret::new(typed.into_bytes())))
            }
            (Self::Pin { deed, mut typed, complaint }, key) => {
                edit(&mut typed, key);
                Next::show(Self::Pin { deed, typed, complaint })
            }
        }
    }

    fn choose(actions: Vec<Action>, at: usize, key: Key) -> Next {
        let at = moved(at, actions.len(), key);
        match actions.get(at) {
            Some(action) if key == Key::Enter => Next::send(Self::Asking(*action), action.look()),
            _ => Next::show(Self::Menu { actions, at }),
        }
    }

    fn choose_stick(volumes: Vec<StickVolume>, at: usize, key: Key) -> Next {
        let at = moved(at, volumes.len(), key);
        match volumes.get(at) {
            Some(chosen) if key == Key::Enter => {
                let given = Given::Name(chosen.name.clone());
                Next::act(Deed { action: Action::Support, given }, None)
            }
            _ => Next::show(Self::Stick { volumes, at }),
        }
    }

    /// The agent answered; `own` is the node's name.
    pub(crate) fn hear(self, reply: Result<Reply, Refused>, own: Option<&str>) -> Next {
        match (self, reply) {
            (Self::Asking(action), Ok(Reply::Power(answer))) if action.power().is_some() => {
                let sentences = action.power().map(|power| answer.absence.sentences(power));
                let sentences = sentences.unwrap_or_default();
                Next::show(Self::Sure { action, sentences })
            }
            (Self::Asking(action), Ok(Reply::Reset(answer))) if action.resets() => {
                Next::show(name_question(action, &answer.losses, own))
            }
            (Self::Asking(Action::Support), Ok(Reply::Stick(answer))) => {
                Next::show(stick_question(answer))
            }
            (Self::Asking(Action::GoOnAlone), Ok(Reply::Alone(answer))) => {
                Next::show(alone_question(answer.target))
            }
            (Self::Asking(Action::Network), Ok(Reply::Network(answer))) => {
                Next::show(Question::first(answer))
            }
            (Self::Network(question), reply) => Next::show(question.hear(reply)),
            (Self::Doing(_), Ok(Reply::Network(answer))) => Next::show(Question::stands(answer)),
            // The agent starts anew with a network that is kept: it may have gone with the
            // answer.
            (Self::Doing(deed), Err(Refused { refusal: None, .. })) if deed.action.ends_a_try() => {
                Next::show(Self::Network(Question::Tried { left: None }))
            }
            (
                Self::Doing(_),
                Ok(Reply::Alone(AloneAnswer {
                    target: GoingAlone { refused: Some(why), .. }, ..
                })),
            ) => Next::show(Self::Failed(why)),
            (Self::Doing(Deed { action: Action::Support, .. }), Ok(Reply::Stick(answer))) => {
                Next::show(match answer.written {
                    Some(written) => Self::Done(on_stick(&written)),
                    None => Self::Failed("nothing was written".into()),
                })
            }
            (Self::Doing(deed), Ok(reply)) if reply.begun() => {
                Next::show(Self::Begun(match deed.action {
                    Action::Reboot => "The box restarts now.",
                    Action::PowerOff => "The box switches itself off now.",
                    Action::GoOnAlone => GOES_ON,
                    _ => "The box restarts now, and comes back as it was before its first boot.",
                }))
            }
            (Self::Doing(deed), Err(refused)) => match refused.refusal {
                Some(Refusal::PinNeeded) => Next::show(Self::pin(deed, None)),
                Some(Refusal::PinWrong | Refusal::TooSoon) => {
                    Next::show(Self::pin(deed, Some(refused.words)))
                }
                _ => Next::show(Self::Failed(refused.words)),
            },
            (Self::Asking(_), Err(refused)) => Next::show(Self::Failed(refused.words)),
            // An answer to a question that nobody asks any more.
            (dialog, _) => Next::show(dialog),
        }
    }

    const fn pin(deed: Deed, complaint: Option<String>) -> Self {
        Self::Pin { deed, typed: String::new(), complaint }
    }

    /// A change of the network is tried, of which nobody hears unless it is asked.
    pub(crate) fn watches(&self) -> Option<Ask> {
        matches!(self, Self::Network(Question::Tried { .. })).then(Question::look)
    }
}

/// The same question as `ashlarctl reset` asks, but that the name is always typed:
/// at a screen one may stand before the wrong box.
fn name_question(action: Action, losses: &Losses, own: Option<&str>) -> Dialog {
    Dialog::Name {
        action,
        sentences: losses.sentences(&action.reset(true, None, None)),
        wanted: own.unwrap_or("reset").to_owned(),
        typed: String::new(),
        wrong: false,
    }
}

/// At the second of two boxes: the name of the one that is gone is typed.
fn alone_question(GoingAlone { without, lines, refused }: GoingAlone) -> Dialog {
    match (without, refused) {
        (_, Some(why)) => Dialog::Failed(why),
        (None, None) => Dialog::Failed("no other box is missing".into()),
        (Some(left), None) => Dialog::Name {
            action: Action::GoOnAlone,
            sentences: lines.into_iter().map(|line| format!("  - {line}")).collect(),
            wanted: left.name,
            typed: String::new(),
            wrong: false,
        },
    }
}

/// What follows when a box goes on alone.
const GOES_ON: &str = "This box goes on alone. It is ready in a minute or two; page 1 says what it \
                       still does. Never switch the other box on again without its cable.";

/// A box cannot ask for a stick by its colour: it says which kind it can write on.
fn stick_question(StickAnswer { volumes, .. }: StickAnswer) -> Dialog {
    if volumes.is_empty() {
        return Dialog::Failed(
            "There is no stick in this box that it can write on. Plug one in that is formatted \
             as FAT or FAT32, wait five seconds, and choose this again. What is on the stick \
             stays there."
                .into(),
        );
    }
    Dialog::Stick { volumes, at: 0 }
}

fn on_stick(OnStick { volume, file, bytes }: &OnStick) -> String {
    let size = ashlar_api::bytes(*bytes);
    format!("{file}, {size}, is on {volume} and was read back. The stick can be pulled out now.")
}

/// Which of so many is chosen after that key.
fn moved(at: usize, of: usize, key: Key) -> usize {
    match key {
        Key::Up => at.saturating_sub(1),
        Key::Down => (at + 1).min(of.saturating_sub(1)),
        _ => at,
    }
}

fn edit(typed: &mut String, key: Key) {
    match key {
        Key::Letter(c) if typed.len() < LONGEST && c.is_ascii_graphic() => typed.push(c),
        Key::Erase => drop(typed.pop()),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
