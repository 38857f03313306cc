//! The agent: the daemon beside a database and its command line.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

#[macro_use]
mod out;
pub mod budget;
pub mod check;
pub mod cli;
pub mod command;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod doctor;
pub mod fixture;
pub mod init;
mod lineage;
pub mod mark;
mod openlineage;
pub mod progress;
pub mod reader;
pub mod recapture;
pub mod report;
mod scripts;
mod shadow;
pub mod signals;
pub mod state;
