//! A rule's column on the table at hand: how to name it in an expression, and what its values are.

use super::Refusal;
use arrow::datatypes::{DataType, Schema};
use datafusion_common::Column;
use datafusion_expr::{Expr, cast};
use fieldmark_document::{nearest, shown};
use fieldmark_model::NotEvaluated;
use fieldmark_model::chunk::{CANONICAL_TEXT, DECLARED_TYPE};

/// A column of the table at hand.
pub(super) struct Subject {
    /// The column in an expression, spelled exactly; a dictionary is read as its values.
    pub(super) expr: Expr,
    /// The Arrow type of its values.
    pub(super) data_type: DataType,
    /// What its values are.
    pub(super) family: Family,
    name: String,
    declared: Option<String>,
}

/// What a column's values are, as far as kinds tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Text,
    Integer,
    Float,
    Decimal,
    Boolean,
    Date,
    Timestamp,
    /// Numbers that travel as canonical text, because the declared type has no bounds.
    NumberAsText,
    /// Values that travel as the database's own text, because their type is not decoded.
    OtherAsText,
    Other,
}

/// The column of that name, with exactly this spelling.
pub(super) fn subject(schema: &Schema, name: &str) -> Result<Subject, Refusal> {
    let Ok(field) = schema.field_with_name(name) else { return Err(missing(schema, name)) };
    let mut expr = Expr::Column(Column::from_name(name));
    let mut data_type = field.data_type().clone();
    if let DataType::Dictionary(_, values) = &data_type {
        data_type = values.as_ref().clone();
        expr = cast(expr, data_type.clone());
    }
    let declared = field.metadata().get(DECLARED_TYPE).cloned();
    let family = if field.metadata().contains_key(CANONICAL_TEXT) {
        if declared.as_deref().is_some_and(is_number) { Family::NumberAsText } else { Family::OtherAsText }
    } else {
        family(&data_type)
    };
    Ok(Subject { expr, data_type, family, name: name.to_owned(), declared })
}

/// Refuses names that the table lacks.
pub(super) fn present(schema: &Schema, names: &[&str]) -> Result<(), Refusal> {
    match names.iter().find(|name| schema.field_with_name(name).is_err()) {
        Some(name) => Err(missing(schema, name)),
        None => Ok(()),
    }
}

fn missing(schema: &Schema, name: &str) -> Refusal {
    let names = || schema.fields().iter().map(|field| field.name().as_str());
    let hint = match nearest(name, names()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    };
    Refusal { why: NotEvaluated::ColumnMissing, reason: format!("the table has no column {}{hint}", shown(name)) }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: every other type is Other")]
fn family(data_type: &DataType) -> Family {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Family::Text,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Family::Integer,
        DataType::Float32 | DataType::Float64 => Family::Float,
        DataType::Decimal128(..) | DataType::Decimal256(..) => Family::Decimal,
        DataType::Boolean => Family::Boolean,
        DataType::Date32 | DataType::Date64 => Family::Date,
        DataType::Timestamp(..) => Family::Timestamp,
        _ => Family::Other,
    }
}

/// The first word of a declared type, in lower case (`numeric` of `NUMERIC(12, 2)`).
fn first_word(declared: &str) -> String {
    declared.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_lowercase()
}

fn is_number(declared: &str) -> bool {
    const NUMBERS: [&str; 12] = [
        "numeric", "decimal", "dec", "number", "real", "double", "float", "int", "integer", "bigint", "smallint",
        "tinyint",
    ];
    !declared.contains('[') && NUMBERS.contains(&first_word(declared).as_str())
}

impl Subject {
    /// A refusal that names the column and its type.
    pub(super) fn refuse(&self, what: &str) -> Refusal {
        Refusal {
            why: NotEvaluated::TypeMismatch,
            reason: format!("{what}, but column `{}` is {}", self.name, self.type_name()),
        }
    }

    /// The type as the database declares it, else Arrow's name.
    pub(super) fn type_name(&self) -> String {
        self.declared.clone().unwrap_or_else(|| self.data_type.to_string())
    }

    /// Whether text that stands for a value of this column is made of characters that its author wrote: a text type, or one
    /// that is not known (an enum, a domain, citext), and no number, time, uuid, network address, array, json or bytes.
    pub(super) fn is_written_text(&self) -> bool {
        const OTHERS: [&str; 22] = [
            "uuid",
            "json",
            "jsonb",
            "xml",
            "inet",
            "cidr",
            "macaddr",
            "macaddr8",
            "interval",
            "date",
            "time",
            "timetz",
            "timestamp",
            "timestamptz",
            "datetime",
            "bytea",
            "blob",
            "bit",
            "money",
            "tsvector",
            "point",
            "geometry",
        ];
        match self.family {
            Family::Text => true,
            Family::OtherAsText => self
                .declared
                .as_deref()
                .is_none_or(|declared| !declared.contains('[') && !OTHERS.contains(&first_word(declared).as_str())),
            Family::Integer
            | Family::Float
            | Family::Decimal
            | Family::Boolean
            | Family::Date
            | Family::Timestamp
            | Family::NumberAsText
            | Family::Other => false,
        }
    }
}
