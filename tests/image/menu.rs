//! What the built disk's boot menu starts by itself.

use crate::small_image::{self, Part};
use anyhow::{Context, Result, ensure};
use ashlar_tests::image::Built;
use fatfs::{FileSystem, FsOptions};
use gpt::GptConfig;
use std::fs::File;
use std::io::Read;

/// As systemd-boot names them: without the counter of tries.
fn id(file: &str) -> String {
    match (file.split_once('+'), file.rsplit_once('.')) {
        (Some((name, _)), Some((_, ending))) => format!("{name}.{ending}"),
        _ => file.to_owned(),
    }
}

#[test]
fn what_starts_by_itself_is_the_system_and_never_an_entry_that_erases() -> Result<()> {
    let disk = File::open(Built::retail()?.disk()?)?;
    let table = GptConfig::new().open_from_device(disk.try_clone()?)?;
    let esp = table.partitions().values().find(|part| part.name == "esp").context("an ESP")?;
    let size = (esp.last_lba + 1 - esp.first_lba) * 512;
    let volume =
        FileSystem::new(Part::new(disk.try_clone()?, esp.first_lba * 512, size), FsOptions::new())?;
    let root = volume.root_dir();
    let names = |path: &str| -> Result<Vec<String>> {
        let entries = root.open_dir(path)?.iter();
        let names = entries.map(|entry| Ok(entry?.file_name().to_lowercase()));
        names.filter(|name| !matches!(name, Ok(name) if name.starts_with('.'))).collect()
    };
    let (kernels, entries) = (names("EFI/Linux")?, names("loader/entries")?);
    ensure!(kernels.len() == 1 && kernels[0].contains("+3.efi"), "{kernels:?}");

    // The last line of a key is the one that counts.
    let settings = small_image::menu(&disk);
    let default = settings.lines().rfind(|line| line.starts_with("default "));
    let pattern = default.and_then(|line| line.strip_prefix("default ")).context("no default")?;
    let prefix = pattern.strip_suffix('*').context("a pattern that ends with a star")?;
    ensure!(id(&kernels[0]).starts_with(prefix), "{pattern} does not name {kernels:?}");
    for entry in &entries {
        ensure!(!id(entry).starts_with(prefix), "{pattern} names {entry}");
    }

    // Each starts the one system, before or after it was found good.
    let good = id(&kernels[0]);
    let mut found = Vec::new();
    for entry in &entries {
        let mut text = String::new();
        root.open_file(&format!("loader/entries/{entry}"))?.read_to_string(&mut text)?;
        ensure!(!text.contains("options"), "{entry} replaces the command line: {text}");
        let file = text.lines().find_map(|line| line.strip_prefix("efi /EFI/Linux/"));
        let file = file.with_context(|| format!("{entry}: {text}"))?.to_lowercase();
        ensure!(file == kernels[0] || file == good, "{entry} starts {file}");
        found.push((entry.as_str(), file == good));
    }
    found.sort_unstable();
    let expected = [
        ("ashlar-install.conf", false),
        ("ashlar-reset-first.conf", false),
        ("ashlar-reset.conf", true),
        ("ashlar-try-first.conf", false),
        ("ashlar-try.conf", true),
    ];
    ensure!(found == expected, "{found:?}");
    Ok(())
}
