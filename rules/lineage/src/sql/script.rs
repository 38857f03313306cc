//! A script of several statements: where each is, what it is for, and which columns have another name after it.

use super::dialect::Dialect;
use super::parse::{self, Piece};
use super::resolver::{Resolver, idents};
use super::{ENOUGH, STACK};
use crate::catalogue::Catalogue;
use fieldmark_model::lineage::{Kind, Place, Unresolved};
use sqlparser::ast::{AlterTable, AlterTableOperation, ObjectName, RenameTableNameKind, Statement as Ast};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token};

/// What a statement of a script is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// It writes rows.
    Writes,
    /// It changes what there is: tables, views, types, routines, or where names are looked for.
    Shapes,
    /// It makes a table and fills it from a query.
    Fills,
    /// It runs statements that are in it as a text, or elsewhere: `DO`, `CALL`, `EXECUTE`.
    Runs,
    /// Anything else: it reads, begins or ends a transaction, grants, comments.
    Other,
}

/// One statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its text, without the semicolon.
    pub text: String,
    /// Where it begins.
    pub place: Place,
    /// What it is for.
    pub does: Does,
}

/// Cuts a script into its statements; the same, in the same order, that [`super::resolve`] answers.
///
/// # Errors
/// It is too long, or its texts and comments have no end.
pub fn statements(text: &str, dialect: Dialect) -> Result<Vec<Statement>, Unresolved> {
    let pieces = parse::pieces(text, dialect)?;
    let offsets = Offsets::of(text);
    let one = |piece: &Piece| {
        let (Some(first), Some(last)) = (piece.tokens.first(), piece.tokens.last()) else { return None };
        let own = text.get(offsets.at(first.span.start)?..offsets.at(last.span.end)?)?;
        Some(Statement { text: own.trim_end().to_owned(), place: piece.place(), does: does(piece) })
    };
    Ok(pieces.iter().filter_map(one).collect())
}

/// Where each line of a text begins.
struct Offsets<'t> {
    text: &'t str,
    lines: Vec<usize>,
}

impl<'t> Offsets<'t> {
    fn of(text: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    /// The byte at a place, which counts characters.
    fn at(&self, place: Location) -> Option<usize> {
        let line = *self.lines.get(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
        let rest = self.text.get(line..)?;
        let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
        let within = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).nth(column)?;
        Some(line + within)
    }
}

/// Its words outside of brackets.
fn words(piece: &Piece) -> impl Iterator<Item = Keyword> + '_ {
    let mut depth = 0_usize;
    piece.tokens.iter().filter_map(move |token| match &token.token {
        Token::LParen => {
            depth += 1;
            None
        }
        Token::RParen => {
            depth = depth.saturating_sub(1);
            None
        }
        Token::Word(word) if depth == 0 && word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    })
}

/// The first word of each pair of brackets.
fn begin_in_brackets(piece: &Piece) -> impl Iterator<Item = Keyword> + '_ {
    piece.tokens.windows(2).filter_map(|pair| match pair {
        [open, first] if open.token == Token::LParen => match &first.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
            _ => None,
        },
        _ => None,
    })
}

fn does(piece: &Piece) -> Does {
    let writes = |word: Keyword| {
        matches!(word, Keyword::INSERT | Keyword::UPDATE | Keyword::DELETE | Keyword::MERGE | Keyword::REPLACE)
    };
    let Some(first) = words(piece).next() else { return Does::Other };
    match first {
        Keyword::CREATE => {
            let how = |word: &Keyword| {
                matches!(
                    word,
                    Keyword::OR
                        | Keyword::REPLACE
                        | Keyword::GLOBAL
                        | Keyword::LOCAL
                        | Keyword::TEMP
                        | Keyword::TEMPORARY
                        | Keyword::UNLOGGED
                )
            };
            // a function may return a table, and makes none
            let mut rest = words(piece).skip(1).skip_while(how);
            let made = matches!(rest.next(), Some(Keyword::TABLE | Keyword::MATERIALIZED));
            if made && rest.any(|word| word == Keyword::AS) { Does::Fills } else { Does::Shapes }
        }
        Keyword::ALTER | Keyword::DROP | Keyword::RENAME | Keyword::SET | Keyword::RESET => Does::Shapes,
        Keyword::WITH => {
            let mut rest = words(piece).skip(1);
            match rest.find(|word| writes(*word) || *word == Keyword::SELECT) {
                Some(word) if writes(word) => Does::Writes,
                // one of those that it begins with may write as well
                _ if begin_in_brackets(piece).any(writes) => Does::Writes,
                _ => Does::Other,
            }
        }
        Keyword::SELECT => {
            // INTO outside of brackets makes a table
            if words(piece).any(|word| word == Keyword::INTO) { Does::Fills } else { Does::Other }
        }
        Keyword::DO | Keyword::CALL | Keyword::EXECUTE | Keyword::EXEC => Does::Runs,
        word if writes(word) => Does::Writes,
        _ => Does::Other,
    }
}

/// A column that has another name after a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// Its table, as it is called before the script.
    pub table: String,
    /// Its name before.
    pub before: String,
    /// After.
    pub after: String,
    /// The script that says so, by its place among them, and the statement.
    pub script: usize,
    /// Where it begins.
    pub place: Place,
}

/// Columns that scripts, one after the other, give another name: by renaming them, by filling a new one from the old one and dropping that, and by filling
/// another table from theirs that then takes its name.
pub fn renames(texts: &[&str], dialect: Dialect, catalogue: &Catalogue, default_schema: Option<&str>) -> Vec<Renamed> {
    stacker::maybe_grow(ENOUGH, STACK, || {
        let mut resolver = Resolver::new(dialect, catalogue, default_schema);
        let mut history = History::default();
        let pieces = texts.iter().enumerate().flat_map(|(script, text)| {
            let pieces = parse::pieces(text, dialect).unwrap_or_default();
            pieces.into_iter().map(move |piece| (script, piece))
        });
        for (script, piece) in pieces {
            let Ok(parsed) = piece.parse(dialect) else { continue };
            let place = (script, piece.place());
            match &parsed.statement {
                Ast::AlterTable(alter) => history.alter(&resolver, alter, place),
                Ast::RenameTable(all) => {
                    for one in all {
                        history.rename(&resolver, &one.old_name, &one.new_name);
                    }
                }
                _ => {}
            }
            resolver.statement(&parsed.statement);
            let (edges, ..) = resolver.take();
            if matches!(parsed.statement, Ast::Insert(_) | Ast::Update(_) | Ast::Merge(_) | Ast::CreateTable(_)) {
                for edge in edges.into_iter().filter(|edge| edge.kind == Kind::Identity) {
                    let (from, to) = (history.table(&edge.source.table), history.table(&edge.target.table));
                    history.copies.push((from, edge.source.column, to, edge.target.column, place));
                }
            }
        }
        history.renamed()
    })
}

/// Which script, and where in it.
type Said = (usize, Place);

/// What became of tables and columns in the course of a script. Tables are numbers, which outlast their names.
#[derive(Default)]
struct History {
    /// What each was called first, and is now.
    tables: Vec<(String, String)>,
    renames: Vec<(usize, String, String, Said)>,
    copies: Vec<(usize, String, usize, String, Said)>,
    dropped: Vec<(usize, String)>,
}

impl History {
    fn table(&mut self, name: &str) -> usize {
        let known = self.tables.iter().position(|(_, now)| now == name);
        known.unwrap_or_else(|| {
            self.tables.push((name.to_owned(), name.to_owned()));
            self.tables.len() - 1
        })
    }

    fn alter(&mut self, resolver: &Resolver<'_>, alter: &AlterTable, place: Said) {
        let Ok(found) = resolver.find_table(&idents(&alter.name)) else { return };
        let table = self.table(&resolver.spelled_table(found));
        let spelled = |name| resolver.dialect.spelled(name);
        for operation in &alter.operations {
            match operation {
                AlterTableOperation::RenameColumn { old_column_name: old, new_column_name: new }
                | AlterTableOperation::ChangeColumn { old_name: old, new_name: new, .. } => {
                    let known = resolver.column_named(found, old);
                    let old = known.map_or_else(|| spelled(old), |column| resolver.column_name(found, column));
                    if old != spelled(new) {
                        self.renames.push((table, old, spelled(new), place));
                    }
                }
                AlterTableOperation::DropColumn { column_names, .. } => {
                    for name in column_names {
                        let known = resolver.column_named(found, name);
                        let name = known.map_or_else(|| spelled(name), |column| resolver.column_name(found, column));
                        self.dropped.push((table, name));
                    }
                }
                AlterTableOperation::RenameTable {
                    table_name: RenameTableNameKind::As(name) | RenameTableNameKind::To(name),
                } => self.rename(resolver, &alter.name, name),
                _ => {}
            }
        }
    }

    fn rename(&mut self, resolver: &Resolver<'_>, old: &ObjectName, new: &ObjectName) {
        let Ok(found) = resolver.find_table(&idents(old)) else { return };
        let (catalogue, number) = resolver.catalogue(found);
        let mut parts: Vec<String> = catalogue.parts(number).iter().map(ToString::to_string).collect();
        let table = self.table(&resolver.spelled_table(found));
        let new: Vec<String> = idents(new).iter().map(|part| resolver.dialect.spelled(part)).collect();
        if let ([own], Some(last)) = (&new[..], parts.last_mut()) {
            last.clone_from(own);
        } else {
            parts = new;
        }
        if let Some(table) = self.tables.get_mut(table) {
            table.1 = parts.join(".");
        }
    }

    fn renamed(self) -> Vec<Renamed> {
        let first = |table: usize| self.tables.get(table).map_or("", |(first, _)| first.as_str());
        let now = |table: usize| self.tables.get(table).map_or("", |(_, now)| now.as_str());
        let mut all: Vec<Renamed> = Vec::new();
        for (table, before, after, place) in &self.renames {
            match all.iter_mut().find(|one| one.table == first(*table) && one.after == *before) {
                // one after the other
                Some(one) => one.after.clone_from(after),
                None => all.push(Renamed {
                    table: first(*table).to_owned(),
                    before: before.clone(),
                    after: after.clone(),
                    script: place.0,
                    place: place.1,
                }),
            }
        }
        for (from, before, to, after, place) in &self.copies {
            let dropped = from == to && self.dropped.iter().any(|(table, name)| table == from && name == before);
            let swapped = from != to && now(*to) == first(*from) && first(*to) != now(*to);
            let known = all.iter().any(|one| one.table == first(*from) && one.before == *before);
            if (dropped || swapped) && before != after && !known {
                all.push(Renamed {
                    table: first(*from).to_owned(),
                    before: before.clone(),
                    after: after.clone(),
                    script: place.0,
                    place: place.1,
                });
            }
        }
        // there and back is no other name
        all.retain(|one| one.before != one.after);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Catalogue {
        let mut catalogue = Catalogue::new(Some("public"));
        for (table, columns) in [("orders", ["id", "total", "note"]), ("people", ["id", "name", "mail"])] {
            catalogue.add(&["public", table], columns.map(|name| (name, None)));
        }
        catalogue
    }

    #[test]
    fn a_script_is_cut_up_as_it_is_resolved() {
        let text = "-- ä comment\nBEGIN;\nÄLTER is no word;\n  UPDATE orders SET note = 'a;b' ;\nWITH x AS (SELECT 1) INSERT INTO orders (id) \
            SELECT * FROM x;\nCREATE TABLE \"ö\" AS\nSELECT 1 AS a;CREATE TABLE t (a int GENERATED ALWAYS AS (1) STORED);\nSELECT 1;;\nDO $$ BEGIN END $$;SET search_path = x;\nCOMMIT";
        let all = statements(text, Dialect::Postgres).unwrap();
        let told: Vec<_> =
            all.iter().map(|one| (one.does, one.place.line, one.place.column, one.text.as_str())).collect();
        assert_eq!(
            told,
            [
                (Does::Other, 2, 1, "BEGIN"),
                (Does::Other, 3, 1, "ÄLTER is no word"),
                (Does::Writes, 4, 3, "UPDATE orders SET note = 'a;b'"),
                (Does::Writes, 5, 1, "WITH x AS (SELECT 1) INSERT INTO orders (id) SELECT * FROM x"),
                (Does::Fills, 6, 1, "CREATE TABLE \"ö\" AS\nSELECT 1 AS a"),
                (Does::Shapes, 7, 15, "CREATE TABLE t (a int GENERATED ALWAYS AS (1) STORED)"),
                (Does::Other, 8, 1, "SELECT 1"),
                (Does::Runs, 9, 1, "DO $$ BEGIN END $$"),
                (Does::Shapes, 9, 20, "SET search_path = x"),
                (Does::Other, 10, 1, "COMMIT"),
            ]
        );
        assert_eq!(super::super::resolve(text, Dialect::Postgres, &shop(), None).len(), all.len());
        assert!(statements("SELECT 'x", Dialect::Postgres).is_err());
    }

    fn told(text: &str, dialect: Dialect) -> Vec<String> {
        of(&renames(&[text], dialect, &shop(), Some("public")))
    }

    fn of(all: &[Renamed]) -> Vec<String> {
        all.iter().map(|one| format!("{} {}>{} {}", one.table, one.before, one.after, one.place.line)).collect()
    }

    #[test]
    fn what_a_statement_is_for_is_known_by_its_words() {
        for (text, expected) in [
            ("CREATE FUNCTION f(x int) RETURNS TABLE (k int) LANGUAGE sql AS $$ SELECT 1 $$", Does::Shapes),
            ("CREATE OR REPLACE VIEW v AS TABLE t", Does::Shapes),
            ("CREATE UNLOGGED TABLE IF NOT EXISTS u AS SELECT 1", Does::Fills),
            ("CREATE GLOBAL TEMPORARY TABLE u (a int)", Does::Shapes),
            ("CREATE MATERIALIZED VIEW m AS SELECT 1 WITH NO DATA", Does::Fills),
            ("WITH a AS (INSERT INTO t SELECT 1 RETURNING x) SELECT count(*) FROM a", Does::Writes),
            ("WITH a AS (SELECT 1) SELECT * FROM a", Does::Other),
        ] {
            let all = statements(text, Dialect::Postgres).unwrap();
            assert_eq!(all[0].does, expected, "{text}");
        }
    }

    #[test]
    fn other_names_are_known_by_what_a_script_does() {
        for (text, expected) in [
            ("ALTER TABLE orders RENAME COLUMN total TO amount", vec!["public.orders total>amount 1"]),
            (
                "ALTER TABLE orders RENAME total TO a;\nALTER TABLE orders RENAME a TO b",
                vec!["public.orders total>b 1"],
            ),
            ("ALTER TABLE orders RENAME total TO a; ALTER TABLE orders RENAME a TO total", vec![]),
            ("ALTER TABLE orders RENAME TO o; ALTER TABLE o RENAME COLUMN total TO a", vec!["public.orders total>a 1"]),
            // filled from the old one, which goes
            (
                "ALTER TABLE people ADD full_name text;\nUPDATE people SET full_name = name;\nALTER TABLE people DROP COLUMN name",
                vec!["public.people name>full_name 2"],
            ),
            ("ALTER TABLE people ADD full_name text; UPDATE people SET full_name = name", vec![]),
            ("ALTER TABLE people ADD n text; UPDATE people SET n = upper(name); ALTER TABLE people DROP name", vec![]),
            // another table in the place of the old one
            (
                "CREATE TABLE o2 (id int, amount int);\nINSERT INTO o2 SELECT id, total FROM orders;\nALTER TABLE orders RENAME TO old;\n\
                 ALTER TABLE o2 RENAME TO orders",
                vec!["public.orders total>amount 2"],
            ),
            ("CREATE TABLE o2 AS SELECT id, total AS amount FROM orders", vec![]),
            ("ALTER TABLE nowhere RENAME COLUMN a TO b", vec![]),
            ("this is no statement; ALTER TABLE orders RENAME note TO n", vec!["public.orders note>n 1"]),
        ] {
            assert_eq!(told(text, Dialect::Postgres), expected, "{text}");
        }
        let mysql = "ALTER TABLE orders CHANGE COLUMN total amount decimal(10,2) NOT NULL, CHANGE note note text";
        assert_eq!(told(mysql, Dialect::Mariadb), ["public.orders total>amount 1"]);
        let swap = "CREATE TABLE n (id int, amount int); INSERT INTO n SELECT id, total FROM orders; RENAME TABLE orders TO old, n TO orders";
        assert_eq!(told(swap, Dialect::Mariadb), ["public.orders total>amount 1"]);
        // one script after the other
        let texts = [
            "ALTER TABLE people ADD full_name text",
            "\nUPDATE people SET full_name = name",
            "ALTER TABLE people DROP name",
        ];
        let all = renames(&texts, Dialect::Postgres, &shop(), Some("public"));
        assert_eq!((of(&all), all[0].script), (vec!["public.people name>full_name 2".to_owned()], 1));
    }
}
