//! What has to be known of one table to read it, and the proof that it was still so when it was read.

use super::literal::{names, quote_literal};
use super::rows::Answer;
use super::types::{BaseType, Family};
use crate::Error;
use fieldmark_model::name::quote_identifier;
use fieldmark_model::{Table, TableName};
use std::collections::HashMap;

/// One column.
#[derive(Clone, Debug)]
pub(super) struct LayoutColumn {
    pub(super) name: String,
    pub(super) number: i64,
    /// Type and modifier as the column has them, domains not followed.
    pub(super) type_id: i64,
    pub(super) modifier: i64,
    pub(super) declared: String,
    pub(super) family: Family,
    /// The base type's name for a cast: without modifier, with its schema unless that is `pg_catalog`.
    pub(super) cast: String,
    /// Whether the column's own type is a domain.
    pub(super) is_domain: bool,
    /// Whether the base type is an array: arrays of those do not keep them apart.
    pub(super) is_array: bool,
    /// Schema of the operators that the base type's order uses; `None` where that is `pg_catalog`.
    pub(super) operators: Option<String>,
}

impl Default for LayoutColumn {
    fn default() -> Self {
        Self {
            name: String::new(),
            number: 0,
            type_id: 0,
            modifier: -1,
            declared: String::new(),
            family: Family::Bool,
            cast: String::new(),
            is_domain: false,
            is_array: false,
            operators: None,
        }
    }
}

impl LayoutColumn {
    /// The type's own comparison. A plain `=` would be looked for in `pg_catalog` alone, and find that of text for `citext`.
    pub(super) fn operator(&self, name: &str) -> String {
        match &self.operators {
            Some(schema) => format!("OPERATOR({}.{name})", quote_identifier(schema)),
            None => format!("OPERATOR(pg_catalog.{name})"),
        }
    }
}

/// One table.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) name: TableName,
    /// Whether rows can be read with their `xmin`: a column that only tables have, and that no column grant covers.
    pub(super) stamped: bool,
    columns: HashMap<String, LayoutColumn>,
}

/// Domains and the base types that they end at.
pub(super) const DOMAINS: &str = "WITH RECURSIVE step(oid, base, modifier) AS (\
    SELECT t.oid, t.typbasetype, t.typtypmod FROM pg_type t WHERE t.typtype = 'd' \
    UNION ALL SELECT s.oid, t.typbasetype, t.typtypmod FROM step s JOIN pg_type t ON t.oid = s.base WHERE t.typtype = 'd'), \
    domain AS (SELECT s.* FROM step s JOIN pg_type t ON t.oid = s.base WHERE t.typtype <> 'd')";

/// Family of a column from four fields: base type, its modifier, whether it is an enum, its length.
pub(super) fn family(answer: &Answer, at: usize) -> Option<Family> {
    Some(
        BaseType {
            oid: u32::try_from(answer.integer(at)?).ok()?,
            modifier: i32::try_from(answer.integer(at + 1)?).ok()?,
            is_enum: answer.truth(at + 2),
            variable: answer.integer(at + 3)? < 0,
        }
        .family(),
    )
}

/// The relation of that name, as an oid; NULL where there is none.
pub(super) fn relation(name: &TableName) -> String {
    format!("to_regclass({})::oid", quote_literal(&name.quoted()))
}

/// Everything of [`Layout`] in one statement.
pub(super) fn statement(name: &TableName) -> String {
    format!(
        "COPY ({DOMAINS} \
         SELECT a.attname::text, a.attnum, a.atttypid::int8, a.atttypmod, format_type(a.atttypid, a.atttypmod), \
         t.oid::int8, CASE WHEN d.oid IS NULL THEN a.atttypmod ELSE d.modifier END, t.typtype = 'e', t.typlen, \
         format_type(t.oid, -1), t.typcategory = 'A', \
         (SELECT n.nspname::text FROM pg_opclass c JOIN pg_amop o ON o.amopfamily = c.opcfamily AND o.amopstrategy = 3 \
          AND o.amoplefttype = c.opcintype AND o.amoprighttype = c.opcintype JOIN pg_operator p ON p.oid = o.amopopr \
          JOIN pg_namespace n ON n.oid = p.oprnamespace \
          WHERE c.opcmethod = 403 AND c.opcdefault AND c.opcintype = t.oid AND n.nspname <> 'pg_catalog'), \
         (SELECT c.relkind = ANY ('{{r,p,m}}') AND has_table_privilege(c.oid, 'SELECT') FROM pg_class c \
          WHERE c.oid = a.attrelid) \
         FROM pg_attribute a LEFT JOIN domain d ON d.oid = a.atttypid JOIN pg_type t ON t.oid = coalesce(d.base, a.atttypid) \
         WHERE a.attrelid = {} AND a.attnum > 0 AND NOT a.attisdropped) TO STDOUT (FORMAT binary)",
        relation(name)
    )
}

impl Layout {
    pub(super) fn new(name: &TableName, answers: &[Answer]) -> Self {
        let column = |answer: &Answer| {
            Some(LayoutColumn {
                name: answer.text(0)?,
                number: answer.integer(1)?,
                type_id: answer.integer(2)?,
                modifier: answer.integer(3)?,
                declared: answer.text(4)?,
                family: family(answer, 5)?,
                cast: answer.text(9)?,
                is_domain: answer.integer(2) != answer.integer(5),
                is_array: answer.truth(10),
                operators: answer.text(11),
            })
        };
        let columns = answers.iter().filter_map(column).map(|column| (column.name.clone(), column)).collect();
        Self { name: name.clone(), stamped: answers.first().is_some_and(|answer| answer.truth(12)), columns }
    }

    /// The named columns, which the database still has as `table` knows them.
    pub(super) fn columns<'l>(&'l self, table: &Table, names: &[String]) -> Result<Vec<&'l LayoutColumn>, Error> {
        let changed = |code: &str| Error::SchemaChanged { code: code.to_owned() };
        let column = |name: &String| {
            let found = self.columns.get(name).ok_or_else(|| changed("42703"))?;
            let known = table.column(name).ok_or_else(|| changed("42703"))?;
            let same = found.declared == known.declared
                && found.family.arrow() == (known.data_type.clone(), known.canonical_text);
            if same { Ok(found) } else { Err(changed("42804")) }
        };
        names.iter().map(column).collect()
    }
}

/// Columns whose types have to be what they were thought to be.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    sql: String,
    answer: Option<String>,
}

impl Expected {
    /// Numbers and types of columns of a table.
    pub(super) fn columns(table: &TableName, columns: &[&LayoutColumn]) -> Self {
        let mut columns: Vec<&&LayoutColumn> = columns.iter().collect();
        columns.sort_by_key(|column| column.number);
        columns.dedup_by_key(|column| column.number);
        let wanted: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let answer: Vec<String> =
            columns.iter().map(|column| format!("{} {} {}", column.number, column.type_id, column.modifier)).collect();
        Self {
            sql: format!(
                "(SELECT string_agg(format('%s %s %s', attnum, atttypid, atttypmod), ',' ORDER BY attnum) \
                 FROM pg_attribute WHERE attrelid = {} AND attname = ANY ({}))",
                relation(table),
                names(&wanted)
            ),
            answer: (!answer.is_empty()).then(|| answer.join(",")),
        }
    }

    /// The file in which a table's rows lie.
    pub(super) fn storage(table: &TableName, storage: i64) -> Self {
        Self {
            sql: format!("(SELECT relfilenode::text FROM pg_class WHERE oid = {})", relation(table)),
            answer: Some(storage.to_string()),
        }
    }
}

/// Asks whether it is all as expected. Run after a read and before the transaction ends: the read's own locks keep it so.
pub(super) fn question(expected: &[Expected]) -> String {
    let parts: Vec<&str> = expected.iter().map(|expected| expected.sql.as_str()).collect();
    format!("SELECT {}", parts.join(", "))
}

/// Judges the answer.
pub(super) fn verify(expected: &[Expected], rows: &[Vec<Option<String>>]) -> Result<(), Error> {
    let answers = rows.first().map(Vec::as_slice).unwrap_or_default();
    if answers.len() == expected.len()
        && expected.iter().zip(answers).all(|(expected, answer)| expected.answer == *answer)
    {
        Ok(())
    } else {
        Err(Error::SchemaChanged { code: "42804".to_owned() })
    }
}
