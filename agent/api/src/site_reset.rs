//! `POST /v1/reset/site`: every box of a site is reset, the one that is asked last.

use crate::{Client, ClientError, Losses, route};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long all boxes together may take to say what they would lose.
const DEADLINE: Duration = Duration::from_secs(90);

/// The body of `POST /v1/reset/site`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteResetRequest {
    /// The site's name, typed by a person: without it nothing is done.
    pub site: Option<String>,
    /// The boxes come back with the site that they have now, and found it anew.
    pub keep_site: bool,
    /// Go on without the boxes that do not answer.
    pub partial: bool,
    /// Say what would be lost, and do nothing.
    pub dry_run: bool,
}

/// The body of `POST /v1/reset/box`, which one box of a site says to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BoxResetRequest {
    /// The site's name, as a person typed it.
    pub site: String,
    /// As in [`SiteResetRequest`].
    pub keep_site: bool,
    /// As in [`SiteResetRequest`].
    pub dry_run: bool,
}

/// The answer to `POST /v1/reset/site`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteResetAnswer {
    /// The site's name.
    pub site: String,
    /// Every box, the one that was asked last.
    pub boxes: Vec<BoxReset>,
}

/// What becomes of one box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BoxReset {
    /// Its name.
    pub name: String,
    /// What it loses, a line each, if it said so.
    pub losses: Vec<String>,
    /// Its reset has begun.
    pub begun: bool,
    /// Why it is not reset, in words.
    pub trouble: Option<String>,
}

impl SiteResetAnswer {
    /// Whether every box was reset, or would be.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.boxes.iter().all(|one| one.trouble.is_none())
    }

    /// All of it as a person reads it before it begins, a line each.
    #[must_use]
    pub fn sentences(&self, keep_site: bool) -> Vec<String> {
        let mut lines =
            vec![format!("A reset of the site {} takes away, for good, on every box:", self.site)];
        for one in &self.boxes {
            lines.push(format!("{}:", one.name));
            lines.extend(one.losses.iter().map(|line| format!("  - {line}")));
            lines.extend(one.trouble.iter().map(|why| format!("  is not reset: {why}")));
        }
        lines.push("All copies of the volume are lost: back up what you need.".to_owned());
        lines.push(if keep_site {
            "The boxes keep their site, and found it anew.".to_owned()
        } else {
            "The boxes forget their site, and wait until they are given one.".to_owned()
        });
        lines
    }

    /// What was done, a line each.
    #[must_use]
    pub fn outcome(&self) -> Vec<String> {
        let line = |one: &BoxReset| match &one.trouble {
            None if one.begun => format!("{}: resets now", one.name),
            None => format!("{}: was not asked", one.name),
            Some(why) => format!("{}: is not reset: {why}", one.name),
        };
        self.boxes.iter().map(line).collect()
    }
}

impl BoxReset {
    /// One of which nothing is known yet.
    #[must_use]
    pub fn of(name: impl Into<String>) -> Self {
        Self { name: name.into(), losses: Vec::new(), begun: false, trouble: None }
    }

    /// Takes in what it would lose.
    pub fn loses(&mut self, losses: &Losses) {
        self.losses.clone_from(&losses.lines);
    }
}

impl Client {
    /// Asks for a reset of this node's whole site.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root.
    pub async fn reset_site(
        &self,
        request: &SiteResetRequest,
    ) -> Result<SiteResetAnswer, ClientError> {
        let mut connection = self.connect().await?.deadline(DEADLINE);
        connection.post(route::SITE_RESET, request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_said_box_by_box_and_a_box_that_is_left_out_by_name() {
        let mut first = BoxReset::of("ashlar-aa");
        first.losses.push("its copy of the volume".into());
        let second = BoxReset { trouble: Some("it is off".into()), ..BoxReset::of("ashlar-bb") };
        let answer = SiteResetAnswer { site: "shop".into(), boxes: vec![first, second] };
        assert!(!answer.is_whole());
        let text = answer.sentences(false).join("\n");
        assert!(text.contains("ashlar-aa:\n  - its copy of the volume"), "{text}");
        assert!(text.contains("ashlar-bb:\n  is not reset: it is off"), "{text}");
        let outcome = ["ashlar-aa: was not asked", "ashlar-bb: is not reset: it is off"];
        assert_eq!(answer.outcome(), outcome);
    }
}
