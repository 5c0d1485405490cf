//! Patterns of kernel modules, as mkosi's regular expressions.

/// The regular expression that finds, in paths below the kernel's `kernel/`
/// folder, what a pattern of a recipe means.
pub(super) fn of_pattern(pattern: &str) -> String {
    let by_path = pattern.contains('/');
    let mut regex = String::from(if by_path { "^" } else { "(^|/)" });
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                // `**/` is any number of folders, none among them.
                if rest.peek() == Some(&'/') {
                    rest.next();
                    regex.push_str("(.*/)?");
                } else {
                    regex.push_str(".*");
                }
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            // The kernel's tools treat the two alike.
            '-' | '_' => regex.push_str("[_-]"),
            '[' => {
                regex.push('[');
                for inner in rest.by_ref() {
                    regex.push(if inner == '!' && regex.ends_with('[') { '^' } else { inner });
                    if inner == ']' {
                        break;
                    }
                }
            }
            c if c.is_ascii_alphanumeric() || c == '/' => regex.push(c),
            c => {
                regex.push('\\');
                regex.push(c);
            }
        }
    }
    regex.push_str(r"\.ko");
    regex
}

#[cfg(test)]
mod tests {
    use super::of_pattern;

    #[test]
    fn names_and_paths_mean_the_same_to_mkosi_as_to_us() {
        assert_eq!(of_pattern("nvme"), r"(^|/)nvme\.ko");
        assert_eq!(of_pattern("virtio_*"), r"(^|/)virtio[_-][^/]*\.ko");
        assert_eq!(of_pattern("dm-mod"), r"(^|/)dm[_-]mod\.ko");
        assert_eq!(of_pattern("drivers/net/phy/**"), r"^drivers/net/phy/.*\.ko");
        assert_eq!(of_pattern("fs/**/x?"), r"^fs/(.*/)?x[^/]\.ko");
        assert_eq!(of_pattern("snd[!a]"), r"(^|/)snd[^a]\.ko");
    }
}
