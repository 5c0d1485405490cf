//! What can be done at the screen, and what the agent is asked for it.

use crate::feed::Ask;
use ashlar_api::{
    AloneRequest, NetworkRequest, NetworkVerb, Power, PowerRequest, Reset, ResetRequest, Secret,
    SiteAfterReset, StickRequest, WayOut,
};

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Reboot,
    PowerOff,
    Support,
    Network,
    /// Keep the network that is tried.
    KeepNetwork,
    /// Take it back, or hear no more of one that was undone.
    OldNetwork,
    GoOnAlone,
    ResetAndKeep,
    ResetAndForget,
}

/// What is done, with what a person gave for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deed {
    pub(crate) action: Action,
    pub(crate) given: Given,
}

/// What a person gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Given {
    #[default]
    Nothing,
    /// A box's name that was typed, or the chosen stick's.
    Name(String),
    WayOut(WayOut),
}

impl Action {
    /// The menu of a box that may, or may not, go on without the other one of two.
    pub(crate) fn menu(could_go_on_alone: bool) -> Vec<Self> {
        let alone = could_go_on_alone.then_some(Self::GoOnAlone);
        [Self::Reboot, Self::PowerOff, Self::Support, Self::Network]
            .into_iter()
            .chain(alone)
            .chain([Self::ResetAndKeep, Self::ResetAndForget])
            .collect()
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Reboot => "restart this box",
            Self::PowerOff => "power off",
            Self::Support => "write what a helper needs onto a stick",
            Self::Network => "change the network of this box",
            Self::KeepNetwork => "keep the new network",
            Self::OldNetwork => "go back to the old network",
            Self::GoOnAlone => "go on alone: the other box is gone for good",
            Self::ResetAndKeep => "factory reset, and join again as a new box of this site",
            Self::ResetAndForget => "factory reset, and forget the site",
        }
    }

    pub(super) const fn power(self) -> Option<Power> {
        match self {
            Self::Reboot => Some(Power::Reboot),
            Self::PowerOff => Some(Power::Off),
            _ => None,
        }
    }

    pub(super) const fn resets(self) -> bool {
        matches!(self, Self::ResetAndKeep | Self::ResetAndForget)
    }

    /// It does something to a network that is tried.
    pub(super) const fn ends_a_try(self) -> bool {
        matches!(self, Self::KeepNetwork | Self::OldNetwork)
    }

    /// Asks what it would mean.
    pub(super) fn look(self) -> Ask {
        Deed { action: self, given: Given::Nothing }.ask(true, None)
    }

    pub(super) fn reset(
        self,
        dry_run: bool,
        name: Option<String>,
        pin: Option<Secret>,
    ) -> ResetRequest {
        let site = match self {
            Self::ResetAndKeep => SiteAfterReset::Keep,
            _ => SiteAfterReset::Forget,
        };
        ResetRequest { what: Reset::Factory, site, dry_run, name, pin }
    }
}

impl Deed {
    /// What the agent is asked.
    pub(super) fn ask(self, dry_run: bool, pin: Option<Secret>) -> Ask {
        let Self { action, given } = self;
        let (name, way) = match given {
            Given::Nothing => (None, None),
            Given::Name(name) => (Some(name), None),
            Given::WayOut(way) => (None, Some(way)),
        };
        let network = |verb| Ask::Network(NetworkRequest { verb, dry_run, pin: pin.clone() });
        match action {
            Action::Reboot => Ask::Power(PowerRequest { power: Power::Reboot, dry_run, pin }),
            Action::PowerOff => Ask::Power(PowerRequest { power: Power::Off, dry_run, pin }),
            Action::Support => Ask::Stick(StickRequest { volume: name, pin }),
            Action::Network => network(way.map_or(NetworkVerb::Look, NetworkVerb::WayOut)),
            Action::KeepNetwork => network(NetworkVerb::Confirm),
            Action::OldNetwork => network(NetworkVerb::Revert),
            Action::GoOnAlone => Ask::Alone(AloneRequest { typed: name, dry_run, pin }),
            Action::ResetAndKeep | Action::ResetAndForget => {
                Ask::Reset(action.reset(dry_run, name, pin))
            }
        }
    }
}
