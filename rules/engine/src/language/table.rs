//! What a document says about its table as a whole.

use crate::rule::{Pattern, SampleWish};
use fieldmark_document::{MapReader, Node, NodeKind, Placed, Problem, Problems, shown};
use fieldmark_model::TableName;
use fieldmark_model::name::quote_identifier;

/// Keys that a table's document and a folder's defaults share.
#[derive(Clone, Debug, Default)]
pub(super) struct Common {
    pub(super) owner: Option<Placed<String>>,
    pub(super) escalation: Option<Placed<String>>,
    pub(super) runbook: Option<Placed<String>>,
}

impl Common {
    pub(super) fn read(map: &mut MapReader<'_>, problems: &mut Problems) -> Self {
        Self {
            owner: full_text(map, "owner", problems),
            escalation: full_text(map, "escalation", problems),
            runbook: full_text(map, "runbook", problems),
        }
    }
}

/// A text with something in it.
pub(super) fn full_text(map: &mut MapReader<'_>, key: &str, problems: &mut Problems) -> Option<Placed<String>> {
    let text = map.text(key, problems)?;
    if text.value.trim().is_empty() {
        problems.push(Problem::new(format!("`{key}` is empty"), &text.place).help("leave it out, or fill it"));
        return None;
    }
    Some(text)
}

/// The table that a document is about, as it names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    pub(super) source: String,
    pub(super) schema: Option<String>,
    pub(super) table: String,
    /// Which parts are patterns: those with a `*` that stand in no quotes.
    pub(super) pattern: Pattern,
}

impl Named {
    /// Reads `source.schema.table` or `source.table`.
    pub(super) fn read(text: &Placed<String>, problems: &mut Problems) -> Option<Self> {
        const ALLOWED: &str = "`source.schema.table` or `source.table`, odd names in SQL double quotes; in schema and table \
                               `*` stands for any characters";
        let problem = |what: &str| Problem::new(what, &text.place).value(shown(&text.value));
        let Some(parts) = TableName::split_quoted(&text.value) else {
            problems.push(problem("`table` is no name of a table").allowed(ALLOWED));
            return None;
        };
        let is_pattern = |part: &(String, bool)| part.0.contains('*') && !part.1;
        if parts.first().is_some_and(is_pattern) {
            problems
                .push(problem("the source is no pattern").allowed(ALLOWED).help("write one document for each source"));
            return None;
        }
        match parts.as_slice() {
            [source, table] => Some(Self {
                source: source.0.clone(),
                schema: None,
                table: table.0.clone(),
                pattern: Pattern { schema: false, table: is_pattern(table) },
            }),
            [source, schema, table] => Some(Self {
                source: source.0.clone(),
                schema: Some(schema.0.clone()),
                table: table.0.clone(),
                pattern: Pattern { schema: is_pattern(schema), table: is_pattern(table) },
            }),
            _ => {
                problems.push(problem("`table` has to name a source and a table").allowed(ALLOWED));
                None
            }
        }
    }

    /// The name as ids begin with it: parts joined by points, quoted where they need it.
    pub(super) fn in_ids(&self) -> String {
        in_ids(&self.source, self.schema.as_deref(), &self.table, self.pattern)
    }
}

/// A table's name as ids begin with it.
pub(super) fn in_ids(source: &str, schema: Option<&str>, table: &str, pattern: Pattern) -> String {
    let plain = |part: &str| part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'));
    let parts = [Some((source, false)), schema.map(|schema| (schema, pattern.schema)), Some((table, pattern.table))];
    let spelled: Vec<String> = parts
        .into_iter()
        .flatten()
        .map(|(part, is_pattern)| if is_pattern || plain(part) { part.to_owned() } else { quote_identifier(part) })
        .collect();
    spelled.join(".")
}

/// `all`, `{ rows: 10000, per_block: 1 }` or `{ fraction: 1% }`.
pub(super) fn read_sample(node: &Node, problems: &mut Problems) -> Option<Placed<SampleWish>> {
    const ALLOWED: &str = "`all`, `{ rows: 10000 }` or `{ fraction: 1% }`, the last two with `per_block`";
    let NodeKind::Map(_) = node.kind else {
        if node.scalar() == Some("all") {
            return Some(Placed::new(SampleWish::All, node.place.clone()));
        }
        let problem = node.wrong("sample", "a wish for a sample").allowed(ALLOWED);
        problems.push(problem.nearest_of(node.scalar().unwrap_or(""), ["all"]));
        return None;
    };
    let mut map = MapReader::new(node, "`sample`", problems)?;
    let before = problems.len();
    let rows = map.integer("rows", 1..=i128::from(u64::MAX), problems);
    let given = map.node("fraction");
    let fraction = given.and_then(|node| node.read_fraction("fraction", problems));
    let per_block = map.integer("per_block", 1..=i128::from(u32::MAX), problems);
    map.finish(problems);
    if let (Some(node), Some(fraction)) = (given, &fraction)
        && !(fraction.value > 0.0 && fraction.value < 1.0)
    {
        let problem = Problem::new("`fraction` has to lie between 0 and 1", &node.place).value(node.shown());
        problems.push(problem.help("`sample: all` reads every row"));
    }
    if problems.len() > before {
        return None;
    }
    let per_block = per_block.and_then(|per_block| u32::try_from(per_block.value).ok());
    let wish = match (rows, fraction) {
        (Some(rows), None) => SampleWish::Rows { rows: u64::try_from(rows.value).ok()?, per_block },
        (None, Some(fraction)) => SampleWish::Fraction { fraction: fraction.value, per_block },
        (Some(_), Some(_)) => {
            problems.push(Problem::new("`sample` has both `rows` and `fraction`", &node.place).allowed(ALLOWED));
            return None;
        }
        (None, None) => {
            problems.push(Problem::new("`sample` has neither `rows` nor `fraction`", &node.place).allowed(ALLOWED));
            return None;
        }
    };
    Some(Placed::new(wish, node.place.clone()))
}
