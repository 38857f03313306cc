//! Problems: everything that is wrong, with what is needed to show and to mend it.

use crate::place::Place;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One thing that is wrong.
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
            what: what.into(),
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
        self.value = Some(value.into());
        self
    }
    /// What is allowed.
    #[must_use]
    pub fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(allowed.into());
        self
    }
    /// The nearest spelling, if there is one.
    #[must_use]
    pub fn nearest(mut self, nearest: Option<String>) -> Self {
        self.nearest = nearest;
        self
    }
    /// Why, or what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
    /// Another place that belongs to it.
    #[must_use]
    pub fn also(mut self, word: impl Into<String>, place: &Place) -> Self {
        self.also.push((word.into(), place.clone()));
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
    /// Keeps a file's text for showing problems in it. [`crate::parse`] does so by itself.
    pub fn keep_source(&mut self, file: &Arc<str>, text: &str) {
        self.sources.insert(Arc::clone(file), Arc::from(text));
    }
    /// The text of a file, as far as it was parsed.
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
        self.list.sort_by(|a, b| (&a.place.file, a.place.offset).cmp(&(&b.place.file, b.place.offset)));
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
