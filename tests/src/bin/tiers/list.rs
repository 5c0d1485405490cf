//! The tiers. Of those that could start, the upper one does.

use crate::tier::{Pace, Run, Step, Tier};

const fn step(run: Run) -> Step {
    Step { run, env: &[] }
}

/// A test program of `tests/` that uses the images of the tiers `build` and `metal`.
const fn of_image(name: &'static str, at_once: usize) -> Step {
    Step {
        run: Run::Program(name, at_once),
        env: &[
            ("ASHLAR_BUILT", "out/retail/latest"),
            ("ASHLAR_BUILT_METAL", "out/minimal-metal/latest"),
        ],
    }
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

fn disk_needs_root() -> Option<&'static str> {
    (!nix::unistd::geteuid().is_root())
        .then_some("loop devices need root; run `sudo -E just test disk`")
}

/// Cargo lets one command at a time compile into a directory.
const DEBUG: Option<&str> = Some("target/debug");
const RELEASE: Option<&str> = Some("target/release");
/// The builder lets one build at a time use the user's cache.
const CACHE: Option<&str> = Some("the builder's cache");

/// Every tier.
pub(crate) const TIERS: &[Tier] = &[
    Tier {
        name: "format",
        what: "rustfmt has nothing to change",
        needs: &[],
        pace: Pace::First,
        holds: None,
        minutes: 2,
        skip: anywhere,
        steps: &[
            step(Run::Check("cargo fmt --all --check")),
            step(Run::Check("cargo fmt --manifest-path agent/serf-rs/fuzz/Cargo.toml --check")),
        ],
    },
    Tier {
        name: "programs",
        what: "the builder, and what else the next tiers run in release form",
        needs: &[],
        pace: Pace::First,
        holds: RELEASE,
        minutes: 20,
        skip: anywhere,
        steps: &[
            // In one command, and without `-p`, or each would compile what all
            // depend on with features of its own.
            step(Run::Prepare(
                "cargo build --release --locked --bin ashlar --bin ashlar-install --bin costs --example serf-rs",
            )),
        ],
    },
    Tier {
        name: "build",
        what: "the retail image of the committed lock, with our programs in release form",
        needs: &["programs"],
        pace: Pace::First,
        holds: CACHE,
        minutes: 25,
        skip: anywhere,
        steps: &[
            step(Run::Check("cargo run --release --locked --quiet --bin ashlar -- doctor")),
            step(Run::Check(
                "cargo run --release --locked --quiet --bin ashlar -- build --profile retail --locked",
            )),
        ],
    },
    Tier {
        name: "compile",
        what: "every test program, once",
        needs: &[],
        pace: Pace::First,
        holds: DEBUG,
        minutes: 20,
        skip: anywhere,
        steps: &[
            step(Run::Compile(
                "cargo test --locked --workspace --no-run --message-format=json-render-diagnostics",
            )),
            // The tiers' own tests are no default targets.
            step(Run::Compile(
                "cargo test --locked --workspace --test interop --test image --test disk --test lab --test single --test vm --test drill --no-run --message-format=json-render-diagnostics",
            )),
        ],
    },
    Tier {
        // Above the lab, which holds the cache as well and leaves its place to `interop`
        // meanwhile.
        name: "metal",
        what: "the smallest image for real machines, which a stick installs in `single`",
        needs: &["build"],
        pace: Pace::Filling,
        holds: CACHE,
        minutes: 25,
        skip: anywhere,
        steps: &[step(Run::Check(
            "cargo run --release --locked --quiet --bin ashlar -- build --profile minimal-metal --locked --target raw",
        ))],
    },
    Tier {
        name: "vm",
        what: "three machines in QEMU: firmware, partitions, screen, cluster, reboot",
        needs: &["compile", "build"],
        pace: Pace::Alone,
        holds: None,
        minutes: 60,
        skip: anywhere,
        steps: &[of_image("vm", 1)],
    },
    Tier {
        name: "single",
        what: "one machine in QEMU: a stick that installs it, a root that was changed",
        needs: &["compile", "build", "metal"],
        pace: Pace::Timed,
        holds: None,
        minutes: 40,
        skip: anywhere,
        steps: &[of_image("single", 1)],
    },
    Tier {
        name: "lab",
        what: "real daemons in systemd-nspawn: forming, joining, losing and regaining nodes",
        needs: &["compile", "build"],
        pace: Pace::Timed,
        holds: CACHE,
        minutes: 25,
        skip: lab_needs_root,
        steps: &[of_image("lab", 1)],
    },
    Tier {
        name: "interop",
        what: "serf-rs and HashiCorp's serf in one ring",
        needs: &["compile", "programs"],
        pace: Pace::Timed,
        holds: None,
        minutes: 20,
        skip: interop_needs_root,
        steps: &[step(Run::Program("interop", 4))],
    },
    Tier {
        name: "disk",
        what: "flashing and installing loop devices: in use, too small, failing, stopped",
        needs: &["compile", "programs"],
        pace: Pace::Filling,
        holds: None,
        minutes: 25,
        skip: disk_needs_root,
        steps: &[step(Run::Program("disk", 2))],
    },
    Tier {
        name: "image",
        what: "the finished image, not booted, and the builder's answers to bad input",
        needs: &["compile", "build", "metal"],
        pace: Pace::Filling,
        // Its long builds have caches of their own: beside it the lab waits for seconds.
        holds: None,
        minutes: 45,
        skip: anywhere,
        // Nearly every test of it is one process.
        steps: &[of_image("image", 2)],
    },
    Tier {
        name: "lint",
        what: "clippy without a warning, tests included",
        needs: &[],
        pace: Pace::Filling,
        holds: DEBUG,
        minutes: 45,
        skip: anywhere,
        steps: &[
            step(Run::Check("cargo clippy --locked --workspace --all-targets -- -D warnings")),
            step(Run::Check(
                "cargo clippy --locked --workspace --test interop --test image --test disk --test lab --test single --test vm --test drill -- -D warnings",
            )),
        ],
    },
    Tier {
        name: "docs",
        what: "the API documentation builds without a warning, and its examples run",
        needs: &[],
        pace: Pace::Filling,
        holds: DEBUG,
        minutes: 40,
        skip: anywhere,
        steps: &[
            Step {
                run: Run::Check(
                    "cargo doc --locked --workspace --no-deps --document-private-items",
                ),
                env: &[("RUSTDOCFLAGS", "-D warnings")],
            },
            step(Run::Tests("cargo test --locked --workspace --doc")),
        ],
    },
    Tier {
        name: "unit",
        what: "unit, property and simulation tests",
        needs: &["compile"],
        pace: Pace::Filling,
        holds: None,
        minutes: 45,
        skip: anywhere,
        steps: &[step(Run::Units)],
    },
    Tier {
        name: "costs",
        what: "instructions of our hot code, against tests/costs.json",
        needs: &["programs"],
        pace: Pace::Filling,
        holds: RELEASE,
        minutes: 30,
        skip: anywhere,
        steps: &[step(Run::Check("cargo run --release --locked --quiet --bin costs"))],
    },
    Tier {
        name: "fuzz",
        what: "ten seconds of each fuzz target",
        needs: &[],
        pace: Pace::Filling,
        holds: None,
        minutes: 40,
        skip: anywhere,
        steps: &[step(Run::Check("agent/serf-rs/fuzz/run --seconds 10"))],
    },
    Tier {
        name: "supply",
        what: "licences, banned crates and sources of every dependency",
        needs: &[],
        pace: Pace::Filling,
        holds: None,
        minutes: 40,
        skip: anywhere,
        steps: &[
            step(Run::Prepare(".ci/setup --deny")),
            step(Run::Check("cargo deny --log-level error check licenses bans sources")),
            step(Run::Check(
                "cargo deny --log-level error --manifest-path agent/serf-rs/fuzz/Cargo.toml check licenses bans sources",
            )),
        ],
    },
];
