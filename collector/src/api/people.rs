//! Who is enrolled, and what people did.

use super::Problem;
use super::shown::Asked;
use crate::store::{Audited, PrincipalRow};
use crate::{Collector, Principal, Role, Token};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;

/// The one time that a token is told.
#[derive(Serialize)]
pub(super) struct Enrolled {
    name: String,
    role: Role,
    token: String,
}

/// Whether it can be the name of an agent or a person.
pub fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@'))
}

pub(super) async fn whoami(Extension(principal): Extension<Principal>) -> Json<Principal> {
    Json(principal)
}

pub(super) async fn principals(State(collector): State<Collector>) -> Result<Json<Vec<PrincipalRow>>, Problem> {
    Ok(Json(collector.store.principals().await?))
}

pub(super) async fn enrol(
    State(collector): State<Collector>,
    Extension(by): Extension<Principal>,
    body: Result<Json<Principal>, JsonRejection>,
) -> Result<(StatusCode, Json<Enrolled>), Problem> {
    let wrong =
        |_| Problem::new(StatusCode::BAD_REQUEST, "a principal has a name and a role: agent, viewer, operator, admin");
    let Json(principal) = body.map_err(wrong)?;
    if !is_name(&principal.name) {
        let what = "a name has up to 63 letters of a to z, digits and `_-.@`, and begins with a letter or a digit";
        return Err(Problem::new(StatusCode::BAD_REQUEST, what));
    }
    let token = Token::random().map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let Principal { name, role } = principal.clone();
    collector.store.enrol(principal, token.hash(), by.name, collector.clock.now()).await?;
    Ok((StatusCode::CREATED, Json(Enrolled { name, role, token: token.expose().to_owned() })))
}

pub(super) async fn revoke(
    State(collector): State<Collector>,
    Extension(by): Extension<Principal>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    collector.store.revoke(name, by.name, collector.clock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn audits(
    State(collector): State<Collector>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<Audited>>, Problem> {
    Ok(Json(collector.store.audits(asked.limit()).await?))
}
