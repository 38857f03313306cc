//! How the marked rows were drawn, and what a number of them says of the whole table.

use crate::error::ChangeError;
use fieldmark_statistics::{
    DrawnUnit, Estimate, Level, Method, Population, RowCounts, StratumEvidence, Tally, estimate, tally,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the rows of a mark were drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkDesign {
    /// The strata, disjoint.
    pub strata: Vec<MarkStratum>,
    /// Where each marked row comes from, in the order of the mark.
    pub rows: Vec<MarkRow>,
}

/// One stratum of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkStratum {
    /// How its units were chosen.
    pub method: Method,
    /// Its rows when the mark was taken.
    pub population: Population,
    /// Units drawn, empty ones included; counts only where blocks were drawn.
    pub units_drawn: u64,
}

/// Where a marked row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkRow {
    /// Number of its stratum.
    pub stratum: u32,
    /// The unit (block) that it was drawn with; has no meaning where rows were drawn one by one.
    pub unit: u64,
    /// Live rows of that unit; 1 where rows were drawn one by one.
    pub live: u64,
}

/// What a marked row says on a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The question does not concern it.
    Outside,
    /// No.
    No,
    /// Yes.
    Yes,
    /// Yes or no.
    Perhaps,
}

impl MarkDesign {
    /// A table of which all rows are marked.
    #[must_use]
    pub fn all_rows(rows: usize) -> Self {
        Self::one(Method::AllRows, Population::Exact { rows: rows as u64 }, rows)
    }

    /// Rows drawn one by one.
    #[must_use]
    pub fn independent(rows: usize, population: Population) -> Self {
        Self::one(Method::IndependentRows, population, rows)
    }

    /// Whether all rows of the table are marked.
    pub(crate) fn has_all_rows(&self) -> bool {
        self.strata.iter().all(|stratum| stratum.method.is_all_rows())
    }

    fn one(method: Method, population: Population, rows: usize) -> Self {
        Self {
            strata: vec![MarkStratum { method, population, units_drawn: rows as u64 }],
            rows: vec![MarkRow { stratum: 0, unit: 0, live: 1 }; rows],
        }
    }

    /// Refuses a design of another number of rows.
    pub(crate) fn check(&self, marked: usize) -> Result<(), ChangeError> {
        if self.rows.len() == marked {
            Ok(())
        } else {
            Err(ChangeError::Rows { what: "a design", got: self.rows.len(), marked })
        }
    }

    /// The fraction of the table's rows for which the answer is yes. `answers` has one answer for each marked row.
    pub(crate) fn estimate(&self, answers: &[Answer], level: Level) -> Estimate {
        let strata: Vec<StratumEvidence> = (0..)
            .zip(&self.strata)
            .map(|(number, stratum)| StratumEvidence {
                method: stratum.method,
                population: stratum.population,
                tally: self.tally(number, stratum, answers),
            })
            .collect();
        estimate(&strata, level)
    }

    fn tally(&self, number: u32, stratum: &MarkStratum, answers: &[Answer]) -> Tally {
        let rows = self.rows.iter().zip(answers).filter(|(row, _)| row.stratum == number);
        let mut tally = Tally::new();
        match stratum.method {
            Method::AllRows | Method::IndependentRows => {
                tally.add_rows(rows.map(|(_, answer)| answer.counts()).fold(RowCounts::default(), RowCounts::plus));
            }
            Method::Blocks { .. } => {
                let mut units: BTreeMap<u64, DrawnUnit> = BTreeMap::new();
                for (row, answer) in rows {
                    let unit = units.entry(row.unit).or_default();
                    unit.live = unit.live.max(row.live);
                    unit.rows = unit.rows.plus(answer.counts());
                }
                let empty = stratum.units_drawn.saturating_sub(units.len() as u64);
                units.into_values().for_each(|unit| tally.add_unit(unit));
                (0..empty).for_each(|_| tally.add_unit(DrawnUnit::default()));
            }
        }
        tally
    }
}

impl Answer {
    fn counts(self) -> RowCounts {
        let (checked, failed, perhaps) = match self {
            Self::Outside => (0, 0, 0),
            Self::No => (1, 0, 0),
            Self::Yes => (1, 1, 0),
            Self::Perhaps => (1, 0, 1),
        };
        // the statistics call "may have failed" by one of three causes; the interval treats all of them alike
        RowCounts {
            kept: 1,
            checked,
            failed,
            unknown: tally::Unknown { unrepresentable: perhaps, ..tally::Unknown::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_the_evidence_where_blocks_were_drawn() {
        let mut answers = vec![Answer::No; 1000];
        answers[..10].fill(Answer::Yes);
        let exact = Population::Exact { rows: 100_000 };
        let one_by_one = MarkDesign::independent(1000, exact).estimate(&answers, Level::NINETY_FIVE);
        let blocks = MarkDesign {
            strata: vec![MarkStratum {
                method: Method::Blocks { per_block: Some(10) },
                population: exact,
                units_drawn: 100,
            }],
            rows: (0..1000).map(|row| MarkRow { stratum: 0, unit: row / 10, live: 40 }).collect(),
        };
        let clustered = blocks.estimate(&answers, Level::NINETY_FIVE);
        assert!((one_by_one.fraction.unwrap() - 0.01).abs() < 1e-12);
        assert!(one_by_one.bounds.high < 0.019 && clustered.bounds.high > 0.05, "{clustered:?}");
        let all = MarkDesign::all_rows(1000).estimate(&answers, Level::NINETY_FIVE);
        assert_eq!(all.interval(), None);
    }
}
