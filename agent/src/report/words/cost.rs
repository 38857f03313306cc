//! What a run cost a source.

use super::{count, duration, plural};
use crate::report::SourceSummary;

/// `61 statements of 1.8 s, about 7 310 blocks touched (by all sessions 9 882)`: our statements, and what anybody touched meanwhile in the tables
/// that were read. Blocks are those of the database's cache: how many had to come from a disk is not known to it.
pub fn cost(source: &SourceSummary) -> String {
    let statements = format!("{} of {}", plural(source.statements, "statement"), duration(source.statement_seconds));
    match (source.blocks, source.server_blocks) {
        // ours are an estimate of what was asked for; what the server counted of everybody bounds them
        (Some(ours), Some(all)) if all < ours => {
            format!("{statements}, {} touched by all sessions together", plural(all, "block"))
        }
        (Some(ours), Some(all)) => {
            format!("{statements}, about {} touched (by all sessions {})", plural(ours, "block"), count(all))
        }
        (Some(ours), None) => format!("{statements}, about {} touched", plural(ours, "block")),
        (None, Some(all)) => format!("{statements}, {} touched by all sessions", plural(all, "block")),
        (None, None) => statements,
    }
}
