//! Problems as people read them.

use super::mask::mask;
use super::origin::is_in_file;
use fieldmark_document::{Place, Problem, Problems};
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity as Level, SourceCode,
};
use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal as _;
use std::sync::Arc;

/// How problems are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With the line of the file, the place underlined; else one line each, as programs read it.
    pub underlined: bool,
    /// With colours.
    pub colours: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Style {
    /// One line each.
    pub const PLAIN: Self = Self { underlined: false, colours: false, width: 80 };

    /// What fits standard error: underlined on a terminal, with colours unless refused (`--no-color`, `NO_COLOR`).
    pub fn of_standard_error(no_colour: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let refused = no_colour || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100);
        Self { underlined: terminal && !dumb, colours: terminal && !dumb && !refused, width }
    }
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Wrong,
    Warning,
}

/// How many problems are told: nobody reads more, and a file may be made to give a million.
const MOST_TOLD: usize = 1000;

/// Every problem, then every warning, each list sorted by place and cut after a thousand; ends with a line break where there is any.
pub fn render(problems: &Problems, warnings: &Problems, style: Style) -> String {
    let mut text = String::new();
    for (list, weight) in [(problems, Weight::Wrong), (warnings, Weight::Warning)] {
        // one handle for each file: a file with many problems is kept once
        let mut files: BTreeMap<Arc<str>, Arc<NamedSource<String>>> = BTreeMap::new();
        for problem in list.in_order().into_iter().take(MOST_TOLD) {
            if style.underlined {
                for place in std::iter::once(&problem.place).chain(problem.also.iter().map(|(_, place)| place)) {
                    if let (true, Some(source)) = (is_in_file(place), list.source(&place.file)) {
                        files
                            .entry(Arc::clone(&place.file))
                            .or_insert_with(|| Arc::new(NamedSource::new(&place.file, mask(source, &[]))));
                    }
                }
                underlined(problem, weight, &files, style, &mut text);
            } else {
                if weight == Weight::Warning {
                    text.push_str("warning: ");
                }
                text.push_str(&mask(&plain(problem), &[]));
                text.push('\n');
            }
        }
        let more = list.len().saturating_sub(MOST_TOLD);
        if more > 0 {
            let what = if weight == Weight::Warning { "warnings" } else { "problems" };
            text.push_str(&format!("and {more} more {what}\n"));
        }
    }
    text
}

/// One line; a place that is in no file is only named.
pub(super) fn plain(problem: &Problem) -> String {
    let mut shown = problem.to_string();
    for place in std::iter::once(&problem.place).chain(problem.also.iter().map(|(_, place)| place)) {
        if !is_in_file(place) {
            shown = shown.replace(&place.to_string(), &place.file);
        }
    }
    shown
}

fn underlined(
    problem: &Problem,
    weight: Weight,
    files: &BTreeMap<Arc<str>, Arc<NamedSource<String>>>,
    style: Style,
    text: &mut String,
) {
    let theme = if style.colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(style.width.max(40)).with_links(false);
    let shown =
        Shown { problem, weight, file: files.get(&problem.place.file).filter(|_| is_in_file(&problem.place)).cloned() };
    let begun = text.len();
    if handler.render_report(text, &shown).is_err() {
        text.truncate(begun);
        text.push_str(&mask(&plain(problem), &[]));
    }
    text.push('\n');
}

/// A problem as miette takes it.
#[derive(Debug)]
struct Shown<'a> {
    problem: &'a Problem,
    weight: Weight,
    file: Option<Arc<NamedSource<String>>>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut headline = String::new();
        if self.file.is_none() {
            if is_in_file(&self.problem.place) {
                headline.push_str(&self.problem.place.to_string());
            } else {
                headline.push_str(&self.problem.place.file);
            }
            headline.push_str(": ");
        }
        headline.push_str(&self.problem.what);
        if let Some(value) = &self.problem.value {
            headline.push_str(": ");
            headline.push_str(value);
        }
        f.write_str(&mask(&headline, &[]))
    }
}

impl std::error::Error for Shown<'_> {}

impl Shown<'_> {
    fn label(&self, word: String, place: &Place) -> LabeledSpan {
        LabeledSpan::new(Some(word), place.offset, place.length)
    }
}

impl Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<Level> {
        Some(match self.weight {
            Weight::Wrong => Level::Error,
            Weight::Warning => Level::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let problem = self.problem;
        let mut parts = Vec::new();
        // with a file it stands at the underlined place
        if let (Some(nearest), None) = (&problem.nearest, &self.file) {
            parts.push(format!("did you mean `{nearest}`?"));
        }
        if let Some(allowed) = &problem.allowed {
            parts.push(format!("allowed: {allowed}"));
        }
        parts.extend(problem.help.clone());
        for (word, place) in &problem.also {
            if !is_in_file(place) {
                parts.push(format!("{word} {}", place.file));
            } else if place.file != problem.place.file || self.file.is_none() {
                parts.push(format!("{word} {place}"));
            }
        }
        if parts.is_empty() { None } else { Some(Box::new(mask(&parts.join("\n"), &[]))) }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.file.as_deref().map(|file| file as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.file.as_ref()?;
        let here =
            self.problem.nearest.as_ref().map_or("here".to_owned(), |nearest| format!("did you mean `{nearest}`?"));
        let others = self
            .problem
            .also
            .iter()
            .filter(|(_, place)| is_in_file(place) && place.file == self.problem.place.file)
            .map(|(word, place)| self.label(word.clone(), place));
        Some(Box::new(std::iter::once(self.label(here, &self.problem.place)).chain(others)))
    }
}
