//! Problems: everything that is wrong, with what is needed to show and to mend it.

use crate::nearest::nearest;
use crate::place::Place;
use crate::shown::{harmless, visible};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One thing that is wrong. Its words are such as may be written to a terminal ([`visible`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, without the value (`unknown key in a rule`).
    pub what: String,
    /// Where.
    pub place: Place,
    /// The value seen, as a user would recognise it. `None` where it may be secret or says nothing.
    pub value: Option<String>,
    /// What is allowed.
    pub allowed: Option<String>,
    /// The allowed spelling nearest to the one seen.
    pub nearest: Option<String>,
    /// Why it is wrong or what to do.
    pub help: Option<String>,
    /// Other places that belong to it, each with a word for it (`first here`).
    pub also: Vec<(String, Place)>,
}

impl Problem {
    /// A problem at a place.
    pub fn new(what: impl Into<String>, place: &Place) -> Self {
        Self {
            what: visible(what),
            place: place.clone(),
            value: None,
            allowed: None,
            nearest: None,
            help: None,
            also: Vec::new(),
        }
    }
    /// The value seen, already as it is to be shown (in backticks where it is quoted from the file).
    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.value = Some(visible(value));
        self
    }
    /// What is allowed.
    #[must_use]
    pub fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(visible(allowed));
        self
    }
    /// The nearest spelling, if there is one.
    #[must_use]
    pub fn nearest(mut self, nearest: Option<String>) -> Self {
        self.nearest = nearest.map(visible);
        self
    }
    /// The nearest spelling of a word, if one of the candidates is near. Where the word has letters that only look like those of the
    /// candidate, they are named.
    #[must_use]
    pub fn nearest_of<'a>(self, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        let near = nearest(word, candidates);
        let strange = near.as_ref().is_some_and(|near| near.is_ascii() && !word.is_ascii());
        let problem = self.nearest(near);
        if !strange {
            return problem;
        }
        let spelled: String =
            word.chars().map(|c| if c.is_ascii() { c.to_string() } else { c.escape_default().to_string() }).collect();
        problem.help(format!("it has characters that only look like others: `{spelled}`"))
    }
    /// Why, or what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(visible(help));
        self
    }
    /// Another place that belongs to it.
    #[must_use]
    pub fn also(mut self, word: impl Into<String>, place: &Place) -> Self {
        self.also.push((visible(word), place.clone()));
        self
    }
}

impl fmt::Display for Problem {
    /// One line: `file:line:column: what: value; allowed: …; did you mean …?; help (first at file:line:column)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        if let Some(value) = &self.value {
            write!(f, ": {value}")?;
        }
        if let Some(allowed) = &self.allowed {
            write!(f, "; allowed: {allowed}")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean `{nearest}`?")?;
        }
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        for (word, place) in &self.also {
            write!(f, " ({word} {place})")?;
        }
        Ok(())
    }
}

/// All problems of all files, and the files' texts to show them in.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
    sources: BTreeMap<Arc<str>, Arc<str>>,
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }
    /// Adds all of another collection, with its texts.
    pub fn append(&mut self, other: Self) {
        self.list.extend(other.list);
        self.sources.extend(other.sources);
    }
    /// Keeps a file's text for showing problems in it, with what a terminal would obey overwritten. [`crate::parse`] does so by itself.
    pub fn keep_source(&mut self, file: &Arc<str>, text: &str) {
        self.sources.insert(Arc::clone(file), Arc::from(harmless(text)));
    }
    /// The text of a file that was parsed.
    pub fn source(&self, file: &str) -> Option<&str> {
        self.sources.get(file).map(AsRef::as_ref)
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }
    /// Each, in order of finding; sorted by place after [`Problems::into_result`].
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }
    /// Sorts by file and place.
    pub fn sort(&mut self) {
        self.list.sort_by(by_place);
    }
    /// Each, by file and place.
    pub fn in_order(&self) -> Vec<&Problem> {
        let mut sorted: Vec<&Problem> = self.list.iter().collect();
        sorted.sort_by(|a, b| by_place(a, b));
        sorted
    }

    /// The value where there is no problem, else the problems, sorted by place.
    ///
    /// # Errors
    /// All problems.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Self> {
        if self.list.is_empty() {
            Ok(value)
        } else {
            self.sort();
            Err(self)
        }
    }
}

fn by_place(a: &Problem, b: &Problem) -> Ordering {
    (&a.place.file, a.place.offset).cmp(&(&b.place.file, b.place.offset))
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl fmt::Display for Problems {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_message_is_obeyed_by_a_terminal() {
        let place = Place::start_of("f.yaml");
        let odd = "\u{1b}[2J\n\u{202e}x";
        let problem = Problem::new(odd, &place).value(odd).allowed(odd).nearest(Some(odd.to_owned())).help(odd);
        let told = problem.also(odd, &place).to_string();
        assert!(!told.contains(['\u{1b}', '\n', '\u{202e}']), "{told:?}");
        assert_eq!(told.matches("\\u{1b}[2J\\n\\u{202e}x").count(), 6, "{told}");
    }

    #[test]
    fn letters_that_look_like_others_are_named() {
        let told = |word: &str| {
            Problem::new("no column", &Place::start_of("f")).nearest_of(word, ["order_no", "größe"]).to_string()
        };
        assert_eq!(told("ordr_no"), "f:1:1: no column; did you mean `order_no`?");
        assert_eq!(
            told("ord\u{435}r_no"),
            "f:1:1: no column; did you mean `order_no`?; it has characters that only look like others: `ord\\u{435}r_no`"
        );
        assert_eq!(told("größ"), "f:1:1: no column; did you mean `größe`?");
        assert_eq!(told("colour"), "f:1:1: no column");
    }

    #[test]
    fn texts_are_kept_as_a_terminal_may_show_them() {
        let mut problems = Problems::default();
        problems.keep_source(&"f.yaml".into(), "a: \u{1b}[2J\nb: c\n");
        assert_eq!(problems.source("f.yaml"), Some("a: ?[2J\nb: c\n"));
    }
}
