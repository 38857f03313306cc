//! What a column is made from, and what is made from it, for programs.

use super::Answer;
use super::lineage::{Asked, walked};
use crate::Collector;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::IntoResponse as _;

pub(super) async fn json(State(collector): State<Collector>, Query(asked): Query<Asked>) -> Answer {
    let all = walked(&collector, &asked).await?;
    let told: serde_json::Map<String, serde_json::Value> =
        all.into_iter().map(|(way, walked)| (way.to_owned(), serde_json::json!(walked))).collect();
    Ok(([(header::CONTENT_DISPOSITION, "attachment; filename=\"lineage.json\"")], axum::Json(told)).into_response())
}

pub(super) async fn csv(State(collector): State<Collector>, Query(asked): Query<Asked>) -> Answer {
    let all = walked(&collector, &asked).await?;
    let mut text = String::from("way,steps,source,table,column,direct,kind,masked,origin,certainty\r\n");
    for (way, reached) in all.iter().flat_map(|(way, walked)| walked.reached.iter().map(move |own| (way, own))) {
        let column = &reached.column;
        let (steps, direct, masked) =
            (reached.depth.to_string(), reached.direct.to_string(), reached.masked.to_string());
        let kind = reached.kind.subtype().to_lowercase();
        let line: [&str; 10] = [
            way,
            &steps,
            column.source.as_str(),
            &column.table,
            &column.column,
            &direct,
            &kind,
            &masked,
            &reached.origin.name,
            reached.origin.certainty.as_str(),
        ];
        text.push_str(&line.map(field).join(","));
        text.push_str("\r\n");
    }
    let about = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"lineage.csv\""),
    ];
    Ok((about, text).into_response())
}

/// A field of a line, in quotes where it has to be; one that a spreadsheet would take for a formula is text.
fn field(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_it_was() {
        assert_eq!(field("a"), "a");
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(field("=1+1"), "'=1+1");
    }
}
