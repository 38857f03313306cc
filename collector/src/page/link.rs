//! Addresses of pages.

use fieldmark_model::{RuleId, SourceName, TableName};

/// A text as a part of a path.
fn part(text: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    // that is for what follows `?`, where a space is a plus; a part of dots alone would be another place
    let encoded = encoded.replace('+', "%20");
    if text.chars().all(|c| c == '.') { encoded.replace('.', "%2E") } else { encoded }
}

/// What follows `?`, of the pairs that say something.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let said = pairs.iter().filter(|(_, value)| !value.is_empty());
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish();
    if text.is_empty() { text } else { format!("?{text}") }
}

/// A source's page.
pub(super) fn source(source: &SourceName) -> String {
    format!("/sources/{}", part(source.as_str()))
}

/// A table's page.
pub(super) fn table(source: &SourceName, table: &TableName) -> String {
    format!("/tables/{}/{}", part(source.as_str()), part(&table.to_string()))
}

/// A rule's page.
pub(super) fn rule(source: &SourceName, table: &TableName, rule: &RuleId) -> String {
    format!("/rules/{}/{}/{}", part(source.as_str()), part(&table.to_string()), part(rule.as_str()))
}

/// A migration's page.
pub(super) fn migration(source: &SourceName, id: &str) -> String {
    format!("/migrations/{}/{}", part(source.as_str()), part(id))
}

/// An incident's page.
pub(super) fn incident(id: &str) -> String {
    format!("/incidents/{}", part(id))
}

/// The lineage of a column, or of all of a table's.
pub(super) fn lineage(source: &SourceName, table: &str, column: &str) -> String {
    format!("/lineage{}", query(&[("source", source.as_str()), ("table", table), ("column", column)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_thing_is_called_its_address_is_one_of_this_host() {
        let (shop, odd) = (SourceName::new("shop"), SourceName::new("../a?b#c/d e+f"));
        assert_eq!(source(&shop), "/sources/shop");
        assert_eq!(source(&odd), "/sources/..%2Fa%3Fb%23c%2Fd%20e%2Bf");
        assert_eq!(source(&SourceName::new("..")), "/sources/%2E%2E");
        let named = TableName::new("public", "<script>");
        assert_eq!(table(&shop, &named), "/tables/shop/public.%22%3Cscript%3E%22");
        assert_eq!(lineage(&shop, "public.orders", ""), "/lineage?source=shop&table=public.orders");
        assert_eq!(query(&[("q", "")]), "");
        assert_eq!(rule(&shop, &named, &RuleId::new("a/b")), "/rules/shop/public.%22%3Cscript%3E%22/a%2Fb");
    }
}
