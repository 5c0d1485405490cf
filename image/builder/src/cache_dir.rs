//! The option of every verb that uses the cache.

use std::path::PathBuf;

/// Where the cache is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CacheDir {
    /// Where finished steps and packages are kept. Default: ashlar/ in the user's
    /// cache directory.
    #[arg(long, value_name = "DIR", env = "ASHLAR_CACHE_DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
}
