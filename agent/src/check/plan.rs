//! What a check would read, by what the catalogue knows: the same decisions as `reading` and `lookup` make, with its estimates in the
//! place of counts. Of a table without an estimate the ends of its key are asked, through the key's index.

use super::draw::DrawColumn;
use super::measured::MOST_COUNTED;
use super::reading::worth_drawing;
use super::segments::Boundaries;
use super::table::{MOST_EXAMPLES, SMALL, SQL_TIMEOUT, TableCheck};
use super::{SourceCheck, lookup::VALUES_A_STATEMENT};
use crate::reader::Reader;
use crate::report::words::plural;
use fieldmark_engine::kind::Plan;
use fieldmark_engine::language::resolve_table;
use fieldmark_engine::rule::{SampleWish, TableRules};
use fieldmark_model::{Dialect, RuleId, TableName};
use fieldmark_source::postgres::BLOCKS_OF_A_KEY;
use fieldmark_source::{Error, Name, Preview, Query, Read, Reference};
use fieldmark_statistics::LookPlan;
use fieldmark_statistics::looks::LookSize;

/// What would be read of one table.
#[derive(Clone, Debug)]
pub struct TablePlan {
    /// The table.
    pub table: TableName,
    /// Its rows, as the database estimates them.
    pub rows: Option<u64>,
    /// What would be asked, in order.
    pub steps: Vec<Planned>,
    /// Rules that could not be evaluated, with why.
    pub refused: Vec<String>,
}

/// One thing that would be asked.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// What it is, in words.
    pub what: String,
    /// The rule for which it is asked; `None`: for all that are judged row by row.
    pub rule: Option<RuleId>,
    /// Statements, about.
    pub statements: u64,
    /// Rows that come over, about; `None`: not known.
    pub rows: Option<u64>,
    /// Blocks that are touched, about; `None`: not known.
    pub blocks: Option<u64>,
    /// What the planner thinks that a query costs, in its own unit.
    pub cost: Option<f64>,
    /// Statements as they would be sent, one value or place standing for all.
    pub sql: Vec<(Name, String)>,
}

/// Rows of one chunk, once the pace is found.
const ROWS_A_CHUNK: u64 = 8_192;
/// Keys of one statement.
const KEYS_A_STATEMENT: u64 = 1_000;
/// Blocks of one batch of drawn blocks, which takes three statements.
const BLOCKS_A_BATCH: u64 = 128;

impl TablePlan {
    /// Statements in all, about.
    pub fn statements(&self) -> u64 {
        self.steps.iter().map(|step| step.statements).sum()
    }

    /// Blocks in all, about; `None` where those of a step are not known.
    pub fn blocks(&self) -> Option<u64> {
        self.steps.iter().map(|step| step.blocks).sum()
    }
}

impl SourceCheck<'_> {
    /// What a check of a table would read; `None` where there is no such table. Asks the catalogue, and the planner about queries of rules.
    ///
    /// # Errors
    /// As the source.
    pub async fn plan(&mut self, rules: &TableRules) -> Result<Option<TablePlan>, Error> {
        let default_schema = self.reader.facts().default_schema.clone();
        let Ok(table) = resolve_table(rules, self.catalogue, default_schema.as_deref()) else {
            return Ok(Some(TablePlan {
                table: TableName::new(rules.schema.clone().unwrap_or_default(), rules.table.clone()),
                rows: None,
                steps: Vec::new(),
                refused: vec!["the table is missing".to_owned()],
            }));
        };
        // SQLite has no estimate where nobody asked for one, but numbers its rows: what lies between the ends is a bound
        let mut estimated = table.clone();
        if let (None, Some(column)) = (table.estimated_rows, DrawColumn::of(table)) {
            let range = column.range(self.reader, table).await?;
            estimated.estimated_rows = Some(range.map_or(0, |range| u64::try_from(range.span()).unwrap_or(u64::MAX)));
        }
        // or what the last check counted
        let counted = self.state.row_counts.get(&table.name).map(|counted| counted.rows);
        estimated.estimated_rows = estimated.estimated_rows.or(counted);
        let table = &estimated;
        let check = TableCheck::new(rules, table, self.catalogue, self.run, self.settings, self.state, false);
        let mut plan = TablePlan {
            table: table.name.clone(),
            rows: table.estimated_rows,
            steps: Vec::new(),
            refused: check
                .refused
                .iter()
                .filter_map(|(rule, refusal)| Some(format!("{}: {}", rules.rules.get(*rule)?.id, refusal.reason)))
                .collect(),
        };
        let mut drawn = 0;
        if check.needs_rows() {
            let reading = reading(&check, self.reader.facts().dialect);
            drawn = reading.rows;
            plan.steps.push(reading.step(self.reader, &check).await?);
        }
        for index in 0..check.states.len() {
            plan.steps.extend(of_rule(self.reader, &check, index, drawn).await?);
        }
        Ok(Some(plan))
    }
}

/// By what the rows of a table would be read.
enum Way {
    /// All of them.
    Pass,
    Keys(String),
    Blocks(u64),
    /// Of the index of these key columns; so many.
    Segments(Vec<String>, u64),
}

struct Reading {
    way: Way,
    /// Rows of the first look; of a table of unknown size all of it, however many they are.
    rows: u64,
    /// Rows at most, where the first look does not decide.
    most: u64,
    /// Whether the table's rows are known, about.
    is_known: bool,
}

fn reading(check: &TableCheck<'_>, dialect: Dialect) -> Reading {
    let (table, settings) = (check.table, check.settings);
    let budget = settings.rows_per_check.unwrap_or(u64::MAX);
    let all = table.estimated_rows.unwrap_or(0);
    let is_known = table.estimated_rows.is_some();
    let whole = Reading { way: Way::Pass, rows: all.min(budget), most: all.min(budget), is_known };
    let (wanted, per_block) = match check.wish() {
        SampleWish::All => return whole,
        SampleWish::Rows { rows, per_block } => (rows.max(1), per_block),
        SampleWish::Fraction { fraction, per_block } => (((all as f64 * fraction).ceil() as u64).max(1), per_block),
    };
    let wanted = wanted.min(budget);
    if table.estimated_rows.is_none_or(|rows| rows <= wanted.saturating_mul(SMALL)) {
        return whole;
    }
    let size = LookSize { wanted, budget, population: all };
    let looks = if settings.enlarge { LookPlan::enlarging(size) } else { LookPlan::single(size) };
    let rows = |look: Option<&fieldmark_statistics::looks::Look>| look.map_or(wanted, |look| look.rows);
    let (first, most) = (rows(looks.looks.first()), rows(looks.looks.last()));
    let per_block = per_block.unwrap_or(settings.per_block).max(1);
    let blocks = first.div_ceil(u64::from(per_block));
    let way = match (DrawColumn::of(table), dialect) {
        (_, Dialect::Files) if worth_drawing(table, &looks, per_block) => Way::Blocks(blocks),
        (_, Dialect::Files) => return whole,
        (Some(column), _) => Way::Keys(column.name),
        (None, Dialect::Postgres) => Way::Blocks(blocks.min(table.pages.unwrap_or(u64::MAX))),
        (None, Dialect::Sqlite | Dialect::MySql) => match table.key().filter(|key| table.indexed(key)) {
            Some(key) => Way::Segments(key.to_vec(), blocks),
            None => return whole,
        },
    };
    Reading { way, rows: first, most, is_known }
}

impl Reading {
    async fn step(&self, reader: &mut Reader, check: &TableCheck<'_>) -> Result<Planned, Error> {
        let table = check.table;
        let more = if self.most > self.rows {
            format!("; up to {} where they do not decide", plural(self.most, "row"))
        } else {
            String::new()
        };
        let (what, statements, blocks, ask) = match &self.way {
            Way::Pass => ("reads every row".to_owned(), self.rows / ROWS_A_CHUNK + 2, table.pages, Preview::Pass),
            Way::Keys(column) => (
                format!("reads rows by random keys of {column}{more}"),
                self.rows.div_ceil(KEYS_A_STATEMENT) + 1,
                Some(self.rows * BLOCKS_OF_A_KEY),
                Preview::Keys(std::slice::from_ref(column)),
            ),
            Way::Blocks(blocks) if reader.facts().dialect == Dialect::Files => (
                format!("reads some rows of each of {} drawn at random{more}", plural(*blocks, "row group")),
                blocks.div_ceil(BLOCKS_A_BATCH),
                None,
                Preview::Blocks,
            ),
            Way::Blocks(blocks) => (
                format!("reads random blocks and one row or more of each{more}"),
                3 * blocks.div_ceil(BLOCKS_A_BATCH) + 2,
                Some((2 * blocks).min(table.pages.unwrap_or(u64::MAX))),
                Preview::Blocks,
            ),
            Way::Segments(key, segments) => {
                // the walk is made once a day; it and the draw take one statement for each boundary and each segment
                let walked = Boundaries::statements(table.estimated_rows.unwrap_or(0));
                (
                    format!("walks along the key's index, and reads random segments of it{more}"),
                    walked + (*segments).min(walked),
                    None,
                    Preview::Segments(key),
                )
            }
        };
        let blocks = blocks.filter(|_| reader.facts().dialect == Dialect::Postgres);
        let sql = reader.preview(&check.read(), ask).await?;
        let rows = self.is_known.then_some(self.rows);
        Ok(Planned { what, statements, rows, blocks, sql, ..Planned::default() })
    }
}

/// What a rule asks beside the rows.
async fn of_rule(
    reader: &mut Reader,
    check: &TableCheck<'_>,
    index: usize,
    drawn: u64,
) -> Result<Option<Planned>, Error> {
    let (Some(state), Some(rule)) = (check.states.get(index), check.rule(index)) else { return Ok(None) };
    let rule_id = Some(rule.id.clone());
    let read = check.read();
    let whole = check.table.estimated_rows.is_some_and(|rows| rows <= drawn);
    let asked = |indexed: bool, of: &fieldmark_model::Table, what: &str| {
        let values = drawn;
        if indexed {
            Planned {
                what: format!("{what} through an index"),
                statements: values.div_ceil(VALUES_A_STATEMENT as u64),
                rows: None,
                blocks: Some(values * BLOCKS_OF_A_KEY),
                ..Planned::default()
            }
        } else {
            let rows = of.estimated_rows.unwrap_or(0);
            Planned {
                what: format!("{what} in a pass over {}, which no index leads to", of.name),
                statements: rows / ROWS_A_CHUNK + 1,
                rows: of.estimated_rows,
                blocks: of.pages,
                ..Planned::default()
            }
        }
    };
    let mut step = match &state.plan {
        Plan::Unique { .. } if whole => return Ok(None),
        Plan::Unique { columns } => {
            let indexed = check.table.indexed(columns);
            let step = asked(indexed, check.table, "looks up who else has a value");
            let ask = if indexed { Preview::Sharing(columns) } else { Preview::Pass };
            Planned { sql: reader.preview(&read, ask).await?, ..step }
        }
        Plan::References { columns, to_columns, .. } => {
            let Ok(Some((to, _))) = check.referred(&state.plan) else { return Ok(None) };
            let reference = Reference { from: check.table, columns, to, to_columns };
            let step = asked(to.indexed(to_columns), to, &format!("looks values up in {}", to.name));
            let sql = if to.indexed(to_columns) {
                reader.preview(&read, Preview::Parents(&reference)).await?
            } else {
                reader.preview(&Read::new(to, to_columns), Preview::Pass).await?
            };
            Planned { sql, ..step }
        }
        Plan::Fresh { column, .. } => {
            let own = [column.clone()];
            let read = Read::new(check.table, &own);
            let step = asked(check.table.indexed(&own), check.table, "asks for the greatest value");
            if check.table.indexed(&own) {
                let sql = reader.preview(&read, Preview::Extremes(column)).await?;
                Planned { statements: 1, rows: Some(1), blocks: Some(2 * BLOCKS_OF_A_KEY), sql, ..step }
            } else {
                Planned { sql: reader.preview(&read, Preview::Pass).await?, ..step }
            }
        }
        Plan::Sql { text } => {
            let time = rule.timeout.unwrap_or(SQL_TIMEOUT);
            let query = Query { sql: text, time, count: MOST_COUNTED, show: MOST_EXAMPLES };
            check.begin_own(reader, index);
            let cost = reader.expected_cost(&query).await;
            reader.end_own();
            // a query that the database does not take is told by the check
            let cost = match cost {
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                cost => cost.ok().flatten(),
            };
            let seconds = crate::report::words::duration(time.as_secs_f64());
            let what = format!("its own query, for at most {seconds}");
            let sql = reader.preview(&read, Preview::Query(&query)).await?;
            Planned { what, statements: 1, cost, sql, ..Planned::default() }
        }
        Plan::Row { .. } | Plan::Expression { .. } | Plan::RowCount { .. } | Plan::Distribution { .. } => {
            return Ok(None);
        }
    };
    step.rule = rule_id;
    if reader.facts().dialect != Dialect::Postgres {
        step.blocks = None;
    }
    Ok(Some(step))
}
