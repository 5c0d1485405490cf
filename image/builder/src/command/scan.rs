//! `ashlar scan`: whether an image could drive this machine.

use crate::cache_dir::CacheDir;
use crate::context::Context;
use crate::images::{self, Workbench};
use ashlar_inspect::hardware::{Device, Driven, Drivers};
use ashlar_site::whole_file::{Existing, write_whole};
use miette::miette;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Say whether an image could drive this machine: each device, and its module there.
///
/// Run it on a machine that is to become a box, under any Linux: a live stick will
/// do. What the running system drives and the image would not can be written down
/// as a hardware list, for `[hardware] sets` of a recipe. Firmware that a module
/// loads is not looked at.
///
///   ashlar scan                                   with the newest retail-metal image
///   ashlar scan image.raw --all
///   ashlar scan --write recipes/hardware/till.txt
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A raw disk image, or a directory with one in it. Default: the newest image
    /// of the profile.
    image: Option<PathBuf>,
    /// Whose newest image.
    #[arg(
        long,
        short,
        default_value = "retail-metal",
        conflicts_with = "image",
        value_name = "PROFILE"
    )]
    profile: String,
    /// List what nothing drives here either, too.
    #[arg(long)]
    all: bool,
    /// Write the modules that the image lacks into this hardware list.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Where the kernel shows its devices: another machine's, copied, will do.
    #[arg(long, value_name = "DIR", default_value = "/sys")]
    sys: PathBuf,
    #[command(flatten)]
    cache: CacheDir,
}

/// A device and what becomes of it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "FoundDevice"))]
pub(crate) struct Found {
    #[serde(flatten)]
    device: Device,
    #[serde(flatten)]
    driven: Driven,
}

/// What `ashlar scan --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Scanned<'a> {
    /// The image.
    image: &'a Path,
    /// The devices of this machine.
    devices: &'a [Found],
    /// The modules that the image lacks.
    lacking: &'a BTreeSet<&'a str>,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let image = images::named(context, args.image.as_deref(), &args.profile)?;
    let devices = Device::all(&args.sys)?;
    let bench = Workbench::ready(&[&image], &args.cache, context)?;
    let drivers = Drivers::of(bench.open(&image)?.root()?)?;
    let here = running_kernel().and_then(|place| Drivers::read(&place).ok());
    let found: Vec<Found> = devices
        .into_iter()
        .map(|device| {
            let driven = Driven::of(&device, &drivers, here.as_ref());
            Found { device, driven }
        })
        .collect();
    let lacking: BTreeSet<&str> =
        found.iter().flat_map(|found| lacks(&found.driven)).map(String::as_str).collect();

    let output = &context.output;
    for found in found.iter().filter(|found| args.all || found.driven != Driven::Nowhere) {
        output.line(row(found));
    }
    output.line(verdict(&found, &image, &lacking));
    if let Some(file) = &args.write {
        if lacking.is_empty() {
            output.note(format_args!("nothing is lacking: {} is not written", file.display()));
        } else {
            write(file, &list(&lacking, &image))?;
            output.line(format_args!(
                "{} is written; name it in a recipe: [hardware] sets = [\"{}\"]",
                file.display(),
                file.file_stem().unwrap_or_default().display()
            ));
        }
    }
    output.json(&Scanned { image: &image, devices: &found, lacking: &lacking })?;
    Ok(ExitCode::SUCCESS)
}

/// Where the running kernel's modules are.
fn running_kernel() -> Option<PathBuf> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(Path::new("/lib/modules").join(release.trim()))
}

fn lacks(driven: &Driven) -> &BTreeSet<String> {
    static NONE: BTreeSet<String> = BTreeSet::new();
    match driven {
        Driven::No { lacks } => lacks,
        Driven::Yes { .. } | Driven::Nowhere => &NONE,
    }
}

fn row(found: &Found) -> String {
    let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let fate = match &found.driven {
        Driven::Yes { modules } => names(modules),
        Driven::No { lacks } => format!("LACKS {}", names(lacks)),
        Driven::Nowhere => "driven by nothing here either".to_owned(),
    };
    let Device { bus, id, what, .. } = &found.device;
    format!("{bus:<9} {id:<16} {what:<29} {fate}")
}

/// The answer in words.
fn verdict(found: &[Found], image: &Path, lacking: &BTreeSet<&str>) -> String {
    let driven = found.iter().filter(|found| matches!(found.driven, Driven::Yes { .. })).count();
    let name = image.display();
    if lacking.is_empty() {
        return format!("\n{name} has a driver for each of the {driven} devices in use here");
    }
    let badly = found.iter().any(|f| f.device.matters() && matches!(f.driven, Driven::No { .. }));
    let words = if badly { ": without a disk, a network or a port it is no box" } else { "" };
    let modules: Vec<&str> = lacking.iter().copied().collect();
    format!("\n{name} lacks {} for this machine{words}", modules.join(", "))
}

/// A hardware list.
fn list(lacking: &BTreeSet<&str>, image: &Path) -> String {
    let name = image.file_name().unwrap_or_default().display();
    let mut text = format!("# What a machine that was looked at needs, and {name} lacks.\n");
    for module in lacking {
        text.push_str(module);
        text.push('\n');
    }
    text
}

/// Over nothing that is there.
fn write(path: &Path, text: &str) -> miette::Result<()> {
    write_whole(path, text.as_bytes(), true, Existing::Keep)
        .map_err(|error| miette!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(what: &'static str, driven: Driven) -> Found {
        let device = Device {
            bus: "pci".into(),
            id: "0000:02:00.0".into(),
            modalias: "pci:v000010ECd00008168".into(),
            what,
            driver: None,
        };
        Found { device, driven }
    }

    fn of(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_a_machine_cannot_do_without_is_said_more_loudly() {
        let image = Path::new("out/a.raw");
        let card = found("network", Driven::No { lacks: of(&["r8169"]) });
        assert_eq!(
            row(&card),
            "pci       0000:02:00.0     network                       LACKS r8169"
        );
        let said = verdict(&[card], image, &BTreeSet::from(["r8169"]));
        assert!(said.contains("lacks r8169 for this machine: without"), "{said}");
        let sound = found("sound or video", Driven::No { lacks: of(&["snd_hda_intel"]) });
        let said = verdict(&[sound], image, &BTreeSet::from(["snd_hda_intel"]));
        assert!(said.ends_with("for this machine"), "{said}");
        let driven = found("network", Driven::Yes { modules: of(&["r8169"]) });
        let said = verdict(&[driven, found("", Driven::Nowhere)], image, &BTreeSet::new());
        assert!(said.ends_with("each of the 1 devices in use here"), "{said}");
    }

    #[test]
    fn a_list_that_is_there_is_not_written_over() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("till.txt");
        let text = list(&BTreeSet::from(["a_module", "b"]), Path::new("x.raw"));
        write(&path, &text).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap().lines().skip(1).collect::<Vec<_>>(),
            ["a_module", "b"]
        );
        let refused = write(&path, "other").unwrap_err();
        assert!(refused.to_string().contains("till.txt"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
