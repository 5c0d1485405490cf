//! How rings talk: bytes to messages and back, without sockets or clocks.
//!
//! ```text
//! packet   label? · sealed?( crc? · compress? · compound? · messages )
//! stream   label? · sealed?( compress? · one message )
//! ```

pub mod envelope;
pub mod lzw;
pub mod msgpack;
pub mod packet;
#[cfg(test)]
mod properties;
mod record;
pub mod serf;
pub mod stream;
pub mod swim;

pub use envelope::{Envelope, WireError};
