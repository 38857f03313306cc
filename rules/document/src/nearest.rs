//! The nearest spelling, where one is near.

/// The candidate spelled most like the word, if it is near enough to be what was meant: at most one edit in three letters,
/// neighbouring letters exchanged counting as one edit, case and `-` against `_` as none.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = plain(word);
    let letters = wanted.chars().count();
    if letters > 200 {
        return None;
    }
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 800)
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= (letters.max(candidate.chars().count()) / 3).max(1) && letters > 1)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_what_is_near_is_suggested() {
        let keys = ["owner", "escalation", "runbook", "rules", "key", "not_null"];
        for (word, expected) in [
            ("ownr", Some("owner")),
            ("onwer", Some("owner")),
            ("Rules", Some("rules")),
            ("rule", Some("rules")),
            ("not-null", Some("not_null")),
            ("notnull", Some("not_null")),
            ("colour", None),
            ("k", None),
            ("", None),
            ("keys", Some("key")),
            ("escallation", Some("escalation")),
        ] {
            assert_eq!(nearest(word, keys).as_deref(), expected, "{word}");
        }
    }
}
