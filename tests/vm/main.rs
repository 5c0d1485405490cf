//! The vm tier.
