//! Who may look, and what a browser is told about each page.

use super::form::{Form, is_from_here};
use super::session;
use super::shell::Shell;
use super::wrong::Wrong;
use crate::principal::hexadecimal;
use crate::{Collector, Role};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use sha2::{Digest as _, Sha256};

/// Whether pages go over TLS.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secure(pub(super) bool);

/// In front of a page.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) collector: Collector,
    /// The role that it takes.
    pub(super) needed: Role,
    pub(super) secure: bool,
}

/// Scripts, styles, pictures and requests of this host alone; nothing frames a page, and a page sends its forms nowhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Lets those through who may, with who they are and what they sent.
pub(super) async fn admitted(State(gate): State<Gate>, mut request: Request, next: Next) -> Result<Response, Wrong> {
    let Gate { collector, needed, secure } = gate;
    let now = collector.clock.now();
    let key = session::held(request.headers(), secure);
    let session = key.and_then(|key| collector.sessions.of(&key, now));
    let known = match &session {
        Some(session) => collector.store.principal(session.token).await?,
        None => None,
    };
    let (Some(session), Some(who)) = (session, known) else { return Ok(stranger(&request)) };
    let shell = Shell::of(who.clone(), session.form.clone(), now);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if !who.role.may(needed) {
        collector.refused(&who.name, "role_refused", &format!("{method} {path}")).await?;
        let what = format!("{} is enrolled as {}, and this is for {}.", who.name, who.role.as_str(), needed.as_str());
        return Err(Wrong::new(StatusCode::FORBIDDEN, what).within(shell));
    }
    if method == Method::POST {
        let from_here = is_from_here(request.headers(), request.uri());
        let form = Form::read(std::mem::take(request.body_mut())).await?;
        if !from_here || !session.made(form.field("form")) {
            collector.refused(&who.name, "form_refused", &format!("{method} {path}")).await?;
            let what = "This form was not made by a page of this session, so nothing was done. Open the page again and send it from there.";
            return Err(Wrong::new(StatusCode::FORBIDDEN, what).within(shell));
        }
        request.extensions_mut().insert(form);
    }
    request.extensions_mut().insert(shell.clone());
    request.extensions_mut().insert(who);
    let asked = request.headers().get(header::IF_NONE_MATCH).cloned();
    let looks = method == Method::GET;
    let mut answer = next.run(request).await;
    // what is wrong is said where one can go on from
    if let Some(wrong) = answer.extensions_mut().remove::<Wrong>() {
        answer = wrong.within(shell).into_response();
        answer.extensions_mut().remove::<Wrong>();
    }
    if looks && answer.status() == StatusCode::OK { Ok(unless_same(answer, asked).await) } else { Ok(answer) }
}

/// For one whom nobody knows: the way in, and back here.
fn stranger(request: &Request) -> Response {
    let looks = request.method() == Method::GET;
    let to = request.uri().path_and_query().map_or("/fleet", |to| to.as_str());
    let to: String = url::form_urlencoded::byte_serialize(if looks { to } else { "/fleet" }.as_bytes()).collect();
    let way_in = format!("/sign-in?to={to}");
    if looks && request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        // a link elsewhere leads here without what a browser holds; a step from here has it, and who is signed in goes on
        return Html(format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Fieldmark</title>\
             <meta http-equiv=\"refresh\" content=\"0; url={way_in}\"><p><a href=\"{way_in}\">Go on</a></p></html>"
        ))
        .into_response();
    }
    Redirect::to(&way_in).into_response()
}

/// The page, or that it is what it was.
async fn unless_same(answer: Response, asked: Option<HeaderValue>) -> Response {
    let (mut parts, body) = answer.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let tag = format!("\"{}\"", hexadecimal(Sha256::digest(&bytes).get(..8).unwrap_or_default()));
    if asked.is_some_and(|asked| asked.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Every page has them.
pub(super) async fn kept_to_itself(request: Request, next: Next) -> Response {
    with_headers(next.run(request).await)
}

/// An answer with what keeps it to itself.
pub(super) fn with_headers(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // what somebody saw is not there for whoever comes after him
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}
