//! Two nodes of one name: the ring decides who keeps it.
//!
//! Source: hashicorp/serf, `serf/serf.go` (`handleNodeConflict`,
//! `resolveNodeConflict`).

use super::queries::{INTERNAL, Purpose};
use super::{Node, QueryRequest};
use crate::event::Status;
use crate::output::Output;
use crate::swim::Name;
use crate::time::Time;
use crate::wire::serf::{Member, kind};
use crate::wire::swim::{NodeAddr, decode, encode};
use bytes::Bytes;
use std::net::SocketAddr;

/// The internal query that asks where a name lives.
pub(super) const CONFLICT: &str = "conflict";

/// What members answered so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conflict {
    answered: usize,
    matching: usize,
}

impl Node {
    /// A node at `claimed_by` claims the name of a member.
    pub(super) fn name_claimed(&mut self, now: Time, name: &Name, claimed_by: SocketAddr) {
        let why = format!("it claims the name `{name}`, which belongs to another node");
        self.swim.refused(claimed_by, &why);
        if *name != self.swim.name || self.conflict.is_some() || self.leaving.is_some() {
            return;
        }
        let request = QueryRequest {
            name: format!("{INTERNAL}{CONFLICT}"),
            payload: Bytes::copy_from_slice(name.as_bytes()),
            ..QueryRequest::default()
        };
        if self.ask(now, request, Purpose::Conflict).is_ok() {
            self.conflict = Some(Conflict::default());
        }
    }

    /// What this node knows of a name that two claim.
    pub(super) fn conflict_answer(&self, name: &[u8]) -> Option<Bytes> {
        let name = std::str::from_utf8(name).ok().filter(|name| *name != self.name())?;
        let member = self.member(name)?;
        let answer = Member {
            name: name.to_owned(),
            addr: NodeAddr::new(member.address.ip()).write(),
            port: member.address.port(),
            tags: (*member.tags).clone(),
            status: member.status.number(),
        };
        Some(encode(kind::CONFLICT_RESPONSE, &answer).into())
    }

    /// A node says where our name lives. It has a vote if it is a member: its
    /// name is all that tells it from somebody who votes a hundred times.
    pub(super) fn conflict_answered(&mut self, from: &str, payload: &[u8]) {
        if self.member(from).is_none_or(|member| member.status != Status::Alive) {
            return;
        }
        let Some(conflict) = &mut self.conflict else { return };
        let Some((&kind::CONFLICT_RESPONSE, body)) = payload.split_first() else { return };
        let Ok(member) = decode::<Member>(body) else { return };
        conflict.answered += 1;
        let ip = NodeAddr::read(&member.addr).map(NodeAddr::ip);
        let address = ip.map(|ip| SocketAddr::new(ip, member.port));
        conflict.matching += usize::from(address == Some(self.swim.address));
    }

    /// Everybody had time to answer.
    pub(super) fn conflict_settled(&mut self, _now: Time) {
        let Some(Conflict { answered, matching }) = self.conflict.take() else { return };
        // Silence is no verdict: Go's agent stops then, and a node whose
        // packets are lost for a moment would stop with it.
        if answered > 0 && matching < answered / 2 + 1 {
            self.swim.output.push_back(Output::NameLost { matching, answered });
        }
    }
}
