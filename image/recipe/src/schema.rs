//! The JSON Schema that editors check recipes with.

/// The schema of a recipe, as pretty JSON with a newline at its end. It is
/// published as `recipes/recipe.schema.json`.
#[must_use]
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(crate::Recipe);
    schema.insert("title".to_owned(), "Ashlar recipe".into());
    format!("{:#}\n", schema.to_value())
}
