//! Parts of the SQL that people are shown.

use fieldmark_model::TableName;
use fieldmark_model::name::quote_identifier;

/// Columns with commas between, each with this before it.
pub(super) fn list(columns: &[String], prefix: &str) -> String {
    columns.iter().map(|column| format!("{prefix}{}", quote_identifier(column))).collect::<Vec<_>>().join(", ")
}

/// What a rule `references` refers to: these columns of this table, in the order of the rule's own.
pub(super) struct Target<'a> {
    pub(super) table: TableName,
    pub(super) columns: &'a [String],
}

impl<'a> Target<'a> {
    /// Of a rule on that table, whose schema it has where the rule names none.
    pub(super) fn of(own: &TableName, schema: Option<&String>, table: &str, columns: &'a [String]) -> Self {
        Self { table: TableName::new(schema.unwrap_or(&own.schema).as_str(), table), columns }
    }
}

/// `FROM … WHERE …` of the rows, as `c`, that refer to no row of the target, as `p`, among those of which this holds. A row with a NULL among its columns
/// refers to none, and passes.
pub(super) fn orphans(table: &TableName, columns: &[String], to: &Target<'_>, filter: Option<&str>) -> String {
    let present = columns.iter().map(|column| format!("c.{} IS NOT NULL", quote_identifier(column)));
    let conditions: Vec<String> = filter.map(str::to_owned).into_iter().chain(present).collect();
    let join: Vec<String> = (columns.iter().zip(to.columns))
        .map(|(column, to)| format!("p.{} = c.{}", quote_identifier(to), quote_identifier(column)))
        .collect();
    format!(
        "FROM {} AS c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})",
        table.quoted(),
        conditions.join(" AND "),
        to.table.quoted(),
        join.join(" AND ")
    )
}
