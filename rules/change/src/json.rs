//! JSON text in one spelling, because `json` to `jsonb` respells every value and changes none.

use fieldmark_model::canonical::decimal;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const MAX_DEPTH: usize = 128;

/// The text without blanks between tokens, keys sorted (the last of equal keys wins), numbers in canonical form, escapes decoded.
/// `None` for text that is no JSON, or is nested deeper than 128.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let mut reader = Reader { rest: text };
    let value = reader.value(0)?;
    reader.blanks();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, token: &str) -> Option<()> {
        self.blanks();
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<String> {
        self.blanks();
        match self.rest.chars().next()? {
            _ if depth > MAX_DEPTH => None,
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => self.string(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<String> {
        let mut members = BTreeMap::new();
        self.eat("{")?;
        if self.eat("}").is_some() {
            return Some("{}".into());
        }
        loop {
            self.blanks();
            let key = self.string()?;
            self.eat(":")?;
            members.insert(key, self.value(depth + 1)?);
            if self.eat(",").is_none() {
                break self.eat("}")?;
            }
        }
        let members: Vec<String> = members.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
        Some(format!("{{{}}}", members.join(",")))
    }

    fn array(&mut self, depth: usize) -> Option<String> {
        let mut items = Vec::new();
        self.eat("[")?;
        if self.eat("]").is_some() {
            return Some("[]".into());
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.eat(",").is_none() {
                break self.eat("]")?;
            }
        }
        Some(format!("[{}]", items.join(",")))
    }

    fn string(&mut self) -> Option<String> {
        let mut text = String::new();
        self.rest = self.rest.strip_prefix('"')?;
        loop {
            let mut characters = self.rest.chars();
            let c = characters.next()?;
            self.rest = characters.as_str();
            match c {
                '"' => break,
                '\\' => text.push(self.escape()?),
                c => text.push(c),
            }
        }
        let mut quoted = String::from("\"");
        for c in text.chars() {
            if c == '"' || c == '\\' || c < ' ' {
                // writing to a String cannot fail
                write!(quoted, "\\u{:04x}", u32::from(c)).ok()?;
            } else {
                quoted.push(c);
            }
        }
        quoted.push('"');
        Some(quoted)
    }

    fn escape(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let c = characters.next()?;
        self.rest = characters.as_str();
        Some(match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            '"' | '\\' | '/' => c,
            'u' => {
                let high = self.unit()?;
                if (0xd800..0xdc00).contains(&high) {
                    self.rest = self.rest.strip_prefix("\\u")?;
                    let low = self.unit()?.checked_sub(0xdc00)?;
                    char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)?
                } else {
                    char::from_u32(high)?
                }
            }
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        u32::from_str_radix(digits, 16).ok()
    }

    fn word(&mut self) -> Option<String> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
        let (word, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest;
        match word {
            "true" | "false" | "null" => Some(word.to_owned()),
            number if number.starts_with(|c: char| c.is_ascii_digit() || c == '-') => Some(decimal(number)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        for (one, other) in [
            (r#"{"b": 1, "a": [1, 2.50, "x"]}"#, r#"{"a":[1,2.5,"x"],"b":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""\u00e9\/\n""#, "\"é/\\u000a\""),
            (r#""\ud83d\ude00""#, "\"😀\""),
            ("[ ]", "[]"),
            (" { } ", "{}"),
            ("1e2", "100"),
        ] {
            assert_eq!(canonical(one), canonical(other), "{one}");
            assert!(canonical(one).is_some(), "{one}");
        }
        assert_ne!(canonical("[1,2]"), canonical("[2,1]"));
        assert_ne!(canonical(r#""1""#), canonical("1"));
        for text in ["", "{", "[1,]", "{a:1}", "nul", "1 2", "\"x", r#""\ud83d""#, "é"] {
            assert_eq!(canonical(text), None, "{text}");
        }
        assert_eq!(canonical(&"[".repeat(100_000)), None);
    }
}
