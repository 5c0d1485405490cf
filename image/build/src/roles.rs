//! Boot roles: several ways to start one UKI, listed in the loader's menu. Each is
//! a UKI profile with a command line of its own.

/// A way to start.
pub(crate) struct Role {
    /// What follows `@` in the name of its menu entry.
    id: &'static str,
    /// Its line in the menu.
    title: &'static str,
    /// What it adds to the kernel's command line.
    words: &'static str,
}

/// The first one starts by itself.
pub(crate) const ROLES: [Role; 3] = [
    Role { id: "run", title: "Run from this disk", words: "" },
    Role {
        id: "try",
        title: "Try without touching a disk",
        // Nothing of the disk is mounted but the verified root; the site is left
        // alone, because a node that forgets itself must not join a cluster.
        words: "ashlar.role=try rd.systemd.mask=sysroot-var.mount \
                rd.systemd.mask=systemd-repart.service systemd.mask=data.mount \
                systemd.mask=ashlar-seed.service",
    },
    Role {
        id: "reset",
        title: "Factory reset: erase this box's site and data",
        words: "ashlar.role=reset",
    },
];

impl Role {
    /// The text of its `.profile` section.
    pub(crate) fn profile(&self) -> String {
        format!("ID={}\nTITLE={}\n", self.id, self.title)
    }

    /// Its whole command line.
    pub(crate) fn command_line(&self, base: &str) -> String {
        if self.words.is_empty() { base.to_owned() } else { format!("{base} {}", self.words) }
    }

    /// The name of the file that carries it to the UKI.
    pub(crate) fn file(&self) -> String {
        format!("{}.profile.efi", self.id)
    }
}

/// All that the UKI takes from here, for its cache key.
pub(crate) fn text() -> String {
    ROLES.iter().map(|role| role.profile() + &role.command_line("") + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starts_by_itself_adds_nothing_and_no_other_role_shares_its_name() {
        assert_eq!(ROLES[0].command_line("ro"), "ro");
        let mut ids: Vec<_> = ROLES.iter().map(|role| role.id).collect();
        ids.dedup();
        assert_eq!(ids.len(), ROLES.len());
    }

    #[test]
    fn every_other_role_says_so_on_the_command_line() {
        for role in &ROLES[1..] {
            let line = role.command_line("ro");
            assert!(line.contains(&format!("ashlar.role={}", role.id)), "{line}");
        }
    }
}
