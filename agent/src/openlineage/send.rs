//! Sending events to whoever takes them: Marquez, DataHub, another collector. What cannot be sent is kept for a while and tried again; it says
//! nothing that Fieldmark itself needs.

use crate::config::OpenLineageConfig;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Events that wait at most; what comes beyond is left out, and counted.
const WAITING: usize = 10_000;
/// Rest after a first failure; it doubles, up to the longest.
const REST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// How long a try may take.
const TIME: Duration = Duration::from_secs(10);

/// Sends events, one after the other.
pub(crate) struct Sender {
    events: mpsc::Sender<Value>,
    left_out: Arc<AtomicU64>,
}

impl Sender {
    /// Starts to send, until the token is cancelled.
    ///
    /// # Errors
    /// What is wrong with the client or the token's file.
    pub(crate) fn start(config: &OpenLineageConfig, stop: CancellationToken) -> Result<Self, String> {
        let token = match &config.token_file.value {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
                Some(text.trim().to_owned())
            }
        };
        let client = reqwest::Client::builder().timeout(TIME).redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|_| "there is no client for it".to_owned())?;
        let url = format!("{}/api/v1/lineage", config.url.value.as_str().trim_end_matches('/'));
        let (events, coming) = mpsc::channel(WAITING);
        tokio::spawn(send_all(client, url, token, coming, stop));
        Ok(Self { events, left_out: Arc::default() })
    }

    /// Has events sent; returns at once.
    pub(crate) fn send(&self, events: Vec<Value>) {
        for event in events {
            if self.events.try_send(event).is_err() {
                self.left_out.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Events that were left out, since who takes them was away for long.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }
}

async fn send_all(
    client: reqwest::Client,
    url: String,
    token: Option<String>,
    mut coming: mpsc::Receiver<Value>,
    stop: CancellationToken,
) {
    while let Some(event) = tokio::select! { event = coming.recv() => event, () = stop.cancelled() => None } {
        let mut rest = REST;
        loop {
            let mut request = client.post(&url).header("content-type", "application/json").body(event.to_string());
            if let Some(token) = &token {
                request = request.bearer_auth(token);
            }
            match request.send().await {
                Ok(answer) if answer.status().is_success() => break,
                // it is not taken as it is, whenever it is sent
                Ok(answer)
                    if answer.status().is_client_error()
                        && !matches!(answer.status().as_u16(), 401 | 403 | 408 | 429) =>
                {
                    tracing::warn!("an event of OpenLineage is refused: {}", answer.status());
                    break;
                }
                Ok(_) | Err(_) => {
                    tokio::select! { () = tokio::time::sleep(rest) => {}, () = stop.cancelled() => return }
                    rest = (rest * 2).min(LONGEST);
                }
            }
        }
    }
}
