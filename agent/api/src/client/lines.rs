//! An answer that comes line by line, for as long as there is something to tell.

use super::{ClientError, Connection};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;
use tokio::time::timeout;

/// A longer line is none of ours.
const LONGEST: usize = 256 * 1024;

/// The lines of one answer. Dropping it hangs up.
#[derive(Debug)]
pub struct Lines {
    path: String,
    body: Incoming,
    read: BytesMut,
    /// How long the other side may be silent.
    patience: Duration,
    _connection: Connection,
}

impl Lines {
    pub(super) fn new(connection: Connection, path: &str, body: Incoming) -> Self {
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let patience = connection.deadline;
        Self { path, body, read: BytesMut::new(), patience, _connection: connection }
    }

    /// The next line without its end; none after the last.
    ///
    /// # Errors
    /// As [`Connection::get`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let mut line = self.read.split_to(end + 1);
                line.truncate(end);
                return Ok(Some(line.freeze()));
            }
            if self.read.len() > LONGEST {
                return Err(ClientError::TooLong { path: self.path.clone(), longest: LONGEST });
            }
            let after = self.patience;
            match timeout(after, self.body.frame()).await {
                Err(_) => return Err(ClientError::Late { path: self.path.clone(), after }),
                Ok(Some(Ok(frame))) => {
                    self.read.extend_from_slice(&frame.into_data().unwrap_or_default());
                }
                Ok(Some(Err(source))) => {
                    return Err(ClientError::Broken { path: self.path.clone(), source });
                }
                Ok(None) if self.read.is_empty() => return Ok(None),
                Ok(None) => return Ok(Some(self.read.split().freeze())),
            }
        }
    }
}
