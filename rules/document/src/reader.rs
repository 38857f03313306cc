//! Reading a mapping key by key, with every problem collected.
//!
//! A getter returns `None` where the key is absent, `null` or wrong; in the last case it has added a problem. A key that was
//! asked for is known; [`MapReader::finish`] reports the others.

use crate::node::{Node, NodeKind};
use crate::place::{Place, Placed};
use crate::problem::{Problem, Problems};
use crate::quantity::{bytes_of, duration_of, fraction_of, nearest_duration, nearest_ratio};
use crate::shown::shown;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Unknown keys of a mapping for which a near one is sought.
const MOST_COMPARED: usize = 100;

/// A mapping being read.
#[derive(Debug)]
pub struct MapReader<'a> {
    /// What the mapping is, for messages (`a rule`, `` `agent` ``).
    name: String,
    place: Place,
    /// Key, place of the key, value; what has been taken is gone.
    left: Vec<(&'a str, &'a Place, &'a Node)>,
    places: Vec<(&'a str, &'a Place)>,
    known: Vec<String>,
}

impl<'a> MapReader<'a> {
    /// Begins to read a mapping; a problem and `None` where the node is none. `name` is what it is, for messages.
    pub fn new(node: &'a Node, name: impl Into<String>, problems: &mut Problems) -> Option<Self> {
        let name = name.into();
        let NodeKind::Map(entries) = &node.kind else {
            problems.push(
                Problem::new(format!("{name} has to be a mapping"), &node.place)
                    .value(node.shown())
                    .allowed("`key: value`"),
            );
            return None;
        };
        Some(Self {
            name,
            place: node.place.clone(),
            left: entries.iter().map(|entry| (entry.key.as_str(), &entry.place, &entry.value)).collect(),
            places: entries.iter().map(|entry| (entry.key.as_str(), &entry.place)).collect(),
            known: Vec::new(),
        })
    }

    /// Where the mapping stands.
    pub fn place(&self) -> &Place {
        &self.place
    }
    /// What the mapping is, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Where a key stands, taken or not.
    pub fn place_of(&self, key: &str) -> Option<&'a Place> {
        self.places.iter().find(|(own, _)| *own == key).map(|(_, place)| *place)
    }
    /// Keys that have not been taken, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.left.iter().map(|(key, _, _)| *key)
    }
    /// Whether the key is there and not taken yet.
    pub fn has(&self, key: &str) -> bool {
        self.left.iter().any(|(own, _, _)| *own == key)
    }
    /// Declares keys known without taking them, so that messages name them as allowed.
    pub fn allow(&mut self, keys: impl IntoIterator<Item = impl Into<String>>) {
        for key in keys {
            let key = key.into();
            if !self.known.contains(&key) {
                self.known.push(key);
            }
        }
    }

    /// Takes a key's value, `null` included.
    pub fn take(&mut self, key: &str) -> Option<&'a Node> {
        self.allow([key]);
        let at = self.left.iter().position(|(own, _, _)| *own == key)?;
        Some(self.left.remove(at).2)
    }

    /// Takes a key's value; a problem where it is absent or `null`.
    pub fn require(&mut self, key: &str, problems: &mut Problems) -> Option<&'a Node> {
        self.require_told(key, |problem| problem, problems)
    }

    /// The same; `told` says more in the problem.
    pub fn require_told(
        &mut self,
        key: &str,
        told: impl FnOnce(Problem) -> Problem,
        problems: &mut Problems,
    ) -> Option<&'a Node> {
        let node = self.take(key).filter(|node| !node.is_null());
        if node.is_none() {
            problems.push(told(match self.place_of(key) {
                Some(place) => Problem::new(format!("`{key}` has no value in {}", self.name), place),
                None => Problem::new(format!("`{key}` is missing in {}", self.name), &self.place),
            }));
        }
        node
    }

    /// Refuses a key that is there, with the reason (`sql rules are not in this version`). It is not named as allowed.
    /// True where it was there.
    pub fn refuse(&mut self, key: &str, why: impl Into<String>, problems: &mut Problems) -> bool {
        let Some(at) = self.left.iter().position(|(own, _, _)| *own == key) else { return false };
        let (_, place, _) = self.left.remove(at);
        problems.push(Problem::new(format!("`{key}` is refused in {}", self.name), place).help(why));
        true
    }

    /// Reports every key that was not asked for.
    pub fn finish(self, problems: &mut Problems) {
        if self.left.is_empty() {
            return;
        }
        let here: BTreeSet<&str> = self.places.iter().map(|(key, _)| *key).collect();
        let free: Vec<&str> = self.known.iter().map(String::as_str).filter(|known| !here.contains(known)).collect();
        let what = format!("unknown key in {}", self.name);
        let allowed = self.known.join(", ");
        for (index, (key, place, _)) in self.left.iter().enumerate() {
            let problem = Problem::new(what.as_str(), place).value(shown(key)).allowed(allowed.as_str());
            problems.push(if *key == "<<" {
                problem.help("merge keys are not read: write the keys out")
            } else if index < MOST_COMPARED {
                problem.nearest_of(key, free.iter().copied())
            } else {
                problem
            });
        }
    }

    fn given(&mut self, key: &str) -> Option<&'a Node> {
        self.take(key).filter(|node| !node.is_null())
    }

    /// A text. A number or boolean is none: it needs quotes.
    pub fn text(&mut self, key: &str, problems: &mut Problems) -> Option<Placed<String>> {
        self.given(key)?.read_text(key, problems)
    }
    /// A text that has to be there.
    pub fn require_text(&mut self, key: &str, problems: &mut Problems) -> Option<Placed<String>> {
        self.require(key, problems)?.read_text(key, problems)
    }
    /// A text whose value no problem repeats.
    pub fn secret_text(&mut self, key: &str, problems: &mut Problems) -> Option<Placed<String>> {
        let node = self.given(key)?;
        match &node.kind {
            NodeKind::Text(text) => Some(Placed::new(text.clone(), node.place.clone())),
            NodeKind::Null
            | NodeKind::Bool(_)
            | NodeKind::Integer(_)
            | NodeKind::Float(_)
            | NodeKind::List(_)
            | NodeKind::Map(_) => {
                problems.push(
                    Problem::new(format!("`{key}` has to be a text"), &node.place).help("its value is not shown"),
                );
                None
            }
        }
    }
    /// A whole number within a range.
    pub fn integer(&mut self, key: &str, range: RangeInclusive<i128>, problems: &mut Problems) -> Option<Placed<i128>> {
        self.given(key)?.read_integer(key, range, problems)
    }
    /// A whole number from 0 to 2^64 - 1.
    pub fn count(&mut self, key: &str, problems: &mut Problems) -> Option<Placed<u64>> {
        let number = self.integer(key, 0..=i128::from(u64::MAX), problems)?;
        Some(number.map(|value| u64::try_from(value).unwrap_or(u64::MAX)))
    }
    /// `true` or `false`.
    pub fn bool(&mut self, key: &str, problems: &mut Problems) -> Option<Placed<bool>> {
        let node = self.given(key)?;
        if let NodeKind::Bool(value) = node.kind {
            return Some(Placed::new(value, node.place.clone()));
        }
        problems.push(node.wrong(key, "a boolean").allowed("true, false"));
        None
    }
    /// A list of texts; a single text counts as a list of one.
    pub fn texts(&mut self, key: &str, problems: &mut Problems) -> Option<Placed<Vec<Placed<String>>>> {
        self.given(key)?.read_texts(key, problems)
    }
    /// A fraction from 0 to 1: `0.1%` or `0.001`.
    pub fn fraction(&mut self, key: &str, problems: &mut Problems) -> Option<Placed<f64>> {
        self.given(key)?.read_fraction(key, problems)
    }
    /// A duration: `15m`.
    pub fn duration(&mut self, key: &str, problems: &mut Problems) -> Option<Placed<Duration>> {
        self.given(key)?.read_duration(key, problems)
    }
    /// A size: `2GiB`.
    pub fn bytes(&mut self, key: &str, problems: &mut Problems) -> Option<Placed<u64>> {
        self.given(key)?.read_bytes(key, problems)
    }
    /// One of some words, by its index in the list.
    pub fn word<T: Clone>(&mut self, key: &str, words: &[(&str, T)], problems: &mut Problems) -> Option<Placed<T>> {
        self.given(key)?.read_word(key, words, problems)
    }
    /// A mapping, to be read and finished on its own.
    pub fn map(&mut self, key: &str, problems: &mut Problems) -> Option<MapReader<'a>> {
        MapReader::new(self.given(key)?, format!("`{key}`"), problems)
    }
    /// The items of a list.
    pub fn list(&mut self, key: &str, problems: &mut Problems) -> Option<&'a [Node]> {
        self.given(key)?.read_list(key, problems)
    }
    /// The value, where it is given and not `null`.
    pub fn node(&mut self, key: &str) -> Option<&'a Node> {
        self.given(key)
    }
}

impl Node {
    /// `` `key` has to be … `` with the value seen; to be completed and pushed by the caller.
    pub fn wrong(&self, key: &str, what: &str) -> Problem {
        Problem::new(format!("`{key}` has to be {what}"), &self.place).value(self.shown())
    }

    /// The number exactly as a decimal text that any decimal reader takes (no `_`, no `0x`); `None` for what is no number.
    pub fn number_text(&self) -> Option<String> {
        match &self.kind {
            NodeKind::Integer(value) => Some(value.to_string()),
            NodeKind::Float(value) if value.is_finite() || self.spelling.starts_with(|c: char| c != '.') => {
                Some(self.spelling.replace('_', ""))
                    .filter(|text| !text.contains("inf") && !text.contains("Inf") && !text.contains("INF"))
            }
            NodeKind::Null
            | NodeKind::Bool(_)
            | NodeKind::Float(_)
            | NodeKind::Text(_)
            | NodeKind::List(_)
            | NodeKind::Map(_) => None,
        }
    }

    /// A text. A number or boolean is none: it needs quotes. `key` is for messages.
    pub fn read_text(&self, key: &str, problems: &mut Problems) -> Option<Placed<String>> {
        match &self.kind {
            NodeKind::Text(text) => return Some(Placed::new(text.clone(), self.place.clone())),
            NodeKind::Bool(_) | NodeKind::Integer(_) | NodeKind::Float(_) => {
                problems.push(self.wrong(key, "a text").help("put it in quotes"));
            }
            NodeKind::Null | NodeKind::List(_) | NodeKind::Map(_) => problems.push(self.wrong(key, "a text")),
        }
        None
    }

    /// A whole number within a range.
    pub fn read_integer(
        &self,
        key: &str,
        range: RangeInclusive<i128>,
        problems: &mut Problems,
    ) -> Option<Placed<i128>> {
        if let NodeKind::Integer(value) = self.kind
            && range.contains(&value)
        {
            return Some(Placed::new(value, self.place.clone()));
        }
        let allowed = format!("{} to {}", range.start(), range.end());
        problems.push(self.wrong(key, "a whole number").allowed(allowed));
        None
    }

    /// A list of texts; a single text counts as a list of one.
    pub fn read_texts(&self, key: &str, problems: &mut Problems) -> Option<Placed<Vec<Placed<String>>>> {
        match &self.kind {
            NodeKind::Text(text) => {
                Some(Placed::new(vec![Placed::new(text.clone(), self.place.clone())], self.place.clone()))
            }
            NodeKind::List(items) => {
                let texts: Vec<_> = items.iter().filter_map(|item| item.read_text(key, problems)).collect();
                (texts.len() == items.len()).then(|| Placed::new(texts, self.place.clone()))
            }
            NodeKind::Null | NodeKind::Bool(_) | NodeKind::Integer(_) | NodeKind::Float(_) | NodeKind::Map(_) => {
                problems.push(self.wrong(key, "a list of texts").allowed("`[a, b]`"));
                None
            }
        }
    }

    /// A fraction from 0 to 1: `0.1%` or `0.001`.
    pub fn read_fraction(&self, key: &str, problems: &mut Problems) -> Option<Placed<f64>> {
        let read = self.scalar().and_then(|text| fraction_of(&text.replace('_', "")));
        self.or_wrong(read, problems, || {
            let near = self.scalar().and_then(nearest_ratio).filter(|near| fraction_of(near).is_some());
            let problem = self.wrong(key, "a fraction").nearest(near);
            problem.allowed("0% to 100%, such as `0.1%`, or 0 to 1, such as `0.001`")
        })
    }

    /// A duration: `15m`.
    pub fn read_duration(&self, key: &str, problems: &mut Problems) -> Option<Placed<Duration>> {
        let read = self.scalar().and_then(duration_of);
        self.or_wrong(read, problems, || {
            let near = self.scalar().and_then(nearest_duration);
            let problem = self.wrong(key, "a duration").nearest(near);
            let problem = problem.allowed("a number with ms, s, m, h, d or w, such as `15m` or `1h30m`");
            if matches!(self.kind, NodeKind::Integer(_)) { problem.help("its unit is missing") } else { problem }
        })
    }

    /// A size: `2GiB`.
    pub fn read_bytes(&self, key: &str, problems: &mut Problems) -> Option<Placed<u64>> {
        let read = self.scalar().and_then(bytes_of);
        self.or_wrong(read, problems, || {
            let allowed = "bytes, or a number with kB, MB, GB, TB, KiB, MiB, GiB or TiB, such as `2GiB`";
            self.wrong(key, "a size").allowed(allowed)
        })
    }

    /// One of some words.
    pub fn read_word<T: Clone>(&self, key: &str, words: &[(&str, T)], problems: &mut Problems) -> Option<Placed<T>> {
        let written = self.scalar().unwrap_or("");
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == written) {
            return Some(Placed::new(value.clone(), self.place.clone()));
        }
        let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let problem = self.wrong(key, "one of a few words").allowed(allowed.join(", "));
        problems.push(problem.nearest_of(written, allowed));
        None
    }

    /// The items of a list.
    pub fn read_list(&self, key: &str, problems: &mut Problems) -> Option<&[Node]> {
        if let NodeKind::List(items) = &self.kind {
            return Some(items);
        }
        let problem = self.wrong(key, "a list").allowed("`[a, b]`, or lines that begin with `- `");
        // `-a: 1` is a mapping, and so is what begins with a dash of another length
        let dashed = match &self.kind {
            NodeKind::Map(entries) => entries.first().is_some_and(|entry| entry.key.starts_with(['-', '–', '—'])),
            NodeKind::Null
            | NodeKind::Bool(_)
            | NodeKind::Integer(_)
            | NodeKind::Float(_)
            | NodeKind::Text(_)
            | NodeKind::List(_) => false,
        };
        problems.push(if dashed { problem.help("an item begins with `-` and a space") } else { problem });
        None
    }

    /// A scalar as it was written; `None` for null, lists and mappings.
    pub fn scalar(&self) -> Option<&str> {
        match self.kind {
            NodeKind::Bool(_) | NodeKind::Integer(_) | NodeKind::Float(_) | NodeKind::Text(_) => Some(&self.spelling),
            NodeKind::Null | NodeKind::List(_) | NodeKind::Map(_) => None,
        }
    }

    /// What was read, at this place; else the problem.
    fn or_wrong<T>(
        &self,
        read: Option<T>,
        problems: &mut Problems,
        wrong: impl FnOnce() -> Problem,
    ) -> Option<Placed<T>> {
        if read.is_none() {
            problems.push(wrong());
        }
        Some(Placed::new(read?, self.place.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    /// Reads every getter from a document and returns the problems.
    fn problems_of(text: &str) -> String {
        let mut problems = Problems::default();
        for document in parse("f.yaml", text, &mut problems) {
            let Some(mut map) = MapReader::new(&document, "the file", &mut problems) else { continue };
            map.text("name", &mut problems);
            map.secret_text("secret", &mut problems);
            map.integer("level", 1..=9, &mut problems);
            map.count("rows", &mut problems);
            map.bool("open", &mut problems);
            map.texts("columns", &mut problems);
            map.fraction("tolerance", &mut problems);
            map.duration("every", &mut problems);
            map.bytes("max_bytes", &mut problems);
            map.word("nulls", &[("pass", 1), ("fail", 2)], &mut problems);
            map.list("rules", &mut problems);
            if let Some(inner) = map.map("serve", &mut problems) {
                inner.finish(&mut problems);
            }
            map.refuse("sql", "rules in SQL are not in this version", &mut problems);
            map.finish(&mut problems);
        }
        problems.to_string()
    }

    #[test]
    fn problems_say_what_where_and_what_is_allowed() {
        const KEYS: &str = "name, secret, level, rows, open, columns, tolerance, every, max_bytes, nulls, rules, serve";
        let unknown = |rest: &str| format!("unknown key in the file: {rest}").replace("KEYS", KEYS);
        for (text, expected) in [
            ("name: null\nlevel: ~\nserve:\n", String::new()),
            ("name: x\nsecret: y\nlevel: 3\nrows: 1_000\nopen: true\ncolumns: [a, b]\ntolerance: 0.1%\nevery: 15m\nmax_bytes: 2GiB\nnulls: fail\nrules: []\nserve: {}", String::new()),
            ("columns: a", String::new()),
            ("[a]", "1:1: the file has to be a mapping: a list of 1; allowed: `key: value`".into()),
            ("plain", "1:1: the file has to be a mapping: `plain`; allowed: `key: value`".into()),
            ("name: 12", "1:7: `name` has to be a text: `12`; put it in quotes".into()),
            ("name: [a]", "1:7: `name` has to be a text: a list of 1".into()),
            ("secret: 12345", "1:9: `secret` has to be a text; its value is not shown".into()),
            ("level: 10", "1:8: `level` has to be a whole number: `10`; allowed: 1 to 9".into()),
            ("level: 1.5", "1:8: `level` has to be a whole number: `1.5`; allowed: 1 to 9".into()),
            ("rows: -1", "1:7: `rows` has to be a whole number: `-1`; allowed: 0 to 18446744073709551615".into()),
            ("open: yes", "1:7: `open` has to be a boolean: `yes`; allowed: true, false".into()),
            ("columns: {a: 1}", "1:10: `columns` has to be a list of texts: a mapping of 1; allowed: `[a, b]`".into()),
            ("columns: [a, 1]", "1:14: `columns` has to be a text: `1`; put it in quotes".into()),
            ("tolerance: 0,1%", "1:12: `tolerance` has to be a fraction: `0,1%`; allowed: 0% to 100%, such as `0.1%`, or 0 to 1, such as `0.001`; did you mean `0.1%`?".into()),
            ("tolerance: 101", "1:12: `tolerance` has to be a fraction: `101`; allowed: 0% to 100%, such as `0.1%`, or 0 to 1, such as `0.001`".into()),
            ("every: 15", "1:8: `every` has to be a duration: `15`; allowed: a number with ms, s, m, h, d or w, such as `15m` or `1h30m`; its unit is missing".into()),
            ("every: 15 min", "1:8: `every` has to be a duration: `15 min`; allowed: a number with ms, s, m, h, d or w, such as `15m` or `1h30m`; did you mean `15m`?".into()),
            ("max_bytes: 2gb", "1:12: `max_bytes` has to be a size: `2gb`; allowed: bytes, or a number with kB, MB, GB, TB, KiB, MiB, GiB or TiB, such as `2GiB`".into()),
            ("nulls: fial", "1:8: `nulls` has to be one of a few words: `fial`; allowed: pass, fail; did you mean `fail`?".into()),
            ("nulls: [fail]", "1:8: `nulls` has to be one of a few words: a list of 1; allowed: pass, fail".into()),
            ("rules: {a: 1}", "1:8: `rules` has to be a list: a mapping of 1; allowed: `[a, b]`, or lines that begin with `- `".into()),
            ("rules: { -a: 1 }", "1:8: `rules` has to be a list: a mapping of 1; allowed: `[a, b]`, or lines that begin with `- `; an item begins with `-` and a space".into()),
            ("serve: 1", "1:8: `serve` has to be a mapping: `1`; allowed: `key: value`".into()),
            ("serve: {a: 1}", "1:9: unknown key in `serve`: `a`; allowed: ".into()),
            ("sql: SELECT", "1:1: `sql` is refused in the file; rules in SQL are not in this version".into()),
            ("nmae: x", format!("1:1: {}", unknown("`nmae`; allowed: KEYS; did you mean `name`?"))),
            ("name: y\nnmae: x", format!("2:1: {}", unknown("`nmae`; allowed: KEYS"))),
            ("<<: x", format!("1:1: {}", unknown("`<<`; allowed: KEYS; merge keys are not read: write the keys out"))),
            ("colour: x", format!("1:1: {}", unknown("`colour`; allowed: KEYS"))),
        ] {
            let expected = if expected.is_empty() { expected } else { format!("f.yaml:{expected}") };
            assert_eq!(problems_of(text), expected, "{text}");
        }
    }

    #[test]
    fn all_problems_come_at_once() {
        let problems = problems_of("nmae: x\nopen: 1\nevery: 3\n---\nlevel: 0\n");
        assert_eq!(problems.lines().count(), 4, "{problems}");
    }

    #[test]
    fn what_is_required_is_missed() {
        let mut problems = Problems::default();
        let documents = parse("f.yaml", "a: { b: null }\n", &mut problems);
        let mut map = MapReader::new(&documents[0], "the file", &mut problems).unwrap();
        map.require("version", &mut problems);
        map.map("a", &mut problems).unwrap().require_text("b", &mut problems);
        assert_eq!(
            problems.to_string(),
            "f.yaml:1:1: `version` is missing in the file\nf.yaml:1:6: `b` has no value in `a`"
        );
    }

    #[test]
    fn what_is_missed_is_told_as_the_caller_says() {
        let mut problems = Problems::default();
        let documents = parse("f.yaml", "a: 1\n", &mut problems);
        let mut map = MapReader::new(&documents[0], "the file", &mut problems).unwrap();
        map.require_told("version", |problem| problem.help("begin with it"), &mut problems);
        assert_eq!(problems.to_string(), "f.yaml:1:1: `version` is missing in the file; begin with it");
    }

    #[test]
    fn many_unknown_keys_are_told_soon() {
        let text: String = (0..90_000).map(|number| format!("k{number}: 1\n")).collect();
        let mut problems = Problems::default();
        let documents = parse("f.yaml", &text, &mut problems);
        let mut map = MapReader::new(&documents[0], "the file", &mut problems).unwrap();
        for key in ["name", "version", "keep"] {
            map.text(key, &mut problems);
        }
        // each looked up among the others, this would take longer than anybody waits
        map.finish(&mut problems);
        assert_eq!(problems.len(), 90_000);
        let last = problems.iter().next_back().unwrap().to_string();
        assert_eq!(last, "f.yaml:90000:1: unknown key in the file: `k89999`; allowed: name, version, keep");
    }

    #[test]
    fn values_of_any_length_are_cut() {
        let long = "x".repeat(100_000);
        for text in [format!("level: {long}\n"), format!("serve:\n  ? {long}\n  : 1\n"), format!("nulls: {long}\n")] {
            let problems = problems_of(&text);
            assert!(problems.contains("x…`") && problems.len() < 500, "{} bytes", problems.len());
        }
    }

    #[test]
    fn a_message_never_carries_control_characters() {
        let problems = problems_of("name: [\"\\e[31m\"]\n\"\\e[2J\": 1\nlevel: \"\\e[31m\"\n");
        assert!(!problems.contains('\u{1b}'), "{problems:?}");
    }

    #[test]
    fn numbers_are_kept_exactly() {
        let mut problems = Problems::default();
        for (text, expected) in [
            ("1_000", Some("1000")),
            ("0x10", Some("16")),
            ("10000000000000000000.05", Some("10000000000000000000.05")),
            (".5", Some(".5")),
            ("1e400", Some("1e400")),
            (".inf", None),
            ("-.inf", None),
            (".nan", None),
            ("abc", None),
            ("'12'", None),
        ] {
            let documents = parse("f.yaml", text, &mut problems);
            assert_eq!(documents[0].number_text().as_deref(), expected, "{text}");
        }
    }
}
