//! Values and names as SQL. Texts travel as hexadecimal digits: no setting of the server changes what they mean.

use super::types::Family;
use crate::Error;
use arrow::array::RecordBatch;
use fieldmark_model::canonical::{canonical_text, hexadecimal};
use fieldmark_model::{Column, Table, TableName};

/// A name in backticks.
pub fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table's name.
pub(super) fn quoted(name: &TableName) -> String {
    format!("{}.{}", quote(&name.schema), quote(&name.name))
}

/// A column of a table under an alias.
pub(super) fn reference(alias: &str, name: &str) -> String {
    format!("{alias}.{}", quote(name))
}

fn hex(bytes: &[u8]) -> String {
    // `\x..`
    hexadecimal(bytes).get(2..).unwrap_or_default().to_owned()
}

/// A text in the character set of the connection.
pub(super) fn text(text: &str) -> String {
    format!("_utf8mb4 X'{}'", hex(text.as_bytes()))
}

/// A value of a column by its canonical text; `None` where no row can have it.
pub(super) fn literal(family: Family, value: &str) -> Option<String> {
    let number =
        || value.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')).then(|| value.to_owned());
    match family {
        Family::Int16 | Family::Int32 | Family::Int64 | Family::UInt64 | Family::Bits | Family::Decimal { .. } => {
            number()
        }
        // a `float` is found by the double of the same number
        Family::Float => value
            .parse::<f32>()
            .ok()
            .filter(|number| number.is_finite())
            .map(|number| format!("{:e}", f64::from(number))),
        Family::Double => {
            let (mantissa, exponent) = value.split_once('e').unwrap_or((value, "0"));
            let digits =
                |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.'));
            (digits(mantissa) && digits(exponent)).then(|| format!("{mantissa}e{exponent}"))
        }
        Family::Text => Some(text(value)),
        Family::Bytes => value.strip_prefix("\\x").map(|digits| format!("X'{digits}'")),
        Family::Date => Some(format!("DATE{}", plain(value)?)),
        Family::Time => Some(format!("TIME{}", plain(value)?)),
        Family::Datetime | Family::Timestamp => {
            Some(format!("TIMESTAMP{}", plain(&value.replace('T', " ").replace('Z', ""))?))
        }
        Family::Geometry | Family::Other => None,
    }
}

/// Digits and signs of a time in quotes.
fn plain(text: &str) -> Option<String> {
    let is_time = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'.' | b' ');
    text.bytes().all(is_time).then(|| format!("'{text}'"))
}

/// That a column's text is this one byte by byte: to its collation `a` may be `A`.
fn exactly(reference: &str, value: &str) -> String {
    format!("CAST(CONVERT({reference} USING utf8mb4) AS BINARY) = X'{}'", hex(value.as_bytes()))
}

/// Values of several columns, one a row.
pub(super) struct Keys {
    pub(super) names: Vec<String>,
    families: Vec<Family>,
    /// Canonical texts; `None` where one of them is NULL.
    pub(super) rows: Vec<Option<Vec<String>>>,
}

impl Keys {
    /// The rows of a batch as values of these columns of a table.
    pub(super) fn new(table: &Table, names: &[String], values: &RecordBatch) -> Result<Self, Error> {
        let columns = columns(table, names)?;
        if values.num_columns() != columns.len() {
            let what =
                format!("{} columns of {} were named and {} given", columns.len(), table.name, values.num_columns());
            return Err(Error::Internal { what });
        }
        let mut rows = Vec::with_capacity(values.num_rows());
        for row in 0..values.num_rows() {
            let mut texts = Some(Vec::with_capacity(columns.len()));
            for array in values.columns() {
                let text = canonical_text(array, row)
                    .map_err(|kind| Error::Internal { what: format!("a key of the type {kind}") })?;
                texts = texts.zip(text).map(|(mut texts, text)| {
                    texts.push(text);
                    texts
                });
            }
            rows.push(texts);
        }
        let families = columns.iter().map(|column| Family::of(&column.declared)).collect();
        Ok(Self { names: names.to_vec(), families, rows })
    }

    /// The same values as those of other columns.
    pub(super) fn named(self, names: &[String]) -> Result<Self, Error> {
        if names.len() != self.names.len() {
            return Err(Error::Internal { what: "a reference from and to different numbers of columns".to_owned() });
        }
        Ok(Self { names: names.to_vec(), ..self })
    }

    /// That a row under an alias has the values of a row here; `None` where no row can.
    pub(super) fn same(&self, alias: &str, values: &[String], exact: bool) -> Option<String> {
        let mut parts = Vec::new();
        for ((name, family), value) in self.names.iter().zip(&self.families).zip(values) {
            let reference = reference(alias, name);
            parts.push(format!("{reference} = {}", literal(*family, value)?));
            if exact && *family == Family::Text {
                parts.push(exactly(&reference, value));
            }
        }
        Some(parts.join(" AND "))
    }

    /// That a row under an alias has the values of any row here.
    pub(super) fn among(&self, alias: &str) -> String {
        let present: Vec<&Vec<String>> = self.rows.iter().flatten().collect();
        let listed = match (self.names.as_slice(), self.families.as_slice()) {
            ([name], [family]) => {
                let literals: Vec<String> =
                    present.iter().flat_map(|row| row.iter()).filter_map(|value| literal(*family, value)).collect();
                let reference = reference(alias, name);
                let found = format!("{reference} IN ({})", literals.join(", "));
                let exact = if *family == Family::Text {
                    let bytes: Vec<String> = present
                        .iter()
                        .flat_map(|row| row.iter())
                        .map(|value| format!("X'{}'", hex(value.as_bytes())))
                        .collect();
                    format!(" AND CAST(CONVERT({reference} USING utf8mb4) AS BINARY) IN ({})", bytes.join(", "))
                } else {
                    String::new()
                };
                (!literals.is_empty()).then(|| format!("{found}{exact}"))
            }
            (_, _) => {
                let rows: Vec<String> = present
                    .iter()
                    .filter_map(|row| self.same(alias, row, true))
                    .map(|same| format!("({same})"))
                    .collect();
                (!rows.is_empty()).then(|| format!("({})", rows.join(" OR ")))
            }
        };
        listed.unwrap_or_else(|| "FALSE".to_owned())
    }
}

/// Named columns of a table.
pub(super) fn columns<'t>(table: &'t Table, names: &[String]) -> Result<Vec<&'t Column>, Error> {
    let find = |name: &String| {
        table.column(name).ok_or_else(|| Error::SchemaChanged { code: "no such column in the catalogue".to_owned() })
    };
    names.iter().map(find).collect()
}

/// That a key under `t` lies beyond these values in the key's order (`strict`), or up to them (not `strict`, the values included). The
/// first column stands alone in front, for the index.
pub(super) fn bounded(table: &Table, key: &[String], values: &[String], after: bool) -> Result<String, Error> {
    let columns = columns(table, key)?;
    let mut literals = Vec::new();
    for (column, value) in columns.iter().zip(values) {
        let Some(literal) = literal(Family::of(&column.declared), value) else {
            return Err(Error::Unsupported { what: "a walk over keys of a type without literals" });
        };
        literals.push(literal);
    }
    let (strictly, loosely) = if after { (">", ">=") } else { ("<", "<=") };
    let references: Vec<String> = key.iter().map(|name| reference("t", name)).collect();
    let compare = |at: usize, operator: &str| match (references.get(at), literals.get(at)) {
        (Some(reference), Some(literal)) => format!("{reference} {operator} {literal}"),
        (_, _) => "FALSE".to_owned(),
    };
    if references.len() == 1 {
        return Ok(compare(0, if after { strictly } else { loosely }));
    }
    let mut cases: Vec<String> = (0..references.len())
        .map(|at| {
            let mut parts: Vec<String> = (0..at).map(|before| compare(before, "=")).collect();
            parts.push(compare(at, strictly));
            format!("({})", parts.join(" AND "))
        })
        .collect();
    if !after {
        let same: Vec<String> = (0..references.len()).map(|at| compare(at, "=")).collect();
        cases.push(format!("({})", same.join(" AND ")));
    }
    Ok(format!("{} AND ({})", compare(0, loosely), cases.join(" OR ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_end_their_literals() {
        assert_eq!(quote("a`b"), "`a``b`");
        assert_eq!(text("a'\\"), "_utf8mb4 X'61275c'");
        assert_eq!(literal(Family::Double, "0.5").as_deref(), Some("0.5e0"));
        assert_eq!(literal(Family::Double, "Infinity"), None);
        assert_eq!(literal(Family::Int32, "1 or 1"), None);
        assert_eq!(literal(Family::Bytes, "\\x00ff").as_deref(), Some("X'00ff'"));
        let moment = literal(Family::Timestamp, "2024-01-01T00:00:00.5Z");
        assert_eq!(moment.as_deref(), Some("TIMESTAMP'2024-01-01 00:00:00.5'"));
        assert_eq!(literal(Family::Date, "2024-01-01' or '"), None);
    }
}
