//! A page of the guide as blocks.
//!
//! What a block is, the words after its language say; GitHub shows the language alone. `postgres` or `mariadb` among them: it is
//! about the shop on that server, else about the one in a file.

use std::collections::BTreeMap;

/// A fenced block.
#[derive(Debug)]
pub(super) struct Block {
    /// Page and line, for messages.
    pub(super) at: String,
    pub(super) kind: Kind,
    pub(super) of: Database,
    pub(super) text: String,
}

/// Which shop a block is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Database {
    /// `shop.db` in the folder that commands run in.
    File,
    /// One on the tests' own PostgreSQL.
    Server,
    /// One on the tests' own MariaDB.
    MariaDb,
}

/// Who reads a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    Github,
    Gitlab,
}

/// What a block is.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    /// `sh`: commands, run by `sh -e`. `exit=1`: they end with this code. `fresh`: the database is a new one.
    Run { exit: i32, fresh: bool },
    /// `file=PATH`: a file, written; a script can be executed.
    Write { path: String, script: bool },
    /// `into=PATH`: lines that go below `rules:` of a rule file that is there.
    Insert(String),
    /// `show=PATH`: what a file holds.
    Show(String),
    /// `rules`, `rules=TABLE`: items of a rule file about a table (orders).
    Rules(String),
    /// `sql`: done by whoever owns the database.
    Query,
    /// `text`: what the block before has printed. `drawn`: its numbers are others with every draw.
    Output { drawn: bool },
    /// `github file=PATH`, `gitlab file=PATH`: written, and run when the page has ended.
    Pipeline(Provider, String),
}

impl Kind {
    /// What the words behind a fence say; `None` where they are not all known.
    fn read(info: &str) -> Option<(Self, Database)> {
        let mut words = info.split_whitespace();
        let language = words.next()?;
        let mut said: BTreeMap<&str, &str> = words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect();
        let database = match (said.remove("postgres"), said.remove("mariadb")) {
            (None, None) => Database::File,
            (Some(_), None) => Database::Server,
            (None, Some(_)) => Database::MariaDb,
            (Some(_), Some(_)) => return None,
        };
        let file = said.remove("file").map(str::to_owned);
        let kind = match (language, file) {
            ("sh", Some(path)) => Self::Write { path, script: true },
            ("sql", Some(path)) => Self::Write { path, script: false },
            ("sql", None) => Self::Query,
            ("text", None) => Self::Output { drawn: said.remove("drawn").is_some() },
            ("sh", None) => {
                let exit = match said.remove("exit") {
                    Some(code) => code.parse().ok()?,
                    None => 0,
                };
                Self::Run { exit, fresh: said.remove("fresh").is_some() }
            }
            ("yaml", Some(path)) if said.remove("github").is_some() => Self::Pipeline(Provider::Github, path),
            ("yaml", Some(path)) if said.remove("gitlab").is_some() => Self::Pipeline(Provider::Gitlab, path),
            ("yaml", Some(path)) => Self::Write { path, script: false },
            ("yaml", None) => {
                let into = said.remove("into").map(|path| Self::Insert(path.to_owned()));
                let show = said.remove("show").map(|path| Self::Show(path.to_owned()));
                let of_table = |table: &str| if table.is_empty() { "orders".to_owned() } else { table.to_owned() };
                let rules = said.remove("rules").map(|table| Self::Rules(of_table(table)));
                into.or(show).or(rules)?
            }
            _ => return None,
        };
        said.is_empty().then_some((kind, database))
    }
}

/// All blocks of a page. One of a kind that is not known fails the test.
pub(super) fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let at = format!("{page}:{number}");
        let Some(info) = line.strip_prefix("```") else {
            assert!(!line.trim_start().starts_with("```"), "{at}: a block has to begin at the line's beginning");
            continue;
        };
        let (kind, said) = Kind::read(info).unwrap_or_else(|| panic!("{at}: what kind of block is `{info}`?"));
        // what was printed, the block before has printed
        let of = match (&kind, blocks.last()) {
            (Kind::Output { .. }, Some(before)) => before.of,
            (_, _) => said,
        };
        let mut body = String::new();
        loop {
            let (line, _) = lines.next().unwrap_or_else(|| panic!("{at}: the block has no end"));
            if line == "```" {
                break;
            }
            body.push_str(line);
            body.push('\n');
        }
        blocks.push(Block { at, kind, of, text: body });
    }
    blocks
}

#[test]
fn what_a_block_is_has_to_be_known() {
    let run = |exit, fresh| Kind::Run { exit, fresh };
    for (info, expected) in [
        ("sh", Some((run(0, false), Database::File))),
        ("sh postgres fresh exit=3", Some((run(3, true), Database::Server))),
        ("sql mariadb", Some((Kind::Query, Database::MariaDb))),
        ("sh mariadb postgres", None),
        ("sh file=a.sh", Some((Kind::Write { path: "a.sh".into(), script: true }, Database::File))),
        ("yaml rules=customers", Some((Kind::Rules("customers".into()), Database::File))),
        ("yaml gitlab file=x", Some((Kind::Pipeline(Provider::Gitlab, "x".into()), Database::File))),
        ("text drawn", Some((Kind::Output { drawn: true }, Database::File))),
        ("yaml", None),
        ("", None),
        ("json", None),
        ("sh exit=one", None),
        ("sh exti=1", None),
        ("text exit=1", None),
    ] {
        assert_eq!(Kind::read(info), expected, "{info}");
    }
}
