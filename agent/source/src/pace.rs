//! How large the next chunk is, and how long to rest after one.

use std::time::Duration;

/// Sizes chunks so that each takes about the target time, and rests between them to keep the duty cycle. Pure: durations in,
/// durations out.
#[derive(Clone, Debug)]
pub struct Pace {
    target: Duration,
    duty: f64,
    limits: (usize, usize),
    rows: usize,
    recent: [Option<f64>; 4],
    next: usize,
}

impl Pace {
    /// Time of one chunk, where nothing speaks for another.
    pub const TARGET: Duration = Duration::from_millis(50);

    /// A pace for a table of which nothing is known yet, with chunks of about so long. `duty` is the share of time that may be busy, over
    /// 0 and at most 1.
    pub fn new(target: Duration, duty: f64) -> Self {
        Self { target, duty: duty.clamp(0.01, 1.0), limits: (64, 32_768), rows: 2_048, recent: [None; 4], next: 0 }
    }

    /// Rows to ask for next.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How long to rest after a statement that took so long.
    pub fn rest(&self, time: Duration) -> Duration {
        time.mul_f64((1.0 - self.duty) / self.duty)
    }

    /// Takes note of a chunk of a pass. The next size follows the slowest of the last four chunks, so that one fast chunk does not make
    /// the next overshoot. Look-ups say nothing of it: a row of theirs costs a way down an index.
    pub fn took(&mut self, rows: usize, time: Duration) {
        if rows > 0 {
            if let Some(slot) = self.recent.get_mut(self.next) {
                *slot = Some(time.as_secs_f64() / rows as f64);
            }
            self.next = (self.next + 1) % self.recent.len();
            let slowest = self.recent.iter().flatten().copied().fold(0.0, f64::max);
            if slowest > 0.0 {
                let fits = (self.target.as_secs_f64() / slowest) as usize;
                self.rows = fits.min(self.rows.saturating_mul(2)).clamp(self.limits.0, self.limits.1);
            }
        }
    }
}

impl Pace {
    /// Takes note of a chunk that was not read in time; whether a smaller one can be asked for.
    pub fn missed(&mut self) -> bool {
        let before = self.rows;
        self.rows = (self.rows / 4).max(self.limits.0);
        self.rows < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Pace::TARGET;

    #[test]
    fn a_chunk_that_takes_too_long_is_cut() {
        let mut pace = Pace::new(TARGET, 1.0);
        assert!(pace.missed() && pace.rows() == 512);
        assert!(pace.missed() && pace.rows() == 128);
        assert!(pace.missed() && pace.rows() == 64);
        assert!(!pace.missed() && pace.rows() == 64);
    }

    #[test]
    fn chunks_grow_to_the_target_and_shrink_at_once() {
        let mut pace = Pace::new(TARGET, 0.5);
        for _ in 0..8 {
            pace.took(pace.rows(), Duration::from_secs_f64(pace.rows() as f64 * 5e-6));
        }
        assert_eq!(pace.rows(), 10_000);
        pace.took(10_000, Duration::from_secs(1));
        assert_eq!(pace.rows(), 500);
        for _ in 0..3 {
            pace.took(500, Duration::from_micros(2_500));
            assert_eq!(pace.rows(), 500, "one slow chunk is remembered");
        }
    }

    #[test]
    fn the_duty_cycle_decides_the_rest() {
        assert_eq!(Pace::new(TARGET, 1.0).rest(Duration::from_millis(40)), Duration::ZERO);
        assert_eq!(Pace::new(TARGET, 0.5).rest(Duration::from_millis(40)), Duration::from_millis(40));
        assert_eq!(Pace::new(TARGET, 0.25).rest(Duration::from_millis(40)), Duration::from_millis(120));
    }
}
