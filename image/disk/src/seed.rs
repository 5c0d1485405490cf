//! The seed: a FAT volume with `site.toml` in its root.

use crate::Sectors;
use std::io::{Result, Seek, SeekFrom, Write};

/// The volume label by which people find the seed on any computer.
pub const SEED_LABEL: &str = "ASHLARSEED";
/// The file on it.
pub(crate) const FILE: &str = "site.toml";

/// A seed of `size` bytes with a site on it. The same site gives the same bytes.
pub(crate) fn volume(size: u64, site: &[u8]) -> Result<Sectors> {
    let mut sectors = Sectors::new(size);
    let mut label = [b' '; 11];
    for (to, from) in label.iter_mut().zip(SEED_LABEL.bytes()) {
        *to = from;
    }
    let options = fatfs::FormatVolumeOptions::new().volume_label(label).volume_id(0xA5_1A_25_ED);
    fatfs::format_volume(&mut sectors, options)?;
    sectors.seek(SeekFrom::Start(0))?;
    {
        let volume = fatfs::FileSystem::new(&mut sectors, fatfs::FsOptions::new())?;
        let mut file = volume.root_dir().create_file(FILE)?;
        file.write_all(site)?;
        file.flush()?;
        drop(file);
        volume.unmount()?;
    }
    sectors.seek(SeekFrom::Start(0))?;
    Ok(sectors)
}

/// The site on a seed, for tests and for reading back.
#[cfg(test)]
pub(crate) fn site(volume: impl std::io::Read + Write + Seek) -> Result<(String, Vec<u8>)> {
    use std::io::Read;
    let volume = fatfs::FileSystem::new(volume, fatfs::FsOptions::new())?;
    let mut bytes = Vec::new();
    volume.root_dir().open_file(FILE)?.read_to_end(&mut bytes)?;
    Ok((volume.volume_label(), bytes))
}

#[cfg(test)]
mod tests {
    use super::{site, volume};

    #[test]
    fn a_seed_holds_the_site_under_the_label_that_people_look_for() {
        for size in [32_u64 << 20, 100 << 20] {
            let mut seed = volume(size, b"name = \"shop\"\n").unwrap();
            let (label, bytes) = site(&mut seed).unwrap();
            assert_eq!(
                (label.as_str(), bytes.as_slice()),
                ("ASHLARSEED", &b"name = \"shop\"\n"[..])
            );
        }
    }

    #[test]
    fn the_same_site_gives_the_same_bytes() {
        let (a, b) = (volume(100 << 20, b"x").unwrap(), volume(100 << 20, b"x").unwrap());
        assert!(a.iter().eq(b.iter()));
    }

    #[test]
    fn a_seed_takes_little_to_write() {
        let seed = volume(100 << 20, &[b'#'; 4000]).unwrap();
        assert!(seed.iter().count() < 1000, "{}", seed.iter().count());
    }
}
