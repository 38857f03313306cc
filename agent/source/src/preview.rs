//! Statements that would be sent, for `check --plan`.

use crate::{Error, Query, Reference};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use fieldmark_model::Table;
use std::sync::Arc;

/// A call whose statements are of interest.
#[derive(Clone, Copy, Debug)]
pub enum Preview<'a> {
    /// The first chunk of a pass.
    Pass,
    /// Rows by these key columns.
    Keys(&'a [String]),
    /// Random blocks and some of their rows.
    Blocks,
    /// Boundaries of the index of these key columns, and rows between two of them.
    Segments(&'a [String]),
    /// Rows that share values of these columns.
    Sharing(&'a [String]),
    /// Which values another table has.
    Parents(&'a Reference<'a>),
    /// Least and greatest value of a column.
    Extremes(&'a str),
    /// A rule's own query.
    Query(&'a Query<'a>),
}

/// One row that stands for values which are not known yet: `1` in whatever form the columns have.
pub(crate) fn stand_in(table: &Table, names: &[String]) -> Result<RecordBatch, Error> {
    let failed = |_| Error::Internal { what: "a value that stands for others".to_owned() };
    let one = |data_type: &DataType| -> Result<ArrayRef, Error> {
        let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
        cast(&number, data_type).or_else(|_| cast(&text, data_type)).map_err(failed)
    };
    let mut columns = Vec::new();
    for name in names {
        let data_type = match table.column(name) {
            Some(column) => &column.data_type,
            // the number that the database itself has for each row
            None if table.row_number.as_ref() == Some(name) => &DataType::Int64,
            None => return Err(Error::SchemaChanged { code: "no such column".to_owned() }),
        };
        columns.push((name.as_str(), one(data_type)?, true));
    }
    RecordBatch::try_from_iter_with_nullable(columns).map_err(failed)
}
