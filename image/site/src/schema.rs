//! The JSON Schema that editors check sites with.

/// The schema of a site, as pretty JSON with a newline at its end. It is published
/// as `recipes/site.schema.json`.
#[must_use]
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(crate::Site);
    schema.insert("title".to_owned(), "Ashlar site".into());
    format!("{:#}\n", schema.to_value())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_schema_is_the_one_of_this_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/site.schema.json");
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            published == super::schema(),
            "recipes/site.schema.json is out of date; make it anew with\n  \
             cargo run -p ashlar-site --features schema --example site-schema > recipes/site.schema.json"
        );
    }
}
