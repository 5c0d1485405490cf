//! Without the ring's key nobody gets in, or learns who is there.

use anyhow::{Result, ensure};
use ashlar_tests::ring::{Kind, Peer, Ring, fresh_key};

#[test]
fn another_key_or_none_is_refused_in_both_directions() -> Result<()> {
    Peer::each(|peer| {
        let (key, other) = (fresh_key()?, fresh_key()?);
        let (key, other) = (format!("-encrypt={key}"), format!("-encrypt={other}"));
        let cases: [(&[&str], &[&str]); 3] = [(&[&key], &[&other]), (&[&key], &[]), (&[], &[&key])];
        for member in Kind::BOTH {
            for (inside, outside) in cases {
                let ring = Ring::new(peer)?;
                let inside = ring.start(member, inside)?;
                let outside = ring.start(member.other(), outside)?;
                // Whoever of them asks.
                for (asker, asked) in [(&outside, &inside), (&inside, &outside)] {
                    let said = asker.serf_fails(&["join", &asked.address().to_string()])?;
                    ensure!(said.contains("Error joining"), "{said}");
                    for agent in [asker, asked] {
                        let members = agent.members()?;
                        ensure!(
                            members.len() == 1,
                            "{}: {members:?}\n{}",
                            agent.name(),
                            ring.report()
                        );
                    }
                }
            }
        }
        Ok(())
    })
}
