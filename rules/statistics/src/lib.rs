//! Statistics of Fieldmark: how sure a sample makes us, and nothing else.
//!
//! Pure: no clock, no input or output, no randomness of its own (callers pass a generator), no Arrow and no DataFusion.
//! One idea per module; what an interval promises is proved by simulation in the crate's tests.
//!
//! The way through: a [`Design`] says how rows were drawn, a [`Tally`] counts one rule over them in constant memory,
//! [`estimate()`] turns strata of tallies into an [`Estimate`] with its interval, [`decide()`] gives the [`Decision`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod compare;
pub mod decide;
pub mod design;
pub mod draw;
pub mod error;
mod evidence;
pub mod fraction;
pub mod interval;
pub mod looks;
pub mod mean;
pub mod population;
mod quantile;
pub mod tally;

pub use decide::{Criterion, Decision, decide};
pub use design::{Design, Method};
pub use error::{Recovery, StatisticsError};
pub use fraction::{Estimate, StratumEstimate, StratumEvidence, estimate};
pub use interval::{Interval, Level};
pub use looks::{Look, LookPlan, rows_needed};
pub use population::Population;
pub use tally::{DrawnUnit, RowCounts, Tally, Unknown};
