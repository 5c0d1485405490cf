//! Machines that run an image.
