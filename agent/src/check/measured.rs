//! Rules that measure the table as a whole: how fresh it is, how many rows it has, a statistic of a column, the rows of a query.

use super::draw::DrawnBlocks;
use super::outcome::{refused, rows_of};
use super::reading::Reading;
use super::table::{MOST_EXAMPLES, SQL_TIMEOUT, State, TableCheck};
use crate::config::Examples;
use crate::reader::Reader;
use crate::report::words;
use crate::state::{Counted, RowCount};
use fieldmark_engine::evaluate::{RowVerdict, RowVerdicts, numbers};
use fieldmark_engine::kind::{Plan, Refusal, Statistic};
use fieldmark_engine::rule::Rule;
use fieldmark_model::name::quote_identifier;
use fieldmark_model::{Chunk, NotEvaluated, Outcome, Status};
use fieldmark_source::{Error, Query};
use fieldmark_statistics::mean::{MeanEvidence, UnitValues, estimate_mean};
use fieldmark_statistics::{Design, Level, Population, estimate};

/// Rows of a query that are counted.
pub(super) const MOST_COUNTED: u64 = 10_000;

/// What a statistic came to.
pub(super) struct Measured {
    pub(super) status: Status,
    /// The statistic; `None` where no row has a value.
    value: Option<f64>,
    /// Its interval; `None` where all rows were read, and where there is none.
    interval: Option<[f64; 2]>,
    /// Rows that it was made from.
    rows: u64,
    /// Why there is no interval.
    skewed: bool,
}

impl State {
    /// Takes the values of rows that `where` kept, by drawn unit.
    pub(super) fn average(
        &mut self,
        stratum: usize,
        chunk: &Chunk,
        blocks: Option<&DrawnBlocks>,
        verdicts: &RowVerdicts,
    ) {
        let Plan::Distribution { column, statistic: Statistic::Mean, .. } = &self.plan else { return };
        let Some(values) = chunk.batch.column_by_name(column).map(numbers) else { return };
        let mut kept: Vec<Option<f64>> = Vec::with_capacity(values.len());
        for (value, verdict) in values.into_iter().zip(&verdicts.rows) {
            let unread =
                matches!(verdict, RowVerdict::ExpressionError | RowVerdict::TooLarge | RowVerdict::Unrepresentable);
            let counts = *verdict == RowVerdict::Passed;
            self.unaveraged += u64::from(unread || (counts && value.is_some_and(f64::is_nan)));
            kept.push(value.filter(|value| counts && !value.is_nan()));
        }
        if self.means.len() <= stratum {
            self.means.resize_with(stratum + 1, Default::default);
        }
        let Some(tally) = self.means.get_mut(stratum) else { return };
        let Some(blocks) = blocks else {
            kept.into_iter().for_each(|value| tally.add_row(value));
            return;
        };
        let mut units: Vec<UnitValues> = (blocks.live.iter())
            .map(|live| UnitValues { live: u64::from(*live), kept: 0, checked: 0, sum: 0.0 })
            .collect();
        for (value, block) in kept.into_iter().zip(&blocks.of_row) {
            if let Some(unit) = units.get_mut(*block as usize) {
                unit.kept += 1;
                unit.checked += u64::from(value.is_some());
                unit.sum += value.unwrap_or(0.0);
            }
        }
        units.into_iter().for_each(|unit| tally.add_unit(unit));
    }

    /// The statistic of a `distribution` against its limits.
    pub(super) fn measured(&self, strata: &[Design], level: Level) -> Measured {
        let Plan::Distribution { statistic, low, high, .. } = &self.plan else {
            return Measured { status: Status::NotEvaluated, value: None, interval: None, rows: 0, skewed: false };
        };
        let whole = strata.iter().all(|design| design.method.is_all_rows());
        let (value, interval, rows, skewed) = match statistic {
            Statistic::NullFraction => {
                let estimate = estimate(&self.evidence(strata), level);
                // rows that could not be asked count as either
                let interval = match estimate.interval() {
                    Some(interval) => Some([interval.low, interval.high]),
                    None if estimate.counts.unknown.uncertain() > 0 => {
                        Some([estimate.bounds.low, estimate.bounds.high])
                    }
                    None => None,
                };
                (estimate.fraction, interval, estimate.counts.checked, false)
            }
            Statistic::Mean => {
                let evidence = |(at, design): (usize, &Design)| MeanEvidence {
                    method: design.method,
                    population: design.population,
                    tally: self.means.get(at).cloned().unwrap_or_default(),
                };
                let evidence: Vec<MeanEvidence> = strata.iter().enumerate().map(evidence).collect();
                let rows = evidence.iter().map(|stratum| stratum.tally.values()).sum();
                let estimate = estimate_mean(&evidence, level);
                let interval = estimate.and_then(|estimate| estimate.interval);
                let skewed = estimate.is_some_and(|estimate| estimate.skewed);
                (estimate.map(|estimate| estimate.mean), interval.map(|i| [i.low, i.high]), rows, skewed)
            }
        };
        let (low, high) = (low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY));
        let bounds = if whole { interval.or(value.map(|value| [value, value])) } else { interval };
        let status = match (bounds, value) {
            (Some([from, to]), _) if from >= low && to <= high => Status::Passed,
            (Some([from, to]), _) if to < low || from > high => Status::Failed,
            (None, None) if whole => Status::Passed,
            _ => Status::Inconclusive,
        };
        Measured { status, value, interval: interval.filter(|_| !whole), rows, skewed }
    }
}

impl TableCheck<'_> {
    /// A statistic of a column.
    pub(super) fn distribution(&self, mut outcome: Outcome, at: usize, reading: &Reading) -> Outcome {
        let (Some(rule), Some(state)) = (self.rule(at), self.states.get(at)) else { return outcome };
        let Plan::Distribution { column, statistic, low, high } = &state.plan else { return outcome };
        if let Some(refusal) = &state.stopped {
            return refused(outcome, refusal);
        }
        if state.unaveraged > 0 {
            let values = words::plural(state.unaveraged, "value");
            let reason = format!("{values} of {column} cannot be added up");
            return refused(outcome, &Refusal { why: NotEvaluated::Unrepresentable, reason });
        }
        let measured = state.measured(&reading.strata, reading.level);
        let spelled = |value: f64| match statistic {
            Statistic::Mean => words::amount(value),
            Statistic::NullFraction => words::percent(value),
        };
        outcome.status = measured.status;
        outcome.value = measured.value;
        outcome.value_interval = measured.interval;
        outcome.level = measured.interval.map(|_| reading.level.confidence());
        outcome.sampled = !reading.is_whole();
        outcome.population = Some(rows_of(&reading.population));
        outcome.moving = reading.moving;
        outcome.failed = u64::from(outcome.status == Status::Failed);
        let what = match statistic {
            Statistic::Mean => "mean",
            Statistic::NullFraction => "NULL fraction",
        };
        let allowed = match (low, high) {
            (Some(low), Some(high)) => format!("{} to {} allowed", spelled(*low), spelled(*high)),
            (Some(low), None) => format!("at least {} wanted", spelled(*low)),
            (None, Some(high)) => format!("at most {} allowed", spelled(*high)),
            (None, None) => String::new(),
        };
        let rows = words::plural(measured.rows, "row");
        let seen = match (measured.value, measured.interval) {
            (None, _) => format!("no row has a {column}"),
            (Some(value), Some([from, to])) => {
                format!("{what} {} ({} to {}) of {rows}", spelled(value), spelled(from), spelled(to))
            }
            (Some(value), None) if outcome.sampled => format!("{what} {} of {rows}, without a bound", spelled(value)),
            (Some(value), None) => format!("{what} {} of {rows}", spelled(value)),
        };
        outcome.reason = match (outcome.status, measured.skewed) {
            (Status::Inconclusive, true) => {
                format!("{seen}; {allowed}; the values are too skewed for so few rows: a larger sample would tell")
            }
            (Status::Inconclusive, false) => format!("{seen}; {allowed}; a larger sample would tell"),
            _ => format!("{seen}; {allowed}"),
        };
        if outcome.status == Status::Failed {
            let filter =
                rule.filter.as_ref().map(|filter| format!(" WHERE {}", filter.value.trim())).unwrap_or_default();
            let statistic = rule.kind.statistic_sql();
            outcome.sql =
                statistic.map(|statistic| format!("SELECT {statistic} FROM {}{filter}", self.table.name.quoted()));
            outcome.examples.clone_from(&state.examples);
        }
        outcome
    }

    /// The rows of a rule's own query.
    pub(super) async fn query(
        &mut self,
        reader: &mut Reader,
        index: usize,
        mut outcome: Outcome,
        text: &str,
    ) -> Outcome {
        let Some(rule) = self.rule(index) else { return outcome };
        if let Some(refusal) = self.asked_lately(rule) {
            return refused(outcome, &refusal);
        }
        let query =
            Query { sql: text, time: rule.timeout.unwrap_or(SQL_TIMEOUT), count: MOST_COUNTED, show: MOST_EXAMPLES };
        self.begin_own(reader, index);
        let answer = reader.query(&query).await;
        self.end_own(reader, index);
        let answered = match answer {
            Ok(answered) => answered,
            Err(error) => {
                let reason = if let Error::SchemaChanged { code } = &error {
                    format!("its query names something that is not there ({code})")
                } else if let Error::Database { code } = &error {
                    format!("the database does not take its query ({})", code_words(code))
                } else {
                    error.to_string()
                };
                return refused(outcome, &Refusal { why: error.not_evaluated(), reason });
            }
        };
        if let Some(state) = self.states.get_mut(index) {
            state.passed_over |= rule.full_every.is_some();
        }
        outcome.status = if answered.rows > 0 { Status::Failed } else { Status::Passed };
        outcome.failed = answered.rows;
        let rows = words::plural(answered.rows, "row");
        outcome.reason = match (answered.rows, answered.more) {
            (0, _) => "the query gives no row".to_owned(),
            (_, true) => format!("the query gives more than {rows}"),
            (_, false) => format!("the query gives {rows}"),
        };
        if outcome.status == Status::Failed {
            outcome.examples = answered.shown.iter().filter_map(|row| self.shown(row)).collect();
            outcome.sql = Some(text.to_owned());
        }
        if !answered.more {
            let counted = Counted::exactly(answered.rows);
            self.know(&mut outcome, counted);
            self.counts.push((rule.id.clone(), counted));
        }
        outcome
    }

    /// Why a query is not asked again yet, where its rule says how often it may be.
    fn asked_lately(&self, rule: &Rule) -> Option<Refusal> {
        let every = rule.full_every.filter(|_| !self.settings.full_every.is_zero())?;
        let last = self.state.passed_over(&rule.id, &rule.fingerprint)?;
        let age = (self.run.now - last).to_std().unwrap_or_default();
        (age < every).then(|| Refusal {
            why: NotEvaluated::TooExpensive,
            reason: format!(
                "it was asked {} ago (full_every: {}); --full asks it again",
                words::duration(age.as_secs_f64()),
                words::duration(every.as_secs_f64())
            ),
        })
    }

    /// A row of a query as the settings show it: its columns of the table's key, or all.
    fn shown(&self, row: &[(String, Option<String>)]) -> Option<String> {
        let pii = |name: &str| self.rules.pii.iter().any(|column| column.value == name);
        let key = |name: &str| self.key.iter().any(|key| key == name);
        let field = |(name, value): &(String, Option<String>)| {
            let value = match (value, self.settings.examples) {
                (None, _) => "NULL".to_owned(),
                (Some(value), _) if pii(name) => format!("#{}", self.run.digest(value)),
                (Some(value), Examples::Redacted) if !key(name) => {
                    let characters = words::plural(value.chars().count() as u64, "character");
                    format!("({characters}, #{})", self.run.digest(value))
                }
                (Some(value), _) => value.escape_debug().to_string(),
            };
            format!("{name}={value}")
        };
        let fields: Vec<String> = match self.settings.examples {
            Examples::None => Vec::new(),
            Examples::Keys => row.iter().filter(|(name, _)| key(name)).map(field).collect(),
            Examples::Redacted | Examples::Values => row.iter().map(field).collect(),
        };
        (!fields.is_empty()).then(|| fields.join(", "))
    }

    /// How many rows of the table fail a rule: bounds of more confidence than those of its report, so that a count which is held against
    /// them in every check is not beaten by chance.
    pub(super) fn counted(&self, at: usize, reading: &Reading) -> Option<Counted> {
        let state = self.states.get(at)?;
        let estimate = estimate(&state.evidence(&reading.strata), Counted::level());
        let known = state.known.map_or(0, |known| known.failing);
        if estimate.all_rows {
            let failed = estimate.counts.failed;
            return Some(Counted { low: failed, high: failed + estimate.counts.unknown.uncertain(), exact: true });
        }
        let rows = estimate.rows_checked;
        let (low, high) = ((estimate.bounds.low * rows).floor() as u64, (estimate.bounds.high * rows).ceil() as u64);
        // what was seen failing fails, whatever a sample says of the rest
        let low = low.max(estimate.counts.failed).max(known);
        (estimate.counts.checked > 0).then_some(Counted { low, high: high.max(low), exact: false })
    }

    /// Holds a count against what the baseline knows.
    pub(super) fn know(&self, outcome: &mut Outcome, counted: Counted) {
        let recorded = self.state.baseline_of(outcome);
        if let Some(recorded) = recorded.filter(|_| outcome.status == Status::Failed) {
            let baseline = recorded.against(counted);
            outcome.baseline = Some(baseline);
        }
    }

    /// The age of the newest row.
    pub(super) async fn fresh(
        &mut self,
        reader: &mut Reader,
        index: usize,
        mut outcome: Outcome,
        (column, within): (&str, std::time::Duration),
    ) -> Outcome {
        self.begin_own(reader, index);
        let newest = self.newest(reader, index, column).await;
        self.end_own(reader, index);
        let newest = match newest {
            Ok(newest) => newest,
            Err(refusal) => return refused(outcome, &refusal),
        };
        let allowed = words::duration(within.as_secs_f64());
        match newest {
            None => {
                outcome.status = Status::Failed;
                outcome.failed = 1;
                outcome.reason = format!("no row has a {column}; within {allowed} is allowed");
            }
            Some(newest) => {
                let lag = (self.run.now - newest).as_seconds_f64();
                let fails = lag > within.as_secs_f64();
                // what the replica lacks still may be newer
                if fails && let Some(behind) = behind(reader, lag - within.as_secs_f64()).await {
                    let [age, behind] = [lag, behind].map(words::duration);
                    let reason = format!(
                        "the newest {column} here is {age} old, {allowed} is allowed, and the replica is {behind} behind its primary"
                    );
                    return refused(outcome, &Refusal { why: NotEvaluated::StaleReplica, reason });
                }
                outcome.status = if fails { Status::Failed } else { Status::Passed };
                outcome.failed = u64::from(fails);
                outcome.value = Some(lag);
                outcome.reason = if lag < 0.0 {
                    format!("the newest {column} lies {} in the future", words::duration(-lag))
                } else {
                    format!("the newest {column} is {} old; {allowed} is allowed", words::duration(lag))
                };
            }
        }
        if outcome.status == Status::Failed {
            outcome.sql = Some(format!("SELECT max({}) FROM {}", quote_identifier(column), self.table.name.quoted()));
        }
        outcome
    }
}

/// By how many seconds the replica that is read is behind its primary, where that is so many at least.
async fn behind(reader: &mut Reader, least: f64) -> Option<f64> {
    // whatever cannot be told of it has no lag
    let standing = reader.standing().await.unwrap_or_default();
    standing.behind_seconds.filter(|behind| *behind >= least)
}

/// What is known of a database's error by its code alone.
fn code_words(code: &str) -> String {
    const KNOWN: [(&str, &str); 6] = [
        ("42601", "syntax error"),
        ("42883", "no such function or operator"),
        ("42804", "types do not fit"),
        ("42803", "grouping error"),
        ("25006", "it would write"),
        ("22012", "division by zero"),
    ];
    let word = KNOWN.iter().find(|(known, _)| *known == code).map(|(_, word)| format!(", {word}"));
    format!("{code}{}", word.unwrap_or_default())
}

/// What a `row_count` allows.
#[derive(Clone, Copy)]
pub(super) struct RowBounds {
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
    pub(super) change: Option<f64>,
}

/// Exact when counted, else the estimate's interval decides; without a stored count the `change` part passes.
pub(super) fn row_count(
    mut outcome: Outcome,
    bounds: RowBounds,
    population: &Population,
    previous: Option<RowCount>,
) -> Outcome {
    let interval = population.interval();
    let exact = matches!(population, Population::Exact { .. });
    let rows = rows_of(population);
    let (mut low, mut high) = (bounds.min.map(|min| min as f64), bounds.max.map(|max| max as f64));
    if let (Some(change), Some(previous)) = (bounds.change, previous) {
        let before = previous.rows as f64;
        low = Some(low.unwrap_or(0.0).max(before * (1.0 - change)));
        high = Some(high.unwrap_or(f64::INFINITY).min(before * (1.0 + change)));
    }
    let (low, high) = (low.unwrap_or(0.0), high.unwrap_or(f64::INFINITY));
    let inside = interval.low >= low && interval.high <= high;
    let outside = interval.high < low || interval.low > high;
    outcome.value = Some(population.rows());
    outcome.population = Some(rows);
    outcome.sampled = !exact;
    outcome.value_interval = (!exact && interval.high.is_finite()).then_some([interval.low, interval.high]);
    outcome.level = (!exact).then_some(fieldmark_statistics::Level::NINETY_FIVE.confidence());
    outcome.status = match (inside, outside) {
        (true, _) => Status::Passed,
        (false, true) => Status::Failed,
        (false, false) => Status::Inconclusive,
    };
    outcome.failed = u64::from(outcome.status == Status::Failed);
    let counted = if exact {
        words::plural(rows, "row")
    } else {
        format!(
            "about {} rows ({} to {})",
            words::count(rows),
            words::count(interval.low.max(0.0) as u64),
            words::count(interval.high.min(1e18) as u64)
        )
    };
    let allowed = match (low > 0.0, high.is_finite()) {
        (true, true) => format!("{} to {} allowed", words::count(low.ceil() as u64), words::count(high as u64)),
        (true, false) => format!("at least {} wanted", words::count(low.ceil() as u64)),
        (false, true) => format!("at most {} allowed", words::count(high as u64)),
        (false, false) => "no earlier count to compare with".to_owned(),
    };
    outcome.reason = match (bounds.change, previous) {
        (Some(_), Some(previous)) => format!("{counted}, {} before; {allowed}", words::count(previous.rows)),
        _ => format!("{counted}; {allowed}"),
    };
    if outcome.status == Status::Failed {
        outcome.sql = Some(format!("SELECT count(*) FROM {}", outcome.table.quoted()));
    }
    outcome
}
