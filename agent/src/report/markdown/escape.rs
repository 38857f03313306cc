//! Text from outside, made harmless for Markdown.
//!
//! A parser reads markup in it. GitHub and GitLab then look for mentions, references and addresses in the text of the
//! finished page, where an entity is its character again (`&#64;name` does mention). So the characters of markup become
//! entities, and those that begin a mention, a reference or an address stand in an element of their own, apart from
//! what would follow.

/// Text in which nothing is markup, a link, a mention or a reference: on one line, wherever it stands.
pub(super) fn text(outside: &str) -> String {
    let shown = visible(outside.trim());
    // behind a number at most, these would begin a list or underline a heading
    let number = shown.len() - shown.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mut safe = String::new();
    for (at, c) in shown.char_indices() {
        let before = shown.get(..at).unwrap_or_default();
        let next = shown.get(at + c.len_utf8()..).and_then(|rest| rest.chars().next());
        let opens = at == number && matches!(c, '-' | '+' | '=' | '.' | ')');
        let piece = if opens || is_markup(c) { format!("&#{};", u32::from(c)) } else { c.to_string() };
        if begins_reference(before, c, next) {
            safe.push_str(&format!("<span>{piece}</span>"));
        } else {
            safe.push_str(&piece);
        }
    }
    safe
}

/// A name or a key, as code. An element and not backticks: in those no bar and no backslash could be escaped.
pub(super) fn code(outside: &str) -> String {
    format!("<code>{}</code>", text(outside))
}

/// SQL to copy, in a fence longer than any run of backticks inside.
pub(super) fn fenced(sql: &str) -> String {
    let lines: Vec<String> = sql.trim().lines().map(visible).collect();
    let runs = lines.iter().flat_map(|line| line.split(|c: char| c != '`'));
    let fence = "`".repeat(runs.map(str::len).max().unwrap_or(0).max(2) + 1);
    format!("{fence}sql\n{}\n{fence}", lines.join("\n"))
}

/// Text on one line, with what would hide or reorder it shown as an escape.
fn visible(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\t' | '\r' | '\u{2028}' | '\u{2029}' => shown.push(' '),
            c if c.is_control() || is_format(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// Characters that reorder, hide or tag the text around them.
fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

fn is_markup(c: char) -> bool {
    matches!(c, '&' | '<' | '>' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '|' | '#' | '@' | '$')
}

/// Whether a forge may see the beginning of a mention, a reference, an address or a little picture here.
fn begins_reference(before: &str, c: char, next: Option<char>) -> bool {
    let word = next.is_some_and(|next| next.is_alphanumeric() || matches!(next, '"' | '/' | '+' | '-' | '_'));
    match c {
        // mentions and mail, issues, formulas, boxes to tick
        '@' | '#' | '$' | '[' => true,
        // requests, milestones, epics, labels, alerts, addresses and pictures
        '!' | '%' | '&' | '~' | '^' | ':' => word,
        // marks of a change
        '{' => matches!(next, Some('+' | '-')),
        // `www.`, `GH-12`
        '.' => ends_with(before, "www"),
        '-' => ends_with(before, "gh") && next.is_some_and(|next| next.is_ascii_digit()),
        _ => false,
    }
}

fn ends_with(text: &str, word: &str) -> bool {
    let from = text.len().checked_sub(word.len());
    from.and_then(|from| text.get(from..)).is_some_and(|end| end.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        for (outside, safe) in [
            ("total 2.5 (sum), it's 0.1 % - \"new\"", "total 2.5 (sum), it's 0.1 % - \"new\""),
            ("a|b\\|c", "a&#124;b&#92;&#124;c"),
            ("`x` *y* _z_ ~~q~~", "&#96;x&#96; &#42;y&#42; &#95;z&#95; &#126;<span>&#126;</span>q&#126;&#126;"),
            ("<b>&amp;</b>", "&#60;b&#62;<span>&#38;</span>amp;&#60;/b&#62;"),
            ("[x](y)", "<span>&#91;</span>x&#93;(y)"),
            (" one\r\ntwo\tthree\n", "one  two three"),
            ("", ""),
        ] {
            assert_eq!(text(outside), safe, "{outside}");
        }
    }

    #[test]
    fn nothing_is_mentioned_or_linked() {
        for (outside, safe) in [
            ("@team", "<span>&#64;</span>team"),
            ("a@b.example", "a<span>&#64;</span>b.example"),
            ("see #12, o/r#3", "see <span>&#35;</span>12, o/r<span>&#35;</span>3"),
            ("GH-12, gh-x", "GH<span>-</span>12, gh-x"),
            ("https://x.example", "https<span>:</span>//x.example"),
            ("WWW.x.example", "WWW<span>.</span>x.example"),
            (":tada: 5: x", "<span>:</span>tada: 5: x"),
            ("!7 %\"a\" ^alert", "<span>!</span>7 <span>%</span>\"a\" <span>^</span>alert"),
            ("$x$", "<span>&#36;</span>x<span>&#36;</span>"),
            ("{+ x +}", "<span>{</span>+ x +}"),
        ] {
            assert_eq!(text(outside), safe, "{outside}");
        }
    }

    #[test]
    fn no_block_begins() {
        for (outside, safe) in [
            ("- x - y", "&#45; x - y"),
            ("+ x", "&#43; x"),
            ("12. x. y", "12&#46; x. y"),
            ("12) x", "12&#41; x"),
            ("===", "&#61;=="),
            ("# x", "<span>&#35;</span> x"),
            ("> x", "&#62; x"),
            ("7 of 12", "7 of 12"),
        ] {
            assert_eq!(text(outside), safe, "{outside}");
        }
    }

    #[test]
    fn what_would_hide_or_reorder_text_is_shown() {
        assert_eq!(text("a\u{1b}[b\u{202e}c\u{200b}"), "a&#92;u{1b}<span>&#91;</span>b&#92;u{202e}c&#92;u{200b}");
        assert_eq!(text("10\u{202f}000"), "10\u{202f}000", "the space of numbers is no such character");
    }

    #[test]
    fn a_fence_holds_what_is_inside() {
        assert_eq!(fenced("SELECT 1\r\nFROM `t`"), "```sql\nSELECT 1\nFROM `t`\n```");
        assert_eq!(fenced("a ```` b\n</details>"), "`````sql\na ```` b\n</details>\n`````");
        assert_eq!(fenced("a\u{202e}b\u{0}"), "```sql\na\\u{202e}b\\u{0}\n```");
    }
}
