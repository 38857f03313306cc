//! `lineage`: which column is made from which.

use super::collector::store;
use super::{Ended, Manner, Session, no_report};
use crate::cli::{Change, Common, Diff, Export, Form, Impact, Lineage, Output, Question, Reach, Reading, Sql};
use crate::lineage::{read, record};
use crate::signals::Signals;
use chrono::{DateTime, Utc};
use fieldmark_collector::lineage::{Difference, Direction, EdgeOf, OriginRow, Reached, Unused, Walk, Walked, impact};
use fieldmark_collector::store::Store;
use fieldmark_lineage::batch::{self, Answer, Schema};
use fieldmark_lineage::sql::{Dialect, resolve};
use fieldmark_model::SourceName;
use serde_json::json;
use std::io::{BufRead as _, BufWriter, Read as _, Write};
use std::sync::Arc;

mod export;

/// Columns that are printed, at most.
const MOST: usize = 10_000;
/// Letters of a question, at most: a statement of the longest kind, with a large schema.
const LONGEST: usize = 64 << 20;

pub(super) async fn run(common: &Common, arguments: &Lineage, signals: &Signals) -> Result<u8, Ended> {
    no_report("lineage", common)?;
    match &arguments.what {
        Question::Sql(of) if of.batch => answer_all(),
        Question::Sql(of) => statements(of),
        Question::Up(reach) => walked(common, signals, reach, Direction::Up).await,
        Question::Down(reach) => walked(common, signals, reach, Direction::Down).await,
        Question::Impact(of) => impact_of(common, signals, of).await,
        Question::Diff(of) => difference(common, signals, of).await,
        Question::Unused(of) => unused(common, signals, of).await,
        Question::Coverage(of) => coverage(common, signals, of).await,
        Question::Export(of) => exported(common, signals, of).await,
    }
}

fn lost(error: &std::io::Error) -> Ended {
    Ended::Because(2, format!("standard output: {error}"))
}

/// Questions, one a line; answers, one a line.
fn answer_all() -> Result<u8, Ended> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    for number in 1_u64.. {
        line.clear();
        let read = (&mut input).take(LONGEST as u64).read_line(&mut line);
        let read = read.map_err(|error| Ended::Because(2, format!("standard input, line {number}: {error}")))?;
        if read == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        serde_json::to_writer(&mut out, &batch::answer(line.trim())).map_err(|error| lost(&error.into()))?;
        out.write_all(b"\n").map_err(|error| lost(&error))?;
    }
    out.flush().map_err(|error| lost(&error))?;
    Ok(0)
}

/// Statements; of each a line.
fn statements(of: &Sql) -> Result<u8, Ended> {
    let schema: Schema = match &of.schema {
        None => Schema::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Ended::Because(2, format!("{}: {error}", path.display())))?;
            serde_json::from_str(&text).map_err(|error| {
                let place = format!("line {}, column {}", error.line(), error.column());
                Ended::Because(
                    2,
                    format!(
                        "{}: {place}: this is no schema: {{\"schema.table\": {{\"column\": \"type\"}}}}",
                        path.display()
                    ),
                )
            })?
        }
    };
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Ended::Because(2, format!("standard input: {error}")))?;
    let (dialect, default) = (Dialect::named(&of.dialect), of.default_schema.as_deref());
    let catalogue = schema.catalogue(default);
    let mut out = BufWriter::new(std::io::stdout().lock());
    for one in resolve(&text, dialect, &catalogue, default) {
        let answer = Answer::of(None, dialect, vec![one]);
        serde_json::to_writer(&mut out, &answer).map_err(|error| lost(&error.into()))?;
        out.write_all(b"\n").map_err(|error| lost(&error))?;
    }
    out.flush().map_err(|error| lost(&error))?;
    Ok(0)
}

/// The store of the state folder; brought up to date from the sources, unless that is not wanted.
async fn known(common: &Common, signals: &Signals, reading: &Reading) -> Result<(Session, Arc<dyn Store>), Ended> {
    let manner = Manner { duty: 1.0, enlarge: false, routine: true, lenient: true };
    let session = Session::open(common, signals, manner)?;
    let store = store(&session.config, &session.folder)?;
    if !reading.no_read {
        for source in &session.config.sources {
            let mut reader = match session.connect_beside(source).await {
                Ok(reader) => reader,
                Err(error) => return Err(unread(&source.name, &error)),
            };
            let rules = session.rules_of(&source.name);
            let snapshot = read(&mut reader, source, &rules).await.map_err(|error| unread(&source.name, &error))?;
            record(store.as_ref(), &source.name, snapshot).await?;
        }
    }
    Ok((session, store))
}

fn unread(source: &SourceName, error: &fieldmark_source::Error) -> Ended {
    Ended::Because(2, format!("{source}: {error} (`--no-read` goes by what was read before)"))
}

/// `[schema.]table.column`; `*` for all columns.
fn walk_of(common: &Common, reach: &Reach, direction: Direction) -> Result<Walk, Ended> {
    let parts = fieldmark_model::TableName::split(&reach.column).unwrap_or_default();
    let (table, column) = match &parts[..] {
        [table, column] => (table.clone(), column),
        [schema, table, column] => (format!("{schema}.{table}"), column),
        _ => {
            let what = format!("`{}` is no column: table.column or schema.table.column", reach.column);
            return Err(Ended::Because(crate::cli::USAGE, what));
        }
    };
    let source = match &common.source[..] {
        [one] => Some(SourceName::new(one.clone())),
        _ => None,
    };
    Ok(Walk {
        source,
        table,
        column: (column != "*").then(|| column.clone()),
        direction,
        depth: reach.depth,
        direct: reach.direct,
        as_of: reach.as_of,
        limit: MOST,
    })
}

async fn reached(common: &Common, signals: &Signals, reach: &Reach, direction: Direction) -> Result<Walked, Ended> {
    let walk = walk_of(common, reach, direction)?;
    let (_, store) = known(common, signals, &reach.reading).await?;
    let walked = store.walk(walk).await?;
    if walked.from.is_empty() {
        let what = format!("no column `{}` is known; `fieldmark lineage export` prints those that are", reach.column);
        return Err(Ended::Because(2, what));
    }
    Ok(walked)
}

async fn walked(common: &Common, signals: &Signals, reach: &Reach, direction: Direction) -> Result<u8, Ended> {
    let walked = reached(common, signals, reach, direction).await?;
    if common.output == Output::Json {
        outln!("{:#}", json!({ "version": 1, "lineage": walked }));
        return Ok(0);
    }
    for column in &walked.from {
        outln!("{} {}.{}", column.source, column.table, column.column);
    }
    if walked.reached.is_empty() {
        outln!("  {}", if direction == Direction::Up { "nothing goes into it" } else { "nothing is made from it" });
    }
    // below each column what is reached over it
    let children = |via: Option<usize>| {
        let of = walked.reached.iter().enumerate().filter(move |(_, own)| own.via == via);
        of.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let mut waiting: Vec<usize> = children(None).into_iter().rev().collect();
    while let Some(at) = waiting.pop() {
        let Some(own) = walked.reached.get(at) else { continue };
        line(own, None);
        waiting.extend(children(Some(at)).into_iter().rev());
    }
    if walked.cut_off {
        outln!("… and more; --depth makes it less");
    }
    Ok(0)
}

fn line(own: &Reached, effect: Option<impact::Effect>) {
    let owner = own.origin.owner.as_ref().map(|owner| format!(", {owner}")).unwrap_or_default();
    let calls = own.origin.calls.map(|calls| format!(", {calls} calls")).unwrap_or_default();
    let masked = if own.masked { ", cannot be read back" } else { "" };
    let effect = effect.map(|effect| format!("{}: ", effect.as_str())).unwrap_or_default();
    outln!(
        "{}{effect}{}.{}  ({} by {}, {}{owner}{calls}{masked})",
        "  ".repeat(own.depth as usize),
        own.column.table,
        own.column.column,
        own.kind.to_string().to_lowercase().replace('_', " "),
        own.origin.name,
        own.origin.certainty.as_str()
    );
}

async fn impact_of(common: &Common, signals: &Signals, of: &Impact) -> Result<u8, Ended> {
    let walked = reached(common, signals, &of.reach, Direction::Down).await?;
    let change = match of.change {
        Change::Dropped => impact::Change::Dropped,
        Change::Renamed => impact::Change::Renamed,
        Change::Retyped => impact::Change::Retyped,
        Change::NotNull => impact::Change::NotNull,
    };
    let effects = change.effects(&walked.reached);
    if common.output == Output::Json {
        outln!("{:#}", json!({ "version": 1, "change": change, "lineage": walked, "effects": effects }));
        return Ok(0);
    }
    if walked.reached.is_empty() {
        outln!("nothing is made from it, as far as is known");
    }
    for (own, effect) in walked.reached.iter().zip(effects) {
        line(own, Some(effect));
    }
    Ok(0)
}

async fn difference(common: &Common, signals: &Signals, of: &Diff) -> Result<u8, Ended> {
    let (session, store) = known(common, signals, &of.reading).await?;
    let to = of.to.unwrap_or_else(Utc::now);
    let mut all: Vec<(SourceName, Difference)> = Vec::new();
    for source in &session.config.sources {
        let difference = store.lineage_difference(source.name.clone(), of.from, to).await?;
        all.push((source.name.clone(), difference));
    }
    if common.output == Output::Json {
        let sources: Vec<_> =
            all.iter().map(|(source, difference)| json!({ "source": source, "difference": difference })).collect();
        outln!("{:#}", json!({ "version": 1, "from": of.from, "to": to, "sources": sources }));
        return Ok(0);
    }
    if all.iter().all(|(_, difference)| difference.is_empty()) {
        outln!("no difference");
    }
    for (_, difference) in &all {
        for renamed in &difference.renamed {
            let (from, to) = (&renamed.from, &renamed.to);
            outln!("  renamed  {}.{} is {}.{}", from.table, from.column, to.table, to.column);
        }
        for (word, edges) in [("removed", &difference.removed), ("added", &difference.added)] {
            for edge in edges {
                outln!("  {word:<8} {}", edge_words(edge));
            }
        }
    }
    Ok(0)
}

fn edge_words(edge: &EdgeOf) -> String {
    format!(
        "{}.{} <- {}.{}  ({} by {})",
        edge.target.table,
        edge.target.column,
        edge.source.table,
        edge.source.column,
        edge.kind.to_string().to_lowercase().replace('_', " "),
        edge.origin
    )
}

async fn unused(common: &Common, signals: &Signals, reading: &Reading) -> Result<u8, Ended> {
    let (session, store) = known(common, signals, reading).await?;
    let mut all: Vec<Unused> = Vec::new();
    for source in &session.config.sources {
        all.extend(store.unused(Some(source.name.clone())).await?);
    }
    if common.output == Output::Json {
        outln!("{:#}", json!({ "version": 1, "unused": all }));
        return Ok(0);
    }
    for own in &all {
        outln!("{} {}.{}  known since {}", own.column.source, own.column.table, own.column.column, day(own.since));
    }
    outln!("nothing that is known reads {} columns; who was not seen may still read them", all.len());
    Ok(0)
}

fn day(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}

async fn coverage(common: &Common, signals: &Signals, reading: &Reading) -> Result<u8, Ended> {
    let (session, store) = known(common, signals, reading).await?;
    let mut rows: Vec<OriginRow> = Vec::new();
    for source in &session.config.sources {
        rows.extend(store.origins(Some(source.name.clone())).await?);
    }
    let unresolved = rows.iter().filter(|row| !row.unresolved.is_empty()).count();
    if common.output == Output::Json {
        let resolved = rows.len() - unresolved;
        outln!("{:#}", json!({ "version": 1, "resolved": resolved, "unresolved": unresolved, "origins": rows }));
        return Ok(0);
    }
    for row in rows.iter().filter(|row| !row.unresolved.is_empty()) {
        outln!("{} {}", row.source, row.origin.name);
        for own in &row.unresolved {
            outln!("  line {}, column {}: {}: {}", own.place.line, own.place.column, own.text, own.reason);
        }
    }
    outln!("{} of {} are resolved whole", rows.len() - unresolved, rows.len());
    Ok(0)
}

async fn exported(common: &Common, signals: &Signals, of: &Export) -> Result<u8, Ended> {
    let (session, store) = known(common, signals, &of.reading).await?;
    let mut edges: Vec<EdgeOf> = Vec::new();
    for source in &session.config.sources {
        edges.extend(store.edges(Some(source.name.clone()), of.as_of).await?);
    }
    let text = match of.form {
        Form::Csv => export::csv(&edges),
        Form::Json => format!("{:#}\n", json!({ "version": 1, "edges": edges })),
        Form::Openlineage => export::openlineage(&edges, &store.places().await?, Utc::now()),
        Form::Dot => export::dot(&edges),
        Form::Mermaid => export::mermaid(&edges),
    };
    out!("{text}");
    Ok(0)
}
