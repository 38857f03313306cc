//! The text of statements, resolved against a catalogue.
//!
//! A text may hold several statements; what one makes, the next may read. Bounds: [`LONGEST`] bytes, [`MOST_TOKENS`] words a statement,
//! [`DEEPEST`] levels; what is beyond is unresolved, with its reason. Sets of rows decide every column of their query: an INDIRECT edge goes
//! from each column of WHERE, of a join's condition, of GROUP BY to each column that comes out. What decides inside a query that is itself
//! used to decide counts as the outer one decides.
#![expect(clippy::wildcard_enum_match_arm, reason = "the parser's enums are large, and grow with each version")]

mod change;
mod dialect;
mod expression;
mod from;
mod functions;
mod output;
mod parse;
mod query;
mod resolver;
mod routine;
mod scope;
pub mod script;
mod statement;
#[cfg(test)]
mod tests;

pub use dialect::{Dialect, Nearest};
pub use parse::{DEEPEST, LONGEST, MOST_TOKENS};

use crate::catalogue::{Catalogue, Found, Part};
use fieldmark_model::lineage::{ColumnName, Edge, Unresolved};
use resolver::Resolver;
use routine::Routine;
use scope::TableId;
use sqlparser::tokenizer::Location;

/// Stack for what nests deep: parsers and what they give go down a level at a time.
pub(crate) const STACK: usize = 256 << 20;
/// Below this much stack a larger one is taken.
pub(crate) const ENOUGH: usize = 128 << 20;

/// What came of one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Each source, target and kind once; targets in the order in which the statement has them.
    pub edges: Vec<Edge>,
    /// What could not be resolved.
    pub unresolved: Vec<Unresolved>,
    /// Every column that is read, for whatever.
    pub reads: Vec<ColumnName>,
    /// Tables that are written to or made.
    pub writes: Vec<String>,
}

/// Resolves the statements of a text, each by itself and in order.
pub fn resolve(text: &str, dialect: Dialect, catalogue: &Catalogue, default_schema: Option<&str>) -> Vec<Resolved> {
    stacker::maybe_grow(ENOUGH, STACK, || resolve_by(&mut Resolver::new(dialect, catalogue, default_schema), text))
}

/// Resolves the statements of several texts, each text's by themselves: what one makes, those after it may read.
pub fn resolve_all(
    texts: &[&str],
    dialect: Dialect,
    catalogue: &Catalogue,
    default_schema: Option<&str>,
) -> Vec<Vec<Resolved>> {
    stacker::maybe_grow(ENOUGH, STACK, || {
        let mut resolver = Resolver::new(dialect, catalogue, default_schema);
        texts.iter().map(|text| resolve_by(&mut resolver, text)).collect()
    })
}

fn resolve_by(resolver: &mut Resolver<'_>, text: &str) -> Vec<Resolved> {
    let dialect = resolver.dialect;
    let pieces = match parse::pieces(text, dialect) {
        Ok(pieces) => pieces,
        Err(unresolved) => return vec![Resolved { unresolved: vec![unresolved], ..Resolved::default() }],
    };
    let resolved = pieces.into_iter().map(|piece| {
        match piece.parse(dialect) {
            // bodies are cut up by their words, whatever the parser makes of them
            _ if resolver.create_routine(&piece.tokens) => {}
            Ok(parsed) => resolver.statement(&parsed.statement),
            Err(unresolved) => {
                resolver.unresolved.insert(unresolved);
            }
        }
        taken(resolver)
    });
    resolved.collect()
}

fn taken(resolver: &mut Resolver<'_>) -> Resolved {
    let (edges, unresolved, reads, writes) = resolver.take();
    Resolved { edges, unresolved, reads, writes }
}

/// The body of a routine that a database keeps.
#[derive(Clone, Copy, Debug)]
pub struct Body<'b> {
    /// Its text.
    pub text: &'b str,
    /// Its language: `sql`, `plpgsql`; of MySQL and SQLite, `sql`.
    pub language: &'b str,
    /// Names of its parameters.
    pub parameters: &'b [String],
    /// The schema and name of the table that its trigger is on.
    pub trigger_on: Option<(&'b str, &'b str)>,
}

/// Resolves the statements inside a routine.
pub fn resolve_body(body: Body<'_>, dialect: Dialect, catalogue: &Catalogue, default_schema: Option<&str>) -> Resolved {
    stacker::maybe_grow(ENOUGH, STACK, || {
        let mut resolver = Resolver::new(dialect, catalogue, default_schema);
        let table = body.trigger_on.and_then(|(schema, name)| {
            let part = |text| Part { text, exact: true };
            match catalogue.find(&[part(schema), part(name)]) {
                Found::One(number) => Some(TableId::Given(number)),
                Found::None | Found::Several => None,
            }
        });
        let routine = Routine {
            body: body.text.to_owned(),
            at: Location { line: 1, column: 1 },
            language: body.language.to_lowercase(),
            parameters: body.parameters.to_vec(),
        };
        resolver.routine(&routine, table);
        taken(&mut resolver)
    })
}
