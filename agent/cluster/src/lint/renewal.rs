//! A box's own copy that begins anew: of a brick, and of all of its data partition.

use super::removal::{gives_brick, set_at, whole_without};
use super::{Case, Verdict, must};
use crate::Step;
use std::net::IpAddr;

pub(super) fn renew_only_what_others_fill(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::RenewBrick) {
        return Ok(());
    }
    let own = own_address(c)?;
    let data = &c.o.data;
    must(data.unmounted.is_none(), "the data partition is not mounted")?;
    if c.volume().is_some_and(|volume| volume.emptied) {
        down(c, own)?;
    } else {
        let doubt = "this node's brick is neither known to be empty nor in doubt";
        must(data.repaired.is_some(), doubt)?;
        let room = |d: &crate::Disk| d.name == "data" && d.used_percent < 50;
        must(c.o.disks.iter().any(room), "there is no room for a second brick beside it")?;
    }
    others_fill(c, own)
}

pub(super) fn remake_only_what_others_fill(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::RemakeData) {
        return Ok(());
    }
    must(c.o.data.is_gone(), "the data partition is not known to be gone")?;
    let own = own_address(c)?;
    down(c, own)?;
    others_fill(c, own)
}

fn own_address(c: &Case<'_>) -> Result<IpAddr, String> {
    c.o.identity.as_ref().map(|me| me.address).ok_or_else(|| "this node is nobody".into())
}

fn down(c: &Case<'_>, own: IpAddr) -> Verdict {
    let volume = c.volume().ok_or("no volume is known")?;
    must(volume.bricks.iter().all(|b| b.address != own || !b.online), "this node's brick runs")
}

/// Of two the empty one could be whom the other waits for.
fn others_fill(c: &Case<'_>, own: IpAddr) -> Verdict {
    let volume = c.volume().ok_or("no volume is known")?;
    must(gives_brick(c, own), "this node gives no brick")?;
    let of_three = set_at(volume, own).len() > 2;
    must(of_three, "the volume has no two other bricks for these files")?;
    whole_without(c, own)
}
