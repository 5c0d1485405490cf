//! Numbers as a person reads them, alike in ctl and console.

/// A time that a person can grasp.
#[must_use]
pub fn duration(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// A size as it stands on the package of a disk: 10⁹ bytes are a GB.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let (unit, name) = match bytes {
        1..1_000_000 => (1_000, "kB"),
        0..1_000_000_000 => (1_000_000, "MB"),
        1_000_000_000..1_000_000_000_000 => (1_000_000_000, "GB"),
        _ => (1_000_000_000_000, "TB"),
    };
    let tenths = bytes / (unit / 10);
    match tenths % 10 {
        0 => format!("{} {name}", tenths / 10),
        tenth => format!("{}.{tenth} {name}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_told_as_people_tell_them() {
        let times = [7_000, 120_000, 7_200_000, 400_000_000].map(duration);
        assert_eq!(times, ["7 s", "2 min", "2 h", "4 days"]);
        let sizes =
            [0, 31_744, 268_435_456, 4_294_967_296, 500_107_862_016, 2_000_398_934_016].map(bytes);
        assert_eq!(sizes, ["0 MB", "31.7 kB", "268.4 MB", "4.2 GB", "500.1 GB", "2 TB"]);
    }
}
