//! Styled text that wraps at a width.

use crate::report::words::plain;
use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

/// Ordinary text.
pub(crate) const PLAIN: Style = Style::new();
/// What matters on its line.
pub(super) const BOLD: Style = Style::new().bold();
/// What may be skipped.
pub(super) const DIM: Style = Style::new().dimmed();
/// Good.
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
/// Bad.
pub(super) const RED: Style = AnsiColor::Red.on_default().bold();
/// Could not tell, or a warning.
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();

/// A piece of text in one style.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    text: String,
    style: Style,
}

/// A piece of text in a style, made harmless for a terminal: what the database's names and rows hold of control
/// characters is shown and not obeyed.
pub(crate) fn span(text: impl AsRef<str>, style: Style) -> Span {
    let mut clean = String::new();
    for c in text.as_ref().chars() {
        match c {
            '\n' | '\t' | '\r' => clean.push(' '),
            c if c.is_control() || is_format(c) => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
    }
    Span { text: clean, style }
}

/// Characters that reorder or hide the text around them.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Columns that a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// Columns that pieces take.
pub(super) fn spans_columns(spans: &[Span]) -> usize {
    spans.iter().map(|span| columns(&span.text)).sum()
}

/// Lines of text, at most so wide where words allow.
#[derive(Debug)]
pub(crate) struct Page {
    out: String,
    width: usize,
    color: bool,
}

impl Page {
    /// An empty page.
    pub(crate) fn new(width: usize, color: bool) -> Self {
        Self { out: String::new(), width: width.max(20), color }
    }

    /// Columns of the page.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// An empty line, unless there is one already or nothing stands above.
    pub(crate) fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// Text wrapped at the page's width, its first line indented by `first`, the others by `rest` columns.
    pub(crate) fn paragraph(&mut self, first: usize, rest: usize, spans: &[Span]) {
        self.hang(&[span(" ".repeat(first), PLAIN)], first, rest, spans);
    }

    /// A head, padded to `at` columns, and text wrapped beside it, whose further lines are indented by `rest` columns.
    pub(crate) fn hang(&mut self, head: &[Span], at: usize, rest: usize, spans: &[Span]) {
        let head_columns = spans_columns(head);
        let mut line = head.to_vec();
        line.push(span(" ".repeat(at.saturating_sub(head_columns)), PLAIN));
        let mut used = head_columns.max(at);
        let mut fresh = true;
        for (word, spaced) in words(spans) {
            let wide = spans_columns(&word);
            let space = usize::from(spaced && !fresh);
            if !fresh && used + space + wide > self.width {
                self.line(&line);
                line = vec![span(" ".repeat(rest), PLAIN)];
                used = rest;
                fresh = true;
            }
            if spaced && !fresh {
                line.push(span(" ", PLAIN));
                used += 1;
            }
            // a word wider than the page is broken: it is shown whole all the same
            for (piece, breaks) in broken(word, self.width.saturating_sub(used), self.width.saturating_sub(rest)) {
                if breaks {
                    self.line(&line);
                    line = vec![span(" ".repeat(rest), PLAIN)];
                    used = rest;
                }
                used += columns(&piece.text);
                line.push(piece);
            }
            fresh = false;
        }
        self.line(&line);
    }

    /// One line as it is, however wide: the terminal wraps it, and what is copied from it stays whole.
    pub(crate) fn line(&mut self, spans: &[Span]) {
        let end = spans.iter().rposition(|span| !span.text.trim_end().is_empty()).map_or(0, |last| last + 1);
        for (index, span) in spans.iter().take(end).enumerate() {
            let text = plain(&span.text);
            let text = if index + 1 == end { text.trim_end() } else { text.as_str() };
            if self.color && !span.style.is_plain() && !text.trim().is_empty() {
                self.out.push_str(&format!("{}{text}{}", span.style.render(), span.style.render_reset()));
            } else {
                self.out.push_str(text);
            }
        }
        self.out.push('\n');
    }
}

/// Splits at spaces: each word with its styles, and whether a space stands before it.
fn words(spans: &[Span]) -> Vec<(Vec<Span>, bool)> {
    let mut words: Vec<(Vec<Span>, bool)> = Vec::new();
    let mut spaced = false;
    let mut open = false;
    for span in spans {
        for (index, part) in span.text.split(' ').enumerate() {
            if index > 0 {
                spaced = true;
                open = false;
            }
            if part.is_empty() {
                continue;
            }
            let piece = Span { text: part.to_owned(), style: span.style };
            match words.last_mut() {
                Some((word, _)) if open => word.push(piece),
                _ => words.push((vec![piece], spaced)),
            }
            spaced = false;
            open = true;
        }
    }
    words
}

/// Breaks a word into pieces that fit: into what is left of the line, then into whole lines. The flag says whether a line
/// break goes before the piece.
fn broken(word: Vec<Span>, left: usize, whole: usize) -> Vec<(Span, bool)> {
    if spans_columns(&word) <= left || whole < 8 {
        return word.into_iter().map(|span| (span, false)).collect();
    }
    let mut pieces = Vec::new();
    let mut room = left;
    let mut breaks = false;
    for span in word {
        let mut piece = String::new();
        for c in span.text.chars() {
            let wide = columns(c.encode_utf8(&mut [0; 4]));
            if wide > room {
                if !piece.is_empty() {
                    pieces.push((Span { text: std::mem::take(&mut piece), style: span.style }, breaks));
                }
                breaks = true;
                room = whole;
            }
            room = room.saturating_sub(wide);
            piece.push(c);
        }
        if !piece.is_empty() {
            pieces.push((Span { text: piece, style: span.style }, breaks));
            breaks = false;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(width: usize, text: &str) -> String {
        let mut page = Page::new(width, false);
        page.paragraph(0, 2, &[span(text, PLAIN)]);
        page.finish()
    }

    #[test]
    fn text_wraps_at_spaces_and_nothing_is_lost() {
        assert_eq!(wrapped(20, "one two three four five six"), "one two three four\n  five six\n");
        assert_eq!(wrapped(20, "x abcdefghijklmnopqrstuvwxyz"), "x\n  abcdefghijklmnopqr\n  stuvwxyz\n");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(wrapped(20, "注文 注文 注文 注文 注文"), "注文 注文 注文 注文\n  注文\n");
        assert_eq!(wrapped(20, "注文注文注文注文注文注文"), "注文注文注文注文注文\n  注文\n");
    }

    #[test]
    fn numbers_stay_with_their_units() {
        assert_eq!(wrapped(20, "so many rows: 10\u{202f}000\u{202f}000"), "so many rows:\n  10 000 000\n");
    }

    #[test]
    fn what_would_steer_a_terminal_is_shown_and_not_obeyed() {
        assert_eq!(wrapped(80, "a\u{1b}[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c d\n");
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let render = |color| {
            let mut page = Page::new(80, color);
            page.paragraph(0, 0, &[span("bad", RED), span(" plain", PLAIN)]);
            page.finish()
        };
        assert_eq!(render(false), "bad plain\n");
        assert_eq!(render(true), "\u{1b}[1m\u{1b}[31mbad\u{1b}[0m plain\n");
    }
}
