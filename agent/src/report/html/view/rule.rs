//! One rule of a table.

use super::bar::Bar;
use super::{Mark, standing_mark};
use crate::report::words;
use fieldmark_model::{Outcome, Status};

pub(super) struct Rule {
    pub(super) mark: Mark,
    pub(super) id: String,
    pub(super) description: Option<String>,
    pub(super) seen: String,
    pub(super) extra: Vec<String>,
    pub(super) bar: Option<Bar>,
    pub(super) before: Option<Before>,
    pub(super) reason: Option<String>,
    pub(super) examples: Vec<String>,
    pub(super) sql: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) runbook: Option<Runbook>,
}

impl Rule {
    pub(super) fn has_details(&self) -> bool {
        self.reason.is_some()
            || !self.examples.is_empty()
            || self.sql.is_some()
            || self.owner.is_some()
            || self.runbook.is_some()
    }
}

pub(super) struct Before {
    pub(super) mark: Mark,
    pub(super) seen: String,
    pub(super) differs: bool,
}

pub(super) struct Runbook {
    pub(super) text: String,
    pub(super) is_link: bool,
}

impl Rule {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let failed = outcome.status == Status::Failed;
        let mut extra: Vec<String> = Vec::new();
        if outcome.tolerance > 0.0 {
            extra.push(format!("Tolerance {}", words::percent(outcome.tolerance)));
        }
        extra.extend(words::unknown(outcome));
        extra.extend(words::baseline(outcome));
        Self {
            mark: standing_mark(outcome),
            id: outcome.rule.to_string(),
            description: outcome.description.clone(),
            seen: words::seen(outcome),
            extra,
            bar: Bar::of_outcome(outcome),
            before: None,
            reason: words::further_reason(outcome).map(str::to_owned),
            examples: if failed { outcome.examples.clone() } else { Vec::new() },
            sql: outcome.sql.clone().filter(|_| failed),
            owner: failed.then(|| words::owner(outcome)),
            runbook: outcome
                .runbook
                .clone()
                .filter(|_| failed)
                .map(|text| Runbook { is_link: text.starts_with("https://") || text.starts_with("http://"), text }),
        }
    }
}
