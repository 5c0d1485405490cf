//! The tiers, cheapest first, so that a slip shows after seconds.

use std::fmt;

/// A tier of proof.
#[derive(Debug)]
pub(crate) struct Tier {
    /// What it is called on the command line and in the summary.
    pub(crate) name: &'static str,
    /// What it proves, for a person.
    pub(crate) what: &'static str,
    /// A tier without which this one cannot run.
    pub(crate) needs: Option<&'static str>,
    /// When to give up: well above what it takes on two cores without KVM.
    pub(crate) minutes: u64,
    /// Why it cannot run here, if it cannot.
    pub(crate) skip: fn() -> Option<&'static str>,
    /// What it runs, in order.
    pub(crate) steps: &'static [Step],
}

/// One command of a tier.
#[derive(Debug)]
pub(crate) struct Step {
    /// Program and arguments, with spaces between them.
    pub(crate) command: &'static str,
    /// Environment besides our own.
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// How its result counts.
    pub(crate) kind: Kind,
}

/// How a command's result counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One check: its exit code.
    Check,
    /// A run of `cargo test`: the tests that it reports.
    Tests,
    /// Only a preparation; counts when it fails.
    Prepare,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.env {
            write!(f, "{name}={value:?} ")?;
        }
        f.write_str(self.command)
    }
}

const fn check(command: &'static str) -> Step {
    Step { command, env: &[], kind: Kind::Check }
}

const fn tests(command: &'static str) -> Step {
    Step { command, env: &[], kind: Kind::Tests }
}

const fn prepare(command: &'static str) -> Step {
    Step { command, env: &[], kind: Kind::Prepare }
}

const fn anywhere() -> Option<&'static str> {
    None
}

fn lab_needs_root() -> Option<&'static str> {
    (!nix::unistd::geteuid().is_root())
        .then_some("systemd-nspawn needs root; run `sudo -E just test lab`")
}

fn interop_needs_root() -> Option<&'static str> {
    (!nix::unistd::geteuid().is_root())
        .then_some("network namespaces need root; run `sudo -E just test interop`")
}

/// Every tier.
pub(crate) const TIERS: &[Tier] = &[
    Tier {
        name: "format",
        what: "rustfmt has nothing to change",
        needs: None,
        minutes: 2,
        skip: anywhere,
        steps: &[
            check("cargo fmt --all --check"),
            check("cargo fmt --manifest-path agent/serf-rs/fuzz/Cargo.toml --check"),
        ],
    },
    Tier {
        name: "supply",
        what: "licences, banned crates and sources of every dependency",
        needs: None,
        minutes: 5,
        skip: anywhere,
        steps: &[
            check("cargo deny --log-level error check licenses bans sources"),
            check(
                "cargo deny --log-level error --manifest-path agent/serf-rs/fuzz/Cargo.toml check licenses bans sources",
            ),
        ],
    },
    Tier {
        name: "lint",
        what: "clippy without a warning, tests included",
        needs: None,
        minutes: 15,
        skip: anywhere,
        steps: &[
            check("cargo clippy --locked --workspace --all-targets -- -D warnings"),
            // The tiers' own tests are no default targets.
            check(
                "cargo clippy --locked --workspace --test interop --test image --test lab --test vm -- -D warnings",
            ),
        ],
    },
    Tier {
        name: "docs",
        what: "the API documentation builds without a warning",
        needs: None,
        minutes: 10,
        skip: anywhere,
        steps: &[Step {
            command: "cargo doc --locked --workspace --no-deps --document-private-items",
            env: &[("RUSTDOCFLAGS", "-D warnings")],
            kind: Kind::Check,
        }],
    },
    Tier {
        name: "unit",
        what: "unit, property and simulation tests",
        needs: None,
        minutes: 20,
        skip: anywhere,
        steps: &[tests("cargo test --locked --workspace --no-fail-fast")],
    },
    Tier {
        name: "fuzz",
        what: "ten seconds of each fuzz target",
        needs: None,
        minutes: 10,
        skip: anywhere,
        steps: &[check("agent/serf-rs/fuzz/run --seconds 10")],
    },
    Tier {
        name: "interop",
        what: "serf-rs and HashiCorp's serf in one ring",
        needs: None,
        minutes: 20,
        skip: interop_needs_root,
        steps: &[
            prepare("cargo build --release --locked -p serf-rs --example serf-rs"),
            tests("cargo test --locked --workspace --test interop -- --test-threads=4"),
        ],
    },
    Tier {
        name: "build",
        what: "our programs in release form, and the retail image that the next tiers share",
        needs: None,
        minutes: 30,
        skip: anywhere,
        steps: &[
            prepare("cargo build --release --locked -p ashlar"),
            // As `ashlar build` does it: other words would compile them again.
            prepare("cargo build --release -p ashlar-agent -p ashlarctl -p ashlar-console"),
            check("cargo run --release --locked --quiet -p ashlar -- doctor"),
            check("cargo run --release --locked --quiet -p ashlar -- build --profile retail"),
        ],
    },
    Tier {
        name: "image",
        what: "the finished image, not booted, and the builder's answers to bad input",
        needs: Some("build"),
        minutes: 25,
        skip: anywhere,
        steps: &[tests("cargo test --locked --workspace --test image -- --test-threads=1")],
    },
    Tier {
        name: "lab",
        what: "real daemons in systemd-nspawn: forming, joining, losing and regaining nodes",
        needs: Some("build"),
        minutes: 20,
        skip: lab_needs_root,
        steps: &[tests("cargo test --locked --workspace --test lab -- --test-threads=1")],
    },
    Tier {
        name: "vm",
        what: "the image in QEMU: firmware, boot, verity, first boot, cluster, power cuts",
        needs: Some("build"),
        minutes: 45,
        skip: anywhere,
        steps: &[tests("cargo test --locked --workspace --test vm -- --test-threads=1")],
    },
];
