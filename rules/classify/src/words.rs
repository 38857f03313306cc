//! Times and counts as reasons tell them.

use chrono::TimeDelta;

/// `40 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn time(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, rest) => format!("{rest} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, rest) => format!("{minutes} min {rest} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// `1 check`, `3 checks`.
pub(crate) fn plural(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_two_units_at_most() {
        let told = [0, 59, 60, 200, 3_599, 3_600, 7_500, 90_000].map(|seconds| time(TimeDelta::seconds(seconds)));
        assert_eq!(told, ["0 s", "59 s", "1 min", "3 min 20 s", "59 min 59 s", "1 h", "2 h 5 min", "25 h"]);
    }
}
