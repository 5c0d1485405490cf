//! The data partition: what is lost with it, and what a person can do.

use super::Found;
use crate::situation::Situation;
use crate::{DataStanding, Repair, holds_it_twice};

/// Who has another copy of what this box holds.
enum Others {
    /// The others of a set of three.
    Fill,
    /// One other box.
    One,
    /// Nobody.
    None,
    /// That cannot be seen now.
    Unknown,
}

fn others(s: &Situation<'_>) -> Others {
    let (Some(volume), Some(me)) = (s.volume(), &s.observed.identity) else {
        return if s.wanted.solo { Others::None } else { Others::Unknown };
    };
    match volume.set_of(me.address).len() {
        0 => Others::Unknown,
        1 => Others::None,
        2 => Others::One,
        _ => Others::Fill,
    }
}

pub(super) fn data(s: &Situation<'_>, found: &mut Found) {
    // Nothing else keeps anything there.
    if !s.wanted.ring || !(s.wanted.storage || s.wanted.swarm) {
        return;
    }
    if let Some(unmounted) = &s.observed.data.unmounted {
        let why = &unmounted.why;
        match unmounted.standing {
            DataStanding::Repairing => {
                let words = "the file system of the data partition is being repaired: it was \
                     broken";
                let cure = "leave the box on: a large disk may take hours";
                found.warning("data-repairing", "data", words, cure);
            }
            DataStanding::Gone => gone(s, why, found),
            DataStanding::Failing => {
                let words = format!("the disk of the data partition fails, or its cable: {why}");
                let cure = "switch the box off and look at the cable; a disk that fails is \
                     replaced, and written with the image anew: the box joins as another one";
                found.critical("data-failing", "data", words, cure);
            }
            DataStanding::Foreign => {
                let words = format!("the data partition is left as it is: {why}");
                let cure = "bring the box to the newest release it had; else save what you need \
                     of that disk, and reset the box";
                found.critical("data-foreign", "data", words, cure);
            }
            DataStanding::Absent => {
                let words = "this box does not find its data partition";
                let cure = "look at the disk and its cable; if it was deleted, reset the box";
                found.critical("data-absent", "data", words, cure);
            }
        }
    } else if let Some(repair) = s.observed.data.repaired {
        repaired(s, repair, found);
    }
}

fn gone(s: &Situation<'_>, why: &str, found: &mut Found) {
    match others(s) {
        Others::Fill => {
            let words = format!(
                "no repair of the data partition helped ({why}): what containers kept on this box \
                 alone is lost; the cluster's files are on other boxes"
            );
            let cure = "nothing: it is made anew, and filled by the other copies, once these run \
                 and lack nothing";
            found.critical("data-gone", "data", words, cure);
        }
        Others::One => {
            let words = format!(
                "no repair of the data partition helped ({why}): what containers kept on this box \
                 alone is lost, and one of two copies of the cluster's files"
            );
            let cure = "look at the other box: if it has all that you need, `ashlarctl reset \
                 factory --keep-site` here makes a new box of this one, which it fills; else have \
                 somebody look at the disk first";
            found.critical("data-gone", "data", words, cure);
        }
        Others::None => {
            let words = format!(
                "no repair of the data partition helped ({why}): all that containers and the \
                 cluster kept on it is lost, and nobody has another copy"
            );
            let cure = "have somebody look at the disk, if there is no backup; a factory reset \
                 makes the partition anew";
            found.critical("data-gone", "data", words, cure);
        }
        Others::Unknown => {
            let words = format!(
                "no repair of the data partition helped ({why}): what containers kept on this box \
                 alone is lost, and so is a copy of the cluster's files, if it had one"
            );
            let cure = "look whether other boxes have the cluster's files; then `ashlarctl reset \
                 factory --keep-site` here makes a new box of it";
            found.critical("data-gone", "data", words, cure);
        }
    }
}

fn repaired(s: &Situation<'_>, repair: Repair, found: &mut Found) {
    let log = if repair.log_dropped {
        "what was written last may be missing"
    } else {
        "parts of it may be missing"
    };
    let torn = match repair.torn {
        0 => String::new(),
        n => format!(", {n} files or folders lost their names (/data/lost+found)"),
    };
    let words = format!(
        "the file system of the data partition was broken and is repaired: {log}{torn}, of this \
         box's copy of the cluster's files and of what containers keep on it alone"
    );
    let cure = match others(s) {
        Others::Fill if holds_it_twice(&s.observed.disks) => {
            "nothing: its copy is set aside and filled by the other two, once they run and lack \
             nothing; look after local volumes of containers"
        }
        Others::Fill => {
            "remove files or images until less than half is used: then its copy is set aside and \
             filled by the other two; or reset this box with its site kept"
        }
        _ => {
            "look through your files, and compare them with another box's or a backup; reset this \
             box with its site kept and it is filled by another box that has a copy; removing \
             /var/lib/ashlar/data-repaired.json ends this message"
        }
    };
    found.warning("data-repaired", "data", words, cure);
}
