//! A span of time, alike wherever one is told.

/// So many seconds in words that do not change with each of them: `3 days`, `2 hours`.
pub(crate) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(31_557_600, "years"), (86_400, "days"), (3_600, "hours"), (60, "minutes")];
    match UNITS.into_iter().find(|(unit, _)| seconds >= 2 * unit) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => "less than two minutes".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_the_largest_unit_that_there_are_two_of() {
        let told = [0, 119, 120, 7_199, 7_200, 172_799, 172_800, 63_115_200].map(span);
        let words = [
            "less than two minutes",
            "less than two minutes",
            "2 minutes",
            "119 minutes",
            "2 hours",
            "47 hours",
            "2 days",
            "2 years",
        ];
        assert_eq!(told, words);
    }
}
