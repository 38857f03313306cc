//! `doctor`: connection, server and privileges, held against what Fieldmark needs and against what it should not have.
//!
//! What is missing is told with the statement that gives it, what is too much with the one that takes it. A role that could write is a
//! finding, though every transaction of ours is read-only: a daemon beside a production database is to be unable, not only unwilling.

mod privileges;
mod remedy;

use crate::cli::{Common, Doctor};
use crate::command::{Ended, Manner, Session, SourceReport, begin, deliver, tables_hidden, tables_read};
use crate::config::SourceConfig;
use crate::reader::Reader;
use crate::signals::Signals;
use fieldmark_document::Problems;
use fieldmark_model::{Catalogue, TableName};
use fieldmark_source::{Error, Privileges, grants, script};
use privileges::{Allowed, examine};

const POOLED: &str = "connected through a pooler: settings end with each transaction, so nobody inherits one; the watchdog needs \
                      a second connection of the pool, and without one reads are cut to 50 ms";

/// What is known of a source.
struct Seen {
    reader: Reader,
    catalogue: Catalogue,
    privileges: Option<Privileges>,
}

/// Examines every source.
///
/// # Errors
/// Configuration or rules are wrong; interrupted.
pub async fn run(common: &Common, arguments: &Doctor, signals: &Signals) -> Result<u8, Ended> {
    let session = Session::open(common, signals, Manner { duty: 1.0, enlarge: false, routine: false, lenient: false })?;
    let mut report = begin("doctor", common, &session.run);
    report.findings_fail = true;
    let allowed = Allowed { superuser: arguments.allow_superuser, writes: arguments.allow_writes };
    let mut sql = String::new();
    let mut problems = Problems::default();
    for source in &session.config.sources {
        let seen = match look(&session, source).await {
            Ok(seen) => seen,
            Err(Error::Cancelled) => return Err(Ended::Interrupted),
            Err(error) => {
                SourceReport { report: &mut report, name: &source.name }.failed(None, &error);
                continue;
            }
        };
        let default_schema = seen.reader.facts().default_schema.clone();
        let (tables, of_patterns) = session.tables_of(&source.name, &seen.catalogue, default_schema.as_deref());
        problems.append(of_patterns);
        problems.append(session.validate(source, &tables, &seen.catalogue, default_schema.as_deref()));
        let mut of_source = SourceReport { report: &mut report, name: &source.name };
        of_source.used(&seen.reader, tables.len() as u64, None);
        let Some(privileges) = &seen.privileges else {
            report.notes.push(format!("{}: a file has no roles; it is opened read-only", source.name));
            continue;
        };
        let hidden = tables_hidden(&seen.catalogue, &tables, default_schema.as_deref());
        let read: Vec<&TableName> = if tables.is_empty() {
            privileges.tables.iter().filter(|table| table.part_of.is_none()).map(|table| &table.name).collect()
        } else {
            let mut read = named(&seen.catalogue, &tables, default_schema.as_deref(), privileges);
            read.extend(hidden.iter());
            read
        };
        let role = match arguments.grants.as_deref() {
            None | Some("") => &privileges.role,
            Some(role) => role,
        };
        let dialect = seen.reader.facts().dialect;
        let needed = grants(dialect, role, privileges, &read);
        sql.push_str(&format!("-- {} ({})\n{}", source.name, seen.reader.facts().address, script(&needed)));
        report.findings.extend(examine(&source.name, (dialect, privileges), &needed, allowed));
        report.notes.push(told(source, privileges, &read, tables.is_empty()));
        if seen.reader.facts().pooled {
            report.notes.push(format!("{}: {POOLED}", source.name));
        }
    }
    if arguments.grants.is_some() {
        out!("{sql}");
        for error in &report.errors {
            eprintln!("fieldmark: {}", error.what);
        }
        return Ok(if report.errors.is_empty() { 0 } else { 2 });
    }
    if !problems.is_empty() {
        problems.sort();
        return Err(Ended::Problems(problems, Problems::default()));
    }
    report.finished = chrono::Utc::now();
    deliver(&report, common)
}

async fn look(session: &Session, source: &SourceConfig) -> Result<Seen, Error> {
    let mut reader = session.connect_beside(source).await?;
    let catalogue = reader.catalogue().await?;
    let privileges = reader.privileges().await?;
    Ok(Seen { reader, catalogue, privileges })
}

/// Tables that rules are about or refer to, as far as the role sees them.
fn named<'p>(
    catalogue: &Catalogue,
    tables: &[fieldmark_engine::rule::TableRules],
    default_schema: Option<&str>,
    privileges: &'p Privileges,
) -> Vec<&'p TableName> {
    let read = tables_read(catalogue, tables, default_schema);
    let is_read = |name: &&TableName| read.iter().any(|table| table.name == **name);
    privileges.tables.iter().map(|table| &table.name).filter(is_read).collect()
}

fn told(source: &SourceConfig, privileges: &Privileges, read: &[&TableName], all: bool) -> String {
    let tables = crate::report::words::plural(read.len() as u64, "table");
    let which = if all { "of its schemas (no rule file speaks of it)" } else { "that rules are about" };
    format!("{}: connected as {}; examined for {tables} {which}", source.name, privileges.role)
}
