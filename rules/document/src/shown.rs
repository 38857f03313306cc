//! Texts as messages show them: of bounded length, and with nothing in them that a terminal would obey.

/// Characters that are shown of a value.
const MOST_OF_A_VALUE: usize = 60;
/// Characters of one part of a message, which lists of allowed names do not reach.
const MOST_OF_A_PART: usize = 4000;
/// Names that are listed.
const MOST_NAMES: usize = 40;

/// A value as a message quotes it: in backticks, cut after 60 characters, with what cannot be seen escaped.
pub fn shown(text: &str) -> String {
    let mut shown = String::from("`");
    for c in text.chars().take(MOST_OF_A_VALUE) {
        // with an escaped quote it would not be what stands in the file
        if matches!(c, '\'' | '"' | '\\') {
            shown.push(c);
        } else {
            shown.extend(c.escape_debug());
        }
    }
    if text.chars().nth(MOST_OF_A_VALUE).is_some() {
        shown.push('…');
    }
    shown.push('`');
    shown
}

/// A part of a message as it may be written to a terminal: control characters and those that turn the direction of writing
/// escaped, cut where it is longer than any message has to be.
pub fn visible(text: impl Into<String>) -> String {
    let text = text.into();
    let is_cut = text.chars().nth(MOST_OF_A_PART).is_some();
    if !is_cut && !text.contains(is_obeyed) {
        return text;
    }
    let mut visible = String::with_capacity(text.len());
    for c in text.chars().take(MOST_OF_A_PART) {
        if is_obeyed(c) {
            visible.extend(c.escape_debug());
        } else {
            visible.push(c);
        }
    }
    if is_cut {
        visible.push('…');
    }
    visible
}

/// Names with commas between them: the first forty, and how many there are besides.
pub fn listed<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(MOST_NAMES).map(|name| name.as_ref().to_owned()).collect();
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// A file's text with nothing in it that a terminal would obey. Every character keeps its length, so places stay true.
pub(crate) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let ends_a_line = c == '\n' || (c == '\r' && rest.peek() == Some(&'\n'));
        harmless.push(match c.len_utf8() {
            _ if ends_a_line || c == '\t' || !is_obeyed(c) => c,
            1 => '?',
            2 => '¿',
            _ => '\u{fffd}',
        });
    }
    harmless
}

/// Whether a terminal obeys a character instead of showing it.
fn is_obeyed(c: char) -> bool {
    // marks, embeddings and isolates of direction; ends of lines and paragraphs
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_cut() {
        for (text, expected) in [
            ("", "``"),
            ("it's \"a\\b\"", "`it's \"a\\b\"`"),
            ("a\tb\n\u{1b}[2J", "`a\\tb\\n\\u{1b}[2J`"),
            ("größe", "`größe`"),
            ("\u{202e}a", "`\\u{202e}a`"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown(&"ä".repeat(60)), format!("`{}`", "ä".repeat(60)));
        assert_eq!(shown(&"ä".repeat(61)), format!("`{}…`", "ä".repeat(60)));
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for (text, expected) in [
            ("no `rule` is \"odd\": größe ✓ 日本", "no `rule` is \"odd\": größe ✓ 日本"),
            ("a\u{1b}[31mb\u{7f}\u{9b}", "a\\u{1b}[31mb\\u{7f}\\u{9b}"),
            ("one\ntwo\r\tthree", "one\\ntwo\\r\\tthree"),
            ("\u{202e}abc\u{2066}\u{200f}\u{61c}\u{2028}", "\\u{202e}abc\\u{2066}\\u{200f}\\u{61c}\\u{2028}"),
        ] {
            assert_eq!(visible(text), expected);
            assert_eq!(visible(visible(text)), expected, "escaped twice");
        }
        let long = visible("x".repeat(1 << 20));
        assert_eq!((long.chars().count(), long.ends_with("x…")), (4001, true));
    }

    #[test]
    fn many_names_are_counted() {
        let names: Vec<String> = (0..45).map(|number| format!("c{number}")).collect();
        assert_eq!(listed(["a", "b"]), "a, b");
        assert_eq!(listed(&names[..40]).matches(", ").count(), 39);
        assert!(listed(&names).ends_with("c38, c39 and 5 more"), "{}", listed(&names));
        assert_eq!(listed(Vec::<String>::new()), "");
    }

    #[test]
    fn a_text_keeps_its_length() {
        for (text, expected) in
            [("a: b\r\n\tc\n", "a: b\r\n\tc\n"), ("a\rb\u{1b}[2J\u{9b}x\u{202e}y", "a?b?[2J¿x\u{fffd}y")]
        {
            assert_eq!(harmless(text), expected);
            assert_eq!(harmless(text).len(), text.len());
        }
    }
}
