//! The files of one table, and what columns they have together.

use super::at::{At, Opened};
use super::{ScanPlace, csv, parquet};
use crate::{Error, Read};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use fieldmark_model::{Chunk, Column, Defect, Table, TableKind, TableName};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What is wrong with a file; a value of it is never said.
pub(super) fn malformed(file: impl fmt::Display, what: impl fmt::Display) -> Error {
    Error::Malformed { file: file.to_string(), what: what.to_string() }
}

/// It is no longer what it was when the pass began.
pub(super) fn changed() -> Error {
    Error::SchemaChanged { code: "a file was changed while it was read".to_owned() }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    /// With this between two values.
    Csv(u8),
}

/// One file, as it was when it was found.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) at: At,
    pub(super) format: Format,
    /// Its own columns, in its order.
    pub(super) columns: Vec<Column>,
    /// Rows, where the file says so.
    pub(super) rows: Option<u64>,
    /// Rows of each row group, where it has such.
    pub(super) groups: Vec<u64>,
    /// Of a CSV file, where some of its rows begin: made when it is first asked for.
    index: OnceLock<csv::Index>,
}

impl File {
    /// What a file says of itself.
    pub(super) fn look(at: At) -> Result<Self, Error> {
        let (format, columns, groups) = match at.extension().as_deref() {
            Some("parquet" | "pq") => {
                let (columns, groups) = parquet::look(&at)?;
                (Format::Parquet, columns, Some(groups))
            }
            Some("csv" | "tsv" | "tab") => {
                let (separator, columns) = csv::look(&at)?;
                (Format::Csv(separator), columns, None)
            }
            _ => return Err(malformed(&at, "its name ends in neither .parquet, .csv nor .tsv")),
        };
        let rows = groups.as_ref().map(|groups| groups.iter().sum());
        Ok(Self { at, format, columns, rows, groups: groups.unwrap_or_default(), index: OnceLock::new() })
    }

    /// Where rows of a CSV file begin.
    pub(super) fn index(&self, separator: u8) -> Result<&csv::Index, Error> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let made = csv::Index::of(self, separator)?;
        Ok(self.index.get_or_init(|| made))
    }

    /// Its rows.
    fn count(&self) -> Result<u64, Error> {
        match (self.rows, self.format) {
            (Some(rows), _) => Ok(rows),
            (None, Format::Csv(separator)) => self.index(separator).map(|index| index.rows),
            (None, Format::Parquet) => Ok(0),
        }
    }
}

/// A reader between two chunks of a pass.
pub(super) struct Held {
    table: TableName,
    columns: Vec<String>,
    file: usize,
    /// Rows of the file that it has given.
    row: u64,
    reader: Reader,
}

/// A reader of either form.
pub(super) enum Reader {
    Parquet(::parquet::arrow::arrow_reader::ParquetRecordBatchReader),
    Csv(::csv::Reader<Opened>),
}

/// Rows, and how to go on; neither a place nor a reader at the end of the file.
pub(super) struct Given {
    pub(super) chunk: Chunk,
    pub(super) at: Option<::csv::Position>,
    pub(super) reader: Option<Reader>,
}

impl Held {
    fn goes_on(&self, want: &Want, place: &ScanPlace) -> bool {
        self.table == want.table
            && (self.file, self.row) == (place.file, place.row)
            && self.columns.iter().eq(want.columns.iter().map(|column| &column.name))
    }
}

/// The files of one table.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) files: Vec<File>,
    columns: Vec<Column>,
    /// A name for the number of each row that no column has.
    number: String,
}

/// What of a table is wanted.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) table: TableName,
    /// The row's own number is none of them.
    pub(super) columns: Vec<Column>,
    /// With the row's own number.
    schema: SchemaRef,
    /// Where the row's own number stands, if it is wanted.
    number: Option<usize>,
    pub(super) rows: usize,
    pub(super) value_limit: usize,
}

impl Want {
    pub(super) fn of(read: &Read<'_>, rows: usize) -> Result<Self, Error> {
        let missing =
            |name: &String| Error::Internal { what: format!("a column {name} that was not in the catalogue") };
        let is_number = |name: &String| read.table.row_number.as_ref() == Some(name);
        let column = |name: &String| read.table.column(name).cloned().ok_or_else(|| missing(name));
        let own = read.columns.iter().filter(|name| !is_number(name));
        let columns = own.map(column).collect::<Result<Vec<_>, _>>()?;
        let schema = read.table.arrow_schema(read.columns.iter().map(String::as_str));
        let number = read.columns.iter().position(is_number);
        let table = read.table.name.clone();
        Ok(Self { table, columns, schema, number, rows, value_limit: read.value_limit_bytes })
    }

    /// Rows of these columns as a chunk, with their numbers where those are wanted.
    pub(super) fn chunk(&self, arrays: Vec<ArrayRef>, defects: Vec<Defect>, numbers: &[u64]) -> Result<Chunk, Error> {
        let (mut arrays, mut defects) = (arrays, defects);
        if let Some(at) = self.number {
            let numbers = numbers.iter().map(|number| i64::try_from(*number).unwrap_or(i64::MAX));
            arrays.insert(at.min(arrays.len()), Arc::new(Int64Array::from_iter_values(numbers)));
            for defect in defects.iter_mut().filter(|defect| defect.cell.column >= at) {
                defect.cell.column += 1;
            }
        }
        defects.sort_by_key(|defect| defect.cell);
        let options = RecordBatchOptions::new().with_row_count(Some(numbers.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| Error::Internal { what: format!("rows do not fit their schema: {error}") })?;
        Ok(Chunk { batch, defects, stamps: Vec::new() })
    }

    /// Chunks as one.
    fn together(&self, chunks: &[Chunk]) -> Result<Chunk, Error> {
        Chunk::concat(&self.schema, chunks).map_err(|error| Error::Internal { what: error.to_string() })
    }
}

impl Files {
    /// What files have together, which are in the order of their names.
    pub(super) fn of(files: Vec<File>) -> Result<Self, Error> {
        let columns = together(&files)?;
        let is_free = |name: &&&str| columns.iter().all(|column| column.name != **name);
        let number = ["row", "row number", "number of the row"].iter().find(is_free).unwrap_or(&"fieldmark row");
        let number = (*number).to_owned();
        Ok(Self { files, columns, number })
    }

    /// What the catalogue says of it.
    pub(super) fn table(&self, name: TableName) -> Table {
        Table {
            name,
            identity: None,
            storage: None,
            kind: TableKind::Table,
            columns: self.columns.clone(),
            row_number: Some(self.number.clone()),
            primary_key: None,
            unique: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            estimated_rows: self.files.iter().map(|file| file.rows).sum(),
            pages: self.groups().map(|groups| groups.len() as u64),
        }
    }

    /// Every row group of all files: rows before it, and rows of it. `None` where a file has none that one could address.
    pub(super) fn groups(&self) -> Option<Vec<(u64, u64)>> {
        let mut before = 0;
        let mut groups = Vec::new();
        for file in &self.files {
            file.rows?;
            for rows in &file.groups {
                groups.push((before, *rows));
                before += rows;
            }
        }
        Some(groups)
    }

    /// The columns are those that the reader knows.
    pub(super) fn has(&self, read: &Read<'_>) -> Result<(), Error> {
        let is_same = |name: &String| {
            let own = self.columns.iter().find(|column| column.name == *name);
            own.zip(read.table.column(name)).is_some_and(|(own, known)| own.data_type == known.data_type)
        };
        let same = read.columns.iter().filter(|name| read.table.row_number.as_ref() != Some(name)).all(is_same);
        if same { Ok(()) } else { Err(Error::SchemaChanged { code: "another type than in the catalogue".to_owned() }) }
    }

    /// The next rows, from a place on.
    pub(super) fn read(
        &self,
        want: &Want,
        mut place: ScanPlace,
        mut held: Option<Held>,
    ) -> Result<(Chunk, Option<ScanPlace>, Option<Held>), Error> {
        loop {
            let Some(file) = self.files.get(place.file) else {
                return Ok((Chunk::whole(RecordBatch::new_empty(Arc::clone(&want.schema))), None, None));
            };
            let reader = held.take().filter(|held| held.goes_on(want, &place)).map(|held| held.reader);
            if reader.is_some() {
                file.at.is_same()?;
            }
            let given = match file.format {
                Format::Parquet => parquet::read(file, want, &place, reader)?,
                Format::Csv(separator) => csv::read(file, separator, want, &place, reader)?,
            };
            let rows = given.chunk.rows();
            let next = if rows < want.rows && given.at.is_none() && given.reader.is_none() {
                let before = place.before + place.row + rows as u64;
                ScanPlace { file: place.file + 1, row: 0, before, at: None }
            } else {
                ScanPlace { row: place.row + rows as u64, at: given.at, ..place }
            };
            let ends = next.file >= self.files.len();
            if rows > 0 || ends {
                let hold = |reader| Held {
                    table: want.table.clone(),
                    columns: want.columns.iter().map(|column| column.name.clone()).collect(),
                    file: next.file,
                    row: next.row,
                    reader,
                };
                let held = given.reader.map(hold);
                return Ok((given.chunk, (!ends).then_some(next), held));
            }
            place = next;
        }
    }
}

impl Files {
    /// Rows of all files.
    pub(super) fn count(&self) -> Result<u64, Error> {
        self.files.iter().map(File::count).sum()
    }

    /// Rows by their numbers, which are in order and from 1 on.
    pub(super) fn rows(&self, want: &Want, numbers: &[u64]) -> Result<Chunk, Error> {
        let mut chunks = Vec::new();
        let mut before = 0;
        for file in &self.files {
            let rows = file.count()?;
            let from = numbers.partition_point(|number| *number <= before);
            let to = numbers.partition_point(|number| *number <= before + rows);
            let of_file = numbers.get(from..to).unwrap_or_default();
            if !of_file.is_empty() {
                chunks.push(match file.format {
                    Format::Parquet => parquet::rows(file, want, before, of_file)?,
                    Format::Csv(separator) => csv::rows(file, separator, want, before, of_file)?,
                });
            }
            before += rows;
        }
        want.together(&chunks)
    }
}

/// The columns of all files: one that a file lacks is NULL there; one of another type in another file is none.
fn together(files: &[File]) -> Result<Vec<Column>, Error> {
    let mut columns: Vec<Column> = Vec::new();
    for file in files {
        for own in &file.columns {
            match columns.iter_mut().find(|column| column.name == own.name) {
                None => columns.push(own.clone()),
                Some(column) if column.data_type == own.data_type => column.nullable |= own.nullable,
                Some(column) => match csv::wider(column, own).filter(|_| matches!(file.format, Format::Csv(_))) {
                    Some(wider) => *column = wider,
                    None => {
                        let (name, this, other) = (&own.name, &own.declared, &column.declared);
                        let what = format!("its column {name} is {this}, and {other} in the files before it");
                        return Err(malformed(&file.at, what));
                    }
                },
            }
        }
    }
    for column in &mut columns {
        let everywhere = files.iter().all(|file| file.columns.iter().any(|own| own.name == column.name));
        column.nullable |= !everywhere;
    }
    Ok(columns)
}
