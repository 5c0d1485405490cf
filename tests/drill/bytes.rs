//! The same bytes wherever an image is built: `just drill bytes`. Each builder has the
//! sources, what `ashlar vendor` keeps and a Rust toolchain; they have no network, no
//! tools root and no compiled program, and make them all.

use anyhow::{Context, Result, ensure};
use ashlar_tests::command::{Ashlar, program};
use ashlar_tests::image::Built;
use ashlar_tests::person::Person;
use ashlar_tests::project::{scratch, sources, toolchain};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// What a newcomer is given.
fn vendored() -> Result<&'static Path> {
    static VENDORED: OnceLock<TempDir> = OnceLock::new();
    if let Some(made) = VENDORED.get() {
        return Ok(made.path());
    }
    let made = scratch("vendored")?;
    Ashlar::new(["vendor", "--profile", "retail"])?.arg(made.path()).succeeds()?;
    Ok(VENDORED.get_or_init(|| made).path())
}

/// Every form of the image.
const TARGETS: [&str; 5] =
    ["--target=raw", "--target=zst", "--target=iso", "--target=qcow2", "--target=vmdk"];

/// The image as whoever runs the drill builds it.
fn ours() -> Result<Built> {
    let build = Ashlar::new(["build", "--profile", "retail", "--locked", "--json"])?;
    Built::from_json(build.args(TARGETS).succeeds()?.json()?)
}

#[test]
fn an_ordinary_user_with_umask_077_and_one_core_makes_the_same_bytes_without_a_network()
-> Result<()> {
    let first = ours()?;
    let person = Person::alone_with(vendored()?)?;
    let words = ["build", "--json", "--profile", "retail"].iter().copied();
    let ran = person.ashlar(&words.chain(TARGETS).collect::<Vec<_>>())?;
    let second = Built::from_json(ran.json()?)?;
    println!("from nothing: {}", second.result()["seconds"]);
    second.is_the_same_as(&first)
}

/// What a host needs for building, of `.ci/packages.debian`.
const NEEDED: &str = "mmdebstrap,debian-archive-keyring,bubblewrap,uidmap";

#[test]
fn a_debian_13_host_makes_the_same_bytes() -> Result<()> {
    let first = ours()?;
    let place = scratch("debian-13")?;
    let at = |name: &str| place.path().join(name);
    for directory in ["project", "cache"] {
        std::fs::create_dir(at(directory))?;
    }
    sources(&at("project"))?;
    succeeds(
        Command::new("mmdebstrap")
            .args(["--variant=apt", &format!("--include={NEEDED}"), "trixie"])
            .arg(at("host"))
            .arg("http://deb.debian.org/debian"),
    )?;
    let show = |what: &Path, inside: &str| format!("--bind-ro={}:{inside}", what.display());
    let lend = |what: &Path, inside: &str| format!("--bind={}:{inside}", what.display());
    succeeds(
        Command::new("systemd-nspawn")
            .args(["--quiet", "--register=no", "--keep-unit", "--private-network"])
            .args(["--machine=debian13", "--capability=all"])
            .arg("--system-call-filter=add_key keyctl bpf")
            .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1")
            .arg("--directory")
            .arg(at("host"))
            .arg(show(vendored()?, "/mnt/vendored"))
            .arg(show(&toolchain()?, "/mnt/rust"))
            .arg(show(&program()?, "/mnt/ashlar"))
            .arg(lend(&at("project"), "/mnt/project"))
            .arg(lend(&at("cache"), "/mnt/cache"))
            .arg("--setenv=PATH=/mnt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .args(["/mnt/ashlar", "build", "--profile", "retail", "--vendor", "/mnt/vendored"])
            .args(["--project", "/mnt/project", "--cache-dir", "/mnt/cache"])
            .args(TARGETS),
    )?;
    Built::at(at("project/out/retail/latest")).is_the_same_as(&first)
}

fn succeeds(command: &mut Command) -> Result<()> {
    let ended = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(ended.success(), "{command:?} ended with {ended}");
    Ok(())
}
