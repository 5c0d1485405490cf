//! A way out that a person types before this box, on top of the site that it has.

use crate::identity::Known;
use crate::paths::Paths;
use anyhow::{Result, anyhow};
use ashlar_api::WayOut;
use ashlar_site::{Site, TypedWayOut};
use std::net::IpAddr;

/// What the site says of this box's way out.
pub(super) fn of(site: &Site, known: &Known) -> WayOut {
    let uplink = known.node(site).and_then(|node| node.uplink);
    let network = &site.network;
    WayOut {
        address: uplink.map(|uplink| uplink.to_string()),
        gateway: network.gateway.filter(|_| uplink.is_some()).map(|gateway| gateway.to_string()),
        names: network.dns.iter().map(IpAddr::to_string).collect(),
    }
}

/// The site on the disk with another way out, and what would come of it, a line each.
pub(super) fn with(paths: &Paths, known: &Known, way: &WayOut) -> Result<(Site, Vec<String>)> {
    let old = Site::load(&paths.site())?;
    let typed = TypedWayOut {
        address: way.address.as_deref(),
        gateway: way.gateway.as_deref(),
        names: way.names.iter().map(String::as_str).collect(),
    };
    let new = known.with_way_out(&old, &typed).map_err(|why| anyhow!(why))?;
    let mut lines = vec![
        format!("The way out of this box is now {}.", of(&old, known)),
        format!("Then it is {way}."),
        "Its address in the cluster stays.".into(),
    ];
    if !new.forgotten.is_empty() {
        let listed: Vec<_> = new.forgotten.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "Beware: this box's site forgets {}, which other boxes have in another network: they \
             are told theirs at their own screens.",
            listed.join(" ")
        ));
    }
    Ok((new.site, lines))
}
