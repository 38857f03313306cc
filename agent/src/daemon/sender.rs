//! From the spool to the collector: at least once, in order, until it is acknowledged.

use super::recorder::{Outgoing, Recorder};
use super::{meters, say, warn};
use crate::command::{Ended, WRONG_CONFIGURATION};
use crate::config::{CollectorConfig, Config};
use chrono::Utc;
use fieldmark_collector::Collector;
use fieldmark_collector::store::{Accepted, Life, StoreError};
use fieldmark_model::observation::{Receipt, VERSION};
use flate2::Compression;
use flate2::write::GzEncoder;
use rand::RngExt as _;
use reqwest::{Certificate, Client, StatusCode, header};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Observations of one batch, and their bytes.
const RECORDS: usize = 500;
const BYTES: usize = 1 << 20;
/// Longest rest between two tries.
const LONGEST: Duration = Duration::from_secs(60);
/// Longest rest that a collector can ask for.
const RETRY_AFTER: Duration = Duration::from_secs(300);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Observations that were refused for good and are kept aside at most.
const ASIDE: usize = 100;

/// Words by which the collector says that a batch is never taken as it is.
const REFUSALS: [&str; 3] = ["batch_refused", "digest_mismatch", "too_large"];

/// Why a batch was not taken.
#[derive(Debug)]
enum Refused {
    /// It may be taken later; after so long, where the collector said so.
    Later(String, Option<Duration>),
    /// It is never taken as it is.
    Never(String),
    /// Another process reports as this agent.
    Fenced(String),
}

/// Where observations go.
enum Target {
    Inside(Collector),
    Elsewhere(Box<Elsewhere>),
}

struct Elsewhere {
    client: Mutex<(Client, Option<SystemTime>)>,
    collector: CollectorConfig,
}

/// What the sender tells of itself.
#[derive(Default)]
struct Shared {
    trouble: Option<String>,
    behind_since: Option<Instant>,
}

/// Sends until it is told to end.
pub(super) struct Sender {
    shared: Arc<Mutex<Shared>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Sender {
    /// What is wrong, if anything is.
    pub(super) fn trouble(&self) -> Option<String> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    /// Since when the collector has not had everything.
    pub(super) fn behind(&self) -> Duration {
        let since = self.shared.lock().unwrap_or_else(PoisonError::into_inner).behind_since;
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Sends what is there, at most for so long.
    pub(super) async fn drain(self, time: Duration) {
        self.stop.cancel();
        let abort = self.task.abort_handle();
        if tokio::time::timeout(time, self.task).await.is_err() {
            // what is not sent is in the spool
            abort.abort();
        }
    }
}

/// Starts to send.
///
/// # Errors
/// What is wrong with the collector's certificates.
pub(super) fn start(
    config: &Config,
    inside: Option<Collector>,
    recorder: &Recorder,
    incarnation: u64,
) -> Result<Sender, Ended> {
    let target = match (inside, &config.collector) {
        (Some(collector), _) => Target::Inside(collector),
        (None, Some(collector)) => Target::Elsewhere(Box::new(elsewhere(collector)?)),
        (None, None) => return Err(Ended::Because(2, "there is no collector".to_owned())),
    };
    let (shared, stop) = (Arc::<Mutex<Shared>>::default(), CancellationToken::new());
    let sending = Sending {
        target,
        agent: config.agent.name.value.clone(),
        incarnation,
        recorder: recorder.clone(),
        shared: Arc::clone(&shared),
        stop: stop.clone(),
        refused: config.state_dir.value.join("spool").join("refused"),
        begun: false,
        tries: 0,
    };
    Ok(Sender { shared, stop, task: tokio::spawn(sending.run()) })
}

fn elsewhere(collector: &CollectorConfig) -> Result<Elsewhere, Ended> {
    // at the start it is somebody's mistake; later it may be on its way
    let token_file = &collector.token_file.value;
    let token = std::fs::read_to_string(token_file);
    let why = match token {
        Ok(token) if token.trim().is_empty() => Some("it is empty".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = why {
        let what = format!(
            "the token for the collector, {}, cannot be used: {why}; `fieldmark agents enrol NAME --token-file FILE` on the collector's machine makes one",
            token_file.display()
        );
        return Err(Ended::Because(WRONG_CONFIGURATION, what));
    }
    let client = Mutex::new((client(collector)?, changed(collector)));
    Ok(Elsewhere { client, collector: collector.clone() })
}

/// When the certificates that are trusted were last written.
fn changed(collector: &CollectorConfig) -> Option<SystemTime> {
    let metadata = std::fs::metadata(collector.ca_file.value.as_ref()?);
    metadata.and_then(|metadata| metadata.modified()).ok()
}

fn client(collector: &CollectorConfig) -> Result<Client, Ended> {
    let mut client = Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("fieldmark/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &collector.ca_file.value {
        let wrong = |what: String| Ended::Because(2, format!("{}: {what}", path.display()));
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let certificates =
            Certificate::from_pem_bundle(&pem).map_err(|_| wrong("there is no certificate in it".to_owned()))?;
        client = client.tls_certs_only(certificates);
    }
    client.build().map_err(|error| Ended::Because(2, format!("the collector's client: {error}")))
}

struct Sending {
    target: Target,
    agent: String,
    incarnation: u64,
    recorder: Recorder,
    shared: Arc<Mutex<Shared>>,
    stop: CancellationToken,
    /// Where observations are kept that are refused for good.
    refused: PathBuf,
    /// Whether the collector knows that this process reports as the agent.
    begun: bool,
    tries: u32,
}

impl Sending {
    async fn run(mut self) {
        loop {
            // before the spool is read: what comes meanwhile is told
            let fresh = Arc::clone(&self.recorder.fresh);
            let fresh = fresh.notified();
            match self.round().await {
                Ok(true) => {
                    self.tries = 0;
                    self.told(None);
                }
                Ok(false) => {
                    self.told(None);
                    self.shared.lock().unwrap_or_else(PoisonError::into_inner).behind_since = None;
                    if self.stop.is_cancelled() {
                        return;
                    }
                    tokio::select! {
                        () = fresh => {}
                        () = self.stop.cancelled() => {}
                        // the spool may have something to say of itself
                        () = tokio::time::sleep(LONGEST) => {}
                    }
                }
                Err(refused) => {
                    if self.stop.is_cancelled() {
                        return;
                    }
                    self.rest(refused).await;
                }
            }
        }
    }

    fn told(&self, trouble: Option<String>) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.is_some() && shared.trouble != trouble {
            warn(&format!("the collector does not take observations: {}", trouble.as_deref().unwrap_or_default()));
        }
        if trouble.is_none() && shared.trouble.is_some() {
            say("the collector takes observations again");
        }
        shared.trouble = trouble;
        shared.behind_since.get_or_insert_with(Instant::now);
    }

    /// Rests with full jitter: whole fleets come back at the same moment.
    async fn rest(&mut self, refused: Refused) {
        let (what, asked) = match refused {
            Refused::Later(what, asked) => (what, asked),
            Refused::Never(what) => (what, None),
            Refused::Fenced(what) => (what, Some(LONGEST)),
        };
        self.told(Some(what));
        self.tries = self.tries.saturating_add(1);
        let most = Duration::from_millis(500 << self.tries.min(7)).min(LONGEST);
        let rest = most.mul_f64(rand::rng().random::<f64>());
        let rest = asked.map_or(rest, |asked| asked.min(RETRY_AFTER) + rest / 10);
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// One batch; whether there was one.
    async fn round(&mut self) -> Result<bool, Refused> {
        let later = |what| Refused::Later(what, None);
        if !self.begun {
            self.begin().await?;
            self.begun = true;
        }
        let outgoing = self.recorder.read(&self.agent, RECORDS, BYTES).await.map_err(later)?;
        if outgoing.last == 0 {
            return Ok(false);
        }
        self.send_all(&outgoing).await?;
        self.recorder.ack(outgoing.last).await.map_err(later)?;
        Ok(true)
    }

    /// Sends a batch; one that is refused as it is, in halves, down to what cannot be sent at all, which is kept aside.
    async fn send_all(&mut self, outgoing: &Outgoing) -> Result<(), Refused> {
        let mut parts: Vec<&[(fieldmark_model::observation::ObservationId, String)]> = vec![&outgoing.observations];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let sent = self.send(part).await;
            meters::batch(match &sent {
                Ok(()) => "taken",
                Err(Refused::Later(..)) => "later",
                Err(Refused::Never(_)) => "refused",
                Err(Refused::Fenced(_)) => "fenced",
            });
            match sent {
                Ok(()) => {}
                Err(Refused::Never(what)) => match part {
                    [(id, one)] => {
                        self.keep_aside(one, &what);
                        self.recorder.refused(id.sequence);
                    }
                    many => {
                        let (first, second) = many.split_at(many.len() / 2);
                        parts.extend([second, first]);
                    }
                },
                Err(refused) => return Err(refused),
            }
        }
        Ok(())
    }

    fn keep_aside(&self, observation: &str, what: &str) {
        warn(&format!("an observation is refused for good and kept in {}: {what}", self.refused.display()));
        let kept = std::fs::create_dir_all(&self.refused).and_then(|()| {
            // what was killed while it wrote here; nobody else does
            crate::state::sweep(&self.refused, None).map_err(|error| std::io::Error::other(error.explain()))?;
            let mut names: Vec<_> =
                std::fs::read_dir(&self.refused)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
            names.sort();
            for old in names.iter().rev().skip(ASIDE - 1) {
                std::fs::remove_file(old)?;
            }
            let name = format!("{}.json", Utc::now().format("%Y%m%dT%H%M%S%.9f"));
            crate::state::write(&self.refused.join(name), observation.as_bytes())
                .map_err(|error| std::io::Error::other(error.explain()))
        });
        if let Err(error) = kept {
            warn(&format!("it cannot be kept: {error}"));
        }
    }

    fn batch(&self, part: &[(fieldmark_model::observation::ObservationId, String)]) -> String {
        let observations: Vec<&str> = part.iter().map(|(_, json)| json.as_str()).collect();
        let agent = serde_json::to_string(&self.agent).unwrap_or_default();
        let sent = serde_json::to_string(&Utc::now()).unwrap_or_default();
        format!(
            "{{\"version\":{VERSION},\"agent\":{agent},\"incarnation\":{},\"sent\":{sent},\"observations\":[{}]}}",
            self.incarnation,
            observations.join(",")
        )
    }

    async fn begin(&self) -> Result<(), Refused> {
        let (agent, version) = (self.agent.clone(), env!("CARGO_PKG_VERSION").to_owned());
        let life = Life { agent, incarnation: self.incarnation, version };
        match &self.target {
            Target::Inside(collector) => {
                collector.store().begin_life(life, Utc::now()).await.map_err(|error| of_store(&error))
            }
            Target::Elsewhere(elsewhere) => {
                let body = serde_json::json!({ "agent": life.agent, "incarnation": life.incarnation, "version": life.version });
                elsewhere.post("v1/lives", body.to_string()).await.map(|_| ())
            }
        }
    }

    async fn send(&self, part: &[(fieldmark_model::observation::ObservationId, String)]) -> Result<(), Refused> {
        let batch = self.batch(part);
        match &self.target {
            Target::Inside(collector) => {
                let read = Accepted::read(batch.as_bytes(), Utc::now(), RECORDS);
                let accepted = read.map_err(|error| Refused::Never(error.to_string()))?;
                collector.take(accepted).await.map(|_| ()).map_err(|error| of_store(&error))
            }
            Target::Elsewhere(elsewhere) => {
                let digest = Sha256::digest(batch.as_bytes());
                let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                let answer = elsewhere.post("v1/ingest", batch).await?;
                let receipt: Option<Receipt> = serde_json::from_str(&answer).ok();
                let (first, last) = (part.first().map(|(id, _)| id.sequence), part.last().map(|(id, _)| id.sequence));
                let is_own = receipt.is_some_and(|receipt| {
                    receipt.agent == self.agent
                        && receipt.incarnation == self.incarnation
                        && (Some(receipt.first), Some(receipt.last)) == (first, last)
                        && receipt.sha256 == sha256
                });
                // whatever answered, it was not the collector that has stored this
                if is_own {
                    Ok(())
                } else {
                    Err(Refused::Later("its receipt is not that of the batch".to_owned(), None))
                }
            }
        }
    }
}

fn of_store(error: &StoreError) -> Refused {
    match error {
        StoreError::Fenced { .. } => Refused::Fenced(error.to_string()),
        StoreError::AnotherDigest { .. } => Refused::Never(error.to_string()),
        StoreError::Taken { .. }
        | StoreError::Over { .. }
        | StoreError::Unknown { .. }
        | StoreError::Newer { .. }
        | StoreError::Failed { .. } => Refused::Later(error.to_string(), None),
    }
}

impl Elsewhere {
    /// The client, with the certificates that are trusted now; those before, where the new ones are none.
    fn client(&self) -> Client {
        let now = changed(&self.collector);
        let mut current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if current.1 != now
            && let Ok(client) = client(&self.collector)
        {
            *current = (client, now);
        }
        current.0.clone()
    }

    /// Posts a body, compressed; the answer's.
    async fn post(&self, path: &str, body: String) -> Result<String, Refused> {
        let later = |what: String| Refused::Later(what, None);
        // read each time: it may be renewed
        let token_file = &self.collector.token_file.value;
        let token = std::fs::read_to_string(token_file);
        let token = token.map_err(|error| later(format!("{}: {error}", token_file.display())))?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let compressed = gzip.write_all(body.as_bytes()).and_then(|()| gzip.finish());
        let compressed = compressed.map_err(|error| later(error.to_string()))?;
        let url = self.collector.url.value.join(path).map_err(|error| later(error.to_string()))?;
        let request = self
            .client()
            .post(url)
            .bearer_auth(token.trim())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, "gzip")
            .body(compressed);
        // without the address, in which somebody may have written a secret
        let response = request.send().await.map_err(|error| later(told(&error)))?;
        let status = response.status();
        let asked = response.headers().get(header::RETRY_AFTER).and_then(retry_after);
        let answer = response.text().await.map_err(|error| later(told(&error)))?;
        if status.is_success() {
            return Ok(answer);
        }
        let problem: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        let text = |key: &str| problem.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let what = format!("{status} {}", text("detail"));
        Err(match status {
            StatusCode::CONFLICT if text("type") == "identity_conflict" => Refused::Fenced(what),
            // in the collector's own words: what stands between may answer anything
            _ if REFUSALS.contains(&text("type").as_str()) => Refused::Never(what),
            _ => Refused::Later(what, asked),
        })
    }
}

fn told(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else {
        "the connection broke off"
    };
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let mut last = String::new();
    while let Some(error) = cause {
        last = error.to_string();
        cause = error.source();
    }
    if last.is_empty() { what.to_owned() } else { format!("{what} ({last})") }
}

/// Seconds, or a date.
fn retry_after(value: &header::HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    (date.with_timezone(&Utc) - Utc::now()).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n9_a_rest_that_is_asked_for_is_read_and_bounded() {
        let of = |text: &str| retry_after(&header::HeaderValue::from_str(text).unwrap());
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("1000000000").map(|asked| asked.min(RETRY_AFTER)), Some(RETRY_AFTER));
        assert_eq!((of("-5"), of("soon"), of("Fri, 01 Jan 2021 00:00:00 GMT")), (None, None, None));
        let later = Utc::now() + chrono::TimeDelta::seconds(90);
        let asked = of(&later.to_rfc2822()).unwrap();
        assert!((80..=90).contains(&asked.as_secs()), "{asked:?}");
    }
}
