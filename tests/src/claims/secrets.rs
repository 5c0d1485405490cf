//! Where secrets must not be.

use crate::fleet::Fleet;
use anyhow::{Result, ensure};
use ashlar_site::Site;
use base64::{Engine, prelude::BASE64_STANDARD};

/// Site, keyring, keys and the password of the ring's RPC: mode 0600, root's,
/// in directories that nobody else enters.
///
/// # Errors
/// With the modes when they are otherwise.
pub fn secrets_are_for_root_only(fleet: &Fleet) -> Result<()> {
    for node in fleet.nodes() {
        let modes = node.sh("stat -c '%a %U %n' /var/lib/ashlar /var/lib/ashlar/site.toml \
             /var/lib/ashlar/ring/keyring.json /var/lib/ashlar/pki/node.key /run/ashlar/serf-rpc-auth \
             $(ls /var/lib/ashlar/pki/ca.key.sealed 2>/dev/null)")?;
        for line in modes.lines() {
            let private = line.starts_with("600 root ") || line.starts_with("700 root ");
            ensure!(private, "{}: others may read something:\n{modes}", node.name());
        }
    }
    Ok(())
}

/// The ring key and the Swarm's join tokens are in no journal and no process's
/// arguments.
///
/// # Errors
/// When one is, without showing it.
pub fn secrets_are_not_in_journal_or_arguments(fleet: &Fleet, site: &Site) -> Result<()> {
    let mut secrets = BASE64_STANDARD.encode(site.ring_key.as_bytes());
    // Every token begins so; a longer beginning is not needed to notice one.
    secrets.push_str("\nSWMTKN-1-");
    for node in fleet.nodes() {
        for (place, print) in [
            ("its journal", "journalctl --no-pager -o cat"),
            ("an argument list", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"),
        ] {
            // The patterns come on standard input, or we would find ourselves.
            let script =
                format!("f=$(mktemp -p /run) && cat >$f && {print} | grep -c -F -f $f; rm -f $f");
            let found = node.sh_with(&script, secrets.as_bytes())?;
            ensure!(found == "0", "{}: a secret is in {place}, {found} times", node.name());
        }
    }
    Ok(())
}
