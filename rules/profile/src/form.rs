//! The form of texts: known formats, and patterns that all of them share.

use regex::Regex;
use std::collections::HashMap;

/// A known format.
pub(crate) struct Format {
    pub(crate) name: &'static str,
    pub(crate) pattern: &'static str,
}

/// Formats, the narrowest first. The patterns are what a rule gets.
pub(crate) const FORMATS: [Format; 5] = [
    Format { name: "e-mail addresses", pattern: r"^[^@\s]+@[^@\s]+\.[^@\s]+$" },
    Format { name: "web addresses", pattern: r"^https?://[^\s]+$" },
    Format { name: "IPv4 addresses", pattern: r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$" },
    Format { name: "phone numbers", pattern: r"^\+[0-9][0-9 ()./-]{5,24}$" },
    Format { name: "MAC addresses", pattern: r"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$" },
];

/// The first format that these texts have but for so many, with how many do not.
pub(crate) fn format<'a>(texts: impl Iterator<Item = &'a str> + Clone, but: u64) -> Option<(&'static Format, u64)> {
    FORMATS.iter().find_map(|format| {
        let pattern = Regex::new(format.pattern).ok()?;
        let others = texts.clone().filter(|text| !pattern.is_match(text)).take(but as usize + 1).count() as u64;
        (others <= but).then_some((format, others))
    })
}

/// A run of characters of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    class: Class,
    /// The text, while it is the same in all.
    text: Option<String>,
    least: usize,
    most: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Class {
    Upper,
    Lower,
    Digit,
    /// One other character, itself.
    Other(char),
}

fn class(c: char) -> Class {
    match c {
        'A'..='Z' => Class::Upper,
        'a'..='z' => Class::Lower,
        '0'..='9' => Class::Digit,
        other => Class::Other(other),
    }
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for c in text.chars() {
        match runs.last_mut().filter(|run| run.class == class(c)) {
            Some(run) => {
                run.most += 1;
                run.least += 1;
                if let Some(text) = &mut run.text {
                    text.push(c);
                }
            }
            None => runs.push(Run { class: class(c), text: Some(c.to_string()), least: 1, most: 1 }),
        }
    }
    runs
}

/// The texts of the commonest form, by their runs of letters and digits, and how many others there are; `None` where those are more than
/// so many.
pub(crate) fn of_one_form<'a>(texts: impl Iterator<Item = &'a str>, but: u64) -> Option<(Vec<&'a str>, u64)> {
    let mut forms: HashMap<Vec<Class>, Vec<&str>> = HashMap::new();
    let mut all = 0;
    for text in texts {
        all += 1;
        forms.entry(runs(text).iter().map(|run| run.class).collect()).or_default().push(text);
        // too many forms for one of them to be that of almost all
        if forms.len() as u64 > but + 1 {
            return None;
        }
    }
    let common = forms.into_values().max_by_key(Vec::len)?;
    let others = all - common.len() as u64;
    (others <= but).then_some((common, others))
}

/// The pattern that texts have in common, anchored: `^ORD-[0-9]{10}$`. `None` where their runs of letters and digits differ, or where it
/// would say next to nothing.
pub(crate) fn common_pattern<'a>(mut texts: impl Iterator<Item = &'a str>) -> Option<String> {
    let first = texts.next()?;
    if !first.is_ascii() || first.len() > 60 {
        return None;
    }
    let mut common = runs(first);
    for text in texts {
        let other = runs(text);
        if other.len() != common.len() {
            return None;
        }
        for (run, other) in common.iter_mut().zip(other) {
            if run.class != other.class {
                return None;
            }
            run.least = run.least.min(other.least);
            run.most = run.most.max(other.most);
            if run.text != other.text {
                run.text = None;
            }
        }
    }
    // one run of varying length is any word
    let fixed = common.iter().all(|run| run.least == run.most);
    let says = common.iter().any(|run| run.text.is_none()) && (common.len() > 1 || fixed);
    if !says || common.len() > 12 {
        return None;
    }
    let mut pattern = String::from("^");
    for run in &common {
        match &run.text {
            Some(text) => pattern.push_str(&regex::escape(text)),
            None => {
                pattern.push_str(match run.class {
                    Class::Upper => "[A-Z]",
                    Class::Lower => "[a-z]",
                    Class::Digit => "[0-9]",
                    Class::Other(_) => ".",
                });
                if run.least == run.most {
                    if run.most > 1 {
                        pattern.push_str(&format!("{{{}}}", run.most));
                    }
                } else {
                    pattern.push('+');
                }
            }
        }
    }
    pattern.push('$');
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_patterns_are_found() {
        for (texts, expected) in [
            (&["ORD-0000001", "ORD-0000002", "ORD-1234567"][..], Some("^ORD\\-[0-9]{7}$")),
            (&["DE", "GB", "FR"], Some("^[A-Z]{2}$")),
            (&["a1", "b22", "c333"], Some("^[a-z][0-9]+$")),
            (&["red", "green", "blue"], None),
            (&["same", "same"], None),
            (&["ab-1", "ab1"], None),
            (&["é1", "ü2"], None),
        ] {
            assert_eq!(common_pattern(texts.iter().copied()).as_deref(), expected, "{texts:?}");
            if let Some(expected) = expected {
                let pattern = Regex::new(expected).unwrap();
                assert!(texts.iter().all(|text| pattern.is_match(text)));
            }
        }
    }

    #[test]
    fn formats_are_known() {
        let name = |texts: &[&str]| format(texts.iter().copied(), 0).map(|(format, _)| format.name);
        assert_eq!(name(&["a@b.example", "c.d@e.example"]), Some("e-mail addresses"));
        assert_eq!(name(&["https://a.example/x", "http://b.example"]), Some("web addresses"));
        assert_eq!(name(&["10.0.0.1", "192.168.1.20"]), Some("IPv4 addresses"));
        assert_eq!(name(&["a@b.example", "nobody"]), None);
        let almost = format(["a@b.example", "nobody"].into_iter(), 1);
        assert_eq!(almost.map(|(format, others)| (format.name, others)), Some(("e-mail addresses", 1)));
    }

    #[test]
    fn one_form_is_told_from_others() {
        let texts = ["A-1", "B-22", "C-3", "c4"];
        assert_eq!(of_one_form(texts.into_iter(), 1), Some((vec!["A-1", "B-22", "C-3"], 1)));
        assert_eq!(of_one_form(texts.into_iter(), 0), None);
    }
}
