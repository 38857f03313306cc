//! Alertmanager, by its API v2 (`POST /api/v2/alerts`): one alert for each part, told again every minute while it is open, since Alertmanager
//! takes what it is not told of again to be over.

use super::given::PRIVATE;
use super::webhook::{annotations, labels};
use super::words::{page, time};
use super::{Given, Key, Kind, Sent, Tell, Telling, Value, http, incident_of};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_classify::incident::{Incident, Notice};
use reqwest::{Client, Url};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// Time between two tellings, and how long each holds.
const EVERY: Duration = Duration::from_secs(60);
const HOLDS: TimeDelta = TimeDelta::minutes(5);

pub(super) const KIND: Kind = Kind {
    word: "alertmanager",
    what: "an Alertmanager, which groups, silences and forwards by its own configuration",
    keys: &[
        Key::required("url", Value::Url, "its address; of several in a cluster, a route each"),
        Key::optional("token", Value::Secret, "a bearer token, where one is asked for"),
        PRIVATE,
    ],
    make,
};

fn make(given: &Given) -> Result<Arc<dyn Tell>, String> {
    let (mut url, client) = http::address(given, "url", None)?;
    let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(Arc::new(Alertmanager { url, client, token: given.one("token").map(|token| token.trim().to_owned()) }))
}

struct Alertmanager {
    url: Url,
    client: Client,
    token: Option<String>,
}

#[async_trait]
impl Tell for Alertmanager {
    async fn tell(&self, telling: &Telling<'_>) -> Sent {
        let Some(incident) = incident_of(telling.notified) else { return Sent::Taken };
        let alerts = Json::Array(alerts(telling, incident, Utc::now()));
        let mut request = http::post(&self.client, self.url.clone(), &alerts);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        http::send(request).await
    }

    fn repeats(&self) -> Option<Duration> {
        Some(EVERY)
    }
}

fn alerts(telling: &Telling<'_>, incident: &Incident, now: DateTime<Utc>) -> Vec<Json> {
    let over = telling.notified.notice == Notice::Resolved;
    let alert = |part: &fieldmark_classify::incident::Part| {
        let part_over = part.is_over();
        let ends = match (over, part_over) {
            (true, _) => incident.resolved.unwrap_or(now).max(part.since),
            (false, true) => part.changed.max(part.since),
            (false, false) => now + HOLDS,
        };
        json!({
            "labels": labels(incident, part, telling.test),
            "annotations": annotations(telling, incident, part),
            "startsAt": time(part.since),
            "endsAt": time(ends),
            "generatorURL": telling.link.map(|link| page(link, &incident.id)).unwrap_or_default(),
        })
    };
    incident.parts.iter().map(alert).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{incident, notified};
    use super::*;

    #[test]
    fn an_alert_holds_for_a_while_and_ends_with_its_incident() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let told = notified(Notice::Opened, incident());
        let telling = Telling { route: "am", id: "5f-7", notified: &told, link: None, test: false };
        let open = alerts(&telling, &incident(), at(1_000));
        assert_eq!((&open[0]["startsAt"], &open[0]["endsAt"]), (&json!(time(at(0))), &json!(time(at(1_300)))));
        let over = Incident { resolved: Some(at(900)), ..incident() };
        let told = notified(Notice::Resolved, over.clone());
        let ended = alerts(&Telling { notified: &told, ..telling }, &over, at(1_000));
        assert_eq!(ended[0]["endsAt"], json!(time(at(900))));
        assert_eq!(open[0]["labels"], ended[0]["labels"], "it is the same alert");
    }
}
