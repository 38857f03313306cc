//! `fieldmark.yaml`, the environment and the flags, read into types that cannot be wrong.
//!
//! What is read first is a tree with places ([`fieldmark_document`]); environment variables are put over it
//! ([`environment`]), then every key is checked ([`Config`]), then the flags that change a setting are applied. All problems
//! are collected and come at once. Every value remembers where it came from ([`Setting`]).
//!
//! Relative paths, those in `sqlite:` addresses and in flags' defaults included, are relative to the folder of the
//! configuration file.

mod address;
mod daemon;
pub mod environment;
mod lacking;
mod mask;
mod origin;
mod render;
mod routes;
mod rule_files;
mod schema;
mod secret;
mod show;
mod source;
mod telemetry;
#[cfg(test)]
mod tests;

pub use address::{Address, ServerAddress};
pub use daemon::{AgentConfig, CollectorConfig, OpenLineageConfig, ServeConfig};
pub use environment::Environment;
pub use mask::mask;
pub use origin::{Origin, Setting};
pub use render::{Style, render};
pub use routes::{RouteConfig, Said, SecretBy};

use fieldmark_collector::store::Silenced;
pub use rule_files::{DEFAULTS, FIXTURES, RuleFile, RuleFiles};
pub(crate) use rule_files::{name_of, nearest_file, read_text_within, reason};
pub use schema::schema;
pub use secret::Secret;
pub use show::{Effective, Part};
pub use source::{
    AddressBy, BLOCKS_PER_MINUTE, Budget, DETECT, Examples, FULL_EVERY, MigrationsBy, PER_BLOCK, ROWS_PER_CHECK,
    SAMPLE_ROWS, SERVER_TIME, SampleConfig, SampleSize, SourceConfig, SqlRules,
};
pub use telemetry::TelemetryConfig;

use fieldmark_document::{MapReader, Node, NodeKind, Placed, Problem, Problems, parse};
pub(crate) use origin::nowhere;
use source::Addresses;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The configuration file that is read where none is named.
pub const DEFAULT_FILE: &str = "fieldmark.yaml";
/// Where rule files are looked for unless told otherwise.
pub const DEFAULT_RULES: &str = "rules/**/*.yaml";
/// The folder of migration scripts unless told otherwise.
pub const DEFAULT_MIGRATIONS: &str = "migrations";
/// How long marks are kept unless told otherwise.
pub const MARKS_KEEP: Duration = Duration::from_secs(14 * 24 * 3600);
/// How many bytes of marks are kept unless told otherwise.
pub const MARKS_MAX_BYTES: u64 = 2 << 30;

/// The whole configuration, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The configuration file as the user named it.
    pub file: Arc<str>,
    /// Its folder, absolute.
    pub folder: PathBuf,
    /// Where marks and small state are kept; absolute.
    pub state_dir: Setting<PathBuf>,
    /// The sources, in the order of the file; at least one.
    pub sources: Vec<SourceConfig>,
    /// Sources that a run leaves out; one of them may be the primary of a replica that it does not.
    pub beside: Vec<SourceConfig>,
    /// Patterns of rule files.
    pub rules: Setting<Vec<String>>,
    /// How marks are kept.
    pub marks: MarksConfig,
    /// The scripts of migrations: the folder of a tool. By default one that need not be there.
    pub migrations: Setting<PathBuf>,
    /// The daemon beside the databases.
    pub agent: AgentConfig,
    /// A collector that runs elsewhere; `None`: inside the agent.
    pub collector: Option<CollectorConfig>,
    /// The collector, wherever it runs.
    pub serve: ServeConfig,
    /// Who is told of incidents; the first that matches.
    pub routes: Vec<RouteConfig>,
    /// Windows in which nobody is told of what happens.
    pub maintenance: Setting<Vec<Silenced>>,
    /// What leaves sideways.
    pub telemetry: TelemetryConfig,
    /// Who is told what happens in the form of OpenLineage.
    pub openlineage: Option<OpenLineageConfig>,
}

/// How marks are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct MarksConfig {
    /// Older ones are removed.
    pub keep: Setting<Duration>,
    /// Oldest ones are removed beyond so many bytes.
    pub max_bytes: Setting<u64>,
}

/// Flags of the command line that change a setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--sample N`: rows read of every table. Lifts `rows_per_check` to N where that is less.
    pub sample: Option<u64>,
    /// `--full`: every row; lifts `rows_per_check` and `full_every`.
    pub full: bool,
}

/// What came of reading: as much as could be read, and every problem.
#[derive(Debug, Default)]
pub struct Reading {
    /// The configuration; `None` where there is a problem.
    pub config: Option<Config>,
    /// The rule files that were found; empty where the configuration file could not be read.
    pub rules: RuleFiles,
    /// Everything that is wrong. The rules' own problems are to be added, before [`Reading::into_result`].
    pub problems: Problems,
    /// What looks wrong and may not be.
    pub warnings: Problems,
}

impl Reading {
    /// The configuration and its rule files, where nothing is wrong.
    ///
    /// # Errors
    /// All problems, sorted by place. Exit code 78.
    pub fn into_result(self) -> Result<(Config, RuleFiles), Problems> {
        let Some(config) = self.config else {
            let mut problems = self.problems;
            problems.sort();
            return Err(problems);
        };
        self.problems.into_result((config, self.rules))
    }
}

/// Reads the configuration file and finds the rule files. `file` is the one that `--config` names.
pub fn load(file: Option<&Path>, environment: &Environment, overrides: &Overrides) -> Reading {
    load_for(file, environment, overrides, Addresses::Needed)
}

/// The same for a command that reads no source: where the address of one is not there, another stands for it, and that is no problem.
pub fn load_without_addresses(file: Option<&Path>, environment: &Environment) -> Reading {
    load_for(file, environment, &Overrides::default(), Addresses::NotNeeded)
}

/// The same for a collector, which has no sources of its own.
pub fn load_for_collector(file: Option<&Path>, environment: &Environment) -> Reading {
    load_for(file, environment, &Overrides::default(), Addresses::NoSources)
}

fn load_for(file: Option<&Path>, environment: &Environment, overrides: &Overrides, addresses: Addresses) -> Reading {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    let name = rule_files::name_of(path);
    let text = match rule_files::read_text(path) {
        Ok(text) => text,
        Err(error) => {
            let problem = if error.kind() == std::io::ErrorKind::NotFound {
                Problem::new("there is no such configuration file", &nowhere(&name))
                    .nearest(rule_files::nearest_file(path))
                    .help("write one, or name another with --config; `fieldmark demo` needs none")
            } else {
                rule_files::not_text("the configuration file", &name, &error).unwrap_or_else(|| {
                    let problem = Problem::new("the configuration file cannot be read", &nowhere(&name));
                    problem.help(rule_files::reason(&error))
                })
            };
            let mut reading = Reading::default();
            reading.problems.push(problem);
            return reading;
        }
    };
    let given = path.parent().unwrap_or(Path::new(""));
    let mut reading = read_for(&name, &text, given, environment, overrides, addresses);
    if let Some(config) = &reading.config {
        warn_of_readers(config, path, &mut reading.warnings);
    }
    reading
}

/// Reads a configuration from its text. `folder` is its folder as the user named it.
pub fn read(name: &str, text: &str, folder: &Path, environment: &Environment, overrides: &Overrides) -> Reading {
    read_for(name, text, folder, environment, overrides, Addresses::Needed)
}

fn read_for(
    name: &str,
    text: &str,
    folder: &Path,
    environment: &Environment,
    overrides: &Overrides,
    addresses: Addresses,
) -> Reading {
    let mut reading = Reading::default();
    let mut secrets = Vec::new();
    let file: Arc<str> = Arc::from(name);
    let tree = tree(&file, text, &mut reading.problems);
    if let Some(mut tree) = tree {
        // before, too: what a variable replaces still stands in the file's lines
        url_texts(&tree, &mut secrets);
        environment::overlay(&mut tree, environment, &mut reading.problems);
        url_texts(&tree, &mut secrets);
        let absolute = std::path::absolute(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
            .unwrap_or_else(|_| folder.to_owned());
        let around = source::Surroundings { folder: &absolute, environment, addresses };
        let patterns;
        (reading.config, patterns) = check(&file, &tree, &around, &mut secrets, &mut reading.problems);
        reading.rules = rule_files::find(folder, &patterns, &mut reading.problems, &mut reading.warnings);
    }
    if let Some(config) = &mut reading.config {
        overrides.apply(config);
    }
    if !reading.problems.is_empty() {
        reading.config = None;
    }
    reading.problems = masked(&reading.problems, &file, text, &secrets);
    reading.warnings = masked(&reading.warnings, &file, text, &secrets);
    reading.problems.sort();
    reading
}

fn tree(file: &Arc<str>, text: &str, problems: &mut Problems) -> Option<Node> {
    let before = problems.len();
    let mut documents = parse(Arc::clone(file), text, problems).into_iter();
    let first = documents.next();
    if let Some(second) = documents.next() {
        problems.push(Problem::new("a configuration is one document", &second.place).help("remove the `---` above"));
    }
    if first.is_none() && problems.len() == before {
        problems.push(
            Problem::new("the configuration file is empty", &fieldmark_document::Place::start_of(Arc::clone(file)))
                .help("it needs `version: 1` and `sources:`"),
        );
    }
    first
}

fn check(
    file: &Arc<str>,
    tree: &Node,
    around: &source::Surroundings<'_>,
    secrets: &mut Vec<Secret>,
    problems: &mut Problems,
) -> (Option<Config>, Vec<Placed<String>>) {
    let Some(mut keys) = MapReader::new(tree, "the configuration", problems) else { return (None, Vec::new()) };
    read_version(&mut keys, problems);
    let state_dir = read_state_dir(&mut keys, around, problems);
    let sources = read_sources(&mut keys, around, secrets, problems);
    let before = problems.len();
    let rules = keys.texts("rules", problems);
    let rules_are_wrong = problems.len() > before;
    let marks = read_marks(&mut keys, problems);
    let migrations = read_migrations(&mut keys, around.folder, problems);
    let agent = daemon::read_agent(&mut keys, problems);
    let collector = daemon::read_collector(&mut keys, around.folder, problems);
    let serve = daemon::read_serve(&mut keys, around.folder, problems);
    let routes = routes::read(&mut keys, around.folder, problems);
    if collector.is_none() && !sources.is_empty() {
        routes::check_sources(&routes, &sources, problems);
    }
    routes::check_escalations(&routes, problems);
    routes::check_ways(&routes, serve.allow_exec.value, problems);
    let maintenance = routes::maintenance(&mut keys, problems);
    let telemetry = telemetry::read(&mut keys, problems);
    let openlineage = daemon::read_openlineage(&mut keys, around.folder, problems);
    lacking::of_file(&mut keys, problems);
    keys.finish(problems);

    let patterns = match &rules {
        Some(rules) => rules.value.clone(),
        None if rules_are_wrong => Vec::new(),
        None => vec![Placed::new(DEFAULT_RULES.to_owned(), nowhere("default of `rules`"))],
    };
    let rules = rules.map(|read| read.map(|list| list.into_iter().map(|pattern| pattern.value).collect()));
    let config = state_dir.map(|state_dir| Config {
        file: Arc::clone(file),
        folder: around.folder.to_owned(),
        state_dir,
        sources,
        beside: Vec::new(),
        rules: Setting::or(rules, vec![DEFAULT_RULES.to_owned()]),
        marks,
        migrations,
        agent,
        collector,
        serve,
        routes,
        maintenance,
        telemetry,
        openlineage,
    });
    (config, patterns)
}

fn read_migrations(file: &mut MapReader<'_>, folder: &Path, problems: &mut Problems) -> Setting<PathBuf> {
    let mut dir = None;
    if let Some(mut keys) = file.map("migrations", problems) {
        dir = keys.text("dir", problems).map(|text| text.map(|path| folder.join(path)));
        lacking::of_migrations(&mut keys, problems);
        keys.finish(problems);
    }
    Setting::or(dir, folder.join(DEFAULT_MIGRATIONS))
}

fn read_version(keys: &mut MapReader<'_>, problems: &mut Problems) {
    let Some(node) = keys.take("version") else {
        problems.push(
            Problem::new("`version` is missing in the configuration", keys.place()).help("begin it with `version: 1`"),
        );
        return;
    };
    if node.kind == NodeKind::Integer(1) {
        return;
    }
    let newer = matches!(node.kind, NodeKind::Integer(number) if number > 1);
    let problem = if newer {
        let what = "the configuration is of a newer version than this Fieldmark reads";
        Problem::new(what, &node.place).value(node.shown())
    } else {
        node.wrong("version", "the number of a version")
    };
    problems.push(problem.allowed("1"));
}

fn read_state_dir(
    keys: &mut MapReader<'_>,
    around: &source::Surroundings<'_>,
    problems: &mut Problems,
) -> Option<Setting<PathBuf>> {
    let before = problems.len();
    if let Some(read) = keys.text("state_dir", problems) {
        if read.value.is_empty() || read.value.starts_with('~') {
            let what = if read.value.is_empty() {
                "`state_dir` is empty"
            } else {
                "`state_dir` begins with `~`, which only a shell replaces"
            };
            problems.push(Problem::new(what, &read.place).help("write the whole path"));
            return None;
        }
        return Some(Setting { value: around.folder.join(&read.value), origin: Origin::of(&read.place) });
    }
    if problems.len() > before {
        return None;
    }
    let folder = default_state_dir(around.environment);
    if folder.is_none() {
        let problem = Problem::new("there is no place for the state folder", keys.place());
        problems.push(problem.help("neither XDG_STATE_HOME nor HOME is set: write a `state_dir`"));
    }
    folder.map(Setting::default_of)
}

/// `$XDG_STATE_HOME/fieldmark`, else `~/.local/state/fieldmark` (XDG Base Directory Specification 0.8: a path that is not
/// absolute counts as not set).
pub fn default_state_dir(environment: &Environment) -> Option<PathBuf> {
    let absolute = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Some(state?.join("fieldmark"))
}

fn read_sources(
    keys: &mut MapReader<'_>,
    around: &source::Surroundings<'_>,
    secrets: &mut Vec<Secret>,
    problems: &mut Problems,
) -> Vec<SourceConfig> {
    if around.addresses == Addresses::NoSources && !keys.has("sources") {
        keys.allow(["sources"]);
        return Vec::new();
    }
    let Some(node) = keys.require("sources", problems) else { return Vec::new() };
    let NodeKind::Map(entries) = &node.kind else {
        problems.push(node.wrong("sources", "a mapping of names").allowed("`name: { url: … }`"));
        return Vec::new();
    };
    if entries.is_empty() {
        problems.push(Problem::new("`sources` names no source", &node.place).allowed("`name: { url: … }`"));
    }
    let mut sources = Vec::new();
    let mut taken: BTreeMap<String, &fieldmark_document::Place> = BTreeMap::new();
    for entry in entries {
        let name = Placed::new(entry.key.clone(), entry.place.clone());
        let good = entry.key.len() <= 63
            && entry.key.starts_with(|c: char| c.is_ascii_alphanumeric())
            && entry.key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !good {
            let problem = Problem::new("this is no name for a source", &entry.place);
            let shown = entry.key.chars().take(64).flat_map(char::escape_debug).collect::<String>();
            problems
                .push(problem.value(format!("`{shown}`")).allowed("up to 63 letters of a to z, digits, `_` and `-`"));
        } else if let Some(first) = taken.insert(environment::capitals(&entry.key), &entry.place) {
            let problem = Problem::new("two sources have the same name but for capitals, `-` and `_`", &entry.place);
            problems.push(problem.value(format!("`{}`", entry.key)).also("the other is at", first));
        }
        sources.extend(source::read(&name, &entry.value, around, secrets, problems));
    }
    source::check_replicas(&sources, problems);
    sources
}

fn read_marks(keys: &mut MapReader<'_>, problems: &mut Problems) -> MarksConfig {
    let mut marks =
        MarksConfig { keep: Setting::default_of(MARKS_KEEP), max_bytes: Setting::default_of(MARKS_MAX_BYTES) };
    let Some(mut own) = keys.map("marks", problems) else { return marks };
    if let Some(keep) = own.duration("keep", problems) {
        if keep.value.is_zero() {
            problems.push(
                Problem::new("`keep` is zero", &keep.place).help("a mark has to last until the migration is over"),
            );
        }
        marks.keep = Setting::or(Some(keep), MARKS_KEEP);
    }
    if let Some(max_bytes) = own.bytes("max_bytes", problems) {
        if max_bytes.value == 0 {
            problems.push(Problem::new("`max_bytes` is zero", &max_bytes.place).help("no mark could be kept"));
        }
        marks.max_bytes = Setting::or(Some(max_bytes), MARKS_MAX_BYTES);
    }
    lacking::of_marks(&mut own, problems);
    own.finish(problems);
    marks
}

impl Overrides {
    fn apply(&self, config: &mut Config) {
        for source in &mut config.sources {
            if let Some(rows) = self.sample {
                let origin = Origin::Flag("--sample");
                source.sample.size = Setting { value: SampleSize::Rows(rows), origin: origin.clone() };
                if source.budget.rows_per_check.value.is_some_and(|limit| limit < rows) {
                    source.budget.rows_per_check = Setting { value: Some(rows), origin };
                }
            }
            if self.full {
                let origin = Origin::Flag("--full");
                source.sample.size = Setting { value: SampleSize::All, origin: origin.clone() };
                source.budget.rows_per_check = Setting { value: None, origin: origin.clone() };
                source.full_every = Setting { value: Duration::ZERO, origin };
            }
        }
    }
}

/// Texts of the tree that may be addresses, wherever they stand: their secret parts are hidden in the file's lines.
fn url_texts(node: &Node, secrets: &mut Vec<Secret>) {
    match &node.kind {
        NodeKind::Text(text) if text.contains("://") => match address::read(text, Path::new("/")) {
            Ok(address) => secrets.extend(address.secrets()),
            Err(_) if text.contains(['@', '?']) => secrets.push(Secret::new(text)),
            Err(_) => {}
        },
        NodeKind::List(items) => items.iter().for_each(|item| url_texts(item, secrets)),
        NodeKind::Map(entries) => {
            for entry in entries {
                let text = entry.value.scalar().unwrap_or_default();
                let odd = match entry.key.as_str() {
                    "url" | "shadow_url" => address::read(text, Path::new("/")).is_err(),
                    "url_env" => !source::is_variable_name(text),
                    "encrypt_with" => true,
                    _ => false,
                };
                if odd {
                    secrets.push(Secret::new(text));
                }
                url_texts(&entry.value, secrets);
            }
        }
        NodeKind::Text(_) | NodeKind::Null | NodeKind::Bool(_) | NodeKind::Integer(_) | NodeKind::Float(_) => {}
    }
}

/// The same problems, with every secret hidden in their words and in the text that they are shown in.
fn masked(problems: &Problems, file: &Arc<str>, text: &str, secrets: &[Secret]) -> Problems {
    let secrets: Vec<&str> = secrets.iter().map(Secret::expose).collect();
    let hide = |text: &String| mask(text, &secrets);
    let mut all = Problems::default();
    for problem in problems {
        let mut problem = problem.clone();
        problem.what = hide(&problem.what);
        problem.value = problem.value.as_ref().map(hide);
        problem.allowed = problem.allowed.as_ref().map(hide);
        problem.nearest = problem.nearest.as_ref().map(hide);
        problem.help = problem.help.as_ref().map(hide);
        all.push(problem);
    }
    if problems.source(file).is_some() {
        all.keep_source(file, &mask(text, &secrets));
    }
    all
}

/// A password in a file that others may read.
fn warn_of_readers(config: &Config, path: &Path, warnings: &mut Problems) {
    use std::os::unix::fs::MetadataExt as _;
    let open = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o044 != 0);
    for source in config.sources.iter().filter(|_| open) {
        if let (Origin::File(place), AddressBy::Url) = (&source.address.origin, &source.address_by)
            && !source.address.value.secrets().is_empty()
        {
            let problem = Problem::new("the address holds a password, and other users may read this file", place);
            warnings.push(problem.help("use `url_env` or `url_file`, or take their right to read it"));
        }
    }
}
