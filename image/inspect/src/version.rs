//! The order of Debian versions: Debian Policy 5.6.12.

use std::cmp::Ordering;

/// Compares two Debian versions as dpkg does: epoch, upstream version, revision.
#[must_use]
pub fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (parts(one), parts(other));
    one.0
        .cmp(&other.0)
        .then_with(|| part(one.1.as_bytes(), other.1.as_bytes()))
        .then_with(|| part(one.2.as_bytes(), other.2.as_bytes()))
}

/// Epoch, upstream version, revision.
fn parts(version: &str) -> (u64, &str, &str) {
    let version = version.trim();
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// By turns what is no digit, letter by letter, and a number.
fn part(mut one: &[u8], mut other: &[u8]) -> Ordering {
    while !one.is_empty() || !other.is_empty() {
        let mut at = 0;
        loop {
            let weights = (weight(one.get(at)), weight(other.get(at)));
            if weights == (0, 0) {
                break;
            }
            match weights.0.cmp(&weights.1) {
                Ordering::Equal => at += 1,
                decided => return decided,
            }
        }
        let (number, rest) = number(&one[at..]);
        let (against, other_rest) = self::number(&other[at..]);
        // Without leading zeros, the longer number is the larger.
        let decided = number.len().cmp(&against.len()).then_with(|| number.cmp(against));
        if decided != Ordering::Equal {
            return decided;
        }
        (one, other) = (rest, other_rest);
    }
    Ordering::Equal
}

/// `~` sorts before the end, letters before everything else. Digits and the end
/// weigh nothing: there the number begins.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None | Some(b'0'..=b'9') => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

/// The digits at the start, without leading zeros, and what follows.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let zeros = number.iter().take_while(|byte| **byte == b'0').count();
    (&number[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::compare;
    use proptest::prelude::*;
    use std::cmp::Ordering;
    use std::process::Command;

    #[test]
    fn versions_sort_as_debian_has_them() {
        let sorted = [
            "0",
            "1.0~~",
            "1.0~~a",
            "1.0~",
            "1.0",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1+deb13u1",
            "1.0-2",
            "1.0a",
            "1.0+dfsg",
            "1.1",
            "1.9",
            "1.10",
            "2.0",
            "1:0.1",
        ];
        for pair in sorted.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("1.01", "1.1"), Ordering::Equal);
        assert_eq!(compare("0:1.0", "1.0-0"), Ordering::Equal);
    }

    fn version() -> impl Strategy<Value = String> {
        let epoch = prop_oneof![3 => Just(String::new()), 1 => "[0-2]:"];
        let revision = prop_oneof![1 => Just(String::new()), 2 => "-[0-9a-z+~.]{1,5}"];
        (epoch, "[0-9][0-9ab.+~]{0,6}", revision)
            .prop_map(|(epoch, upstream, revision)| format!("{epoch}{upstream}{revision}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn dpkg_says_the_same(one in version(), other in version()) {
            let word = match compare(&one, &other) {
                Ordering::Less => "lt",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt",
            };
            let asked = Command::new("dpkg").args(["--compare-versions", &one, word, &other]).status();
            // Only Debian has it; the order itself is held by the test above.
            if let Ok(status) = asked {
                prop_assert!(status.success(), "{one} {word} {other}");
            }
        }

        #[test]
        fn any_two_texts_compare_and_the_other_way_round_too(one: String, other: String) {
            prop_assert_eq!(compare(&one, &other), compare(&other, &one).reverse());
        }
    }
}
