//! The nearest spelling, where one is near.

/// Fewest letters of a beginning that stands for a whole word.
const LEAST_BEGINNING: usize = 3;

/// The candidate spelled most like the word, if it is near enough to be what was meant: at most one edit in three letters,
/// neighbouring letters exchanged counting as one edit, case and `-` against `_` as none. Else the only candidate that begins with
/// the word, or that the word begins with, from three letters on.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = plain(word);
    let letters = wanted.chars().count();
    if !(2..=200).contains(&letters) {
        return None;
    }
    let candidates: Vec<(&str, String)> = candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 800)
        .map(|candidate| (candidate, plain(candidate)))
        .collect();
    let near = candidates.iter().filter_map(|(candidate, own)| {
        let others = own.chars().count();
        let most = (letters.max(others) / 3).max(1);
        // so many edits the difference in length takes by itself
        if letters.abs_diff(others) > most {
            return None;
        }
        let distance = strsim::damerau_levenshtein(&wanted, own);
        (distance <= most).then_some((distance, *candidate))
    });
    if let Some((_, candidate)) = near.min_by_key(|(distance, _)| *distance) {
        return Some(candidate.to_owned());
    }
    let mut begun = candidates.iter().filter(|(_, own)| {
        letters.min(own.chars().count()) >= LEAST_BEGINNING
            && (own.starts_with(&wanted) || wanted.starts_with(own.as_str()))
    });
    let (only, _) = begun.next()?;
    begun.all(|(other, _)| other == only).then(|| (*only).to_owned())
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

    #[test]
    fn a_beginning_stands_for_the_only_word_that_has_it() {
        let words = ["integer", "internal_id", "min", "max", "order_id", "id", "Created-At"];
        for (word, expected) in [
            ("minimum", Some("min")),
            ("MAXIMUM", Some("max")),
            ("order", Some("order_id")),
            ("created", Some("Created-At")),
            ("integers_of_any_size", Some("integer")),
            // two begin so
            ("int", None),
            ("inte", None),
            // two letters say too little
            ("identity_of_a_row", None),
            ("mi", Some("min")),
        ] {
            assert_eq!(nearest(word, words).as_deref(), expected, "{word}");
        }
        assert_eq!(nearest("order", ["order_number", "order_number"]).as_deref(), Some("order_number"));
    }
}
