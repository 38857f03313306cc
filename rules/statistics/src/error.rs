//! What can be wrong with the arguments of this crate.

use thiserror::Error;

/// An argument that no statistic can be computed from.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StatisticsError {
    /// A confidence level outside (0.5, 1).
    #[error("confidence level {0} is outside (0.5, 1)")]
    Level(f64),
    /// A draw of more distinct values than there are.
    #[error("cannot draw {wanted} distinct values out of {available}")]
    TooFew {
        /// Distinct values asked for.
        wanted: u64,
        /// Distinct values that exist.
        available: u128,
    },
    /// A range whose lower end is above its upper end.
    #[error("the range from {min} to {max} is empty")]
    EmptyRange {
        /// Inclusive lower end.
        min: i64,
        /// Inclusive upper end.
        max: i64,
    },
    /// A control comparison whose exposure is not a positive, finite number of seconds.
    #[error("exposure of {0} seconds is not positive and finite")]
    Exposure(f64),
}

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// A person must change a setting; the text says which.
    Operator {
        /// What to do.
        remedy: &'static str,
    },
    /// The caller passed what it should have refused.
    Bug,
}

impl StatisticsError {
    /// Who can repair this.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Level(_) => Recovery::Operator { remedy: "set a confidence level between 0.5 and 1, such as 0.95" },
            Self::TooFew { .. } | Self::EmptyRange { .. } | Self::Exposure(_) => Recovery::Bug,
        }
    }
}
