//! Prints the JSON Schema of a recipe, or that of `archives.toml`:
//! `cargo run -p ashlar-recipe --example schema > recipes/recipe.schema.json`
//! `cargo run -p ashlar-recipe --example schema archives > recipes/archives.schema.json`

fn main() -> std::io::Result<()> {
    use std::io::Write;
    let schema = match std::env::args().nth(1).as_deref() {
        Some("archives") => ashlar_recipe::archives_schema(),
        _ => ashlar_recipe::schema(),
    };
    std::io::stdout().write_all(schema.as_bytes())
}
