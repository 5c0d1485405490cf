//! Neighbours who say anything: nothing that arrives makes a node panic, take
//! memory without bound, write without end, or believe what cannot be.
//!
//! - [`parsers`] are given bytes that no Serf ever sends,
//! - [`accusations`] are false, or come too late,
//! - [`node`] has neighbours who lie and repeat themselves,
//! - [`keys`] are what strangers lack, and what neighbours ask to change,
//! - [`floods`] are more than anybody should have to remember,
//! - [`streams`] stay open, drip, and never end,
//! - [`queries`] are what strangers ask and answer,
//! - [`agent`] is all of it on real sockets,
//! - [`corpus`] is what the fuzz targets begin with.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so and ends"
)]

mod accusations;
mod agent;
mod corpus;
mod floods;
mod keys;
mod memory;
mod node;
mod parsers;
mod queries;
mod ring;
mod streams;
