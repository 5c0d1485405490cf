//! `ashlar stamp`: a copy of an image with a site in it.

use crate::command::flash::{Progress, for_virtual_machines, read_site};
use crate::context::Context;
use ashlar_disk::{Image, Job, Start, stamp};
use miette::miette;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Make a copy of an image with a site in it, for whatever writes disks at your
/// place.
///
///   ashlar stamp shop.raw --site shop
///   ashlar stamp shop.raw.zst --site ./site.toml -o /srv/images/till-7.raw
///
/// An image whose kernel is for virtual machines is stamped with a warning, because
/// most real ones do not start from it; --vm-image says that you know.
///
/// The copy takes no more room than the image does, is readable by its owner
/// alone, and holds the key of the site: treat it as one. Each copy is for one
/// box, unless its partitions get ids of their own, as `ashlar flash` gives them.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The image: .raw or .raw.zst.
    image: PathBuf,
    /// The site: a name in keys/, or the path of a site.toml.
    #[arg(long, value_name = "SITE")]
    site: String,
    /// Make an installer of it, as `ashlar flash --installer` does.
    #[arg(long)]
    installer: bool,
    /// The copy is for a virtual machine: no warning of an image that is for these alone.
    #[arg(long)]
    vm_image: bool,
    /// Where to write the copy. Default: beside the image, with the site's name.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What `ashlar stamp --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Stamped<'a> {
    /// The copy.
    image: &'a Path,
    /// The site in it.
    site: &'a str,
    /// Its bytes.
    bytes: u64,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let cancel = context.cancel();
    let image = Image::open(&args.image)?;
    let (name, site, start) = read_site(context, &args.site, args.installer)?;
    let copy = args.output.clone().unwrap_or_else(|| beside(&args.image, &name));
    if same(&args.image, &copy) {
        return Err(miette!(
            help = "name another file with -o",
            "{} is the image itself",
            copy.display()
        ));
    }
    let kernel = if args.vm_image { None } else { image.kernel()? };
    if let Some(why) = for_virtual_machines(kernel.as_deref(), &args.image) {
        context.output.warning(format_args!("{why}; for one that is virtual, add --vm-image"));
    }
    let progress = Progress::new(&context.output);
    let cancelled = || cancel.is_cancelled();
    let job = Job { events: &progress, cancelled: &cancelled };
    stamp(&image, site.as_bytes(), start, &copy, job)?;
    let boxes = if start == Start::Run { "one box" } else { "any number of boxes" };
    context.output.line(format_args!(
        "{} holds the key of `{name}`: flash it for {boxes}, then keep or delete it like a key",
        copy.display()
    ));
    context.output.json(&Stamped { image: &copy, site: &name, bytes: image.length() })?;
    Ok(ExitCode::SUCCESS)
}

/// `retail.raw` and site `shop` give `retail-shop.raw`.
fn beside(image: &Path, site: &str) -> PathBuf {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.trim_end_matches(".zst").trim_end_matches(".raw");
    image.with_file_name(format!("{stem}-{site}.raw"))
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::beside;
    use std::path::Path;

    #[test]
    fn a_copy_is_named_after_its_image_and_site() {
        for image in ["out/retail.raw", "out/retail.raw.zst"] {
            assert_eq!(beside(Path::new(image), "shop"), Path::new("out/retail-shop.raw"));
        }
    }
}
