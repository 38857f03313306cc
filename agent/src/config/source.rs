//! One source of the configuration.

use super::address::{self, Address, ServerAddress};
use super::environment::Environment;
use super::lacking;
use super::origin::{Origin, Setting};
use super::secret::Secret;
use fieldmark_document::{Entry, MapReader, Node, NodeKind, Place, Placed, Problem, Problems};
use fieldmark_model::SourceName;
use fieldmark_source::files::Pattern;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A database to be read, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// Its name.
    pub name: SourceName,
    /// Where its name stands.
    pub place: Place,
    /// Where the database is.
    pub address: Setting<Address>,
    /// How the address was given.
    pub address_by: AddressBy,
    /// Schemas to look at; `None`: the connection's own.
    pub schemas: Setting<Option<Vec<String>>>,
    /// How much is read of a table.
    pub sample: SampleConfig,
    /// Failing fraction that a sampled pass has to rule out; over 0, below 1.
    pub detect: Setting<f64>,
    /// What checks may cost.
    pub budget: Budget,
    /// What is shown of failing rows.
    pub examples: Setting<Examples>,
    /// How often an unindexed look-up may pass over a whole table; zero: as often as asked.
    pub full_every: Setting<Duration>,
    /// Connections that read at the same time: 1 or 2.
    pub scan_connections: Setting<u32>,
    /// Whether a pass over a whole table is in one snapshot.
    pub snapshot: Setting<bool>,
    /// Whose sessions are migrations.
    pub migrations_by: MigrationsBy,
    /// Whether rules in the database's own SQL may run here.
    pub sql: Setting<SqlRules>,
    /// The source whose migrations arrive here by replication.
    pub replica_of: Setting<Option<SourceName>>,
    /// A scratch server on which a migration's statements are analysed; `None`: a private one is started.
    pub shadow_url: Setting<Option<ServerAddress>>,
    /// The manifest of the dbt project that makes tables here, absolute.
    pub dbt: Setting<Option<PathBuf>>,
}

/// How an address was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressBy {
    /// As it is.
    Url,
    /// By the name of an environment variable that holds it.
    Variable(String),
    /// By a file that holds it.
    File(PathBuf),
    /// By patterns of files.
    Patterns,
}

/// How much is read of a table, unless its rules say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleConfig {
    /// How many rows.
    pub size: Setting<SampleSize>,
    /// Rows kept of a drawn block, where blocks are drawn.
    pub per_block: Setting<u32>,
}

/// How many rows are read of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleSize {
    /// Every row.
    All,
    /// So many.
    Rows(u64),
    /// This fraction of them; over 0, below 1.
    Fraction(f64),
}

/// What checks may cost a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Largest share of an hour's wall time that our statements run; over 0, at most 1.
    pub server_time: Setting<f64>,
    /// Blocks read in a minute, cached ones included.
    pub blocks_per_minute: Setting<u64>,
    /// Rows read of one table by one check; `None`: lifted by `--full`.
    pub rows_per_check: Setting<Option<u64>>,
}

/// What is shown of failing rows in reports written beside the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Examples {
    /// Nothing.
    None,
    /// Their keys.
    Keys,
    /// Types, lengths and keyed digests.
    Redacted,
    /// Their values.
    Values,
}

impl Examples {
    pub(super) const WORDS: [(&str, Self); 4] =
        [("none", Self::None), ("keys", Self::Keys), ("redacted", Self::Redacted), ("values", Self::Values)];

    /// The word of the configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Keys => "keys",
            Self::Redacted => "redacted",
            Self::Values => "values",
        }
    }
}

/// Whether rules in a database's own SQL may run on a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlRules {
    /// They are refused.
    Deny,
    /// They run, read-only.
    Allow,
}

impl SqlRules {
    pub(super) const WORDS: [(&str, Self); 2] = [("deny", Self::Deny), ("allow", Self::Allow)];

    /// The word of the configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
}

/// Whose sessions are migrations. A pattern is a name in which `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationsBy {
    /// Pattern of the role's name.
    pub role: Setting<Option<String>>,
    /// Pattern of the application's name.
    pub application_name: Setting<Option<String>>,
}

/// Rows of a sample unless told otherwise.
pub const SAMPLE_ROWS: u64 = 10_000;
/// Rows kept of a block unless told otherwise.
pub const PER_BLOCK: u32 = 1;
/// Failing fraction that a sampled pass has to rule out unless told otherwise.
pub const DETECT: f64 = 0.001;
/// Share of wall time unless told otherwise.
pub const SERVER_TIME: f64 = 0.05;
/// Blocks in a minute unless told otherwise.
pub const BLOCKS_PER_MINUTE: u64 = 200_000;
/// Rows of a table in a check unless told otherwise.
pub const ROWS_PER_CHECK: u64 = 200_000;
/// Time between two whole-table look-ups unless told otherwise.
pub const FULL_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Where values are resolved.
pub(super) struct Surroundings<'a> {
    /// Folder of the configuration file, absolute.
    pub(super) folder: &'a Path,
    pub(super) environment: &'a Environment,
    pub(super) addresses: Addresses,
}

/// Whether the addresses of sources have to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addresses {
    /// Sources are to be read.
    Needed,
    /// They are not: [`ABSENT`] stands for an address that is not there.
    NotNeeded,
    /// There may be no sources at all: a collector has none.
    NoSources,
}

/// The address of a source whose own is not there, and is not needed.
const ABSENT: &str = "postgres://localhost/";

/// Reads one source. `None` where its address is missing or wrong; there is a problem then.
pub(super) fn read(
    name: &Placed<String>,
    node: &Node,
    around: &Surroundings<'_>,
    secrets: &mut Vec<Secret>,
    problems: &mut Problems,
) -> Option<SourceConfig> {
    let empty = Node { kind: NodeKind::Map(Vec::new()), ..node.clone() };
    let node = match (node.is_null(), around.addresses) {
        (true, Addresses::Needed) => return missing_address(name, problems),
        (true, Addresses::NotNeeded | Addresses::NoSources) => &empty,
        (false, _) => node,
    };
    let mut source = MapReader::new(node, format!("source `{}`", name.value), problems)?;
    let address = read_address(name, &mut source, around, secrets, problems);
    let schemas = read_schemas(&mut source, problems);
    let of_files = address.as_ref().is_some_and(|(address, _)| matches!(address.value, Address::Files(_)));
    let mut sample = read_sample(&mut source, problems);
    let detect = source.node("detect").and_then(|node| {
        let read = node.read_fraction("detect", problems)?;
        if read.value > 0.0 && read.value < 1.0 {
            return Some(read);
        }
        let problem =
            node.wrong("detect", "a fraction between 0% and 100%").allowed("above 0% and below 100%, such as `0.1%`");
        problems.push(problem.help("no sample can rule out that any row at all fails"));
        None
    });
    let mut budget = read_budget(&mut source, problems);
    let examples = source.word("examples", &Examples::WORDS, problems);
    let full_every = source.duration("full_every", problems);
    let migrations_by = read_migrations_by(&mut source, problems);
    let sql = source.word("sql", &SqlRules::WORDS, problems);
    let replica_of = read_replica_of(&mut source, problems);
    let shadow_url = read_shadow(&mut source, address.as_ref().map(|(read, _)| &read.value), secrets, problems);
    let dbt = source.text("dbt", problems).map(|read| read.map(|path| Some(around.folder.join(path))));
    let connections = source.integer("scan_connections", 1..=MOST_CONNECTIONS, problems);
    let connections = connections.map(|read| read.map(|value| u32::try_from(value).unwrap_or(1)));
    let scan_connections = Setting::or(connections, 1);
    let snapshot = Setting::or(source.bool("snapshot", problems), false);
    lacking::of_source(&mut source, problems);
    source.finish(problems);
    if of_files {
        for_files((&schemas, &mut sample, &mut budget), problems);
    }

    if let (SampleSize::Rows(rows), Some(limit)) = (sample.size.value, budget.rows_per_check.value)
        && rows > limit
    {
        let place = match (&sample.size.origin, &budget.rows_per_check.origin) {
            (Origin::File(place), _) | (_, Origin::File(place)) => place.clone(),
            _ => name.place.clone(),
        };
        let what = "the sample has more rows than `rows_per_check` lets a check read";
        let help = "make the sample smaller, or `budget.rows_per_check` larger";
        problems
            .push(Problem::new(what, &place).value(format!("`{rows}`")).allowed(format!("at most {limit}")).help(help));
    }
    let (address, address_by) = address?;
    for_kind(&address.value, &scan_connections, &snapshot, problems);
    let unknown = match &address.value {
        Address::Postgres(_) => None,
        Address::MySql(_) => Some("rows of MariaDB do not tell which transaction wrote them"),
        Address::Sqlite(_) => Some("SQLite has neither roles nor application names"),
        Address::Files(_) => Some("nobody is connected to a file"),
    };
    if let Some(unknown) = unknown {
        for setting in [&migrations_by.role, &migrations_by.application_name] {
            if let (Some(_), Origin::File(place)) = (&setting.value, &setting.origin) {
                problems.push(Problem::new(unknown, place).help("leave it out"));
            }
        }
    }
    Some(SourceConfig {
        name: SourceName::new(&name.value),
        place: name.place.clone(),
        address,
        address_by,
        schemas,
        sample,
        detect: Setting::or(detect, DETECT),
        budget,
        examples: Setting::or(examples, Examples::Keys),
        scan_connections,
        snapshot,
        full_every: Setting::or(full_every, if of_files { Duration::ZERO } else { FULL_EVERY }),
        migrations_by,
        sql: Setting::or(sql, SqlRules::Deny),
        replica_of,
        shadow_url,
        dbt: Setting::or(dbt, None),
    })
}

/// Connections that may read one source at the same time.
const MOST_CONNECTIONS: i128 = 2;

/// What a kind of source has no use for, or no way to do without standing in somebody's way.
fn for_kind(address: &Address, connections: &Setting<u32>, snapshot: &Setting<bool>, problems: &mut Problems) {
    if let (2.., Origin::File(place), Address::Sqlite(_) | Address::Files(_)) =
        (connections.value, &connections.origin, address)
    {
        let problem = Problem::new("a file is read over one connection", place);
        problems.push(problem.help("leave it out: two are for PostgreSQL and MariaDB"));
    }
    let (true, Origin::File(place)) = (snapshot.value, &snapshot.origin) else { return };
    let why = match address {
        Address::Postgres(_) if connections.value > 1 => {
            let what = "a snapshot takes a connection of its own, and three are the most that a source gets";
            problems.push(Problem::new(what, place).help("leave out `snapshot`, or `scan_connections: 2`"));
            return;
        }
        Address::Postgres(_) => return,
        Address::MySql(_) => "on MariaDB a snapshot that lasts holds the lock of each table that is read in it",
        Address::Sqlite(_) => "on SQLite a snapshot that lasts keeps the log of its writers growing",
        Address::Files(_) => "a file has no snapshots: one that changes while it is read ends the read",
    };
    problems.push(Problem::new(why, place).help("leave it out: PostgreSQL alone can give one that is in nobody's way"));
}

fn read_replica_of(source: &mut MapReader<'_>, problems: &mut Problems) -> Setting<Option<SourceName>> {
    let node = source.node("replica_of").filter(|node| !node.is_null());
    let name = node.and_then(|node| node.read_text("replica_of", problems));
    match name {
        Some(name) => Setting { value: Some(SourceName::new(&name.value)), origin: Origin::of(&name.place) },
        None => Setting::default_of(None),
    }
}

/// A scratch server, which is another one than the source's.
fn read_shadow(
    source: &mut MapReader<'_>,
    of: Option<&Address>,
    secrets: &mut Vec<Secret>,
    problems: &mut Problems,
) -> Setting<Option<ServerAddress>> {
    let none = Setting::default_of(None);
    let Some(text) = source.secret_text("shadow_url", problems) else { return none };
    let wrong = |what: &str, help: &'static str| Problem::new(what, &text.place).help(help);
    let such = "`postgres://user@host/database`, of a role that may make databases";
    let shadow = match address::read(&text.value, Path::new("/")) {
        Ok(Address::Postgres(shadow)) => shadow,
        Ok(_) | Err(_) => {
            secrets.push(Secret::new(&text.value));
            problems.push(Problem::new("`shadow_url` is no URL of a PostgreSQL server", &text.place).allowed(such));
            return none;
        }
    };
    secrets.extend(Address::Postgres(shadow.clone()).secrets());
    match of {
        Some(Address::Postgres(own)) if own.is_beside(&shadow) => {
            let what =
                "`shadow_url` names the server of the source itself: what is tried there would be tried in production";
            problems.push(wrong(what, "name another server, or leave it out: a private one is started then"));
        }
        Some(Address::MySql(_) | Address::Sqlite(_) | Address::Files(_)) => {
            problems.push(wrong("`shadow_url` is for a source that is a PostgreSQL server", "leave it out"));
        }
        Some(Address::Postgres(_)) | None => {}
    }
    Setting { value: Some(shadow), origin: Origin::of(&text.place) }
}

/// The source that each replica names is another one, and both are servers of one kind.
pub(super) fn check_replicas(sources: &[SourceConfig], problems: &mut Problems) {
    for source in sources {
        let (Some(primary), Origin::File(place)) = (&source.replica_of.value, &source.replica_of.origin) else {
            continue;
        };
        let are_alike = |one: &SourceConfig, other: &SourceConfig| {
            let addresses = (&one.address.value, &other.address.value);
            matches!(addresses, (Address::Postgres(_), Address::Postgres(_)) | (Address::MySql(_), Address::MySql(_)))
        };
        let others = || sources.iter().filter(|other| other.name != source.name);
        let nearest: Vec<&str> = others().map(|other| other.name.as_str()).collect();
        let (wrong, nearest) = match others().find(|other| other.name == *primary) {
            None => ("`replica_of` names no other source", nearest),
            Some(other) if !are_alike(other, source) => {
                let what = "`replica_of` needs PostgreSQL, or MariaDB, on both sides: of others it is not known how far they have come";
                (what, Vec::new())
            }
            Some(_) => continue,
        };
        let problem = Problem::new(wrong, place).value(format!("`{primary}`"));
        problems.push(problem.nearest_of(primary.as_str(), nearest));
    }
}

/// What stands for an address.
const ONE_OF: &str = "one of url, url_env, url_file, files";

/// Tables by names, each with a pattern of files; a relative one is taken from the folder.
fn read_files(node: &Node, folder: &Path, problems: &mut Problems) -> Option<Vec<(String, Pattern)>> {
    const SUCH: &str = "such as `{ orders: \"data/orders/*.parquet\" }`";
    let NodeKind::Map(entries) = &node.kind else {
        problems.push(node.wrong("files", "names of tables, each with a pattern of files").help(SUCH));
        return None;
    };
    let before = problems.len();
    let mut tables = Vec::new();
    for Entry { key: name, value: pattern, .. } in entries {
        let Some(text) = pattern.read_text(name, problems) else { continue };
        match Pattern::read(&text.value, folder) {
            Ok(pattern) => tables.push((name.clone(), pattern)),
            Err(refused) => {
                let problem = Problem::new(refused.what, &text.place).value(format!("`{}`", text.value));
                problems.push(problem.help(refused.help));
            }
        }
    }
    if entries.is_empty() {
        problems.push(Problem::new("`files` names no table", &node.place).allowed(SUCH));
    }
    (problems.len() == before).then_some(tables)
}

/// Files are read in full unless told otherwise, and no server has to be spared.
fn for_files(
    (schemas, sample, budget): (&Setting<Option<Vec<String>>>, &mut SampleConfig, &mut Budget),
    problems: &mut Problems,
) {
    if let (Some(_), Origin::File(place)) = (&schemas.value, &schemas.origin) {
        problems.push(Problem::new("files have no schemas", place).help("leave it out"));
    }
    if matches!(sample.size.origin, Origin::Default) {
        sample.size = Setting::default_of(SampleSize::All);
    }
    if matches!(budget.server_time.origin, Origin::Default) {
        budget.server_time = Setting::default_of(1.0);
    }
    if matches!(budget.rows_per_check.origin, Origin::Default) {
        budget.rows_per_check = Setting::default_of(None);
    }
}

fn missing_address<T>(name: &Placed<String>, problems: &mut Problems) -> Option<T> {
    let problem = Problem::new(format!("source `{}` has no address", name.value), &name.place);
    problems.push(problem.allowed(ONE_OF));
    None
}

fn read_address(
    name: &Placed<String>,
    source: &mut MapReader<'_>,
    around: &Surroundings<'_>,
    secrets: &mut Vec<Secret>,
    problems: &mut Problems,
) -> Option<(Setting<Address>, AddressBy)> {
    let before = problems.len();
    let url = source.secret_text("url", problems);
    let variable = source.secret_text("url_env", problems);
    let file = source.secret_text("url_file", problems);
    if problems.len() > before {
        return None;
    }
    if let Some(variable) = variable.as_ref().filter(|variable| !is_variable_name(&variable.value)) {
        let problem = Problem::new("`url_env` has to be the name of an environment variable", &variable.place);
        problems.push(problem.allowed("letters, digits and `_`, such as `SHOP_URL`"));
        return None;
    }
    let files = source.place_of("files").cloned().zip(source.node("files"));
    let of_files = files.as_ref().map(|(place, _)| place);
    let urls = [&url, &variable, &file].into_iter().flatten().map(|read| &read.place);
    let given: Vec<&Place> = urls.chain(of_files).collect();
    if let [first, second, ..] = given.as_slice() {
        let problem = Problem::new(format!("source `{}` has more than one address", name.value), second);
        problems.push(problem.allowed(ONE_OF).also("the other is at", first));
        return None;
    }
    let (text, place, by) = if let Some(url) = url {
        (url.value, url.place, AddressBy::Url)
    } else if let Some(variable) = variable {
        (from_variable(&variable, around, problems)?, variable.place, AddressBy::Variable(variable.value))
    } else if let Some(file) = file {
        let path = around.folder.join(&file.value);
        (from_file(&file, &path, around.addresses, problems)?, file.place, AddressBy::File(path))
    } else if let Some((place, node)) = files {
        let tables = read_files(node, around.folder, problems)?;
        return Some((Setting { value: Address::Files(tables), origin: Origin::of(&place) }, AddressBy::Patterns));
    } else if around.addresses != Addresses::Needed {
        (ABSENT.to_owned(), name.place.clone(), AddressBy::Url)
    } else {
        return missing_address(name, problems);
    };
    match address::read(&text, around.folder) {
        Ok(address) => {
            secrets.extend(address.secrets());
            Some((Setting { value: address, origin: Origin::of(&place) }, by))
        }
        Err(refused) => {
            secrets.push(Secret::new(&text));
            let mut problem = Problem::new(refused.what, &place).nearest(refused.nearest);
            problem.allowed = refused.allowed.map(str::to_owned);
            problem.help = refused.help.map(str::to_owned);
            problems.push(problem);
            None
        }
    }
}

/// Whether a text is the name of an environment variable, and surely no address.
pub(super) fn is_variable_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn from_variable(name: &Placed<String>, around: &Surroundings<'_>, problems: &mut Problems) -> Option<String> {
    let value = around.environment.get(&name.value).map(|value| value.trim().to_owned());
    if value.is_none() && around.addresses != Addresses::Needed {
        return Some(ABSENT.to_owned());
    }
    if value.is_none() {
        let problem = Problem::new("the environment variable is not set", &name.place);
        problems.push(problem.value(format!("`{}`", name.value)).help("set it to the database's URL"));
    }
    value
}

/// Largest file that holds an address.
const ADDRESS_BYTES: u64 = 16 * 1024;

fn from_file(given: &Placed<String>, path: &Path, addresses: Addresses, problems: &mut Problems) -> Option<String> {
    if given.value.contains("://") || given.value.starts_with("sqlite:") {
        // it may be the address itself
        let problem = Problem::new("`url_file` has to be the path of a file that holds the address", &given.place);
        problems.push(problem.help("write an address under `url`"));
        return None;
    }
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(ADDRESS_BYTES).read_to_string(&mut text));
    let reason = match read {
        Ok(_) if text.trim().is_empty() => "it is empty".to_owned(),
        Ok(_) => return Some(text.trim().to_owned()),
        Err(error) => super::rule_files::reason(&error),
    };
    if addresses != Addresses::Needed {
        return Some(ABSENT.to_owned());
    }
    let problem = Problem::new("the file with the address cannot be read", &given.place);
    problems.push(problem.value(format!("`{}`", given.value.escape_debug())).help(reason));
    None
}

fn read_schemas(source: &mut MapReader<'_>, problems: &mut Problems) -> Setting<Option<Vec<String>>> {
    let Some(read) = source.texts("schemas", problems) else { return Setting::default_of(None) };
    if read.value.is_empty() {
        let problem = Problem::new("`schemas` names no schema", &read.place);
        problems.push(problem.help("leave it out for the connection's own"));
    }
    for (index, schema) in read.value.iter().enumerate() {
        if schema.value.is_empty() {
            problems.push(Problem::new("a schema's name is empty", &schema.place));
        } else if let Some(first) = read.value.iter().take(index).find(|first| first.value == schema.value) {
            let problem = Problem::new("the schema stands here twice", &schema.place);
            problems.push(problem.value(format!("`{}`", schema.value.escape_debug())).also("first at", &first.place));
        }
    }
    Setting::or(Some(read.map(|list| Some(list.into_iter().map(|schema| schema.value).collect()))), None)
}

fn read_sample(source: &mut MapReader<'_>, problems: &mut Problems) -> SampleConfig {
    let mut sample = SampleConfig {
        size: Setting::default_of(SampleSize::Rows(SAMPLE_ROWS)),
        per_block: Setting::default_of(PER_BLOCK),
    };
    let Some(node) = source.node("sample") else { return sample };
    match &node.kind {
        NodeKind::Text(word) if word == "all" => {
            sample.size = Setting { value: SampleSize::All, origin: Origin::of(&node.place) };
        }
        NodeKind::Map(_) => {
            if let Some(mut keys) = MapReader::new(node, "`sample`", problems) {
                let rows = keys.integer("rows", 1..=i128::from(u64::MAX >> 1), problems);
                let fraction = keys.node("fraction").and_then(|node| {
                    let read = node.read_fraction("fraction", problems)?;
                    if read.value > 0.0 && read.value < 1.0 {
                        return Some(read);
                    }
                    let problem =
                        node.wrong("fraction", "between 0% and 100%").allowed("above 0% and below 100%, such as `1%`");
                    problems.push(problem.help("for every row write `sample: all`"));
                    None
                });
                let per_block = keys.integer("per_block", 1..=10_000, problems);
                keys.finish(problems);
                if let (Some(rows), Some(fraction)) = (&rows, &fraction) {
                    let problem = Problem::new("`sample` has both `rows` and `fraction`", &fraction.place);
                    problems.push(problem.allowed("one of them").also("the other is at", &rows.place));
                }
                if let Some(rows) = rows {
                    let rows = rows.map(|rows| SampleSize::Rows(u64::try_from(rows).unwrap_or(u64::MAX)));
                    sample.size = Setting::or(Some(rows), SampleSize::All);
                } else if let Some(fraction) = fraction {
                    sample.size = Setting::or(Some(fraction.map(SampleSize::Fraction)), SampleSize::All);
                }
                let per_block = per_block.map(|read| read.map(|value| u32::try_from(value).unwrap_or(u32::MAX)));
                sample.per_block = Setting::or(per_block, PER_BLOCK);
            }
        }
        NodeKind::Null
        | NodeKind::Bool(_)
        | NodeKind::Integer(_)
        | NodeKind::Float(_)
        | NodeKind::Text(_)
        | NodeKind::List(_) => problems
            .push(node.wrong("sample", "a mapping or a word").allowed("`{ rows: 10000 }`, `{ fraction: 1% }`, `all`")),
    }
    sample
}

fn read_budget(source: &mut MapReader<'_>, problems: &mut Problems) -> Budget {
    let mut budget = Budget {
        server_time: Setting::default_of(SERVER_TIME),
        blocks_per_minute: Setting::default_of(BLOCKS_PER_MINUTE),
        rows_per_check: Setting::default_of(Some(ROWS_PER_CHECK)),
    };
    let Some(mut keys) = source.map("budget", problems) else { return budget };
    let most = 1..=i128::from(u64::MAX >> 1);
    let number = |read: Placed<i128>| read.map(|value| u64::try_from(value).unwrap_or(u64::MAX));
    if let Some(share) = keys.fraction("server_time", problems) {
        if share.value <= 0.0 {
            let problem = Problem::new("`server_time` has to be a share of time", &share.place).value("`0%`");
            problems.push(problem.allowed("above 0% and up to 100%").help("with none, nothing can be read"));
        }
        budget.server_time = Setting::or(Some(share), SERVER_TIME);
    }
    let blocks = keys.integer("blocks_per_minute", most.clone(), problems).map(number);
    budget.blocks_per_minute = Setting::or(blocks, BLOCKS_PER_MINUTE);
    let rows = keys.integer("rows_per_check", most, problems).map(number).map(|read| read.map(Some));
    budget.rows_per_check = Setting::or(rows, Some(ROWS_PER_CHECK));
    keys.finish(problems);
    budget
}

fn read_migrations_by(source: &mut MapReader<'_>, problems: &mut Problems) -> MigrationsBy {
    let mut by = MigrationsBy { role: Setting::default_of(None), application_name: Setting::default_of(None) };
    let Some(mut keys) = source.map("migrations_by", problems) else { return by };
    for (key, setting) in [("role", &mut by.role), ("application_name", &mut by.application_name)] {
        if let Some(read) = keys.text(key, problems) {
            if read.value.is_empty() {
                problems.push(Problem::new(format!("`{key}` is empty"), &read.place).help("leave it out"));
            }
            *setting = Setting::or(Some(read.map(Some)), None);
        }
    }
    keys.finish(problems);
    by
}
