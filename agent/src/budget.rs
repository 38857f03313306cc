//! What reading a source may cost: a share of an hour's wall time for our statements, and blocks in a minute. Pure: times in, rests out.
//!
//! Both are buckets that fill steadily and hold what an hour, or a minute, brings. When the blocks run out, reading rests until
//! there are some again. When the time runs out there is nothing to wait for in a run: the rest is not evaluated. What is left of the time is
//! kept from run to run.

use crate::config;
use crate::state::Balance;
use chrono::{DateTime, Utc};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Seconds over which the share of time is counted.
const AN_HOUR: f64 = 3600.0;
/// Seconds over which blocks are counted.
const A_MINUTE: f64 = 60.0;

/// What reading a source may cost, and what is left of it; the clones of one are the same.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Mutex<Left>>);

#[derive(Debug)]
struct Left {
    time: Option<Bucket>,
    blocks: Option<Bucket>,
    /// Whether what can be put off is read: then a call is refused when the time has run out, and rests when the blocks have.
    routine: bool,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    capacity: f64,
    a_second: f64,
    at: Instant,
}

impl Bucket {
    fn new(capacity: f64, seconds: f64, level: f64, at: Instant) -> Self {
        Self { level: level.min(capacity), capacity, a_second: capacity / seconds, at }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.a_second).min(self.capacity);
        self.at = now;
    }
}

impl Budget {
    /// No limit, nothing counted.
    pub fn unlimited() -> Self {
        Self(Arc::new(Mutex::new(Left { time: None, blocks: None, routine: false })))
    }

    /// By a source's configuration; `left` is what an earlier run left. A `routine` check can be made later, and more slowly; a mark or a
    /// recapture cannot, since a migration waits for it and the rhythm of its control slices counts: it is only accounted for.
    pub fn new(limits: &config::Budget, left: Option<Balance>, now: (DateTime<Utc>, Instant), routine: bool) -> Self {
        let hour = limits.server_time.value * AN_HOUR;
        let filled = left.map_or(hour, |left| {
            let passed = (now.0 - left.time).as_seconds_f64().max(0.0);
            left.left_seconds + passed * limits.server_time.value
        });
        let minute = limits.blocks_per_minute.value as f64;
        Self(Arc::new(Mutex::new(Left {
            time: Some(Bucket::new(hour, AN_HOUR, filled, now.1)),
            blocks: Some(Bucket::new(minute, A_MINUTE, minute, now.1)),
            routine,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another call may be made.
    pub fn allows(&self, now: Instant) -> bool {
        let mut left = self.lock();
        let Some(time) = &mut left.time else { return true };
        time.fill(now);
        let some = time.level > 0.0;
        some || !left.routine
    }

    /// Takes note of a call that ended now, and says how long to rest for the blocks that it touched.
    pub fn used(&self, took: Duration, blocks: u64, now: Instant) -> Duration {
        let mut left = self.lock();
        let routine = left.routine;
        if let Some(time) = &mut left.time {
            time.fill(now);
            time.level -= took.as_secs_f64();
        }
        let Some(bucket) = &mut left.blocks else { return Duration::ZERO };
        bucket.fill(now);
        bucket.level -= blocks as f64;
        if routine && bucket.level < 0.0 {
            Duration::from_secs_f64(-bucket.level / bucket.a_second)
        } else {
            Duration::ZERO
        }
    }

    /// What is left of the time, to be kept.
    pub fn left(&self, now: (DateTime<Utc>, Instant)) -> Option<Balance> {
        let mut left = self.lock();
        let time = left.time.as_mut()?;
        time.fill(now.1);
        Some(Balance { left_seconds: time.level, time: now.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Setting;

    fn limits(server_time: f64, blocks_per_minute: u64) -> config::Budget {
        config::Budget {
            server_time: Setting::default_of(server_time),
            blocks_per_minute: Setting::default_of(blocks_per_minute),
            rows_per_check: Setting::default_of(None),
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn time_runs_out_and_comes_back() {
        let (day, begun) = (DateTime::<Utc>::UNIX_EPOCH, Instant::now());
        let budget = Budget::new(&limits(0.05, 1_000), None, (day, begun), true);
        assert!(budget.allows(begun));
        budget.used(seconds(179), 0, begun);
        assert!(budget.allows(begun), "of 180 s in an hour");
        budget.used(seconds(2), 0, begun);
        assert!(!budget.allows(begun) && !budget.allows(begun + seconds(19)));
        assert!(budget.allows(begun + seconds(21)), "a second comes back in twenty");
        let left = budget.left((day, begun + seconds(21))).unwrap();
        assert!((left.left_seconds - 0.05).abs() < 1e-9, "{left:?}");
        let later = (day + chrono::TimeDelta::hours(2), begun);
        assert_eq!(Budget::new(&limits(0.05, 1_000), Some(left), later, true).left(later).unwrap().left_seconds, 180.0);
        let marks = Budget::new(&limits(0.05, 1_000), None, (day, begun), false);
        marks.used(seconds(200), 0, begun);
        assert!(marks.allows(begun), "a mark is not put off");
        assert!(marks.left((day, begun)).unwrap().left_seconds < 0.0, "but counted");
    }

    #[test]
    fn blocks_are_waited_for() {
        let begun = Instant::now();
        let budget = Budget::new(&limits(1.0, 6_000), None, (DateTime::UNIX_EPOCH, begun), true);
        assert_eq!(budget.used(Duration::ZERO, 6_000, begun), Duration::ZERO, "a minute's worth at once");
        assert_eq!(budget.used(Duration::ZERO, 100, begun), seconds(1));
        assert_eq!(budget.used(Duration::ZERO, 100, begun + seconds(2)), Duration::ZERO);
        assert_eq!(Budget::unlimited().used(seconds(9), u64::MAX, begun), Duration::ZERO);
    }
}
