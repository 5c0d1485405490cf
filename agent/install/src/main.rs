//! `ashlar-install`: copies the stick that this box was started from onto the
//! box's own disk.
//!
//! What is written, and in which order, is the crate `ashlar-disk`'s, as for
//! `ashlar flash`: nothing on the disk starts before all of it was read back, so a
//! box that lost power begins again. The stick is only read.

mod consoles;
mod firmware;
mod installing;
mod page;
mod words;

use anyhow::Result;
use clap::Parser;
use consoles::Consoles;
use std::path::PathBuf;
use std::process::ExitCode;

/// Install this box from the stick that it was started from.
///
/// systemd runs it, when *Install to this box* was chosen in the boot menu.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Args {
    /// The disk to copy: a stick that `ashlar flash` wrote.
    #[arg(long, default_value = "/dev/ashlar/disk", value_name = "DISK")]
    medium: PathBuf,
    /// The verified device of its root, through which the root is read.
    #[arg(long, value_name = "DEVICE")]
    root: Option<PathBuf>,
    /// Choose among these disks only. Default: all of this box.
    #[arg(long, value_name = "DISK")]
    disk: Vec<PathBuf>,
    /// Where the firmware's variables are.
    #[arg(long, default_value = "/sys/firmware/efi/efivars", value_name = "DIRECTORY")]
    efivars: PathBuf,
    /// Speak and listen on the screen and on every console of the kernel, instead
    /// of standard input and output; restart the box at the end.
    #[arg(long)]
    box_itself: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let mut consoles = if args.box_itself { Consoles::of_the_box()? } else { Consoles::standard() };
    if args.box_itself {
        // The programs lie on the stick, which is pulled before this one ends.
        let all =
            nix::sys::mman::MlockAllFlags::MCL_CURRENT | nix::sys::mman::MlockAllFlags::MCL_FUTURE;
        nix::sys::mman::mlockall(all)?;
    }
    installing::run(args, &mut consoles)
}
