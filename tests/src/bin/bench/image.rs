//! The finished image.

use crate::row::Row;
use anyhow::Result;
use ashlar_tests::image::Built;
use std::path::Path;

/// Sizes of what is shipped and updated.
pub(crate) fn sizes() -> Result<Vec<Row>> {
    let built = Built::retail()?;
    Ok(vec![
        Row::new("retail: root", "MB", megabytes(&built.root()?)?).budget(300.0),
        Row::new("retail: UKI", "MB", megabytes(&built.one(|n| n.ends_with(".efi"))?)?)
            .budget(40.0),
        Row::new("retail: download", "MB", megabytes(&built.one(|n| n.ends_with(".zst"))?)?),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn megabytes(path: &Path) -> Result<f64> {
    Ok(path.metadata()?.len() as f64 / 1e6)
}
