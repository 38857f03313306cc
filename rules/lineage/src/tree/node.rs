//! The text in which PostgreSQL keeps its trees: `{NODE :field value …}`, `( … )`, words with backslashes before what is special.
//!
//! Source of the form: `src/backend/nodes/{outfuncs,read,readfuncs}.c` of PostgreSQL. It is internal to a major version; fields are read by
//! name, and what is not known is left alone.

/// A tree, or a part of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node<'t> {
    /// `<>`.
    Null,
    /// A word as it stands, its backslashes among it.
    Word(&'t str),
    List(Vec<Node<'t>>),
    Object(Object<'t>),
}

/// A node with its fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object<'t> {
    pub(super) name: &'t str,
    fields: Vec<(&'t str, Node<'t>)>,
}

/// Levels that are read at most. The server's own limit on its stack is met long before.
const DEEPEST: usize = 4_000;

const NULL: Node<'static> = Node::Null;

impl<'t> Object<'t> {
    /// A field; null where there is none of that name.
    pub(super) fn get(&self, name: &str) -> &Node<'t> {
        self.fields.iter().find(|(own, _)| *own == name).map_or(&NULL, |(_, node)| node)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).word().and_then(|word| word.parse().ok())
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.get(name).word() == Some("true")
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).word().map(unescaped)
    }
}

impl<'t> Node<'t> {
    pub(super) fn object(&self) -> Option<&Object<'t>> {
        match self {
            Self::Object(object) => Some(object),
            Self::Null | Self::Word(_) | Self::List(_) => None,
        }
    }

    pub(super) fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            Self::Null | Self::Word(_) | Self::Object(_) => &[],
        }
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &Object<'t>> {
        self.list().iter().filter_map(Self::object)
    }

    pub(super) fn word(&self) -> Option<&'t str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Null | Self::List(_) | Self::Object(_) => None,
        }
    }
}

/// A word without its backslashes, and without quotes around it.
pub(super) fn unescaped(word: &str) -> String {
    let bare = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(word);
    let mut text = String::with_capacity(bare.len());
    let mut letters = bare.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            letter => text.push(letter),
        }
    }
    text
}

/// Reads a tree.
///
/// # Errors
/// It is not of this form: at which byte.
pub(super) fn read(text: &str) -> Result<Node<'_>, usize> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let node = reader.node()?;
    reader.blanks();
    if reader.at < text.len() { Err(reader.at) } else { Ok(node) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or(&[])
    }

    fn peek(&mut self) -> Option<u8> {
        self.blanks();
        self.rest().first().copied()
    }

    fn blanks(&mut self) {
        self.at += self.rest().iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t')).count();
    }

    /// A word: up to a blank or a bracket, neither after a backslash. In quotes, up to the other quote.
    fn word(&mut self) -> Option<&'t str> {
        self.blanks();
        let from = self.at;
        let rest = self.rest();
        let quoted = rest.first() == Some(&b'"');
        let mut length = usize::from(quoted);
        while let Some(byte) = rest.get(length) {
            match byte {
                b'\\' => length += 2,
                b'"' if quoted => {
                    length += 1;
                    break;
                }
                b' ' | b'\n' | b'\t' | b'(' | b')' | b'{' | b'}' if !quoted => break,
                _ => length += 1,
            }
        }
        self.at += length.min(rest.len());
        self.text.get(from..self.at).filter(|word| !word.is_empty())
    }

    fn node(&mut self) -> Result<Node<'t>, usize> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.at);
        }
        let node = match self.peek().ok_or(self.at)? {
            b'{' => {
                self.at += 1;
                let name = self.word().ok_or(self.at)?;
                let mut object = Object { name, fields: Vec::new() };
                loop {
                    match self.peek().ok_or(self.at)? {
                        b'}' => {
                            self.at += 1;
                            break;
                        }
                        b':' => {
                            let field = self.word().and_then(|word| word.strip_prefix(':')).ok_or(self.at)?;
                            let value = self.node()?;
                            object.fields.push((field, value));
                        }
                        // what follows a value: the bytes of a constant
                        _ => {
                            self.node()?;
                        }
                    }
                }
                Node::Object(object)
            }
            b'(' => {
                self.at += 1;
                let mut list = Vec::new();
                while self.peek().ok_or(self.at)? != b')' {
                    list.push(self.node()?);
                }
                self.at += 1;
                Node::List(list)
            }
            b'}' | b')' => return Err(self.at),
            _ => match self.word().ok_or(self.at)? {
                "<>" => Node::Null,
                word => Node::Word(word),
            },
        };
        self.depth -= 1;
        Ok(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_name() {
        let tree = read(
            r#"({QUERY :commandType 1 :name a\ b\{c :none <> :list (i 1 2) :constvalue 4 [ 1 0 0 0 ] :last "x y"})"#,
        )
        .unwrap();
        let query = tree.objects().next().unwrap();
        assert_eq!((query.name, query.number("commandType")), ("QUERY", Some(1)));
        assert_eq!(query.text("name").unwrap(), "a b{c");
        assert_eq!((query.get("none"), query.get("missing")), (&Node::Null, &Node::Null));
        assert_eq!(query.get("list").list().len(), 3);
        assert_eq!((query.number("constvalue"), query.text("last").unwrap().as_str()), (Some(4), "x y"));
    }

    #[test]
    fn what_is_no_tree_is_refused_with_its_place() {
        for text in ["", "({QUERY", "(}", "{QUERY :a }", ")", "({A}) more", "{"] {
            assert!(read(text).is_err(), "{text}");
        }
        let deep = "(".repeat(100_000);
        assert!(stacker::grow(crate::sql::STACK, || read(&deep).is_err()));
    }
}
