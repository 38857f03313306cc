//! Rules before and after.

use crate::verdict::Note;
use fieldmark_model::migration::{RuleChange, Verdict};
use fieldmark_model::outcome::Nature;
use fieldmark_model::{NotEvaluated, Severity, Status};

/// What a rule's two outcomes mean for the verdict. A rule of severity `info` never makes it worse.
pub(crate) fn conclude(change: &RuleChange) -> Option<Note> {
    if change.before.status != Status::Passed {
        return None;
    }
    let rule = &change.after.rule;
    let (verdict, text) = match (change.after.status, change.after.not_evaluated) {
        (Status::Passed | Status::Inconclusive, _) => return None,
        (Status::Failed, _) => {
            let failed = crate::words::rows(change.after.failed);
            (Verdict::Broken, format!("the rule {rule} passed before and fails now: {failed}"))
        }
        (Status::NotEvaluated, Some(why)) if why.nature() == Nature::Transient => return None,
        (Status::NotEvaluated, why) => {
            let why = why.map_or("unknown", NotEvaluated::as_str);
            (Verdict::Inconclusive, format!("the rule {rule} passed before and cannot be evaluated now: {why}"))
        }
    };
    let verdict = if change.after.severity == Severity::Info { Verdict::Clean } else { verdict };
    Some(Note::new(verdict, text))
}
