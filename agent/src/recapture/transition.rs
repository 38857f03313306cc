//! Declared transitions: what rule files say of the same rows before and after.

use super::Again;
use crate::check::{RunFacts, Settings, fill, show_row};
use arrow::datatypes::Schema;
use fieldmark_change::{Declared, RowsDeclared, Same, Suspect, Transition, Undeclared};
use fieldmark_engine::evaluate::{Mentioned, Transition as Expression, TransitionProgram, mentioned};
use fieldmark_engine::rule::{AcrossExpectation, Nulls, RowsAcross, TableRules, UndeclaredChanges};
use fieldmark_model::{Outcome, SourceName};
use fieldmark_source::Error;
use fieldmark_statistics::{Criterion, DrawnUnit, Level, RowCounts, StratumEvidence, Tally, estimate};
use std::collections::BTreeMap;

/// `across_migrations:` as plain data.
pub(super) fn declared(rules: Option<&TableRules>, table: &Again<'_>, run: &RunFacts) -> Declared {
    let Some(rules) = rules else { return Declared::default() };
    let before = table.before;
    let across = &rules.across;
    // what is declared is declared, also where it cannot be evaluated
    let of_this = across.expect.iter().filter(|expectation| !is_past(expectation, &before.batch.schema()));
    let (explained, read): (Vec<Mentioned>, Vec<Mentioned>) =
        of_this.flat_map(|expectation| mentioned(&expectation.that.value)).partition(|column| column.after);
    let names = |mentioned: Vec<Mentioned>| mentioned.into_iter().map(|column| column.column).collect();
    Declared {
        rows: match &across.rows {
            RowsAcross::Kept => RowsDeclared::Kept,
            RowsAcross::MayVanish => RowsDeclared::MayVanish,
            RowsAcross::MayVanishWhere(expression) => {
                let compiled = TransitionProgram::over_before(
                    &Expression { text: &expression.value, nulls: Nulls::Pass },
                    &before.batch.schema(),
                    run.now,
                );
                match compiled {
                    Ok(program) => {
                        let kept: std::collections::BTreeSet<usize> = program.evaluate_before(before).kept().collect();
                        RowsDeclared::MayVanishWhere((0..before.rows()).map(|row| kept.contains(&row)).collect())
                    }
                    Err(_) => RowsDeclared::Kept,
                }
            }
        },
        same: (across.same.iter())
            .map(|same| Same {
                column: same.column.value.clone(),
                outcome: Outcome {
                    fingerprint: same.fingerprint.clone(),
                    owner: rules.owner.clone(),
                    escalation: rules.escalation.clone(),
                    runbook: rules.runbook.clone(),
                    // the table that is there after the migration takes this one's place
                    ..Outcome::blank(rules.source.clone(), table.marked.name.clone(), same.id.clone(), "same")
                },
            })
            .collect(),
        explained: names(explained),
        read: names(read),
        ..of_catalogue(rules)
    }
}

/// Whether an expectation speaks of a migration that had been applied when rows with these columns were marked: what it reads is not
/// there, and what it makes is.
pub(crate) fn is_past(expectation: &AcrossExpectation, marked: &Schema) -> bool {
    let there = |column: &Mentioned| marked.column_with_name(&column.column).is_some();
    let (after, before): (Vec<Mentioned>, Vec<Mentioned>) =
        mentioned(&expectation.that.value).into_iter().partition(|column| column.after);
    !before.iter().all(there) && !after.is_empty() && after.iter().all(there)
}

/// The part of `across_migrations:` that needs no row.
pub(super) fn of_catalogue(rules: &TableRules) -> Declared {
    let across = &rules.across;
    Declared {
        rows: if matches!(across.rows, RowsAcross::MayVanish) { RowsDeclared::MayVanish } else { RowsDeclared::Kept },
        renamed: super::renames(rules),
        undeclared: match across.undeclared_changes {
            UndeclaredChanges::Fail => Undeclared::Fail,
            UndeclaredChanges::Warn => Undeclared::Warn,
            UndeclaredChanges::Allow => Undeclared::Allow,
        },
        ..Declared::default()
    }
}

/// Every `expect` of `across_migrations:` on the rows that are still there.
pub(super) fn evaluate(
    rules: Option<&TableRules>,
    source: &SourceName,
    table: &Again<'_>,
    run: &RunFacts,
    settings: &Settings,
) -> Result<Vec<Transition>, Error> {
    let (Some(rules), Some(after), Some(aligned)) = (rules, &table.after, &table.aligned) else {
        return Ok(Vec::new());
    };
    let rows: Vec<usize> = aligned.matched.iter().map(|row| row.before).collect();
    let rows_after: Vec<usize> = aligned.matched.iter().map(|row| row.after).collect();
    let taken = table.before.take(&rows).and_then(|before| Ok((before, after.take(&rows_after)?)));
    let (before, after) = taken.map_err(|error| super::arrow_error("aligning rows", &error))?;
    let mut transitions = Vec::new();
    for expectation in &rules.across.expect {
        if is_past(expectation, &before.batch.schema()) {
            continue;
        }
        let mut outcome = blank(expectation, rules, source, table, settings);
        let compiled = TransitionProgram::over_both(
            &Expression { text: &expectation.that.value, nulls: expectation.nulls },
            &before.batch.schema(),
            &after.batch.schema(),
            run.now,
        );
        let failing = match compiled {
            Err(problem) => {
                outcome.not_evaluated = Some(problem.why);
                outcome.reason = problem.to_string();
                Vec::new()
            }
            Ok(program) => {
                let verdicts = program.evaluate_both(&before, &after);
                let marked = table.marked;
                let mut tally = Tally::new();
                match &marked.blocks {
                    None => tally.add_rows(verdicts.total()),
                    Some(blocks) => {
                        let mut units: BTreeMap<u64, DrawnUnit> = BTreeMap::new();
                        for (position, row) in rows.iter().enumerate() {
                            let Some((unit, live)) = blocks.get(*row) else { continue };
                            let unit = units.entry(*unit).or_default();
                            unit.live = *live;
                            unit.rows = RowCounts::plus(unit.rows, verdicts.counts([position]));
                        }
                        let empty = marked.units_drawn.saturating_sub(units.len() as u64);
                        units.into_values().for_each(|unit| tally.add_unit(unit));
                        (0..empty).for_each(|_| tally.add_unit(DrawnUnit::default()));
                    }
                }
                let evidence = StratumEvidence { method: marked.method, population: marked.population, tally };
                let criterion = Criterion { tolerance: expectation.tolerance, detect: settings.detect };
                fill(&mut outcome, &estimate(&[evidence], Level::NINETY_FIVE), criterion, None);
                verdicts.failing().filter_map(|position| rows.get(position).copied()).collect()
            }
        };
        let explains = mentioned(&expectation.that.value).into_iter().filter(|column| column.after);
        let explains = explains.map(|column| column.column).collect();
        let nulls_pass = expectation.nulls == Nulls::Pass;
        transitions.push(Transition { outcome, failing, explains, nulls_pass });
    }
    Ok(transitions)
}

fn blank(
    expectation: &AcrossExpectation,
    rules: &TableRules,
    source: &SourceName,
    table: &Again<'_>,
    settings: &Settings,
) -> Outcome {
    let name = table.pair.after.map_or_else(|| table.marked.name.clone(), |after| after.name.clone());
    Outcome {
        fingerprint: expectation.fingerprint.clone(),
        population: Some(table.marked.population.rows().round() as u64),
        tolerance: expectation.tolerance,
        detect: settings.detect,
        severity: expectation.severity,
        owner: rules.owner.clone(),
        escalation: rules.escalation.clone(),
        description: expectation.description.clone(),
        runbook: rules.runbook.clone(),
        ..Outcome::blank(source.clone(), name, expectation.id.clone(), "across_migrations")
    }
}

/// Changed and vanished rows as the settings show them.
pub(super) fn examples(suspects: &[Suspect], table: &Again<'_>, run: &RunFacts, settings: &Settings) -> Vec<String> {
    let shown = suspects.iter().filter_map(|suspect| {
        let pii = &table.marked.digested;
        let row = show_row(table.before, suspect.row, &table.marked.key, &[], pii, settings, run)?;
        Some(if suspect.vanished {
            format!("{row}: vanished")
        } else {
            format!("{row}: {} changed", suspect.columns.join(", "))
        })
    });
    shown.collect()
}
