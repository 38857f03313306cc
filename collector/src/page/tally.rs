//! How many rules passed, failed, or could not be told.

use fieldmark_model::number::plural;
use fieldmark_model::{Outcome, Status};

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Passed.
    pub(super) passed: u64,
    /// Failed, and that is news.
    pub(super) failed: u64,
    /// Failed as the baseline says.
    pub(super) known: u64,
    /// Could not tell.
    pub(super) inconclusive: u64,
    /// Could not be evaluated.
    pub(super) not_evaluated: u64,
}

/// A piece of a bar, in percent of its width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Its class.
    pub(super) class: &'static str,
    /// Where it begins.
    pub(super) from: String,
    /// How wide it is.
    pub(super) width: String,
}

impl Tally {
    /// One more.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        let of = match outcome.status {
            Status::Passed => &mut self.passed,
            Status::Failed if outcome.is_known() => &mut self.known,
            Status::Failed => &mut self.failed,
            Status::Inconclusive => &mut self.inconclusive,
            Status::NotEvaluated => &mut self.not_evaluated,
        };
        *of += 1;
    }

    /// Of all these.
    pub(super) fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut tally = Self::default();
        outcomes.into_iter().for_each(|outcome| tally.add(outcome));
        tally
    }

    /// All of them.
    pub(super) fn all(&self) -> u64 {
        self.parts().iter().map(|(_, count, _)| count).sum()
    }

    fn parts(&self) -> [(&'static str, u64, &'static str); 5] {
        [
            ("bad", self.failed, "failed"),
            ("warn", self.inconclusive, "inconclusive"),
            ("none", self.not_evaluated, "not evaluated"),
            ("calm", self.known, "known failures"),
            ("good", self.passed, "passed"),
        ]
    }

    /// The worst first, as pieces of a bar.
    pub(super) fn shares(&self) -> Vec<Share> {
        let all = self.all().max(1) as f64;
        let mut from = 0.0;
        let share = |(class, count, _): (&'static str, u64, &'static str)| {
            let width = 100.0 * count as f64 / all;
            let share = Share { class, from: format!("{from:.2}"), width: format!("{width:.2}") };
            from += width;
            (count > 0).then_some(share)
        };
        self.parts().into_iter().filter_map(share).collect()
    }

    /// In words: `2 failed, 31 passed`.
    pub(super) fn said(&self) -> String {
        let parts = self.parts().into_iter().filter(|(_, count, _)| *count > 0);
        let said: Vec<String> =
            parts.map(|(_, count, word)| format!("{} {word}", fieldmark_model::number::count(count))).collect();
        if said.is_empty() { "no rule was checked yet".to_owned() } else { said.join(", ") }
    }

    /// `33 rules`.
    pub(super) fn rules(&self) -> String {
        plural(self.all(), "rule")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldmark_model::{RuleId, SourceName, TableName};

    #[test]
    fn rules_are_counted_by_what_they_gave() {
        let of = |status| {
            let blank = Outcome::blank(SourceName::new("s"), TableName::new("a", "b"), RuleId::new("r"), "k");
            Outcome { status, ..blank }
        };
        let tally = Tally::of(&[of(Status::Passed), of(Status::Failed), of(Status::NotEvaluated), of(Status::Passed)]);
        assert_eq!((tally.all(), tally.said().as_str()), (4, "1 failed, 1 not evaluated, 2 passed"));
        let shares = tally.shares();
        assert_eq!(shares.iter().map(|share| share.class).collect::<Vec<_>>(), ["bad", "none", "good"]);
        assert_eq!((shares[2].from.as_str(), shares[2].width.as_str()), ("50.00", "50.00"));
        assert_eq!(Tally::default().said(), "no rule was checked yet");
    }
}
