//! Which scripts a database has seen already: what the tables say in which tools keep it.
//!
//! A table is known by its columns, and by its name where those are common. Which tool keeps what where: `docs/guide/lineage.md`.

use super::Script;
use crate::reader::Reader;
use arrow::array::{Array as _, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use fieldmark_model::{Catalogue, Table};
use fieldmark_source::{Cursor, Error, Read};
use std::collections::BTreeSet;

/// Rows of such a table that are read, at most.
const MOST: usize = 100_000;

/// What a database says of scripts that it has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// As they are told.
    names: BTreeSet<String>,
    /// The last one alone is told: it and all before it were seen.
    last: Option<u64>,
    /// Whether any table was found.
    pub(crate) known: bool,
}

impl Applied {
    /// Those that it has not seen; what is run whenever it changes is always among them.
    pub(crate) fn pending(&self, scripts: Vec<Script>) -> Vec<Script> {
        let seen = |script: &Script| {
            let Some(version) = &script.version else { return false };
            // `V2_1__note`, which its tool calls 2.1
            if version.contains('_') && version.chars().all(|c| c.is_ascii_digit() || c == '_') {
                return self.names.contains(version) || self.names.contains(&version.replace('_', "."));
            }
            let number = number(version);
            // `0002_note`, and not `2.1`
            let digits = || {
                let before = version.split('_').next().unwrap_or_default().split('-').next().unwrap_or_default();
                if before.chars().all(|c| c.is_ascii_digit()) { before.trim_start_matches('0') } else { "" }
            };
            self.names.contains(version)
                || self.names.contains(&plain(version))
                || (!digits().is_empty() && self.names.contains(digits()))
                || number.zip(self.last).is_some_and(|(number, last)| number <= last)
        };
        scripts.into_iter().filter(|script| !seen(script)).collect()
    }

    /// Those that it has seen and had not at an earlier time, the last one first.
    pub(crate) fn since(&self, earlier: &Self, scripts: &[Script]) -> Vec<Script> {
        let pending = self.pending(scripts.to_vec());
        let mut since = earlier.pending(scripts.to_vec());
        since.retain(|script| script.version.is_some() && !pending.contains(script));
        since.reverse();
        since
    }

    fn add(&mut self, told: &str) {
        self.names.extend(names_of(told));
    }

    /// It did not go well, or was taken back.
    fn remove(&mut self, told: &str) {
        for name in names_of(told) {
            self.names.remove(&name);
        }
    }
}

/// The names by which a script is known that is told so.
fn names_of(told: &str) -> impl Iterator<Item = String> {
    let told = told.trim().to_lowercase();
    let told = told.strip_suffix(".sql").unwrap_or(&told);
    let names = [told.to_owned(), plain(told), told.trim_start_matches('0').to_owned()];
    names.into_iter().filter(|name| !name.is_empty())
}

/// The digits that a name begins with.
fn number(version: &str) -> Option<u64> {
    let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..end)?.parse().ok()
}

/// Of a name that begins with a date in parts (`2020-01-02-030405_name`), its digits.
fn plain(version: &str) -> String {
    let before = version.split('_').next().unwrap_or(version);
    if before.contains('-') { before.replace('-', "") } else { version.to_owned() }
}

/// A table that says what was run.
#[derive(Debug, PartialEq, Eq)]
struct Says<'t> {
    /// The column that says it.
    column: &'t str,
    /// It has the last one alone.
    last: bool,
    /// The column that says whether it went well, or was taken back: what counts for that.
    undone: Option<(&'t str, Undone)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undone {
    /// It is not true.
    Untrue,
    /// It is there.
    There,
}

impl Undone {
    fn is(self, told: Option<&str>) -> bool {
        match self {
            Self::Untrue => !told.is_some_and(|told| matches!(told, "true" | "t" | "1")),
            Self::There => told.is_some(),
        }
    }
}

fn says(table: &Table) -> Option<Says<'_>> {
    let (column, last) = says_what(table)?;
    let named = |name: &str| table.columns.iter().find(|column| column.name == name).map(|column| column.name.as_str());
    let undone = named("success").or(named("is_applied")).map(|name| (name, Undone::Untrue));
    let undone = undone.or(named("rolled_back_at").map(|name| (name, Undone::There)));
    Some(Says { column, last, undone })
}

/// The column of a table that says what was run; and whether it has the last one alone.
fn says_what(table: &Table) -> Option<(&str, bool)> {
    let has = |name: &str| table.column(name).is_some();
    let all = |names: &[&str]| names.iter().all(|name| has(name));
    let name = table.name.name.as_str();
    let own = |part: &str| name.contains(part);
    let found = match () {
        () if all(&["installed_rank", "version", "script"]) => ("version", false),
        () if all(&["version", "dirty"]) => ("version", true),
        () if all(&["version", "installed_on", "checksum"]) => ("version", false),
        () if all(&["version", "applied_on", "checksum"]) => ("version", false),
        () if all(&["version_id", "is_applied"]) => ("version_id", false),
        () if all(&["migration_name", "applied_steps_count"]) => ("migration_name", false),
        () if all(&["version", "executed_at", "applied", "total"]) => ("version", false),
        () if all(&["change_id", "script_hash", "change"]) => ("change", false),
        () if all(&["version", "migration_name", "breakpoint"]) => ("version", false),
        () if own("diesel_schema_migrations") || own("schema_migrations") => ("version", false),
        () if own("pgmigrations") || own("knex_migrations") => ("name", false),
        () => return None,
    };
    let is_there = table.columns.iter().find(|column| column.name == found.0)?;
    Some((is_there.name.as_str(), found.1))
}

/// Reads what a database says of scripts that it has seen.
///
/// # Errors
/// As the source.
pub(crate) async fn applied(reader: &mut Reader, catalogue: &Catalogue) -> Result<Applied, Error> {
    let mut applied = Applied::default();
    for table in &catalogue.tables {
        let Some(Says { column, last, undone }) = says(table) else { continue };
        let columns: Vec<String> =
            std::iter::once(column).chain(undone.map(|(name, _)| name)).map(str::to_owned).collect();
        let read = Read::new(table, &columns);
        let (mut from, mut rows) = (Cursor::start(), 0);
        loop {
            let chunk = reader.scan(&read, &from).await?;
            rows += chunk.chunk.rows();
            let texts = |at: usize| {
                let column = chunk.chunk.batch.columns().get(at)?;
                cast(column, &DataType::Utf8).ok()
            };
            let (names, marks) = (texts(0), texts(1));
            let mark = |row: usize| {
                let marks = marks.as_ref()?.as_string_opt::<i32>()?;
                (!marks.is_null(row)).then(|| marks.value(row))
            };
            for (row, text) in names.iter().flat_map(|texts| texts.as_string::<i32>().iter()).enumerate() {
                let Some(text) = text else { continue };
                match undone {
                    Some((_, undone)) if undone.is(mark(row)) => applied.remove(text),
                    _ if last => applied.last = applied.last.max(number(text)),
                    _ => applied.add(text),
                }
            }
            match chunk.next {
                Some(next) if rows < MOST => from = next,
                _ => break,
            }
        }
        applied.known = true;
    }
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(version: &str) -> Script {
        let version = Some(version.to_owned());
        Script {
            name: format!("{}.sql", version.as_deref().unwrap_or("")),
            version,
            text: String::new(),
            way_back: None,
        }
    }

    #[test]
    fn what_did_not_go_well_was_not_run() {
        assert!(Undone::Untrue.is(Some("false")) && Undone::Untrue.is(Some("0")) && !Undone::Untrue.is(Some("true")));
        assert!(Undone::There.is(Some("2026-01-01")) && !Undone::There.is(None));
        let mut applied = Applied::default();
        applied.add("0001_a");
        applied.remove("0001_a");
        assert_eq!(applied.pending(vec![script("0001_a")]).len(), 1);
    }

    #[test]
    fn a_script_is_known_by_whatever_its_tool_keeps_of_it() {
        let pending = |told: &[&str], versions: &[&str]| {
            let mut applied = Applied::default();
            told.iter().for_each(|told| applied.add(told));
            let left = applied.pending(versions.iter().map(|version| script(version)).collect());
            left.into_iter().filter_map(|script| script.version).collect::<Vec<_>>()
        };
        assert_eq!(pending(&["20200102"], &["20200102_a", "20200103_b"]), ["20200103_b"]);
        assert_eq!(pending(&["1"], &["0001_a", "0002_b", "0010_c"]), ["0002_b", "0010_c"]);
        assert_eq!(
            pending(&["20200102030405"], &["2020-01-02-030405_a", "2020-01-02-030406_b"]),
            ["2020-01-02-030406_b"]
        );
        assert_eq!(pending(&["20200102030405_users"], &["20200102030405_users", "20200103_b"]), ["20200103_b"]);
        assert_eq!(pending(&["0001_a.sql"], &["0001_a", "0002_b"]), ["0002_b"]);
        assert_eq!(pending(&["1.2"], &["1.2", "1.10"]), ["1.10"]);
        assert_eq!(pending(&["1"], &["1", "1.1", "2_1"]), ["1.1", "2_1"]);
        assert_eq!(pending(&["1", "2.1"], &["1", "1.1", "2_1"]), ["1.1"]);
        assert_eq!(pending(&["users"], &["users", "orders"]), ["orders"]);
        assert_eq!(pending(&["0"], &["0000_a", "0001_b"]), ["0000_a", "0001_b"], "goose's first row is none");
        let [mut before, mut after] = [Applied::default(), Applied::default()];
        before.add("1");
        ["1", "2", "3"].iter().for_each(|told| after.add(told));
        let since = after.since(&before, &["1_a", "2_b", "3_c", "4_d"].map(script));
        assert_eq!(since.iter().map(|script| script.name.as_str()).collect::<Vec<_>>(), ["3_c.sql", "2_b.sql"]);
        let last = Applied { last: Some(7), ..Applied::default() };
        let left = last.pending(["5_a", "7_b", "8_c"].map(script).to_vec());
        assert_eq!(left.iter().map(|script| script.name.as_str()).collect::<Vec<_>>(), ["8_c.sql"]);
    }
}
