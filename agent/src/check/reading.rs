//! How the rows of one table are read: all of them in a pass, or a sample that is enlarged until it decides.

use super::draw::{Drawing, Drawn, drawable_key, key_range};
use super::table::TableCheck;
use crate::progress::Task;
use crate::reader::Reader;
use fieldmark_engine::rule::SampleWish;
use fieldmark_model::{Chunk, NotEvaluated};
use fieldmark_source::{Cursor, Dialect, Error};
use fieldmark_statistics::looks::LookSize;
use fieldmark_statistics::{Design, Level, LookPlan, Method, Population};

/// How a table was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// How rows were drawn.
    pub design: Design,
    /// Joint confidence of intervals over it.
    pub level: Level,
    /// Whether rows were written while all were read, so that some may have been met twice or not at all.
    pub moving: bool,
}

/// Why a table was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The source's fault.
    Source(Error),
    /// No way that the settings allow.
    Refused(NotEvaluated, String),
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self::Source(error)
    }
}

/// What takes the rows as they come.
pub(crate) struct Taking<'c, 'a> {
    pub(crate) check: &'c mut TableCheck<'a>,
    /// Where rows are kept for a mark.
    pub(crate) keep: Option<&'c mut Vec<Drawn>>,
    pub(crate) task: &'c Task,
}

/// A table of at most so many times the wanted rows is read whole.
const SMALL: u64 = 5;

impl Taking<'_, '_> {
    /// Reads the table as its rules and the settings wish. `restart` makes the rules forget what they have seen.
    ///
    /// # Errors
    /// Why it was not read.
    pub(crate) async fn read(&mut self, reader: &mut Reader) -> Result<Reading, Unread> {
        let settings = self.check.settings;
        let wish = settings.override_sample.or(self.check.rules.sample).unwrap_or(settings.sample);
        let budget = settings.rows_per_check.unwrap_or(u64::MAX);
        let guess = self.guess(reader).await?;
        let (wanted, per_block) = match wish {
            SampleWish::All => {
                return match self.pass(reader, budget).await? {
                    Some(reading) => Ok(reading),
                    None => Err(Unread::Refused(
                        NotEvaluated::BudgetSpent,
                        format!(
                            "the table has more than the {budget} rows that rows_per_check allows; --full lifts the limit"
                        ),
                    )),
                };
            }
            SampleWish::Rows { rows, per_block } => (rows.max(1), per_block),
            SampleWish::Fraction { fraction, per_block } => {
                let rows = guess.unwrap_or(0) as f64 * fraction;
                ((rows.ceil() as u64).max(1), per_block)
            }
        };
        let small = wanted.saturating_mul(SMALL);
        let unknown_fraction = guess.is_none() && matches!(wish, SampleWish::Fraction { .. });
        if unknown_fraction || guess.is_none_or(|rows| rows <= small) {
            let limit = if unknown_fraction { budget } else { budget.min(small.saturating_mul(2)) };
            if let Some(reading) = self.pass(reader, limit).await? {
                return Ok(reading);
            }
            self.forget();
        }
        let population = guess.unwrap_or(u64::MAX);
        let size = LookSize { wanted, budget: budget.max(wanted), population };
        let plan = if settings.enlarge { LookPlan::enlarging(size) } else { LookPlan::single(size) };
        self.sample(reader, plan, per_block.unwrap_or(settings.per_block).max(1), budget).await
    }

    /// Rows of the table by the best cheap guess.
    async fn guess(&self, reader: &mut Reader) -> Result<Option<u64>, Error> {
        let table = self.check.table;
        let span = match drawable_key(table) {
            Some(key) => match key_range(reader, table, key).await? {
                Some(range) => Some(u64::try_from(range.span()).unwrap_or(u64::MAX)),
                None => return Ok(Some(0)),
            },
            None => None,
        };
        Ok(match (table.estimated_rows, span) {
            (Some(rows), Some(span)) => Some(rows.min(span)),
            (rows, span) => rows.or(span),
        })
    }

    fn forget(&mut self) {
        self.check.forget();
        if let Some(kept) = &mut self.keep {
            kept.clear();
        }
    }

    /// All rows in a pass, or `None` once there are more than `most`.
    async fn pass(&mut self, reader: &mut Reader, most: u64) -> Result<Option<Reading>, Unread> {
        let before = reader.counters(self.check.table).await?;
        let mut cursor = Cursor::start();
        let mut rows = 0u64;
        loop {
            let scanned = reader.scan(&self.check.read(), &cursor).await?;
            let read = scanned.chunk.rows() as u64;
            rows += read;
            if rows > most {
                return Ok(None);
            }
            self.task.advance(read);
            self.check.take_all(reader, &scanned.chunk).await?;
            self.keep(&scanned.chunk, None);
            match scanned.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        self.check.end_all(reader).await?;
        let moving = before != reader.counters(self.check.table).await?;
        Ok(Some(Reading {
            design: Design {
                version: Design::VERSION,
                stratum: "table".to_owned(),
                method: Method::AllRows,
                seed: None,
                units_drawn: rows,
                rows_read: rows,
                rows_kept: rows,
                population: Population::Exact { rows },
                looks: LookPlan::single(LookSize { wanted: rows, budget: rows, population: rows }),
            },
            level: Level::NINETY_FIVE,
            moving,
        }))
    }

    fn keep(&mut self, chunk: &Chunk, drawn: Option<&Drawn>) {
        if let Some(kept) = &mut self.keep {
            kept.push(drawn.cloned().unwrap_or_else(|| Drawn { chunk: chunk.clone(), blocks: None }));
        }
    }

    async fn sample(
        &mut self,
        reader: &mut Reader,
        plan: LookPlan,
        per_block: u32,
        budget: u64,
    ) -> Result<Reading, Unread> {
        let seed = reader.draw_seed();
        let table = self.check.table;
        let mut drawing = match drawable_key(table) {
            Some(key) => Drawing::of_keys(reader, table, key, seed).await?,
            None => None,
        };
        let has_blocks = reader.facts().dialect == Dialect::Postgres;
        let mut taken = 0u64;
        for (at, look) in plan.looks.iter().enumerate() {
            if look.all_rows {
                self.forget();
                if let Some(reading) = self.pass(reader, budget).await? {
                    return Ok(reading);
                }
                return Err(Unread::Refused(
                    NotEvaluated::BudgetSpent,
                    format!("the table has grown beyond the {budget} rows that rows_per_check allows"),
                ));
            }
            let more = look.rows.saturating_sub(taken).max(1);
            let mut drawn = match &mut drawing {
                Some(drawing) => drawing.more(reader, &self.check.read(), more).await?,
                None => None,
            };
            if drawn.is_none() && has_blocks {
                // keys hit too rarely, or there is none to draw: blocks, from the first look on
                self.forget();
                taken = 0;
                let mut blocks = Drawing::of_blocks(per_block, seed);
                drawn = blocks.more(reader, &self.check.read(), look.rows).await?;
                drawing = Some(blocks);
            }
            let (Some(drawn), Some(drawing)) = (drawn, drawing.as_ref()) else {
                self.forget();
                return match self.pass(reader, budget).await? {
                    Some(reading) => Ok(reading),
                    None => Err(Unread::Refused(
                        NotEvaluated::NotSampleable,
                        format!(
                            "no dense integer key to draw rows by, and more than the {budget} rows of rows_per_check to read"
                        ),
                    )),
                };
            };
            taken += drawn.chunk.rows() as u64;
            self.task.advance(drawn.chunk.rows() as u64);
            self.check.take_drawn(reader, &drawn).await?;
            self.keep(&drawn.chunk, Some(&drawn));
            let population = drawing.population(plan.level);
            let last = at + 1 == plan.looks.len();
            let used_up = drawn.chunk.rows() == 0;
            if last || used_up || self.check.decided(drawing.method(), population, plan.level) {
                return Ok(Reading {
                    design: Design {
                        version: Design::VERSION,
                        stratum: "table".to_owned(),
                        method: drawing.method(),
                        seed: Some(drawing.seed()),
                        units_drawn: drawing.units_drawn(),
                        rows_read: taken,
                        rows_kept: taken,
                        population,
                        looks: plan.clone(),
                    },
                    level: plan.level,
                    moving: false,
                });
            }
        }
        Err(Unread::Refused(NotEvaluated::Internal, "a plan without a look".to_owned()))
    }
}
