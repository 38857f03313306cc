//! Rules that cannot be checked, and who heals that.

use fieldmark_model::{NotEvaluated, Outcome};

/// Why a rule cannot be checked, as far as its table is to be told of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blind {
    /// For what somebody has to put right: a name, a permission.
    Certain,
    /// For what may pass: for a moment once in a while, or at every check.
    Passing,
}

impl Blind {
    /// Of an outcome; `None`: nothing keeps its rule from being checked, or what does says nothing of its table.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        match outcome.not_evaluated? {
            NotEvaluated::ColumnMissing
            | NotEvaluated::TypeMismatch
            | NotEvaluated::TableMissing
            | NotEvaluated::PermissionDenied
            | NotEvaluated::CoverageLimited
            | NotEvaluated::Internal => Some(Self::Certain),
            // its time was up, or the database ended its statement for another one's sake
            NotEvaluated::Timeout => Some(Self::Passing),
            // these are what the rule asks for, the table's size, and what its owner allows
            NotEvaluated::TooExpensive
            | NotEvaluated::NotSampleable
            | NotEvaluated::Unrepresentable
            | NotEvaluated::BudgetSpent => None,
            // whoever changes the table is at work; whether a source answers and a replica follows is the source's own state
            NotEvaluated::YieldedToMigration | NotEvaluated::ConnectionLost | NotEvaluated::StaleReplica => None,
        }
    }
}
