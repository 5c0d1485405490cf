//! The options of verbs that replace a key or a CA.

/// How something that every box of a cluster has is replaced.
#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
    /// Do not ask.
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Say what would change, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not wait until it is over.
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Wait no longer than so many seconds; it goes on by itself.
    #[arg(long, short, value_name = "SECONDS", default_value_t = 300)]
    pub(super) timeout: u64,
    /// One JSON object, and nothing else; needs --yes or --dry-run.
    #[arg(long)]
    pub(super) json: bool,
}
