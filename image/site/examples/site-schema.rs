//! Prints the JSON Schema of a site:
//! `cargo run -p ashlar-site --features schema --example site-schema > recipes/site.schema.json`

fn main() -> std::io::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(ashlar_site::schema().as_bytes())
}
