//! Batches from agents.

use crate::api::Problem;
use crate::store::{Accepted, Life, StoreError, Unacceptable};
use crate::{Collector, Principal, meters};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Extension, Json};
use fieldmark_model::observation::Receipt;
use flate2::read::GzDecoder;
use serde::Deserialize;
use std::io::Read as _;

/// A life of an agent, as it says itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LifeBegins {
    agent: String,
    incarnation: u64,
    version: String,
}

/// The whole body, within its bounds.
async fn body(collector: &Collector, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let limits = collector.limits;
    let read = axum::body::to_bytes(body, limits.body);
    let bytes = match tokio::time::timeout(limits.request, read).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if is_too_long(&error) => {
            let what = format!("a body has at most {} bytes", limits.body);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what).kind("too_large"));
        }
        Ok(Err(_)) => return Err(Problem::new(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    };
    match headers.get(header::CONTENT_ENCODING).map(|encoding| encoding.to_str().unwrap_or("?")) {
        None | Some("identity") => Ok(bytes),
        Some("gzip") => {
            let most = limits.decompressed;
            let work = tokio::task::spawn_blocking(move || decompressed(&bytes, most));
            work.await.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body cannot be read"))?
        }
        Some(_) => Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a body is plain, or compressed by gzip")),
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn decompressed(bytes: &[u8], most: usize) -> Result<Bytes, Problem> {
    let mut plain = Vec::new();
    let read = GzDecoder::new(bytes).take(most as u64 + 1).read_to_end(&mut plain);
    if plain.len() > most {
        let what = format!("decompressed, a body has at most {most} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what).kind("too_large"));
    }
    match read {
        Ok(_) => Ok(plain.into()),
        Err(_) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body is no gzip")),
    }
}

/// What a body names is the agent whose token it came with.
async fn is_own(collector: &Collector, principal: &Principal, agent: &str) -> Result<(), Problem> {
    if principal.name == agent {
        return Ok(());
    }
    meters::refused("identity_forged");
    collector.refused(&principal.name, "identity_forged", &format!("reported as {agent}")).await?;
    Err(Problem::new(StatusCode::FORBIDDEN, "an agent reports as itself alone"))
}

/// `POST /v1/ingest`
pub(crate) async fn ingest(
    State(collector): State<Collector>,
    Extension(principal): Extension<Principal>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<Receipt>, Problem> {
    let bytes = body(&collector, &headers, sent).await.inspect_err(|problem| {
        meters::refused(if problem.is(StatusCode::PAYLOAD_TOO_LARGE) { "too_large" } else { "malformed" });
    })?;
    let (received, most) = (collector.clock.now(), collector.limits.observations);
    let read = tokio::task::spawn_blocking(move || Accepted::read(&bytes, received, most));
    let read = read.await.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the batch cannot be read"))?;
    let batch = match read {
        Ok(batch) => batch,
        Err(wrong) => {
            meters::refused("malformed");
            collector.refused(&principal.name, "batch_refused", &wrong.to_string()).await?;
            let problem = Problem::new(StatusCode::BAD_REQUEST, wrong.to_string());
            // of another version the same batch may be taken when this collector is
            let is_its_own = !matches!(wrong, Unacceptable::Version { .. });
            return Err(if is_its_own { problem.kind("batch_refused") } else { problem });
        }
    };
    is_own(&collector, &principal, &batch.agent).await?;
    let ((first, last), agent, incarnation) = (batch.range(), batch.agent.clone(), batch.incarnation);
    let sha256 = batch.sha256.clone();
    match collector.take(batch).await {
        Ok(stored) => Ok(Json(Receipt { agent, incarnation, first, last, sha256, repeated: stored.repeated })),
        Err(refused @ (StoreError::AnotherDigest { .. } | StoreError::Fenced { .. })) => {
            let what =
                if matches!(refused, StoreError::Fenced { .. }) { "identity_conflict" } else { "digest_mismatch" };
            meters::refused(what);
            collector.refused(&principal.name, what, &refused.to_string()).await?;
            Err(Problem::new(StatusCode::CONFLICT, refused.to_string()).kind(what))
        }
        Err(error) => {
            meters::refused("store");
            Err(error.into())
        }
    }
}

/// `POST /v1/lives`
pub(crate) async fn begin_life(
    State(collector): State<Collector>,
    Extension(principal): Extension<Principal>,
    headers: HeaderMap,
    sent: Body,
) -> Result<StatusCode, Problem> {
    let bytes = body(&collector, &headers, sent).await?;
    let wrong = |_| Problem::new(StatusCode::BAD_REQUEST, "it is no beginning of a life: agent, incarnation, version");
    let life: LifeBegins = serde_json::from_slice(&bytes).map_err(wrong)?;
    is_own(&collector, &principal, &life.agent).await?;
    let LifeBegins { agent, incarnation, version } = life;
    let version = version.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
    collector.store.begin_life(Life { agent, incarnation, version }, collector.clock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
