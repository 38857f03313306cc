//! `check --plan`: what a check would read and send. Asks the catalogue, and the planner about queries of rules; reads no row.

use super::{Ended, Manner, Session, no_report};
use crate::check::{Planned, SourceCheck, TablePlan};
use crate::cli::{Check, Common, Output};
use crate::config::SourceConfig;
use crate::report::terminal::{self, PLAIN, Page, span};
use crate::report::words::{count, plural};
use crate::signals::Signals;
use fieldmark_model::SourceName;
use fieldmark_source::Error;
use serde_json::{Value, json};

/// What a source would be asked.
struct OfSource {
    source: SourceName,
    tables: Vec<TablePlan>,
    blocks_per_minute: u64,
}

pub(super) async fn run(common: &Common, arguments: &Check, signals: &Signals) -> Result<u8, Ended> {
    no_report("check --plan", common)?;
    let manner = Manner { duty: arguments.duty, enlarge: !arguments.no_enlarge, routine: true, lenient: false };
    let session = Session::open(common, signals, manner)?;
    let (mut sources, mut failed) = (Vec::new(), false);
    for source in session.config.sources.iter().filter(|source| !session.rules_of(&source.name).is_empty()) {
        match plan(&session, source).await? {
            Ok(tables) => sources.push(OfSource {
                source: source.name.clone(),
                tables,
                blocks_per_minute: source.budget.blocks_per_minute.value,
            }),
            Err(Error::Cancelled) => return Err(Ended::Interrupted),
            Err(error) => {
                failed = true;
                eprintln!("fieldmark: {}: {error}", source.name);
            }
        }
    }
    for unmet in session.selection.unmet().iter().filter(|_| !failed) {
        eprintln!("fieldmark: {unmet}");
    }
    failed |= !session.selection.unmet().is_empty();
    match common.output {
        Output::Json => {
            let sources: Vec<Value> = sources.iter().map(as_json).collect();
            outln!("{:#}", json!({ "version": 1, "sources": sources }));
        }
        Output::Terminal | Output::Html | Output::Markdown | Output::Junit => {
            let mut page = terminal::page();
            for source in &sources {
                page.gap();
                told(&mut page, source);
            }
            out!("{}", page.finish());
        }
    }
    Ok(if failed { 2 } else { 0 })
}

async fn plan(session: &Session, source: &SourceConfig) -> Result<Result<Vec<TablePlan>, Error>, Ended> {
    let (state, _) = session.folder.load(&source.name)?;
    let mut reader = match session.connect_beside(source).await {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(error)),
    };
    let catalogue = match reader.catalogue().await {
        Ok(catalogue) => catalogue,
        Err(error) => return Ok(Err(error)),
    };
    let default_schema = reader.facts().default_schema.clone();
    let found = session.tables_of(&source.name, &catalogue, default_schema.as_deref());
    let (tables, _) = session.accept(source, found, (&catalogue, default_schema.as_deref()))?;
    let settings = session.settings(source);
    let mut check = SourceCheck {
        reader: &mut reader,
        catalogue: &catalogue,
        settings: &settings,
        run: &session.run,
        state: &state,
        progress: &session.progress,
    };
    let mut plans = Vec::new();
    for rules in &tables {
        match check.plan(rules).await {
            Ok(plan) => plans.extend(plan),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(plans))
}

fn told(page: &mut Page, source: &OfSource) {
    let blocks: Option<u64> = source.tables.iter().map(TablePlan::blocks).sum();
    let statements: u64 = source.tables.iter().map(TablePlan::statements).sum();
    for table in &source.tables {
        let rows = table
            .rows
            .map_or_else(|| "an unknown number of rows".to_owned(), |rows| format!("about {}", plural(rows, "row")));
        page.paragraph(0, 2, &[span(format!("{} {} · {rows}", source.source, table.table), PLAIN)]);
        for step in &table.steps {
            let rule = step.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
            let mut facts = vec![format!("about {}", plural(step.statements, "statement"))];
            facts.extend(step.rows.map(|rows| plural(rows, "row")));
            facts.extend(step.blocks.map(|blocks| plural(blocks, "block")));
            facts.extend(step.cost.map(|cost| format!("cost {cost:.0} in the planner's unit")));
            page.paragraph(2, 4, &[span(format!("{}{rule}: {}", step.what, facts.join(", ")), PLAIN)]);
            for (name, sql) in &step.sql {
                page.line(&[span(format!("      {}: {}", name.as_str(), shortened(sql)), PLAIN)]);
            }
        }
        for refused in &table.refused {
            page.paragraph(2, 4, &[span(format!("not evaluated: {refused}"), PLAIN)]);
        }
    }
    let blocks = blocks.map(|blocks| format!(" and {}", at_most_a_minute(blocks, source.blocks_per_minute)));
    let in_all = format!("{}: about {}{}", source.source, plural(statements, "statement"), blocks.unwrap_or_default());
    page.paragraph(0, 2, &[span(format!("{in_all} in all, beside the catalogue; nothing was run"), PLAIN)]);
}

/// A statement in one line, a long list of columns cut: `--output json` has it whole.
fn shortened(sql: &str) -> String {
    const COLUMNS: usize = 100;
    let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(list) = sql.find("SELECT ").map(|at| at + "SELECT ".len()) else { return sql };
    let (mut depth, mut end) = (0_i32, None);
    for (at, c) in sql.char_indices().skip_while(|(at, _)| *at < list) {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ' ' if depth == 0 && sql.get(at..).is_some_and(|rest| rest.starts_with(" FROM ")) => {
                end = Some(at);
                break;
            }
            _ => {}
        }
    }
    let parts = end.and_then(|end| Some((sql.get(..list)?, sql.get(list..end)?, sql.get(end..)?)));
    match parts {
        Some((before, columns, after)) if columns.chars().count() > COLUMNS => {
            let first: String = columns.chars().take(COLUMNS).collect();
            format!("{before}{first} …{after}")
        }
        _ => sql,
    }
}

fn at_most_a_minute(blocks: u64, a_minute: u64) -> String {
    let minutes = blocks as f64 / a_minute.max(1) as f64;
    let takes = if minutes > 1.0 {
        format!(" (blocks_per_minute: {} minutes at least)", count(minutes.ceil() as u64))
    } else {
        String::new()
    };
    format!("{}{takes}", plural(blocks, "block"))
}

fn as_json(source: &OfSource) -> Value {
    let step = |step: &Planned| {
        json!({
            "what": step.what,
            "rule": step.rule.as_ref().map(|rule| rule.as_str()),
            "statements": step.statements,
            "rows": step.rows,
            "blocks": step.blocks,
            "cost": step.cost,
            "sql": step.sql.iter().map(|(name, sql)| json!({ "statement": name.as_str(), "sql": sql })).collect::<Vec<_>>(),
        })
    };
    let table = |table: &TablePlan| {
        json!({
            "table": table.table.to_string(),
            "rows": table.rows,
            "steps": table.steps.iter().map(step).collect::<Vec<_>>(),
            "not_evaluated": table.refused,
        })
    };
    json!({ "source": source.source.as_str(), "tables": source.tables.iter().map(table).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_columns_is_cut_and_nothing_else() {
        let columns = (0..40).map(|at| format!("f(c{at}, (1 FROM 2))")).collect::<Vec<_>>().join(", ");
        let sql = format!("COPY (SELECT {columns} FROM \"t\" AS t WHERE t.a = 1) TO STDOUT");
        let short = shortened(&sql);
        assert!(short.starts_with("COPY (SELECT f(c0, (1 FROM 2)), f(c1"), "{short}");
        assert!(short.ends_with(" … FROM \"t\" AS t WHERE t.a = 1) TO STDOUT") && short.len() < 200, "{short}");
        assert_eq!(shortened("SELECT a,\n b FROM t"), "SELECT a, b FROM t");
    }
}
