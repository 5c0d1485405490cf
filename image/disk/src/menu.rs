//! The boot menu's settings, `loader/loader.conf`, and what a medium starts by
//! itself.
//!
//! The file is one sector's worth, with room in it for a line or two that are the
//! medium's own. So another default takes the place of the old one without a file
//! system being written, on the bytes' way to a disk.

use crate::SECTOR;

/// The first line, by which the file is found.
const FIRST: &[u8] = b"# Ashlar: the boot menu\n";
/// What the medium's own lines, and the room for them, follow.
const OWN: &str = "# This medium's own:\n";

/// What a medium starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// By itself, after its menu's time: the system on it. It is a box's own disk.
    Run,
    /// Nothing by itself: the menu waits for a person.
    Ask,
    /// By itself: the installer.
    Install,
}

/// The settings, where they were found in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Menu {
    /// First byte.
    pub(crate) at: u64,
    /// The sector.
    pub(crate) sector: Vec<u8>,
}

impl Menu {
    /// Looks for the settings in bytes of a boot partition that begin at `at`.
    pub(crate) fn find(bytes: &[u8], at: u64) -> Option<Self> {
        let mut sectors = (at..).step_by(SECTOR as usize).zip(bytes.chunks(SECTOR as usize));
        let (at, sector) = sectors.find(|(_, sector)| sector.starts_with(FIRST))?;
        Some(Self { at, sector: sector.to_vec() })
    }

    /// The sector with which the medium starts something else.
    pub(crate) fn starting(&self, start: Start) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(&self.sector).ok()?.trim_end_matches('\0');
        let (shared, room) = text.split_once(OWN)?;
        let own = match start {
            Start::Run => "",
            Start::Ask => "timeout menu-force\n",
            Start::Install => "default ashlar-install*\n",
        };
        let left = room.len().checked_sub(own.len() + 1)?;
        let mut sector = format!("{shared}{OWN}{own}{}\n", "#".repeat(left)).into_bytes();
        sector.resize(self.sector.len(), 0);
        Some(sector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../build/data/loader.conf");

    fn menu() -> Menu {
        let mut bytes = vec![0; 4096];
        bytes[1536..1536 + SHIPPED.len()].copy_from_slice(SHIPPED.as_bytes());
        Menu::find(&bytes, 1 << 20).unwrap()
    }

    fn text(sector: &[u8]) -> String {
        String::from_utf8(sector.to_vec()).unwrap().trim_end_matches('\0').to_owned()
    }

    #[test]
    fn every_start_has_the_length_of_the_file_and_goes_back_to_what_was_shipped() {
        let menu = menu();
        assert_eq!(menu.at, (1 << 20) + 1536);
        for start in [Start::Run, Start::Ask, Start::Install] {
            let sector = menu.starting(start).unwrap();
            assert_eq!(text(&sector).len(), SHIPPED.len(), "{start:?}");
            let back = Menu { sector, ..menu.clone() }.starting(Start::Run).unwrap();
            assert_eq!(text(&back), SHIPPED, "{start:?}");
        }
    }

    #[test]
    fn the_last_word_on_what_starts_is_the_medium_s_own() {
        let last = |start, key: &str| {
            let text = text(&menu().starting(start).unwrap());
            let line = text.lines().rfind(|line| line.starts_with(key)).unwrap().to_owned();
            line.split_once(' ').unwrap().1.to_owned()
        };
        assert_eq!(last(Start::Run, "default "), "ashlar_*");
        assert_eq!(last(Start::Ask, "default "), "ashlar_*");
        assert_eq!(last(Start::Install, "default "), "ashlar-install*");
        assert_eq!(last(Start::Run, "timeout "), "5");
        assert_eq!(last(Start::Ask, "timeout "), "menu-force");
    }

    #[test]
    fn the_settings_of_virtual_machines_are_found_as_well_and_both_fit_in_a_sector() {
        let other = include_str!("../../build/data/loader-vm.conf");
        for shipped in [SHIPPED, other] {
            assert!(shipped.len() <= 512);
            let menu = Menu::find(shipped.as_bytes(), 0).unwrap();
            assert!(menu.starting(Start::Install).is_some() && menu.starting(Start::Ask).is_some());
        }
    }
}
