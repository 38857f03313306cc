//! Whether the rules of a table can be checked at all.

use super::{About, Episodes, Moment, Own, Sighting};
use fieldmark_classify::episode::Nature;
use fieldmark_classify::outage::{Tried, Tries};
use fieldmark_classify::{Blind, Evidence};
use fieldmark_model::observation::Body;
use fieldmark_model::outcome::Fix;
use fieldmark_model::{Outcome, TableName};
use std::collections::BTreeMap;

/// What may help of several rules, at most.
const FIXES: usize = 10;

/// What may help of these rules, each once.
fn fixes_of(blind: &[&Outcome]) -> Vec<Fix> {
    let mut fixes: Vec<Fix> = Vec::new();
    for fix in blind.iter().flat_map(|outcome| &outcome.fixes) {
        if fixes.len() < FIXES && !fixes.contains(fix) {
            fixes.push(fix.clone());
        }
    }
    fixes
}

impl Episodes {
    /// Takes whether the rules of each table could be checked; `all`: those of all tables were to be.
    pub(super) fn blindness(&mut self, outcomes: &[&Outcome], all: bool, moment: &Moment<'_>) -> Vec<Body> {
        let mut tables: BTreeMap<&TableName, Vec<&Outcome>> = BTreeMap::new();
        outcomes.iter().for_each(|outcome| tables.entry(&outcome.table).or_default().push(outcome));
        let mut changes = Vec::new();
        if all {
            // a table that was missing has another name when it is there
            let is_gone = |own: &Own| own.rule.is_none() && !tables.contains_key(&own.table);
            let gone: Vec<Own> = self.parts.extract_if(.., |own| is_gone(own)).collect();
            changes.extend(gone.iter().filter_map(|own| own.left("no rule speaks of it as it was", moment)));
        }
        for (table, outcomes) in tables {
            changes.extend(self.blindness_of(table, &outcomes, moment));
        }
        changes
    }

    fn blindness_of(&mut self, table: &TableName, outcomes: &[&Outcome], moment: &Moment<'_>) -> Option<Body> {
        let of = |why: Blind| outcomes.iter().copied().filter(move |outcome| Blind::of(outcome) == Some(why));
        let certain: Vec<&Outcome> = of(Blind::Certain).collect();
        let is_certain = !certain.is_empty();
        let blind = if is_certain { certain } else { of(Blind::Passing).collect() };
        let first = blind.first().copied();
        let what = first.map(|first| {
            let (count, all) = (blind.len(), outcomes.len());
            format!("{count} of {all} rules cannot be checked, such as {}: {}", first.rule, first.reason)
        });
        let own = self.parts.iter_mut().find(|own| own.is_of(table, None));
        let severity = blind.iter().map(|outcome| outcome.severity).max().or(own.as_ref().map(|own| own.severity));
        let mut tries = Tries::default();
        let evidence = match what {
            Some(what) if is_certain => Evidence::certain(what),
            None if own.is_none() || outcomes.iter().all(|outcome| outcome.not_evaluated.is_some()) => return None,
            what => {
                let is_told = own.as_ref().is_some_and(|own| own.episode.is_told());
                let known = own.map_or(&mut tries, |own| &mut own.tries);
                let error = what.map(|what| (what, Nature::Open));
                let tried = Tried { by: (), tries: 1, failed: u64::from(error.is_some()), error };
                let said = known.sees(tried, is_told, moment.now, moment.patience);
                said.unwrap_or_else(|| Evidence::good("its rules can be checked".to_owned()))
            }
        };
        let sighting = Sighting {
            table,
            rule: None,
            severity: severity.unwrap_or_default(),
            owner: first.and_then(|first| first.owner.as_ref()),
            about: first.map(|first| About { fixes: fixes_of(&blind), ..About::of(first) }).unwrap_or_default(),
            evidence,
            tries,
        };
        self.sees(sighting, moment)
    }
}
