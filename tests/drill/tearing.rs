//! Directories that boxes make at the same moment: `just drill directories`.

use crate::PATIENCE;
use anyhow::{Result, ensure};
use ashlar_machine::Backend;
use ashlar_tests::fleet::Fleet;
use ashlar_tests::site;
use std::time::{Duration, Instant};

/// Names a round; of some thousand about three are torn, more where the machine is busy.
const NAMES: u32 = 1_000;

/// More rounds than it ever took.
const ROUNDS: u32 = 10;

/// Three boxes make the same directories at once until some are torn, which no box can
/// open. All of them open again on every box, and nothing is left to heal, without a hand.
#[test]
fn directories_that_boxes_made_at_once_open_again() -> Result<()> {
    let fleet = Fleet::on(Backend::Lab, "lab-torn", 3, &site::expecting(3, "lab-torn")?)?;
    let all = fleet.all();
    fleet.until_ready(&all, PATIENCE)?;

    let refused = "grep -c 'Failing MKDIR' /var/log/glusterfs/srv-cluster.log || true";
    let mut torn = 0;
    let mut rounds = 0;
    while torn == 0 && rounds < ROUNDS {
        rounds += 1;
        let begin = all[0].sh("date +%s")?.parse::<u64>()? + 3;
        let make = format!(
            "while test $(date +%s) -lt {begin}; do :; done; \
             for i in $(seq {NAMES}); do mkdir /srv/cluster/{rounds}-$i 2>/dev/null; done; true"
        );
        std::thread::scope(|scope| {
            let made: Vec<_> = all.iter().map(|node| scope.spawn(|| node.sh(&make))).collect();
            made.into_iter().try_for_each(|made| made.join().expect("a writer").map(drop))
        })?;
        for node in &all {
            torn += node.sh(refused)?.parse::<u32>()?;
        }
    }
    ensure!(torn > 0, "of {} names none was torn: this proves nothing", rounds * NAMES);
    let since = Instant::now();
    let wanted = (rounds * NAMES).to_string();
    let open = "ls -d --dereference /srv/cluster/[0-9]*/. 2>/dev/null | wc -l";
    fleet.until("every directory opens on every box", Duration::from_secs(600), || {
        for node in &all {
            if node.sh(open)? != wanted {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })?;
    fleet.until_ready(&all, PATIENCE)?;
    println!("{torn} of {wanted} were torn; all open after {:.0} s", since.elapsed().as_secs_f64());
    fleet.consoles_are_clean()
}
