//! Small tables for the tests of this crate.

use crate::input::Rename;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema, TimeUnit};
use fieldmark_model::{Chunk, Column, Table, TableKind, TableName};
use std::sync::Arc;

pub(crate) fn column(name: &str, declared: &str, identity: Option<u64>) -> Column {
    let (declared, nullable) = match declared.strip_suffix(" not null") {
        Some(declared) => (declared, false),
        None => (declared, true),
    };
    let data_type = match declared {
        "int" => DataType::Int32,
        "bigint" => DataType::Int64,
        "smallint" => DataType::Int16,
        "boolean" => DataType::Boolean,
        "real" => DataType::Float32,
        "double" => DataType::Float64,
        "date" => DataType::Date32,
        "numeric(10,2)" => DataType::Decimal128(10, 2),
        "numeric(12,4)" => DataType::Decimal128(12, 4),
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        _ => DataType::Utf8,
    };
    let canonical_text = data_type == DataType::Utf8 && !declared.starts_with("text") && !declared.contains("char");
    Column {
        name: name.into(),
        identity,
        declared: declared.into(),
        data_type,
        canonical_text,
        nullable,
        readable: true,
    }
}

pub(crate) fn table(name: &str, columns: &[Column]) -> Table {
    Table {
        name: TableName::new("public", name),
        identity: None,
        storage: None,
        kind: TableKind::Table,
        columns: columns.to_vec(),
        row_number: None,
        primary_key: Some(vec!["id".into()]),
        unique: Vec::new(),
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        estimated_rows: None,
        pages: None,
    }
}

pub(crate) fn rename(after: &str, before: &str) -> Rename {
    Rename { after: after.into(), before: before.into() }
}

/// Rows of a table, one array for each column.
pub(crate) fn chunk(columns: &[Column], arrays: Vec<ArrayRef>) -> Chunk {
    let schema = Arc::new(Schema::new(columns.iter().map(Column::arrow_field).collect::<Vec<_>>()));
    Chunk::whole(RecordBatch::try_new(schema, arrays).unwrap())
}
