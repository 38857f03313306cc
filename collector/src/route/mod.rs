//! Ways to tell somebody: which incidents go where, and what became of telling. A kind of route is one file, and one line in [`KINDS`].

mod alertmanager;
mod email;
mod exec;
mod given;
mod hours;
mod http;
mod matches;
mod pagerduty;
mod slack;
mod webhook;
mod words;

pub use given::{Given, Key, Value};
pub use hours::Hours;
pub(crate) use http::{client, ping};
pub use matches::Matches;
pub(crate) use words::summary;

use crate::store::{About, Notified};
use async_trait::async_trait;
use fieldmark_classify::incident::Incident;
use std::sync::Arc;
use std::time::Duration;

/// Every kind of route.
pub const KINDS: [Kind; 6] = [pagerduty::KIND, alertmanager::KIND, slack::KIND, webhook::KIND, email::KIND, exec::KIND];

/// A kind of route.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its word.
    pub word: &'static str,
    /// What it is, in a line.
    pub what: &'static str,
    /// What its configuration says.
    pub keys: &'static [Key],
    /// The way of a configuration; what is wrong with it, in words that show no secret.
    pub make: fn(&Given) -> Result<Arc<dyn Tell>, String>,
}

/// What became of telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was taken.
    Taken,
    /// It may be later; after so long, where the receiver said so.
    Later(String, Option<Duration>),
    /// There was no answer: it may have been taken, and is told again.
    Perhaps(String),
    /// It is not wanted: somebody has to put something right there, and may be at it.
    Unwanted(String),
    /// It never is as it is.
    Refused(String),
}

/// What is told.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// The route's name.
    pub route: &'a str,
    /// The same however often the same is told.
    pub id: &'a str,
    /// What.
    pub notified: &'a Notified,
    /// The collector's address, for whoever wants to look.
    pub link: Option<&'a str>,
    /// Nothing is wrong: somebody tries the route.
    pub test: bool,
}

/// A way to tell.
#[async_trait]
pub trait Tell: Send + Sync {
    /// Tells once.
    async fn tell(&self, telling: &Telling<'_>) -> Sent;

    /// Time between two tellings of an incident that is open, where the receiver forgets what is not told again.
    fn repeats(&self) -> Option<Duration> {
        None
    }

    /// Whether it tells of migrations, too.
    fn tells_migrations(&self) -> bool {
        false
    }
}

/// Who else is told where nobody has taken an incident up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalate {
    /// After so long.
    pub after: Duration,
    /// Over which route.
    pub to: String,
}

/// How much goes over a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many notices,
    pub notices: u32,
    /// within so long.
    pub within: Duration,
}

impl Default for Rate {
    fn default() -> Self {
        Self { notices: 60, within: Duration::from_secs(600) }
    }
}

/// A configured way to tell.
#[derive(Clone)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// What goes over it.
    pub matches: Matches,
    /// When; `None`: always.
    pub hours: Option<Hours>,
    /// Who is told next.
    pub escalate: Option<Escalate>,
    /// Only what no other route takes goes over it.
    pub fallback: bool,
    /// How much goes over it.
    pub rate: Rate,
    /// How it tells.
    pub way: Arc<dyn Tell>,
}

/// The routes that are meant for an incident then: the first is taken, and the next ones where it refuses.
pub fn routes_of<'r>(
    routes: &'r [Route],
    incident: &Incident,
    now: chrono::DateTime<chrono::Utc>,
) -> impl Iterator<Item = &'r Route> {
    let is_meant =
        move |route: &&Route| route.matches.hold(incident) && route.hours.as_ref().is_none_or(|hours| hours.are(now));
    let meant: Vec<&Route> = routes.iter().filter(is_meant).collect();
    let (last, first): (Vec<&Route>, Vec<&Route>) = meant.into_iter().partition(|route| route.fallback);
    first.into_iter().chain(last)
}

/// The incident of a notice, where it is of one.
fn incident_of(notified: &Notified) -> Option<&Incident> {
    match &notified.about {
        About::Incident(incident) => Some(incident),
        About::Migration(_) => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use chrono::DateTime;
    use fieldmark_classify::incident::{Cause, Notice, Part};
    use fieldmark_model::observation::State;
    use fieldmark_model::{RuleId, Severity, SourceName, TableName};

    pub(crate) fn incident() -> Incident {
        let table = TableName::new("public", "orders");
        let part = Part {
            agent: "db-1".into(),
            source: Some(SourceName::new("shop")),
            table: Some(table.clone()),
            rule: Some(RuleId::new("paid")),
            state: State::Systemic,
            since: DateTime::UNIX_EPOCH,
            changed: DateTime::UNIX_EPOCH,
            reason: "27 of 2843 rows fail".into(),
            severity: Severity::Page,
            owner: Some("team-payments".into()),
            description: Some("A paid order has a total.".into()),
            runbook: Some("https://wiki.example/orders".into()),
            escalation: None,
            fixes: Vec::new(),
        };
        Incident {
            id: "5f".into(),
            cause: Cause::Rule(table, RuleId::new("paid")),
            class: State::Systemic,
            severity: Severity::Page,
            opened: DateTime::UNIX_EPOCH,
            resolved: None,
            acknowledged: None,
            parts: vec![part],
        }
    }

    pub(crate) fn notified(notice: Notice, incident: Incident) -> Notified {
        Notified { id: 7, notice, time: DateTime::UNIX_EPOCH, about: About::Incident(Box::new(incident)) }
    }

    struct Silent;
    #[async_trait]
    impl Tell for Silent {
        async fn tell(&self, _: &Telling<'_>) -> Sent {
            Sent::Taken
        }
    }

    fn route(name: &str, matches: Matches) -> Route {
        Route {
            name: name.to_owned(),
            kind: "exec",
            matches,
            hours: None,
            escalate: None,
            fallback: false,
            rate: Rate::default(),
            way: Arc::new(Silent),
        }
    }

    #[test]
    fn the_first_route_that_matches_is_taken_and_a_fallback_last() {
        let blank = Matches::default;
        let night = Hours::parse("mon-fri 22:00-24:00").unwrap();
        let routes = [
            Route { fallback: true, ..route("nobody-else", blank()) },
            route("others", Matches { owner: Some("team-x".into()), ..blank() }),
            route("elsewhere", Matches { source: Some(SourceName::new("lake")), ..blank() }),
            route("flapping", Matches { class: Some(State::Flapping), ..blank() }),
            route("items", Matches { table: Some("items".into()), ..blank() }),
            Route { hours: Some(night), ..route("night", blank()) },
            route("pager", Matches { severity: Some(Severity::Page), table: Some("public.orders".into()), ..blank() }),
            route("everyone", blank()),
        ];
        let names = |incident: &Incident| -> Vec<String> {
            routes_of(&routes, incident, DateTime::UNIX_EPOCH).map(|route| route.name.clone()).collect()
        };
        assert_eq!(names(&incident()), ["pager", "everyone", "nobody-else"]);
        let ticket = Incident { severity: Severity::Ticket, ..incident() };
        assert_eq!(names(&ticket), ["everyone", "nobody-else"]);
    }
}
