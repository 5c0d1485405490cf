//! Where the book is, and its page about an alert.

/// Where the book is, by the image's `os-release`, in which the recipe's
/// `image.documentation-url` stands. The home page that stands there is Debian's, and has
/// no page about an alert.
#[must_use]
pub fn book(os_release: &str) -> Option<String> {
    let line = os_release.lines().find_map(|line| line.strip_prefix("DOCUMENTATION_URL="))?;
    let url = line.trim().trim_matches(['"', '\'']).trim_end_matches('/');
    let is_address = url.starts_with("https://") || url.starts_with("http://");
    (is_address && url.chars().all(|c| c.is_ascii_graphic())).then(|| format!("{url}/"))
}

/// The page that says more about an alert of this id.
#[must_use]
pub fn page_of(book: &str, id: &str) -> String {
    format!("{book}reference/alerts.html#{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_is_where_the_image_says_and_nowhere_else() {
        let debian = "ID=debian\nHOME_URL=\"https://www.debian.org/\"\n";
        assert_eq!(book(debian), None);
        let of = |line: &str| book(&format!("{debian}{line}\n"));
        let there = Some("https://docs.example.org/".to_owned());
        assert_eq!(of("DOCUMENTATION_URL=\"https://docs.example.org\""), there);
        assert_eq!(of("DOCUMENTATION_URL=https://docs.example.org/"), there);
        assert_eq!(of("DOCUMENTATION_URL=/usr/share/doc"), None);
        assert_eq!(of("DOCUMENTATION_URL=\"https://a b\u{1b}[2J\""), None);
        let page = page_of(&there.unwrap(), "box-lost");
        assert_eq!(page, "https://docs.example.org/reference/alerts.html#box-lost");
    }
}
