//! What is known, and what the person in front of the box has scrolled to.

use crate::feed::Answer;
use crate::screen::Screen;
use ashlar_api::Status;
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct Model {
    status: Option<Status>,
    /// Why the agent does not answer, and since when.
    silent: Option<(Instant, String)>,
    /// First member shown.
    scroll: usize,
    /// A key may end the program.
    can_quit: bool,
}

impl Model {
    pub(crate) const fn new(can_quit: bool) -> Self {
        Self { status: None, silent: None, scroll: 0, can_quit }
    }

    pub(crate) fn hear(&mut self, answer: Answer, now: Instant) {
        match answer {
            Ok(status) => {
                self.scroll = self.scroll.min(status.members.len().saturating_sub(1));
                self.status = Some(status);
                self.silent = None;
            }
            Err(why) => {
                let since = self.silent.take().map_or(now, |(since, _)| since);
                self.silent = Some((since, why));
            }
        }
    }

    pub(crate) fn scroll_down(&mut self) {
        let last = self.status.as_ref().map_or(0, |s| s.members.len().saturating_sub(1));
        self.scroll = (self.scroll + 1).min(last);
    }

    pub(crate) const fn scroll_up(&mut self) {
        self.scroll = self.scroll.saturating_sub(1);
    }

    pub(crate) fn screen(&self, now: Instant) -> Screen<'_> {
        Screen {
            status: self.status.as_ref(),
            silent: self
                .silent
                .as_ref()
                .map(|(since, why)| (now.duration_since(*since).as_secs(), why.as_str())),
            scroll: self.scroll,
            can_quit: self.can_quit,
        }
    }
}
