//! `init`: a configuration and proposed rules for a database that Fieldmark does not know yet.
//!
//! Each table is read as a check would read it (a sample, all rows where they are few), every column of it. What that looks like is the
//! business of [`fieldmark_profile`]; here every proposal is then tried as a rule of the real check, and only what holds is written as a
//! rule. What does not hold is written as a comment that says what was found: it may be the first thing worth knowing.

mod document;
mod place;
mod survey;

use crate::cli::{Common, Init, Output, USAGE};
use crate::command::{Ended, Manner, Session, no_report, with_sources};
use crate::config::{self, Config, Environment, SourceConfig};
use crate::report::terminal::{self, PLAIN, span};
use crate::report::words::{count, plural};
use crate::signals::Signals;
use crate::state::{SourceState, StateFolder};
use document::Document;
use fieldmark_engine::language::{parse_rule_files, resolve_table};
use fieldmark_engine::rule::TableRules;
use fieldmark_model::Table;
use fieldmark_source::Error;
use place::{Place, Written};
use serde_json::json;
use survey::Survey;

/// What is said besides the documents.
#[derive(Default)]
struct Notes {
    told: Vec<String>,
    /// Whether one of them is about something that could not be read.
    unread: bool,
}

impl Notes {
    fn unread(&mut self, note: String) {
        self.told.push(note);
        self.unread = true;
    }
}

/// Looks at a database, writes what it proposes, says what that is.
///
/// # Errors
/// What is in the way; nothing has been written then.
pub async fn run(common: &Common, arguments: &Init, signals: &Signals) -> Result<u8, Ended> {
    no_report("init", common)?;
    let place = Place::of(common, arguments)?;
    let (config, rules) = read(&place, common)?;
    let place = place.with_rules_by(&config.rules.value);
    let state = tempfile::tempdir().map_err(|error| Ended::Because(2, format!("no temporary folder: {error}")))?;
    let manner = Manner { duty: arguments.duty, enlarge: true, routine: false, lenient: false };
    let folder = StateFolder::open(state.path())?;
    let session = Session::of((config, rules), folder, common, signals, manner)?;
    let mut documents = Vec::new();
    let mut notes = Notes::default();
    for source in &session.config.sources {
        match look(&session, source, arguments.force, &mut notes).await {
            Ok(found) => documents.extend(found),
            Err(Error::Cancelled) => return Err(Ended::Interrupted),
            Err(error) => return Err(Ended::Because(2, format!("{}: {error}", source.name))),
        }
    }
    document::name_files(&mut documents);
    if let Some(given) = common.table.iter().find(|_| documents.is_empty() && notes.told.is_empty()) {
        return Err(Ended::Because(USAGE, format!("no source has a table `{given}`, or none that has no rules yet")));
    }
    let written = place.write(&documents, arguments.force)?;
    match common.output {
        Output::Json => outln!("{:#}", as_json(&place, &documents, &written, &notes.told)),
        Output::Terminal | Output::Html | Output::Markdown | Output::Junit => {
            if !common.quiet {
                out!("{}", told(&place, &documents, &written, &notes.told));
            }
        }
    }
    // the person has to know of it, whoever reads the rest
    if let Some(variable) = place.to_set.as_ref().filter(|_| common.quiet || common.output == Output::Json) {
        eprintln!("fieldmark: set {variable} to the address: it has a password, which is written nowhere");
    }
    // nothing could be read: that is no good look at a database
    Ok(if documents.is_empty() && notes.unread { 2 } else { 0 })
}

/// The configuration: the one that is there, or the one that will be; and the rules that there are.
fn read(place: &Place, common: &Common) -> Result<(Config, Vec<TableRules>), Ended> {
    let reading = match &place.text {
        Some(text) => {
            let environment = place.environment();
            config::read(&place.name(), text, place.folder(), &environment, &common.overrides())
        }
        None => config::load(common.config.as_deref(), &Environment::of_process(), &common.overrides()),
    };
    // that no file matches yet is no reason to warn
    let failed = |problems| Ended::Problems(problems, Default::default());
    let read = config::Reading { warnings: Default::default(), ..reading }.into_result();
    let (config, files) = read.map_err(|problems| match (&place.text, problems.iter().next()) {
        // a file that is not there has no lines
        (Some(_), Some(problem)) => {
            let allowed = problem.allowed.as_ref().map(|allowed| format!("; allowed: {allowed}")).unwrap_or_default();
            let help = problem.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            Ended::Because(USAGE, format!("{}{allowed}{help}", problem.what))
        }
        (_, _) => failed(problems),
    })?;
    let rules = parse_rule_files(&files.for_parser()).map_err(failed)?;
    Ok((with_sources(config, common)?, rules))
}

/// All tables of a source that can be looked at, each with its proposals.
async fn look(
    session: &Session,
    source: &SourceConfig,
    force: bool,
    notes: &mut Notes,
) -> Result<Vec<Document>, Error> {
    let mut reader = session.connect(source, &SourceState::default()).await?;
    let catalogue = reader.catalogue().await?;
    let checks = reader.checks().await?;
    let default_schema = reader.facts().default_schema.clone();
    let wanted = |table: &&Table| session.selection.may_mean(&source.name, &table.name);
    let mut tables: Vec<&Table> =
        catalogue.tables.iter().filter(|table| table.kind.is_stored()).filter(wanted).collect();
    let own = session.rules_of(&source.name);
    tables.retain(|table| {
        let has_rules = !force
            && own.iter().any(|rules| match resolve_table(rules, &catalogue, default_schema.as_deref()) {
                Ok(found) => found.name == table.name,
                Err(_) => rules.pattern.is_any() && rules.may_mean(&table.name, default_schema.as_deref()),
            });
        if has_rules {
            notes.told.push(format!("{} {} has rules already, and was left as it is", source.name, table.name));
        }
        !has_rules
    });
    if tables.is_empty() && own.is_empty() && !session.selection.some_tables() {
        notes
            .unread(format!("{}: no table to look at; does the role see any, and are its schemas right?", source.name));
    }
    let mut documents = Vec::new();
    for table in tables {
        let mut survey = Survey { session, source, reader: &mut reader, catalogue: &catalogue, checks: &checks };
        match survey.table(table, default_schema.as_deref()).await {
            Ok(Ok(document)) => documents.push(document),
            Ok(Err(why)) => notes.unread(format!("{} {} could not be read: {why}", source.name, table.name)),
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => notes.unread(format!("{} {}: {error}", source.name, table.name)),
        }
    }
    Ok(documents)
}

fn told(place: &Place, documents: &[Document], written: &Written, notes: &[String]) -> String {
    let is_written = |document: &&Document| written.files.contains(&place.of_file(&document.file));
    let new = || documents.iter().filter(is_written);
    let rules: usize = new().map(Document::rules).sum();
    let failed = new().flat_map(|document| &document.left_out).any(|left_out| left_out.failed);
    let mut page = terminal::page();
    let mut says = |text: String| page.paragraph(0, 0, &[span(text, PLAIN)]);
    let tables = plural(documents.len() as u64, "table");
    says(if new().next().is_none() {
        format!("{tables} looked at; no rule file was written.")
    } else {
        format!("{tables} looked at, {} proposed; each of them held when it was tried.", plural(rules as u64, "rule"))
    });
    page.gap();
    for path in &written.files {
        let document = documents.iter().find(|document| place.of_file(&document.file) == *path);
        let facts = document.map(|document| {
            let (failed, untold): (Vec<_>, Vec<_>) = document.left_out.iter().partition(|own| own.failed);
            let some = |left_out: Vec<_>, what: &str| match left_out.len() {
                0 => String::new(),
                n => format!(", {} {what}", count(n as u64)),
            };
            format!(
                "{} from {}{}{}",
                plural(document.rules() as u64, "rule"),
                document.read,
                some(failed, "that almost hold left in comments"),
                some(untold, "that could not be told left in comments")
            )
        });
        let path = format!("  {}", path.display());
        let at = path.chars().count() + 2;
        page.hang(&[span(path, PLAIN)], at, 4, &[span(facts.unwrap_or_default(), PLAIN)]);
    }
    for note in notes.iter().chain(&written.notes) {
        page.paragraph(2, 4, &[span(format!("! {note}"), PLAIN)]);
    }
    if new().next().is_some() {
        page.gap();
        let what = "What they say of your data is a guess, with its evidence above each rule: read it, and correct it.";
        page.paragraph(0, 0, &[span(what, PLAIN)]);
    }
    if failed {
        let what = "Look at the comments first: what almost holds is where a fault may be.";
        page.paragraph(0, 0, &[span(what, PLAIN)]);
    }
    if let Some(variable) = &place.to_set {
        let what = format!(
            "The address has a password, which is written nowhere: set {variable} to it before the next command."
        );
        page.paragraph(0, 0, &[span(what, PLAIN)]);
    }
    let next = if documents.is_empty() { "doctor" } else { "check" };
    page.paragraph(0, 0, &[span(format!("Then: fieldmark {next}"), PLAIN)]);
    page.finish()
}

fn as_json(place: &Place, documents: &[Document], written: &Written, notes: &[String]) -> serde_json::Value {
    let tables: Vec<serde_json::Value> = documents
        .iter()
        .map(|document| {
            json!({
                "source": document.source.as_str(),
                "table": document.table.to_string(),
                "file": place.of_file(&document.file).display().to_string(),
                "rules": document.rules(),
                "left_out": document.left_out.len(),
            })
        })
        .collect();
    let files: Vec<String> = written.files.iter().map(|path| path.display().to_string()).collect();
    let notes: Vec<&String> = notes.iter().chain(&written.notes).collect();
    json!({ "version": 1, "files": files, "tables": tables, "notes": notes })
}
