//! `baseline`: rows that fail today, recorded as known.

use super::check::check_source;
use super::{Ended, Manner, Session, begin, no_report};
use crate::check::Checked;
use crate::cli::{Baseline, Common, Output, USAGE};
use crate::config::SourceConfig;
use crate::report::terminal::{self, PLAIN, span};
use crate::report::words::{self, count, plural};
use crate::report::{ErrorSummary, Report};
use crate::signals::Signals;
use crate::state::{Counted, PATIENCE, Recorded};
use chrono::{DateTime, Utc};
use fieldmark_model::{Outcome, RuleId, SourceName, Status, TableName};
use serde_json::{Value, json};

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Recorded,
    Lowered,
    Unchanged,
    /// More rows fail than are recorded: a record is never raised.
    NotRaised,
    Forgotten,
    Listed,
}

impl Act {
    fn word(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Lowered => "lowered",
            Self::Unchanged => "unchanged",
            Self::NotRaised => "not raised",
            Self::Forgotten => "forgotten",
            Self::Listed => "known",
        }
    }
}

/// One line of what is told.
struct Line {
    source: SourceName,
    rule: RuleId,
    act: Act,
    record: Recorded,
    /// What fails now, where that is of interest.
    now: Option<Counted>,
}

pub(super) async fn run(common: &Common, arguments: &Baseline, signals: &Signals) -> Result<u8, Ended> {
    no_report("baseline", common)?;
    if arguments.list || arguments.forget {
        return recorded(common, arguments, signals);
    }
    let manner = Manner { duty: 0.5, enlarge: true, routine: false, lenient: false };
    let session = Session::open(common, signals, manner)?;
    let mut report = begin("baseline", common, &session.run);
    let (mut lines, mut unclear) = (Vec::new(), Vec::new());
    for source in session.config.sources.iter().filter(|source| !session.rules_of(&source.name).is_empty()) {
        let Some((mut checked, _)) = check_source(&session, source, None, &mut report).await? else { continue };
        count_rows(&session, source, &mut checked, &mut report).await?;
        unclear.extend(checked.outcomes.iter().filter_map(|outcome| not_recorded(outcome, &checked)));
        let lock = session.folder.lock_within(&source.name, PATIENCE)?;
        let mut of_source = Vec::new();
        let note = session.folder.update(&lock, |state| {
            for (outcome, counted) in failing(&checked) {
                let own = state.baseline_of(outcome);
                let (act, record) = recording(own, outcome, counted, session.run.now);
                state.baselines.insert(outcome.rule.clone(), record.clone());
                let (source, rule) = (source.name.clone(), outcome.rule.clone());
                of_source.push(Line { source, rule, act, record, now: Some(counted) });
            }
        })?;
        unclear.extend(note.map(|note| note.0));
        lines.extend(of_source);
    }
    session.tell_unmet(&mut report);
    unclear.extend(report.errors.iter().map(ErrorSummary::told));
    print(common, &lines, &unclear);
    Ok(if unclear.is_empty() { 0 } else { 2 })
}

/// Counts the failing rows where a sample gave no more than bounds, and the table is not larger than a check may read: what may fail
/// from now on is then what fails, and not what might.
async fn count_rows(
    session: &Session,
    source: &SourceConfig,
    checked: &mut Checked,
    report: &mut Report,
) -> Result<(), Ended> {
    let most = source.budget.rows_per_check.value.unwrap_or(u64::MAX);
    let uncounted = |(outcome, counted): &(&Outcome, Counted)| !counted.exact && outcome.population <= Some(most);
    let tables: Vec<TableName> = failing(checked).filter(uncounted).map(|(outcome, _)| outcome.table.clone()).collect();
    if tables.is_empty() {
        return Ok(());
    }
    let Some((again, _)) = check_source(session, source, Some(&tables), report).await? else { return Ok(()) };
    for outcome in again.outcomes {
        let Some((_, counted)) = again.counts.iter().find(|(rule, counted)| *rule == outcome.rule && counted.exact)
        else {
            continue;
        };
        checked.counts.retain(|(rule, _)| *rule != outcome.rule);
        checked.counts.push((outcome.rule.clone(), *counted));
        if let Some(own) = checked.outcomes.iter_mut().find(|own| own.rule == outcome.rule) {
            *own = outcome;
        }
    }
    Ok(())
}

/// Rules that fail by rows that were counted.
fn failing(checked: &Checked) -> impl Iterator<Item = (&Outcome, Counted)> {
    checked.outcomes.iter().filter(|outcome| outcome.status == Status::Failed).filter_map(|outcome| {
        let counted = checked.counts.iter().find(|(rule, _)| *rule == outcome.rule);
        counted.map(|(_, counted)| (outcome, *counted))
    })
}

/// Why a rule that does not pass has no record now.
fn not_recorded(outcome: &Outcome, checked: &Checked) -> Option<String> {
    let counted = checked.counts.iter().any(|(rule, _)| *rule == outcome.rule);
    match outcome.status {
        Status::Failed if !counted => {
            Some(format!("{}: rules of the kind {} count no rows that one could record", outcome.rule, outcome.kind))
        }
        Status::Inconclusive | Status::NotEvaluated => {
            let standing = words::Standing::of(outcome).word();
            Some(format!("{}: {standing}: {}", outcome.rule, words::seen(outcome)))
        }
        Status::Failed | Status::Passed => None,
    }
}

/// The record after today's count.
fn recording(own: Option<&Recorded>, outcome: &Outcome, counted: Counted, now: DateTime<Utc>) -> (Act, Recorded) {
    let new = || Recorded {
        fingerprint: outcome.fingerprint.clone(),
        table: Some(outcome.table.clone()),
        rows: counted,
        since: now,
        lowered: None,
    };
    let Some(own) = own else { return (Act::Recorded, new()) };
    if own.against(counted).grown {
        return (Act::NotRaised, own.clone());
    }
    match own.after(counted, now) {
        Some(after) if after.rows != own.rows => (Act::Lowered, after),
        Some(after) => (Act::Unchanged, after),
        None => (Act::Recorded, new()),
    }
}

/// `--list` and `--forget`: of the records that are there.
fn recorded(common: &Common, arguments: &Baseline, signals: &Signals) -> Result<u8, Ended> {
    if !common.table.is_empty() {
        return Err(Ended::Because(USAGE, "records are of rules: name them with --rule".to_owned()));
    }
    if arguments.forget && common.rule.is_empty() {
        return Err(Ended::Because(USAGE, "which rules? `fieldmark baseline --forget --rule ID`".to_owned()));
    }
    // a record may be of a rule that no file has any more
    let all = Common { rule: Vec::new(), ..common.clone() };
    let session = Session::open(&all, signals, Manner { duty: 1.0, enlarge: false, routine: false, lenient: false })?;
    let wanted = |rule: &RuleId| common.rule.is_empty() || common.rule.iter().any(|given| given == rule.as_str());
    let mut lines = Vec::new();
    for source in &session.config.sources {
        let (state, _) = session.folder.load(&source.name)?;
        let chosen = state.baselines.iter().filter(|(rule, _)| wanted(rule));
        let act = if arguments.forget { Act::Forgotten } else { Act::Listed };
        let line = |(rule, record): (&RuleId, &Recorded)| Line {
            source: source.name.clone(),
            rule: rule.clone(),
            act,
            record: record.clone(),
            now: None,
        };
        let before = lines.len();
        lines.extend(chosen.map(line));
        if arguments.forget && lines.len() > before {
            let lock = session.folder.lock_within(&source.name, PATIENCE)?;
            session.folder.update(&lock, |state| state.baselines.retain(|rule, _| !wanted(rule)))?;
        }
    }
    let is_told = |given: &&String| lines.iter().any(|line| line.rule.as_str() == given.as_str());
    if let Some(given) = common.rule.iter().find(|given| !is_told(given)) {
        return Err(Ended::Because(USAGE, format!("nothing is recorded of the rule `{given}`")));
    }
    print(common, &lines, &[]);
    Ok(0)
}

fn print(common: &Common, lines: &[Line], unclear: &[String]) {
    if common.output == Output::Json {
        let rules: Vec<Value> = lines.iter().map(as_json).collect();
        outln!("{:#}", json!({ "version": 1, "rules": rules, "unclear": unclear }));
        return;
    }
    if lines.is_empty() && unclear.is_empty() && !common.quiet {
        outln!("nothing is recorded");
    }
    let mut page = terminal::page();
    for text in lines.iter().map(told).chain(unclear.iter().map(|why| format!("? {why}"))) {
        page.paragraph(0, 2, &[span(text, PLAIN)]);
    }
    out!("{}", page.finish());
}

fn told(line: &Line) -> String {
    let rows = |rows: Counted| match rows {
        Counted { high, exact: true, .. } => plural(high, "row"),
        Counted { low, high, exact: false } => format!("{} to {}", count(low), plural(high, "row")),
    };
    let (record, since) = (rows(line.record.rows), words::instant(line.record.since));
    let name = format!("{} {}", line.source, line.rule);
    match (line.act, line.now) {
        (Act::Recorded, _) if line.record.rows.exact => format!("+ {name}: {record} recorded as known"),
        (Act::Recorded, _) => {
            format!("+ {name}: {record} recorded as known, by a sample; with --full they are counted")
        }
        (Act::Lowered, _) => format!("- {name}: lowered to {record}, known since {since}"),
        (Act::NotRaised, Some(now)) => format!(
            "! {name}: {} fail now, more than the {record} known since {since}; a record is never raised: if these are to be \
             known, too, forget it first (--forget)",
            rows(now)
        ),
        (Act::Unchanged | Act::Listed | Act::NotRaised, _) => format!("= {name}: {record} known since {since}"),
        (Act::Forgotten, _) => format!("- {name}: forgotten ({record} known since {since})"),
    }
}

fn as_json(line: &Line) -> Value {
    let rows = |rows: Counted| json!({ "low": rows.low, "high": rows.high, "exact": rows.exact });
    json!({
        "source": line.source.as_str(),
        "rule": line.rule.as_str(),
        "what": line.act.word(),
        "rows": rows(line.record.rows),
        "since": line.record.since,
        "lowered": line.record.lowered,
        "failing_now": line.now.map(rows),
    })
}
