//! `status`: what is remembered of each source; no database is asked.

use super::{Ended, Manner, Session, no_report};
use crate::budget::Budget;
use crate::check::MOST_KNOWN;
use crate::cli::{Common, Output};
use crate::mark::MarkStore;
use crate::report::terminal::{self, PLAIN, Page, span};
use crate::report::words::{self, count, plural};
use crate::signals::Signals;
use crate::state::{LastCheck, SourceState};
use chrono::{DateTime, Utc};
use fieldmark_model::SourceName;
use serde_json::{Value, json};
use std::time::Instant;

/// What is remembered of a source.
struct Remembered {
    source: SourceName,
    address: String,
    rules: usize,
    state: SourceState,
    marks: Vec<(String, DateTime<Utc>)>,
    /// What is left of the hour's budget of server time, and how much that is when it is full, in seconds.
    left: Option<(f64, f64)>,
    note: Option<String>,
}

pub(super) fn run(common: &Common, signals: &Signals) -> Result<u8, Ended> {
    no_report("status", common)?;
    let session = Session::open(common, signals, Manner { duty: 1.0, enlarge: false, routine: true, lenient: false })?;
    let mut sources = Vec::new();
    for source in &session.config.sources {
        let (state, note) = session.folder.load(&source.name)?;
        let store =
            MarkStore::new(session.folder.marks(&source.name), session.run.digest("the key of a mark's digests"));
        let now = (Utc::now(), Instant::now());
        let left = Budget::new(&source.budget, state.server_time, now, true).left(now);
        sources.push(Remembered {
            source: source.name.clone(),
            address: source.address.value.shown(),
            rules: session.rules_of(&source.name).iter().map(|rules| rules.rules.len()).sum(),
            marks: store.list(),
            left: left.map(|left| (left.left_seconds, source.budget.server_time.value * 3600.0)),
            state,
            note: note.map(|note| note.0),
        });
    }
    match common.output {
        Output::Json => {
            let sources: Vec<Value> = sources.iter().map(as_json).collect();
            let folder = session.folder.path().display().to_string();
            outln!("{:#}", json!({ "version": 1, "state_dir": folder, "sources": sources }));
        }
        Output::Terminal | Output::Html | Output::Markdown | Output::Junit => {
            let mut page = terminal::page();
            for source in &sources {
                told(&mut page, source);
                page.gap();
            }
            page.line(&[span(format!("state folder: {}", session.folder.path().display()), PLAIN)]);
            out!("{}", page.finish());
        }
    }
    Ok(0)
}

fn told(page: &mut Page, source: &Remembered) {
    let rules = plural(source.rules as u64, "rule");
    let head = format!("{} · {} · {rules} in the rule files", source.source, source.address);
    page.paragraph(0, 2, &[span(head, PLAIN)]);
    // columns of the names; further lines begin there where that leaves room for them
    const NAMES: usize = 18;
    let rest = if page.width() < 3 * NAMES { 4 } else { NAMES };
    let mut line = |name: &str, what: String| {
        page.hang(&[span(format!("  {name}"), PLAIN)], NAMES, rest, &[span(what, PLAIN)]);
    };
    match &source.state.last_check {
        Some(check) => line("last check", last_check(check)),
        None => line("last check", "none yet".to_owned()),
    }
    match source.marks.last() {
        Some((id, taken)) => {
            let more = source.marks.len().saturating_sub(1);
            let more = if more > 0 { format!(", and {} before it", count(more as u64)) } else { String::new() };
            line("latest mark", format!("{id}, taken {}{more}", words::instant(*taken)));
        }
        None => line("latest mark", "none".to_owned()),
    }
    for (table, watermark) in &source.state.watermarks {
        // the value is a row's own; that there is one is enough
        let known = if watermark.from.is_some() { "known" } else { "not known yet" };
        line("watermark", format!("{table} by {}: {known}", watermark.column));
    }
    for (table, failing) in &source.state.failing {
        for (rule, rows) in &failing.rules {
            let at_most = if rows.rows.len() >= MOST_KNOWN { "the first " } else { "" };
            let known = format!("{at_most}{}", plural(rows.rows.len() as u64, "failing row"));
            line("read again", format!("{known} of {rule} ({table}), since {}", words::instant(rows.since)));
        }
    }
    for (rule, record) in &source.state.baselines {
        let rows = plural(record.rows.high, "row");
        line("baseline", format!("{rule}: up to {rows} known since {}", words::instant(record.since)));
    }
    if let Some((left, full)) = source.left {
        let (left, full) = (words::duration(left.max(0.0)), words::duration(full));
        line("server time", format!("{left} left of {full} an hour"));
    }
    if let Some(note) = &source.note {
        line("!", note.clone());
    }
}

fn last_check(check: &LastCheck) -> String {
    let counts = [
        (check.failed, "failed"),
        (check.inconclusive, "inconclusive"),
        (check.not_evaluated, "not evaluated"),
        (check.known, "known"),
        (check.passed, "passed"),
    ];
    let told: Vec<String> =
        counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{} {word}", count(n))).collect();
    format!("{}: {}", words::instant(check.time), told.join(", "))
}

fn as_json(source: &Remembered) -> Value {
    let state = &source.state;
    let failing: Vec<Value> = state
        .failing
        .iter()
        .flat_map(|(table, failing)| failing.rules.iter().map(move |(rule, rows)| (table, rule, rows)))
        .map(|(table, rule, rows)| {
            json!({ "table": table.to_string(), "rule": rule.as_str(), "rows": rows.rows.len(), "since": rows.since })
        })
        .collect();
    let baselines: Vec<Value> = state
        .baselines
        .iter()
        .map(|(rule, record)| {
            let (low, high) = (record.rows.low, record.rows.high);
            json!({ "rule": rule.as_str(), "low": low, "high": high, "since": record.since })
        })
        .collect();
    let marks: Vec<Value> = source.marks.iter().map(|(id, taken)| json!({ "id": id, "taken": taken })).collect();
    let watermarks: Vec<Value> = state
        .watermarks
        .iter()
        .map(|(table, watermark)| {
            json!({ "table": table.to_string(), "column": watermark.column, "known": watermark.from.is_some() })
        })
        .collect();
    json!({
        "source": source.source.as_str(),
        "address": source.address,
        "rules": source.rules,
        "last_check": state.last_check,
        "marks": marks,
        "watermarks": watermarks,
        "known_failing": failing,
        "baselines": baselines,
        "server_time": source.left.map(|(left, full)| json!({ "left_seconds": left, "full_seconds": full })),
        "note": source.note,
    })
}
