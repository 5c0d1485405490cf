# Every recipe says what it does in `just --list`; the lines below each one are
# what it types for you. `ashlar --help` explains the commands themselves.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

# The `ashlar` command from this tree, as `just build` leaves it.
ashlar := "cargo run --release --locked --quiet -p ashlar --"

# Show this list
@default:
    just --list --unsorted

# Install what this host lacks, from .ci/packages.debian; the second time nothing
setup:
    .ci/setup

# From nothing to three boxes that hold together, in VMs (try: just demo --headless --json)
demo *ARGS: setup build
    {{ ashlar }} demo "$@"

# Every tier of proof, or some: just test image lab (see: just test --list)
test *ARGS:
    .ci/setup
    cargo run --locked --bin tiers -- "$@"

# Proof that takes too long for every day: just drill ring-quiet (see: just drill)
drill *ARGS: setup
    cargo run --locked --bin drill -- "$@"

# What continuous integration runs on a clean machine: setup, then every tier
ci:
    .ci/run

# Compile the ashlar command; it compiles what goes into images, for their C library
build:
    cargo build --release --locked -p ashlar

# Build an image into out/PROFILE/latest/ (more: just image retail --explain)
image PROFILE="retail" *ARGS: build
    {{ ashlar }} build --profile "$@"

# Write an image and a site onto a stick or disk: sudo just flash /dev/sdX --site shop
flash *ARGS:
    @[[ -x target/release/ashlar || $EUID -ne 0 ]] || { echo "compile it first, as yourself: just build" >&2; exit 1; }
    @[[ -x target/release/ashlar ]] || just build
    target/release/ashlar flash "$@"

# Virtual machines: just vm up --site shop, just vm exec node1 -- ashlarctl status
vm *ARGS: build
    {{ ashlar }} vm "$@"

# The same verbs on systemd-nspawn containers: seconds instead of minutes, needs root
lab *ARGS: build
    {{ ashlar }} lab "$@"

# Boxes write while drills drawn by seed befall them: just soak 10 --boxes 3 --seed 7
soak *ARGS: setup build
    cargo run --locked --bin soak -- "$@"

# Measure builds, sizes, boot times and memory beside the peers, or some: just bench ring
bench *ARGS: setup build
    cargo build --profile small --locked -p serf-rs --example serf-rs
    [[ $# -gt 0 && " $* " != *" image "* ]] || {{ ashlar }} bench image
    cargo run --locked --bin bench -- "$@"

# Count the instructions of our hot code against tests/costs.json, or: just costs --update
costs *ARGS: setup
    cargo run --release --locked --bin costs -- "$@"

# Search for inputs that break serf-rs: just fuzz --seconds 600 node (see: just fuzz --help)
fuzz *ARGS: setup
    agent/serf-rs/fuzz/run "$@"

# Every property test, with many more cases than in `just test`
properties CASES="100000":
    PROPTEST_CASES={{ CASES }} cargo test --release --workspace --lib --bins

# The book in docs/ as web pages, in out/book (needs mdbook: cargo install mdbook)
book:
    mdbook build docs

# The API documentation of every crate, in target/doc
docs:
    cargo doc --workspace --no-deps --document-private-items
