//! The questions about this box's network. Each answer is given to the agent, which has
//! the site, before the next one is asked.

use super::{Action, Deed, Dialog, Given, Key, Next, edit, moved};
use crate::feed::{Ask, Refused, Reply};
use ashlar_api::{NetworkAnswer, NetworkChange, WayOut};

/// One question.
#[derive(Debug)]
pub(crate) enum Question {
    /// A lease, or an address of its own?
    Way { now: WayOut, undone: Option<String>, at: usize },
    /// Type it. `checking`: the agent looks at it. `way` is what was answered before.
    Value {
        now: WayOut,
        way: WayOut,
        field: Field,
        typed: String,
        wrong: Option<String>,
        checking: bool,
    },
    /// Try it, all this being so?
    Sure { way: WayOut, lines: Vec<String> },
    /// It is tried, for so many seconds more; or the agent has just not answered.
    Tried { left: Option<u64> },
}

/// What is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Address,
    Gateway,
    Names,
}

/// What may be chosen first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Lease,
    Address,
    /// Hear no more of the change that was undone.
    Forget,
}

impl Way {
    pub(crate) const fn choices(was_undone: bool) -> &'static [Self] {
        if was_undone {
            &[Self::Lease, Self::Address, Self::Forget]
        } else {
            &[Self::Lease, Self::Address]
        }
    }
}

impl Field {
    /// With `typed` in its place.
    fn put(self, way: &WayOut, typed: &str) -> WayOut {
        let mut way = way.clone();
        let text = typed.trim();
        let said = (!text.is_empty()).then(|| text.to_owned());
        match self {
            // An empty one is not a lease: that was not chosen.
            Self::Address => way.address = Some(text.to_owned()),
            Self::Gateway => way.gateway = said,
            Self::Names => {
                let names = text.split([' ', ',']).filter(|name| !name.is_empty());
                way.names = names.map(str::to_owned).collect();
            }
        }
        way
    }

    /// As the box has it now.
    fn of(self, way: &WayOut) -> String {
        match self {
            Self::Address => way.address.clone().unwrap_or_default(),
            Self::Gateway => way.gateway.clone().unwrap_or_default(),
            Self::Names => way.names.join(" "),
        }
    }

    const fn next(self) -> Option<Self> {
        match self {
            Self::Address => Some(Self::Gateway),
            Self::Gateway => Some(Self::Names),
            Self::Names => None,
        }
    }
}

impl Question {
    /// The first one, of a box that stands like this.
    pub(super) fn first(answer: NetworkAnswer) -> Dialog {
        let NetworkAnswer { change, left_s, way_out, .. } = answer;
        let undone = match change {
            Some(NetworkChange::Trying) => return Dialog::Network(Self::Tried { left: left_s }),
            Some(NetworkChange::Undone { why }) => Some(why),
            None => None,
        };
        let Some(now) = way_out else {
            let words =
                "this box has no network to change yet: it has no site, or has just started";
            return Dialog::Failed(words.into());
        };
        let at = usize::from(now.address.is_some());
        Dialog::Network(Self::Way { now, undone, at })
    }

    fn value(now: WayOut, way: WayOut, field: Field) -> Dialog {
        let typed = field.of(&now);
        Dialog::Network(Self::Value { now, way, field, typed, wrong: None, checking: false })
    }

    /// Looks how it stands.
    pub(super) fn look() -> Ask {
        Action::Network.look()
    }

    pub(super) fn press(self, key: Key) -> Next {
        match (self, key) {
            (Self::Way { now, undone, at }, key) => Self::choose(now, undone, at, key),
            (it @ Self::Value { checking: true, .. }, _) => Next::show(Dialog::Network(it)),
            (Self::Value { now, way, field, typed, .. }, Key::Enter) => {
                let deed =
                    Deed { action: Action::Network, given: Given::WayOut(field.put(&way, &typed)) };
                let it = Self::Value { now, way, field, typed, wrong: None, checking: true };
                Next::send(Dialog::Network(it), deed.ask(true, None))
            }
            (Self::Value { now, way, field, mut typed, .. }, key) => {
                // Between two name servers.
                if key == Key::Letter(' ') && field == Field::Names && !typed.ends_with(' ') {
                    typed.push(' ');
                } else {
                    edit(&mut typed, key);
                }
                let it = Self::Value { now, way, field, typed, wrong: None, checking: false };
                Next::show(Dialog::Network(it))
            }
            (Self::Sure { way, .. }, Key::Letter('y' | 'Y')) => {
                Next::act(Deed { action: Action::Network, given: Given::WayOut(way) }, None)
            }
            (Self::Sure { .. }, _) => Next::default(),
            (Self::Tried { .. }, Key::Letter('k' | 'K')) => {
                Next::act(Deed { action: Action::KeepNetwork, given: Given::Nothing }, None)
            }
            (Self::Tried { .. }, Key::Letter('b' | 'B')) => {
                Next::act(Deed { action: Action::OldNetwork, given: Given::Nothing }, None)
            }
            (it @ Self::Tried { .. }, _) => Next::show(Dialog::Network(it)),
        }
    }

    fn choose(now: WayOut, undone: Option<String>, at: usize, key: Key) -> Next {
        let choices = Way::choices(undone.is_some());
        let at = moved(at, choices.len(), key);
        match choices.get(at) {
            Some(Way::Lease) if key == Key::Enter => {
                Next::show(Self::value(now, WayOut::default(), Field::Names))
            }
            Some(Way::Address) if key == Key::Enter => {
                Next::show(Self::value(now, WayOut::default(), Field::Address))
            }
            Some(Way::Forget) if key == Key::Enter => {
                Next::act(Deed { action: Action::OldNetwork, given: Given::Nothing }, None)
            }
            _ => Next::show(Dialog::Network(Self::Way { now, undone, at })),
        }
    }

    /// The agent answered.
    pub(super) fn hear(self, reply: Result<Reply, Refused>) -> Dialog {
        match (self, reply) {
            (
                Self::Value { now, way, field, typed, checking: true, .. },
                Ok(Reply::Network(answer)),
            ) => {
                let way = field.put(&way, &typed);
                match field.next() {
                    Some(field) => Self::value(now, way, field),
                    None => Dialog::Network(Self::Sure { way, lines: answer.lines }),
                }
            }
            (Self::Value { now, way, field, typed, checking: true, .. }, Err(refused)) => {
                let wrong = Some(refused.words);
                Dialog::Network(Self::Value { now, way, field, typed, wrong, checking: false })
            }
            (Self::Tried { .. }, Ok(Reply::Network(answer))) => Self::stands(answer),
            // It starts anew, should the change be kept.
            (Self::Tried { .. }, Err(_)) => Dialog::Network(Self::Tried { left: None }),
            (it, _) => Dialog::Network(it),
        }
    }

    /// What became of a change.
    pub(super) fn stands(answer: NetworkAnswer) -> Dialog {
        match (answer.change, answer.way_out) {
            (Some(NetworkChange::Trying), _) => {
                Dialog::Network(Self::Tried { left: answer.left_s })
            }
            (Some(NetworkChange::Undone { why }), _) => Dialog::Failed(format!(
                "the new network was undone: {why}. The network is as it was before"
            )),
            (None, Some(way)) => Dialog::Done(format!("The way out of this box is {way}.")),
            // An agent that has just started.
            (None, None) => Dialog::Network(Self::Tried { left: None }),
        }
    }
}
