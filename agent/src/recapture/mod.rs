//! Taking marks and reading the same rows again.
//!
//! Both are calls that can be cancelled and that no command line owns: [`SourceMark::take`] and [`SourceRecapture::judge`].

mod control;
mod replica;
mod sessions;
mod shapes;
mod stamps;
mod take;
mod transition;

pub(crate) use replica::caught_up;
pub use sessions::SessionWatch;
pub use take::{SourceMark, Taken};
pub(crate) use transition::is_past;

use crate::check::{Checked, RunFacts, Settings, SourceCheck, TableCheck};
use crate::lineage::PlannedRename;
use crate::mark::{MarkWithRows, MarkedTable, Transactions, digested};
use crate::progress::Progress;
use crate::reader::Reader;
use crate::state::SourceState;
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema};
use chrono::{DateTime, Utc};
use control::{Readings, watch};
use fieldmark_change::{
    Alignment, ColumnHints, ColumnPairs, ControlEvidence, Direction, MarkDesign, Marks, NewlyFailing, Rename, Shapes,
    StampEvidence, TableInput, TablePair, TablePairing, align, judge, key_after, overall, pair_columns, pair_tables,
};
use fieldmark_engine::evaluate::{mentioned, speaks_of};
use fieldmark_engine::rule::{Rule, TableRules};
use fieldmark_model::migration::{MigrationReport, RuleChange, TableChange, Verdict};
use fieldmark_model::{Catalogue, Chunk, Counters, NotEvaluated, Outcome, SourceName, Table, TableName};
use fieldmark_source::{Error, Read, ServerIdentity};
use fieldmark_statistics::Population;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Keys read in one statement.
const KEYS_A_STATEMENT: usize = 1_000;

/// One source being recaptured.
pub struct SourceRecapture<'a, 'r> {
    /// How it is read.
    pub reader: &'a mut Reader,
    /// Its name.
    pub source: &'a SourceName,
    /// The mark and its id.
    pub mark: (&'a str, &'a MarkWithRows),
    /// Its rules.
    pub rules: &'a [&'r TableRules],
    /// Its settings.
    pub settings: &'a Settings,
    /// The run.
    pub run: &'a RunFacts,
    /// What is remembered of it.
    pub state: &'a SourceState,
    /// Where progress is shown.
    pub progress: &'a Progress,
    /// How long ordinary writes are watched.
    pub control: Duration,
    /// Forward, or back to the mark.
    pub direction: Direction,
    /// Ids of transactions that were seen to be the migration's.
    pub transactions: &'a BTreeSet<u64>,
    /// Other names of columns, as the migration's scripts say.
    pub renames: &'a [PlannedRename],
}

/// What a recapture gave.
#[derive(Debug)]
pub struct Recaptured {
    /// The verdict with everything under it.
    pub report: MigrationReport,
    /// What a check gave after the migration.
    pub checked: Checked,
}

/// One marked table and what was read of it again.
struct Again<'a> {
    marked: &'a MarkedTable,
    pair: TablePair<'a>,
    columns: ColumnPairs,
    before: &'a Chunk,
    after: Option<Chunk>,
    /// Which row became which; `None` where rows were not read again or cannot be followed.
    aligned: Option<Alignment>,
    /// Why they could not be read again.
    unread: Option<String>,
    stamps: Option<StampEvidence>,
    /// What the migration's scripts call its columns.
    renames: Vec<Rename>,
    newly_failing: Vec<NewlyFailing>,
    key_after: Vec<String>,
    read_at: DateTime<Utc>,
    written: Option<Counters>,
    /// What ordinary writes did to marked rows, and to the counters.
    control: ControlEvidence,
    ordinarily: Option<(Counters, f64)>,
}

/// By how much the database's clock was ahead of the machine's that took the mark, and is of this one.
#[derive(Clone, Copy)]
struct Clocks {
    mark: Option<f64>,
    now: Option<f64>,
}

impl Clocks {
    /// Seconds from a time by the clock of whoever took the mark to one by this one's. Two machines' clocks are held against the
    /// database's.
    fn seconds(self, from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
        let apart = self.mark.zip(self.now).map_or(0.0, |(mark, now)| now - mark);
        // asking takes a while: less than that is no difference
        (to - from).as_seconds_f64() + if apart.abs() > 0.5 { apart } else { 0.0 }
    }
}

/// Without the numbers that a server gives tables and columns: another one's mean other things.
fn anonymous(catalogue: &mut Catalogue) {
    for table in &mut catalogue.tables {
        (table.identity, table.storage) = (None, None);
        table.columns.iter_mut().for_each(|column| column.identity = None);
    }
}

/// Which server the mark was taken of, and which one answers now; each where it tells.
struct Servers<'a> {
    mark: Option<&'a ServerIdentity>,
    now: Option<ServerIdentity>,
}

impl Servers<'_> {
    /// Why rows cannot be held against the mark, where the server has failed over since: what a transaction had written that was then
    /// lost looks like a change.
    fn failed_over(&self) -> Option<String> {
        let (mark, now) = self.mark.zip(self.now.as_ref())?;
        now.failed_over(mark).then(|| {
            let (then, now) = (mark.timeline, now.timeline);
            format!(
                "the server has failed over since (timeline {then}, now {now}), and what was written last may be lost"
            )
        })
    }

    /// Whether they have no transactions in common.
    fn are_others(&self) -> bool {
        self.mark.zip(self.now.as_ref()).is_some_and(|(mark, now)| mark.cluster != now.cluster)
    }
}

impl<'r> SourceRecapture<'_, 'r> {
    /// Reads the marked rows again, checks the rules, watches ordinary writes, judges.
    ///
    /// # Errors
    /// The source's, where nothing can be said without it.
    pub async fn judge(mut self) -> Result<Recaptured, Error> {
        let (mark_id, marked) = self.mark;
        let servers = Servers { mark: marked.mark.server.as_ref(), now: self.reader.standing().await?.server };
        let ended = self.reader.horizon().await?;
        let catalogue = self.reader.catalogue().await?;
        let clocks = Clocks { mark: marked.mark.clock_ahead, now: ended.clock_ahead };
        let mut known = marked.mark.catalogue.clone();
        if servers.are_others() {
            anonymous(&mut known);
        }
        let pairs = pair_tables(&known, &catalogue);
        let mut again = Vec::new();
        for (table, before) in marked.mark.tables.iter().zip(&marked.rows) {
            if let Some(pair) = pairs.iter().find(|pair| pair.before.is_some_and(|before| before.name == table.name)) {
                let lost = servers.failed_over().filter(|_| self.direction == Direction::Forward);
                again.push(match lost {
                    Some(why) => Again { unread: Some(why), ..self.anew(table, *pair, before) },
                    None => self.read_again(table, (*pair, &catalogue), before).await?,
                });
            }
        }
        let read = self.reader.horizon().await?;
        let of_mark = if servers.are_others() { Transactions::default() } else { marked.mark.transactions.clone() };
        let ids = stamps::Ids { mark: &of_mark, migration: self.transactions, ended: &ended, read: &read };
        for table in &mut again {
            table.stamps = stamps::evidence(table, &ids).filter(|_| !servers.are_others());
            // what another server has counted is about other writes
            table.written = table.written.filter(|_| !servers.are_others());
        }
        let alone = ids.alone();
        let recaptured_at = Utc::now();
        let mut readings: Vec<Readings> = Vec::new();
        for table in &again {
            readings.push(Readings::of_recapture(table));
        }
        let control = {
            let watched: Vec<_> = again
                .iter()
                .map(|table| (table.pair.after, table.key_after.clone(), table.marked.digested.clone()))
                .collect();
            watch(self.reader, &watched, readings, self.control, self.run, self.progress).await?
        };
        let mut checked = self.check(&catalogue).await?;
        if self.reader.standing().await?.server != servers.now {
            return Err(Error::FailedOver);
        }
        if self.direction == Direction::Forward {
            self.excuse(&again, &mut checked);
        }
        for (table, after) in again.iter_mut().zip(control) {
            table.control = ControlEvidence { before: table.marked.control.clone(), after: after.slices };
            table.ordinarily = together(table.marked.ordinarily, after.counted);
        }
        if servers.are_others() {
            let what = "the mark was taken of another cluster: rows are compared, and who wrote them is not known";
            checked.notes.push(format!("{}: {what}", self.source));
        }
        let report = self.conclude(mark_id, &pairs, &again, (alone, clocks), &checked, recaptured_at)?;
        Ok(Recaptured { report, checked })
    }

    /// A rule about a column that went as declared is of the schema before: it is for a person to correct, and no sign of a fault.
    fn excuse(&self, again: &[Again<'_>], checked: &mut Checked) {
        let mut notes = Vec::new();
        checked.outcomes.retain(|outcome| {
            if outcome.not_evaluated != Some(NotEvaluated::ColumnMissing) {
                return true;
            }
            let of_table = |table: &&Again<'_>| table.pair.after.is_some_and(|after| after.name == outcome.table);
            let Some(table) = again.iter().find(of_table) else { return true };
            let Some(rules) = self.rules_of(table.pair, &table.marked.name) else { return true };
            let Some(rule) = rules.rules.iter().find(|rule| rule.id == outcome.rule) else { return true };
            let gone = gone(rule, table);
            let excused = !gone.is_empty() && gone.iter().all(|column| went_as_declared(rules, column));
            if excused {
                let (name, columns) = (&outcome.table, gone.join(", "));
                notes.push(format!(
                    "{name}: the rule {} speaks of {columns}, which went as declared: correct the rule file",
                    outcome.rule
                ));
            }
            !excused
        });
        checked.notes.extend(notes);
    }

    async fn check(&mut self, catalogue: &Catalogue) -> Result<Checked, Error> {
        let mut check = SourceCheck {
            reader: self.reader,
            catalogue,
            settings: self.settings,
            run: self.run,
            state: self.state,
            progress: self.progress,
        };
        check.check(self.rules).await
    }

    async fn read_again<'p>(
        &mut self,
        marked: &'p MarkedTable,
        (pair, catalogue): (TablePair<'p>, &'p Catalogue),
        before: &'p Chunk,
    ) -> Result<Again<'p>, Error>
    where
        Self: 'p,
    {
        let rules = self.rules_of(pair, &marked.name);
        let mut again = self.anew(marked, pair, before);
        if let (Some(after), Ok(key)) = (pair.after, key_after(&marked.key, &again.columns)) {
            let names: Vec<String> = after.columns.iter().map(|column| column.name.clone()).collect();
            let task = self.progress.task(format!("recapturing {}", after.name), Some(marked.rows));
            let read = Read::new(after, &names).stamped(true);
            if let Some(keys) = keys_for(before, &marked.key, after, &key) {
                match read_keys(self.reader, &read, &key, &keys, |rows| task.advance(rows)).await {
                    Ok(chunk) => {
                        let digested = digest_again(&chunk, marked, &again.columns, self.run)?;
                        let aligned = align(before, &digested, &marked.key, &again.columns);
                        again.aligned = aligned.map_err(|error| Error::Internal { what: error.to_string() })?.ok();
                        again.after = Some(digested);
                        if let Some(rules) = rules.filter(|_| self.direction == Direction::Forward) {
                            let failing = self.failing(rules, after, catalogue, &chunk).await?;
                            again.newly_failing = newly_failing(&again, failing, &self.mark.1.mark.outcomes);
                        }
                    }
                    Err(error) if error.ends_reading() => return Err(error),
                    // the other tables can still be judged
                    Err(error) => again.unread = Some(error.to_string()),
                }
            }
            task.finish();
            again.key_after = key;
            match self.reader.counters(after).await {
                // another table's counters say nothing of this one
                Ok(counters) if pair.by != TablePairing::SwappedByName => {
                    again.written = difference(marked.counters, counters);
                }
                Ok(_) => {}
                Err(error) if error.ends_reading() => return Err(error),
                Err(_) => {}
            }
        }
        again.read_at = Utc::now();
        Ok(again)
    }

    /// A marked table of which nothing has been read again yet.
    fn anew<'p>(&self, marked: &'p MarkedTable, pair: TablePair<'p>, before: &'p Chunk) -> Again<'p> {
        let declared = self.rules_of(pair, &marked.name).map(renames).unwrap_or_default();
        let renames = self.said_of(pair);
        let columns = pair_columns(pair, ColumnHints { declared: &declared, statements: &renames });
        Again {
            marked,
            pair,
            columns,
            before,
            after: None,
            aligned: None,
            unread: None,
            stamps: None,
            renames,
            newly_failing: Vec::new(),
            key_after: Vec::new(),
            read_at: Utc::now(),
            written: None,
            control: ControlEvidence::default(),
            ordinarily: None,
        }
    }

    /// What the migration's scripts call a table's columns; of that what fits the table as it was and is.
    fn said_of(&self, pair: TablePair<'_>) -> Vec<Rename> {
        let (Some(before), Some(after)) = (pair.before, pair.after) else { return Vec::new() };
        let named = crate::lineage::spelled(&before.name);
        let fits = |said: &&PlannedRename| {
            said.table == named
                && before.column(&said.before).is_some()
                && after.column(&said.before).is_none()
                && after.column(&said.after).is_some()
                && before.column(&said.after).is_none()
        };
        let said = self.renames.iter().filter(fits);
        said.map(|said| Rename { after: said.after.clone(), before: said.before.clone() }).collect()
    }

    /// What rule files say of a marked table: by its name before, else by the one that it has now.
    fn rules_of(&self, pair: TablePair<'_>, marked: &TableName) -> Option<&'r TableRules> {
        let default_schema = self.reader.facts().default_schema.clone();
        let named = |table: &TableName| {
            self.rules.iter().copied().find(|rules| {
                rules.table == table.name
                    && rules.schema.as_ref().or(default_schema.as_ref()).is_none_or(|schema| *schema == table.schema)
            })
        };
        named(marked).or_else(|| named(&pair.after?.name))
    }

    /// Of the rows read again those that fail each rule, where that can be told row by row; asked at the mark's own time, so that no row
    /// fails by its age alone.
    async fn failing(
        &mut self,
        rules: &'r TableRules,
        table: &Table,
        catalogue: &Catalogue,
        chunk: &Chunk,
    ) -> Result<Vec<(&'r Rule, Vec<usize>)>, Error> {
        // rules of the table as a whole are not about rows
        let of_state = |check: &TableCheck<'_>, index: usize| {
            check.states.get(index).filter(|state| state.plan.is_of_rows()).map(|state| state.rule)
        };
        let run = RunFacts { now: self.mark.1.mark.now, ..self.run.clone() };
        let mut check = TableCheck::new(rules, table, catalogue, &run, self.settings, self.state, true);
        let failing = check.judge_rows(self.reader, chunk).await?;
        let of_rule = failing.into_iter().enumerate();
        Ok(of_rule.filter_map(|(index, rows)| Some((rules.rules.get(of_state(&check, index)?)?, rows?))).collect())
    }

    fn conclude(
        &self,
        mark_id: &str,
        pairs: &[TablePair<'_>],
        again: &[Again<'_>],
        (alone, clocks): (bool, Clocks),
        checked: &Checked,
        recaptured_at: DateTime<Utc>,
    ) -> Result<MigrationReport, Error> {
        let marked = self.mark.1;
        let changes: Vec<RuleChange> = checked
            .outcomes
            .iter()
            .filter_map(|after| {
                let same = |before: &&Outcome| before.rule == after.rule && before.fingerprint == after.fingerprint;
                let before = marked.mark.outcomes.iter().find(same)?;
                Some(RuleChange { before: before.clone(), after: after.clone() })
            })
            .collect();
        let rules_of_table: Vec<Vec<RuleChange>> = again
            .iter()
            .map(|table| {
                let of_it = changes.iter().filter(|change| change.before.table == table.marked.name);
                of_it.cloned().collect()
            })
            .collect();
        let designs: Vec<MarkDesign> = again.iter().map(|table| table.marked.design()).collect();
        let mut declared = Vec::new();
        let mut transitions = Vec::new();
        let mut hidden = Vec::new();
        for table in again {
            let rules = self.rules_of(table.pair, &table.marked.name);
            hidden.push(shapes::hidden(rules, &table.marked.digested));
            declared.push(transition::declared(rules, table, self.run));
            transitions.push(transition::evaluate(rules, self.source, table, self.run, self.settings)?);
        }
        let uncontrolled = ControlEvidence::default();
        let mut inputs = Vec::new();
        for (index, table) in again.iter().enumerate() {
            let (Some(design), Some(declared), Some(transitions), Some(rules)) =
                (designs.get(index), declared.get(index), transitions.get(index), rules_of_table.get(index))
            else {
                continue;
            };
            let Some(hidden) = hidden.get(index) else { continue };
            let after = table.pair.after.and_then(|after| {
                let counted = checked.row_counts.iter().find(|(name, _)| *name == after.name);
                let counted = counted.map(|(_, count)| (count.rows, !count.exact));
                counted.or(after.estimated_rows.map(|rows| (rows, true)))
            });
            let population = &table.marked.population;
            // rows that the control saw changing are not counted; the others have not changed until it ended
            let exposure = clocks.seconds(table.marked.watched_until.unwrap_or(table.marked.read_at), table.read_at);
            inputs.push(TableInput {
                source: self.source,
                tables: table.pair,
                marks: table.after.as_ref().map(|after| Marks {
                    before: table.before,
                    after,
                    key: &table.marked.key,
                    design,
                    stamps: table.stamps.as_ref(),
                }),
                // a time that runs backwards is no time: nothing can be said of ordinary writes then
                control: if exposure > 0.0 { &table.control } else { &uncontrolled },
                exposure_seconds: exposure.max(0.001),
                alone,
                unmarked: None,
                unread: table.unread.as_deref(),
                declared,
                statements: &table.renames,
                transitions,
                rules,
                newly_failing: &table.newly_failing,
                written: table.written,
                written_seconds: clocks.seconds(table.marked.counted_at, table.read_at).max(0.0),
                written_ordinarily: table.ordinarily,
                rows_before: Some(population.rows().round() as u64),
                rows_after: after.map(|(rows, _)| rows),
                rows_estimated: [
                    !matches!(population, Population::Exact { .. }),
                    after.is_some_and(|(_, estimated)| estimated),
                ],
                direction: self.direction,
                shapes: Shapes { detail: shapes::detail(self.settings.examples), hidden },
            });
        }
        let unmarked: Vec<_> = (marked.mark.unmarked.iter())
            .filter_map(|(name, why)| {
                let pair = *pairs.iter().find(|pair| pair.before.is_some_and(|before| before.name == *name))?;
                let rules = self.rules_of(pair, name);
                Some((pair, why, rules.map(transition::of_catalogue).unwrap_or_default()))
            })
            .collect();
        let of_unmarked = unmarked.iter().map(|(pair, why, declared)| TableInput {
            source: self.source,
            tables: *pair,
            marks: None,
            control: &uncontrolled,
            unmarked: Some(why),
            unread: None,
            exposure_seconds: 0.001,
            alone: false,
            declared,
            statements: &[],
            transitions: &[],
            rules: &[],
            newly_failing: &[],
            written: None,
            written_seconds: 0.0,
            written_ordinarily: None,
            rows_before: pair.before.and_then(|before| before.estimated_rows),
            rows_after: pair.after.and_then(|after| after.estimated_rows),
            rows_estimated: [true; 2],
            direction: self.direction,
            shapes: Shapes::default(),
        });
        inputs.extend(of_unmarked);
        let mut judged = judge(&inputs).map_err(|error| Error::Internal { what: error.to_string() })?;
        let mut left_out: Vec<TableChange> = judged.split_off(again.len()).into_iter().map(|of| of.change).collect();
        left_out.retain(|change| !matches!(change.verdict, Verdict::Clean | Verdict::Restored));
        let mut tables: Vec<_> = judged
            .into_iter()
            .zip(again)
            .map(|(judged, table)| {
                let mut change = judged.change;
                change.examples = transition::examples(&judged.suspects, table, self.run, self.settings);
                change
            })
            .collect();
        let elsewhere: Vec<RuleChange> = (changes.iter())
            .filter(|change| !again.iter().any(|table| table.marked.name == change.before.table))
            .cloned()
            .collect();
        // in a database that was empty there was nothing to mark
        let followed = !tables.is_empty() || marked.mark.catalogue.tables.is_empty();
        tables.extend(left_out);
        let (verdict, reasons) = overall(&tables, followed, &elsewhere, self.direction);
        Ok(MigrationReport {
            source: self.source.clone(),
            mark: mark_id.to_owned(),
            marked_at: marked.mark.taken,
            recaptured_at,
            command_status: None,
            verdict,
            reasons,
            tables,
            tables_added: (pairs.iter().filter(|pair| pair.before.is_none()))
                .filter_map(|pair| Some(pair.after?.name.clone()))
                .collect(),
            lineage: None,
            rules: changes,
        })
    }
}

/// Columns that a rule speaks of and that the table had when it was marked, and has not now.
fn gone(rule: &Rule, table: &Again<'_>) -> Vec<String> {
    let texts: Vec<&str> =
        rule.kind.placed_expression().into_iter().chain(&rule.filter).map(|text| text.value.as_str()).collect();
    let spoken = |name: &str| rule.kind.columns().contains(&name) || texts.iter().any(|text| speaks_of(text, name));
    let pairs = table.columns.pairs.iter();
    let lost = pairs.filter_map(|pair| match (&pair.before, &pair.after) {
        (Some(before), None) => Some(before),
        (Some(before), Some(after)) if after.name != before.name => Some(before),
        _ => None,
    });
    lost.map(|column| column.name.clone()).filter(|name| spoken(name)).collect()
}

/// Whether a column is renamed, or made something of, by what a rule file declares.
fn went_as_declared(rules: &TableRules, column: &str) -> bool {
    let read = |text: &str| mentioned(text).iter().any(|each| !each.after && each.column == column);
    rules.across.renamed.iter().any(|(_, before)| before.value == column)
        || rules.across.expect.iter().any(|expectation| read(&expectation.that.value))
}

/// Marked rows that fail a rule now and did not when they were marked; of rules of which that is known of both times.
fn newly_failing(
    table: &Again<'_>,
    failing: Vec<(&Rule, Vec<usize>)>,
    marked_outcomes: &[Outcome],
) -> Vec<NewlyFailing> {
    let Some(aligned) = &table.aligned else { return Vec::new() };
    let marked: HashMap<usize, usize> = aligned.matched.iter().map(|row| (row.after, row.before)).collect();
    // a rule whose meaning is another one now has not been asked before
    let same = |rule: &Rule| {
        marked_outcomes.iter().any(|before| before.rule == rule.id && before.fingerprint == rule.fingerprint)
    };
    let newly = failing.into_iter().filter(|(rule, _)| same(rule)).filter_map(|(rule, rows)| {
        let before: BTreeSet<u64> = table.marked.failing.get(&rule.id)?.iter().copied().collect();
        let rows = rows.into_iter().filter_map(|row| marked.get(&row).copied());
        Some(NewlyFailing {
            rows: rows.filter(|row| !before.contains(&(*row as u64))).collect(),
            rule: rule.id.clone(),
            by_itself: !rule.kind.looks_up(),
        })
    });
    newly.collect()
}

/// `renamed:` of a rule file.
fn renames(rules: &TableRules) -> Vec<Rename> {
    let renamed = rules.across.renamed.iter();
    renamed.map(|(after, before)| Rename { after: after.value.clone(), before: before.value.clone() }).collect()
}

/// Marked keys as values of the key's columns after; `None` where a type cannot be followed.
fn keys_for(before: &Chunk, key: &[String], after: &Table, key_after: &[String]) -> Option<RecordBatch> {
    let projected = before.project(key).ok()?;
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (array, name) in projected.batch.columns().iter().zip(key_after) {
        let column = after.column(name)?;
        fields.push(Field::new(name, column.data_type.clone(), true));
        arrays.push(cast(array, &column.data_type).ok()?);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).ok()
}

/// The rows of these keys, some at a time; rows whose key is NULL are not asked for.
async fn read_keys(
    reader: &mut Reader,
    read: &Read<'_>,
    key: &[String],
    keys: &RecordBatch,
    advance: impl Fn(u64),
) -> Result<Chunk, Error> {
    let schema = read.table.arrow_schema(read.columns.iter().map(String::as_str));
    let mut chunks = Vec::new();
    let mut from = 0;
    while from < keys.num_rows() {
        let length = KEYS_A_STATEMENT.min(keys.num_rows() - from);
        let chunk = reader.by_key(read, key, &keys.slice(from, length)).await?;
        advance(length as u64);
        chunks.push(chunk);
        from += length;
    }
    Chunk::concat(&schema, &chunks).map_err(|error| arrow_error("joining chunks", &error))
}

/// Columns whose values the mark has as digests, digested the same way.
fn digest_again(chunk: &Chunk, marked: &MarkedTable, columns: &ColumnPairs, run: &RunFacts) -> Result<Chunk, Error> {
    let now: Vec<String> = (columns.pairs.iter())
        .filter(|pair| pair.before.as_ref().is_some_and(|before| marked.digested.contains(&before.name)))
        .filter_map(|pair| Some(pair.after.as_ref()?.name.clone()))
        .chain(marked.digested.iter().cloned())
        .collect();
    digested(chunk, &now, run).map_err(|error| arrow_error("digesting", &error))
}

fn difference(before: Counters, after: Counters) -> Option<Counters> {
    let written = combined(after, before, u64::saturating_sub);
    (written != Counters::default()).then_some(written)
}

/// Both control periods together.
fn together(before: Option<(Counters, f64)>, after: Option<(Counters, f64)>) -> Option<(Counters, f64)> {
    let (Some((one, seconds)), Some((other, more))) = (before, after) else { return before.or(after) };
    Some((combined(one, other, u64::saturating_add), seconds + more))
}

/// Writes of two readings of counters, each with its like.
fn combined(one: Counters, other: Counters, of: impl Fn(u64, u64) -> u64) -> Counters {
    let both = |one: Option<u64>, other: Option<u64>| Some(of(one?, other?));
    Counters {
        inserted: both(one.inserted, other.inserted),
        updated: both(one.updated, other.updated),
        deleted: both(one.deleted, other.deleted),
        rows: None,
    }
}

fn arrow_error(what: &str, error: &arrow::error::ArrowError) -> Error {
    // the error's text may hold a value; its variant does not
    let kind = format!("{error:?}").split(['(', ' ', '{']).next().unwrap_or("").to_owned();
    Error::Internal { what: format!("{what}: {kind}") }
}
