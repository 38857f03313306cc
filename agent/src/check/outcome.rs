//! From what was counted to outcomes.

use super::fixes::fixes;
use super::measured::{RowBounds, row_count};
use super::reading::{Reading, Unread};
use super::sql::{Target, list, orphans};
use super::table::TableCheck;
use crate::reader::Reader;
use crate::report::words;
use crate::state::RowCount;
use arrow::datatypes::DataType;
use fieldmark_engine::evaluate::{for_mysql, respelled};
use fieldmark_engine::kind::{Plan, Refusal};
use fieldmark_engine::rule::{Nulls, Rule, TableRules};
use fieldmark_model::name::quote_identifier;
use fieldmark_model::outcome::UnknownBy;
use fieldmark_model::{Dialect, NotEvaluated, Outcome, Status, Table, TableName};
use fieldmark_statistics::{Criterion, Decision, Design, Estimate, Population, decide, estimate};

/// An outcome that says nothing yet: names, settings, status `not_evaluated`.
fn blank(rules: &TableRules, rule: &Rule, table: TableName, detect: f64) -> Outcome {
    Outcome {
        fingerprint: rule.fingerprint.clone(),
        tolerance: rule.tolerance,
        detect: rule.detect.unwrap_or(detect),
        severity: rule.severity,
        owner: rules.owner.clone(),
        escalation: rules.escalation.clone(),
        description: rule.description.clone(),
        runbook: rules.runbook.clone(),
        ..Outcome::blank(rules.source.clone(), table, rule.id.clone(), rule.kind.name())
    }
}

/// An outcome of a rule that was not evaluated.
pub(crate) fn refused(mut outcome: Outcome, refusal: &Refusal) -> Outcome {
    outcome.status = Status::NotEvaluated;
    outcome.not_evaluated = Some(refusal.why);
    outcome.reason.clone_from(&refusal.reason);
    outcome
}

impl TableCheck<'_> {
    /// Every rule's outcome, in the order of the rule file.
    pub(crate) async fn outcomes(
        &mut self,
        reader: &mut Reader,
        reading: Option<&Result<Reading, Unread>>,
        previous: Option<RowCount>,
    ) -> Vec<Outcome> {
        let rules = self.rules;
        let mut outcomes = Vec::with_capacity(rules.rules.len());
        for (index, rule) in rules.rules.iter().enumerate() {
            let blank = blank(self.rules, rule, self.table.name.clone(), self.settings.detect);
            if let Some((_, refusal)) = self.refused.iter().find(|(refused, _)| *refused == index) {
                outcomes.push(refused(blank, refusal));
                continue;
            }
            let Some(at) = self.states.iter().position(|state| state.rule == index) else { continue };
            let Some(plan) = self.plan(at) else { continue };
            let mut outcome = match (&plan, reading) {
                (Plan::Fresh { column, within }, _) => self.fresh(reader, at, blank, (column, *within)).await,
                (Plan::Sql { text }, _) => self.query(reader, at, blank, text).await,
                (_, Some(Err(unread))) => refused(blank, &unread_refusal(unread)),
                (Plan::RowCount { min, max, change }, Some(Ok(reading))) => {
                    let bounds = RowBounds { min: *min, max: *max, change: *change };
                    row_count(blank, bounds, &reading.population, previous)
                }
                (Plan::Distribution { .. }, Some(Ok(reading))) => self.distribution(blank, at, reading),
                (_, Some(Ok(reading))) => {
                    let outcome = self.of_rows(blank, at, reading, reader.facts().dialect);
                    if outcome.checked.is_some() {
                        self.counts.extend(self.counted(at, reading).map(|counted| (rule.id.clone(), counted)));
                    }
                    outcome
                }
                (_, None) => blank,
            };
            if outcome.status == Status::Failed {
                outcome.fixes = fixes(rules, self.table, &self.key, rule, &plan, reader.facts().dialect);
            }
            if !matches!(plan, Plan::Sql { .. }) {
                outcome.sql = outcome.sql.and_then(|sql| spelled(sql, reader.facts().dialect));
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    fn of_rows(&self, mut outcome: Outcome, at: usize, reading: &Reading, dialect: Dialect) -> Outcome {
        let (Some(rule), Some(state)) = (self.rule(at), self.states.get(at)) else { return outcome };
        if let Some(refusal) = &state.stopped {
            return refused(outcome, refusal);
        }
        let estimate = estimate(&state.evidence(&reading.strata), reading.level);
        let criterion = self.criterion(state.rule);
        fill(&mut outcome, &estimate, criterion, Some(&reading.population));
        explain_stratum(&mut outcome, &estimate, &reading.strata, criterion);
        outcome.moving = reading.moving;
        outcome.known_failing = state.known;
        still_failing(&mut outcome);
        let untold = self.untold_failing(at).len() as u64;
        if untold > 0 && self.settings.watermarks && !reading.is_whole() {
            let rows = words::plural(untold, "known failing row");
            outcome.reason = format!("{}; {rows} could not be read again", outcome.reason);
        }
        if let Some(counted) = self.counted(at, reading) {
            self.know(&mut outcome, counted);
        }
        if outcome.status == Status::Failed {
            outcome.examples.clone_from(&state.examples);
            outcome.sql = reproduce(self, rule, &state.plan, dialect);
        }
        outcome
    }
}

/// Says so where one stratum fails the rule by itself.
fn explain_stratum(outcome: &mut Outcome, estimate: &Estimate, strata: &[Design], criterion: Criterion) {
    let whole_fails = estimate.bounds.low > criterion.tolerance;
    if outcome.status != Status::Failed || whole_fails || strata.len() < 2 {
        return;
    }
    let worst = estimate.strata.iter().zip(strata).find(|(stratum, _)| stratum.lower_bound > criterion.tolerance);
    if let Some((stratum, design)) = worst {
        let name = if design.stratum == "recent" { "rows since the last check" } else { "older rows" };
        let [low, high] = [stratum.bounds.low, stratum.bounds.high].map(words::percent);
        let share = if stratum.all_rows { low } else { format!("{low} to {high}") };
        outcome.reason = format!("{}; of the {name} {share} fail", outcome.reason);
    }
}

/// A rule that tolerates no failing row has not healed while one that was known still fails.
fn still_failing(outcome: &mut Outcome) {
    let Some(known) = outcome.known_failing.filter(|known| known.failing > 0) else { return };
    let rows = words::plural(known.known, "known failing row");
    let fail = if known.failing == 1 { "fails" } else { "fail" };
    outcome.reason = format!("{}; {} of {rows} still {fail}", outcome.reason, words::count(known.failing));
    if outcome.tolerance <= 0.0 {
        outcome.status = Status::Failed;
    }
}

pub(crate) fn unread_refusal(unread: &Unread) -> Refusal {
    match unread {
        Unread::Source(error) => Refusal { why: error.not_evaluated(), reason: error.to_string() },
        Unread::Refused(why, reason) => Refusal { why: *why, reason: reason.clone() },
    }
}

pub(super) fn rows_of(population: &Population) -> u64 {
    match population {
        Population::Exact { rows } => *rows,
        Population::Estimated { rows, .. } => rows.round() as u64,
    }
}

/// Fills in what an estimate says of a table of so many rows.
pub(crate) fn fill(outcome: &mut Outcome, estimate: &Estimate, criterion: Criterion, population: Option<&Population>) {
    outcome.population = population.map(rows_of).or(outcome.population);
    let counts = estimate.counts;
    outcome.checked = Some(counts.checked);
    outcome.failed = counts.failed;
    outcome.unknown_by = UnknownBy {
        null: counts.unknown.null,
        expression_error: counts.unknown.expression_error,
        value_too_large: counts.unknown.value_too_large,
        unrepresentable: counts.unknown.unrepresentable,
    };
    outcome.unknown = outcome.unknown_by.total();
    outcome.fraction = estimate.fraction;
    outcome.interval = estimate.interval().map(|interval| [interval.low, interval.high]);
    outcome.level = estimate.interval().map(|_| estimate.level.confidence());
    outcome.design_effect = estimate.fraction.map(|_| estimate.design_effect);
    outcome.sampled = !estimate.all_rows;
    outcome.status = match decide(estimate, criterion) {
        Decision::Passed => Status::Passed,
        Decision::Failed => Status::Failed,
        Decision::Inconclusive { .. } => Status::Inconclusive,
    };
    outcome.reason = match decide(estimate, criterion) {
        Decision::Passed | Decision::Failed => words::seen(outcome),
        Decision::Inconclusive { rows_needed: Some(rows) } => {
            // rows that lie together tell as much as fewer that do not
            let rows =
                (rows as f64 * (counts.checked as f64 / estimate.effective_rows.max(1.0)).max(1.0)).ceil() as u64;
            let rows = match outcome.population {
                Some(all) if rows >= all => format!("all {}", words::count(all)),
                Some(_) | None => format!("about {}", words::count(rows)),
            };
            format!("{}; {rows} rows would decide", words::seen(outcome))
        }
        Decision::Inconclusive { rows_needed: None } => {
            format!("{}; no sample would decide", words::seen(outcome))
        }
    };
}

/// A column of texts as MariaDB compares them when told to go by their characters, as rules do: its own collation takes `a` for `A`.
fn exactly(table: &Table, name: &str) -> Option<String> {
    let column = table.column(name).filter(|column| column.data_type == DataType::Utf8 && !column.canonical_text)?;
    Some(format!("CONVERT({} USING utf8mb4) COLLATE utf8mb4_nopad_bin", quote_identifier(&column.name)))
}

/// A column whose values are texts to a rule and something else to PostgreSQL (jsonb, an enum, an array), as text.
fn as_text(table: &Table, name: &str) -> Option<String> {
    const TEXTS: [&str; 7] = ["text", "character", "bpchar", "name", "citext", "numeric", "decimal"];
    let column = table.column(name).filter(|column| column.data_type == DataType::Utf8)?;
    let is_text = TEXTS.iter().any(|text| column.declared.starts_with(text)) && !column.declared.ends_with("[]");
    (!is_text).then(|| format!("{}::text", quote_identifier(name)))
}

/// A statement in standard SQL as a database of this kind reads it.
fn spelled(sql: String, dialect: Dialect) -> Option<String> {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => Some(sql),
        Dialect::MySql => for_mysql(&sql),
        Dialect::Files => None,
    }
}

/// SQL that shows a rule's failing rows, in standard SQL: the rule's own literals, never a row's.
fn reproduce(check: &TableCheck<'_>, rule: &Rule, plan: &Plan, dialect: Dialect) -> Option<String> {
    let table = check.table.name.quoted();
    let runs = |text: &str| match dialect {
        Dialect::Postgres => respelled(text, |name| as_text(check.table, name)),
        Dialect::MySql => respelled(text, |name| exactly(check.table, name)),
        Dialect::Sqlite | Dialect::Files => text.to_owned(),
    };
    let filter = rule.filter.as_ref().map(|filter| format!("({})", runs(filter.value.trim())));
    let shown = |prefix: &str| if check.key.is_empty() { format!("{prefix}*") } else { list(&check.key, prefix) };
    match plan {
        Plan::Row { .. } | Plan::Expression { .. } => {
            let mut failing = runs(&rule.kind.failing_sql(dialect)?);
            if rule.nulls == Nulls::Fail {
                failing = format!("({failing}) IS NOT FALSE");
            }
            let condition = match filter {
                Some(filter) => format!("{filter} AND ({failing})"),
                None => failing,
            };
            Some(format!("SELECT {} FROM {table} WHERE {condition} LIMIT 100", shown("")))
        }
        Plan::Unique { columns } => {
            // a NULL is distinct from every other
            let present = columns.iter().map(|column| format!("{} IS NOT NULL", quote_identifier(column)));
            let conditions: Vec<String> = filter.clone().into_iter().chain(present).collect();
            let other = check.key.iter().filter(|key| !columns.contains(key)).cloned().collect::<Vec<_>>();
            let key = if other.is_empty() { String::new() } else { format!("{}, ", list(&other, "")) };
            let of_rows = filter.map(|filter| format!("{filter} AND ")).unwrap_or_default();
            let columns = runs(&list(columns, ""));
            Some(format!(
                "SELECT {key}{columns} FROM {table} WHERE {of_rows}({columns}) IN (SELECT {columns} FROM {table} WHERE {} \
                 GROUP BY {columns} HAVING count(*) > 1) ORDER BY {columns} LIMIT 100",
                conditions.join(" AND ")
            ))
        }
        Plan::References { columns, to_schema, to_table, to_columns } => {
            let to = Target::of(&check.table.name, to_schema.as_ref(), to_table, to_columns);
            let orphans = orphans(&check.table.name, columns, &to, filter.as_deref());
            Some(format!("SELECT {} {orphans} LIMIT 100", shown("c.")))
        }
        Plan::Fresh { .. } | Plan::RowCount { .. } | Plan::Distribution { .. } | Plan::Sql { .. } => None,
    }
}

/// A rule of a table that the source lacks.
pub(crate) fn table_missing(rules: &TableRules, rule: &Rule, detect: f64) -> Outcome {
    let name = TableName::new(rules.schema.clone().unwrap_or_default(), rules.table.clone());
    let refusal =
        Refusal { why: NotEvaluated::TableMissing, reason: format!("the source has no table {}", rules.table) };
    refused(blank(rules, rule, name, detect), &refusal)
}
