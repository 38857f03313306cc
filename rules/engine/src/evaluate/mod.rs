//! Evaluation of rules on Arrow batches by DataFusion.
//!
//! An expression is parsed by DataFusion's SQL parser, planned against the row's columns, walked by an allow-list, coerced,
//! simplified and compiled to a physical expression, which is evaluated batch by batch. DataFusion's own clock and random
//! functions are not there: `now()` is the time of the run.

mod expression;
mod functions;
mod number;
mod program;
mod syntax;
mod transition;
mod verdict;

pub use expression::{ExpressionProblem, Names, check_expression, functions, reads_time};
pub use number::numbers;
pub use program::{RowProgram, Skipped};
pub use syntax::{Mentioned, check_syntax, for_mysql, mentioned, respelled, speaks_of};
pub use transition::{Transition, TransitionProgram};
pub use verdict::{RowVerdict, RowVerdicts};

/// Runs a compiled condition on parts of a batch; shared by rules and transitions.
mod run;
