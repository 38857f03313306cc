//! What is wrong with a request, as RFC 9457 says it.

use crate::store::StoreError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    kind: &'static str,
}

impl Problem {
    /// With this status, and what to say.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), kind: "about:blank" }
    }

    /// Whether it is of this status.
    pub(crate) fn is(&self, status: StatusCode) -> bool {
        self.status == status
    }

    /// With a word by which programs tell it from others of its status.
    #[must_use]
    pub fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::Taken { .. }
            | StoreError::Over { .. }
            | StoreError::AnotherDigest { .. }
            | StoreError::Fenced { .. } => StatusCode::CONFLICT,
            StoreError::Unknown { .. } => StatusCode::NOT_FOUND,
            // a disk that is full, or away: whoever asks comes again
            StoreError::Newer { .. } | StoreError::Failed { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("");
        let body = json!({ "type": self.kind, "title": title, "status": self.status.as_u16(), "detail": self.detail });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
