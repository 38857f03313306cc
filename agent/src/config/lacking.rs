//! Keys of features that this version lacks: refused as such, never ignored. A value that asks for nothing may stand.

use fieldmark_document::{MapReader, Node, NodeKind, Problem, Problems};

/// What of a key's values asks for nothing.
#[derive(Clone, Copy)]
enum Stands {
    /// Nothing, an empty list, an empty mapping.
    Empty,
    /// This word, too.
    Word(&'static str),
}

/// Of the whole file.
const FILE: [(&str, Stands); 2] = [("contracts", Stands::Empty), ("scan", Stands::Empty)];

/// Of a source.
const SOURCE: [(&str, Stands); 1] = [("quiet_hours", Stands::Empty)];

/// Takes the keys of the whole file that this version lacks.
pub(super) fn of_file(file: &mut MapReader<'_>, problems: &mut Problems) {
    each(file, &FILE, problems);
}

/// Takes the keys of `migrations` that this version lacks: it tells tools apart by itself.
pub(super) fn of_migrations(migrations: &mut MapReader<'_>, problems: &mut Problems) {
    each(migrations, &[("tool", Stands::Word("auto"))], problems);
}

/// Takes the keys of a source that this version lacks.
pub(super) fn of_source(source: &mut MapReader<'_>, problems: &mut Problems) {
    each(source, &SOURCE, problems);
}

/// Takes the keys of `marks` that this version lacks.
pub(super) fn of_marks(marks: &mut MapReader<'_>, problems: &mut Problems) {
    each(marks, &[("encrypt_with", Stands::Empty)], problems);
}

/// Keys are taken only where they are there, so that no message names them as allowed.
fn each(reader: &mut MapReader<'_>, keys: &[(&str, Stands)], problems: &mut Problems) {
    for (key, stands) in keys {
        if !reader.has(key) {
            continue;
        }
        let place = reader.place_of(key).cloned();
        let Some(node) = reader.take(key) else { continue };
        if is_empty(node) || matches!(stands, Stands::Word(word) if node.scalar() == Some(word)) {
            continue;
        }
        let help = match stands {
            Stands::Empty => "leave it out".to_owned(),
            Stands::Word(word) => format!("leave it out, or write `{word}`"),
        };
        let place = place.as_ref().unwrap_or(&node.place);
        let what = match stands {
            Stands::Empty => format!("`{key}` is not in this version of Fieldmark"),
            Stands::Word(word) => format!("`{key}` other than `{word}` is not in this version of Fieldmark"),
        };
        problems.push(Problem::new(what, place).help(help));
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Null => true,
        NodeKind::List(items) => items.is_empty(),
        NodeKind::Map(entries) => entries.is_empty(),
        NodeKind::Bool(_) | NodeKind::Integer(_) | NodeKind::Float(_) | NodeKind::Text(_) => false,
    }
}
