//! Values from environment variables, put over those of the file.
//!
//! A key's variable is `FIELDMARK_` and the key in capitals; levels are joined by two underscores, and whatever is neither a
//! letter nor a digit in a source's name becomes an underscore: `state_dir` is `FIELDMARK_STATE_DIR`, `sources.shop-eu.url`
//! is `FIELDMARK_SOURCES__SHOP_EU__URL`, `sources.shop.sample.rows` is `FIELDMARK_SOURCES__SHOP__SAMPLE__ROWS`. Lists are
//! written with commas. An empty variable counts as not set. Sources themselves are named in the file.

use super::origin::{is_in_file, variable};
use fieldmark_document::{Entry, Node, NodeKind, Place, Problem, Problems, nearest, parse};
use std::collections::BTreeMap;
use std::fmt;

/// Beginning of the name of every variable that is ours.
pub const PREFIX: &str = "FIELDMARK_";

/// Ours, but no keys of the configuration: the file's path, and what is logged.
pub const RESERVED: [&str; 2] = ["FIELDMARK_CONFIG", "FIELDMARK_LOG"];

/// The environment variables of a process. Shows names only.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    not_text: Vec<String>,
}

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            match value.into_string() {
                Ok(value) => {
                    environment.variables.insert(name, value);
                }
                Err(_) => environment.not_text.push(name),
            }
        }
        environment
    }

    /// The same with one more variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// A variable's value; `None` where it is absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, not_text: Vec::new() }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// How a variable's text becomes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// As it is.
    Text,
    /// A number, a word or a quantity, as it would be read in the file.
    Scalar,
    /// Texts with commas between them.
    List,
    /// Any key below it.
    Section,
}

/// Keys of the whole file.
const KEYS: [(&[&str], Shape); 33] = [
    (&["state_dir"], Shape::Text),
    (&["rules"], Shape::List),
    (&["marks", "keep"], Shape::Scalar),
    (&["marks", "max_bytes"], Shape::Scalar),
    (&["marks", "encrypt_with"], Shape::Text),
    (&["contracts"], Shape::List),
    (&["migrations", "dir"], Shape::Text),
    (&["migrations", "tool"], Shape::Scalar),
    (&["agent", "name"], Shape::Text),
    (&["agent", "listen"], Shape::Text),
    (&["agent", "every"], Shape::Scalar),
    (&["agent", "per_block"], Shape::Scalar),
    (&["agent", "marks_every"], Shape::Scalar),
    (&["agent", "catalogue_every"], Shape::Scalar),
    (&["agent", "spool"], Shape::Scalar),
    (&["agent", "patience"], Shape::Scalar),
    (&["collector", "url"], Shape::Text),
    (&["collector", "token_file"], Shape::Text),
    (&["collector", "ca_file"], Shape::Text),
    (&["openlineage", "url"], Shape::Text),
    (&["openlineage", "token_file"], Shape::Text),
    (&["serve", "listen"], Shape::Text),
    (&["serve", "store"], Shape::Text),
    (&["serve", "tls", "cert_file"], Shape::Text),
    (&["serve", "tls", "key_file"], Shape::Text),
    (&["serve", "keep", "outcomes"], Shape::Scalar),
    (&["serve", "keep", "rollups"], Shape::Scalar),
    (&["scan"], Shape::Section),
    (&["telemetry", "otlp"], Shape::Text),
    (&["telemetry", "prometheus"], Shape::Scalar),
    (&["telemetry", "listen"], Shape::Text),
    (&["telemetry", "logs"], Shape::Text),
    (&["maintenance"], Shape::List),
];

/// Keys of a source.
const SOURCE_KEYS: [(&[&str], Shape); 23] = [
    (&["url"], Shape::Text),
    (&["url_env"], Shape::Text),
    (&["url_file"], Shape::Text),
    (&["schemas"], Shape::List),
    (&["sample"], Shape::Scalar),
    (&["sample", "rows"], Shape::Scalar),
    (&["sample", "fraction"], Shape::Scalar),
    (&["sample", "per_block"], Shape::Scalar),
    (&["detect"], Shape::Scalar),
    (&["budget", "server_time"], Shape::Scalar),
    (&["budget", "blocks_per_minute"], Shape::Scalar),
    (&["budget", "rows_per_check"], Shape::Scalar),
    (&["examples"], Shape::Scalar),
    (&["full_every"], Shape::Scalar),
    (&["dbt"], Shape::Scalar),
    (&["migrations_by", "role"], Shape::Text),
    (&["migrations_by", "application_name"], Shape::Text),
    (&["scan_connections"], Shape::Scalar),
    (&["snapshot"], Shape::Scalar),
    (&["sql"], Shape::Scalar),
    (&["quiet_hours"], Shape::List),
    (&["replica_of"], Shape::Text),
    (&["shadow_url"], Shape::Text),
];

/// Keys of which one replaces the others.
const INSTEAD: [&[&str]; 2] = [&["url", "url_env", "url_file"], &["rows", "fraction"]];

/// The part of a variable's name that a key or a source's name is.
pub(super) fn capitals(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn name_of(path: &[&str]) -> String {
    let parts: Vec<String> = path.iter().map(|part| capitals(part)).collect();
    format!("{PREFIX}{}", parts.join("__"))
}

/// Puts every variable that is a key over the tree, and reports those that are none.
pub(super) fn overlay(tree: &mut Node, environment: &Environment, problems: &mut Problems) {
    let sources: Vec<String> = match tree.get("sources").map(|sources| &sources.kind) {
        Some(NodeKind::Map(entries)) => entries.iter().map(|entry| entry.key.clone()).collect(),
        Some(_) | None => Vec::new(),
    };
    let mut known: Vec<(Vec<String>, Shape, String)> = Vec::new();
    let mut learn = |path: Vec<&str>, shape: Shape| {
        known.push((path.iter().map(|&part| part.to_owned()).collect(), shape, name_of(&path)));
    };
    for (path, shape) in KEYS {
        learn(path.to_vec(), shape);
    }
    for source in &sources {
        for (path, shape) in SOURCE_KEYS {
            learn([&["sources", source], path].concat(), shape);
        }
    }
    for name in environment.not_text.iter().filter(|name| name.starts_with(PREFIX)) {
        problems.push(Problem::new("the value is not UTF-8 text", &variable(name)));
    }
    // shorter names first, so that `…__SAMPLE` does not undo `…__SAMPLE__ROWS`
    let mut names: Vec<(&String, &String)> =
        environment.variables.iter().filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty()).collect();
    names.sort_by_key(|(name, _)| (name.len(), *name));
    let mut strangers = Vec::new();
    for (name, value) in names {
        let found = known.iter().find(|(_, shape, own)| {
            own == name
                || (*shape == Shape::Section
                    && name.strip_prefix(own.as_str()).is_some_and(|rest| rest.starts_with("__")))
        });
        if let Some((path, shape, _)) = found {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            set(tree, &path, value_of(value, *shape, &variable(name)));
        } else if !RESERVED.contains(&name.as_str()) && !of_a_service(name) {
            strangers.push(name);
        }
    }
    let elsewhere = named_elsewhere(tree);
    for name in strangers.into_iter().filter(|name| !elsewhere.contains(name)) {
        let near = nearest(name, known.iter().map(|(_, _, own)| own.as_str()).chain(RESERVED));
        let mut problem = Problem::new("no key of the configuration has this variable", &variable(name)).nearest(near);
        if let Some(rest) = name.strip_prefix("FIELDMARK_SOURCES__")
            && !sources.iter().any(|source| rest.starts_with(&format!("{}__", capitals(source))))
        {
            let names: Vec<String> = sources.iter().map(|source| capitals(source)).collect();
            problem = problem.help(format!("sources of the file: {}", names.join(", ")));
        }
        problems.push(problem);
    }
}

/// Variables that are named as those that hold an address (`url_env: FIELDMARK_SHOP`).
fn named_elsewhere(tree: &Node) -> Vec<String> {
    let Some(NodeKind::Map(sources)) = tree.get("sources").map(|sources| &sources.kind) else { return Vec::new() };
    sources.iter().filter_map(|source| source.value.get("url_env")?.scalar().map(str::to_owned)).collect()
}

/// Variables that Kubernetes and Docker set in every container beside a service of the name `fieldmark`.
fn of_a_service(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    rest == "PORT" || rest.starts_with("PORT_") || rest.contains("SERVICE_HOST") || rest.contains("SERVICE_PORT")
}

fn value_of(text: &str, shape: Shape, place: &Place) -> Node {
    let as_text =
        |text: &str| Node { kind: NodeKind::Text(text.to_owned()), spelling: text.to_owned(), place: place.clone() };
    match shape {
        Shape::Text | Shape::Section => as_text(text),
        Shape::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(as_text).collect();
            Node { kind: NodeKind::List(items), spelling: String::new(), place: place.clone() }
        }
        Shape::Scalar => {
            let text = text.trim();
            let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '%' | '+'));
            let read = if plain { parse("", text, &mut Problems::default()).pop() } else { None };
            read.map_or_else(|| as_text(text), |node| Node { place: place.clone(), ..node })
        }
    }
}

/// Puts a value at a path, making mappings on the way where there are none.
fn set(tree: &mut Node, path: &[&str], value: Node) {
    let Some((key, rest)) = path.split_first() else {
        *tree = value;
        return;
    };
    if !matches!(tree.kind, NodeKind::Map(_)) {
        let place = if tree.is_null() && is_in_file(&tree.place) { tree.place.clone() } else { value.place.clone() };
        *tree = Node { kind: NodeKind::Map(Vec::new()), spelling: String::new(), place };
    }
    let NodeKind::Map(entries) = &mut tree.kind else { return };
    if rest.is_empty() {
        for group in INSTEAD.iter().filter(|group| group.contains(key)) {
            entries.retain(|entry| {
                entry.key == *key || !group.contains(&entry.key.as_str()) || !is_in_file(&entry.value.place)
            });
        }
    }
    let at = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
        let null = Node { kind: NodeKind::Null, spelling: String::new(), place: value.place.clone() };
        entries.push(Entry { key: (*key).to_owned(), place: value.place.clone(), value: null });
        entries.len() - 1
    });
    if let Some(entry) = entries.get_mut(at) {
        if rest.is_empty() {
            entry.place = value.place.clone();
        }
        set(&mut entry.value, rest, value);
    }
}
