//! One module for each verb: its options (`Args`) and what it does (`run`).

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod cve;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod drives;
pub(crate) mod export;
pub(crate) mod flash;
pub(crate) mod graph;
pub(crate) mod inspect;
pub(crate) mod lab;
pub(crate) mod lint;
pub(crate) mod lock;
pub(crate) mod machines;
pub(crate) mod man;
pub(crate) mod new;
pub(crate) mod profile;
pub(crate) mod sbom;
pub(crate) mod site;
pub(crate) mod size;
pub(crate) mod stamp;
pub(crate) mod vendor;
pub(crate) mod vm;
