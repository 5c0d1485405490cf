//! Whether all is well, in one word that can be read from two metres and one
//! sentence for whoever has come closer.

use ashlar_api::{Phase, Severity, Status};

/// How long an agent may be silent before that is trouble: it may restart.
const PATIENCE: u64 = 20;

/// The word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    /// Nothing is to be done.
    Well,
    /// It is on its way.
    Wait,
    /// It works, and somebody should look at it.
    Look,
    /// Something does not work.
    Help,
}

impl Word {
    /// Four letters each, so that the word is large on the smallest screen.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Wait => "wait",
            Self::Look => "look",
            Self::Help => "help",
        }
    }
}

/// The word and its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) word: Word,
    pub(crate) sentence: String,
}

/// What is known of a box in a word; `silent` is for how many seconds its agent has
/// not answered.
pub(crate) fn verdict(status: Option<&Status>, silent: Option<u64>) -> Verdict {
    let (word, sentence) = match (status, silent) {
        (_, Some(seconds)) if seconds >= PATIENCE => {
            let age = if status.is_some() { ": what is shown is as old" } else { "" };
            (Word::Help, format!("The agent has not answered for {seconds} s{age}."))
        }
        (None, _) => (Word::Wait, "Waiting for the agent.".into()),
        (Some(status), _) => of(status),
    };
    Verdict { word, sentence }
}

fn of(status: &Status) -> (Word, String) {
    let worst = status.alerts.iter().find(|alert| alert.severity == Severity::Critical);
    if let Some(alert) = worst {
        return (Word::Help, format!("Trouble: {}.", alert.words.trim_end_matches('.')));
    }
    let warnings = status.alerts.iter().filter(|a| a.severity == Severity::Warning).count();
    if status.ready {
        return match warnings {
            0 => (Word::Well, "All is well.".into()),
            1 => (Word::Look, "It works, and one thing wants to be looked at.".into()),
            n => (Word::Look, format!("It works, and {n} things want to be looked at.")),
        };
    }
    let open = status.phases.iter().find(|p| !p.holds && p.phase != Phase::Ready);
    // In memory there is another reason, which the phase tells.
    let waits = open.is_none_or(|p| p.detail.is_empty() || p.detail.starts_with("no site"));
    if status.site.is_none() && status.trouble.is_none() && waits {
        let sentence =
            "This box has no site yet: plug in a stick called ASHLARSEED with site.toml on it.";
        return (Word::Wait, sentence.into());
    }
    // It will have none: its medium cannot be written, or it is only tried.
    if let (None, None, Some(phase)) = (&status.site, &status.trouble, open) {
        let mut letters = phase.detail.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        return (Word::Wait, format!("{first}{}.", letters.as_str()));
    }
    // Whoever brought one is standing there.
    if let (None, Some(trouble)) = (&status.site, &status.trouble) {
        return (Word::Help, format!("No site yet: {}.", trouble.trim_end_matches('.')));
    }
    let missing = match open {
        Some(phase) if phase.detail.is_empty() => phase.phase.to_string(),
        Some(phase) => format!("{}: {}", phase.phase, phase.detail),
        None => "the agent has just started".into(),
    };
    let was_ready = status.phases.iter().any(|p| p.phase == Phase::Ready && p.reached.is_some());
    if was_ready {
        return (Word::Help, format!("Not ready any more. {missing}"));
    }
    (Word::Wait, format!("On its way. {missing}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{alert, joining, ready};

    fn word(status: &Status) -> Word {
        verdict(Some(status), None).word
    }

    #[test]
    fn only_a_ready_box_without_alerts_is_well() {
        let mut status = ready();
        assert_eq!(word(&status), Word::Well);
        status.alerts = vec![alert(Severity::Notice, "4 entries heal")];
        assert_eq!(word(&status), Word::Well);
        status.alerts = vec![alert(Severity::Warning, "one does not answer")];
        assert_eq!(word(&status), Word::Look);
        status.alerts = vec![alert(Severity::Critical, "no writes")];
        assert_eq!(word(&status), Word::Help);
    }

    #[test]
    fn a_box_that_was_ready_calls_for_help_and_one_on_its_way_asks_to_wait() {
        assert_eq!(word(&joining()), Word::Wait);
        let mut lost = ready();
        lost.ready = false;
        lost.phases.iter_mut().for_each(|phase| phase.holds = false);
        assert_eq!(word(&lost), Word::Help);
    }

    #[test]
    fn an_agent_may_restart_and_may_not_stay_away() {
        assert_eq!(verdict(Some(&ready()), Some(5)).word, Word::Well);
        assert_eq!(verdict(Some(&ready()), Some(PATIENCE)).word, Word::Help);
        assert_eq!(verdict(None, Some(PATIENCE - 1)).word, Word::Wait);
        assert_eq!(verdict(None, Some(PATIENCE)).word, Word::Help);
    }

    #[test]
    fn a_box_without_a_site_says_what_it_waits_for() {
        let mut status = joining();
        (status.site, status.trouble) = (None, None);
        status.phases[0].holds = false;
        status.phases[0].detail = "no site yet: plug in a stick".into();
        let verdict = verdict(Some(&status), None);
        assert!(verdict.sentence.contains("plug in a stick"), "{verdict:?}");
        assert_eq!(verdict.word, Word::Wait);
        status.trouble = Some("the site on the stick cannot be used: site.toml:2: `name`".into());
        let refused = super::verdict(Some(&status), None);
        assert!(refused.sentence.contains("site.toml:2"), "{refused:?}");
        assert_eq!(refused.word, Word::Help);
        status.trouble = None;
        status.phases[0].detail = "this runs from a medium that cannot be written".into();
        let in_memory = super::verdict(Some(&status), None);
        assert!(in_memory.sentence.contains("cannot be written"), "{in_memory:?}");
    }
}
