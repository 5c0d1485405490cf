//! What the pages are drawn from.

use ashlar_api::{Event, Hardware, Network, Status};

/// All that is known of the box.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// What the agent last said.
    pub(crate) status: Option<&'a Status>,
    /// For how many seconds it has not answered, and why.
    pub(crate) silent: Option<(u64, &'a str)>,
    /// The ports.
    pub(crate) network: Option<&'a Network>,
    /// The machine.
    pub(crate) hardware: Option<&'a Hardware>,
    /// What the box did over reboots, the oldest first.
    pub(crate) history: &'a [Event],
    /// The end of the journal.
    pub(crate) logs: Option<&'a Result<Vec<String>, String>>,
    /// How long the volume will heal, in words, if that can be told.
    pub(crate) heals_for: Option<&'a str>,
    /// A key ends the program.
    pub(crate) can_quit: bool,
    /// There is a book with a page about each alert.
    pub(crate) has_book: bool,
}
