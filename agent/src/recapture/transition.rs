//! Declared transitions: what rule files say of the same rows before and after.

use super::Again;
use crate::check::{RunFacts, Settings, fill, show_row};
use fieldmark_change::{Declared, RowsDeclared, Same, Suspect, Transition, Undeclared};
use fieldmark_engine::evaluate::{Names, Transition as Expression, TransitionProgram, check_expression};
use fieldmark_engine::rule::{AcrossExpectation, Nulls, RowsAcross, TableRules, UndeclaredChanges};
use fieldmark_model::{Outcome, SourceName};
use fieldmark_source::Error;
use fieldmark_statistics::{Criterion, DrawnUnit, Level, RowCounts, StratumEvidence, Tally, estimate};
use std::collections::BTreeMap;

/// `across_migrations:` as plain data.
pub(super) fn declared(rules: Option<&TableRules>, table: &Again<'_>, run: &RunFacts) -> Declared {
    let Some(rules) = rules else { return Declared::default() };
    let (before, after) = (table.before, table.after.as_ref());
    let across = &rules.across;
    let mut explained = Vec::new();
    let mut read = Vec::new();
    if let Some(names) =
        after.and_then(|after| Names::before_and_after(&before.batch.schema(), &after.batch.schema()).ok())
    {
        for expectation in &across.expect {
            for (side, column) in check_expression(&expectation.that.value, &names).unwrap_or_default() {
                if side.as_deref() == Some("after") { explained.push(column) } else { read.push(column) }
            }
        }
    }
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
        explained,
        read,
        ..of_catalogue(rules)
    }
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
        transitions.push(Transition { outcome, failing });
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
