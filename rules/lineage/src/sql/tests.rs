//! Cases are files in `corpus/`: a catalogue, statements, and what comes of them.

use super::*;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One case: `== name`, then `dialect`, `default` and `table` lines, `sql`, the statements, `gives`, and what they give.
struct Case {
    name: String,
    head: String,
    dialect: Dialect,
    default: Option<String>,
    catalogue: Catalogue,
    sql: String,
    gives: String,
}

fn cases(text: &str) -> Vec<Case> {
    let parts = text.split("\n== ").map(|part| part.strip_prefix("== ").unwrap_or(part));
    let parts = parts.filter(|part| part.contains("\nsql\n"));
    parts
        .map(|part| {
            let (head, rest) = part.split_once("\nsql\n").unwrap();
            let (sql, gives) = rest.split_once("\ngives\n").unwrap_or((rest, ""));
            let mut lines = head.lines();
            let name = lines.next().unwrap().to_owned();
            let (mut dialect, mut default, mut tables) = (Dialect::Postgres, None, Vec::new());
            for line in lines {
                let mut words = line.split_whitespace();
                match words.next() {
                    Some("dialect") => dialect = Dialect::named(words.next().unwrap()),
                    Some("default") => default = words.next().map(str::to_owned),
                    Some("table") => tables.push(words.map(str::to_owned).collect::<Vec<_>>()),
                    other => assert!(other.is_none(), "{name}: {line}"),
                }
            }
            let mut catalogue = Catalogue::new(default.as_deref());
            for table in &tables {
                let parts: Vec<&str> = table[0].split('.').collect();
                let columns = table[1..].iter().map(|column| match column.split_once(':') {
                    Some((name, declared)) => (name, Some(declared)),
                    None => (column.as_str(), None),
                });
                catalogue.add(&parts, columns);
            }
            let sql = sql.trim_end().to_owned();
            Case { name, head: head.to_owned(), dialect, default, catalogue, sql, gives: gives.trim().to_owned() }
        })
        .collect()
}

fn told(resolved: &[Resolved]) -> String {
    let mut text = String::new();
    for (number, one) in resolved.iter().enumerate() {
        if number > 0 {
            text.push_str("--\n");
        }
        for edge in &one.edges {
            let masked = if edge.masked { " masked" } else { "" };
            writeln!(text, "{} <- {} {}{masked}", edge.target, edge.source, edge.kind.subtype()).unwrap();
        }
        for unresolved in &one.unresolved {
            let place = unresolved.place;
            writeln!(text, "! {}:{} {}: {}", place.line, place.column, unresolved.text, unresolved.reason).unwrap();
        }
        if one.edges.is_empty() && one.unresolved.is_empty() {
            text.push_str("nothing\n");
        }
    }
    text.trim().to_owned()
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// `FIELDMARK_CORPUS=write` writes what comes out into the files, to be read by a person before it is committed.
#[test]
fn what_a_statement_gives() {
    let writes = std::env::var("FIELDMARK_CORPUS").is_ok_and(|value| value == "write");
    let (mut wrong, mut count) = (String::new(), 0);
    for file in files() {
        let mut written = String::new();
        for case in cases(&std::fs::read_to_string(&file).unwrap()) {
            count += 1;
            let resolved = resolve(&case.sql, case.dialect, &case.catalogue, case.default.as_deref());
            let gives = told(&resolved);
            if gives != case.gives {
                writeln!(wrong, "{}: {}\n{gives}\ninstead of\n{}\n", file.display(), case.name, case.gives).unwrap();
            }
            write!(written, "== {}\nsql\n{}\ngives\n{gives}\n\n", case.head, case.sql).unwrap();
        }
        if writes {
            std::fs::write(&file, written).unwrap();
        }
    }
    assert!(writes || wrong.is_empty(), "{wrong}");
    assert!(count > 0);
}

fn shop() -> Catalogue {
    let mut catalogue = Catalogue::new(Some("public"));
    catalogue.add(&["public", "t"], [("id", Some("int")), ("a", Some("text")), ("b", Some("int"))]);
    catalogue
}

/// Every dialect: none may take a statement down with it.
const DIALECTS: [&str; 17] = [
    "postgres",
    "mysql",
    "mariadb",
    "sqlite",
    "datafusion",
    "ansi",
    "bigquery",
    "clickhouse",
    "databricks",
    "duckdb",
    "hive",
    "mssql",
    "oracle",
    "redshift",
    "snowflake",
    "spark",
    "teradata",
];

#[test]
fn what_is_too_long_or_too_deep_is_told_soon() {
    let long = format!("SELECT '{}' FROM t", "x".repeat(10 << 20));
    let many = format!("SELECT 1{} FROM t", " + 1".repeat(150_000));
    let deep = format!("SELECT {}id{} FROM t", "(".repeat(10_000), ")".repeat(10_000));
    let queries = format!("{}SELECT id FROM t{}", "SELECT * FROM (".repeat(10_000), ") x".repeat(10_000));
    let cases = format!("SELECT {} 1 {} FROM t", "CASE WHEN a THEN ".repeat(10_000), "END ".repeat(10_000));
    let nots = format!("SELECT {} id FROM t", "NOT ".repeat(10_000));
    for (text, reason) in [
        (&long, "bytes are more than"),
        (&many, "words are more than"),
        (&deep, "nested deeper"),
        (&queries, "nested deeper"),
        // the parser takes its own refusal for a name, and stops there
        (&cases, "goes on"),
        (&nots, "goes on"),
    ] {
        let resolved = resolve(text, Dialect::Postgres, &shop(), None);
        let unresolved = &resolved[0].unresolved[0];
        assert!(unresolved.reason.contains(reason), "{unresolved:?}");
        assert!(unresolved.place.line == 1 && unresolved.place.column >= 1);
    }
}

#[test]
fn long_chains_are_resolved() {
    let sums = format!("SELECT id{} AS s FROM t", " + b".repeat(20_000));
    let unions = format!("SELECT id FROM t{}", " UNION ALL SELECT b FROM t".repeat(5_000));
    let casts = format!("SELECT id{} AS c FROM t", "::int::bigint".repeat(10_000));
    let all = format!("SELECT id FROM t WHERE {} id > 1", "b = 1 AND ".repeat(20_000));
    let list = format!("INSERT INTO t VALUES {}", vec!["(1, 'x', 2)"; 10_000].join(", "));
    for text in [&sums, &unions, &casts, &all, &list] {
        let resolved = resolve(text, Dialect::Postgres, &shop(), None);
        assert!(resolved.iter().all(|one| one.unresolved.is_empty()), "{:?}", resolved[0].unresolved);
    }
}

#[test]
fn no_literal_is_told_of_what_cannot_be_resolved() {
    let secret = "s3cr3t";
    for text in [
        "SELECT 's3cr3t' 's3cr3t'",
        "SELECT id FROM t WHERE a = 's3cr3t' 's3cr3t' x y",
        "INSERT 's3cr3t'",
        "SELECT (a, FROM t WHERE x = 's3cr3t'",
        "SELECT 's3cr3t",
        "CREATE TABLE 's3cr3t' (",
        "SELECT id FROM t LIMIT 's3cr3t' 5 6",
        "SELECT E's3cr3t",
        "SELECT $$s3cr3t",
        "SELECT id /* s3cr3t",
        "UPDATE t SET a = 's3cr3t' WHERE 's3cr3t' 's3cr3t' = id id",
        "CALL f('s3cr3t')",
        "EXECUTE IMMEDIATE 's3cr3t'",
        "DO $$ BEGIN PERFORM 's3cr3t' 's3cr3t'; END $$",
        "SELECT id FROM t TABLESAMPLE 's3cr3t'",
    ] {
        for dialect in DIALECTS {
            let resolved = resolve(text, Dialect::named(dialect), &shop(), None);
            assert!(!format!("{resolved:?}").contains(secret), "{dialect}: {text}: {resolved:?}");
        }
    }
}

#[test]
fn every_case_in_every_dialect_ends_well() {
    for file in files() {
        for case in cases(&std::fs::read_to_string(&file).unwrap()) {
            for dialect in DIALECTS {
                let dialect = Dialect::named(dialect);
                resolve(&case.sql, dialect, &case.catalogue, case.default.as_deref());
                // cut off anywhere
                let letters: Vec<char> = case.sql.chars().collect();
                for length in (0..letters.len()).step_by(7) {
                    let cut: String = letters[..length].iter().collect();
                    resolve(&cut, dialect, &case.catalogue, case.default.as_deref());
                }
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]
    /// Words of the language in any order: an answer, whatever it is, and each edge ends in a column that is known.
    #[test]
    fn any_words_end_well(words in proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 0..40)) {
        let text = words.join(" ");
        for dialect in ["postgres", "mysql", "sqlite"] {
            for resolved in resolve(&text, Dialect::named(dialect), &shop(), Some("public")) {
                for edge in resolved.edges {
                    let known = edge.source.table == "?" || ["id", "a", "b"].contains(&edge.source.column.as_str())
                        || edge.source.table != "public.t";
                    proptest::prop_assert!(known, "{text}: {edge:?}");
                }
            }
        }
    }
}

const WORDS: [&str; 60] = [
    "SELECT",
    "FROM",
    "WHERE",
    "t",
    "id",
    "a",
    "b",
    "x",
    ",",
    "(",
    ")",
    "*",
    ".",
    "AS",
    "JOIN",
    "LEFT",
    "ON",
    "USING",
    "NATURAL",
    "GROUP",
    "BY",
    "ORDER",
    "HAVING",
    "UNION",
    "ALL",
    "EXCEPT",
    "WITH",
    "RECURSIVE",
    "INSERT",
    "INTO",
    "VALUES",
    "UPDATE",
    "SET",
    "=",
    "DELETE",
    "MERGE",
    "WHEN",
    "MATCHED",
    "THEN",
    "CASE",
    "END",
    "ELSE",
    "1",
    "'x'",
    ";",
    "CREATE",
    "TABLE",
    "VIEW",
    "TRIGGER",
    "BEGIN",
    "IF",
    "LOOP",
    "FOR",
    "EACH",
    "ROW",
    "NEW",
    "count",
    "OVER",
    "LATERAL",
    "::int",
];

/// What few words say may be more than anybody has time or memory for.
#[test]
fn what_grows_with_each_level_ends_and_is_told() {
    let mut catalogue = Catalogue::new(Some("public"));
    catalogue.add(&["public", "t"], ["a", "b"].map(|name| (name, None)));
    let nested = (0..24).fold("SELECT a FROM t".to_owned(), |inner, level| {
        let arms = format!("SELECT a, b FROM t UNION ALL SELECT x.b, y.a FROM r{level} x, ({inner}) y");
        format!("WITH RECURSIVE r{level} (a, b) AS ({arms}) SELECT a FROM r{level}")
    });
    let mut doubled = "WITH c0 AS (SELECT * FROM t)".to_owned();
    for level in 1..24 {
        doubled.push_str(&format!(", c{level} AS (SELECT x.*, y.* FROM c{0} x, c{0} y)", level - 1));
    }
    doubled.push_str(" SELECT * FROM c23");
    let columns = |count: usize, name: &str| (0..count).map(|at| format!("{name}{at}")).collect::<Vec<_>>();
    let wide = columns(1_500, "w");
    catalogue.add(&["public", "wide"], wide.iter().map(|name| (name.as_str(), None)));
    let outputs = (0..20_000).map(|at| format!("a AS o{at}")).collect::<Vec<_>>().join(", ");
    let conditions = wide.iter().map(|name| format!("{name} = 1")).collect::<Vec<_>>().join(" AND ");
    let many = format!("SELECT {outputs} FROM t, wide WHERE {conditions}");
    for (text, reason) in
        [(nested, "more than are followed"), (doubled, "columns that are followed"), (many, "edges that are told")]
    {
        let resolved = resolve(&text, Dialect::Postgres, &catalogue, None);
        let told = &resolved[0].unresolved;
        assert!(told.iter().any(|one| one.reason.contains(reason)), "{reason}: {told:?}");
    }
}
