//! A webhook: the payload of Alertmanager's webhooks, version 4 (Prometheus documentation, "webhook_config"), signed as Standard Webhooks 1.0
//! say: `webhook-id`, `webhook-timestamp`, and in `webhook-signature` the HMAC-SHA256 of `id.timestamp.body`.

use super::given::PRIVATE;
use super::words::{fingerprint, headline, name, page, time};
use super::{Given, Key, Kind, Sent, Tell, Telling, Value, http, incident_of};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use fieldmark_classify::incident::{Cause, Incident, Notice, Part};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, Url};
use serde_json::{Map, Value as Json, json};
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;

pub(super) const KIND: Kind = Kind {
    word: "webhook",
    what: "a signed call, in the form that Alertmanager's webhooks have",
    keys: &[
        Key::required("url", Value::Url, "where it is sent"),
        Key::required("secret", Value::Secret, "what it is signed by: 24 bytes or more, or `whsec_` and base 64"),
        PRIVATE,
    ],
    make,
};

fn make(given: &Given) -> Result<Arc<dyn Tell>, String> {
    let (url, client) = http::address(given, "url", None)?;
    let short = || "its secret is shorter than 24 bytes, or `whsec_` and no base 64".to_owned();
    let secret = Secret::of(given.need("secret")?).ok_or_else(short)?;
    Ok(Arc::new(Webhook { url, client, secret }))
}

/// What Standard Webhooks put before a secret.
const PREFIX: &str = "whsec_";
/// Bytes of a secret, at least.
const SHORTEST: usize = 24;

/// The secret that signs. Shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// `whsec_` and the secret in base 64, or the secret as it is; `None` where that is no secret, or a short one.
    fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).ok()?,
            None => text.as_bytes().to_vec(),
        };
        (bytes.len() >= SHORTEST).then_some(Self(bytes))
    }

    /// The value of `webhook-signature`.
    fn sign(&self, id: &str, timestamp: i64, body: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

/// Where, and signed by what.
struct Webhook {
    url: Url,
    client: Client,
    secret: Secret,
}

#[async_trait]
impl Tell for Webhook {
    async fn tell(&self, telling: &Telling<'_>) -> Sent {
        let Some(incident) = incident_of(telling.notified) else { return Sent::Taken };
        let (body, timestamp) = (payload(telling, incident).to_string(), Utc::now().timestamp());
        let Some(signature) = self.secret.sign(telling.id, timestamp, &body) else {
            return Sent::Refused("it cannot be signed".to_owned());
        };
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", telling.id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature)
            .body(body);
        http::send(request).await
    }
}

/// What Alertmanager would send of it: a group of alerts, one for each part.
fn payload(telling: &Telling<'_>, incident: &Incident) -> Json {
    let notice = telling.notified.notice;
    let status = if notice == Notice::Resolved { "resolved" } else { "firing" };
    let alerts: Vec<Json> = incident.parts.iter().map(|part| alert(telling, incident, part, status)).collect();
    let common = |of: &str| -> Map<String, Json> {
        let mut maps = alerts.iter().filter_map(|alert| alert[of].as_object());
        let mut common = maps.next().cloned().unwrap_or_default();
        maps.for_each(|other| common.retain(|key, value| other.get(key) == Some(value)));
        common
    };
    json!({
        "version": "4",
        "groupKey": format!("fieldmark:{}", incident.id),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": telling.route,
        "groupLabels": { "incident": incident.id },
        "commonLabels": common("labels"),
        "commonAnnotations": common("annotations"),
        "externalURL": telling.link.unwrap_or_default(),
        "alerts": alerts,
    })
}

/// The labels of a part: each its own, and the same however the incident goes on.
pub(super) fn labels(incident: &Incident, part: &Part, test: bool) -> Map<String, Json> {
    let mut labels = Map::new();
    let mut label = |name: &str, value: &str| drop(labels.insert(name.to_owned(), json!(value)));
    label("alertname", name(incident));
    label("incident", &incident.id);
    label("agent", &part.agent);
    label("severity", part.severity.as_str());
    if let Some(source) = &part.source {
        label("source", source.as_str());
    }
    if let Some(table) = &part.table {
        label("schema", &table.schema);
        label("table", &table.name);
    }
    if let Some(rule) = &part.rule {
        label("rule", rule.as_str());
    }
    if let Some(owner) = &part.owner {
        label("owner", owner);
    }
    if test {
        label("test", "true");
    }
    labels
}

/// What is said of a part.
pub(super) fn annotations(telling: &Telling<'_>, incident: &Incident, part: &Part) -> Map<String, Json> {
    let mut annotations = Map::new();
    let mut note = |name: &str, value: &str| drop(annotations.insert(name.to_owned(), json!(value)));
    note("summary", &headline(telling, incident));
    note("description", &part.reason);
    note("state", part.state.as_str());
    if let Some(description) = &part.description {
        note("rule_description", description);
    }
    if let Some(runbook) = &part.runbook {
        note("runbook_url", runbook);
    }
    if let Cause::Migration { id, name } = &incident.cause {
        note("migration", name.as_deref().unwrap_or(id));
    }
    note("notice", telling.notified.notice.as_str());
    if let Some(by) = &incident.acknowledged {
        note("acknowledged_by", &by.by);
        note("acknowledged_note", by.note.as_deref().unwrap_or_default());
    }
    let fixes: Vec<String> = part.fixes.iter().map(|fix| format!("To {}: {}", fix.what, fix.text)).collect();
    if !fixes.is_empty() {
        note("what_may_help", &fixes.join("\n"));
    }
    annotations
}

fn alert(telling: &Telling<'_>, incident: &Incident, part: &Part, status: &str) -> Json {
    let mut labels = labels(incident, part, telling.test);
    labels.insert("class".to_owned(), json!(incident.class.as_str()));
    let part_over = part.is_over();
    let ended = incident.resolved.or(part_over.then_some(part.changed));
    let status = if part_over { "resolved" } else { status };
    let ended = ended.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), time);
    json!({
        "status": status,
        "labels": labels,
        "annotations": annotations(telling, incident, part),
        "startsAt": time(part.since),
        "endsAt": ended,
        "generatorURL": telling.link.map(|link| page(link, &incident.id)).unwrap_or_default(),
        "fingerprint": fingerprint(incident, part),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{incident, notified};
    use super::*;
    use chrono::DateTime;

    /// The example of the Standard Webhooks specification's own libraries.
    #[test]
    fn a_signature_is_the_one_of_the_standard() {
        let secret = Secret::of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn a_secret_is_long() {
        assert!(Secret::of("hunter2").is_none());
        assert!(Secret::of("whsec_aHVudGVyMg==").is_none());
        assert!(Secret::of("whsec_***").is_none());
        assert!(Secret::of("a-secret-of-more-than-24-letters").is_some());
    }

    #[test]
    fn the_payload_is_alertmanagers() {
        let notified = notified(Notice::Opened, incident());
        let link = Some("https://fieldmark.example/");
        let telling = Telling { route: "pager", id: "5f-7", notified: &notified, link, test: false };
        let payload = payload(&telling, &incident());
        let labels = json!({
            "alertname": "FieldmarkRuleFails", "agent": "db-1", "source": "shop", "severity": "page", "incident": "5f",
            "class": "systemic", "schema": "public", "table": "orders", "rule": "paid", "owner": "team-payments"
        });
        let annotations = json!({
            "summary": "shop: paid on public.orders: systemic",
            "description": "27 of 2843 rows fail",
            "state": "systemic",
            "notice": "opened",
            "rule_description": "A paid order has a total.",
            "runbook_url": "https://wiki.example/orders",
        });
        let expected = json!({
            "version": "4",
            "groupKey": "fieldmark:5f",
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "pager",
            "groupLabels": { "incident": "5f" },
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": "https://fieldmark.example/",
            "alerts": [{
                "status": "firing",
                "labels": labels,
                "annotations": annotations,
                "startsAt": "1970-01-01T00:00:00.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://fieldmark.example/incidents/5f",
                "fingerprint": payload["alerts"][0]["fingerprint"],
            }],
        });
        assert_eq!(payload, expected);
        assert_eq!(payload["alerts"][0]["fingerprint"].as_str().unwrap().len(), 16);
        let over = Incident { resolved: DateTime::from_timestamp(60, 0), ..incident() };
        let notified = super::super::tests::notified(Notice::Resolved, over.clone());
        let told = super::payload(&Telling { notified: &notified, ..telling }, &over);
        assert_eq!(
            (&told["status"], &told["alerts"][0]["endsAt"], &told["alerts"][0]["annotations"]["summary"]),
            (
                &json!("resolved"),
                &json!("1970-01-01T00:01:00.000Z"),
                &json!("Over: shop: paid on public.orders: systemic")
            )
        );
    }

    #[test]
    fn common_is_what_all_parts_have() {
        let mut two = incident();
        let other = Part { rule: None, severity: fieldmark_model::Severity::Ticket, ..two.parts[0].clone() };
        two.parts.push(other);
        let notified = notified(Notice::Opened, two.clone());
        let telling = Telling { route: "pager", id: "5f-7", notified: &notified, link: None, test: true };
        let payload = payload(&telling, &two);
        assert_eq!(payload["commonLabels"]["severity"], Json::Null);
        assert_eq!(
            (&payload["commonLabels"]["table"], &payload["commonLabels"]["test"]),
            (&json!("orders"), &json!("true"))
        );
    }
}
