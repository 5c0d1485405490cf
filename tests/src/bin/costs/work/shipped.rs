//! A small image that is always the same: what `ashlar lint` looks at, with its
//! root unpacked, so that no other tool's work is counted.

use anyhow::{Result, anyhow};
use ashlar_inspect::lint::{Secret, Subject, SubjectOptions};
use ashlar_sandbox::Sandbox;
use std::fs::File;
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::Path;
use tempfile::TempDir;

/// Of each of its FAT partitions.
const PARTITION: u32 = 4 << 20;

/// The image, which goes with this.
pub(super) struct Shipped {
    place: TempDir,
}

impl Shipped {
    /// Writes the disk and the root.
    pub(super) fn new() -> Result<Self> {
        let place = tempfile::tempdir()?;
        disk(&place.path().join("disk.raw"))?;
        root(&place.path().join("root"))?;
        Ok(Self { place })
    }

    /// What is to be looked at, with the secrets that must not be in it.
    pub(super) fn subject(&self) -> Result<Subject> {
        let place = self.place.path();
        let options = SubjectOptions {
            sandbox: Sandbox::host(),
            work: place.to_owned(),
            exceptions: None,
            secrets: Secret::key(&[7; 32], "the ring key"),
            budgets: None,
            locked: Some(Vec::new()),
        };
        Subject::unpacked(&place.join("disk.raw"), &place.join("root"), options)
            .map_err(|why| anyhow!("{why:?}"))
    }
}

/// A boot and a seed partition with nothing on them.
fn disk(path: &Path) -> Result<()> {
    let mut file = File::options().create_new(true).read(true).write(true).open(path)?;
    file.set_len(24 << 20)?;
    gpt::mbr::ProtectiveMBR::with_lb_size(48 * 1024 - 1).overwrite_lba0(&mut file)?;
    let mut table = gpt::GptConfig::new().writable(true).create_from_device(&mut file, None)?;
    let mut starts = Vec::new();
    for (label, kind) in
        [("esp", gpt::partition_types::EFI), ("seed", gpt::partition_types::LINUX_FS)]
    {
        let id = table.add_partition(label, PARTITION.into(), kind, 0, None)?;
        let size = *table.logical_block_size();
        starts.extend(table.partitions().get(&id).map(|made| made.bytes_start(size)));
    }
    table.write()?;
    for start in starts {
        let mut bytes = vec![0; PARTITION as usize];
        fatfs::format_volume(Cursor::new(&mut bytes[..]), fatfs::FormatVolumeOptions::new())?;
        file.seek(SeekFrom::Start(start?))?;
        file.write_all(&bytes)?;
    }
    Ok(())
}

/// Units, packages and a thousand files, as a root has them.
fn root(place: &Path) -> Result<()> {
    let put = |path: String, text: &[u8]| -> Result<()> {
        let path = place.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(place))?;
        Ok(std::fs::write(path, text)?)
    };
    put("etc/machine-id".to_owned(), b"")?;
    put("etc/passwd".to_owned(), b"root:x:0:0:root:/root:/bin/bash\n")?;
    put("etc/shadow".to_owned(), b"root:*:20000:0:99999:7:::\n")?;
    put("usr/lib/os-release".to_owned(), b"IMAGE_ID=ashlar-test\nIMAGE_VERSION=1\n")?;
    let mut status = String::new();
    for number in 0..200 {
        let unit = format!(
            "[Unit]\nDescription=Service {number}\nAfter=network.target\n\n\
             [Service]\nExecStart=/usr/bin/file-{number}\nNoNewPrivileges=yes\n\n\
             [Install]\nWantedBy=multi-user.target\n"
        );
        put(format!("usr/lib/systemd/system/unit-{number}.service"), unit.as_bytes())?;
        put(format!("usr/share/doc/package-{number}/copyright"), b"free\n")?;
        status.push_str(&format!(
            "Package: package-{number}\nStatus: install ok installed\nVersion: 1\n\
             Architecture: all\n\n"
        ));
    }
    put("usr/lib/sysimage/dpkg/status".to_owned(), status.as_bytes())?;
    for number in 0..1000_u32 {
        let text: Vec<u8> = (0..2000 + number).map(|at| (at % 251) as u8).collect();
        put(format!("usr/bin/file-{number}"), &text)?;
    }
    Ok(())
}
