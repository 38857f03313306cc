//! Signing in with a token, and out.

use super::form::{Form, is_from_here, local};
use super::gate::Secure;
use super::shell::Shell;
use super::wrong::Wrong;
use super::{Answer, session, shown};
use crate::{Collector, Role, Token};
use askama::Template;
use axum::Extension;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "sign_in.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    to: String,
    wrong: Option<&'static str>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    to: String,
}

fn form(to: String, wrong: Option<&'static str>) -> Response {
    shown(&View { shell: Shell::nobody().titled("Sign in", ""), to, wrong })
}

pub(super) async fn page(
    State(collector): State<Collector>,
    Extension(Secure(secure)): Extension<Secure>,
    headers: HeaderMap,
    Query(Asked { to }): Query<Asked>,
) -> Answer {
    let (to, now) = (local(&to), collector.clock.now());
    let session = session::held(&headers, secure).and_then(|key| collector.sessions.of(&key, now));
    if let Some(session) = session
        && collector.store.principal(session.token).await?.is_some_and(|who| who.role.may(Role::Viewer))
    {
        return Ok(Redirect::to(&to).into_response());
    }
    Ok(form(to, None))
}

pub(super) async fn sign_in(
    State(collector): State<Collector>,
    Extension(Secure(secure)): Extension<Secure>,
    request: Request,
) -> Answer {
    let from_here = is_from_here(request.headers(), request.uri());
    let sent = Form::read(request.into_body()).await?;
    let to = local(sent.field("to"));
    if !from_here {
        let what = "This form came from another site, so nobody was signed in. Open the page here and sign in on it.";
        return Err(Wrong::new(StatusCode::FORBIDDEN, what));
    }
    let token = Token::given(sent.field("token")).hash();
    let Some(who) = collector.store.principal(token).await? else {
        if !sent.field("token").is_empty() {
            collector.refused("-", "token_refused", "POST /sign-in").await?;
        }
        let what = "This token is not known, or was revoked. A token begins with fieldmark_ and is told once, when somebody is enrolled.";
        return Ok((StatusCode::UNAUTHORIZED, form(to, Some(what))).into_response());
    };
    if !who.role.may(Role::Viewer) {
        collector.refused(&who.name, "role_refused", "POST /sign-in").await?;
        let what = "This is the token of an agent, which reports and does not look. Sign in with a person's.";
        return Ok((StatusCode::FORBIDDEN, form(to, Some(what))).into_response());
    }
    let no_key = |error: crate::principal::NoRandomness| Wrong::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    let key = collector.sessions.begin(token, collector.clock.now()).map_err(no_key)?;
    Ok(([(header::SET_COOKIE, session::given(&key, secure))], Redirect::to(&to)).into_response())
}

pub(super) async fn sign_out(
    State(collector): State<Collector>,
    Extension(Secure(secure)): Extension<Secure>,
    headers: HeaderMap,
) -> Response {
    if let Some(key) = session::held(&headers, secure) {
        collector.sessions.end(&key);
    }
    ([(header::SET_COOKIE, session::taken(secure))], Redirect::to("/sign-in")).into_response()
}
