//! Pages for people: what the store knows, shown. From one list come the routes and who may look.
//!
//! A page is a function from the store's answers to a view, and a template that shows the view and escapes all of it. What the store does
//! not know is shown as unknown. Where somebody is, is in the address; everything works without a script.

mod act;
mod asset;
mod badge;
mod bar;
mod chart;
mod difference;
mod export;
mod fleet;
mod form;
mod gate;
mod graph;
mod incident;
mod incidents;
mod lineage;
mod link;
mod migration;
mod migrations;
mod outcome;
mod owners;
mod paging;
mod rule;
mod session;
mod shell;
mod sign_in;
mod source;
mod table;
mod tally;
mod time;
mod timeline;
mod wrong;

pub(crate) use session::Sessions;

use crate::api::Access;
use crate::{Collector, Role};
use askama::Template;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use gate::Gate;
use wrong::Wrong;

/// A page, or something that a person does on one.
pub struct Page {
    /// The path; `{name}` stands for a part.
    pub path: &'static str,
    /// Who may look, or do it.
    pub access: Access,
    /// What it is, in a line.
    pub summary: &'static str,
    handler: fn() -> MethodRouter<Collector>,
}

const ANYBODY: Access = Access::Anybody;
const VIEWER: Access = Access::Role(Role::Viewer);
const OPERATOR: Access = Access::Role(Role::Operator);

/// Every page.
pub const PAGES: [Page; 19] = [
    Page {
        path: "/",
        access: ANYBODY,
        summary: "The way to the first page.",
        handler: || get(|| async { Redirect::to("/fleet") }),
    },
    Page { path: "/assets/{name}", access: ANYBODY, summary: "Files that pages load.", handler: || get(asset::asset) },
    Page {
        path: "/sign-in",
        access: ANYBODY,
        summary: "Signs somebody in with a token.",
        handler: || get(sign_in::page).post(sign_in::sign_in),
    },
    Page { path: "/sign-out", access: VIEWER, summary: "Signs out.", handler: || post(sign_in::sign_out) },
    Page {
        path: "/fleet",
        access: VIEWER,
        summary: "Sources and agents, what is open, what passes and what does not.",
        handler: || get(fleet::page),
    },
    Page {
        path: "/sources/{source}",
        access: VIEWER,
        summary: "One source: its tables, migrations and findings.",
        handler: || get(source::page),
    },
    Page {
        path: "/tables/{source}/{table}",
        access: VIEWER,
        summary: "One table: its rules, columns, migrations and open incidents.",
        handler: || get(table::page),
    },
    Page {
        path: "/rules/{source}/{table}/{rule}",
        access: VIEWER,
        summary: "One rule on one table, over time.",
        handler: || get(rule::page),
    },
    Page {
        path: "/migrations",
        access: VIEWER,
        summary: "Migrations and their verdicts, newest first.",
        handler: || get(migrations::page),
    },
    Page {
        path: "/migrations/{source}/{id}",
        access: VIEWER,
        summary: "What one migration did to rows, rules and lineage.",
        handler: || get(migration::page),
    },
    Page {
        path: "/incidents",
        access: VIEWER,
        summary: "What somebody has, or had, to know of, newest first.",
        handler: || get(incidents::page),
    },
    Page {
        path: "/incidents/{id}",
        access: VIEWER,
        summary: "One incident: evidence, what happened when, what is made from it, what may help.",
        handler: || get(incident::page),
    },
    Page {
        path: "/incidents/{id}/acknowledge",
        access: OPERATOR,
        summary: "Takes an incident up.",
        handler: || post(act::acknowledge),
    },
    Page {
        path: "/incidents/{id}/silence",
        access: OPERATOR,
        summary: "Keeps an incident from being told for a while.",
        handler: || post(act::silence),
    },
    Page {
        path: "/lineage",
        access: VIEWER,
        summary: "What a column is made from, and what is made from it.",
        handler: || get(lineage::page),
    },
    Page { path: "/lineage.json", access: VIEWER, summary: "The same as JSON.", handler: || get(export::json) },
    Page { path: "/lineage.csv", access: VIEWER, summary: "The same as CSV.", handler: || get(export::csv) },
    Page {
        path: "/owners",
        access: VIEWER,
        summary: "Who answers for what, and how it is.",
        handler: || get(owners::page),
    },
    Page {
        path: "/favicon.ico",
        access: ANYBODY,
        summary: "What browsers ask for unasked.",
        handler: || get(|| async { Redirect::permanent(&asset::address("icon.svg")) }),
    },
];

/// The routes of the pages. `secure`: whoever asks does so over TLS.
pub(crate) fn router(collector: &Collector, secure: bool) -> Router<Collector> {
    let mut router = Router::new();
    for page in &PAGES {
        let handled = (page.handler)();
        let handled = match page.access {
            Access::Anybody => handled,
            Access::Role(needed) => {
                let gate = Gate { collector: collector.clone(), needed, secure };
                handled.layer(from_fn_with_state(gate, gate::admitted))
            }
        };
        router = router.route(page.path, handled);
    }
    router.layer(axum::Extension(gate::Secure(secure))).layer(from_fn(gate::kept_to_itself))
}

/// There is no such page.
pub(crate) fn nowhere() -> Response {
    gate::with_headers(
        Wrong::unknown("There is no such page. The address may be misspelt, or what it was about is no more.")
            .into_response(),
    )
}

/// Whether somebody looks with a browser, and no program asks.
pub(crate) fn is_looking(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// What a page answers.
type Answer = Result<Response, Wrong>;

/// A view as a page.
fn shown(view: &impl Template) -> Response {
    match view.render() {
        Ok(text) => Html(text).into_response(),
        // none that a view's values can cause
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be shown").into_response(),
    }
}
