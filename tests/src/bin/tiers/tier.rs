//! What a tier of proof is.

use std::fmt;

/// A tier of proof.
#[derive(Debug)]
pub(crate) struct Tier {
    /// What it is called on the command line and in the summary.
    pub(crate) name: &'static str,
    /// What it proves, for a person.
    pub(crate) what: &'static str,
    /// Tiers without which this one cannot run.
    pub(crate) needs: &'static [&'static str],
    /// What it is to the processors.
    pub(crate) pace: Pace,
    /// Something that only one tier may use at a time: the next would wait for
    /// its lock, or be refused.
    pub(crate) holds: Option<&'static str>,
    /// When to give up: well above what it takes on two cores without KVM, with
    /// other tiers beside it, of which the timed ones go before it.
    pub(crate) minutes: u64,
    /// Why it cannot run here, if it cannot.
    pub(crate) skip: fn() -> Option<&'static str>,
    /// What it runs, in order.
    pub(crate) steps: &'static [Step],
}

/// What a tier is to the processors. [`crate::schedule`] says what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It watches machines, rings or daemons that have clocks and deadlines of
    /// their own, and waits more than it computes.
    Timed,
    /// It watches emulated machines, which fill two processors by themselves and
    /// whose daemons give each other up when they get less.
    Alone,
    /// It computes, and others wait for it.
    First,
    /// It computes, and nobody waits for it: it takes what is left.
    Filling,
}

impl Pace {
    /// Whether it has clocks of its own.
    pub(crate) const fn is_timed(self) -> bool {
        matches!(self, Self::Timed | Self::Alone)
    }

    /// How far its processes stand back for others.
    pub(crate) const fn niceness(self) -> u8 {
        match self {
            Self::Timed | Self::Alone => 0,
            Self::First => 3,
            Self::Filling => 7,
        }
    }
}

/// One command of a tier.
#[derive(Debug)]
pub(crate) struct Step {
    /// What is run.
    pub(crate) run: Run,
    /// Environment besides our own.
    pub(crate) env: &'static [(&'static str, &'static str)],
}

/// What is run, and how its result counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// A command, words with spaces between them: one check, its exit code.
    Check(&'static str),
    /// A command that only prepares; counts when it fails.
    Prepare(&'static str),
    /// A command of libtest's: the tests that it reports.
    Tests(&'static str),
    /// Cargo compiling test programs, told to say in JSON which: they are
    /// remembered. Counts when it fails.
    Compile(&'static str),
    /// Every compiled test program that a plain `cargo test` would run.
    Units,
    /// The compiled test program of this name, so many tests at a time.
    Program(&'static str, usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.env {
            write!(f, "{name}={value:?} ")?;
        }
        match self.run {
            Run::Check(words) | Run::Prepare(words) | Run::Tests(words) | Run::Compile(words) => {
                f.write_str(words)
            }
            Run::Units => f.write_str("the programs of `cargo test --workspace`"),
            Run::Program(name, threads) => {
                write!(f, "cargo test -p ashlar-tests --test {name} -- --test-threads={threads}")
            }
        }
    }
}
