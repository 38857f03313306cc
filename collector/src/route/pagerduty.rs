//! PagerDuty, by its Events API v2: an incident is triggered, acknowledged and resolved under one `dedup_key`; a migration that is over is a
//! change event.

use super::given::PRIVATE;
use super::words::{headline, lines, migration, name, page, time};
use super::{Given, Key, Kind, Sent, Tell, Telling, Value, http};
use crate::store::{About, Migrated};
use async_trait::async_trait;
use fieldmark_classify::incident::{Incident, Notice};
use fieldmark_model::Severity;
use reqwest::{Client, Url};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Where PagerDuty takes events.
const EVENTS: &str = "https://events.pagerduty.com";
/// Letters of a summary, at most.
const SUMMARY: usize = 1_024;

pub(super) const KIND: Kind = Kind {
    word: "pagerduty",
    what: "a service of PagerDuty (Events API v2); migrations are change events",
    keys: &[
        Key::required("key", Value::Secret, "the integration key of the service"),
        Key::optional("url", Value::Url, "where it takes events, if not at https://events.pagerduty.com"),
        PRIVATE,
    ],
    make,
};

fn make(given: &Given) -> Result<Arc<dyn Tell>, String> {
    let (url, client) = http::address(given, "url", Some(EVENTS))?;
    let key = given.need("key")?.trim().to_owned();
    if key.is_empty() || key.chars().any(|c| !c.is_ascii_alphanumeric()) {
        return Err("its key is not one: letters and digits, mostly 32 of them".to_owned());
    }
    Ok(Arc::new(Pagerduty { url, client, key }))
}

struct Pagerduty {
    url: Url,
    client: Client,
    key: String,
}

#[async_trait]
impl Tell for Pagerduty {
    async fn tell(&self, telling: &Telling<'_>) -> Sent {
        let (path, mut event) = match &telling.notified.about {
            About::Incident(incident) => ("/v2/enqueue", event(telling, incident)),
            About::Migration(migrated) => ("/v2/change/enqueue", change(telling, migrated)),
        };
        if let Some(event) = event.as_object_mut() {
            event.insert("routing_key".to_owned(), json!(self.key));
        }
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        http::send(http::post(&self.client, url, &event)).await
    }

    fn tells_migrations(&self) -> bool {
        true
    }
}

fn short(text: &str) -> String {
    text.chars().take(SUMMARY).collect()
}

fn event(telling: &Telling<'_>, incident: &Incident) -> Json {
    let action = match telling.notified.notice {
        Notice::Opened | Notice::Risen | Notice::Joined | Notice::Reopened | Notice::Escalated | Notice::Migrated => {
            "trigger"
        }
        Notice::Acknowledged => "acknowledge",
        Notice::Resolved => "resolve",
    };
    let severity = match incident.severity {
        Severity::Page => "critical",
        Severity::Ticket => "warning",
        Severity::Info => "info",
    };
    let link = telling.link.map(|link| page(link, &incident.id));
    let runbooks = incident.parts.iter().filter_map(|part| part.runbook.as_ref());
    // a link has to be an address
    let runbooks = runbooks.filter(|runbook| Url::parse(runbook).is_ok_and(|url| url.scheme().starts_with("http")));
    let mut links: Vec<Json> = runbooks.map(|runbook| json!({ "href": runbook, "text": "Runbook" })).collect();
    links.dedup();
    links.truncate(10);
    let component = incident.parts.first().and_then(|part| part.table.as_ref()).map(ToString::to_string);
    let owner = incident.parts.iter().find_map(|part| part.owner.clone());
    let mut event = json!({
        "event_action": action,
        "dedup_key": format!("fieldmark/{}", incident.id),
        "client": "Fieldmark",
        "links": links,
        "payload": {
            "summary": short(&headline(telling, incident)),
            "source": if incident.source().is_empty() { incident.agent() } else { incident.source() },
            "severity": severity,
            "timestamp": time(incident.opened),
            "class": name(incident),
            "custom_details": {
                "incident": incident.id,
                "class": incident.class.as_str(),
                "owner": owner,
                "evidence": lines(telling, incident),
            },
        },
    });
    if let Some(payload) = event.get_mut("payload").and_then(Json::as_object_mut) {
        payload.extend(component.map(|component| ("component".to_owned(), json!(component))));
    }
    if let (Some(event), Some(link)) = (event.as_object_mut(), link) {
        event.insert("client_url".to_owned(), json!(link));
    }
    event
}

fn change(telling: &Telling<'_>, migrated: &Migrated) -> Json {
    let links: Vec<Json> = telling.link.map(|link| json!({ "href": link, "text": "Fieldmark" })).into_iter().collect();
    json!({
        "payload": {
            "summary": short(&migration(migrated)),
            "timestamp": time(migrated.ended),
            "source": migrated.source,
            "custom_details": {
                "migration": migrated.id,
                "name": migrated.name,
                "began": time(migrated.began),
                "verdict": migrated.verdict,
            },
        },
        "links": links,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{incident, notified};
    use super::*;

    #[test]
    fn an_incident_is_triggered_taken_up_and_resolved_under_one_key() {
        let event = |notice| {
            let told = notified(notice, incident());
            let link = Some("https://fieldmark.example");
            event(&Telling { route: "pd", id: "5f-7", notified: &told, link, test: false }, &incident())
        };
        let actions: Vec<Json> = [Notice::Opened, Notice::Acknowledged, Notice::Escalated, Notice::Resolved]
            .into_iter()
            .map(|notice| event(notice)["event_action"].clone())
            .collect();
        assert_eq!(actions, ["trigger", "acknowledge", "trigger", "resolve"]);
        let opened = event(Notice::Opened);
        assert_eq!(opened["dedup_key"], event(Notice::Resolved)["dedup_key"]);
        assert_eq!(opened["payload"]["severity"], "critical");
        assert_eq!(opened["payload"]["summary"], "shop: paid on public.orders: systemic");
        assert_eq!(opened["client_url"], "https://fieldmark.example/incidents/5f");
        assert_eq!(opened["links"][0]["href"], "https://wiki.example/orders");
    }
}
