//! Forms that values have: names, domains, MAC addresses, lists.

use crate::error::{Problem, Step};

/// A name of a site, recipe, overlay, hardware set or stack: lower-case letters,
/// digits and dashes, so that it is the same in paths, partition labels, unit
/// names, host names and on the Swarm.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && !text.ends_with('-')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// A host's or a domain's name: labels with dots between them.
pub(crate) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    text.len() <= 253
        && text.split('.').all(label)
        // An address with a slip in it is no name.
        && !text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// A unicast MAC address.
pub(crate) fn is_mac(text: &str) -> bool {
    let byte = |part: &str| part.len() == 2 && part.chars().all(|c| c.is_ascii_hexdigit());
    let multicast = |part: &str| u8::from_str_radix(part, 16).is_ok_and(|byte| byte & 1 == 1);
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 6
        && parts.iter().all(|part| byte(part))
        && parts.first().is_some_and(|first| !multicast(first))
}

/// Whether the entry at `index` is not in the list before it as well.
pub(crate) fn listed_once<T: PartialEq>(
    list: &[T],
    index: usize,
    path: &[Step],
) -> Result<(), Problem> {
    let entry = list.get(index);
    if list.iter().take(index).any(|other| Some(other) == entry) {
        return Err(Problem::new(path, "it is in the list already"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_no_address_with_a_slip_and_no_path() {
        for name in ["ntp", "ntp.shop.example", "3.debian.pool.ntp.org", "xn--bcher-kva.example"] {
            assert!(is_domain(name), "{name}");
        }
        for name in
            ["", ".", "a..b", "-a.b", "10.0.0", "192.168.7.256", "a b", "a/b", "b\u{fc}cher.de"]
        {
            assert!(!is_domain(name), "{name}");
        }
    }
}
