//! How a failing row is shown: by its key, and of its values only what the source's owner asked for.

use super::setting::{RunFacts, Settings};
use crate::config::Examples;
use fieldmark_engine::rule::TableRules;
use fieldmark_model::{Cell, CellText, Chunk};

/// One failing row as the settings show it; `None` where they show nothing.
pub(crate) fn show(
    chunk: &Chunk,
    row: usize,
    key: &[String],
    columns: &[&str],
    rules: &TableRules,
    settings: &Settings,
    run: &RunFacts,
) -> Option<String> {
    let pii: Vec<String> = rules.pii.iter().map(|column| column.value.clone()).collect();
    show_row(chunk, row, key, columns, &pii, settings, run)
}

/// The same, with the names of `pii` columns given.
pub(crate) fn show_row(
    chunk: &Chunk,
    row: usize,
    key: &[String],
    columns: &[&str],
    pii: &[String],
    settings: &Settings,
    run: &RunFacts,
) -> Option<String> {
    let pii = |name: &str| pii.iter().any(|column| column == name);
    let schema = chunk.batch.schema();
    let text = |name: &str| {
        let column = schema.index_of(name).ok()?;
        Some(chunk.text(Cell { row, column }))
    };
    let digest = |value: &CellText| match value {
        CellText::Null => "NULL".to_owned(),
        CellText::Text(text) => format!("#{}", run.digest(text)),
        CellText::TooLarge(bytes) => size(*bytes),
    };
    let plain = |value: &CellText| match value {
        CellText::Null => "NULL".to_owned(),
        CellText::Text(text) => text.escape_debug().to_string(),
        CellText::TooLarge(bytes) => size(*bytes),
    };
    let keys: Vec<String> = key
        .iter()
        .filter_map(|name| {
            let value = text(name)?;
            Some(format!("{name}={}", if pii(name) { digest(&value) } else { plain(&value) }))
        })
        .collect();
    let others = || columns.iter().filter(|name| !key.iter().any(|key| key == *name));
    let values: Vec<String> = match settings.examples {
        Examples::None => return None,
        Examples::Keys => Vec::new(),
        Examples::Redacted => others()
            .filter_map(|name| {
                let value = text(name)?;
                let kind = schema.field_with_name(name).ok()?.data_type();
                let length = match &value {
                    CellText::Text(text) => format!(", {} characters", text.chars().count()),
                    CellText::Null | CellText::TooLarge(_) => String::new(),
                };
                Some(format!("{name}: {kind}{length}, {}", digest(&value)))
            })
            .collect(),
        Examples::Values => others()
            .filter_map(|name| {
                let value = text(name)?;
                Some(format!("{name}={}", if pii(name) { digest(&value) } else { plain(&value) }))
            })
            .collect(),
    };
    match (keys.is_empty(), values.is_empty()) {
        (true, true) => None,
        (false, true) => Some(keys.join(", ")),
        (true, false) => Some(values.join(", ")),
        (false, false) => Some(format!("{}: {}", keys.join(", "), values.join(", "))),
    }
}

fn size(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "(too large)".to_owned(), |bytes| format!("({bytes} bytes)"))
}
