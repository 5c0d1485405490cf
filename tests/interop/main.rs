//! The interop tier: our Serf agent and HashiCorp's in one ring, as processes
//! in network namespaces of their own.
//!
//! A claim is tried with each version of HashiCorp's program that can be had,
//! side by side. The rings of twenty, which take longest, come first.

mod calm_twenty;
mod commands;
mod discovering;
mod failing;
mod joining;
mod keys;
mod refusing;
mod restarting;
mod telling;
