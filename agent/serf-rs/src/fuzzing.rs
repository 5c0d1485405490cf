//! What fuzz targets reach besides the public items. Only they see it: they are
//! compiled with `--cfg fuzzing`.

use crate::agent;

/// A client of the RPC sends these bytes, and no more.
pub fn rpc(requests: &[u8]) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap_or_else(|error| std::panic::panic_any(error));
    }
    RUNTIME.with(|runtime| runtime.block_on(agent::rpc::rehearse(requests)));
}

/// A keyring file has this content.
pub fn keyring(text: &[u8]) {
    agent::files::rehearse_keyring(text);
}
