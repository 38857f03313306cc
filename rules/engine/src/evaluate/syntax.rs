//! The text of an expression, parsed, with the places of its parts.

use super::expression::{ExpressionProblem, MAX_DEPTH, plain_words, too_deep};
use datafusion_common::DataFusionError;
use datafusion_sql::parser::DFParserBuilder;
use datafusion_sql::sqlparser::ast::Expr;
use datafusion_sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion_sql::sqlparser::parser::ParserError;
use datafusion_sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};
use fieldmark_model::NotEvaluated;
use std::ops::Range;

/// Longest text of an expression. A longer one may take a stack that is deeper than ours, before its depth is known.
const MAX_BYTES: usize = 10_000;

/// Checks that a text is an SQL expression, whatever it speaks of.
///
/// # Errors
/// Where it is none.
pub fn check_syntax(text: &str) -> Result<(), ExpressionProblem> {
    Parsed::of(text, |_| None).map(drop)
}

/// A column that a transition speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mentioned {
    /// Whether as it is after the migration.
    pub after: bool,
    /// Its name.
    pub column: String,
    /// Where, in bytes of the expression.
    pub at: Range<usize>,
}

/// The columns that a transition speaks of as `before.x` and `after.x`, whether or not there are such.
pub fn mentioned(text: &str) -> Vec<Mentioned> {
    let tokens = words_and_signs(text);
    let word = |token: &TokenWithSpan| {
        let Token::Word(word) = &token.token else { return None };
        Some(word.value.clone())
    };
    let named = |tokens: &[TokenWithSpan]| {
        let [side, point, column] = tokens else { return None };
        let after = match word(side)?.as_str() {
            "before" => false,
            "after" => true,
            _ => return None,
        };
        let at = part(text, side).start..part(text, column).end;
        (point.token == Token::Period).then_some(Mentioned { after, column: word(column)?, at })
    };
    tokens.windows(3).filter_map(named).collect()
}

/// Whether an expression speaks of a column, whatever else it says.
pub fn speaks_of(text: &str, column: &str) -> bool {
    words_and_signs(text).iter().any(|token| match_word(token, |own| own == column))
}

/// An expression with some of its columns spelled otherwise; what is called as a function stays.
pub fn respelled(text: &str, spelled: impl Fn(&str) -> Option<String>) -> String {
    let tokens = words_and_signs(text);
    let mut respelled = text.to_owned();
    for (at, token) in tokens.iter().enumerate().rev() {
        let called = tokens.get(at + 1).is_some_and(|next| next.token == Token::LParen);
        if let (Token::Word(word), false) = (&token.token, called)
            && let Some(spelled) = spelled(&word.value)
        {
            respelled.replace_range(part(text, token), &spelled);
        }
    }
    respelled
}

/// A statement in standard SQL as MySQL and MariaDB read it: names in backticks, backslashes doubled. `None` where a sign of it means
/// something else to them.
#[expect(clippy::wildcard_enum_match_arm, reason = "sqlparser's enum: every other token is spelled the same")]
pub fn for_mysql(text: &str) -> Option<String> {
    let tokens = words_and_signs(text);
    let mut spelled = text.to_owned();
    for token in tokens.iter().rev() {
        let other = match &token.token {
            Token::StringConcat | Token::DoubleColon => return None,
            Token::Word(word) if word.quote_style == Some('"') => format!("`{}`", word.value.replace('`', "``")),
            Token::SingleQuotedString(literal) if literal.contains('\\') => {
                format!("'{}'", literal.replace('\\', "\\\\").replace('\'', "''"))
            }
            _ => continue,
        };
        spelled.replace_range(part(text, token), &other);
    }
    Some(spelled)
}

/// The tokens of a text without white space and comments; none of one that has no such.
fn words_and_signs(text: &str) -> Vec<TokenWithSpan> {
    let mut tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().unwrap_or_default();
    tokens.retain(|token| !is_space(token));
    tokens
}

/// An expression and what it was written as.
pub(super) struct Parsed<'a> {
    pub(super) expr: Expr,
    text: &'a str,
    /// Without white space and comments.
    tokens: Vec<TokenWithSpan>,
}

/// A name in an expression.
pub(super) struct Named {
    /// Where it stands, in bytes.
    pub(super) at: Range<usize>,
    /// Whether in double quotes.
    pub(super) quoted: bool,
}

impl<'a> Parsed<'a> {
    /// Parses an expression. `spelled` says how a name is spelled that stands in no quotes, where that differs from what is written.
    pub(super) fn of(text: &'a str, spelled: impl Fn(&str) -> Option<String>) -> Result<Self, ExpressionProblem> {
        if text.len() > MAX_BYTES {
            let problem = problem(format!("the expression is too long: {} bytes", text.len()));
            return Err(problem.help(format!("at most {MAX_BYTES} bytes are allowed")));
        }
        let mut tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
            .tokenize_with_location()
            .map_err(|error| no_expression(&error.message).at(Some(byte_at(text, error.location)..text.len())))?;
        let mut is_called = false;
        for token in tokens.iter_mut().rev().filter(|token| !is_space(token)) {
            let begins_call = token.token == Token::LParen;
            if let Token::Word(word) = &token.token
                && word.quote_style.is_none()
                && !is_called
                && let Some(name) = spelled(&word.value)
            {
                token.token = Token::make_word(&name, Some('"'));
            }
            is_called = begins_call;
        }
        let parsed = DFParserBuilder::new(tokens.clone())
            .with_dialect(&PostgreSqlDialect {})
            .with_recursion_limit(MAX_DEPTH)
            .build()
            .and_then(|mut parser| parser.parse_into_expr());
        match parsed {
            Ok(parsed) => {
                tokens.retain(|token| !is_space(token));
                Ok(Self { expr: parsed.expr, text, tokens })
            }
            Err(error) => Err(not_parsed(&error, text, &tokens)),
        }
    }

    /// Where a word stands first, whatever its case.
    pub(super) fn word(&self, word: &str) -> Option<Range<usize>> {
        let token = self.tokens.iter().find(|token| match_word(token, |own| own.eq_ignore_ascii_case(word)));
        token.map(|token| part(self.text, token))
    }

    /// Where a column's name stands first, with its qualifier.
    pub(super) fn name(&self, qualifier: Option<&str>, name: &str) -> Option<Named> {
        let is = |token: &TokenWithSpan, wanted: &str| match_word(token, |own| own == wanted);
        let named = |first: &TokenWithSpan, last: &TokenWithSpan| {
            let (first, last) = (part(self.text, first), part(self.text, last));
            let quoted = self.text.get(last.clone()).is_some_and(|written| written.starts_with('"'));
            Named { at: first.start..last.end, quoted }
        };
        let whole = qualifier.and_then(|qualifier| {
            self.tokens.windows(3).find_map(|tokens| {
                let [first, point, last] = tokens else { return None };
                let found = is(first, qualifier) && point.token == Token::Period && is(last, name);
                found.then(|| named(first, last))
            })
        });
        whole.or_else(|| self.tokens.iter().find(|&token| is(token, name)).map(|token| named(token, token)))
    }
}

fn is_space(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_))
}

/// Whether a token is a word of this kind.
fn match_word(token: &TokenWithSpan, is_it: impl Fn(&str) -> bool) -> bool {
    matches!(&token.token, Token::Word(word) if is_it(&word.value))
}

fn problem(what: String) -> ExpressionProblem {
    ExpressionProblem::new(NotEvaluated::TypeMismatch, what)
}

fn no_expression(why: &str) -> ExpressionProblem {
    problem(format!("not an SQL expression: {why}"))
}

/// The bytes of a token.
fn part(text: &str, token: &TokenWithSpan) -> Range<usize> {
    byte_at(text, token.span.start)..byte_at(text, token.span.end)
}

/// The byte at a line and column, both counted from 1 in characters; the text's end for what lies behind it.
fn byte_at(text: &str, location: Location) -> usize {
    let (mut line, mut column) = (1, 1);
    for (at, c) in text.char_indices() {
        if (line, column) >= (location.line, location.column) {
            return at;
        }
        if c == '\n' {
            (line, column) = (line + 1, 1);
        } else {
            column += 1;
        }
    }
    text.len()
}

fn not_parsed(error: &DataFusionError, text: &str, tokens: &[TokenWithSpan]) -> ExpressionProblem {
    let told = if let DataFusionError::SQL(error, _) = error.find_root() {
        match error.as_ref() {
            ParserError::RecursionLimitExceeded => return too_deep(),
            ParserError::TokenizerError(told) | ParserError::ParserError(told) => told.clone(),
        }
    } else {
        plain_words(error)
    };
    let (why, location) = located(told.trim_start_matches("sql parser error: "));
    let at = match location {
        Some(location) => {
            let token = tokens.iter().find(|token| token.span.start == location);
            let start = byte_at(text, location);
            Some(token.map_or(start..start, |token| part(text, token)))
        }
        // where the text ends something is missing
        None => {
            let end = text.trim_end().len();
            why.ends_with("EOF").then_some(end..end)
        }
    };
    no_expression(why).at(at)
}

/// The parser's message without the place that it ends in, and that place.
fn located(told: &str) -> (&str, Option<Location>) {
    let read = || {
        let (why, place) = told.rsplit_once(" at Line: ")?;
        let (line, column) = place.split_once(", Column: ")?;
        Some((why, Location::new(line.parse().ok()?, column.trim_end().parse().ok()?)))
    };
    read().map_or((told, None), |(why, location)| (why, Some(location)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_transition_speaks_of() {
        let text = "after.\"a b\" = round(before.total, 2) -- after.comment\n AND 'before.text' <> after.x";
        let found: Vec<(bool, String)> = mentioned(text).into_iter().map(|each| (each.after, each.column)).collect();
        let named = |after: bool, name: &str| (after, name.to_owned());
        assert_eq!(found, [named(true, "a b"), named(false, "total"), named(true, "x")]);
        assert_eq!(text.get(mentioned(text)[1].at.clone()), Some("before.total"));
        assert!(mentioned("'").is_empty());
        assert!(speaks_of("a = lower(b)", "b") && !speaks_of("a = 'b'", "b"));
    }

    #[test]
    fn columns_are_spelled_otherwise() {
        let cast = |name: &str| (name == "c").then(|| "\"c\"::text".to_owned());
        assert_eq!(
            respelled("c LIKE '%c%' AND \"c\" <> c(c)", cast),
            "\"c\"::text LIKE '%c%' AND \"c\"::text <> c(\"c\"::text)"
        );
    }

    #[test]
    fn mysql_has_names_in_backticks() {
        let text = r#"SELECT "a`b" FROM "s"."t" WHERE "c" NOT REGEXP '^\d''"$' AND d = '"e"'"#;
        let expected = r#"SELECT `a``b` FROM `s`.`t` WHERE `c` NOT REGEXP '^\\d''"$' AND d = '"e"'"#;
        assert_eq!(for_mysql(text).as_deref(), Some(expected));
        assert_eq!((for_mysql("a || 'x' = b"), for_mysql("a::text = b")), (None, None));
    }
}
