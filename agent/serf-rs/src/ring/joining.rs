//! Joining a ring: asking a few of its members for all they know.

use super::{Node, gossip};
use crate::output::Output;
use crate::swim::JoinId;
use crate::time::Time;
use std::net::SocketAddr;

/// A join that is under way.
#[derive(Debug)]
pub(super) struct Joining {
    /// Addresses whose outcome is not known yet.
    open: Vec<SocketAddr>,
    reached: usize,
    errors: Vec<(SocketAddr, String)>,
    /// Whether the ring's past events are wanted.
    pub(super) replay: bool,
    /// Asked for by the caller; or else our own attempt to get a failed one back.
    pub(super) asked: bool,
}

impl Node {
    /// Joins the rings of the nodes at `addresses`; [`Output::Joined`] says
    /// with what success. `replay` asks for the ring's past events as well.
    pub fn join(&mut self, now: Time, addresses: &[SocketAddr], replay: bool) -> JoinId {
        let join = self.begin_join(now, addresses, replay, true);
        self.settle(now);
        join
    }

    pub(super) fn begin_join(
        &mut self,
        now: Time,
        to: &[SocketAddr],
        replay: bool,
        asked: bool,
    ) -> JoinId {
        self.joins_begun += 1;
        let join = JoinId(self.joins_begun);
        let joining = Joining { open: to.to_vec(), reached: 0, errors: Vec::new(), replay, asked };
        self.joins.insert(join, joining);
        for address in to {
            let state = gossip::local_state(&self.members, self.clock, &self.events, &self.queries);
            self.swim.exchange(now, *address, Some(join), state);
        }
        if to.is_empty() {
            self.finish_join(now, join);
        }
        join
    }

    pub(super) fn joining(
        &mut self,
        now: Time,
        join: JoinId,
        address: SocketAddr,
        result: Result<(), String>,
    ) {
        let Some(joining) = self.joins.get_mut(&join) else { return };
        joining.open.retain(|open| *open != address);
        match result {
            Ok(()) => joining.reached += 1,
            Err(why) => joining.errors.push((address, why)),
        }
        if joining.open.is_empty() {
            self.finish_join(now, join);
        }
    }

    fn finish_join(&mut self, now: Time, join: JoinId) {
        let Some(Joining { reached, errors, asked: true, .. }) = self.joins.remove(&join) else {
            return;
        };
        if reached > 0 {
            self.announce_join(now);
        }
        self.swim.output.push_back(Output::Joined { join, reached, errors });
    }
}
