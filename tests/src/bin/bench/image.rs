//! The finished image.

use crate::row::Row;
use anyhow::Result;
use ashlar_recipe::Size;
use ashlar_tests::command::workspace;
use ashlar_tests::image::Built;
use std::path::Path;

/// Sizes of what is shipped and updated.
pub(crate) fn sizes() -> Result<Vec<Row>> {
    let built = Built::retail()?;
    let budget = ashlar_recipe::compose(&workspace().join("recipes"), "retail")?.recipe.budget;
    let row = |what, path: &Path, most: Option<Size>| -> Result<Row> {
        let row = Row::new(what, "MB", megabytes(path.metadata()?.len()));
        Ok(match most {
            Some(most) => row.budget(megabytes(most.as_bytes())),
            None => row,
        })
    };
    Ok(vec![
        row("retail: root", &built.root()?, budget.root)?,
        row("retail: UKI", &built.one(|name| name.ends_with(".efi"))?, budget.uki)?,
        row("retail: download", &built.one(|name| name.ends_with(".zst"))?, None)?,
    ])
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
