//! One table, looked at: rows read, rules proposed, each of them tried.

use super::document::{Document, LeftOut};
use crate::check::{Checked, Drawn, SourceCheck};
use crate::command::Session;
use crate::config::SourceConfig;
use crate::reader::Reader;
use crate::report::words::{self, count, plural};
use crate::state::SourceState;
use fieldmark_engine::language::{RuleFile, parse_rule_files};
use fieldmark_engine::rule::TableRules;
use fieldmark_model::{Catalogue, Chunk, Outcome, Status, Table};
use fieldmark_profile::{Checked as Enforced, Proposal, Subject, merged, personal, profile, propose};
use fieldmark_source::{Check, Error};

/// What it takes to look at a table.
pub(super) struct Survey<'a> {
    pub(super) session: &'a Session,
    pub(super) source: &'a SourceConfig,
    pub(super) reader: &'a mut Reader,
    pub(super) catalogue: &'a Catalogue,
    pub(super) checks: &'a [Check],
}

/// Share of rows that may fail what is still worth telling.
const MOST_FAILING: f64 = 0.5;

/// Rows of a table, and what is known of how many there are.
struct Rows {
    chunk: Chunk,
    population: u64,
    whole: bool,
}

impl Survey<'_> {
    /// What is proposed for a table, or why it could not be read.
    pub(super) async fn table(
        &mut self,
        table: &Table,
        default_schema: Option<&str>,
    ) -> Result<Result<Document, String>, Error> {
        let rows = match self.rows(table).await? {
            Ok(rows) => rows,
            Err(why) => return Ok(Err(why)),
        };
        let columns = profile(table, &rows.chunk);
        let enforced = |check: &&Check| check.table == table.name;
        let checks: Vec<Enforced> = self
            .checks
            .iter()
            .filter(enforced)
            .map(|check| Enforced { columns: named(table, &check.columns) })
            .collect();
        let subject = Subject {
            table,
            columns: &columns,
            rows: rows.chunk.rows() as u64,
            population: rows.population,
            whole: rows.whole,
            checks: &checks,
            typed: self.reader.facts().dialect.is_typed(),
            sees_to_references: self.reader.facts().dialect.sees_to_references(),
        };
        let others: Vec<&Table> = self.catalogue.tables.iter().collect();
        let proposals = propose(&subject, &others, self.session.run.now);
        let (held, left_out) = self.tried(table, proposals, default_schema).await?;
        let read = match (rows.whole, rows.chunk.rows() as u64) {
            (true, read) => format!("all {}", plural(read, "row")),
            (false, read) => format!("{} of about {}", count(read), plural(rows.population, "row")),
        };
        Ok(Ok(Document {
            source: self.source.name.clone(),
            table: table.name.clone(),
            with_schema: self.reader.facts().dialect.has_schemas(),
            of_default_schema: default_schema == Some(table.name.schema.as_str()),
            file: String::new(),
            pii: personal(&columns),
            read,
            proposals: merged(held),
            left_out,
            made: self.session.run.now,
        }))
    }

    /// Rows as a check would read them, all columns; or why they could not be read.
    async fn rows(&mut self, table: &Table) -> Result<Result<Rows, String>, Error> {
        let rules = self.rules(table, "rules: [{ row_count: { min: 0 } }]\n")?;
        let mut kept: Vec<Drawn> = Vec::new();
        let mut checked = Checked::default();
        self.check(&rules, Some(&mut kept), &mut checked).await?;
        let schema = table.arrow_schema(table.columns.iter().map(|column| column.name.as_str()));
        let chunks: Vec<Chunk> = kept.into_iter().map(|drawn| drawn.chunk).collect();
        let chunk = Chunk::concat(&schema, &chunks)
            .map_err(|_| Error::Internal { what: "rows of a table do not go together".to_owned() })?;
        let Some((_, reading)) = checked.readings.first() else {
            return Ok(Err(checked.outcomes.first().map(words::seen).unwrap_or_default()));
        };
        Ok(Ok(Rows { chunk, population: reading.population.rows().round() as u64, whole: reading.is_whole() }))
    }

    async fn check(
        &mut self,
        rules: &TableRules,
        keep: Option<&mut Vec<Drawn>>,
        checked: &mut Checked,
    ) -> Result<(), Error> {
        let settings = self.session.settings(self.source);
        let mut check = SourceCheck {
            reader: self.reader,
            catalogue: self.catalogue,
            settings: &settings,
            run: &self.session.run,
            state: &SourceState::default(),
            progress: &self.session.progress,
        };
        check.check_table(rules, keep, checked).await
    }

    /// A document of the rule language about a table.
    fn rules(&self, table: &Table, rules: &str) -> Result<TableRules, Error> {
        let head = fieldmark_profile::yaml::table_name(&self.source.name, &table.name, true);
        let text = format!("version: 1\ntable: {head}\n{rules}");
        let file = RuleFile { path: "proposed.yaml".to_owned(), text };
        let parsed = parse_rule_files(&[file]).ok().and_then(|mut tables| tables.pop());
        parsed.ok_or_else(|| Error::Internal { what: "a proposed rule that cannot be read".to_owned() })
    }

    /// The proposals that hold, and those that do not with what was found.
    async fn tried(
        &mut self,
        table: &Table,
        proposals: Vec<Proposal>,
        default_schema: Option<&str>,
    ) -> Result<(Vec<Proposal>, Vec<LeftOut>), Error> {
        let mut all = self.rules(table, "")?;
        // which rules of the document are of which proposal
        let mut rules_of: Vec<(Proposal, usize)> = Vec::new();
        for proposal in proposals {
            let text = format!("rules:\n{}", super::document::item(&proposal.rule));
            // what the language or the table does not take was no good guess
            let Ok(rules) = self.rules(table, &text) else { continue };
            let one = std::slice::from_ref(&rules);
            if !self.session.validate(self.source, one, self.catalogue, default_schema).is_empty() {
                continue;
            }
            rules_of.push((proposal, rules.rules.len()));
            all.rules.extend(rules.rules);
        }
        if all.rules.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut checked = Checked::default();
        self.check(&all, None, &mut checked).await?;
        let (mut held, mut left_out) = (Vec::new(), Vec::new());
        let mut outcomes = checked.outcomes.iter();
        for (proposal, rules) in rules_of {
            let of_rule: Vec<&Outcome> = outcomes.by_ref().take(rules).collect();
            let otherwise = of_rule.iter().find(|outcome| outcome.status != Status::Passed);
            let failing = otherwise.filter(|outcome| outcome.status == Status::Failed);
            match (otherwise, failing) {
                // by a name alone, and most rows say otherwise: it was no good guess
                (_, Some(outcome)) if outcome.fraction.is_some_and(|fraction| fraction > MOST_FAILING) => {}
                (_, Some(outcome)) => left_out.push(LeftOut { why: why(outcome), failed: true, proposal }),
                // other rows were drawn to try it than those that said otherwise
                (_, None) if proposal.contrary > 0 => {
                    left_out.push(LeftOut { why: proposal.evidence.clone(), failed: true, proposal });
                }
                (Some(outcome), None) => left_out.push(LeftOut { why: why(outcome), failed: false, proposal }),
                (None, None) => held.push(proposal),
            }
        }
        Ok((held, left_out))
    }
}

/// What was found in place of a pass.
fn why(outcome: &Outcome) -> String {
    let standing = words::Standing::of(outcome);
    let seen = match words::unknown(outcome) {
        Some(unknown) => format!("{}; {unknown}", words::seen(outcome)),
        None => words::seen(outcome),
    };
    words::plain(&format!("{}: {seen}", standing.word()))
}

/// Columns of the table that are among these words; SQLite's names know no case.
fn named(table: &Table, words: &[String]) -> Vec<String> {
    let is_there = |name: &&str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    table.columns.iter().map(|column| column.name.as_str()).filter(is_there).map(str::to_owned).collect()
}
