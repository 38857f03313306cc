//! What a column is made from, and what is made from it.

use super::difference::Lineage;
use super::graph::{self, Graph};
use super::link;
use super::paging::Paging;
use super::shell::Shell;
use super::time::Time;
use super::wrong::Wrong;
use super::{Answer, shown};
use crate::Collector;
use crate::lineage::{ColumnOf, Direction, Reached, Walk, Walked};
use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDateTime, Utc};
use fieldmark_model::SourceName;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Columns that are reached at most, each way.
const MOST: usize = 1_000;
/// Steps, where nothing else is said, and at most.
const DEPTH: u32 = 3;
const FARTHEST: u32 = 64;

#[derive(Template)]
#[template(path = "lineage.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    asked: Asked,
    depth: u32,
    title: String,
    table_link: Option<String>,
    graph: Graph,
    lines: Vec<Line>,
    paging: Paging,
    cut_off: bool,
    difference: Option<Lineage>,
    difference_unknown: bool,
    exports: [(&'static str, String); 2],
    most_drawn: usize,
}

#[derive(Template)]
#[template(path = "lineage_index.html", whitespace = "minimize")]
struct Index {
    shell: Shell,
    q: String,
    source: String,
    sources: Vec<String>,
    tables: Vec<(String, String, String)>,
    paging: Paging,
}

/// A column that was reached.
struct Line {
    way: &'static str,
    steps: u32,
    name: String,
    source: String,
    link: String,
    how: String,
    origin: String,
    certainty: &'static str,
    seen: Time,
}

/// What may follow `?`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    source: String,
    #[serde(default)]
    table: String,
    #[serde(default)]
    column: String,
    #[serde(default)]
    direction: String,
    #[serde(default)]
    depth: String,
    #[serde(default)]
    as_of: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: String,
}

/// A time as somebody or a browser writes it; in UTC where nothing else is said.
fn time(name: &str, text: &str) -> Result<Option<DateTime<Utc>>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    let plain = || {
        let forms = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"];
        forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|time| time.and_utc())
    };
    let time = text.parse().ok().or_else(plain);
    let what = format!("`{name}` is no time: it is written 2026-03-14T09:26, in UTC, or as RFC 3339 says.");
    time.map(Some).ok_or_else(|| Wrong::new(StatusCode::BAD_REQUEST, what))
}

impl Asked {
    fn depth(&self) -> u32 {
        self.depth.parse().unwrap_or(DEPTH).clamp(1, FARTHEST)
    }

    fn name(&self) -> String {
        if self.column.is_empty() { self.table.clone() } else { format!("{}.{}", self.table, self.column) }
    }

    fn ways(&self) -> &'static [(Direction, &'static str)] {
        match self.direction.as_str() {
            "up" => &[(Direction::Up, "up")],
            "down" => &[(Direction::Down, "down")],
            _ => &[(Direction::Up, "up"), (Direction::Down, "down")],
        }
    }

    fn pairs(&self) -> [(&'static str, &str); 7] {
        [
            ("source", &self.source),
            ("table", &self.table),
            ("column", &self.column),
            ("direction", &self.direction),
            ("depth", &self.depth),
            ("as_of", &self.as_of),
            ("since", &self.since),
        ]
    }
}

/// Both ways, or one, as it is asked for.
pub(super) async fn walked(collector: &Collector, asked: &Asked) -> Result<Vec<(&'static str, Walked)>, Wrong> {
    let as_of = time("as_of", &asked.as_of)?;
    let mut all = Vec::new();
    for (direction, way) in asked.ways() {
        let walk = Walk {
            source: (!asked.source.is_empty()).then(|| SourceName::new(&asked.source)),
            table: asked.table.clone(),
            column: (!asked.column.is_empty()).then(|| asked.column.clone()),
            direction: *direction,
            depth: asked.depth(),
            direct: false,
            as_of,
            limit: MOST,
        };
        all.push((*way, collector.store.walk(walk).await?));
    }
    if all.iter().all(|(_, walked)| walked.from.is_empty()) {
        let when = if as_of.is_some() { " as of then" } else { "" };
        return Err(Wrong::unknown(format!("No lineage is known of {}{when}.", asked.name())));
    }
    Ok(all)
}

pub(super) async fn page(
    State(collector): State<Collector>,
    Extension(shell): Extension<Shell>,
    Query(asked): Query<Asked>,
) -> Answer {
    if asked.table.is_empty() {
        return index(collector, shell, asked).await;
    }
    let (as_of, since) = (time("as_of", &asked.as_of)?, time("since", &asked.since)?);
    let all = walked(&collector, &asked).await?;
    let focus: Vec<ColumnOf> = all.first().map(|(_, walked)| walked.from.clone()).unwrap_or_default();
    let mut reached: Vec<(&'static str, &Reached)> =
        all.iter().flat_map(|(way, walked)| walked.reached.iter().map(move |reached| (*way, reached))).collect();
    reached.sort_by_key(|(_, reached)| reached.depth);
    let others: Vec<ColumnOf> = reached.iter().map(|(_, reached)| reached.column.clone()).collect();
    let sources: BTreeSet<&SourceName> = focus.iter().chain(&others).map(|column| &column.source).collect();
    let mut edges = Vec::new();
    for source in sources {
        edges.extend(collector.store.edges(Some(source.clone()), as_of).await?);
    }
    let (mut difference, mut difference_unknown) = (None, false);
    if let (Some(since), Some(own)) = (since, focus.first()) {
        let source = own.source.clone();
        if collector.store.lineage_known(source.clone(), since).await? {
            difference = Some(collector.store.lineage_difference(source, since, as_of.unwrap_or(shell.now)).await?);
        } else {
            difference_unknown = true;
        }
    }
    let about: BTreeSet<&ColumnOf> = focus.iter().chain(&others).collect();
    let told = difference.as_ref().map(|difference| Lineage::about(difference, &about));
    let graph = Graph::of(&focus, &others, &edges, difference.as_ref());
    let (piece, paging) = Paging::of(reached, asked.page.parse().unwrap_or(1), "/lineage", &asked.pairs());
    let own = focus.first().filter(|own| crate::api::named(&own.table).is_some());
    let table = own.and_then(|own| Some(link::table(&own.source, &crate::api::named(&own.table)?)));
    let exports = [("JSON", "/lineage.json"), ("CSV", "/lineage.csv")];
    let view = View {
        depth: asked.depth(),
        title: asked.name(),
        table_link: table,
        graph,
        lines: piece.into_iter().map(|(way, reached)| Line::of(way, reached, shell.now)).collect(),
        paging,
        cut_off: all.iter().any(|(_, walked)| walked.cut_off),
        difference: told,
        difference_unknown,
        exports: exports.map(|(name, path)| (name, format!("{path}{}", link::query(&asked.pairs())))),
        most_drawn: graph::MOST,
        shell: shell.titled(format!("Lineage of {}", asked.name()), "/lineage"),
        asked,
    };
    Ok(shown(&view))
}

impl Line {
    fn of(way: &'static str, reached: &Reached, now: DateTime<Utc>) -> Self {
        let column = &reached.column;
        let kind = reached.kind.subtype().to_lowercase().replace('_', " ");
        let rest = match (reached.direct, reached.masked) {
            (true, false) => "",
            (true, true) => ", cannot be read back",
            (false, _) if reached.kind.is_direct() => ", of what decided rows",
            (false, _) => ", decides rows",
        };
        Self {
            way,
            steps: reached.depth,
            name: format!("{}.{}", column.table, column.column),
            source: column.source.to_string(),
            link: link::lineage(&column.source, &column.table, &column.column),
            how: format!("{kind}{rest}"),
            origin: reached.origin.name.clone(),
            certainty: reached.origin.certainty.as_str(),
            seen: Time::of(reached.origin.last_seen, now),
        }
    }
}

/// Tables of which lineage is known, to begin with.
async fn index(collector: Collector, shell: Shell, asked: Asked) -> Answer {
    let seen = collector.sources_seen().await?;
    let mut sources: BTreeSet<SourceName> = seen.iter().filter_map(|seen| seen.body.source().cloned()).collect();
    sources.extend(collector.store.origins(None).await?.into_iter().map(|row| row.source));
    let wanted = asked.q.trim().to_lowercase();
    let mut tables = Vec::new();
    for source in sources.iter().filter(|source| asked.source.is_empty() || source.as_str() == asked.source) {
        let own = collector.store.lineage_tables(source.clone()).await?;
        let fits = own.into_iter().filter(|table| table.to_lowercase().contains(&wanted));
        tables.extend(fits.map(|table| (source.to_string(), link::lineage(source, &table, ""), table)));
    }
    let said = [("source", asked.source.as_str()), ("q", &asked.q)];
    let (tables, paging) = Paging::of(tables, asked.page.parse().unwrap_or(1), "/lineage", &said);
    let sources = sources.iter().map(ToString::to_string).collect();
    let shell = shell.titled("Lineage", "/lineage");
    Ok(shown(&Index { shell, q: asked.q, source: asked.source, sources, tables, paging }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_and_browsers_write_it() {
        let at = |text: &str| time("as_of", text).unwrap().map(|time| time.to_rfc3339());
        assert_eq!(at(""), None);
        for text in ["2026-03-14T09:26", "2026-03-14T09:26:00", "2026-03-14T10:26:00+01:00"] {
            assert_eq!(at(text).as_deref(), Some("2026-03-14T09:26:00+00:00"), "{text}");
        }
        assert!(time("as_of", "yesterday").is_err());
    }
}
