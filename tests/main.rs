//! Journeys and conformance suites against real databases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod conformance;
mod courtesy;
mod fleet;
mod journeys;
mod server;
