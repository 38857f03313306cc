//! Taking a mark.

use super::control::{Readings, watch};
use crate::check::{Checked, Drawn, RunFacts, Settings, SourceCheck, Values};
use crate::lineage::Planned;
use crate::mark::{Mark, MarkWithRows, MarkedTable, StoredDefect, Transactions, VERSION, digested};
use crate::progress::Progress;
use crate::reader::Reader;
use crate::state::SourceState;
use chrono::Utc;
use fieldmark_document::Place;
use fieldmark_engine::language::resolve_table;
use fieldmark_engine::rule::{AcrossMigrations, Pattern, TableRules};
use fieldmark_model::{Catalogue, Chunk, RuleId, SourceName, Table, TableKind};
use fieldmark_source::Error;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// One source being marked.
pub struct SourceMark<'a> {
    /// How it is read.
    pub reader: &'a mut Reader,
    /// Its name.
    pub source: &'a SourceName,
    /// Its rules.
    pub rules: &'a [&'a TableRules],
    /// Whether tables without rules are marked too.
    pub every_table: bool,
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
    /// Most bytes of rows, as they are in memory.
    pub max_bytes: u64,
}

/// A mark that was taken and not yet kept.
#[derive(Debug)]
pub struct Taken {
    /// The mark and its rows.
    pub marked: MarkWithRows,
    /// What the rules gave.
    pub checked: Checked,
}

impl SourceMark<'_> {
    /// Reads the rows, answers the rules on them, watches ordinary writes.
    ///
    /// # Errors
    /// The source's, where nothing can be marked without it.
    pub async fn take(mut self) -> Result<Taken, Error> {
        let catalogue = self.reader.catalogue().await?;
        let start = self.reader.horizon().await?;
        let server = self.reader.standing().await?.server;
        let default_schema = self.reader.facts().default_schema.clone();
        let mut checked = Checked::default();
        let mut tables = Vec::new();
        let mut rows: Vec<Chunk> = Vec::new();
        let mut unmarked = Vec::new();
        let mut bytes = 0u64;
        let bare = self.tables_without_rules(&catalogue, default_schema.as_deref());
        for rules in self.rules.iter().copied().chain(&bare) {
            let Ok(table) = resolve_table(rules, &catalogue, default_schema.as_deref()) else {
                let mut check = self.check(&catalogue);
                check.check_table(rules, None, &mut checked).await?;
                continue;
            };
            let key = match self.key_of(rules, table) {
                Ok(key) if bytes < self.max_bytes => key,
                refused => {
                    let why = refused.err().unwrap_or_else(|| "no room left in the mark (marks.max_bytes)".to_owned());
                    unmarked.push((table.name.clone(), why));
                    self.check(&catalogue).check_table(rules, None, &mut checked).await?;
                    continue;
                }
            };
            let mut kept: Vec<Drawn> = Vec::new();
            let before = checked.readings.len();
            SourceCheck {
                reader: &mut *self.reader,
                catalogue: &catalogue,
                settings: self.settings,
                run: self.run,
                state: self.state,
                progress: self.progress,
            }
            .check_table(rules, Some(&mut kept), &mut checked)
            .await?;
            let read_at = Utc::now();
            let counters = self.reader.counters(table).await?;
            let drawn = checked.readings.get(before).and_then(|(_, reading)| Some((reading, reading.strata.first()?)));
            let Some((reading, design)) = drawn else {
                unmarked.push((table.name.clone(), "its rows could not be read".to_owned()));
                continue;
            };
            let (chunk, blocks) = joined(table, &kept)?;
            let mut failing = checked.marked_failing.last().map(|(_, failing)| failing.clone()).unwrap_or_default();
            let chunk = once(chunk, &key, blocks.is_none().then_some(&mut failing))?;
            let pii: Vec<String> = rules.pii.iter().map(|column| column.value.clone()).collect();
            let chunk = digested(&chunk, &pii, self.run).map_err(|error| super::arrow_error("digesting", &error))?;
            bytes += chunk.batch.get_array_memory_size() as u64;
            tables.push(MarkedTable {
                name: table.name.clone(),
                key,
                read_at,
                method: design.method,
                population: reading.population,
                units_drawn: design.units_drawn,
                failing,
                blocks,
                stamps: chunk.stamps.clone(),
                digested: pii,
                counters,
                counted_at: read_at,
                ordinarily: None,
                defects: chunk.defects.iter().map(StoredDefect::from).collect(),
                control: Vec::new(),
                watched_until: None,
                file: String::new(),
                sha256: String::new(),
                rows: chunk.rows() as u64,
            });
            rows.push(chunk);
        }
        let watched: Vec<_> = tables
            .iter()
            .map(|marked| (catalogue.table(&marked.name), marked.key.clone(), marked.digested.clone()))
            .collect();
        let readings = tables.iter().zip(&rows).map(|(table, rows)| Readings::of_mark(table, rows)).collect();
        let watched_tables = watch(self.reader, &watched, readings, self.control, self.run, self.progress).await?;
        drop(watched);
        for (table, watched) in tables.iter_mut().zip(watched_tables) {
            table.control = watched.slices;
            table.watched_until = watched.until;
            table.ordinarily = watched.counted;
            if let Some((counters, at)) = watched.counters {
                (table.counters, table.counted_at) = (counters, at);
            }
        }
        let end = self.reader.horizon().await?;
        let mark = Mark {
            version: VERSION,
            source: self.source.clone(),
            taken: Utc::now(),
            now: self.run.now,
            clock_ahead: end.clock_ahead,
            server,
            transactions: Transactions {
                first: start.next_transaction.filter(|next| start.oldest_running == Some(*next)),
                next: end.next_transaction,
            },
            catalogue,
            tables,
            unmarked,
            outcomes: checked.outcomes.clone(),
            planned: Planned::default(),
        };
        Ok(Taken { marked: MarkWithRows { mark, rows }, checked })
    }

    fn check<'s>(&'s mut self, catalogue: &'s Catalogue) -> SourceCheck<'s> {
        SourceCheck {
            reader: self.reader,
            catalogue,
            settings: self.settings,
            run: self.run,
            state: self.state,
            progress: self.progress,
        }
    }

    /// The key that rows are found again by.
    fn key_of(&self, rules: &TableRules, table: &Table) -> Result<Vec<String>, String> {
        let key = match &rules.key {
            Some(key) => key.value.clone(),
            None => table.key().map(<[String]>::to_vec).ok_or(
                "it has no primary key and no unique index without NULLs to find rows again by; name one with `key:`",
            )?,
        };
        match rules.pii.iter().find(|column| key.contains(&column.value)) {
            Some(column) => Err(format!(
                "its key column {} is `pii`, of which a mark keeps digests only; name another unique key with `key:`",
                column.value
            )),
            None => Ok(key),
        }
    }

    fn tables_without_rules(&self, catalogue: &Catalogue, default_schema: Option<&str>) -> Vec<TableRules> {
        if !self.every_table {
            return Vec::new();
        }
        let ruled: Vec<_> = (self.rules.iter())
            .filter_map(|rules| resolve_table(rules, catalogue, default_schema).ok())
            .map(|table| &table.name)
            .collect();
        let others = catalogue.tables.iter().filter(|table| {
            matches!(table.kind, TableKind::Table | TableKind::Partitioned) && !ruled.contains(&&table.name)
        });
        others.map(|table| bare_rules(self.source, table)).collect()
    }
}

/// A table without rules, to be marked all the same.
fn bare_rules(source: &SourceName, table: &Table) -> TableRules {
    TableRules {
        source: source.clone(),
        schema: Some(table.name.schema.clone()),
        table: table.name.name.clone(),
        pattern: Pattern::default(),
        place: Place::start_of("(no rule file)"),
        owner: None,
        escalation: None,
        runbook: None,
        key: None,
        sample: None,
        pii: Vec::new(),
        rules: Vec::new(),
        across: AcrossMigrations::default(),
        across_place: None,
    }
}

/// Each row once. A row that was written while all rows were read may have moved and been met twice: its later version stays. Rows that
/// were drawn are distinct.
fn once(chunk: Chunk, key: &[String], failing: Option<&mut BTreeMap<RuleId, Vec<u64>>>) -> Result<Chunk, Error> {
    let Some(failing) = failing else { return Ok(chunk) };
    let arrow = |error| super::arrow_error("keys of marked rows", &error);
    let keys = Values::new(&chunk.batch.schema(), key).and_then(|values| values.bytes(&chunk)).map_err(arrow)?;
    let mut last: HashMap<&[u8], usize> = HashMap::new();
    for (row, key) in keys.iter().enumerate() {
        if let Some(key) = key {
            last.insert(key, row);
        }
    }
    let stays = |row: &usize| {
        keys.get(*row).and_then(Option::as_deref).is_none_or(|key| last.get(key).is_none_or(|last| last == row))
    };
    let kept: Vec<usize> = (0..chunk.rows()).filter(stays).collect();
    if kept.len() == chunk.rows() {
        return Ok(chunk);
    }
    let place: HashMap<u64, u64> = kept.iter().zip(0u64..).map(|(row, place)| (*row as u64, place)).collect();
    for rows in failing.values_mut() {
        *rows = rows.iter().filter_map(|row| place.get(row).copied()).collect();
    }
    chunk.take(&kept).map_err(|error| super::arrow_error("marked rows", &error))
}

/// All rows that were kept as one chunk, with block number and live rows of each where blocks were drawn.
type WithBlocks = (Chunk, Option<Vec<(u64, u64)>>);

fn joined(table: &Table, kept: &[Drawn]) -> Result<WithBlocks, Error> {
    let schema = table.arrow_schema(table.columns.iter().map(|column| column.name.as_str()));
    let chunks: Vec<Chunk> = kept.iter().map(|drawn| drawn.chunk.clone()).collect();
    let chunk = Chunk::concat(&schema, &chunks).map_err(|error| super::arrow_error("joining chunks", &error))?;
    let mut blocks = Vec::new();
    let mut offset = 0u64;
    for drawn in kept {
        let Some(drawn_blocks) = &drawn.blocks else { continue };
        for block in &drawn_blocks.of_row {
            let live = drawn_blocks.live.get(*block as usize).copied().unwrap_or(1);
            blocks.push((offset + u64::from(*block), u64::from(live)));
        }
        offset += drawn_blocks.live.len() as u64;
    }
    Ok((chunk, (offset > 0).then_some(blocks)))
}
