//! What the screen asks before it acts, one question after the other. Pure: keys
//! and answers in, the next question and what to ask the agent out.

use crate::feed::{Ask, Refused, Reply};
use ashlar_api::{
    Losses, OnStick, Power, PowerRequest, Refusal, Reset, ResetRequest, Secret, SiteAfterReset,
    StickAnswer, StickRequest, StickVolume,
};

/// The most digits of a PIN, and letters of a name, that are taken.
const LONGEST: usize = 64;

/// What can be done, in the order of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Reboot,
    PowerOff,
    Support,
    ResetAndKeep,
    ResetAndForget,
}

impl Action {
    pub(crate) const ALL: [Self; 5] =
        [Self::Reboot, Self::PowerOff, Self::Support, Self::ResetAndKeep, Self::ResetAndForget];

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Reboot => "restart this box",
            Self::PowerOff => "power off",
            Self::Support => "write what a helper needs onto a stick",
            Self::ResetAndKeep => "factory reset, and join again as a new box of this site",
            Self::ResetAndForget => "factory reset, and forget the site",
        }
    }

    const fn power(self) -> Option<Power> {
        match self {
            Self::Reboot => Some(Power::Reboot),
            Self::PowerOff => Some(Power::Off),
            Self::Support | Self::ResetAndKeep | Self::ResetAndForget => None,
        }
    }

    const fn resets(self) -> bool {
        matches!(self, Self::ResetAndKeep | Self::ResetAndForget)
    }

    const fn site(self) -> SiteAfterReset {
        match self {
            Self::ResetAndKeep => SiteAfterReset::Keep,
            _ => SiteAfterReset::Forget,
        }
    }

    fn ask(self, dry_run: bool, name: Option<String>, pin: Option<Secret>) -> Ask {
        match self.power() {
            Some(power) => Ask::Power(PowerRequest { power, dry_run, pin }),
            None if self == Self::Support => Ask::Stick(StickRequest { volume: name, pin }),
            None => Ask::Reset(self.reset(dry_run, name, pin)),
        }
    }

    fn reset(self, dry_run: bool, name: Option<String>, pin: Option<Secret>) -> ResetRequest {
        ResetRequest { what: Reset::Factory, site: self.site(), dry_run, name, pin }
    }
}

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
    /// Which action?
    Menu { at: usize },
    /// The agent is asked what the action would mean.
    Asking(Action),
    /// Do it, all this being so?
    Sure { action: Action, sentences: Vec<String> },
    /// Type the name.
    Name { action: Action, sentences: Vec<String>, wanted: String, typed: String, wrong: bool },
    /// Which stick?
    Stick { volumes: Vec<StickVolume>, at: usize },
    /// Type the PIN; `name` is the node's that was typed, or the chosen stick's.
    Pin { action: Action, name: Option<String>, typed: String, complaint: Option<String> },
    /// The agent is at it.
    Doing { action: Action, name: Option<String> },
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
    fn act(action: Action, name: Option<String>, pin: Option<Secret>) -> Self {
        let ask = action.ask(false, name.clone(), pin);
        Self::send(Dialog::Doing { action, name }, ask)
    }
}

impl Dialog {
    /// The first question; a box whose agent is silent can only say so.
    pub(crate) fn open(silent: bool) -> Self {
        if silent {
            return Self::Failed(
                "The agent does not answer, so nothing can be done from here. Ctrl-Alt-Del \
                 restarts the box, its power button switches it off, and the boot menu has a \
                 factory reset."
                    .into(),
            );
        }
        Self::Menu { at: 0 }
    }

    /// A person pressed a key.
    pub(crate) fn press(self, key: Key) -> Next {
        match (self, key) {
            // What the agent was asked to do goes on; its answer is waited for.
            (dialog @ Self::Doing { .. }, _) => Next::show(dialog),
            (_, Key::Escape) | (Self::Failed(_) | Self::Begun(_) | Self::Done(_), _) => {
                Next::default()
            }
            (dialog @ Self::Asking(_), _) => Next::show(dialog),
            (Self::Code { pages, at }, key) => {
                let last = pages.len().saturating_sub(1);
                match key {
                    Key::Up => Next::show(Self::Code { pages, at: at.saturating_sub(1) }),
                    Key::Down => Next::show(Self::Code { pages, at: (at + 1).min(last) }),
                    _ => Next::default(),
                }
            }
            (Self::Menu { at }, key) => Self::choose(at, key),
            (Self::Stick { volumes, at }, key) => Self::choose_stick(volumes, at, key),
            (Self::Sure { action, .. }, Key::Letter('y' | 'Y')) => Next::act(action, None, None),
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
                Next::act(action, Some(wanted), None)
            }
            (Self::Name { action, sentences, wanted, mut typed, .. }, key) => {
                edit(&mut typed, key);
                Next::show(Self::Name { action, sentences, wanted, typed, wrong: false })
            }
            (Self::Pin { action, name, typed, .. }, Key::Enter) if !typed.is_empty() => {
                Next::act(action, name, Some(Secret::new(typed.into_bytes())))
            }
            (Self::Pin { action, name, mut typed, complaint }, key) => {
                edit(&mut typed, key);
                Next::show(Self::Pin { action, name, typed, complaint })
            }
        }
    }

    fn choose(at: usize, key: Key) -> Next {
        let last = Action::ALL.len() - 1;
        let at = match key {
            Key::Up => at.saturating_sub(1),
            Key::Down => (at + 1).min(last),
            Key::Enter => {
                let action = Action::ALL[at.min(last)];
                return Next::send(Self::Asking(action), action.ask(true, None, None));
            }
            _ => at,
        };
        Next::show(Self::Menu { at })
    }

    fn choose_stick(volumes: Vec<StickVolume>, at: usize, key: Key) -> Next {
        let at = match key {
            Key::Up => at.saturating_sub(1),
            Key::Down => (at + 1).min(volumes.len().saturating_sub(1)),
            _ => at,
        };
        match volumes.get(at) {
            Some(chosen) if key == Key::Enter => {
                Next::act(Action::Support, Some(chosen.name.clone()), None)
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
            (Self::Doing { action: Action::Support, .. }, Ok(Reply::Stick(answer))) => {
                Next::show(match answer.written {
                    Some(written) => Self::Done(on_stick(&written)),
                    None => Self::Failed("nothing was written".into()),
                })
            }
            (Self::Doing { action, .. }, Ok(reply)) if reply.begun() => {
                Next::show(Self::Begun(match action {
                    Action::Reboot => "The box restarts now.",
                    Action::PowerOff => "The box switches itself off now.",
                    _ => "The box restarts now, and comes back as it was before its first boot.",
                }))
            }
            (Self::Doing { action, name }, Err(refused)) => match refused.refusal {
                Some(Refusal::PinNeeded) => Next::show(Self::pin(action, name, None)),
                Some(Refusal::PinWrong | Refusal::TooSoon) => {
                    Next::show(Self::pin(action, name, Some(refused.words)))
                }
                _ => Next::show(Self::Failed(refused.words)),
            },
            (Self::Asking(_), Err(refused)) => Next::show(Self::Failed(refused.words)),
            // An answer to a question that nobody asks any more.
            (dialog, _) => Next::show(dialog),
        }
    }

    const fn pin(action: Action, name: Option<String>, complaint: Option<String>) -> Self {
        Self::Pin { action, name, typed: String::new(), complaint }
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

fn edit(typed: &mut String, key: Key) {
    match key {
        Key::Letter(c) if typed.len() < LONGEST && c.is_ascii_graphic() => typed.push(c),
        Key::Erase => drop(typed.pop()),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
