//! The agent's own API, for whoever is on its machine and may read its token: take a mark, open and close a migration, check now, how it is.

use super::event::{Answer, Ask, Coming};
use crate::command::Ended;
use crate::state::StateFolder;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use fieldmark_collector::Token;
use fieldmark_model::SourceName;
use fieldmark_model::metric::By;
use fieldmark_telemetry::Scrape;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long the loop may take to say how it is.
const HEALTH: Duration = Duration::from_secs(5);
/// How long requests that are being answered may take when the agent ends.
const DRAIN: Duration = Duration::from_secs(1);
/// Name of the token's file in the state folder.
pub(crate) const TOKEN: &str = "local.token";
/// Name of the file that says where the API listens.
pub(crate) const ADDRESS: &str = "local.address";

#[derive(Clone)]
struct Local {
    events: mpsc::UnboundedSender<Coming>,
    token: Token,
    agent: String,
    scrape: Option<Scrape>,
}

/// Something that listens.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// Ends it.
    pub(crate) async fn stop(self) {
        let abort = self.task.abort_handle();
        if tokio::time::timeout(DRAIN, self.task).await.is_err() {
            abort.abort();
        }
    }
}

/// Makes the API, and a token in a file that its owner alone may read.
///
/// # Errors
/// The state folder's.
pub(super) fn api(
    folder: &StateFolder,
    events: mpsc::UnboundedSender<Coming>,
    agent: String,
    scrape: Option<Scrape>,
) -> Result<(PathBuf, Router), Ended> {
    let path = folder.path().join(TOKEN);
    let token = match std::fs::read_to_string(&path) {
        Ok(token) if token.trim().len() > 40 => Token::given(&token),
        Ok(_) | Err(_) => {
            let token = Token::random().map_err(|error| Ended::Because(2, error.to_string()))?;
            folder.write(TOKEN, format!("{}\n", token.expose()).as_bytes())?;
            token
        }
    };
    let local = Local { events, token, agent, scrape };
    let asked = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/sources/{source}/check", post(check))
        .route("/v1/sources/{source}/mark", post(mark))
        .route("/v1/sources/{source}/migrations", post(open))
        .route("/v1/sources/{source}/migrations/close", post(close))
        .layer(from_fn_with_state(local.clone(), admitted));
    // whoever is on the machine may know what the names of tables are, and how the agent is; not what it does
    let open =
        Router::new().route("/healthz", get(health)).route("/readyz", get(ready)).route("/metrics", get(metrics));
    Ok((path, open.merge(asked).with_state(local)))
}

/// Tells metrics, and nothing else, at an address of their own.
///
/// # Errors
/// The address cannot be had.
pub(crate) async fn tell_metrics(
    address: SocketAddr,
    scrape: &Scrape,
    of: By,
    stop: CancellationToken,
) -> Result<Listening, Ended> {
    let scrape = scrape.clone();
    let told = get(move || async move { metrics_of(Some(&scrape), of) });
    listen(address, Router::new().route("/metrics", told), stop).await
}

fn metrics_of(scrape: Option<&Scrape>, of: By) -> Response {
    let Some(scrape) = scrape else {
        return problem(StatusCode::NOT_FOUND, "metrics are not told here: `telemetry: { prometheus: true }`");
    };
    match scrape.text(of) {
        Ok(text) => ([(header::CONTENT_TYPE, Scrape::CONTENT_TYPE)], text).into_response(),
        Err(why) => problem(StatusCode::INTERNAL_SERVER_ERROR, &why),
    }
}

async fn metrics(State(local): State<Local>) -> Response {
    metrics_of(local.scrape.as_ref(), By::Agent)
}

/// Listens.
///
/// # Errors
/// The address cannot be had.
pub(super) async fn listen(address: SocketAddr, router: Router, stop: CancellationToken) -> Result<Listening, Ended> {
    let refused = |error: std::io::Error| Ended::Because(2, format!("{address} cannot be listened on: {error}"));
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let task = tokio::spawn(async move {
        let serving = axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await });
        serving.await.ok();
    });
    Ok(Listening { address, task })
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("");
    (status, Json(json!({ "title": title, "status": status.as_u16(), "detail": detail }))).into_response()
}

async fn admitted(State(local): State<Local>, request: Request, next: Next) -> Response {
    let bearer =
        request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    // hashes are compared, so that how long it takes tells nothing of the token
    if bearer.is_some_and(|given| Token::given(given).hash() == local.token.hash()) {
        return next.run(request).await;
    }
    problem(
        StatusCode::UNAUTHORIZED,
        "the token of the state folder's `local.token` is needed: Authorization: Bearer …",
    )
}

async fn told(local: &Local) -> Option<Value> {
    let (answer, told) = oneshot::channel();
    local.events.send(Coming::Health { answer }).ok()?;
    tokio::time::timeout(HEALTH, told).await.ok()?.ok()
}

/// The loop goes round.
async fn health(State(local): State<Local>) -> Response {
    match told(&local).await {
        Some(_) => Json("alive").into_response(),
        None => problem(StatusCode::SERVICE_UNAVAILABLE, "the agent's loop does not answer"),
    }
}

/// Every source was read or is known not to answer, and nothing is degraded.
async fn ready(State(local): State<Local>) -> Response {
    match told(&local).await {
        Some(told) if told.get("ready") == Some(&Value::Bool(true)) => Json("ready").into_response(),
        Some(told) => {
            let degraded = told.get("degraded").map(Value::to_string).unwrap_or_default();
            problem(StatusCode::SERVICE_UNAVAILABLE, &format!("not ready: {degraded}"))
        }
        None => problem(StatusCode::SERVICE_UNAVAILABLE, "the agent's loop does not answer"),
    }
}

async fn status(State(local): State<Local>) -> Response {
    match told(&local).await {
        Some(mut told) => {
            if let Some(told) = told.as_object_mut() {
                told.insert("agent".to_owned(), json!(local.agent));
            }
            Json(told).into_response()
        }
        None => problem(StatusCode::SERVICE_UNAVAILABLE, "the agent's loop does not answer"),
    }
}

/// Asks, and waits for the answer however long that takes: a mark or a verdict takes its time.
async fn ask(local: &Local, ask: Ask) -> Response {
    let (answer, told) = oneshot::channel();
    if local.events.send(Coming::Asked { ask, answer }).is_err() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the agent is ending");
    }
    match told.await {
        Ok(Ok(Answer::Told(told))) => Json(json!({ "told": told })).into_response(),
        Ok(Ok(Answer::Judged(judged))) => {
            Json(json!({ "told": judged.migration.verdict.as_str(), "judged": judged })).into_response()
        }
        Ok(Err(why)) => problem(StatusCode::CONFLICT, &why),
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the agent is ending"),
    }
}

async fn check(State(local): State<Local>, Path(source): Path<String>) -> Response {
    ask(&local, Ask::Check(SourceName::new(source))).await
}

async fn mark(State(local): State<Local>, Path(source): Path<String>) -> Response {
    ask(&local, Ask::Mark(SourceName::new(source))).await
}

/// What a migration is called.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: Option<String>,
}

async fn open(State(local): State<Local>, Path(source): Path<String>, body: String) -> Response {
    let named = if body.trim().is_empty() { Ok(Named::default()) } else { serde_json::from_str::<Named>(&body) };
    let Ok(named) = named else {
        return problem(StatusCode::BAD_REQUEST, "the body is `{ \"name\": … }`, or nothing");
    };
    let name = named.name.map(|name| name.chars().filter(|c| !c.is_control()).take(200).collect());
    ask(&local, Ask::Open { source: SourceName::new(source), name }).await
}

async fn close(State(local): State<Local>, Path(source): Path<String>) -> Response {
    ask(&local, Ask::Close(SourceName::new(source))).await
}
