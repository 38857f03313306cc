//! XML 1.0: elements that are always closed, and text that is always escaped.

use crate::report::words::NARROW;

/// A document that is being written.
pub(crate) struct Xml {
    out: String,
    depth: usize,
}

impl Xml {
    /// A document without elements.
    pub(crate) fn new() -> Self {
        Self { out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".into(), depth: 0 }
    }

    /// An element that holds elements.
    pub(crate) fn element(&mut self, name: &str, attributes: &[(&str, &str)], inside: impl FnOnce(&mut Self)) {
        self.open(name, attributes);
        self.out.push('\n');
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.indent();
        self.close(name);
    }

    /// An element that holds text.
    pub(crate) fn text(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.open(name, attributes);
        self.out.push_str(&escaped(text, false));
        self.close(name);
    }

    /// The document.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.indent();
        self.out.push_str(&format!("<{name}"));
        for (attribute, value) in attributes {
            self.out.push_str(&format!(" {attribute}=\"{}\"", escaped(value, true)));
        }
        self.out.push('>');
    }

    fn close(&mut self, name: &str) {
        self.out.push_str(&format!("</{name}>\n"));
    }

    fn indent(&mut self) {
        self.out.push_str(&"  ".repeat(self.depth));
    }
}

/// Text without markup. What XML cannot hold is shown as an escape; the narrow spaces of numbers become ordinary ones,
/// for programs to search.
fn escaped(text: &str, attribute: bool) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            NARROW => safe.push(' '),
            '\n' | '\t' if !attribute => safe.push(c),
            // a reader makes spaces of these in an attribute, and a line feed of a carriage return anywhere
            '\n' | '\t' | '\r' => safe.push_str(&format!("&#{};", u32::from(c))),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        for (text, inside, in_attribute) in [
            ("a < b && c > \"d\" 'e'", "a &lt; b &amp;&amp; c &gt; &quot;d&quot; &apos;e&apos;", None),
            ("]]>", "]]&gt;", None),
            ("a\nb\tc", "a\nb\tc", Some("a&#10;b&#9;c")),
            ("a\rb", "a&#13;b", None),
            ("\u{0}\u{1b}[m\u{8}\u{ffff}\u{fffe}", "\\u{0}\\u{1b}[m\\u{8}\\u{ffff}\\u{fffe}", None),
            ("10\u{202f}000 Zürich 注文 🙂", "10 000 Zürich 注文 🙂", None),
        ] {
            assert_eq!(escaped(text, false), inside);
            assert_eq!(escaped(text, true), in_attribute.unwrap_or(inside));
        }
    }

    #[test]
    fn elements_are_closed_and_indented() {
        let mut xml = Xml::new();
        xml.element("a", &[("n", "1\""), ("m", "")], |xml| {
            xml.text("b", &[], "x\n<y>");
            xml.element("c", &[], |_| {});
        });
        assert_eq!(
            xml.finish(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a n=\"1&quot;\" \
             m=\"\">\n  <b>x\n&lt;y&gt;</b>\n  <c>\n  </c>\n</a>\n"
        );
    }
}
