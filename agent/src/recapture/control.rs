//! Control slices: the marked rows read again with no migration between, to learn what ordinary writes do.

use super::{Again, arrow_error, difference, keys_for, read_keys};
use crate::check::RunFacts;
use crate::mark::{MarkedTable, digested};
use crate::progress::Progress;
use crate::reader::Reader;
use chrono::{DateTime, Utc};
use fieldmark_change::{ColumnHints, Slice, TablePair, TablePairing, align, compare_column, pair_columns};
use fieldmark_model::{Chunk, Counters, Table};
use fieldmark_source::{Error, Read};
use std::time::{Duration, Instant};

/// Fewest slices of a control period.
const FEWEST_SLICES: u32 = 5;
/// Most slices of a control period: few slices say little of how bursty ordinary writes are, and the test then has to assume much.
const MOST_SLICES: u32 = 15;

/// The last reading of a table, and of each of its rows the number that it has in the mark.
pub(super) struct Readings {
    rows: Option<Chunk>,
    number: Vec<Option<usize>>,
    read: Instant,
}

impl Readings {
    /// The mark itself as the first reading.
    pub(super) fn of_mark(table: &MarkedTable, rows: &Chunk) -> Self {
        let number = (0..rows.rows()).map(Some).collect();
        Self { rows: Some(rows.clone()), number, read: instant(table.read_at) }
    }

    /// The recapture as the first reading.
    pub(super) fn of_recapture(table: &Again<'_>) -> Self {
        let read = instant(table.read_at);
        let Some((after, aligned)) = table.after.as_ref().zip(table.aligned.as_ref()) else {
            return Self { rows: None, number: Vec::new(), read };
        };
        let mut number = vec![None; after.rows()];
        for row in &aligned.matched {
            if let Some(slot) = number.get_mut(row.after) {
                *slot = Some(row.before);
            }
        }
        Self { rows: Some(after.clone()), number, read }
    }
}

/// A time of this run by the clock that never goes back.
fn instant(time: DateTime<Utc>) -> Instant {
    let ago = (Utc::now() - time).to_std().unwrap_or_default();
    Instant::now().checked_sub(ago).unwrap_or_else(Instant::now)
}

/// What was seen of a table's marked rows while no migration ran.
#[derive(Default)]
pub(super) struct Watched {
    /// What changed from one reading to the next.
    pub(super) slices: Vec<Slice>,
    /// When the last reading was.
    pub(super) until: Option<DateTime<Utc>>,
    /// Rows written meanwhile, by the table's own counters, and the seconds between the two readings of those.
    pub(super) counted: Option<(Counters, f64)>,
    /// These counters at the end, and when that was.
    pub(super) counters: Option<(Counters, DateTime<Utc>)>,
}

/// Reads all tables again, slice by slice, over this time. Tables: as they are now, key, digested columns.
///
/// # Errors
/// The run was cancelled, or the connection is lost; a table that cannot be read has no slices.
pub(super) async fn watch(
    reader: &mut Reader,
    tables: &[(Option<&Table>, Vec<String>, Vec<String>)],
    mut readings: Vec<Readings>,
    time: Duration,
    run: &RunFacts,
    progress: &Progress,
) -> Result<Vec<Watched>, Error> {
    let mut watched: Vec<Watched> = tables.iter().map(|_| Watched::default()).collect();
    if time.is_zero() {
        return Ok(watched);
    }
    let task = progress.task("watching ordinary writes", None);
    let first = counters(reader, tables).await?;
    let began = Instant::now();
    let mut slices_wanted = MOST_SLICES;
    let mut number = 0;
    while number < slices_wanted {
        number += 1;
        let wait = (time / slices_wanted * number).saturating_sub(began.elapsed());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = reader.cancel_token().cancelled() => return Err(Error::Cancelled),
        }
        let reading = Instant::now();
        for (((table, key, digests), readings), watched) in tables.iter().zip(&mut readings).zip(&mut watched) {
            let (Some(table), Some(rows)) = (table, &readings.rows) else { continue };
            match again(reader, table, key, digests, rows, readings, run).await {
                Ok((slice, next)) => {
                    task.advance(slice.rows);
                    watched.slices.push(slice);
                    watched.until = Some(Utc::now());
                    *readings = next;
                }
                Err(error) if error.ends_reading() => return Err(error),
                // no slice: the test then says that it cannot tell
                Err(_) => {}
            }
        }
        if number == 1 {
            // as many slices as can be read while resting as long as reading
            let fit = time.as_secs_f64() / (2.0 * reading.elapsed().as_secs_f64()).max(1e-6);
            slices_wanted = (fit as u32).clamp(FEWEST_SLICES, MOST_SLICES);
        }
    }
    let last = counters(reader, tables).await?;
    for (watched, (first, last)) in watched.iter_mut().zip(first.into_iter().zip(last)) {
        let (Some((first, from)), Some((last, to))) = (first, last) else { continue };
        watched.counters = Some((last, Utc::now() - to.elapsed()));
        watched.counted = difference(first, last).map(|written| (written, (to - from).as_secs_f64()));
    }
    task.finish();
    Ok(watched)
}

/// The tables' own counters, and when each was read.
async fn counters(
    reader: &mut Reader,
    tables: &[(Option<&Table>, Vec<String>, Vec<String>)],
) -> Result<Vec<Option<(Counters, Instant)>>, Error> {
    let mut all = Vec::with_capacity(tables.len());
    for (table, ..) in tables {
        let Some(table) = table else {
            all.push(None);
            continue;
        };
        all.push(match reader.counters(table).await {
            Ok(counters) => Some((counters, Instant::now())),
            Err(error) if error.ends_reading() => return Err(error),
            Err(_) => None,
        });
    }
    Ok(all)
}

async fn again(
    reader: &mut Reader,
    table: &Table,
    key: &[String],
    digests: &[String],
    rows: &Chunk,
    last: &Readings,
    run: &RunFacts,
) -> Result<(Slice, Readings), Error> {
    let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let keys = keys_for(rows, key, table, key).ok_or_else(|| Error::Internal { what: "a key's type".to_owned() })?;
    let chunk = read_keys(reader, &Read::new(table, &columns), key, &keys, |_| {}).await?;
    let read = Instant::now();
    let chunk = digested(&chunk, digests, run).map_err(|error| arrow_error("digesting", &error))?;
    let pair = TablePair { before: Some(table), after: Some(table), by: TablePairing::Same };
    let pairs = pair_columns(pair, ColumnHints::default());
    let aligned = align(rows, &chunk, key, &pairs).map_err(|error| internal(&error))?;
    let aligned = aligned.map_err(|error| Error::Internal { what: error.to_string() })?;
    let number = |row: usize| last.number.get(row).copied().flatten();
    let mut slice = Slice {
        seconds: (read - last.read).as_secs_f64().max(1e-6),
        rows: aligned.matched.len() as u64,
        ..Slice::default()
    };
    for pair in &pairs.pairs {
        let compared = compare_column(rows, &chunk, pair, &aligned).map_err(|error| internal(&error))?;
        let changed: Vec<usize> = compared.changed.iter().filter_map(|cell| number(cell.row)).collect();
        if let (false, Some(column)) = (changed.is_empty(), &pair.after) {
            slice.changed.insert(column.name.clone(), changed);
        }
    }
    slice.vanished = aligned.vanished.iter().filter_map(|row| number(*row)).collect();
    let mut numbers = vec![None; chunk.rows()];
    for row in &aligned.matched {
        if let Some(slot) = numbers.get_mut(row.after) {
            *slot = number(row.before);
        }
    }
    Ok((slice, Readings { rows: Some(chunk), number: numbers, read }))
}

fn internal(error: &fieldmark_change::ChangeError) -> Error {
    Error::Internal { what: error.to_string() }
}
