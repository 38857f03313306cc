//! `agent`, `collector` and `serve`: of the processes that run all the time.

use super::origin::{Origin, Setting};
use super::routes::Said;
use crate::state::host_name;
use fieldmark_collector::route::{Key, Value as Kept};
use fieldmark_document::{MapReader, Placed, Problem, Problems};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Time between two routine checks of a source unless told otherwise.
pub(super) const EVERY: Duration = Duration::from_secs(300);
/// Rows of a drawn block that a routine check keeps unless told otherwise.
pub(super) const AGENT_PER_BLOCK: u32 = 25;
/// Time between two rolling marks unless told otherwise.
pub(super) const MARKS_EVERY: Duration = Duration::from_secs(600);
/// Time between two looks at a catalogue unless told otherwise.
pub(super) const CATALOGUE_EVERY: Duration = Duration::from_secs(5);
/// How long things are given to heal by themselves unless told otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(900);
/// The longest that it can be.
const LONGEST_PATIENCE: Duration = Duration::from_secs(7 * 86_400);
/// Bytes of the spool unless told otherwise.
pub(super) const SPOOL: u64 = 256 << 20;
/// The least that it can be.
const SMALLEST_SPOOL: u64 = 1 << 20;
/// How long single outcomes are kept unless told otherwise.
pub(super) const KEEP_OUTCOMES: Duration = Duration::from_secs(30 * 86_400);
/// How long sums and all else are kept unless told otherwise.
pub(super) const KEEP_ROLLUPS: Duration = Duration::from_secs(400 * 86_400);
/// Time between two heartbeats unless told otherwise.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(60);
/// Where an agent's local API listens unless told otherwise.
pub(super) const AGENT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9465);
/// Where a collector listens unless told otherwise.
pub(super) const SERVE_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9466);

/// The daemon beside a database.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentConfig {
    /// Its name in the fleet.
    pub name: Setting<String>,
    /// Where its local API listens; a loopback address.
    pub listen: Setting<SocketAddr>,
    /// Time between two routine checks of a source.
    pub every: Setting<Duration>,
    /// Rows of a drawn block that a routine check keeps.
    pub per_block: Setting<u32>,
    /// Time between two rolling marks of a source; zero: none are taken.
    pub marks_every: Setting<Duration>,
    /// Time between two looks at a source's catalogue.
    pub catalogue_every: Setting<Duration>,
    /// Most bytes of the spool.
    pub spool: Setting<u64>,
    /// How long things are given to heal by themselves.
    pub patience: Setting<Duration>,
}

/// A collector that runs elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectorConfig {
    /// Its address: `https://…`, or `http://` of a loopback address.
    pub url: Setting<Url>,
    /// A file with the agent's token.
    pub token_file: Setting<PathBuf>,
    /// A file with certificates that its own is signed by; `None`: those that the system trusts.
    pub ca_file: Setting<Option<PathBuf>>,
}

/// Who is told what happens in the form of OpenLineage.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenLineageConfig {
    /// Its address, to which `/api/v1/lineage` is added: `https://…`, or `http://` of a loopback address.
    pub url: Setting<Url>,
    /// A file with a token for it.
    pub token_file: Setting<Option<PathBuf>>,
}

/// The collector itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ServeConfig {
    /// Where it listens.
    pub listen: Setting<SocketAddr>,
    /// Its certificate and its key, in PEM.
    pub tls: Setting<Option<(PathBuf, PathBuf)>>,
    /// How long single outcomes are kept.
    pub keep_outcomes: Setting<Duration>,
    /// How long sums of them are kept, and all that is no outcome.
    pub keep_rollups: Setting<Duration>,
    /// Its address for people and programs elsewhere, where what is told of an incident leads.
    pub url: Setting<Option<Url>>,
    /// Whether routes may run programs.
    pub allow_exec: Setting<bool>,
    /// What is asked every so often, and missed when it is not: `url`, or where it is read from, and time between.
    pub heartbeat: Option<(Setting<Said>, Setting<Duration>)>,
}

/// An address with its port.
pub(super) fn address(keys: &mut MapReader<'_>, key: &str, problems: &mut Problems) -> Option<Placed<SocketAddr>> {
    let text = keys.text(key, problems)?;
    match text.value.parse() {
        Ok(address) => Some(Placed::new(address, text.place)),
        Err(_) => {
            let what = format!("`{key}` has to be an address with its port");
            let problem = Problem::new(what, &text.place).value(format!("`{}`", text.value));
            problems.push(problem.allowed("such as `127.0.0.1:9466` or `[::1]:9466`"));
            None
        }
    }
}

/// A duration of so much at least.
fn at_least(
    read: Option<Placed<Duration>>,
    key: &str,
    least: Duration,
    problems: &mut Problems,
) -> Option<Placed<Duration>> {
    if let Some(read) = read.as_ref().filter(|read| read.value < least) {
        let what = format!("`{key}` is too short");
        problems.push(Problem::new(what, &read.place).allowed(format!("{} s or more", least.as_secs())));
    }
    read
}

pub(super) fn read_agent(file: &mut MapReader<'_>, problems: &mut Problems) -> AgentConfig {
    let mut agent = AgentConfig {
        name: Setting::default_of(host_name()),
        listen: Setting::default_of(AGENT_LISTEN),
        every: Setting::default_of(EVERY),
        per_block: Setting::default_of(AGENT_PER_BLOCK),
        marks_every: Setting::default_of(MARKS_EVERY),
        catalogue_every: Setting::default_of(CATALOGUE_EVERY),
        spool: Setting::default_of(SPOOL),
        patience: Setting::default_of(PATIENCE),
    };
    let Some(mut keys) = file.map("agent", problems) else { return agent };
    if let Some(name) = keys.text("name", problems) {
        let good = (1..=63).contains(&name.value.len())
            && name.value.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@'));
        if !good {
            let problem = Problem::new("this is no name for an agent", &name.place);
            let shown: String = name.value.chars().take(64).flat_map(char::escape_debug).collect();
            problems.push(problem.value(format!("`{shown}`")).allowed("up to 63 letters of a to z, digits and `_-.@`"));
        }
        agent.name = Setting { value: name.value, origin: Origin::of(&name.place) };
    }
    if let Some(listen) = address(&mut keys, "listen", problems) {
        if !listen.value.ip().is_loopback() {
            let problem = Problem::new("the agent's own API listens on a loopback address", &listen.place);
            let help = "whoever reaches it can take marks and open migrations; the fleet looks at the collector";
            problems.push(problem.value(format!("`{}`", listen.value)).help(help));
        }
        agent.listen = Setting { value: listen.value, origin: Origin::of(&listen.place) };
    }
    let every = keys.duration("every", problems);
    agent.every = Setting::or(at_least(every, "every", Duration::from_secs(1), problems), EVERY);
    let per_block = keys.integer("per_block", 1..=10_000, problems);
    let per_block = per_block.map(|read| read.map(|rows| u32::try_from(rows).unwrap_or(AGENT_PER_BLOCK)));
    agent.per_block = Setting::or(per_block, AGENT_PER_BLOCK);
    agent.marks_every = Setting::or(keys.duration("marks_every", problems), MARKS_EVERY);
    let catalogue = keys.duration("catalogue_every", problems);
    let catalogue = at_least(catalogue, "catalogue_every", Duration::from_secs(1), problems);
    agent.catalogue_every = Setting::or(catalogue, CATALOGUE_EVERY);
    if let Some(spool) = keys.bytes("spool", problems) {
        if spool.value < SMALLEST_SPOOL {
            problems.push(Problem::new("`spool` is too small", &spool.place).allowed("1MiB or more"));
        }
        agent.spool = Setting { value: spool.value, origin: Origin::of(&spool.place) };
    }
    let patience = keys.duration("patience", problems);
    let patience = at_least(patience, "patience", Duration::from_secs(1), problems);
    if let Some(long) = patience.as_ref().filter(|patience| patience.value > LONGEST_PATIENCE) {
        problems.push(Problem::new("`patience` is too long", &long.place).allowed("7 days or less"));
    }
    agent.patience = Setting::or(patience, PATIENCE);
    keys.finish(problems);
    agent
}

pub(super) fn read_collector(
    file: &mut MapReader<'_>,
    folder: &Path,
    problems: &mut Problems,
) -> Option<CollectorConfig> {
    let mut keys = file.map("collector", problems)?;
    let url = keys.require_text("url", problems);
    let token_file = keys.require_text("token_file", problems);
    let ca_file = keys.text("ca_file", problems);
    keys.finish(problems);
    let url = url.and_then(|text| match Url::parse(&text.value) {
        Ok(url) if is_private(&url) && url.username().is_empty() && url.password().is_none() => {
            Some(Setting { value: url, origin: Origin::of(&text.place) })
        }
        _ => {
            let problem = Problem::new("the collector's `url` has to be an https:// address", &text.place);
            problems.push(
                problem.help("http:// is for a collector on this machine alone, and a token goes into `token_file`"),
            );
            None
        }
    });
    let path = |text: Placed<String>| Setting { value: folder.join(&text.value), origin: Origin::of(&text.place) };
    let ca_file = match ca_file.map(path) {
        Some(Setting { value, origin }) => Setting { value: Some(value), origin },
        None => Setting::default_of(None),
    };
    Some(CollectorConfig { url: url?, token_file: token_file.map(path)?, ca_file })
}

pub(super) fn read_openlineage(
    file: &mut MapReader<'_>,
    folder: &Path,
    problems: &mut Problems,
) -> Option<OpenLineageConfig> {
    let mut keys = file.map("openlineage", problems)?;
    let url = keys.require_text("url", problems);
    let token_file = keys.text("token_file", problems);
    keys.finish(problems);
    let url = url.and_then(|text| match Url::parse(&text.value) {
        Ok(url) if is_private(&url) && url.username().is_empty() && url.password().is_none() => {
            Some(Setting { value: url, origin: Origin::of(&text.place) })
        }
        _ => {
            let problem =
                Problem::new("the `url` of OpenLineage's receiver has to be an https:// address", &text.place);
            problems.push(problem.help("http:// is for one on this machine alone, and a token goes into `token_file`"));
            None
        }
    });
    let token_file = token_file.map(|text| text.map(|path| Some(folder.join(path))));
    Some(OpenLineageConfig { url: url?, token_file: Setting::or(token_file, None) })
}

/// Nobody reads along.
pub(super) fn is_private(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("");
    let local = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || (url.scheme() == "http" && local)
}

pub(super) fn read_serve(file: &mut MapReader<'_>, folder: &Path, problems: &mut Problems) -> ServeConfig {
    let mut serve = ServeConfig {
        listen: Setting::default_of(SERVE_LISTEN),
        tls: Setting::default_of(None),
        keep_outcomes: Setting::default_of(KEEP_OUTCOMES),
        keep_rollups: Setting::default_of(KEEP_ROLLUPS),
        url: Setting::default_of(None),
        allow_exec: Setting::default_of(false),
        heartbeat: None,
    };
    let Some(mut keys) = file.map("serve", problems) else { return serve };
    let listen = address(&mut keys, "listen", problems);
    keys.word("store", &[("sqlite", ())], problems);
    keys.word("people", &[("token_file", ())], problems);
    if let Some(mut tls) = keys.map("tls", problems) {
        let (cert, key) = (tls.require_text("cert_file", problems), tls.require_text("key_file", problems));
        if let (Some(cert), Some(key)) = (cert, key) {
            let files = (folder.join(&cert.value), folder.join(&key.value));
            serve.tls = Setting { value: Some(files), origin: Origin::of(&cert.place) };
        }
        tls.finish(problems);
    }
    if let Some(text) = keys.text("url", problems) {
        match Url::parse(&text.value) {
            Ok(url) if matches!(url.scheme(), "https" | "http") && url.host().is_some() => {
                serve.url = Setting { value: Some(url), origin: Origin::of(&text.place) };
            }
            _ => {
                problems.push(Problem::new("`url` has to be an address such as https://fieldmark.example", &text.place))
            }
        }
    }
    if let Some(allow) = keys.bool("allow_exec", problems) {
        serve.allow_exec = Setting { value: allow.value, origin: Origin::of(&allow.place) };
    }
    if let Some(mut heartbeat) = keys.map("heartbeat", problems) {
        let key = Key::required("url", Kept::Url, "what is asked every so often, and missed when it is not");
        let is_there = super::routes::has(&heartbeat, &key);
        let url = super::routes::of_key(&mut heartbeat, &key, folder, problems);
        let every = heartbeat.duration("every", problems);
        let every = at_least(every, "every", Duration::from_secs(1), problems);
        if url.is_none() && !is_there {
            let problem = Problem::new("a heartbeat needs the address that is asked", heartbeat.place());
            problems.push(problem.allowed("url, url_env or url_file"));
        }
        serve.heartbeat = url.map(|url| (url, Setting::or(every, HEARTBEAT)));
        heartbeat.finish(problems);
    }
    if let Some(mut keep) = keys.map("keep", problems) {
        let hour = Duration::from_secs(3_600);
        let outcomes = keep.duration("outcomes", problems);
        serve.keep_outcomes = Setting::or(at_least(outcomes, "outcomes", hour, problems), KEEP_OUTCOMES);
        let rollups = keep.duration("rollups", problems);
        serve.keep_rollups = Setting::or(at_least(rollups, "rollups", hour, problems), KEEP_ROLLUPS);
        if let (Origin::File(place), true) =
            (&serve.keep_rollups.origin, serve.keep_rollups.value < serve.keep_outcomes.value)
        {
            problems.push(Problem::new("sums are kept as long as what they are made of, at least", place));
        }
        keep.finish(problems);
    }
    if let Some(listen) = listen {
        if serve.tls.value.is_none() && !listen.value.ip().is_loopback() {
            let problem = Problem::new("beyond a loopback address a collector needs a certificate", &listen.place);
            let help = "tokens would go over the network for all to read; write `tls: { cert_file, key_file }`";
            problems.push(problem.value(format!("`{}`", listen.value)).help(help));
        }
        serve.listen = Setting { value: listen.value, origin: Origin::of(&listen.place) };
    }
    keys.finish(problems);
    serve
}
