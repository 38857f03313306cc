//! Columns that CHECK constraints are about, out of the text by which a table was made: SQLite tells it nowhere else.

use super::connect::Session;
use super::inspect::SCHEMA;
use super::statement::Statement;
use crate::label::Name;
use crate::{Check, Error};
use fieldmark_model::TableName;
use std::ops::ControlFlow;

impl Session {
    pub(super) fn checks(&mut self) -> Result<Vec<Check>, Error> {
        let sql = "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql IS NOT NULL ORDER BY name";
        let statement = Statement { name: Name::Checks, sql: sql.to_owned(), params: Vec::new(), expects: Vec::new() };
        let mut checks = Vec::new();
        self.rows(&statement, |row| {
            let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
            let table = TableName::new(SCHEMA, name);
            checks.extend(conditions(&sql).into_iter().map(|words| Check { table: table.clone(), columns: words }));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(checks)
    }
}

/// A piece of SQL that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A name, or a word of the language.
    Word(String),
    Open,
    Close,
}

/// Words of each `CHECK (…)`: names of columns are among them.
fn conditions(sql: &str) -> Vec<Vec<String>> {
    let tokens = tokens(sql);
    let mut conditions = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_check = matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("check"));
        if !is_check || tokens.get(at + 1) != Some(&Token::Open) {
            continue;
        }
        let (mut depth, mut words) = (0_u32, Vec::new());
        for token in tokens.iter().skip(at + 1) {
            match token {
                Token::Open => depth += 1,
                Token::Close => depth = depth.saturating_sub(1),
                Token::Word(word) => words.push(word.clone()),
            }
            if depth == 0 {
                break;
            }
        }
        conditions.push(words);
    }
    conditions
}

fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '\'' => drop(quoted(&mut rest, '\'')),
            '"' | '`' => tokens.push(Token::Word(quoted(&mut rest, c))),
            '[' => tokens.push(Token::Word(quoted(&mut rest, ']'))),
            '-' if rest.peek() == Some(&'-') => while rest.next().is_some_and(|c| c != '\n') {},
            '/' if rest.peek() == Some(&'*') => {
                let mut before = ' ';
                rest.next();
                for c in rest.by_ref() {
                    if before == '*' && c == '/' {
                        break;
                    }
                    before = c;
                }
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '$')) {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
            _ => {}
        }
    }
    tokens
}

/// What stands up to the closing quote, which is doubled where it is meant itself.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, close: char) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        if c == close && (close == ']' || rest.next_if_eq(&close).is_none()) {
            break;
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_found_wherever_they_stand() {
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, -- CHECK (no)\n a INT CHECK (a > 0 AND a < max(1, 9)),
            \"odd \"\" name\" TEXT DEFAULT 'CHECK (b)', /* CHECK (c) */ [d e] INT,
            CONSTRAINT both check([d e] <= `f`), g TEXT)";
        assert_eq!(
            conditions(sql),
            [vec!["a", "0", "AND", "a", "max", "1", "9"], vec!["d e", "f"]]
                .map(|words| words.into_iter().map(str::to_owned).collect::<Vec<String>>())
        );
        assert!(conditions("CREATE TABLE t (checked INT, \"check\" INT)").is_empty());
    }
}
