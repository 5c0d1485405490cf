//! The status as it changes.

use crate::{Client, ClientError, Lines, Status, route};

/// One status after the other, until the box has no more to tell.
#[derive(Debug)]
pub struct StatusLines {
    lines: Lines,
}

impl StatusLines {
    /// The next one, which may be the same again: a box that has nothing new says so
    /// every few seconds.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get).
    pub async fn next(&mut self) -> Result<Option<Status>, ClientError> {
        let Some(line) = self.lines.next().await? else { return Ok(None) };
        let status = serde_json::from_slice(&line);
        let malformed =
            |source| ClientError::Malformed { path: route::STATUS_FOLLOW.into(), source };
        status.map(Some).map_err(malformed)
    }
}

impl Client {
    /// Where this node stands, now and whenever that changes. A session with a box
    /// elsewhere ends after a while; whoever wants to know more asks again.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get).
    pub async fn follow_status(&self) -> Result<StatusLines, ClientError> {
        let lines = self.connect().await?.lines(route::STATUS_FOLLOW).await?;
        Ok(StatusLines { lines })
    }
}
