//! Licences, from the copyright files that every Debian package brings.
//!
//! Most are machine-readable ([DEP 5]); then each of their licences counts, in the
//! words of SPDX. In others the licences to whose texts they refer are taken.
//! Debian's short names that SPDX does not have become `LicenseRef-Debian-…`.
//!
//! [DEP 5]: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

use std::collections::BTreeSet;

/// The licence expression of a copyright file; nothing where none can be told.
pub(super) fn expression(text: &str) -> Option<String> {
    let names = if text.lines().take(20).any(|line| line.starts_with("Format:")) {
        declared(text)
    } else {
        referred(text)
    };
    let parts: BTreeSet<String> = names.iter().flat_map(|name| synopsis(name)).collect();
    if parts.is_empty() {
        return None;
    }
    Some(parts.into_iter().collect::<Vec<_>>().join(" AND "))
}

/// What stands behind `License:`.
fn declared(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("License:"))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

/// Texts below `/usr/share/common-licenses/`.
fn referred(text: &str) -> BTreeSet<&str> {
    text.split("/usr/share/common-licenses/")
        .skip(1)
        .map(|rest| {
            let name = |c: char| !(c.is_ascii_alphanumeric() || "-.+".contains(c));
            rest.split(name).next().unwrap_or_default().trim_end_matches('.')
        })
        .filter(|name| !name.is_empty())
        .collect()
}

/// `GPL-2+ or Artistic, and Expat` as SPDX has it, part by part.
fn synopsis(text: &str) -> Vec<String> {
    let text = text.to_ascii_lowercase().replace(", and ", " and ").replace(", or ", " or ");
    let text = text.replace(',', " and ");
    text.split(" and ").filter_map(alternatives).collect()
}

fn alternatives(text: &str) -> Option<String> {
    let any: Vec<String> =
        text.split(" or ").map(str::trim).filter(|name| !name.is_empty()).map(identifier).collect();
    match any.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("({})", several.join(" OR "))),
    }
}

/// Debian's short names that SPDX spells in another way.
const KNOWN: [(&str, &str); 24] = [
    ("apache-2", "Apache-2.0"),
    ("apache-2.0", "Apache-2.0"),
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-1.0", "Artistic-1.0"),
    ("artistic-2.0", "Artistic-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsd-4-clause", "BSD-4-Clause"),
    ("bsl-1.0", "BSL-1.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("curl", "curl"),
    ("expat", "MIT"),
    ("fsfap", "FSFAP"),
    ("fsful", "FSFUL"),
    ("fsfullr", "FSFULLR"),
    ("isc", "ISC"),
    ("mit", "MIT"),
    ("mpl-2.0", "MPL-2.0"),
    ("openssl", "OpenSSL"),
    ("psf-2", "PSF-2.0"),
    ("python-2.0", "Python-2.0"),
    ("unicode-3.0", "Unicode-3.0"),
    ("x11", "X11"),
    ("zlib", "Zlib"),
];

fn identifier(name: &str) -> String {
    if let Some((_, id)) = KNOWN.iter().find(|(known, _)| *known == name) {
        return (*id).to_owned();
    }
    gnu(name).unwrap_or_else(|| {
        let letters =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' });
        let name: String = letters.collect();
        format!("LicenseRef-Debian-{}", name.trim_matches('-'))
    })
}

/// `GPL-2+` is GPL-2.0-or-later.
fn gnu(name: &str) -> Option<String> {
    let (family, version) = name.rsplit_once('-')?;
    let family = match family {
        "gpl" | "lgpl" | "agpl" => family.to_ascii_uppercase(),
        _ => return None,
    };
    let (version, suffix) = match version.strip_suffix('+') {
        Some(version) => (version, "or-later"),
        None => (version, "only"),
    };
    let known = match (family.as_str(), version) {
        ("GPL", "1" | "1.0") => "1.0",
        ("GPL" | "LGPL", "2" | "2.0") => "2.0",
        ("LGPL", "2.1") => "2.1",
        (_, "3" | "3.0") => "3.0",
        _ => return None,
    };
    Some(format!("{family}-{known}-{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::expression;
    use proptest::prelude::*;

    fn dep5(licences: &[&str]) -> String {
        let paragraphs =
            licences.iter().map(|name| format!("Files: *\nLicense: {name}\n text\n\n"));
        format!("Format: https://www.debian.org/doc/\n\n{}", paragraphs.collect::<String>())
    }

    #[test]
    fn every_licence_of_a_machine_readable_file_counts_once() {
        let seen = |names: &[&str]| expression(&dep5(names)).unwrap();
        assert_eq!(seen(&["GPL-2+", "Expat", "GPL-2+"]), "GPL-2.0-or-later AND MIT");
        assert_eq!(seen(&["LGPL-2.1"]), "LGPL-2.1-only");
        assert_eq!(seen(&["GPL-2+ and Expat", "Expat"]), "GPL-2.0-or-later AND MIT");
        assert_eq!(seen(&["GPL-1+ or Artistic"]), "(GPL-1.0-or-later OR Artistic-1.0-Perl)");
        assert_eq!(
            seen(&["GPL-3+ with autoconf exception"]),
            "LicenseRef-Debian-gpl-3--with-autoconf-exception"
        );
        assert_eq!(seen(&["public-domain"]), "LicenseRef-Debian-public-domain");
    }

    #[test]
    fn a_file_in_prose_has_the_licences_that_it_refers_to() {
        let prose = "On Debian systems the text is in /usr/share/common-licenses/GPL-2.\n\
                     and `/usr/share/common-licenses/LGPL-2.1'.";
        assert_eq!(expression(prose).unwrap(), "GPL-2.0-only AND LGPL-2.1-only");
        assert_eq!(expression("all rights reserved"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(License: |Format:|/usr/share/common-licenses/|\\PC|\n){0,40}") {
            if let Some(expression) = expression(&text) {
                let legal = |c: char| c.is_ascii_alphanumeric() || "-. ()".contains(c);
                prop_assert!(expression.chars().all(legal), "{expression}");
            }
        }
    }
}
