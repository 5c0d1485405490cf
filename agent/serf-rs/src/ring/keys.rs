//! Changing the keys of the whole ring, without a moment in which two members
//! do not understand each other: install the new key everywhere, use it
//! everywhere, remove the old one.
//!
//! Source: hashicorp/serf, `serf/keymanager.go`, `serf/internal_query.go`.

use super::answers::Received;
use super::queries::{INTERNAL, LARGEST, Purpose};
use super::{EventError, Node, QueryKey, QueryRequest};
use crate::keyring::{Key, Keyring};
use crate::output::Output;
use crate::time::Time;
use crate::wire::serf::{KeyRequest, KeyResponse, kind};
use crate::wire::swim::{decode, encode};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Bytes that an answer needs besides its payload.
const ANSWER_OVERHEAD: usize = 200;

/// The internal queries that ask for it.
const INSTALL: &str = "install-key";
const USE: &str = "use-key";
const REMOVE: &str = "remove-key";
const LIST: &str = "list-keys";
const OPERATIONS: [&str; 4] = [INSTALL, USE, REMOVE, LIST];

/// Something to do with the ring's keys.
#[derive(Clone, Debug)]
pub enum KeyOperation {
    /// Accept this key as well.
    Install(Key),
    /// Encrypt with this key, which has to be installed.
    Use(Key),
    /// Accept this key no longer; it must not be in use.
    Remove(Key),
    /// Tell the keys.
    List,
}

impl KeyOperation {
    const fn name(&self) -> &'static str {
        match self {
            Self::Install(_) => INSTALL,
            Self::Use(_) => USE,
            Self::Remove(_) => REMOVE,
            Self::List => LIST,
        }
    }

    fn key(&self) -> Bytes {
        match self {
            Self::Install(key) | Self::Use(key) | Self::Remove(key) => {
                Bytes::copy_from_slice(key.as_bytes())
            }
            Self::List => Bytes::new(),
        }
    }
}

/// What the members answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyResult {
    /// What members said, mostly why they could not.
    pub messages: BTreeMap<String, String>,
    /// How many members have each key, in base64.
    pub keys: BTreeMap<String, i64>,
    /// How many members use each key, in base64.
    pub primary: BTreeMap<String, i64>,
    /// How many members there are,
    pub nodes: i64,
    /// answered,
    pub answered: i64,
    /// and could not.
    pub errors: i64,
}

impl KeyResult {
    /// What is wrong, in Serf's words; none if every member did it.
    pub fn problem(&self) -> Option<String> {
        if self.errors > 0 {
            Some(format!("{}/{} nodes reported failure", self.errors, self.nodes))
        } else if self.answered != self.nodes {
            Some(format!("{}/{} nodes reported success", self.answered, self.nodes))
        } else {
            None
        }
    }
}

/// The answers so far.
#[derive(Debug)]
pub(super) struct Tally(KeyResult);

impl Tally {
    /// Counts an answer. Whether it was the last.
    pub(super) fn count(&mut self, from: String, payload: &[u8]) -> bool {
        let Self(result) = self;
        result.answered += 1;
        let answer = match payload.split_first() {
            Some((&kind::KEY_RESPONSE, body)) => decode::<KeyResponse>(body).ok(),
            _ => None,
        };
        let answer = answer.unwrap_or_else(|| KeyResponse {
            message: "an answer that cannot be read".to_owned(),
            ..KeyResponse::default()
        });
        result.errors += i64::from(!answer.result);
        if !answer.message.is_empty() {
            result.messages.insert(from, answer.message);
        }
        for key in answer.keys {
            *result.keys.entry(key).or_default() += 1;
        }
        if !answer.primary.is_empty() {
            *result.primary.entry(answer.primary).or_default() += 1;
        }
        result.answered >= result.nodes
    }
}

pub(super) fn result(Tally(result): Tally) -> KeyResult {
    result
}

/// Names an [`Output::SaveKeyring`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaveId(u64);

/// Answers that wait until a changed keyring is safe.
#[derive(Debug, Default)]
pub(super) struct Saves {
    waiting: BTreeMap<SaveId, Received>,
    count: u64,
}

impl Node {
    /// Changes or lists the keys of every member; [`Output::KeysDone`] has the
    /// result.
    pub fn keys(&mut self, now: Time, operation: &KeyOperation) -> Result<QueryKey, EventError> {
        if self.keyring().is_none() {
            return Err(EventError::NoKeyring);
        }
        let request = QueryRequest {
            name: format!("{INTERNAL}{}", operation.name()),
            payload: encode(kind::KEY_REQUEST, &KeyRequest { key: operation.key() }).into(),
            ..QueryRequest::default()
        };
        let alive = self.swim.peers().filter(|(_, peer)| !peer.state.is_gone()).count();
        let nodes = i64::try_from(alive).unwrap_or(i64::MAX);
        let tally = Tally(KeyResult { nodes, ..KeyResult::default() });
        let key = self.ask(now, request, Purpose::Keys(tally))?;
        self.settle(now);
        Ok(key)
    }

    /// Gives this node alone these keys. The caller has kept them: whoever hears what it
    /// says from now on may forget an older key.
    pub fn set_keyring(&mut self, keyring: Keyring) {
        self.swim.envelope.keyring = Some(keyring);
    }

    /// A member asks everybody, this node too, to do something with the keys.
    pub(super) fn key_query(&mut self, now: Time, name: &str, payload: &[u8], from: Received) {
        if !OPERATIONS.contains(&name) {
            return;
        }
        let request = match payload.split_first() {
            Some((&kind::KEY_REQUEST, body)) => decode::<KeyRequest>(body).ok(),
            _ => None,
        };
        let Some(request) = request else {
            return self.refuse_key(now, &from, &"the request cannot be read");
        };
        let Some(keyring) = self.swim.envelope.keyring.as_mut() else {
            return self.refuse_key(now, &from, &"No keyring to modify (encryption not enabled)");
        };
        let key = Key::new(&request.key);
        let changed = match name {
            INSTALL => key.and_then(|key| keyring.install(key)),
            USE => key.and_then(|key| keyring.use_key(&key)),
            REMOVE => key.and_then(|key| keyring.remove(&key)),
            _ => {
                let list = list(keyring);
                return self.answer_keys(now, &from, list);
            }
        };
        match changed {
            Ok(()) => {
                // Whoever asks may remove the old key next: ours has to be safe.
                let keyring = keyring.clone();
                self.saves.count += 1;
                let save = SaveId(self.saves.count);
                self.saves.waiting.insert(save, from);
                self.swim.output.push_back(Output::SaveKeyring { save, keyring });
            }
            Err(error) => self.refuse_key(now, &from, &error),
        }
    }

    fn refuse_key(&mut self, now: Time, from: &Received, why: &impl ToString) {
        let message = why.to_string();
        self.answer_keys(now, from, KeyResponse { message, ..KeyResponse::default() });
    }

    /// The keyring of an [`Output::SaveKeyring`] is safe, or why it is not.
    pub fn keyring_saved(&mut self, now: Time, save: SaveId, result: Result<(), String>) {
        let Some(from) = self.saves.waiting.remove(&save) else { return };
        let answer = match result {
            Ok(()) => KeyResponse { result: true, ..KeyResponse::default() },
            Err(message) => KeyResponse { message, ..KeyResponse::default() },
        };
        self.answer_keys(now, &from, answer);
        self.settle(now);
    }

    fn answer_keys(&mut self, now: Time, to: &Received, answer: KeyResponse) {
        self.answer(now, to, 0, encode(kind::KEY_RESPONSE, &answer).into());
    }
}

/// Every key, or as many as an answer holds.
fn list(keyring: &Keyring) -> KeyResponse {
    let mut answer = KeyResponse {
        result: true,
        keys: keyring.keys().map(Key::to_base64).collect(),
        primary: keyring.primary().map(Key::to_base64).unwrap_or_default(),
        message: String::new(),
    };
    let all = answer.keys.len();
    while encode(kind::KEY_RESPONSE, &answer).len() > LARGEST - ANSWER_OVERHEAD
        && answer.keys.pop().is_some()
    {
        let shown = answer.keys.len();
        answer.message =
            format!("truncated key list response, showing first {shown} of {all} keys");
    }
    answer
}
