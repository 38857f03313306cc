//! Texts as YAML, plain where that is read back as the same text.

use fieldmark_model::name::part;
use fieldmark_model::{SourceName, TableName};

/// A scalar.
pub fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+'))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "nan" | "inf"
        );
    // JSON's quoting is YAML's
    if plain { text.to_owned() } else { serde_json::Value::String(text.to_owned()).to_string() }
}

/// A scalar in single quotes, where nothing is an escape; in double quotes where a line break or the like has to be one.
pub fn literal(text: &str) -> String {
    if text.contains(char::is_control) {
        return serde_json::Value::String(text.to_owned()).to_string();
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// `[a, b]`.
pub fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", texts.into_iter().map(scalar).collect::<Vec<_>>().join(", "))
}

/// `source.schema.table`, or without the schema, as a scalar.
pub fn table_name(source: &SourceName, table: &TableName, with_schema: bool) -> String {
    let schema = if with_schema { format!("{}.", part(&table.schema)) } else { String::new() };
    let name = format!("{}.{schema}{}", part(source.as_str()), part(&table.name));
    if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) { name } else { literal(&name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_are_read_back() {
        let source = SourceName::new("shop");
        assert_eq!(table_name(&source, &TableName::new("public", "orders"), true), "shop.public.orders");
        assert_eq!(table_name(&source, &TableName::new("public", "odd 'n'"), true), "'shop.public.\"odd ''n''\"'");
        assert_eq!(table_name(&source, &TableName::new("main", "orders"), false), "shop.orders");
    }

    #[test]
    fn odd_texts_are_quoted() {
        assert_eq!(scalar("paid"), "paid");
        assert_eq!([scalar("a b"), scalar("no"), scalar("12"), scalar("")], ["\"a b\"", "\"no\"", "\"12\"", "\"\""]);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\nb"), "\"a\\nb\"");
        assert_eq!(list(["a", "b c"]), "[a, \"b c\"]");
    }
}
