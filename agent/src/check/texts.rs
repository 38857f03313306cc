//! Keys of rows as canonical texts, which outlive a run, and back.

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use fieldmark_model::canonical::canonical_text;
use fieldmark_model::{Cell, CellText, Chunk, Table};
use std::sync::Arc;

/// Texts of these columns of a row; `None` where one is NULL or was not read.
pub(super) fn texts(chunk: &Chunk, row: usize, columns: &[String]) -> Option<Vec<String>> {
    let schema = chunk.batch.schema();
    let text = |name: &String| match chunk.text(Cell { row, column: schema.index_of(name).ok()? }) {
        CellText::Text(text) => Some(text),
        CellText::Null | CellText::TooLarge(_) => None,
    };
    columns.iter().map(text).collect()
}

/// A batch of these columns from texts, one row for each that can be told from its text; `None` where a column is not there.
pub(super) fn batch(table: &Table, columns: &[String], rows: &[Vec<String>]) -> Option<RecordBatch> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (at, name) in columns.iter().enumerate() {
        let data_type = match table.column(name) {
            Some(column) => column.data_type.clone(),
            None if table.row_number.as_ref() == Some(name) => DataType::Int64,
            None => return None,
        };
        let column: StringArray = rows.iter().map(|row| row.get(at)).collect();
        fields.push(Field::new(name, data_type.clone(), true));
        arrays.push(cast(&(Arc::new(column) as ArrayRef), &data_type).ok()?);
    }
    let same = |row: usize| {
        let expected = rows.get(row).map(Vec::as_slice).unwrap_or_default();
        expected.len() == arrays.len()
            && arrays.iter().zip(expected).all(|(array, text)| canonical_text(array, row) == Ok(Some(text.clone())))
    };
    let kept: UInt64Array = (0..rows.len()).filter(|row| same(*row)).map(|row| Some(row as u64)).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.clone()).ok()?;
    take_record_batch(&batch, &kept).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::TimeUnit;
    use fieldmark_model::{Column, TableKind, TableName};

    fn table(columns: &[(&str, DataType)]) -> Table {
        let column = |(name, data_type): &(&str, DataType)| Column {
            name: (*name).to_owned(),
            identity: None,
            declared: String::new(),
            data_type: data_type.clone(),
            canonical_text: false,
            nullable: false,
            readable: true,
        };
        Table {
            name: TableName::new("s", "t"),
            identity: None,
            storage: None,
            kind: TableKind::Table,
            columns: columns.iter().map(column).collect(),
            row_number: Some("rowid".to_owned()),
            primary_key: None,
            unique: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            estimated_rows: None,
            pages: None,
        }
    }

    #[test]
    fn keys_come_back_from_their_texts() {
        let zone = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (data_type, text) in [
            (DataType::Int32, "-7"),
            (DataType::Int64, "9223372036854775807"),
            (DataType::Utf8, "a 'b' \"c\" \u{1f426}"),
            (DataType::Utf8, ""),
            (DataType::Decimal128(12, 2), "12.5"),
            (DataType::Date32, "2024-02-29"),
            (DataType::Timestamp(TimeUnit::Microsecond, None), "2024-02-29T10:00:00.5"),
            (zone, "2024-02-29T10:00:00.000001Z"),
        ] {
            let table = table(&[("k", data_type.clone())]);
            let key = vec!["k".to_owned()];
            let batch = batch(&table, &key, &[vec![text.to_owned()]]).unwrap();
            assert_eq!(batch.num_rows(), 1, "{data_type} {text}");
            assert_eq!(texts(&Chunk::whole(batch), 0, &key), Some(vec![text.to_owned()]));
        }
    }

    #[test]
    fn what_cannot_be_told_from_its_text_is_left_out() {
        let table = table(&[("k", DataType::Int32)]);
        let key = ["k".to_owned()];
        let rows = [vec!["x".to_owned()], vec!["5".to_owned()], vec!["05".to_owned()], Vec::new()];
        assert_eq!(batch(&table, &key, &rows).unwrap().num_rows(), 1);
        assert!(batch(&table, &["gone".to_owned()], &rows).is_none());
        assert_eq!(batch(&table, &["rowid".to_owned()], &[vec!["5".to_owned()]]).unwrap().num_rows(), 1);
    }
}
