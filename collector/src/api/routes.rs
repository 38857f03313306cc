//! The list of what can be asked.

use super::{description, people, shown};
use crate::{Collector, Role, ingest};
use axum::routing::{MethodRouter, delete, get, post};

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Anybody,
    /// Whose role may what this one may.
    Role(Role),
}

/// Something that can be asked.
pub struct Endpoint {
    /// The method, in small letters.
    pub method: &'static str,
    /// The path; `{name}` stands for a part.
    pub path: &'static str,
    /// Who may ask.
    pub access: Access,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Names of what may follow `?`, each with what it is.
    pub query: &'static [(&'static str, &'static str)],
    /// The schema of the body, by its name in the description.
    pub body: Option<&'static str>,
    /// The schema of the answer; `None`: an answer without a body.
    pub answer: Option<&'static str>,
    pub(super) handler: fn() -> MethodRouter<Collector>,
}

const SINCE: (&str, &str) = ("since", "observed then or later (RFC 3339)");
const BEFORE: (&str, &str) = ("before", "observed before (RFC 3339)");
const LIMIT: (&str, &str) = ("limit", "at most so many, the newest; 100 where nothing is said, 1000 at most");
const SOURCE: (&str, &str) = ("source", "of this source");
const AGENT: (&str, &str) = ("agent", "of this agent");
const VIEWER: Access = Access::Role(Role::Viewer);
const ADMIN: Access = Access::Role(Role::Admin);

/// Everything that can be asked.
pub const ROUTES: [Endpoint; 19] = [
    Endpoint {
        method: "get",
        path: "/healthz",
        access: Access::Anybody,
        summary: "The process lives.",
        query: &[],
        body: None,
        answer: Some("Word"),
        handler: || get(shown::health),
    },
    Endpoint {
        method: "get",
        path: "/readyz",
        access: Access::Anybody,
        summary: "The store can be written to.",
        query: &[],
        body: None,
        answer: Some("Word"),
        handler: || get(shown::ready),
    },
    Endpoint {
        method: "get",
        path: "/openapi.json",
        access: Access::Anybody,
        summary: "This description.",
        query: &[],
        body: None,
        answer: Some("Any"),
        handler: || get(description::description),
    },
    Endpoint {
        method: "post",
        path: "/v1/lives",
        access: Access::Role(Role::Agent),
        summary: "A process begins to report as an agent; another one that did may not any more.",
        query: &[],
        body: Some("Life"),
        answer: None,
        handler: || post(ingest::begin_life),
    },
    Endpoint {
        method: "post",
        path: "/v1/ingest",
        access: Access::Role(Role::Agent),
        summary: "Stores a batch of observations, each once; answered when it is durable.",
        query: &[],
        body: Some("Batch"),
        answer: Some("Receipt"),
        handler: || post(ingest::ingest),
    },
    Endpoint {
        method: "get",
        path: "/v1/whoami",
        access: VIEWER,
        summary: "Whose token this is.",
        query: &[],
        body: None,
        answer: Some("Principal"),
        handler: || get(people::whoami),
    },
    Endpoint {
        method: "get",
        path: "/v1/agents",
        access: VIEWER,
        summary: "The agents, each with when it was last heard of and how it is.",
        query: &[],
        body: None,
        answer: Some("Agents"),
        handler: || get(shown::agents),
    },
    Endpoint {
        method: "get",
        path: "/v1/sources",
        access: VIEWER,
        summary: "The sources, as their agents last saw them.",
        query: &[],
        body: None,
        answer: Some("Observations"),
        handler: || get(shown::sources),
    },
    Endpoint {
        method: "get",
        path: "/v1/rules",
        access: VIEWER,
        summary: "Every rule on every table, as its agent last checked it.",
        query: &[SOURCE],
        body: None,
        answer: Some("Rules"),
        handler: || get(shown::rules),
    },
    Endpoint {
        method: "get",
        path: "/v1/rules/{source}/{table}/{rule}/hours",
        access: VIEWER,
        summary: "What one rule gave, hour by hour, each agent's for itself.",
        query: &[SINCE],
        body: None,
        answer: Some("Hours"),
        handler: || get(shown::hours),
    },
    Endpoint {
        method: "get",
        path: "/v1/outcomes",
        access: VIEWER,
        summary: "What rules gave, newest first.",
        query: &[
            SOURCE,
            ("table", "of this table (schema.table)"),
            ("rule", "of this rule"),
            AGENT,
            SINCE,
            BEFORE,
            LIMIT,
        ],
        body: None,
        answer: Some("Observations"),
        handler: || get(shown::outcomes),
    },
    Endpoint {
        method: "get",
        path: "/v1/states",
        access: VIEWER,
        summary: "Changes of state of rules and sources, newest first.",
        query: &[SOURCE, SINCE, BEFORE, LIMIT],
        body: None,
        answer: Some("Observations"),
        handler: || get(shown::states),
    },
    Endpoint {
        method: "get",
        path: "/v1/migrations",
        access: VIEWER,
        summary: "How migrations went, newest first.",
        query: &[SOURCE, SINCE, BEFORE, LIMIT],
        body: None,
        answer: Some("Observations"),
        handler: || get(shown::migrations),
    },
    Endpoint {
        method: "get",
        path: "/v1/findings",
        access: VIEWER,
        summary: "Problems that are not about rows, newest first.",
        query: &[SOURCE, SINCE, BEFORE, LIMIT],
        body: None,
        answer: Some("Observations"),
        handler: || get(shown::findings),
    },
    Endpoint {
        method: "get",
        path: "/v1/losses",
        access: VIEWER,
        summary: "Observations that agents have lost, newest first.",
        query: &[AGENT, SINCE, BEFORE, LIMIT],
        body: None,
        answer: Some("Observations"),
        handler: || get(shown::losses),
    },
    Endpoint {
        method: "get",
        path: "/v1/principals",
        access: ADMIN,
        summary: "Everybody who is, or was, enrolled.",
        query: &[],
        body: None,
        answer: Some("Principals"),
        handler: || get(people::principals),
    },
    Endpoint {
        method: "post",
        path: "/v1/principals",
        access: ADMIN,
        summary: "Enrols an agent or a person; the token is told this once.",
        query: &[],
        body: Some("Principal"),
        answer: Some("Enrolled"),
        handler: || post(people::enrol),
    },
    Endpoint {
        method: "delete",
        path: "/v1/principals/{name}",
        access: ADMIN,
        summary: "Revokes somebody's token.",
        query: &[],
        body: None,
        answer: None,
        handler: || delete(people::revoke),
    },
    Endpoint {
        method: "get",
        path: "/v1/audit",
        access: ADMIN,
        summary: "What people did and what was refused, newest first.",
        query: &[LIMIT],
        body: None,
        answer: Some("Audits"),
        handler: || get(people::audits),
    },
];
