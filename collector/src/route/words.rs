//! What is said of an incident, or of a migration, to whoever reads it.

use super::Telling;
use crate::store::Migrated;
use chrono::{DateTime, SecondsFormat, Utc};
use fieldmark_classify::incident::{Cause, Incident, Notice, Part};
use fieldmark_model::observation::State;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Things that may help that are told.
const FIXES: usize = 5;
/// Parts that are told one by one.
const TOLD: usize = 10;

pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What it is, in a word: the name of its alerts.
pub(super) fn name(incident: &Incident) -> &'static str {
    match incident.cause {
        Cause::Migration { .. } => "FieldmarkMigrationBrokeRules",
        Cause::Source => "FieldmarkSourceCannotBeChecked",
        Cause::Agent => "FieldmarkAgentIsSilent",
        Cause::Table(_) => "FieldmarkTableCannotBeChecked",
        Cause::Rule(..) => "FieldmarkRuleFails",
    }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// What it is about, in a line.
pub(crate) fn summary(incident: &Incident) -> String {
    let class = if incident.class == State::Transient { "healed by itself" } else { incident.class.as_str() };
    let sources: BTreeSet<&str> = incident.sources().map(|source| source.as_str()).collect();
    let source = match (sources.len(), sources.first()) {
        (1, Some(source)) => (*source).to_owned(),
        (0, _) | (_, None) => incident.agent().to_owned(),
        (count, Some(_)) => plural(count, "source"),
    };
    let tables: BTreeSet<_> = incident.parts.iter().filter_map(|part| part.table.as_ref()).collect();
    let several = match (incident.parts.len(), tables.len()) {
        (0 | 1, _) => String::new(),
        (parts, 0 | 1) => format!(" and {} more", parts - 1),
        (parts, tables) => format!(" and {} more on {}", parts - 1, plural(tables, "table")),
    };
    let what = match &incident.cause {
        Cause::Migration { id, name } => {
            let first = incident.parts.first().map(Part::about).unwrap_or_default();
            format!("{source}: {first}{several} after the migration {}", name.as_deref().unwrap_or(id))
        }
        Cause::Source => format!("{source} cannot be checked"),
        Cause::Agent => format!("nothing is heard of the agent {}", incident.agent()),
        Cause::Table(table) => format!("{source}: rules on {table} cannot be checked{several}"),
        Cause::Rule(table, rule) => format!("{source}: {rule} on {table}{several}"),
    };
    format!("{what}: {class}")
}

/// The same with what is told of it: that it is resolved, taken up, or a test.
pub(super) fn headline(telling: &Telling<'_>, incident: &Incident) -> String {
    let told = match telling.notified.notice {
        Notice::Opened | Notice::Risen | Notice::Joined | Notice::Migrated => "",
        Notice::Reopened => "Again: ",
        Notice::Acknowledged => "Taken up: ",
        Notice::Escalated => "Nobody has taken it up: ",
        Notice::Resolved => "Over: ",
    };
    let test = if telling.test { "TEST, nothing is wrong: " } else { "" };
    format!("{test}{told}{}", summary(incident))
}

/// One part in a line.
pub(super) fn part(part: &Part) -> String {
    let at = part.changed.format("%H:%M:%S");
    format!("{}: {}: {} at {at}: {}", part.place(), part.about(), part.state.as_str(), part.reason)
}

/// All of it, in lines: what fails and why, since when, who answers for it, what helps.
pub(super) fn lines(telling: &Telling<'_>, incident: &Incident) -> Vec<String> {
    let mut lines: Vec<String> = incident.parts.iter().take(TOLD).map(part).collect();
    if incident.parts.len() > TOLD {
        lines.push(format!("and {} more", incident.parts.len() - TOLD));
    }
    let since = incident.parts.iter().map(|part| part.since).min().unwrap_or(incident.opened);
    let until = incident.resolved.map(|at| format!(" until {}", time(at))).unwrap_or_default();
    lines.push(format!("Since {}{until}, severity {}.", time(since), incident.severity.as_str()));
    let said = |of: fn(&Part) -> &Option<String>| -> Vec<String> {
        let all: BTreeSet<&String> = incident.parts.iter().filter_map(|part| of(part).as_ref()).collect();
        all.into_iter().cloned().collect()
    };
    let owners = said(|part| &part.owner);
    if !owners.is_empty() {
        lines.push(format!("Owner: {}", owners.join(", ")));
    }
    lines.extend(said(|part| &part.description).into_iter().take(TOLD));
    lines.extend(said(|part| &part.runbook).into_iter().take(TOLD).map(|runbook| format!("Runbook: {runbook}")));
    let open = incident.parts.iter().filter(|part| !part.is_over());
    let fixes: Vec<String> =
        open.flat_map(|part| &part.fixes).map(|fix| format!("To {}: {}", fix.what, fix.text)).collect();
    // of many rules each has its own: those of the first are enough to begin with
    lines.extend(fixes.into_iter().take(FIXES));
    if let Some(by) = &incident.acknowledged {
        let note = by.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        lines.push(format!("Taken up by {}{note}", by.by));
    }
    let link = telling.link.map(|link| format!(": {}", page(link, &incident.id))).unwrap_or_default();
    lines.push(format!("Incident {}{link}", incident.id));
    lines
}

/// Where to look at an incident.
pub(super) fn page(link: &str, id: &str) -> String {
    format!("{}/incidents/{id}", link.trim_end_matches('/'))
}

/// A migration in a line.
pub(super) fn migration(migrated: &Migrated) -> String {
    let name = migrated.name.as_deref().unwrap_or(&migrated.id);
    let verdict = migrated.verdict.as_deref().map_or("not judged", |verdict| verdict);
    format!("{}: the migration {name} is over: {verdict}", migrated.source)
}

/// The same for the same part of the same incident.
pub(super) fn fingerprint(incident: &Incident, part: &Part) -> String {
    let mut hash = Sha256::new();
    let source = part.source.as_ref().map_or("", |source| source.as_str());
    let table = part.table.as_ref().map(ToString::to_string).unwrap_or_default();
    let rule = part.rule.as_ref().map_or("", |rule| rule.as_str());
    for word in [incident.id.as_str(), part.agent.as_str(), source, table.as_str(), rule] {
        hash.update(word.as_bytes());
        hash.update([0]);
    }
    crate::principal::hexadecimal(hash.finalize().get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{incident, notified};
    use super::*;
    use fieldmark_model::outcome::Fix;

    #[test]
    fn what_may_help_is_told_of_what_is_open() {
        let with = |state| {
            let mut incident = incident();
            let fix = |text: &str| vec![Fix { what: "repair it".into(), text: text.into() }];
            let over = Part { state, fixes: fix("UPDATE over"), ..incident.parts[0].clone() };
            incident.parts[0].fixes = fix("UPDATE open");
            incident.parts.push(over);
            let notified = notified(Notice::Opened, incident.clone());
            let telling = Telling { route: "pager", id: "5f-7", notified: &notified, link: None, test: false };
            lines(&telling, &incident).into_iter().filter(|line| line.starts_with("To ")).collect::<Vec<_>>()
        };
        for over in [State::Ok, State::Transient, State::Resolved] {
            assert_eq!(with(over), ["To repair it: UPDATE open"], "{over:?}");
        }
        assert_eq!(with(State::Flapping).len(), 2);
    }
}
