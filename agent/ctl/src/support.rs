//! `ashlarctl support bundle`: one file to hand to whoever helps.

use crate::cli::{self, SupportWhat};
use anyhow::{Context, Result, bail};
use ashlar_api::{Client, Support};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) async fn run(client: &Client, options: &cli::Support) -> Result<ExitCode> {
    let SupportWhat::Bundle { to, json } = &options.what;
    if std::io::stderr().is_terminal() {
        eprintln!("… collecting; this may take a minute");
    }
    let status = client.status().await?;
    let support = client.support().await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let name = status.identity.map_or_else(|| "ashlar".into(), |me| me.name);
    let folder = format!("{name}-{now}");
    let path = to.clone().unwrap_or_else(|| PathBuf::from(format!("{folder}.tar.zst")));
    let packed =
        compress_to_vec(pack(&support, &folder, now)?.as_slice(), CompressionLevel::Fastest);
    write(&path, &packed)?;
    if *json {
        let names: Vec<_> = support.parts.iter().map(|part| &part.name).collect();
        println!("{}", serde_json::json!({ "file": path, "bytes": packed.len(), "parts": names }));
    } else {
        println!("{} ({} files, {} KB)", path.display(), support.parts.len(), packed.len() / 1000);
        println!("No key or password of the site is in it; names, addresses and journals are.");
    }
    Ok(ExitCode::SUCCESS)
}

fn pack(support: &Support, folder: &str, now: u64) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for part in &support.parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(part.text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(now);
        // Whatever a box calls it: nothing leaves the folder.
        let name = part.name.replace('/', "_");
        archive.append_data(&mut header, format!("{folder}/{name}"), part.text.as_bytes())?;
    }
    Ok(archive.into_inner()?)
}

/// Never over a file that is there.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let shown = path.display();
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("{shown} is there already: name another file by --to")
        }
        opened => opened.with_context(|| format!("cannot make {shown}"))?,
    };
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.with_context(|| {
        let _ = std::fs::remove_file(path);
        format!("cannot write {shown}; nothing is left of it")
    })
}
