//! Ports and addresses.

use super::{UNKNOWN, fact, faint, heading};
use crate::glyphs::{GOOD, WAITING, plain};
use crate::known::Known;
use ashlar_api::{LinkKind, LinkView};
use ratatui::style::{Color, Stylize};
use ratatui::text::Line;
use std::net::IpAddr;

/// Every port of the machine's own in a line or two.
pub(super) fn short(known: &Known<'_>, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![heading("network", width)];
    let Some(network) = known.network else {
        lines.extend(faint(UNKNOWN, width));
        return lines;
    };
    let own = network.links.iter().filter(|link| link.kind != LinkKind::Virtual);
    // Where the cluster's address is on a bridge or a bond, that is a port as well.
    let cluster = cluster_address(known);
    let also = network.links.iter().filter(|link| {
        link.kind == LinkKind::Virtual
            && link.addresses.iter().any(|at| Some(at.address) == cluster)
    });
    for link in own.chain(also) {
        lines.push(port(link));
        let mut addresses = Vec::new();
        for at in link.addresses.iter().filter(|at| !at.is_of_the_link()) {
            let of = if Some(at.address) == cluster { " (cluster)" } else { "" };
            addresses.push(format!("{at}{of}"));
        }
        if !addresses.is_empty() {
            lines.extend(fact("", &addresses.join("  "), Color::White, width));
        }
    }
    if lines.len() == 1 {
        lines.extend(faint("this machine has no port that a cable goes into", width));
    }
    lines
}

fn port(link: &LinkView) -> Line<'static> {
    let (mark, color) =
        if link.carrier { (GOOD, Color::LightGreen) } else { (WAITING, Color::LightYellow) };
    let mac = link.mac.as_deref().unwrap_or("no MAC address");
    Line::from(vec![
        format!("{mark} {:<15} ", plain(&link.name)).fg(color),
        format!("{:<16} ", link.state()).fg(color),
        plain(mac).into(),
    ])
}

fn cluster_address(known: &Known<'_>) -> Option<IpAddr> {
    known.status.and_then(|status| status.identity.as_ref()).map(|me| me.address)
}

pub(super) fn lines(known: &Known<'_>, width: usize) -> Vec<Line<'static>> {
    let Some(network) = known.network else { return faint(UNKNOWN, width) };
    let cluster = cluster_address(known);
    let mut lines = Vec::new();
    for (kind, title) in [
        (LinkKind::Wired, "ports with a cable"),
        (LinkKind::Wireless, "radio"),
        (LinkKind::Virtual, "made by software"),
    ] {
        let links: Vec<_> = network.links.iter().filter(|link| link.kind == kind).collect();
        if links.is_empty() {
            continue;
        }
        lines.push(heading(title, width));
        for link in links {
            lines.push(port(link));
            for at in &link.addresses {
                let of = match (Some(at.address) == cluster, at.is_of_the_link()) {
                    (true, _) => "   this box in its cluster",
                    (_, true) => "   on this cable only",
                    _ => "",
                };
                lines.extend(fact("", &format!("{at}{of}"), Color::White, width));
            }
        }
    }
    let listed = |addresses: &[IpAddr]| match addresses {
        [] => "none".to_owned(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join("  "),
    };
    lines.push(heading("the way out", width));
    lines.extend(fact("gateway", &listed(&network.gateways), Color::White, width));
    lines.extend(fact("names", &listed(&network.name_servers), Color::White, width));
    lines.push(Line::default());
    let words = "To change it: a, then `change the network of this box`.";
    lines.extend(faint(words, width));
    lines
}
