//! What is wrong, as a page.

use super::shell::Shell;
use super::shown;
use crate::store::StoreError;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why there is no such page for whoever asks.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    status: StatusCode,
    what: String,
    shell: Option<Box<Shell>>,
}

#[derive(Template)]
#[template(path = "wrong.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    what: String,
}

impl Wrong {
    /// With this status, and what to say.
    pub(super) fn new(status: StatusCode, what: impl Into<String>) -> Self {
        Self { status, what: what.into(), shell: None }
    }

    /// It is nowhere.
    pub(super) fn unknown(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    /// For somebody who is signed in.
    #[must_use]
    pub(super) fn within(self, shell: Shell) -> Self {
        Self { shell: Some(Box::new(shell)), ..self }
    }
}

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken { .. }
            | StoreError::Over { .. }
            | StoreError::AnotherDigest { .. }
            | StoreError::Fenced { .. } => Self::new(StatusCode::CONFLICT, format!("{error}.")),
            StoreError::Unknown { .. } => Self::unknown(format!("{error}.")),
            StoreError::Newer { .. } | StoreError::Failed { .. } => {
                let what = format!("{error}. Nothing can be told now; try again in a few seconds.");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, what)
            }
        }
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Something is wrong");
        let shell = self.shell.clone().map_or_else(Shell::nobody, |shell| *shell).titled(title, "");
        let mut response = (self.status, shown(&View { shell, what: self.what.clone() })).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
