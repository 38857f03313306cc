//! `sql`: a query of the database's own gives no row.

use super::sentence::meaning;
use super::{CommonKey, Dialect, Facts, Form, Kind, Plan, Reading, Refusal};
use crate::language::plain_sql;
use arrow::datatypes::Schema;
use datafusion_sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion_sql::sqlparser::tokenizer::{Token, Tokenizer};
use fieldmark_document::{Node, NodeKind, Problem, Problems, shown};
use fieldmark_model::canonical::hexadecimal;
use sha2::{Digest, Sha256};
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "sql",
    reference: "A query in the database's own SQL: every row that it gives is a failure. It runs only where the source's configuration \
                says `sql: allow`, as one statement in a read-only transaction, under the rule's `timeout` (5s unless told \
                otherwise); the schemas of the source are its search path. Up to ten thousand rows are counted. Read-only does \
                not mean harmless: a function that it calls may do whatever the role may. Of failing rows those columns are shown \
                that are in the table's key, under `examples: values` all. With `full_every` it is asked at most that often.",
    example: "sql: SELECT o.id FROM orders o JOIN refunds r ON r.order_id = o.id WHERE r.cents > o.total_cents",
    keys: &[CommonKey::Timeout, CommonKey::FullEvery],
    without: &[
        (CommonKey::Where, "write the condition into the query"),
        (
            CommonKey::Tolerance,
            "it counts rows: there is no failing fraction; write the number into the query (`HAVING`)",
        ),
        (CommonKey::Detect, "the query speaks of all rows: nothing is sampled"),
        (CommonKey::Nulls, "the query decides by itself what a NULL counts as"),
    ],
    form: Form::Query,
    read,
};

#[derive(Debug)]
struct Sql {
    text: String,
}

/// Words that a query begins with.
const BEGINNINGS: [&str; 4] = ["select", "with", "values", "table"];

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let NodeKind::Text(text) = &node.kind else {
        problems.push(node.wrong("sql", "a query").allowed("`SELECT …`, whose rows are failures"));
        return None;
    };
    let text = text.trim().trim_end_matches([';', ' ', '\n', '\t', '\r']).to_owned();
    let no_query = Problem::new("`sql` has to be a query", &node.place).allowed("`SELECT …`, whose rows are failures");
    let tokens = match Tokenizer::new(&PostgreSqlDialect {}, &text).tokenize() {
        Ok(tokens) => tokens,
        Err(error) => {
            problems.push(no_query.value(shown(&text)).help(error.message));
            return None;
        }
    };
    let mut words = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_) | Token::LParen));
    let first = words.next().map(|token| token.to_string().to_lowercase());
    if first.is_none_or(|first| !BEGINNINGS.contains(&first.as_str())) {
        problems.push(if text.is_empty() { no_query } else { no_query.value(shown(&text)) });
        return None;
    }
    if tokens.contains(&Token::SemiColon) {
        let problem = Problem::new("`sql` has more than one statement", &node.place).value(shown(&text));
        problems.push(problem.help("one query; write another rule for another one"));
        return None;
    }
    let plain = plain_sql(&text);
    let digest = hexadecimal(&Sha256::digest(plain.as_bytes()));
    Some(vec![Reading {
        meaning: meaning([("query", plain)]),
        label: digest.get(2..10).map(str::to_owned),
        part: None,
        kind: Arc::new(Sql { text }),
    }])
}

impl Kind for Sql {
    fn name(&self) -> &'static str {
        FACTS.name
    }
    fn columns(&self) -> Vec<&str> {
        Vec::new()
    }
    fn plan(&self, _schema: &Schema) -> Result<Plan, Refusal> {
        Ok(Plan::Sql { text: self.text.clone() })
    }
    fn failing_sql(&self, _: Dialect) -> Option<String> {
        None
    }
    fn wording(&self) -> String {
        "the query gives no row".to_owned()
    }
}
