//! What a build tells while it goes on. A build prints nothing and knows no
//! terminal: whoever asked for it decides what becomes of its news.

use std::fmt::Arguments;

/// Takes the news of a build. Called from several threads.
pub trait Events: Sync {
    /// Something worth a line in a log.
    fn note(&self, text: Arguments<'_>);
    /// Something that a person should know about.
    fn warning(&self, text: Arguments<'_>);
    /// Something begins that takes a while; it has ended when the answer is dropped.
    fn begin(&self, what: &str) -> Box<dyn Activity>;
    /// The same for something that is measured in bytes.
    fn begin_bytes(&self, what: &str, total: u64) -> Box<dyn Activity>;
}

/// Something that goes on.
pub trait Activity: Send {
    /// So many bytes of it are done.
    fn at(&self, done: u64);
}

/// Takes no notice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Events for Silent {
    fn note(&self, _: Arguments<'_>) {}
    fn warning(&self, _: Arguments<'_>) {}
    fn begin(&self, _: &str) -> Box<dyn Activity> {
        Box::new(Self)
    }
    fn begin_bytes(&self, _: &str, _: u64) -> Box<dyn Activity> {
        Box::new(Self)
    }
}

impl Activity for Silent {
    fn at(&self, _: u64) {}
}
