//! An agent's RPC, for what the `serf` command cannot do: to hear events one by
//! one, and to answer queries.

use anyhow::{Context, Result, ensure};
use rmp_serde::Deserializer;
use serde::{Deserialize, Serialize};
use std::io::{BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

/// A connection that has shaken hands.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    answers: Deserializer<rmp_serde::decode::ReadReader<BufReader<TcpStream>>>,
    requests: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    command: &'a str,
    seq: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    error: String,
}

/// A user's event or a query, as an agent reports it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Heard {
    /// `user` or `query`.
    pub event: String,
    /// Its name.
    pub name: String,
    /// Its payload.
    #[serde(default, deserialize_with = "text")]
    pub payload: String,
    /// Whether only the last of this name matters.
    #[serde(default)]
    pub coalesce: bool,
    /// Of a query: for the answer.
    #[serde(default, rename = "ID")]
    pub id: u64,
}

/// Payloads are bytes; ours are texts, and an empty one is nil in Go.
fn text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(from)?.unwrap_or_default())
}

impl Session {
    pub(super) fn new(stream: TcpStream, auth: Option<&str>) -> Result<Self> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Handshake {
            version: i32,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Auth<'a> {
            auth_key: &'a str,
        }
        let answers = Deserializer::new(BufReader::new(stream.try_clone()?));
        let mut session = Self { stream, answers, requests: 0 };
        session.request("handshake", &Handshake { version: 1 })?;
        if let Some(auth_key) = auth {
            session.request("auth", &Auth { auth_key })?;
        }
        Ok(session)
    }

    fn send(&mut self, command: &str, body: &impl Serialize) -> Result<()> {
        self.requests += 1;
        let mut bytes = rmp_serde::to_vec_named(&Request { command, seq: self.requests })?;
        bytes.extend(rmp_serde::to_vec_named(body)?);
        Ok(self.stream.write_all(&bytes)?)
    }

    fn request(&mut self, command: &str, body: &impl Serialize) -> Result<()> {
        self.send(command, body)?;
        let Answer { error } = Answer::deserialize(&mut self.answers)?;
        ensure!(error.is_empty(), "{command}: {error}");
        Ok(())
    }

    /// Hears events from now on. Queries of the name `load` are answered with
    /// `answer`, if there is one.
    ///
    /// # Errors
    /// When the agent refuses.
    pub fn listen(mut self, answer: Option<&str>) -> Result<Listener> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Stream<'a> {
            r#type: &'a str,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Stop {
            stop: u64,
        }
        self.request("stream", &Stream { r#type: "user,query" })?;
        let events = self.requests;
        // HashiCorp's agent says yes before it begins; what is asked next, here
        // to stop nothing, is answered once it did.
        self.send("stop", &Stop { stop: 0 })?;
        let (begun, begins) = mpsc::channel();
        let stream = self.stream.try_clone()?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (to, answer) = (Arc::clone(&heard), answer.map(str::to_owned));
        let listening =
            std::thread::spawn(move || self.hear(events, &begun, &to, answer.as_deref()));
        begins.recv().context("the agent ended the connection")?;
        Ok(Listener { stream, heard, listening: Some(listening) })
    }

    /// Hears the events of the request `events`, until the connection ends.
    fn hear(
        &mut self,
        events: u64,
        begun: &mpsc::Sender<()>,
        heard: &Mutex<Vec<Heard>>,
        answer: Option<&str>,
    ) -> Result<()> {
        #[derive(Serialize)]
        struct Respond<'a> {
            #[serde(rename = "ID")]
            id: u64,
            #[serde(rename = "Payload")]
            payload: &'a str,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Head {
            seq: u64,
        }
        loop {
            let Head { seq } = Head::deserialize(&mut self.answers)?;
            // What is said to other requests has no body.
            if seq != events {
                // Only the first time does anybody wait for it.
                let _ = begun.send(());
                continue;
            }
            let event = Heard::deserialize(&mut self.answers)?;
            if let Some(payload) = answer.filter(|_| event.event == "query") {
                self.send("respond", &Respond { id: event.id, payload })?;
            }
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        }
    }
}

/// Hears what an agent reports.
#[derive(Debug)]
pub struct Listener {
    stream: TcpStream,
    heard: Arc<Mutex<Vec<Heard>>>,
    listening: Option<JoinHandle<Result<()>>>,
}

impl Listener {
    /// The payloads of what was heard of this name, in their order.
    #[must_use]
    pub fn payloads(&self, name: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().filter(|event| event.name == name).map(|event| event.payload.clone()).collect()
    }

    /// Everything that was heard.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Its thread ends with the connection, which may have ended already.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}
