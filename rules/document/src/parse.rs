//! From text to trees, within limits.

use crate::node::{Entry, Node, NodeKind};
use crate::place::Place;
use crate::problem::{Problem, Problems};
use crate::scalar;
use crate::shown::shown;
use serde_saphyr::granit_parser::{self, ErrorKind, Event, Marker, ScalarStyle, Span, StrInput, Tag};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a file may cost. A file beyond a limit is refused with a problem, soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the text in bytes.
    pub bytes: usize,
    /// Depth of lists and mappings within each other, aliases expanded.
    pub depth: usize,
    /// Number of values in all documents, those that aliases repeat counted again.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 20, depth: 64, nodes: 250_000 }
    }
}

/// Reads the documents of a file, empty ones left out, within the default [`Limits`].
///
/// A document that is no YAML is left out and reported; those after it are read.
pub fn parse(file: impl Into<Arc<str>>, text: &str, problems: &mut Problems) -> Vec<Node> {
    parse_within(file, text, Limits::default(), problems)
}

/// Reads the documents of a file within given limits.
pub fn parse_within(file: impl Into<Arc<str>>, text: &str, limits: Limits, problems: &mut Problems) -> Vec<Node> {
    let file = file.into();
    if text.len() > limits.bytes {
        problems.push(
            Problem::new("the file is too large", &Place::start_of(file))
                .value(format!("{} bytes", text.len()))
                .allowed(format!("at most {} bytes", limits.bytes)),
        );
        return Vec::new();
    }
    problems.keep_source(&file, text);
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = limits.depth.saturating_add(1).min(255);
    let mut parser = granit_parser::Parser::new_from_str_with_options(text, options);
    let mut builder = Builder {
        file,
        text,
        limits,
        problems,
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
        documents: Vec::new(),
    };
    loop {
        let stop = match parser.next_event() {
            None => return builder.documents,
            Some(Ok((event, span))) => builder.event(event, &span),
            Some(Err(error)) if *error.kind() == ErrorKind::RecursionLimitExceeded => {
                let place = builder.place_at(error.marker());
                builder.check_depth(usize::MAX, &place)
            }
            Some(Err(error)) => {
                let place = builder.place_at(error.marker());
                let before = text.get(..place.offset).and_then(|before| before.rsplit('\n').next()).unwrap_or("");
                let mut help = error.info();
                if let Some(advice) = advice(error.kind(), before) {
                    help = format!("{help}; {advice}");
                }
                builder.problems.push(Problem::new("this is not YAML", &place).help(help));
                Err(Stop::Document)
            }
        };
        match stop {
            Ok(()) => {}
            Err(Stop::File) => return builder.documents,
            Err(Stop::Document) => {
                builder.abandon();
                if !skip_document(&mut parser) {
                    return builder.documents;
                }
            }
        }
    }
}

fn skip_document<'text>(parser: &mut granit_parser::Parser<'text, StrInput<'text>>) -> bool {
    parser.proceed_next_document().unwrap_or(false)
}

/// What to do about a text that is no YAML, by what the parser met and what stands before it in its line.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum may grow, and of most there is no more to say")]
fn advice(met: &ErrorKind, before: &str) -> Option<&'static str> {
    // `[id] = 1`: a value that is over, and goes on
    let is_over = before.trim_end().ends_with([']', '}', '"', '\'']);
    Some(match met {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => "indent with spaces",
        ErrorKind::UnexpectedCharacter { character } if !character.is_control() => {
            "text that begins with it needs quotes"
        }
        ErrorKind::UnknownQuotedScalarEscape => "in single quotes a backslash is no more than itself",
        ErrorKind::MappingValueNotAllowed => {
            "text with `: ` in it needs quotes; keys of one mapping begin in the same column"
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry if is_over => {
            "text that begins with a bracket or a quote needs quotes around all of it"
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            "what belongs together begins in the same column"
        }
        ErrorKind::InvalidColonPlacement
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => "a bracket or a comma is missing before it",
        _ => return None,
    })
}

/// How much is given up after a problem.
enum Stop {
    Document,
    File,
}

/// A list or mapping whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    content: Content,
    /// Depth of the deepest list or mapping inside, itself counted as 1.
    height: usize,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: BTreeMap<String, Place>, key: Option<Key> },
}

enum Key {
    /// Of an entry to be kept.
    New(String, Place),
    /// The entry is read and dropped: its key is there already, or is none.
    Dropped,
}

struct Anchored {
    node: Node,
    nodes: usize,
    height: usize,
}

struct Builder<'a> {
    file: Arc<str>,
    text: &'a str,
    limits: Limits,
    problems: &'a mut Problems,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    root: Option<Node>,
    documents: Vec<Node>,
}

impl Builder<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum may grow")]
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) => self.abandon(),
            Event::DocumentEnd => {
                if let Some(root) = self.root.take().filter(|root| !root.is_null()) {
                    self.documents.push(root);
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                let place = self.place(span);
                let text_tag = self.tag(tag, span);
                let kind = if style == ScalarStyle::Plain && !text_tag {
                    scalar::plain(&value)
                } else {
                    NodeKind::Text(value.clone().into_owned())
                };
                self.count(1, &place)?;
                self.add(Node { kind, spelling: value.into_owned(), place }, anchor, 0)?;
            }
            Event::SequenceStart(_, anchor, tag) => self.start(span, anchor, tag, Content::List(Vec::new()))?,
            Event::MappingStart(_, anchor, tag) => {
                let content = Content::Map { entries: Vec::new(), seen: BTreeMap::new(), key: None };
                self.start(span, anchor, tag, content)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let mut place = open.place;
                    let end = span.end.byte_offset().unwrap_or(place.offset);
                    place.length = self.first_line(place.offset, end);
                    let kind = match open.content {
                        Content::List(items) => NodeKind::List(items),
                        Content::Map { entries, .. } => NodeKind::Map(entries),
                    };
                    self.add(Node { kind, spelling: String::new(), place }, open.anchor, open.height)?;
                }
            }
            Event::Alias(id) => {
                let place = self.place(span);
                let Some((node, nodes, height)) =
                    self.anchors.get(&id).map(|anchored| (anchored.node.clone(), anchored.nodes, anchored.height))
                else {
                    self.problems.push(Problem::new("an alias stands inside of what it stands for", &place));
                    return Err(Stop::Document);
                };
                self.count(nodes, &place)?;
                self.add(node, 0, height)?;
            }
            Event::UnresolvedAlias(name) => {
                let place = self.place(span);
                let text = format!("*{name}");
                let problem = Problem::new("no anchor has this name", &place).value(shown(&text));
                self.problems.push(problem.help("text that begins with `*` needs quotes"));
                // most likely it is meant as text: what it belongs to has a value
                self.add(Node { kind: NodeKind::Text(text.clone()), spelling: text, place }, 0, 0)?;
            }
            // stream marks, and what the options above switch off
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, span: &Span, anchor: usize, tag: Option<Cow<'_, Tag>>, content: Content) -> Result<(), Stop> {
        let place = self.place(span);
        self.tag(tag, span);
        self.count(1, &place)?;
        self.open.push(Open { place: place.clone(), anchor, content, height: 1 });
        self.check_depth(self.open.len(), &place)
    }

    /// Puts a finished node where it belongs: into the innermost open collection, as its key, item or value.
    fn add(&mut self, node: Node, anchor: usize, height: usize) -> Result<(), Stop> {
        self.check_depth(self.open.len() + height, &node.place)?;
        if anchor != 0 {
            // a kept copy counts like the repetition that it makes possible
            let size = size(&node);
            self.count(size, &node.place)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes: size, height });
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.height = parent.height.max(height + 1);
        match &mut parent.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, seen, key } => match key.take() {
                Some(Key::Dropped) => {}
                Some(Key::New(key, place)) => entries.push(Entry { key, place, value: node }),
                None => {
                    *key = Some(if matches!(node.kind, NodeKind::List(_) | NodeKind::Map(_)) {
                        let problem = Problem::new("a key has to be a text", &node.place).value(node.shown());
                        self.problems.push(problem);
                        Key::Dropped
                    } else if let Some(first) = seen.get(&node.spelling) {
                        let problem = Problem::new("the key stands here twice", &node.place).value(node.shown());
                        self.problems.push(problem.also("first at", first));
                        Key::Dropped
                    } else {
                        seen.insert(node.spelling.clone(), node.place.clone());
                        Key::New(node.spelling, node.place)
                    });
                }
            },
        }
        Ok(())
    }

    /// Whether the tag says that the value is text. Other tags than the core schema's own have no meaning here.
    fn tag(&mut self, tag: Option<Cow<'_, Tag>>, span: &Span) -> bool {
        let Some(tag) = tag else { return false };
        match tag.core_suffix() {
            Some("str") => true,
            Some("seq" | "map") => false,
            _ if tag.original() == "!" => true,
            _ => {
                let place = self.place(&span.tag_span().unwrap_or(*span));
                let problem = Problem::new("tags have no meaning here", &place).value(shown(&tag.original()));
                self.problems.push(problem.help("leave it out; text that begins with `!` needs quotes"));
                false
            }
        }
    }

    fn count(&mut self, nodes: usize, place: &Place) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= self.limits.nodes {
            return Ok(());
        }
        let allowed = format!("at most {} in a file, with those that aliases repeat", self.limits.nodes);
        self.problems.push(Problem::new("too many values", place).allowed(allowed));
        Err(Stop::File)
    }

    fn check_depth(&mut self, depth: usize, place: &Place) -> Result<(), Stop> {
        if depth <= self.limits.depth {
            return Ok(());
        }
        let allowed = format!("at most {} levels", self.limits.depth);
        self.problems.push(Problem::new("lists and mappings lie too deep in each other", place).allowed(allowed));
        Err(Stop::File)
    }

    fn abandon(&mut self) {
        self.open.clear();
        self.anchors.clear();
        self.root = None;
    }

    fn place_at(&self, marker: &Marker) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: u32::try_from(marker.line()).unwrap_or(u32::MAX),
            column: u32::try_from(marker.col()).unwrap_or(u32::MAX).saturating_add(1),
            offset: marker.byte_offset().unwrap_or(0).min(self.text.len()),
            length: 0,
        }
    }

    fn place(&self, span: &Span) -> Place {
        let mut place = self.place_at(&span.start);
        let end = span.end.byte_offset().unwrap_or(place.offset);
        let covered = self.text.get(place.offset..end).unwrap_or("");
        place.length = covered.trim_end().len();
        place
    }

    /// Length of the first line of a collection.
    fn first_line(&self, start: usize, end: usize) -> usize {
        let covered = self.text.get(start..end).unwrap_or("");
        covered.lines().next().unwrap_or("").trim_end().len()
    }
}

/// Bytes of text that are repeated at the cost of one value.
const BYTES_OF_A_VALUE: usize = 64;

/// Number of values in a tree, long texts counted as several. Its depth is bounded.
fn size(node: &Node) -> usize {
    let of_entry = |entry: &Entry| 1 + entry.key.len() / BYTES_OF_A_VALUE + size(&entry.value);
    let inside: usize = match &node.kind {
        NodeKind::List(items) => items.iter().map(size).sum(),
        NodeKind::Map(entries) => entries.iter().map(of_entry).sum(),
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Integer(_) | NodeKind::Float(_) | NodeKind::Text(_) => 0,
    };
    1 + node.spelling.len() / BYTES_OF_A_VALUE + inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Node>, String) {
        let mut problems = Problems::default();
        let documents = parse("f.yaml", text, &mut problems);
        (documents, problems.to_string())
    }

    #[test]
    fn values_know_their_places_and_spelling() {
        let (documents, problems) =
            read("a: 1_000\nb: [x, 'y z', \"q\"]\n---\nc:\n  é: { d: 10000000000000000000.05 }\n");
        assert_eq!(problems, "");
        assert_eq!(documents.len(), 2);
        let place = |node: &Node| (node.place.line, node.place.column, node.place.length);
        let a = documents[0].get("a").unwrap();
        assert_eq!((&a.kind, a.spelling.as_str(), place(a)), (&NodeKind::Integer(1000), "1_000", (1, 4, 5)));
        let b = documents[0].get("b").unwrap();
        assert_eq!(place(b), (2, 4, 15));
        let NodeKind::List(items) = &b.kind else { panic!("{b:?}") };
        assert_eq!(items.iter().map(place).collect::<Vec<_>>(), [(2, 5, 1), (2, 8, 5), (2, 15, 3)]);
        assert_eq!(items[1].place.within("y z", 2..3).column, 11);
        let d = documents[1].get("c").unwrap().get("é").unwrap().get("d").unwrap();
        assert_eq!((d.spelling.as_str(), place(d)), ("10000000000000000000.05", (5, 11, 23)));
        assert!(matches!(d.kind, NodeKind::Float(_)));
    }

    #[test]
    fn an_alias_without_an_anchor_is_text() {
        let (documents, problems) = read("a: *b\n");
        assert!(problems.contains("`*b`"), "{problems}");
        assert_eq!(documents[0].get("a").unwrap().kind, NodeKind::Text("*b".into()));
    }

    #[test]
    fn block_text_keeps_its_lines() {
        let (documents, problems) = read("sql: |\n  SELECT 1\n  FROM t\nx: >-\n  a\n  b\ny: plain\n  folded\n");
        assert_eq!(problems, "");
        assert_eq!(documents[0].get("sql").unwrap().kind, NodeKind::Text("SELECT 1\nFROM t\n".into()));
        assert_eq!(documents[0].get("x").unwrap().kind, NodeKind::Text("a b".into()));
        assert_eq!(documents[0].get("y").unwrap().kind, NodeKind::Text("plain folded".into()));
    }

    #[test]
    fn broken_documents_are_reported_and_the_next_is_read() {
        for (text, read_documents, expected) in [
            ("", 0, ""),
            ("# nothing\n", 0, ""),
            ("---\n---\na: 1\n", 1, ""),
            ("a: 1\na: 2\n", 1, "f.yaml:2:1: the key stands here twice: `a` (first at f.yaml:1:1)"),
            ("{a: 1, 'a': {a: 1}}", 1, "f.yaml:1:8: the key stands here twice: `a` (first at f.yaml:1:2)"),
            ("a: *b\n", 1, "f.yaml:1:4: no anchor has this name: `*b`; text that begins with `*` needs quotes"),
            ("a: &x [1, *x]\n", 0, "f.yaml:1:11: an alias stands inside of what it stands for"),
            (
                "a: !secret b\n",
                1,
                "f.yaml:1:4: tags have no meaning here: `!secret`; leave it out; text that begins with `!` needs quotes",
            ),
            (
                "a: !x\n  b: 1\n",
                1,
                "f.yaml:1:4: tags have no meaning here: `!x`; leave it out; text that begins with `!` needs quotes",
            ),
            ("? [a]\n: 1\n", 1, "f.yaml:1:3: a key has to be a text: a list of 1"),
            ("a: [1\n---\nb: 2\n", 1, "f.yaml:1:4: this is not YAML; unclosed bracket '['"),
            ("a: \"x\n", 0, "f.yaml:1:4: this is not YAML; unclosed quote"),
            (
                "a: b: c\n",
                0,
                "f.yaml:1:5: this is not YAML; mapping values are not allowed in this context; text with `: ` in it needs quotes; keys of one mapping begin in the same column",
            ),
            (
                "a:\n\t- b\n",
                0,
                "f.yaml:2:2: this is not YAML; tabs disallowed within this context (block indentation); indent with spaces",
            ),
            (
                "a: @b\n",
                0,
                "f.yaml:1:4: this is not YAML; unexpected character: `@'; text that begins with it needs quotes",
            ),
            (
                "a: [b] = 1\n",
                0,
                "f.yaml:1:8: this is not YAML; while parsing a block mapping, did not find expected key; text that begins with a bracket or a quote needs quotes around all of it",
            ),
        ] {
            let (documents, problems) = read(text);
            assert_eq!((documents.len(), problems.as_str()), (read_documents, expected), "{text:?}");
        }
    }

    #[test]
    fn hostile_files_are_refused_before_they_are_read_to_their_end() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..40 {
            laughs += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", "));
        }
        let mut chain = String::from("a0: &a0 [x]\n");
        for level in 1..80 {
            chain += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
        }
        let anchors: String = (0..60).map(|level| format!("{}- &b{level}\n", " ".repeat(level))).collect::<String>();
        for (name, text, expected) in [
            ("aliases", laughs, "too many values"),
            ("alias depth", chain, "lists and mappings lie too deep in each other"),
            ("flow depth", "[".repeat(500_000), "lists and mappings lie too deep in each other"),
            ("block depth", "- ".repeat(500_000), "lists and mappings lie too deep in each other"),
            ("nested anchors", anchors + &" ".repeat(60) + &"x, ".repeat(1000), ""),
            ("size", "#".repeat((1 << 20) + 1), "the file is too large"),
            ("values", "[".to_owned() + &"1,".repeat(400_000) + "]", "too many values"),
            (
                "a long text, repeated",
                format!("a: &b {}\nc: [{}]", "x".repeat(20_000), "*b, ".repeat(200_000)),
                "too many values",
            ),
            (
                "a long key, repeated",
                format!("a: &b {{ {}: 1 }}\nc: [{}]", "x".repeat(900), "*b, ".repeat(200_000)),
                "too many values",
            ),
        ] {
            // read to its end, each of these would take longer than anybody waits
            let (_, problems) = read(&text);
            assert!(problems.contains(expected), "{name}: {problems}");
        }
    }
}
