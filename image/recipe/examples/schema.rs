//! Prints the JSON Schema of a recipe:
//! `cargo run -p ashlar-recipe --example schema > recipes/recipe.schema.json`

fn main() -> std::io::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(ashlar_recipe::schema().as_bytes())
}
