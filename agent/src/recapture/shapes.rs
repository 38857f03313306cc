//! What may be told of how the values of a column lie: no more than its owner lets be shown of rows.

use crate::config::Examples;
use fieldmark_change::ShapeDetail;
use fieldmark_engine::rule::TableRules;

/// How exactly, by the source's `examples` setting.
pub(super) fn detail(examples: Examples) -> ShapeDetail {
    match examples {
        Examples::None => ShapeDetail::None,
        Examples::Keys | Examples::Redacted => ShapeDetail::Rounded,
        Examples::Values => ShapeDetail::Values,
    }
}

/// Columns of which nothing is told: those that the mark has as digests, and those that the rule file names as `pii` by now.
pub(super) fn hidden(rules: Option<&TableRules>, digested: &[String]) -> Vec<String> {
    let now = rules.into_iter().flat_map(|rules| &rules.pii).map(|column| &column.value);
    digested.iter().chain(now).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_only_where_the_setting_says_so() {
        assert_eq!(detail(Examples::None), ShapeDetail::None);
        assert_eq!(detail(Examples::Keys), ShapeDetail::Rounded);
        assert_eq!(detail(Examples::Redacted), ShapeDetail::Rounded);
        assert_eq!(detail(Examples::Values), ShapeDetail::Values);
        assert_eq!(hidden(None, &["email".to_owned()]), ["email"]);
    }
}
