//! Which incident something belongs to: one of which it is a part, else one of the same cause.
//!
//! The same cause is the same migration, wherever it runs; the same source that cannot be checked, or others that cannot since the same moment; what began to
//! fail on one source at the same time; one table, or one that it is made from or goes into, shortly after; one rule on other sources, where it is rolled out one after the other.

use super::{Cause, Incident, Kin, Part};
use crate::Patience;
use chrono::{DateTime, TimeDelta, Utc};

/// The place of the incident that this belongs to.
pub(super) fn place_of(
    known: &[Incident],
    part: &Part,
    cause: &Cause,
    (now, patience): (DateTime<Utc>, Patience),
    kin: &Kin,
) -> Option<usize> {
    let open = |incident: &&Incident| incident.is_open();
    let mine = |own: &&Part| own.is_of(part);
    let is_part = |incident: &Incident| incident.parts.iter().filter(mine).any(|own| !own.is_over());
    let at = known.iter().position(|incident| open(&incident) && is_part(incident));
    let at = at
        .or_else(|| known.iter().position(|incident| open(&incident) && is_one(incident, part, cause, patience, kin)));
    // the latest of those that are over
    at.or_else(|| {
        // from when on it fails again, and not when that is told
        let began = part.since.min(now);
        let lately = |incident: &Incident| incident.resolved.is_some_and(|at| began - at <= patience.to_reopen());
        let again = |incident: &Incident| incident.parts.iter().any(|own| own.is_of(part)) && agrees(incident, cause);
        known.iter().rposition(|incident| lately(incident) && again(incident))
    })
}

/// Whether they may have one cause, as far as migrations are concerned.
fn agrees(incident: &Incident, cause: &Cause) -> bool {
    match (&incident.cause, cause) {
        (Cause::Migration { id, name }, Cause::Migration { id: other, name: called }) => {
            id == other || (name.is_some() && name == called)
        }
        _ => true,
    }
}

fn is_one(incident: &Incident, part: &Part, cause: &Cause, patience: Patience, kin: &Kin) -> bool {
    if !agrees(incident, cause) {
        return false;
    }
    let within = |own: &Part, time: TimeDelta| (own.since - part.since).abs() <= time;
    let mut parts = incident.parts.iter();
    match (&incident.cause, cause) {
        // one of its own agent has all of it; of the same name elsewhere, what is rolled out one after the other
        (Cause::Migration { id, .. }, Cause::Migration { id: other, .. }) => {
            id == other || parts.any(|own| within(own, patience.of_rollout()))
        }
        (Cause::Agent, Cause::Agent) => parts.any(|own| within(own, patience.of_outages())),
        (Cause::Source, Cause::Source) => parts
            .any(|own| (own.agent == part.agent && own.source == part.source) || within(own, patience.of_outages())),
        // what could not be checked is another thing than what was checked and fails
        (Cause::Agent | Cause::Source, _) | (_, Cause::Agent | Cause::Source) => false,
        _ => parts.filter(|own| !own.is_over()).any(|own| {
            let here = own.agent == part.agent && own.source == part.source;
            let same_table = own.table == part.table;
            let same_rule = same_table && own.rule == part.rule;
            let is_kin = own.table.as_ref().is_some_and(|table| kin.has(table));
            (here && within(own, patience.of_breadth()))
                || (((here && (same_table || is_kin)) || same_rule) && within(own, patience.of_rollout()))
        }),
    }
}
