//! The library behind `ashlar`: running images as machines, for the command
//! line and for the tests alike.

pub mod machine;
