//! `test`: rules on rows that are written in files.

use super::Ended;
use super::session::with_sources;
use crate::check::RunFacts;
use crate::cli::{Common, Output, Test, USAGE};
use crate::config::{self, Environment, Style};
use crate::fixture::{self, Fixture, Prepared, Rules, Tested};
use crate::progress::Progress;
use crate::report::terminal::Look;
use crate::signals::Signals;
use crate::state::StateFolder;
use chrono::DateTime;
use fieldmark_document::Problems;
use fieldmark_engine::language::{check_sources, parse_rule_files};
use fieldmark_model::SourceName;
use fieldmark_source::Error;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

/// Nothing to test: exit code 2, so that a folder that lost its fixtures does not pass for tested.
const NO_FIXTURE: &str =
    "no fixture was found: fixtures are files `*.test.yaml` beside the rule files, or named on the command line";

pub(super) async fn run(common: &Common, arguments: &Test, signals: &Signals) -> Result<u8, Ended> {
    let (printed, file) = common.outputs();
    let forms = [Some(printed), file.map(|(_, form)| form)];
    if forms.into_iter().flatten().any(|form| matches!(form, Output::Html | Output::Markdown)) {
        let why = "html and markdown are not available for `test`; there are terminal, json and junit";
        return Err(Ended::Because(USAGE, why.to_owned()));
    }
    let (prepared, warnings) = read(common, arguments)?;
    if !warnings.is_empty() {
        let style = Style::of_standard_error(common.no_color);
        eprint!("{}", config::render(&Problems::default(), &warnings, style));
    }
    let tested = run_all(prepared, common, signals).await?;
    let code = u8::from(tested.iter().any(|tested| tested.counts().1 > 0));
    let mut unwritten = None;
    if let Some((path, form)) = file
        && let Err(error) = std::fs::write(path, rendered(&tested, form, false))
    {
        let why =
            format!("the report cannot be written to {}: {error}; name another file with --report", path.display());
        unwritten = Some(Ended::Because(if code == 0 { 2 } else { code }, why));
    }
    if !(common.quiet && code == 0 && printed == Output::Terminal) {
        let colours = Look::of(&std::io::stdout(), common.no_color).color;
        // a reader that has gone away is no failure
        std::io::stdout().lock().write_all(rendered(&tested, printed, colours).as_bytes()).ok();
    }
    unwritten.map_or(Ok(code), Err)
}

fn rendered(tested: &[Tested], form: Output, colours: bool) -> String {
    match form {
        Output::Json => fixture::to_json(tested),
        Output::Junit => fixture::to_junit(tested),
        Output::Terminal | Output::Html | Output::Markdown => fixture::to_text(tested, colours),
    }
}

/// Reads configuration, rules and fixtures, and makes the fixtures ready that are asked for; with warnings.
fn read(common: &Common, arguments: &Test) -> Result<(Vec<Prepared>, Problems), Ended> {
    let mut reading = config::load_without_addresses(common.config.as_deref(), &Environment::of_process());
    let mut problems = std::mem::take(&mut reading.problems);
    let rule_files = reading.rules.for_parser();
    let documents = match parse_rule_files(&rule_files) {
        Ok(documents) => documents,
        Err(wrong) => {
            problems.append(wrong);
            Vec::new()
        }
    };
    for file in &rule_files {
        problems.keep_source(&file.path.as_str().into(), &file.text);
    }
    if let Some(config) = &reading.config {
        let names: Vec<SourceName> = config.sources.iter().map(|source| source.name.clone()).collect();
        problems.append(check_sources(&documents, &names));
    }
    let paths: BTreeSet<PathBuf> = if arguments.files.is_empty() {
        reading.rules.fixtures(&mut problems).into_iter().collect()
    } else {
        arguments.files.iter().cloned().collect()
    };
    // fixtures are held against rules that are in order, and only read where they are not
    let config = reading.config.filter(|_| problems.is_empty());
    let mut fixtures: Vec<Fixture> = Vec::new();
    for path in &paths {
        fixtures.extend(fixture::read_file(path, &mut problems));
    }
    let Some(config) = config else { return Err(Ended::Problems(problems, reading.warnings)) };
    if fixtures.is_empty() && problems.is_empty() {
        return Err(Ended::Because(2, NO_FIXTURE.to_owned()));
    }
    let sources = config.sources.clone();
    with_sources(config, common)?;
    let rules = Rules { documents: &documents, sources: &sources, only: &common.rule };
    let mut prepared = Vec::new();
    for fixture in fixtures.into_iter().filter(|fixture| is_asked_for(fixture, common)) {
        prepared.extend(fixture::prepare(fixture, &rules, &mut problems));
    }
    if !problems.is_empty() {
        return Err(Ended::Problems(problems, reading.warnings));
    }
    if prepared.is_empty() {
        let why = "no fixture tests what --source, --table and --rule name";
        return Err(Ended::Because(2, why.to_owned()));
    }
    Ok((prepared, reading.warnings))
}

/// Whether `--source` and `--table` leave a fixture.
fn is_asked_for(fixture: &Fixture, common: &Common) -> bool {
    let (source, table) = (&fixture.source, &fixture.table);
    let mut names = vec![table.clone(), format!("{source}.{table}")];
    if let Some(schema) = &fixture.schema {
        names.push(format!("{schema}.{table}"));
        names.push(format!("{source}.{schema}.{table}"));
    }
    (common.source.is_empty() || common.source.iter().any(|given| given == source.as_str()))
        && (common.table.is_empty() || common.table.iter().any(|given| names.contains(given)))
}

async fn run_all(prepared: Vec<Prepared>, common: &Common, signals: &Signals) -> Result<Vec<Tested>, Ended> {
    // for what does not fit into memory, and gone when all is done
    let folder = tempfile::tempdir().map_err(|error| {
        Ended::Because(2, format!("no folder can be made in {}: {error}", std::env::temp_dir().display()))
    })?;
    let facts = RunFacts {
        now: DateTime::UNIX_EPOCH,
        seed: common.seed.unwrap_or(0),
        state_folder: folder.path().to_owned(),
        digest_key: StateFolder::open(folder.path())?.digest_key()?,
    };
    let progress = Progress::new(common.quiet);
    let mut tested = Vec::new();
    for prepared in prepared {
        match fixture::run(prepared, &facts, &progress, signals.token()).await {
            Ok(one) => tested.push(one),
            Err(Error::Cancelled) => return Err(Ended::Interrupted),
            Err(error) => return Err(Ended::Because(2, error.to_string())),
        }
    }
    Ok(tested)
}
