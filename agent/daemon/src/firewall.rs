//! The packet filter: cluster ports answer on the cluster address only, which the
//! agent tells it. Until then they answer on none.

use crate::host::{Host, UnitState};
use crate::paths::Paths;
use crate::state;
use anyhow::Result;
use ashlar_api::RING_PORT;
use ashlar_recipe::Site;
use std::net::IpAddr;

/// Loads the rules, and what lies in the agent's directory with them.
const UNIT: &str = "ashlar-firewall.service";

/// Tells the packet filter this node's cluster address. An image without one has
/// nothing to tell.
pub(crate) async fn admit(
    paths: &Paths,
    host: &impl Host,
    site: &Site,
    address: IpAddr,
) -> Result<()> {
    if host.unit(UNIT).await? != UnitState::Active {
        return Ok(());
    }
    let dir = paths.firewall();
    state::make_public_dir(&dir)?;
    let file = dir.join("cluster.nft");
    if state::write_if_changed(&file, rules(site, address).as_bytes(), 0o644)?
        && let Err(error) = host.restart_if_running(UNIT).await
    {
        // Told again at the next try.
        let _ = std::fs::remove_file(&file);
        return Err(error);
    }
    Ok(())
}

/// A site may name boxes by any address that they have (`network.join`), so the
/// ring answers on all of them: it lets nobody in without its key.
fn rules(site: &Site, address: IpAddr) -> String {
    let network = site.network.cluster;
    format!(
        "# Written by ashlar-agent.\n\
         add element inet ashlar cluster {{ {address} }}\n\
         add element inet ashlar network {{ {network} }}\n\
         add rule inet ashlar rendezvous ip daddr != {address} fib daddr type local \
         tcp dport {RING_PORT} dnat ip to {address}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, loopback};

    #[tokio::test]
    async fn the_packet_filter_is_told_once_and_only_where_there_is_one() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(40));
        let admit = async || admit(&node.paths, &fake, &node.site, loopback(40)).await.unwrap();
        admit().await;
        assert!(!node.paths.firewall().exists());
        fake.world().active.insert(UNIT.into());
        admit().await;
        admit().await;
        assert_eq!(fake.world().calls, ["restart ashlar-firewall.service"]);
    }
}
