//! What happened of an incident, and when.

use super::badge;
use super::time::Time;
use crate::store::DeliveryRow;
use chrono::{DateTime, Utc};
use fieldmark_classify::incident::{Incident, Part};
use fieldmark_model::observation::{Body, Observation};

/// What is told at most: the latest of it.
const MOST: usize = 200;

/// Something that happened.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    pub(super) at: DateTime<Utc>,
    pub(super) time: Time,
    pub(super) class: &'static str,
    pub(super) what: String,
    pub(super) detail: String,
}

/// What happened, oldest first.
pub(super) fn events(
    incident: &Incident,
    changes: &[Observation],
    told: &[DeliveryRow],
    now: DateTime<Utc>,
) -> Vec<Event> {
    let event = |at, class, what: String, detail: String| Event { at, time: Time::of(at, now), class, what, detail };
    let mut events = vec![event(incident.opened, "bad", "the incident opened".to_owned(), String::new())];
    for change in changes {
        let Body::State(state) = &change.body else { continue };
        let is_own = |part: &&Part| {
            part.agent == change.id.agent
                && part.source.as_ref() == Some(&state.source)
                && part.table == state.table
                && part.rule == state.rule
        };
        let Some(part) = incident.parts.iter().find(is_own) else { continue };
        let what = format!("{}: {}", part.about(), state.to.as_str());
        events.push(event(change.time, badge::of_state(Some(state.to)).class, what, state.reason.clone()));
    }
    for row in told.iter().filter(|row| row.incident == incident.id) {
        let (at, how) = match (row.settled, row.due) {
            (Some(settled), _) => (settled, row.result.clone()),
            (None, Some(due)) => (due, format!("{}, tried {} times", row.result, row.tries)),
            (None, None) => continue,
        };
        events.push(event(at, "calm", format!("told over {}: {}", row.route, row.notice), how));
    }
    if let Some(by) = &incident.acknowledged {
        let detail = by.note.clone().unwrap_or_default();
        events.push(event(by.at, "calm", format!("{} took it up", by.by), detail));
    }
    if let Some(at) = incident.resolved {
        events.push(event(at, "good", "it was over".to_owned(), incident.class.as_str().to_owned()));
    }
    events.sort_by_key(|event| event.at);
    let many = events.len().saturating_sub(MOST);
    events.drain(..many);
    events
}

#[cfg(test)]
mod tests {
    use super::super::incident::tests::incident;
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn what_happened_is_told_in_its_order() {
        let told = DeliveryRow {
            incident: "5f".into(),
            notice: "opened".into(),
            route: "pager".into(),
            tries: 1,
            due: None,
            settled: Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(30)),
            result: "taken".into(),
        };
        let other = DeliveryRow { incident: "60".into(), ..told.clone() };
        let events = events(&incident(), &[], &[told, other], DateTime::UNIX_EPOCH);
        let said: Vec<_> = events.iter().map(|event| event.what.as_str()).collect();
        assert_eq!(said, ["the incident opened", "told over pager: opened", "ann took it up"]);
    }
}
