//! What a rule means, as sixteen digits.

use crate::kind::CommonKey;
use crate::rule::{Expression, Nulls};
use datafusion_sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion_sql::sqlparser::tokenizer::{Token, Tokenizer};
use fieldmark_model::canonical::hexadecimal;
use sha2::{Digest, Sha256};

/// Version of the rendering below: changing it changes every fingerprint.
const RENDERING: &str = "1";

/// The fingerprint of a rule. Keys that have no meaning for its kind do not enter.
pub(super) fn fingerprint(
    kind: &str,
    meaning: &str,
    keys: &[CommonKey],
    filter: Option<&Expression>,
    tolerance: f64,
    nulls: Nulls,
) -> String {
    let mut parts = vec![RENDERING.to_owned(), kind.to_owned(), meaning.to_owned()];
    for key in keys {
        match key {
            CommonKey::Where => {
                parts.push(format!("where={}", filter.map_or_else(String::new, |text| plain_sql(&text.value))))
            }
            CommonKey::Tolerance => parts.push(format!("tolerance={tolerance}")),
            CommonKey::Nulls => parts.push(format!("nulls={nulls:?}")),
            CommonKey::Detect | CommonKey::Timeout | CommonKey::FullEvery => {}
        }
    }
    let digest = hexadecimal(&Sha256::digest(parts.join("\n").as_bytes()));
    digest.get(2..18).unwrap_or_default().to_owned()
}

/// An SQL expression with one space between its tokens and no comments: formatting does not change it. Text that is no SQL
/// stays as it is.
pub(crate) fn plain_sql(text: &str) -> String {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize() else { return text.trim().to_owned() };
    let spelled: Vec<String> =
        tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).map(ToString::to_string).collect();
    spelled.join(" ")
}
