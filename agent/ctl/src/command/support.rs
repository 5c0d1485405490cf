//! `ashlarctl support bundle`: one file to hand to whoever helps.

use super::facts;
use anyhow::{Context, Result, bail};
use ashlar_api::{Client, bundle_name};
use jiff::Timestamp;
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tempfile::NamedTempFile;

/// Collect what somebody needs who is asked what is wrong
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What is collected.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// One file with status, history, units, hardware and journals of a box
    ///
    /// A tar.zst to hand to whoever helps, readable by you alone. No key, PIN or password
    /// of the site is in it: where a journal quotes one, it is taken out. Names,
    /// addresses, serial numbers and what programs wrote to the journal are in it. Root
    /// and admins may have it.
    #[command(after_help = "\
Examples:
  ashlarctl support bundle                    into this directory, named by box and time
  ashlarctl support bundle --to shop.tar.zst && tar --zstd -tf shop.tar.zst
  ashlarctl --site shop --node ashlar-4f0c21aa support bundle")]
    Bundle {
        /// Write it here instead of into this directory, under the box's name; never over
        /// a file that is there.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// One JSON object, and nothing else.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(client: &Client, args: &Args) -> Result<ExitCode> {
    let Verb::Bundle { to, json } = &args.verb;
    let now = Timestamp::now();
    // Whether it can be written is known before anybody waits for it.
    let (folder, path) = match to {
        Some(path) => (None, path.clone()),
        None => {
            let status = client.status().await?;
            let folder = bundle_name(status.identity.as_ref().map(|me| me.name.as_str()), now);
            (Some(folder.clone()), PathBuf::from(folder + ".tar.zst"))
        }
    };
    let file = begin(&path)?;
    if !json && std::io::stderr().is_terminal() {
        eprintln!("… collecting; this may take half a minute");
    }
    let support = client.support().await?;
    let folder = folder.unwrap_or_else(|| "support".into());
    let packed = support.packed(&folder, now)?;
    end(file, &path, &packed)?;
    if *json {
        let parts = support.parts.iter().map(|part| part.name.as_str()).collect();
        let bundle = Bundle { file: &path, bytes: packed.len(), parts };
        print!("{}", facts::line(&bundle)?);
    } else {
        let size = ashlar_api::bytes(packed.len() as u64);
        println!("{}: {} files, {size}", path.display(), support.parts.len());
        println!("No key or password of the site is in it. Names, addresses and journals are.");
    }
    Ok(ExitCode::SUCCESS)
}

/// What `ashlarctl support bundle --json` prints.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Bundle<'a> {
    /// The file that was made,
    file: &'a Path,
    /// how long it is,
    bytes: usize,
    /// and the names of the files in it.
    parts: Vec<&'a str>,
}

/// A file of its owner's alone beside the one that it becomes.
fn begin(path: &Path) -> Result<NamedTempFile> {
    if path.symlink_metadata().is_ok() {
        return there(path);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot make a file in {}", folder.display()))
}

/// Never over a file that is there.
fn end(mut file: NamedTempFile, path: &Path, bytes: &[u8]) -> Result<()> {
    let written = file.write_all(bytes).and_then(|()| file.as_file().sync_all());
    written.with_context(|| format!("cannot write {}; nothing is left of it", path.display()))?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => there(path),
        Err(error) => Err(error).with_context(|| format!("cannot make {}", path.display())),
    }
}

fn there<T>(path: &Path) -> Result<T> {
    bail!("{} is there already: name another file by --to, or move it away", path.display())
}
