//! A shadow: a database without rows, like that of a source, in which a migration's statements are analysed. Never the source itself.
//!
//! It is a scratch database on a server that `shadow_url` names, or a private server made from the programs on this machine, which listens
//! on a socket in its own folder. Statements that change what there is are run, in order; those that write rows are not: they stand in a
//! function's body (`BEGIN ATOMIC`) for as long as it takes to read how the server understands them. All of it is rolled back, and the shadow
//! removed.

mod private;
mod scratch;

use fieldmark_lineage::sql::script::{Does, Statement};
use fieldmark_lineage::tree::{self, Relations};
use fieldmark_source::Made;
use private::Private;
pub(crate) use private::major_of;
use scratch::Scratch;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use std::time::Duration;

/// How long one statement may take on a shadow, which has no rows.
const LONGEST: Duration = Duration::from_secs(10);
/// How long all of them may.
const ALL: Duration = Duration::from_secs(300);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ShadowError {
    #[error(
        "no server programs of PostgreSQL (initdb, postgres) and no setpriv are on this machine: install them, or name a scratch server as `shadow_url`"
    )]
    NoPrograms,
    #[error("a private server could not be started: {0}")]
    NotStarted(String),
    #[error("the shadow's server {address}: {why}")]
    Server { address: String, why: String },
    #[error(
        "`shadow_url` names the server of the source itself ({address}): what is tried there would be tried in production"
    )]
    IsSource { address: String },
    #[error("the shadow could not be made: {0}")]
    Io(#[from] std::io::Error),
    #[error("the shadow took longer than {} s", ALL.as_secs())]
    Slow,
}

/// What went wrong, without the server's words, which may have a literal in them.
fn plain(error: &sqlx::Error) -> String {
    if let sqlx::Error::Database(error) = error {
        return format!("SQLSTATE {}", error.code().unwrap_or_default());
    }
    if let sqlx::Error::Io(error) = error {
        return error.kind().to_string();
    }
    let kind = format!("{error:?}");
    kind.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}

/// What came of the statements on a shadow.
#[derive(Debug, Default)]
pub(crate) struct Analysed {
    /// Of each statement what it reads and writes, where the server has analysed it.
    pub(crate) resolved: Vec<Option<tree::Resolved>>,
    /// Statements that could not be run or analysed, by their place in the list, and why.
    pub(crate) refused: Vec<(usize, String)>,
    /// What of the source could not be made anew.
    pub(crate) left_out: Vec<(String, String)>,
}

enum Home {
    Scratch(Box<Scratch>),
    Private(Private),
}

/// A database in which statements can be tried.
pub(crate) struct Shadow {
    home: Home,
    connection: PgConnection,
}

impl Shadow {
    /// Makes one: on the server of a url, or a private one, of this major version where there is a choice. `cluster` is the source's, where it
    /// says which it is.
    ///
    /// # Errors
    /// It cannot be made, or the server is the source's own.
    pub(crate) async fn make(
        url: Option<&str>,
        major: Option<u32>,
        cluster: Option<&str>,
    ) -> Result<Self, ShadowError> {
        let (home, connection) = match url {
            Some(url) => {
                let (scratch, connection) = Scratch::make(url, cluster).await?;
                (Home::Scratch(Box::new(scratch)), connection)
            }
            None => {
                let (private, connection) = Private::start(major).await?;
                (Home::Private(private), connection)
            }
        };
        Ok(Self { home, connection })
    }

    /// What it is, in words.
    pub(crate) fn words(&self) -> String {
        match &self.home {
            Home::Scratch(scratch) => format!("a scratch database on {}", scratch.address()),
            Home::Private(private) => format!("a private server of PostgreSQL {}", private.major),
        }
    }

    /// Its major version.
    pub(crate) fn major(&self) -> u32 {
        match &self.home {
            Home::Scratch(scratch) => scratch.major,
            Home::Private(private) => private.major,
        }
    }

    /// Makes what the source has, and analyses the statements in order.
    ///
    /// # Errors
    /// The server went away, or it took too long.
    pub(crate) async fn analyse(
        &mut self,
        outline: &[Made],
        search_path: &[String],
        statements: &[Statement],
    ) -> Result<Analysed, ShadowError> {
        let address = self.words();
        let gone = |error: sqlx::Error| ShadowError::Server { address: address.clone(), why: plain(&error) };
        let work = async {
            let left_out = build(&mut self.connection, outline).await?;
            let (resolved, refused) = run(&mut self.connection, search_path, statements).await?;
            Ok::<_, sqlx::Error>(Analysed { resolved, refused, left_out })
        };
        tokio::time::timeout(ALL, work).await.map_err(|_| ShadowError::Slow)?.map_err(gone)
    }

    /// Removes it.
    pub(crate) async fn end(self) {
        let Self { home, connection } = self;
        match home {
            Home::Scratch(scratch) => scratch.end(connection).await,
            // its server goes with it
            Home::Private(_) => {}
        }
    }
}

async fn simple(connection: &mut PgConnection, sql: String) -> Result<Vec<sqlx::postgres::PgRow>, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await
}

/// Whether the connection is as good as before.
fn is_refusal(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_))
}

/// Makes all that can be made: what needs something that is made later is tried again.
async fn build(connection: &mut PgConnection, outline: &[Made]) -> Result<Vec<(String, String)>, sqlx::Error> {
    let settings = format!(
        "SET statement_timeout = {}; SET check_function_bodies = off; SET search_path = ''; SET client_min_messages = error; \
         SET synchronous_commit = off; SET default_transaction_read_only = off",
        LONGEST.as_millis()
    );
    simple(connection, settings).await?;
    let mut left: Vec<(&Made, String)> = outline.iter().map(|made| (made, String::new())).collect();
    loop {
        let before = left.len();
        let mut again = Vec::new();
        for (made, _) in left {
            match simple(connection, made.statement.clone()).await {
                Ok(_) => {}
                Err(error) if is_refusal(&error) => again.push((made, plain(&error))),
                Err(error) => return Err(error),
            }
        }
        left = again;
        if left.is_empty() || left.len() == before {
            return Ok(left.into_iter().map(|(made, why)| (made.what.clone(), why)).collect());
        }
    }
}

type Ran = (Vec<Option<tree::Resolved>>, Vec<(usize, String)>);

/// Runs and analyses the statements, in a transaction that is rolled back.
async fn run(
    connection: &mut PgConnection,
    search_path: &[String],
    statements: &[Statement],
) -> Result<Ran, sqlx::Error> {
    let path = if search_path.is_empty() {
        "''".to_owned()
    } else {
        let quoted = search_path.iter().map(|schema| fieldmark_model::name::quote_identifier(schema));
        quoted.collect::<Vec<_>>().join(", ")
    };
    simple(connection, format!("BEGIN; SET LOCAL search_path = {path}")).await?;
    let mut relations: Option<Relations> = None;
    let (mut resolved, mut refused) = (Vec::new(), Vec::new());
    for (at, statement) in statements.iter().enumerate() {
        let answer = match statement.does {
            Does::Other | Does::Runs => Ok(None),
            Does::Shapes | Does::Fills => {
                relations = None;
                let text =
                    if statement.does == Does::Fills { unfilled(&statement.text) } else { statement.text.clone() };
                shaped(connection, text).await.map(|()| None)
            }
            Does::Writes => match understood(connection, &statement.text).await {
                Ok(Some(text)) => {
                    let known = match relations.take() {
                        Some(known) => known,
                        None => known(connection).await?,
                    };
                    let own = tree::resolve(&text, &known, "", None);
                    relations = Some(known);
                    Ok(Some(own))
                }
                other => other.map(|_| None),
            },
        };
        match answer {
            // a node that is not known is no answer
            Ok(Some(own)) if !own.unresolved.is_empty() => {
                refused.push((at, "the server's tree has something in it that is not known".to_owned()));
                resolved.push(None);
            }
            Ok(own) => resolved.push(own),
            Err(error) if is_refusal(&error) => {
                refused.push((at, plain(&error)));
                resolved.push(None);
            }
            Err(error) => return Err(error),
        }
    }
    simple(connection, "ROLLBACK".to_owned()).await?;
    Ok((resolved, refused))
}

/// Runs a statement, or leaves no trace of it.
async fn shaped(connection: &mut PgConnection, text: String) -> Result<(), sqlx::Error> {
    // by itself: a text that cannot be read is refused with all that is sent with it
    simple(connection, SAVE.to_owned()).await?;
    let ran = simple(connection, text).await;
    match &ran {
        Ok(_) => simple(connection, KEEP.to_owned()).await?,
        Err(error) if is_refusal(error) => simple(connection, format!("{UNDO}; {KEEP}")).await?,
        Err(_) => Vec::new(),
    };
    ran.map(|_| ())
}

const SAVE: &str = "SAVEPOINT fieldmark";
const KEEP: &str = "RELEASE SAVEPOINT fieldmark";
const UNDO: &str = "ROLLBACK TO SAVEPOINT fieldmark";

/// A statement that makes a table of a query, without its rows.
fn unfilled(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is = |word: Option<&&str>, what: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(what));
    let last = |from_the_end: usize| words.len().checked_sub(from_the_end).and_then(|at| words.get(at));
    if !is(last(1), "data") {
        return format!("{text}\nWITH NO DATA");
    }
    if is(last(2), "no") && is(last(3), "with") {
        return text.to_owned();
    }
    // WITH DATA
    let end = if is(last(2), "with") { last(2) } else { None };
    let at = end.and_then(|with| text.rfind(with)).unwrap_or(text.len());
    format!("{}\nWITH NO DATA", text.get(..at).unwrap_or(text))
}

/// How the server understands a statement: its tree. Nothing is run.
async fn understood(connection: &mut PgConnection, text: &str) -> Result<Option<String>, sqlx::Error> {
    let asked = format!(
        "CREATE FUNCTION pg_temp.fieldmark_statement() RETURNS void LANGUAGE sql BEGIN ATOMIC {text}\n; END; \
         SELECT p.prosqlbody::pg_catalog.text FROM pg_catalog.pg_proc p WHERE p.proname = 'fieldmark_statement' \
         AND p.pronamespace = pg_catalog.pg_my_temp_schema()"
    );
    simple(connection, SAVE.to_owned()).await?;
    let answer = simple(connection, asked).await;
    if answer.as_ref().is_ok() || answer.as_ref().err().is_some_and(is_refusal) {
        simple(connection, format!("{UNDO}; {KEEP}")).await?;
    }
    Ok(answer?.first().and_then(|row| row.try_get_unchecked(0).ok()))
}

/// The tables, views and columns that there are by now.
async fn known(connection: &mut PgConnection) -> Result<Relations, sqlx::Error> {
    let asked = "SELECT c.oid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
         (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attname)) FROM pg_catalog.pg_attribute a \
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::pg_catalog.text \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT IN ('pg_catalog', 'pg_toast')";
    let mut relations = Relations::default();
    for row in simple(connection, asked.to_owned()).await? {
        let text = |at: usize| row.try_get_unchecked::<Option<String>, _>(at).ok().flatten();
        let (Some(oid), Some(schema), Some(name)) = (text(0).and_then(|oid| oid.parse().ok()), text(1), text(2)) else {
            continue;
        };
        let columns =
            text(3).and_then(|json| serde_json::from_str::<Vec<(i64, String)>>(&json).ok()).unwrap_or_default();
        // a table of one session is in no schema of anybody's
        let table = if schema.starts_with("pg_temp") { name } else { format!("{schema}.{name}") };
        relations.add(oid, table, columns);
    }
    Ok(relations)
}

#[cfg(test)]
mod tests {
    use super::unfilled;

    #[test]
    fn no_table_is_filled_however_its_statement_ends() {
        let filled = |text: &str| unfilled(text).split_whitespace().collect::<Vec<_>>().join(" ");
        for text in [
            "CREATE TABLE a AS SELECT 1",
            "CREATE TABLE a AS SELECT 1 with\n data",
            "CREATE TABLE a AS SELECT 1 WITH NO DATA",
        ] {
            assert_eq!(filled(text), "CREATE TABLE a AS SELECT 1 WITH NO DATA", "{text}");
        }
        assert_eq!(filled("CREATE TABLE a AS TABLE data"), "CREATE TABLE a AS TABLE data WITH NO DATA");
    }
}
