//! Times, as people read them.

use chrono::{DateTime, SecondsFormat, Utc};
use fieldmark_model::number::{NARROW, instant};

/// A time: for programs, for people, and how far it is from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// `2026-03-14T09:26:53Z`.
    pub(super) iso: String,
    /// `2026-03-14 09:26:53 UTC`.
    pub(super) utc: String,
    /// `3 min ago`.
    pub(super) ago: String,
}

impl Time {
    /// A time, seen from now.
    pub(super) fn of(time: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let iso = time.to_rfc3339_opts(SecondsFormat::Secs, true);
        Self { iso, utc: instant(time), ago: ago(time, now) }
    }
}

/// How far a time is from now: by minutes at the finest, so that a page stays what it is for that long.
fn ago(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - time).num_seconds();
    let text = match seconds.abs() {
        0..60 => return if seconds < 0 { "within a minute" } else { "just now" }.to_owned(),
        minutes @ 60..3_600 => format!("{}{NARROW}min", minutes / 60),
        hours @ 3_600..172_800 => format!("{}{NARROW}h", hours / 3_600),
        days => format!("{}{NARROW}d", days / 86_400),
    };
    if seconds < 0 { format!("in {text}") } else { format!("{text} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn times_are_told_in_utc_and_from_now() {
        let now = DateTime::from_timestamp(1_773_480_413, 0).unwrap();
        let told = |seconds| Time::of(now - TimeDelta::seconds(seconds), now).ago.replace(NARROW, " ");
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (172_799, "47 h ago"),
            (172_800, "2 d ago"),
            (-30, "within a minute"),
            (-7_200, "in 2 h"),
        ] {
            assert_eq!(told(seconds), text);
        }
        let time = Time::of(now, now);
        assert_eq!((time.iso.as_str(), time.utc.as_str()), ("2026-03-14T09:26:53Z", "2026-03-14 09:26:53 UTC"));
    }
}
