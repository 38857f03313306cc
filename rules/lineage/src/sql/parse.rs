//! From a text to statements, each with its own place, within bounds.

use super::dialect::{Dialect, Nearest};
use fieldmark_model::lineage::{Place, Unresolved};
use sqlparser::ast::Statement;
use sqlparser::dialect::Dialect as Grammar;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

/// The longest text that is read, in bytes.
pub const LONGEST: usize = 1 << 20;
/// The most tokens of one statement.
pub const MOST_TOKENS: usize = 200_000;
/// How deep brackets, queries and operators may be in each other.
pub const DEEPEST: usize = 200;

/// One statement of a text.
pub(crate) struct Piece {
    pub(crate) tokens: Vec<TokenWithSpan>,
}

/// A statement that could be read.
pub(crate) struct Parsed {
    pub(crate) statement: Statement,
}

/// Cuts a text into its statements.
///
/// # Errors
/// It is too long, or its texts and comments have no end.
pub(crate) fn pieces(text: &str, dialect: Dialect) -> Result<Vec<Piece>, Unresolved> {
    if text.len() > LONGEST {
        let reason = format!("{} bytes are more than the {LONGEST} that are read", text.len());
        return Err(Unresolved { reason, place: Place { line: 1, column: 1 }, text: String::new() });
    }
    let tokens = Tokenizer::new(dialect.grammar(), text).tokenize_with_location().map_err(|error| Unresolved {
        reason: format!("it cannot be cut into words: {}", plain(&error.message)),
        place: Place { line: error.location.line, column: error.location.column },
        text: String::new(),
    })?;
    Ok(split(tokens))
}

/// At semicolons that end a statement, and not one inside a body of others.
fn split(tokens: Vec<TokenWithSpan>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut own: Vec<TokenWithSpan> = Vec::new();
    let mut body = Body::default();
    for token in tokens {
        match &token.token {
            Token::SemiColon if !body.is_open() => {
                pieces.push(std::mem::take(&mut own));
                body = Body::default();
            }
            // blanks between words stay: some grammars go by them
            Token::Whitespace(_) if own.is_empty() => {}
            Token::Whitespace(_) => own.push(token),
            Token::EOF => {}
            read => {
                body.read(read);
                own.push(token);
            }
        }
    }
    pieces.push(own);
    pieces.into_iter().filter(|own| !own.is_empty()).map(|tokens| Piece { tokens }).collect()
}

/// Whether we are inside the body of a trigger or a routine: `CREATE … BEGIN … END`.
#[derive(Default)]
struct Body {
    words: usize,
    creates: bool,
    of_routine: bool,
    depth: usize,
    ended: bool,
}

impl Body {
    fn is_open(&self) -> bool {
        self.depth > 0
    }

    fn read(&mut self, token: &Token) {
        let Token::Word(word) = token else {
            self.ended = false;
            return;
        };
        let keyword = if word.quote_style.is_some() { Keyword::NoKeyword } else { word.keyword };
        self.creates |= self.words == 0 && keyword == Keyword::CREATE;
        self.words += 1;
        self.of_routine |= self.creates
            && matches!(keyword, Keyword::TRIGGER | Keyword::PROCEDURE | Keyword::FUNCTION)
            && self.words < 12;
        if !self.of_routine {
            return;
        }
        match keyword {
            Keyword::BEGIN => self.depth += 1,
            // CASE … END, and END IF, END CASE, END LOOP …, which close what was not counted
            Keyword::CASE if self.depth > 0 && !self.ended => self.depth += 1,
            Keyword::END => self.depth = self.depth.saturating_sub(1),
            _ if self.ended
                && ["IF", "LOOP", "WHILE", "REPEAT"].iter().any(|own| word.value.eq_ignore_ascii_case(own)) =>
            {
                self.depth += 1;
            }
            _ => {}
        }
        self.ended = keyword == Keyword::END;
    }
}

impl Piece {
    pub(crate) fn place(&self) -> Place {
        self.tokens.first().map_or(Place::default(), place_of)
    }

    /// Reads it, by the dialect's grammar, and where that does not know it by what is common to most.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn parse(&self, dialect: Dialect) -> Result<Parsed, Unresolved> {
        if self.tokens.len() > MOST_TOKENS {
            let reason = format!("{} words are more than the {MOST_TOKENS} that are read", self.tokens.len());
            return Err(Unresolved { reason, place: self.place(), text: self.opening() });
        }
        let first = match self.parse_by(dialect.grammar()) {
            Ok(statement) => return Ok(Parsed { statement }),
            Err(error) => error,
        };
        let deep = first.1;
        let others: &[Dialect] = match dialect {
            _ if deep => &[],
            Dialect::Postgres => &[Dialect::Other(Nearest::Redshift), Dialect::Other(Nearest::Generic)],
            Dialect::Other(Nearest::Generic) => &[
                Dialect::Postgres,
                Dialect::Other(Nearest::Snowflake),
                Dialect::Other(Nearest::Spark),
                Dialect::Other(Nearest::Mssql),
                Dialect::Mysql,
            ],
            Dialect::Datafusion => &[Dialect::Postgres],
            Dialect::Mysql | Dialect::Mariadb | Dialect::Sqlite => &[Dialect::Other(Nearest::Generic)],
            Dialect::Other(Nearest::Spark | Nearest::Databricks) => {
                &[Dialect::Other(Nearest::Hive), Dialect::Other(Nearest::Generic)]
            }
            Dialect::Other(Nearest::Hive) => &[Dialect::Other(Nearest::Spark), Dialect::Other(Nearest::Generic)],
            Dialect::Other(_) => &[Dialect::Other(Nearest::Generic)],
        };
        let other = others.iter().find_map(|other| self.parse_by(other.grammar()).ok());
        other.map(|statement| Parsed { statement }).ok_or(first.0)
    }

    fn parse_by(&self, grammar: &dyn Grammar) -> Result<Statement, (Unresolved, bool)> {
        let mut parser = Parser::new(grammar).with_recursion_limit(DEEPEST);
        parser = parser.with_tokens_with_locations(self.tokens.clone());
        let at = |parser: &Parser<'_>| {
            let token = parser.peek_token();
            match token.token {
                Token::EOF => self.tokens.last().map_or((Place::default(), String::new()), |last| {
                    (place_of(last), "the end of the statement".to_owned())
                }),
                _ => (place_of(&token), shown(&token.token)),
            }
        };
        match parser.parse_statement() {
            Ok(statement) if parser.peek_token().token == Token::EOF => Ok(statement),
            Ok(_) => {
                let (place, text) = at(&parser);
                Err((Unresolved { reason: "a statement goes on where it should end".into(), place, text }, false))
            }
            Err(ParserError::RecursionLimitExceeded) => {
                let (place, text) = at(&parser);
                let reason = format!("it is nested deeper than the {DEEPEST} levels that are read");
                Err((Unresolved { reason, place, text }, true))
            }
            Err(ParserError::ParserError(said) | ParserError::TokenizerError(said)) => {
                let (mut place, text) = at(&parser);
                // the parser has gone on by then; where it says itself where it was, that holds
                if let Some(told) = told_place(&said) {
                    place = told;
                }
                let text =
                    self.tokens.iter().find(|token| place_of(token) == place).map_or(text, |token| shown(&token.token));
                Err((Unresolved { reason: format!("it cannot be read: {}", plain(&said)), place, text }, false))
            }
        }
    }

    /// Its first words.
    pub(crate) fn opening(&self) -> String {
        let words = self.tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
        let words = words.map_while(|token| match &token.token {
            Token::Word(word) => Some(word.value.as_str()),
            _ => None,
        });
        words.take(2).collect::<Vec<_>>().join(" ")
    }
}

pub(crate) fn place_of(token: &TokenWithSpan) -> Place {
    Place { line: token.span.start.line, column: token.span.start.column }
}

/// A token as it may be told: a name or a sign, and of a literal only that it is one.
pub(crate) fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => word.value.clone(),
        Token::Number(..) => "a number".to_owned(),
        Token::EOF => "the end of the statement".to_owned(),
        Token::Comma
        | Token::Period
        | Token::Colon
        | Token::DoubleColon
        | Token::SemiColon
        | Token::LParen
        | Token::RParen
        | Token::LBracket
        | Token::RBracket
        | Token::LBrace
        | Token::RBrace
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::Pipe
        | Token::AtSign
        | Token::Assignment => token.to_string(),
        _ => "a literal or a sign".to_owned(),
    }
}

/// What the parser expected, without what it found: that may be a literal.
fn plain(said: &str) -> String {
    let said = said.split(", found").next().unwrap_or(said);
    let said = said.split(" at Line:").next().unwrap_or(said);
    let said = said.strip_prefix("Expected: ").map_or_else(|| said.to_owned(), |what| format!("expected {what}"));
    // whatever else stands in quotes may be one as well
    if said.contains('\'') && !said.starts_with("expected") { "its words do not fit together".to_owned() } else { said }
}

fn told_place(said: &str) -> Option<Place> {
    let (_, told) = said.rsplit_once("at Line: ")?;
    let (line, column) = told.split_once(", Column: ")?;
    Some(Place { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
}
