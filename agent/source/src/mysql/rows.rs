//! Rows of one read: from the server's text to a [`Chunk`].

use super::cells::{Cells, Flaw};
use super::literal::reference;
use super::session::value;
use super::types::Family;
use crate::Error;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use fieldmark_model::{Cell, Chunk, Column, Defect};
use sqlx::mysql::MySqlRow;
use sqlx::{Column as _, Row as _, TypeInfo as _};

/// Bytes of values after which a pass keeps no further row.
const SOFT_BYTES: usize = 16 << 20;
/// Bytes of values after which larger values are [`ValueTooLarge`](fieldmark_model::chunk::DefectKind::ValueTooLarge), whatever the read.
const HARD_BYTES: usize = 128 << 20;

/// Fills a chunk.
pub(super) struct Rows<'c> {
    columns: Vec<(&'c Column, Family, Cells)>,
    /// Values in front of them: a pass's place.
    extras: usize,
    /// Whether rows may be left out once there are [`SOFT_BYTES`].
    stops: bool,
    stopped: bool,
    verified: bool,
    bytes: usize,
    rows: usize,
    defects: Vec<Defect>,
    place: Vec<String>,
}

/// SQL of columns under an alias, as [`Rows`] takes them: those that may be large with their size beside them where they are.
pub(super) fn select_list(alias: &str, columns: &[&Column], limit: usize) -> String {
    let mut list = Vec::new();
    for column in columns {
        list.extend(selected(&reference(alias, &column.name), Family::of(&column.declared), limit));
    }
    if list.is_empty() { "1".to_owned() } else { list.join(", ") }
}

/// SQL of one value, and of its size where it may be large.
pub(super) fn selected(value: &str, family: Family, limit: usize) -> Vec<String> {
    let sent = family.sent(value);
    if !family.varies() {
        return vec![sent];
    }
    let large = format!("OCTET_LENGTH({value}) > {limit}");
    vec![format!("IF({large}, NULL, {sent})"), format!("IF({large}, OCTET_LENGTH({value}), NULL)")]
}

impl<'c> Rows<'c> {
    /// Of these columns; so many values in front of them tell where a pass stands, which then may stop early.
    pub(super) fn new(columns: &[&'c Column], place: usize) -> Result<Self, Error> {
        let cells = |column: &&'c Column| {
            let family = Family::of(&column.declared);
            Ok((*column, family, Cells::new(family)?))
        };
        Ok(Self {
            columns: columns.iter().map(cells).collect::<Result<_, Error>>()?,
            extras: place,
            stops: place > 0,
            stopped: false,
            verified: false,
            bytes: 0,
            rows: 0,
            defects: Vec::new(),
            place: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, row: &MySqlRow) -> Result<(), Error> {
        if self.stopped {
            return Ok(());
        }
        if !self.verified {
            self.verify(row)?;
            self.verified = true;
        }
        let failed = |_: sqlx::Error| Error::Internal { what: "a row that cannot be read".to_owned() };
        if self.extras > 0 {
            self.place.clear();
            for at in 0..self.extras {
                let text = value(row, at).map_err(failed)?.and_then(|bytes| std::str::from_utf8(bytes).ok());
                let text = text.ok_or(Error::Unsupported { what: "a walk over keys that are NULL or no text" })?;
                self.place.push(text.to_owned());
            }
        }
        let mut at = self.extras;
        for (index, (_, family, cells)) in self.columns.iter_mut().enumerate() {
            let bytes = value(row, at).map_err(failed)?;
            at += 1;
            let mut size = None;
            if family.varies() {
                let told = value(row, at).map_err(failed)?;
                size = told.and_then(|told| std::str::from_utf8(told).ok()?.parse::<u64>().ok());
                at += 1;
            }
            let flaw = match bytes {
                Some(bytes) if self.bytes > HARD_BYTES && bytes.len() > 64 => {
                    cells.null();
                    Some(Flaw::too_large(bytes.len() as u64))
                }
                Some(bytes) => {
                    self.bytes += bytes.len();
                    cells.push(bytes).map_err(|_| changed())?
                }
                None => {
                    cells.null();
                    size.map(Flaw::too_large)
                }
            };
            if let Some(Flaw { kind, canonical, bytes }) = flaw {
                self.defects.push(Defect { cell: Cell { row: self.rows, column: index }, kind, canonical, bytes });
            }
        }
        self.rows += 1;
        self.stopped = self.stops && self.bytes > SOFT_BYTES;
        Ok(())
    }

    /// The columns of the result have the types that the catalogue says.
    fn verify(&self, row: &MySqlRow) -> Result<(), Error> {
        let mut at = self.extras;
        for (column, family, _) in &self.columns {
            let told = row.columns().get(at).map(|column| column.type_info().name().to_owned()).unwrap_or_default();
            if !family.is_told_by(&column.declared, &told) {
                return Err(changed());
            }
            at += if family.varies() { 2 } else { 1 };
        }
        Ok(())
    }

    /// Rows so far.
    pub(super) fn count(&self) -> usize {
        self.rows
    }

    /// Whether further rows were left out.
    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }

    /// The place of the last row.
    pub(super) fn place(&self) -> &[String] {
        &self.place
    }

    /// Everything as a chunk.
    pub(super) fn finish(self, schema: SchemaRef) -> Result<Chunk, Error> {
        let arrays = self.columns.into_iter().map(|(_, _, cells)| cells.finish()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|error| Error::Internal { what: format!("rows do not fit their schema: {error}") })?;
        Ok(Chunk { batch, defects: self.defects, stamps: Vec::new() })
    }
}

fn changed() -> Error {
    Error::SchemaChanged { code: "another type than in the catalogue".to_owned() }
}
