//! What can be wrong with the arguments of this crate.

use arrow::error::ArrowError;
use fieldmark_statistics::{Recovery, StatisticsError};
use thiserror::Error;

/// An argument that no comparison can be made from. What a *database* does to rows is never an error here but a verdict.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The rows lack a column that the catalogue has.
    #[error("the rows read lack the column `{0}`")]
    ColumnMissing(String),
    /// Rows of a mark and what is known of them differ in number.
    #[error("{what} of {got} rows, for a mark of {marked}")]
    Rows {
        /// What has the wrong number.
        what: &'static str,
        /// How many it has.
        got: usize,
        /// How many the mark has.
        marked: usize,
    },
    /// Arrow refused an operation on the rows.
    #[error("the rows could not be compared")]
    Arrow(#[from] ArrowError),
    /// A statistic refused its arguments.
    #[error("the control periods could not be used")]
    Statistics(#[from] StatisticsError),
}

impl ChangeError {
    /// Who can repair this.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::ColumnMissing(_) | Self::Rows { .. } | Self::Arrow(_) => Recovery::Bug,
            Self::Statistics(error) => error.recovery(),
        }
    }
}
