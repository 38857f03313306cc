//! How the rows of one table are read: all of them in a pass, or a sample that is enlarged until it decides.
//!
//! A sample has one stratum, or two: the rows written since the last check (`recent`: all of them up to a cap, beyond it a sample of
//! them) and the rest (`body`).

use super::draw::{DrawColumn, Drawing, Drawn, DrawnBlocks, internal};
use super::recent::{HighWater, Recent};
use super::segments::SegmentDrawing;
use super::table::{SMALL, TableCheck};
use super::walked::walked;
use crate::progress::Task;
use crate::reader::Reader;
use fieldmark_engine::rule::SampleWish;
use fieldmark_model::{Chunk, Dialect, NotEvaluated, Table};
use fieldmark_source::{Cursor, Error};
use fieldmark_statistics::draw::KeyRange;
use fieldmark_statistics::looks::LookSize;
use fieldmark_statistics::{Design, Interval, Level, LookPlan, Method, Population};

/// How a table was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// How rows were drawn, stratum by stratum: the body first.
    pub strata: Vec<Design>,
    /// Rows of the table.
    pub population: Population,
    /// Joint confidence of intervals over it.
    pub level: Level,
    /// Whether rows were written while all were read, so that some may have been met twice or not at all.
    pub moving: bool,
    /// How far rows had come, where that is told by a column.
    pub high_water: Option<HighWater>,
    /// Rows of a sample that were wished for, where `rows_per_check` allows fewer.
    pub wished: Option<u64>,
}

impl Reading {
    /// Whether all rows were read.
    pub fn is_whole(&self) -> bool {
        self.strata.iter().all(|design| design.method.is_all_rows())
    }
}

/// Why a table was not read.
#[derive(Debug)]
pub(crate) enum Unread {
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

/// Recent rows that are read beside the sample, as a part of its size.
const RECENT_PART: u64 = 2;

/// Rows drawn at a time.
const MOST_DRAWN: u64 = 50_000;

/// What is known of a table before its rows are read.
struct Known {
    column: Option<DrawColumn>,
    range: Option<KeyRange>,
    /// Rows by the best cheap guess.
    guess: Option<u64>,
    high_water: Option<HighWater>,
    recent: Option<Recent>,
}

/// A sample as it will be drawn.
struct Wish {
    plan: LookPlan,
    per_block: u32,
    seed: u64,
    /// Recent rows that are read at most.
    cap: u64,
}

/// One stratum, drawn.
struct Stratum {
    name: &'static str,
    method: Method,
    seed: Option<u64>,
    units_drawn: u64,
    rows: u64,
    population: Population,
}

/// By what rows are drawn.
#[derive(Clone, Copy)]
enum Way {
    Keys,
    Blocks,
    Segments,
}

impl Taking<'_, '_> {
    /// Reads the table as its rules and the settings wish.
    ///
    /// # Errors
    /// Why it was not read.
    pub(crate) async fn read(&mut self, reader: &mut Reader) -> Result<Reading, Unread> {
        let settings = self.check.settings;
        let budget = settings.rows_per_check.unwrap_or(u64::MAX);
        let known = self.look(reader).await?;
        let guess = known.guess;
        let (wanted, per_block) = match self.check.wish() {
            SampleWish::All => {
                return match self.pass(reader, &known, budget).await? {
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
        // what a rule file wishes does not lift the limit of whoever runs the database
        let wished = (wanted > budget).then_some(wanted);
        let wanted = wanted.min(budget);
        let small = wanted.saturating_mul(SMALL);
        let unknown_fraction = guess.is_none() && matches!(self.check.wish(), SampleWish::Fraction { .. });
        if unknown_fraction || guess.is_none_or(|rows| rows <= small) {
            let limit = if unknown_fraction { budget } else { budget.min(small.saturating_mul(2)) };
            if let Some(reading) = self.pass(reader, &known, limit).await? {
                return Ok(reading);
            }
            self.forget();
        }
        let population = guess.unwrap_or(u64::MAX);
        let size = LookSize { wanted, budget, population };
        let plan = if settings.enlarge { LookPlan::enlarging(size) } else { LookPlan::single(size) };
        let per_block = per_block.unwrap_or(settings.per_block).max(1);
        let wish = Wish { plan, per_block, seed: reader.draw_seed(), cap: (wanted / RECENT_PART).max(1) };
        let reading = self.sample(reader, &known, wish, budget).await?;
        Ok(Reading { wished: wished.filter(|_| !reading.is_whole()), ..reading })
    }

    /// What is known of the table at little cost. How far rows have come is read before the transactions are asked for, and both
    /// before any row.
    async fn look(&self, reader: &mut Reader) -> Result<Known, Error> {
        let table = self.check.table;
        let column = DrawColumn::of(table);
        let range = match &column {
            Some(column) => column.range(reader, table).await?,
            None => None,
        };
        let guess = match (table.estimated_rows, &column, &range) {
            (_, Some(_), None) => Some(0),
            (rows, _, Some(range)) => {
                let span = u64::try_from(range.span()).unwrap_or(u64::MAX);
                Some(rows.map_or(span, |rows| rows.min(span)))
            }
            (rows, None, None) => rows,
        };
        let high_water = if self.check.settings.watermarks {
            HighWater::read(reader, table, column.as_ref().zip(range)).await?
        } else {
            None
        };
        let recent = high_water.as_ref().and_then(|now| Recent::since(self.check.state, table, now));
        Ok(Known { column, range, guess, high_water, recent })
    }

    fn forget(&mut self) {
        self.check.forget();
        if let Some(kept) = &mut self.keep {
            kept.clear();
        }
    }

    /// All rows in a pass, or `None` once there are more than `most`.
    async fn pass(&mut self, reader: &mut Reader, known: &Known, most: u64) -> Result<Option<Reading>, Unread> {
        if !self.check.settings.snapshot {
            return self.pass_over(reader, known, most).await;
        }
        reader.hold_snapshot(true).await?;
        let passed = self.pass_over(reader, known, most).await;
        // whatever became of it, nobody waits for it now
        let released = reader.hold_snapshot(false).await;
        let passed = passed?;
        released?;
        Ok(passed)
    }

    async fn pass_over(&mut self, reader: &mut Reader, known: &Known, most: u64) -> Result<Option<Reading>, Unread> {
        // counters follow the writes by a second; ids do not, and are of all tables: asked where nothing can be read again by key
        let keyless = self.check.identity.is_empty();
        let before = reader.counters(self.check.table).await?;
        let next = if keyless { reader.horizon().await?.next_transaction } else { None };
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
            self.keep(&scanned.chunk, None)?;
            match scanned.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        let still = self.check.settings.snapshot && self.check.table.storage.is_some();
        let moving = !still && before != reader.counters(self.check.table).await?;
        // where the database has no ids it is not known that nobody wrote
        let written =
            moving || (keyless && !still && (next.is_none() || next != reader.horizon().await?.next_transaction));
        self.check.end_all(reader, written).await?;
        let population = Population::Exact { rows };
        let stratum =
            Stratum { name: "table", method: Method::AllRows, seed: None, units_drawn: rows, rows, population };
        let plan = LookPlan::single(LookSize { wanted: rows, budget: rows, population: rows });
        Ok(Some(Reading {
            strata: vec![stratum.design(&plan)],
            population,
            level: Level::NINETY_FIVE,
            moving,
            high_water: known.high_water.clone(),
            wished: None,
        }))
    }

    /// Keeps rows for a mark: the table's own columns.
    fn keep(&mut self, chunk: &Chunk, blocks: Option<&DrawnBlocks>) -> Result<(), Error> {
        let Some(kept) = &mut self.keep else { return Ok(()) };
        let own = |name: &&String| self.check.table.column(name).is_some();
        let own: Vec<String> = self.check.columns.iter().filter(own).cloned().collect();
        let chunk = chunk.project(&own).map_err(|error| internal("columns of a mark", &error))?;
        kept.push(Drawn { chunk, blocks: blocks.cloned() });
        Ok(())
    }

    async fn sample(&mut self, reader: &mut Reader, known: &Known, wish: Wish, budget: u64) -> Result<Reading, Unread> {
        let ways: &[Way] = match reader.facts().dialect {
            Dialect::Postgres => &[Way::Keys, Way::Blocks],
            Dialect::Sqlite | Dialect::MySql => &[Way::Keys, Way::Segments],
            Dialect::Files if worth_drawing(self.check.table, &wish.plan, wish.per_block) => &[Way::Blocks],
            Dialect::Files => &[],
        };
        for way in ways.iter().copied() {
            if let Some(reading) = self.sample_by(way, reader, known, &wish, budget).await? {
                return Ok(reading);
            }
            self.forget();
        }
        match self.pass(reader, known, budget).await? {
            Some(reading) => Ok(reading),
            None => Err(Unread::Refused(
                NotEvaluated::NotSampleable,
                format!("no key to draw rows by, and more than the {budget} rows of rows_per_check to read"),
            )),
        }
    }

    /// A sample drawn one way, or `None` where rows cannot be drawn that way.
    async fn sample_by(
        &mut self,
        way: Way,
        reader: &mut Reader,
        known: &Known,
        wish: &Wish,
        budget: u64,
    ) -> Result<Option<Reading>, Unread> {
        let (plan, table) = (&wish.plan, self.check.table);
        if plan.looks.first().is_some_and(|look| look.all_rows) {
            return self.whole(reader, known, budget).await.map(Some);
        }
        let mut recent = None;
        // rows of the body that lie in the recent stratum are left out where the body is drawn from the whole table
        let mut outside = None;
        let drawing = match (way, &known.column, known.range) {
            (Way::Keys, Some(column), Some(range)) => {
                let ranges = known.recent.as_ref().and_then(|recent| recent.split(range));
                let range = match ranges {
                    Some((body, newest)) => {
                        recent = self.recent_by_keys(reader, column, newest, wish).await?;
                        if recent.is_some() { body } else { range }
                    }
                    None => range,
                };
                Drawing::of_keys(column, range, wish.seed, false)
            }
            (Way::Keys, _, _) => None,
            (Way::Blocks | Way::Segments, _, _) => {
                if let Some(newest) = known.recent.as_ref().filter(|recent| recent.is_told_by(table)) {
                    recent = self.recent_by_order(reader, newest, wish).await?;
                    outside = recent.is_some().then_some(newest);
                }
                if matches!(way, Way::Blocks) {
                    Some(Drawing::of_blocks(wish.per_block, wish.seed))
                } else {
                    self.segments(reader, known.column.as_ref(), wish).await?
                }
            }
        };
        let Some(mut drawing) = drawing else { return Ok(None) };
        let mut taken = 0u64;
        for (at, look) in plan.looks.iter().enumerate() {
            if look.all_rows {
                self.forget();
                return self.whole(reader, known, budget).await.map(Some);
            }
            let mut used_up = true;
            // in parts, so that memory does not grow with the sample
            let mut missing = look.rows.saturating_sub(taken).max(1);
            while missing > 0 {
                let more = missing.min(MOST_DRAWN);
                missing -= more;
                let Some(drawn) = drawing.more(reader, &self.check.read(), more).await? else { return Ok(None) };
                used_up &= drawn.chunk.rows() == 0;
                taken += drawn.chunk.rows() as u64;
                self.task.advance(drawn.chunk.rows() as u64);
                let left_out = outside.map(|recent| recent.mask(&drawn.chunk));
                self.check.take_drawn(reader, 0, &drawn, left_out.as_ref()).await?;
                self.keep(&drawn.chunk, drawn.blocks.as_ref())?;
            }
            let name = if recent.is_some() { "body" } else { "table" };
            let body = Stratum::drawn(name, &drawing, taken, plan.level);
            let population = match (&recent, outside) {
                (Some(recent), None) => sum(body.population, recent.population),
                (Some(_), Some(_)) | (None, _) => body.population,
            };
            let strata: Vec<Design> =
                std::iter::once(&body).chain(&recent).map(|stratum: &Stratum| stratum.design(plan)).collect();
            let decided = self.check.decided(&strata, plan.level);
            if !decided && drawing.is_used_up() && self.check.settings.enlarge && population.rows() <= budget as f64 {
                // one row or so of every block does not tell, and there are no other blocks
                self.forget();
                return self.whole(reader, known, budget).await.map(Some);
            }
            let last = at + 1 == plan.looks.len();
            if last || used_up || decided {
                self.check.end_drawn(reader).await?;
                return Ok(Some(Reading {
                    strata,
                    population,
                    level: plan.level,
                    moving: false,
                    high_water: known.high_water.clone(),
                    wished: None,
                }));
            }
        }
        Err(Unread::Refused(NotEvaluated::Internal, format!("a plan without a look at {}", table.name)))
    }

    /// A drawing of random segments of the key's index, whose boundaries are walked once a day.
    async fn segments(
        &mut self,
        reader: &mut Reader,
        column: Option<&DrawColumn>,
        wish: &Wish,
    ) -> Result<Option<Drawing>, Unread> {
        let table = self.check.table;
        let key = match column {
            Some(column) => vec![column.name.clone()],
            None => match table.key().filter(|key| table.indexed(key)) {
                Some(key) => key.to_vec(),
                None => return Ok(None),
            },
        };
        let hidden = key.iter().any(|name| self.check.rules.pii.iter().any(|pii| pii.value == *name));
        let folder =
            (!hidden).then(|| self.check.run.state_folder.join("boundaries").join(self.check.rules.source.as_str()));
        let boundaries = walked(reader, table, key, folder.as_deref(), self.check.run.now).await?;
        let drawing = SegmentDrawing::new(boundaries, None, Some(wish.per_block), wish.seed);
        Ok(drawing.map(|drawing| Drawing::Segments(Box::new(drawing))))
    }

    async fn whole(&mut self, reader: &mut Reader, known: &Known, budget: u64) -> Result<Reading, Unread> {
        match self.pass(reader, known, budget).await? {
            Some(reading) => Ok(reading),
            None => Err(Unread::Refused(
                NotEvaluated::BudgetSpent,
                format!("the table has grown beyond the {budget} rows that rows_per_check allows"),
            )),
        }
    }

    /// Recent rows by random keys of their range, all of it up to the cap. `None` where keys hit too rarely.
    async fn recent_by_keys(
        &mut self,
        reader: &mut Reader,
        column: &DrawColumn,
        range: KeyRange,
        wish: &Wish,
    ) -> Result<Option<Stratum>, Unread> {
        let exhaust = range.span() <= u128::from(wish.cap);
        let Some(mut drawing) = Drawing::of_keys(column, range, wish.seed.wrapping_add(1), exhaust) else {
            return Ok(None);
        };
        let rows = if exhaust { u64::MAX } else { wish.cap };
        self.recent_drawn(reader, &mut drawing, rows, wish.plan.level).await
    }

    /// Recent rows by a drawing of them alone. `None` where it cannot go on.
    async fn recent_drawn(
        &mut self,
        reader: &mut Reader,
        drawing: &mut Drawing,
        rows: u64,
        level: Level,
    ) -> Result<Option<Stratum>, Unread> {
        let Some(drawn) = drawing.more(reader, &self.check.read(), rows).await? else { return Ok(None) };
        let rows = drawn.chunk.rows() as u64;
        self.task.advance(rows);
        self.check.take_drawn(reader, 1, &drawn, None).await?;
        Ok(Some(Stratum::drawn("recent", drawing, rows, level)))
    }

    /// Recent rows in the order of their column: all of them up to the cap, else random segments of its index. `None` where that cannot
    /// be done: many rows of one instant, as one statement over the whole table leaves them. The body has them, too.
    async fn recent_by_order(
        &mut self,
        reader: &mut Reader,
        recent: &Recent,
        wish: &Wish,
    ) -> Result<Option<Stratum>, Unread> {
        match self.recent_in_order(reader, recent, wish).await {
            Err(Unread::Source(Error::Unsupported { .. } | Error::Timeout)) => Ok(None),
            stratum => stratum,
        }
    }

    async fn recent_in_order(
        &mut self,
        reader: &mut Reader,
        recent: &Recent,
        wish: &Wish,
    ) -> Result<Option<Stratum>, Unread> {
        let Some(newest) = recent.read(reader, &self.check.read(), wish.cap).await? else {
            let Some(mut drawing) = recent.segments(reader, self.check.table, wish.seed.wrapping_add(1)).await? else {
                return Ok(None);
            };
            return self.recent_drawn(reader, &mut drawing, wish.cap, wish.plan.level).await;
        };
        let rows = newest.rows() as u64;
        self.task.advance(rows);
        self.check.take_drawn(reader, 1, &Drawn { chunk: newest, blocks: None }, None).await?;
        let population = Population::Exact { rows };
        Ok(Some(Stratum { name: "recent", method: Method::AllRows, seed: None, units_drawn: rows, rows, population }))
    }
}

/// Whether row groups are worth drawing: reading a row of one costs a part of the whole group, so that all of a table is soon read, and
/// says more.
pub(super) fn worth_drawing(table: &Table, wish: &LookPlan, per_block: u32) -> bool {
    let wanted = wish.looks.first().map_or(u64::MAX, |look| look.rows.div_ceil(u64::from(per_block.max(1))));
    table.pages.is_some_and(|groups| wanted <= groups / 2)
}

impl Stratum {
    /// So many rows of a drawing.
    fn drawn(name: &'static str, drawing: &Drawing, rows: u64, level: Level) -> Self {
        Self {
            name,
            method: drawing.method(),
            seed: Some(drawing.seed()),
            units_drawn: drawing.units_drawn(),
            rows,
            population: drawing.population(level),
        }
    }

    fn design(&self, plan: &LookPlan) -> Design {
        Design {
            version: Design::VERSION,
            stratum: self.name.to_owned(),
            method: self.method,
            seed: self.seed,
            units_drawn: self.units_drawn,
            rows_read: self.rows,
            rows_kept: self.rows,
            population: self.population,
            looks: plan.clone(),
        }
    }
}

/// Rows of two disjoint strata together. Both intervals hold with more than their level when added.
fn sum(one: Population, other: Population) -> Population {
    match (one, other) {
        (Population::Exact { rows: one }, Population::Exact { rows: other }) => Population::Exact { rows: one + other },
        (one, other) => {
            let (a, b) = (one.interval(), other.interval());
            Population::Estimated {
                rows: one.rows() + other.rows(),
                interval: Interval { low: a.low + b.low, high: a.high + b.high },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strata_add_up() {
        let estimated = Population::Estimated { rows: 100.0, interval: Interval { low: 90.0, high: 110.0 } };
        assert_eq!(sum(Population::Exact { rows: 3 }, Population::Exact { rows: 4 }), Population::Exact { rows: 7 });
        let both = Population::Estimated { rows: 103.0, interval: Interval { low: 93.0, high: 113.0 } };
        assert_eq!(sum(estimated, Population::Exact { rows: 3 }), both);
    }
}
