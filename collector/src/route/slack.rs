//! Slack, by an incoming webhook: one message for each notice.

use super::given::PRIVATE;
use super::words::{headline, lines};
use super::{Given, Key, Kind, Sent, Tell, Telling, Value, http, incident_of};
use async_trait::async_trait;
use fieldmark_classify::incident::Incident;
use reqwest::{Client, Url};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Letters of a block of text, at most.
const BLOCK: usize = 2_900;

pub(super) const KIND: Kind = Kind {
    word: "slack",
    what: "a channel of Slack, by an incoming webhook",
    keys: &[
        Key::required("url", Value::Url, "the webhook's address, which is a secret: `url_env` or `url_file`"),
        PRIVATE,
    ],
    make,
};

fn make(given: &Given) -> Result<Arc<dyn Tell>, String> {
    let (url, client) = http::address(given, "url", None)?;
    Ok(Arc::new(Slack { url, client }))
}

struct Slack {
    url: Url,
    client: Client,
}

#[async_trait]
impl Tell for Slack {
    async fn tell(&self, telling: &Telling<'_>) -> Sent {
        let Some(incident) = incident_of(telling.notified) else { return Sent::Taken };
        http::send(http::post(&self.client, self.url.clone(), &message(telling, incident))).await
    }
}

/// What Slack takes for a mark is none (its documentation, "Escaping text").
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn message(telling: &Telling<'_>, incident: &Incident) -> Json {
    let headline = escaped(&headline(telling, incident));
    let mut text = escaped(&lines(telling, incident).join("\n"));
    if let Some((at, _)) = text.char_indices().nth(BLOCK) {
        text.truncate(at);
        text.push('…');
    }
    json!({
        "text": headline,
        "blocks": [
            { "type": "section", "text": { "type": "mrkdwn", "text": format!("*{}*", headline.replace('*', "∗")) } },
            { "type": "section", "text": { "type": "plain_text", "text": text, "emoji": false } },
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{incident, notified};
    use super::*;
    use fieldmark_classify::incident::Notice;

    #[test]
    fn a_message_says_what_it_is_and_marks_nothing() {
        let mut incident = incident();
        incident.parts[0].reason = "<!channel> & *all*".into();
        let told = notified(Notice::Opened, incident.clone());
        let telling = Telling { route: "chat", id: "5f-7", notified: &told, link: None, test: true };
        let message = message(&telling, &incident);
        assert_eq!(message["text"], "TEST, nothing is wrong: shop: paid on public.orders: systemic");
        let body = message["blocks"][1]["text"]["text"].as_str().unwrap();
        assert!(body.contains("&lt;!channel&gt; &amp; *all*") && body.contains("Owner: team-payments"), "{body}");
        assert!(body.contains("Runbook: https://wiki.example/orders") && body.contains("A paid order has a total."));
    }
}
