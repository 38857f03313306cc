//! What a page shows against what was printed.

use regex::Regex;

/// What is another one with every run, and what stands for it. In this order.
const CHANGING: [(&str, &str); 9] = [
    (r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d:\d\d(?: UTC|Z)?)?", "DATE"),
    (r"\b[0-9a-f]{16}\b", "ID"),
    (r"(read in|statements? of|,) \d+(?:\.\d+)? (?:ms|s|min)\b(?: \d+ s)?", "${1} TIME"),
    (r"\d+(?:\.\d+)? (?:ms|s|min) before the recapture", "TIME before the recapture"),
    (r"\d[\d ]* statements? of", "# statements of"),
    (r"(?:about )?\d[\d ]* blocks touched(?: \(by all sessions \d[\d ]*\))?", "# blocks touched"),
    (r"\d[\d ]* rows? read", "# rows read"),
    (r"seed \d+", "seed #"),
    (r"\d+(?:\.\d+)? [KM]iB", "# KiB"),
];

/// The text without what changes from run to run, its words one space apart: where a line is broken depends on what
/// stands in it. `drawn`: without its numbers, too.
pub(super) fn normal(text: &str, drawn: bool) -> String {
    let numbers = drawn.then_some((r"\d(?:[\d .]*\d)?", "#"));
    let narrow = text.replace('\u{202f}', " ");
    let plain = CHANGING
        .into_iter()
        .chain(numbers)
        .fold(narrow, |text, (pattern, word)| Regex::new(pattern).unwrap().replace_all(&text, word).into_owned());
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What of the text expected is not in the other one. `...` in it stands for any words.
pub(super) fn missing(expected: &str, got: &str) -> Option<String> {
    let words: Vec<&str> = expected.split(' ').collect();
    let mut pieces: Vec<String> = words.split(|word| *word == "...").map(|words| words.join(" ")).collect();
    if let [whole] = pieces.as_slice() {
        return (whole != got).then(|| whole.clone());
    }
    let mut rest = got;
    for (number, piece) in pieces.iter().enumerate() {
        let found = rest.find(piece.as_str()).filter(|found| number > 0 || *found == 0);
        let Some(found) = found else { return Some(piece.clone()) };
        rest = &rest[found + piece.len()..];
    }
    pieces.pop().filter(|last| !got.ends_with(last.as_str()))
}

#[test]
fn only_what_changes_may_differ() {
    for (expected, got, same) in [
        ("12 000 rows read in 1.5 s · seed 7", "5 rows read in 33 ms\n  · seed 99", true),
        ("shop: 1 statement of 5 ms", "shop: 12 statements of 1.2 s, 4 blocks touched", false),
        ("...\nb c\n...", "a b\nc d", true),
        ("b\n...", "a b c", false),
        ("...\nb", "a b c", false),
        ("a\n...\nc", "a b c", true),
        ("3 of 5 fail", "4 of 5 fail", false),
    ] {
        assert_eq!(missing(&normal(expected, false), &normal(got, false)).is_none(), same, "{expected}: {got}");
    }
    let drawn = |text| normal(text, true);
    assert_eq!(drawn("7 of 10 000 fail: 0.07 %"), drawn("3 of 9 000 fail: 0.033 %"));
}
