//! The image tier.
