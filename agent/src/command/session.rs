//! What the commands that read databases have in common: configuration, rules, state folder, connected sources.

use super::selection::Selection;
use super::{Ended, load};
use crate::budget::Budget;
use crate::check::{Checked, RunFacts, Settings};
use crate::cli::Common;
use crate::config::{Address, Config, SampleSize, SourceConfig, SqlRules};
use crate::progress::Progress;
use crate::reader::Reader;
use crate::report::{CourtesySummary, ErrorSummary, Report, SampleSummary, SourceSummary, words};
use crate::signals::Signals;
use crate::state::{LastCheck, Pass, SourceState, StateFolder, Watermark};
use arrow::datatypes::Schema;
use chrono::{DateTime, Utc};
use fieldmark_document::{Problem, Problems};
use fieldmark_engine::evaluate::{Names, check_expression};
use fieldmark_engine::kind::Plan;
use fieldmark_engine::language::{check_catalogue, check_sources, expand_patterns, parse_rule_files, resolve_table};
use fieldmark_engine::rule::{Rule, SampleWish, TableRules};
use fieldmark_model::{Catalogue, Dialect, Finding, NotEvaluated, Outcome, SourceName, Status, Table, TableName};
use fieldmark_source::files::StoreSettings;
use fieldmark_source::postgres::{self, ConnectOptions};
use fieldmark_source::{Error, Recovery, Source, files, mysql, sqlite};
use fieldmark_statistics::{Method, Population};
use rand::RngExt as _;
use std::collections::BTreeSet;
use std::time::Instant;

/// A run: configuration, rules, state folder.
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) tables: Vec<TableRules>,
    pub(crate) folder: StateFolder,
    pub(crate) run: RunFacts,
    pub(crate) progress: Progress,
    pub(crate) manner: Manner,
    pub(crate) signals: Signals,
    /// What `--table` and `--rule` leave.
    pub(crate) selection: Selection,
}

/// How a command reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// The share of time that may be busy.
    pub(crate) duty: f64,
    /// Whether a sample that cannot decide is enlarged.
    pub(crate) enlarge: bool,
    /// Whether this is one of many checks, that goes by the ones before it and can be put off to the next.
    pub(crate) routine: bool,
    /// Whether rules that do not fit the database are told, and the others checked; else they end the run.
    pub(crate) lenient: bool,
}

/// Reads configuration and rules, as far as the command line leaves them.
///
/// # Errors
/// Everything that is wrong with any of them.
pub(crate) fn read(common: &Common) -> Result<(Config, Vec<TableRules>), Ended> {
    let mut reading = load(common);
    let all = reading.rules.for_parser();
    let tables = match parse_rule_files(&all) {
        Ok(tables) => tables,
        Err(problems) => {
            reading.problems.append(problems);
            Vec::new()
        }
    };
    if let Some(config) = &reading.config {
        let names: Vec<SourceName> = config.sources.iter().map(|source| source.name.clone()).collect();
        let mut problems = check_sources(&tables, &names);
        for file in &all {
            problems.keep_source(&file.path.as_str().into(), &file.text);
        }
        reading.problems.append(problems);
    }
    let warnings = std::mem::take(&mut reading.warnings);
    let (config, _) = match reading.into_result() {
        Ok(read) => read,
        Err(problems) => return Err(Ended::Problems(problems, warnings)),
    };
    if !warnings.is_empty() {
        let style = crate::config::Style::of_standard_error(common.no_color);
        eprint!("{}", crate::config::render(&Problems::default(), &warnings, style));
    }
    let tables = Selection::of(common).documents(tables)?;
    let config = with_sources(config, common)?;
    Ok((config, tables))
}

impl Session {
    /// Reads configuration and rules, opens the state folder.
    ///
    /// # Errors
    /// What is wrong with any of them.
    pub(crate) fn open(common: &Common, signals: &Signals, manner: Manner) -> Result<Self, Ended> {
        let (config, tables) = read(common)?;
        let folder = StateFolder::open(config.state_dir.value.clone())?;
        Self::of((config, tables), folder, common, signals, manner)
    }

    /// A run of this configuration and these rules.
    ///
    /// # Errors
    /// The state folder's.
    pub(crate) fn of(
        (config, tables): (Config, Vec<TableRules>),
        folder: StateFolder,
        common: &Common,
        signals: &Signals,
        manner: Manner,
    ) -> Result<Self, Ended> {
        let seed = common.seed.unwrap_or_else(|| rand::rng().random::<u32>().into());
        let run = RunFacts {
            now: Utc::now(),
            seed,
            state_folder: folder.path().to_owned(),
            digest_key: folder.digest_key()?,
        };
        Ok(Self {
            config,
            tables,
            folder,
            run,
            progress: Progress::new(common.quiet),
            manner,
            signals: signals.clone(),
            selection: Selection::of(common),
        })
    }

    /// Rules of one source.
    pub(crate) fn rules_of(&self, source: &SourceName) -> Vec<&TableRules> {
        self.tables.iter().filter(|rules| rules.source == *source).collect()
    }

    /// A source's settings in this run.
    pub(crate) fn settings(&self, source: &SourceConfig) -> Settings {
        let size = source.sample.size.value;
        let wish = match size {
            SampleSize::All => SampleWish::All,
            SampleSize::Rows(rows) => SampleWish::Rows { rows, per_block: None },
            SampleSize::Fraction(fraction) => SampleWish::Fraction { fraction, per_block: None },
        };
        let by_flag = matches!(source.sample.size.origin, crate::config::Origin::Flag(_));
        Settings {
            sample: wish,
            per_block: source.sample.per_block.value,
            override_sample: by_flag.then_some(wish),
            detect: source.detect.value,
            examples: source.examples.value,
            rows_per_check: source.budget.rows_per_check.value,
            enlarge: self.manner.enlarge,
            watermarks: self.manner.routine,
            snapshot: source.snapshot.value,
            connections: source.scan_connections.value,
            full_every: source.full_every.value,
        }
    }

    /// Connects to a source, to read it within its budget.
    ///
    /// # Errors
    /// Why it does not answer.
    pub(crate) async fn connect(&self, source: &SourceConfig, state: &SourceState) -> Result<Reader, Error> {
        let now = (Utc::now(), Instant::now());
        let budget = Budget::new(&source.budget, state.server_time, now, self.manner.routine);
        // nobody else waits for a file
        let duty = if matches!(source.address.value, Address::Files(_)) { 1.0 } else { self.manner.duty };
        self.reader(source, duty, budget).await
    }

    /// Connects to a source beside what reads it, for a few statements that cost next to nothing.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub(crate) async fn connect_beside(&self, source: &SourceConfig) -> Result<Reader, Error> {
        self.reader(source, 1.0, Budget::unlimited()).await
    }

    async fn reader(&self, source: &SourceConfig, duty: f64, budget: Budget) -> Result<Reader, Error> {
        let connected: Box<dyn Source> = match &source.address.value {
            Address::Files(tables) => Box::new(files::open(tables.iter().cloned(), StoreSettings::of_environment())),
            Address::Sqlite(path) => Box::new(sqlite::open(&sqlite::Address::file(path)).await?),
            Address::Postgres(address) => {
                let options = ConnectOptions {
                    schemas: source.schemas.value.clone(),
                    agent: crate::state::host_name(),
                    ..ConnectOptions::new(address.url.expose())
                };
                Box::new(postgres::connect(&options).await?)
            }
            Address::MySql(address) => {
                let options = mysql::ConnectOptions {
                    schemas: source.schemas.value.clone(),
                    agent: crate::state::host_name(),
                    ..mysql::ConnectOptions::new(address.url.expose())
                };
                Box::new(mysql::connect(&options).await?)
            }
        };
        Ok(Reader::new(connected, duty, budget, self.signals.token().clone(), self.run.seed))
    }

    /// Blocks that anybody has touched so far in what a run reads, where the database has statistics of it. Where it does not answer
    /// now, the run goes on without.
    pub(crate) async fn blocks_seen(
        &self,
        reader: &mut Reader,
        catalogue: &Catalogue,
        tables: &[TableRules],
    ) -> Option<u64> {
        let default_schema = reader.facts().default_schema.clone();
        let read = tables_read(catalogue, tables, default_schema.as_deref());
        if read.is_empty() { None } else { reader.blocks_seen(&read).await.ok().flatten() }
    }

    /// What is remembered of a source; notes go to the report.
    ///
    /// # Errors
    /// The state folder's.
    pub(crate) fn state_of(&self, source: &SourceName, report: &mut Report) -> Result<SourceState, Ended> {
        let (state, note) = self.folder.load(source)?;
        report.notes.extend(note.map(|note| note.0));
        Ok(state)
    }

    /// Remembers what the next check goes by. Where that fails the report says so.
    pub(crate) fn remember(&self, source: &SourceName, checked: &Checked, reader: &mut Reader, report: &mut Report) {
        let balance = reader.balance();
        let kept = self.folder.lock_within(source, crate::state::PATIENCE).and_then(|lock| {
            self.folder.update(&lock, |state| {
                state.row_counts.extend(checked.row_counts.iter().cloned());
                state.passes.extend(checked.passes.iter().map(|(rule, fingerprint)| {
                    (rule.clone(), Pass { fingerprint: fingerprint.clone(), time: self.run.now })
                }));
                state.failing.extend(checked.failing.iter().cloned());
                state.failing.retain(|_, failing| !failing.rules.is_empty());
                for (rule, counted) in &checked.counts {
                    let Some(outcome) = checked.outcomes.iter().find(|outcome| outcome.rule == *rule) else { continue };
                    let recorded = state.baseline_of(outcome);
                    match recorded.map(|recorded| recorded.after(*counted, self.run.now)) {
                        Some(Some(after)) => drop(state.baselines.insert(rule.clone(), after)),
                        Some(None) => drop(state.baselines.remove(rule)),
                        None => {}
                    }
                }
                if self.manner.routine && !self.selection.some_rules() && !self.selection.some_tables() {
                    state.last_check = Some(last_check(&checked.outcomes, self.run.now));
                }
                // rows that some rules have not seen are not behind a watermark
                if self.manner.routine && !self.selection.some_rules() {
                    for (table, reading) in &checked.readings {
                        let Some(now) = &reading.high_water else { continue };
                        let known = state.watermarks.entry(table.clone());
                        let watermark = known.or_insert_with(|| Watermark::new(&now.column));
                        if watermark.column != now.column {
                            *watermark = Watermark::new(&now.column);
                        }
                        watermark.advance(&now.value, now.horizon.next_transaction, now.horizon.oldest_running);
                    }
                }
                state.server_time = balance;
            })
        });
        match kept {
            Ok(note) => report.notes.extend(note.map(|note| note.0)),
            Err(error) => {
                let what = format!("what was found is not remembered: {}", error.explain());
                SourceReport { report, name: source }.state_failed(what);
            }
        }
    }

    /// Says what was named on the command line and met nothing, where every source was read.
    pub(crate) fn tell_unmet(&self, report: &mut Report) {
        if report.errors.is_empty() {
            let unmet = self.selection.unmet().into_iter();
            let error = |what| ErrorSummary {
                source: None,
                table: None,
                what,
                remedy: Some("look at its spelling".to_owned()),
                nature: None,
            };
            report.errors.extend(unmet.map(error));
        }
    }

    /// What rule files say of the tables of a source that are there, patterns told apart, as far as `--table` and `--rule` leave it; and
    /// what is wrong with patterns.
    pub(crate) fn tables_of(
        &self,
        source: &SourceName,
        catalogue: &Catalogue,
        default_schema: Option<&str>,
    ) -> (Vec<TableRules>, Problems) {
        let documents = self.rules_of(source);
        let (mut tables, problems) = expand_patterns(&documents, catalogue, default_schema);
        self.selection.narrow(&mut tables, &documents, (catalogue, default_schema));
        (tables, problems)
    }

    /// What of these can be used, with problems of them and what else is wrong with them. That ends the run or, in a lenient one, is told as
    /// findings: a rule about a column that is not there cannot be evaluated, and the others can.
    ///
    /// # Errors
    /// Every problem.
    pub(crate) fn accept(
        &self,
        source: &SourceConfig,
        (mut tables, mut problems): (Vec<TableRules>, Problems),
        (catalogue, default_schema): (&Catalogue, Option<&str>),
    ) -> Result<(Vec<TableRules>, Vec<Finding>), Ended> {
        problems.append(self.validate(source, &tables, catalogue, default_schema));
        if !self.manner.lenient {
            let accepted = problems.into_result((tables, Vec::new()));
            return accepted.map_err(|problems| Ended::Problems(problems, Problems::default()));
        }
        for rules in &mut tables {
            let Ok(table) = resolve_table(rules, catalogue, default_schema) else { continue };
            let schema = table.arrow_schema(table.columns.iter().map(|column| column.name.as_str()));
            rules.rules.retain(|rule| !is_denied(source, rule, &schema));
        }
        let findings = problems.in_order().into_iter().map(|problem| unfit(&source.name, problem)).collect();
        Ok((tables, findings))
    }

    /// Everything that rule files say of this source, held against its catalogue and its settings.
    pub(crate) fn validate(
        &self,
        source: &SourceConfig,
        tables: &[TableRules],
        catalogue: &Catalogue,
        default_schema: Option<&str>,
    ) -> Problems {
        let mut problems = Problems::default();
        for rules in tables {
            problems.append(check_catalogue(rules, catalogue, default_schema));
            let Ok(table) = resolve_table(rules, catalogue, default_schema) else { continue };
            let schema = table.arrow_schema(table.columns.iter().map(|column| column.name.as_str()));
            let Ok(names) = Names::of_table(&schema) else { continue };
            for rule in &rules.rules {
                if is_denied(source, rule, &schema) {
                    let what = format!("`sql` rules may not run on the source `{}`", source.name);
                    let problem = Problem::new(what, &rule.place);
                    problems.push(problem.help("whoever answers for the database writes `sql: allow` at the source"));
                }
                for expression in rule.kind.placed_expression().into_iter().chain(&rule.filter) {
                    if let Err(mut wrong) = check_expression(&expression.value, &names) {
                        if wrong.why == NotEvaluated::ColumnMissing {
                            wrong.what = format!("{} in {}", wrong.what, table.name);
                        }
                        problems.push(wrong.placed(expression));
                    }
                }
            }
        }
        problems
    }
}

/// Whether it is a rule in SQL, and the source has none.
fn is_denied(source: &SourceConfig, rule: &Rule, schema: &Schema) -> bool {
    source.sql.value == SqlRules::Deny && matches!(rule.kind.plan(schema), Ok(Plan::Sql { .. }))
}

/// What is wrong with a rule file, of which everything else is checked.
fn unfit(source: &SourceName, problem: &Problem) -> Finding {
    Finding {
        id: "rules_do_not_fit".to_owned(),
        source: source.clone(),
        table: None,
        column: None,
        what: problem.to_string(),
        remedy: "correct the rule file".to_owned(),
    }
}

/// A source's part of a report.
pub(crate) struct SourceReport<'a> {
    pub(crate) report: &'a mut Report,
    pub(crate) name: &'a SourceName,
}

impl SourceReport<'_> {
    /// Where the source is and what reading it has cost.
    pub(crate) fn used(&mut self, reader: &Reader, tables: u64, server_blocks: Option<u64>) {
        let facts = reader.facts();
        let (usage, courtesy) = (reader.usage(), reader.courtesy());
        let database = match facts.dialect {
            Dialect::Postgres => format!("PostgreSQL {}", facts.version),
            Dialect::MySql => format!("MariaDB {}", facts.version),
            Dialect::Sqlite => format!("SQLite {}", facts.version),
            Dialect::Files => "files".to_owned(),
        };
        let summary = SourceSummary {
            name: self.name.clone(),
            database,
            address: facts.address.clone(),
            tables,
            rows_read: usage.rows,
            statements: usage.statements,
            statement_seconds: usage.time.as_secs_f64(),
            blocks: (facts.dialect == Dialect::Postgres).then_some(usage.blocks),
            server_blocks,
            courtesy: CourtesySummary {
                gave_way: courtesy.gave_way,
                lock_timeouts: usage.lock_timeouts,
                imposed_wait_seconds: courtesy.imposed.as_secs_f64(),
                watchdog_lag_seconds: courtesy.lag.as_secs_f64(),
            },
        };
        match self.report.sources.iter_mut().find(|source| source.name == *self.name) {
            Some(before) => {
                before.rows_read += summary.rows_read;
                before.statements += summary.statements;
                before.statement_seconds += summary.statement_seconds;
                before.blocks = before.blocks.zip(summary.blocks).map(|(one, other)| one + other);
                before.server_blocks = before.server_blocks.zip(summary.server_blocks).map(|(one, other)| one + other);
                let (before, more) = (&mut before.courtesy, summary.courtesy);
                before.gave_way += more.gave_way;
                before.lock_timeouts += more.lock_timeouts;
                before.imposed_wait_seconds += more.imposed_wait_seconds;
                before.watchdog_lag_seconds = before.watchdog_lag_seconds.max(more.watchdog_lag_seconds);
            }
            None => self.report.sources.push(summary),
        }
    }

    /// The state folder could not be read or written: what was found is told all the same.
    pub(crate) fn state_failed(&mut self, what: String) {
        let source = Some(self.name.clone());
        self.report.errors.push(ErrorSummary { source, table: None, what, remedy: None, nature: None });
    }

    /// What a check gave.
    pub(crate) fn checked(&mut self, checked: &Checked) {
        self.report.outcomes.extend(checked.outcomes.iter().cloned());
        self.report.notes.extend(checked.notes.iter().cloned());
        for (table, reading) in &checked.readings {
            self.report.samples.extend(reading.strata.iter().map(|design| {
                let (method, blocks) = match design.method {
                    Method::AllRows => ("all rows", None),
                    Method::IndependentRows => ("random keys", None),
                    Method::Blocks { .. } => ("blocks", Some(design.units_drawn)),
                };
                SampleSummary {
                    source: self.name.clone(),
                    table: table.clone(),
                    stratum: design.stratum.clone(),
                    method: method.to_owned(),
                    population: Some(design.population.rows().round() as u64),
                    population_exact: matches!(design.population, Population::Exact { .. }),
                    rows: design.rows_kept,
                    blocks,
                }
            }));
        }
    }

    /// Something that could not be done.
    pub(crate) fn failed(&mut self, table: Option<&TableName>, error: &Error) {
        let remedy = match error.recovery() {
            Recovery::Operator(remedy) => remedy,
            Recovery::Retry => "try again",
            Recovery::Bug => "please report this",
        };
        self.report.errors.push(ErrorSummary {
            source: Some(self.name.clone()),
            table: table.cloned(),
            what: error.to_string(),
            remedy: Some(remedy.to_owned()),
            nature: Some(error.nature()),
        });
    }
}

/// The tables that rules are about and those that they refer to.
pub(crate) fn tables_read<'c>(
    catalogue: &'c Catalogue,
    tables: &[TableRules],
    default_schema: Option<&str>,
) -> Vec<&'c Table> {
    let mut read: Vec<&Table> = Vec::new();
    for rules in tables {
        let Ok(table) = resolve_table(rules, catalogue, default_schema) else { continue };
        let schema = table.arrow_schema(table.columns.iter().map(|column| column.name.as_str()));
        let referred = rules.rules.iter().filter_map(|rule| match rule.kind.plan(&schema) {
            Ok(Plan::References { to_schema, to_table, .. }) => {
                let schema = to_schema.unwrap_or_else(|| table.name.schema.clone());
                catalogue.table(&TableName::new(schema, to_table))
            }
            _ => None,
        });
        for table in std::iter::once(table).chain(referred) {
            if !read.iter().any(|own| own.name == table.name) {
                read.push(table);
            }
        }
    }
    read
}

/// Tables that rules are about or refer to, and of which the role sees nothing: where the catalogue leaves such out.
pub(crate) fn tables_hidden(
    catalogue: &Catalogue,
    tables: &[TableRules],
    default_schema: Option<&str>,
) -> BTreeSet<TableName> {
    let mut hidden = BTreeSet::new();
    for rules in tables.iter().filter(|_| catalogue.hides_unreadable) {
        let Ok(table) = resolve_table(rules, catalogue, default_schema) else {
            let schema = rules.schema.as_deref().or(default_schema);
            hidden.extend(schema.map(|schema| TableName::new(schema, rules.table.as_str())));
            continue;
        };
        let schema = table.arrow_schema(table.columns.iter().map(|column| column.name.as_str()));
        for rule in &rules.rules {
            let Ok(Plan::References { to_schema, to_table, .. }) = rule.kind.plan(&schema) else { continue };
            let name = TableName::new(to_schema.unwrap_or_else(|| table.name.schema.clone()), to_table);
            if catalogue.table(&name).is_none() {
                hidden.insert(name);
            }
        }
    }
    hidden
}

/// A check in a few numbers.
fn last_check(outcomes: &[Outcome], time: DateTime<Utc>) -> LastCheck {
    let how_many = |status| words::how_many(outcomes.iter().filter(|outcome| outcome.status == status));
    let known = words::how_many(outcomes.iter().filter(|outcome| outcome.is_known()));
    LastCheck {
        time,
        passed: how_many(Status::Passed),
        failed: how_many(Status::Failed).saturating_sub(known),
        known,
        inconclusive: how_many(Status::Inconclusive),
        not_evaluated: how_many(Status::NotEvaluated),
    }
}

/// Sources that `--source` leaves.
///
/// # Errors
/// A name that the configuration lacks.
pub(crate) fn with_sources(mut config: Config, common: &Common) -> Result<Config, Ended> {
    for given in &common.source {
        if !config.sources.iter().any(|source| source.name.as_str() == given) {
            let near = fieldmark_document::nearest(given, config.sources.iter().map(|source| source.name.as_str()));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let why = format!("the configuration has no source `{given}`{near}");
            return Err(Ended::Because(crate::cli::USAGE, why));
        }
    }
    if !common.source.is_empty() {
        let is_chosen = |source: &SourceConfig| common.source.iter().any(|given| given == source.name.as_str());
        let (chosen, others) = config.sources.into_iter().partition(is_chosen);
        (config.sources, config.beside) = (chosen, others);
    }
    Ok(config)
}
