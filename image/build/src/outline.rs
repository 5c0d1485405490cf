//! The steps of every build, for people: what they do and what they build upon.

use crate::plan::StepId;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// The steps whose output it reads.
    pub needs: Vec<&'static str>,
}

/// Every step, in an order in which they can run.
#[must_use]
pub fn outline() -> Vec<Outline> {
    let of = |step: StepId| Outline {
        name: step.as_str(),
        about: step.about(),
        needs: step.needs().iter().map(|need| need.as_str()).collect(),
    };
    StepId::ALL.into_iter().map(of).collect()
}
