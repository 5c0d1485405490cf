//! What three machines are to each other once they are a cluster.

use super::THREE;
use anyhow::Result;
use ashlar_tests::claims;

#[test]
fn three_switched_on_together_become_ready() -> Result<()> {
    let formed = THREE.lend(|three| Ok(three.formed))?;
    println!("power-on to ready: {:.0} s", formed.as_secs_f64());
    Ok(())
}

#[test]
fn nobody_listens_but_ours() -> Result<()> {
    THREE.lend(|three| claims::nobody_listens_but_ours(&three.fleet))
}
