//! What can be asked over HTTP. From one list come the routes, who may ask, and the description (OpenAPI).

mod description;
mod incidents;
mod lineage;
mod measures;
mod people;
mod problem;
mod routes;
mod shown;

pub use incidents::silenced;
pub(crate) use incidents::{keep, take_up, words};
pub(crate) use lineage::around;
pub use people::is_name;
pub use problem::Problem;
pub use routes::{Access, Endpoint, ROUTES};
pub(crate) use shown::named;

use crate::{Collector, Principal, Role, Token, page};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};

/// The routes of a collector: the API's, and the pages'. `secure`: whoever asks does so over TLS.
pub(crate) fn router(collector: Collector, secure: bool) -> Router {
    let mut router = page::router(&collector, secure);
    for endpoint in &ROUTES {
        let handled = (endpoint.handler)();
        let handled = match endpoint.access {
            Access::Anybody => handled,
            Access::Role(role) => handled.layer(from_fn_with_state((collector.clone(), role), admitted)),
        };
        router = router.route(endpoint.path, handled);
    }
    router
        .fallback(|headers: HeaderMap| async move {
            if page::is_looking(&headers) {
                return page::nowhere();
            }
            Problem::new(StatusCode::NOT_FOUND, "there is no such place; /openapi.json says what there is")
                .into_response()
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method; /openapi.json says what there is")
        })
        .layer(from_fn_with_state(collector.clone(), in_time))
        .layer(from_fn(crate::meters::timed))
        .with_state(collector)
}

/// Every request is answered within its time, whatever it waits for.
async fn in_time(State(collector): State<Collector>, request: Request, next: Next) -> Result<Response, Problem> {
    // the body has its own time, before the answer's
    let time = collector.limits.request * 2;
    let answered = tokio::time::timeout(time, next.run(request)).await;
    answered.map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "it took too long"))
}

/// Lets those through who may.
async fn admitted(
    State((collector, needed)): State<(Collector, Role)>,
    headers: HeaderMap,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let principal = match bearer {
        Some(token) => collector.store.principal(Token::given(token).hash()).await?,
        None => None,
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let Some(principal) = principal else {
        // one that was sent and is not known is worth a line; that none was sent is not
        if bearer.is_some() {
            collector.refused("-", "token_refused", &format!("{method} {path}")).await?;
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "this token is not known, or was revoked"));
        }
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer …"));
    };
    if !principal.role.may(needed) {
        collector.refused(&principal.name, "role_refused", &format!("{method} {path}")).await?;
        let what = format!(
            "{} is enrolled as {}, and this is for {}",
            principal.name,
            principal.role.as_str(),
            needed.as_str()
        );
        return Err(Problem::new(StatusCode::FORBIDDEN, what));
    }
    request.extensions_mut().insert::<Principal>(principal);
    Ok(next.run(request).await)
}
