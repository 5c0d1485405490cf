//! `ashlar flash`: an image and a site onto a stick.

use crate::command::machines::tools;
use crate::context::Context;
use crate::images::{self, site_file};
use ashlar_disk::{self as flash, Target};
use ashlar_machine::stamp;
use ashlar_site::Site;
use miette::{IntoDiagnostic, miette};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Write an image onto a stick or disk, with the site in its seed partition.
///
///   ashlar flash /dev/sdb --site shop
///   ashlar flash /dev/sdb --site shop --profile minimal --yes
///
/// Everything on the disk is lost. A disk that is mounted, or otherwise in use,
/// is refused. What was written is read back and compared.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The whole disk, for example /dev/sdb.
    disk: PathBuf,
    /// The site: a name in keys/, or the path of a site.toml.
    #[arg(long, value_name = "SITE")]
    site: String,
    /// Write the newest image of this profile.
    #[arg(long, short, default_value = "retail", value_name = "PROFILE")]
    profile: String,
    /// Write this image instead.
    #[arg(long, value_name = "PATH", conflicts_with = "profile")]
    image: Option<PathBuf>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let image = match &args.image {
        Some(image) => image.clone(),
        None => images::newest(context, &args.profile, images::DISK)?,
    };
    let site = site_file(context, &args.site)?;
    // A broken site must be found before a disk is overwritten.
    Site::load(&site)?;
    let tools = tools()?;
    let needs = std::fs::metadata(&image).into_diagnostic()?.len();
    let target = Target::check(&args.disk, needs)?;
    confirm(args, &target, context)?;

    let bytes = flash::data_bytes(&image)?;
    let bar = context.output.byte_bar(bytes, "writing");
    flash::write(&image, &target.path, |n| bar.inc(n))?;
    bar.finish_and_clear();
    let bar = context.output.byte_bar(bytes, "reading back");
    flash::verify(&image, &target.path, |n| bar.inc(n))?;
    bar.finish_and_clear();
    stamp(&target.path, &site, &tools)?;
    std::fs::File::open(&target.path).and_then(|disk| disk.sync_all()).into_diagnostic()?;

    context.output.line(format_args!(
        "{} is ready: boot any number of boxes from it, or from disks flashed alike",
        target.path.display()
    ));
    context.output.json(&json!({
        "disk": target.path, "image": image, "bytes": bytes, "site": args.site,
    }))?;
    Ok(ExitCode::SUCCESS)
}

/// Asks a person to type the disk's name; without a person, `--yes` is needed.
fn confirm(args: &Args, target: &Target, context: &Context) -> miette::Result<()> {
    let name = target.path.display();
    let kind = if target.removable { "removable" } else { "NOT removable" };
    context.output.note(format_args!(
        "{name}: {} ({kind}), {} GB; everything on it will be lost",
        if target.model.is_empty() { "unknown model" } else { &target.model },
        target.size / 1_000_000_000
    ));
    if args.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(miette!(
            help = "add --yes if you are sure",
            "nobody is here to confirm that {name} may be overwritten"
        ));
    }
    eprint!("Type {name} to go on: ");
    std::io::stderr().flush().into_diagnostic()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).into_diagnostic()?;
    if answer.trim() == name.to_string() {
        return Ok(());
    }
    Err(miette!("{name} was not confirmed; nothing was written"))
}
