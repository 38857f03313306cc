//! Words with a colour and a sign: never a colour alone.

use fieldmark_model::migration::Verdict;
use fieldmark_model::observation::State;
use fieldmark_model::{Outcome, Severity, Status};

/// A word with a colour and a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Badge {
    /// `good`, `bad`, `warn`, `calm` or `none`.
    pub(super) class: &'static str,
    /// A sign.
    pub(super) sign: &'static str,
    /// The word.
    pub(super) word: &'static str,
}

const fn badge(class: &'static str, sign: &'static str, word: &'static str) -> Badge {
    Badge { class, sign, word }
}

/// Nobody knows.
pub(super) const UNKNOWN: Badge = badge("none", "?", "unknown");
/// A source that can be read.
pub(super) const READABLE: Badge = badge("good", "✓", "readable");
/// One that cannot.
pub(super) const UNREADABLE: Badge = badge("bad", "✘", "cannot be read");
/// An incident that is not over.
pub(super) const OPEN: Badge = badge("bad", "●", "open");
/// One that is.
pub(super) const OVER: Badge = badge("good", "✓", "over");

/// What a rule gave.
pub(super) fn of_outcome(outcome: &Outcome) -> Badge {
    match outcome.status {
        Status::Passed => badge("good", "✓", "passed"),
        Status::Failed if outcome.is_known() => badge("calm", "≡", "known failures"),
        Status::Failed => badge("bad", "✘", "failed"),
        Status::Inconclusive => badge("warn", "≈", "inconclusive"),
        Status::NotEvaluated => badge("none", "∅", "not evaluated"),
    }
}

/// The state that a rule is in; where nobody has told one, nothing was ever wrong.
pub(super) fn of_state(state: Option<State>) -> Badge {
    match state {
        None => badge("none", "–", "none told"),
        Some(State::Ok) => badge("good", "✓", "ok"),
        Some(State::Suspect) => badge("warn", "…", "suspect"),
        Some(State::Transient) => badge("calm", "↺", "transient"),
        Some(State::Systemic) => badge("bad", "✘", "systemic"),
        Some(State::Flapping) => badge("warn", "∿", "flapping"),
        Some(State::Resolved) => badge("good", "✓", "resolved"),
    }
}

/// How much something matters.
pub(super) fn of_severity(severity: Severity) -> Badge {
    match severity {
        Severity::Page => badge("bad", "▲", "page"),
        Severity::Ticket => badge("warn", "◆", "ticket"),
        Severity::Info => badge("calm", "▪", "info"),
    }
}

/// What is concluded of a migration.
pub(super) fn of_verdict(verdict: Verdict) -> Badge {
    match verdict {
        Verdict::Clean => badge("good", "✓", "clean"),
        Verdict::AsDeclared => badge("good", "✓", "as declared"),
        Verdict::Surprising => badge("warn", "!", "surprising"),
        Verdict::Broken => badge("bad", "✘", "broken"),
        Verdict::Inconclusive => badge("warn", "≈", "inconclusive"),
        Verdict::NotComparable => badge("none", "∅", "not comparable"),
        Verdict::Restored => badge("good", "✓", "restored"),
        Verdict::RestoredWithLoss => badge("bad", "✘", "restored with loss"),
    }
}

/// How far a migration is that has no verdict.
pub(super) const GOES_ON: Badge = badge("calm", "…", "open");
/// It is over, and is judged soon.
pub(super) const ENDED: Badge = badge("calm", "…", "ended");
/// What it did cannot be told.
pub(super) const UNJUDGED: Badge = badge("none", "∅", "not judged");
/// An agent of which nothing is amiss.
pub(super) const WELL: Badge = badge("good", "✓", "well");
/// One of which something is.
pub(super) const DEGRADED: Badge = badge("warn", "!", "degraded");
/// A column of which no value changed.
pub(super) const UNCHANGED: Badge = badge("good", "✓", "values unchanged");
/// One of which no value could be compared: it was not there before, or is not there after.
pub(super) const NOT_COMPARED: Badge = badge("none", "–", "nothing to compare");
/// One of which a rule file says that it changes.
pub(super) const DECLARED: Badge = badge("good", "✓", "declared");
/// One that ordinary writes explain.
pub(super) const ORDINARY: Badge = badge("calm", "↺", "ordinary writes");
/// One that changed and nobody said so.
pub(super) const SURPRISING: Badge = badge("bad", "!", "surprising");
/// One of which nobody can tell whose doing it is.
pub(super) const UNDECIDED: Badge = badge("warn", "≈", "undecided");
