//! The JSON Schemas that editors check recipes and `archives.toml` with.

/// The schema of a recipe, as pretty JSON with a newline at its end. It is
/// published as `recipes/recipe.schema.json`.
#[must_use]
pub fn schema() -> String {
    pretty(schemars::schema_for!(crate::Recipe), "Ashlar recipe")
}

/// The same of `recipes/archives.toml`, published as
/// `recipes/archives.schema.json`.
#[must_use]
pub fn archives_schema() -> String {
    pretty(schemars::schema_for!(crate::archives::ArchivesFile), "Ashlar archives")
}

fn pretty(mut schema: schemars::Schema, title: &str) -> String {
    schema.insert("title".to_owned(), title.into());
    format!("{:#}\n", schema.to_value())
}
