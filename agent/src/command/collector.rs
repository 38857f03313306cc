//! `collector` and `agents`.

use super::{Ended, no_report};
use crate::cli::{Agents, Common, Enrolment, Output, USAGE};
use crate::config::{self, Config, Environment, RouteConfig, Said};
use crate::daemon::local::tell_metrics;
use crate::daemon::say;
use crate::signals::Signals;
use crate::state::StateFolder;
use chrono::Utc;
use fieldmark_classify::Patience;
use fieldmark_collector::route::{Given, KINDS, Route, Value as Kept};
use fieldmark_collector::store::sqlite::SqliteStore;
use fieldmark_collector::store::{Store, StoreError};
use fieldmark_collector::{
    Certificate, Clock, Collector, Deliverer, Heartbeat, Keep, Limits, Listening, Principal, Role, Served, Token, serve,
};
use fieldmark_document::Problems;
use fieldmark_model::metric::By;
use fieldmark_telemetry::Scrape;
use serde_json::json;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Name of the store's file in the state folder.
const STORE: &str = "collector.db";
/// Time between two looks for what is too old.
const RETAIN_EVERY: Duration = Duration::from_secs(3_600);
/// How long what is being told may take when it ends.
const TELLING: Duration = Duration::from_secs(2);
/// Time between two looks at how it is.
const LOOK_EVERY: Duration = Duration::from_secs(15);

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Because(2, error.to_string())
    }
}

pub(super) fn load(common: &Common) -> Result<Config, Ended> {
    let reading = config::load_for_collector(common.config.as_deref(), &Environment::of_process());
    let read = reading.into_result().map_err(|problems| Ended::Problems(problems, Problems::default()))?;
    Ok(read.0)
}

/// The store in a state folder.
pub(super) fn store(config: &Config, folder: &StateFolder) -> Result<Arc<dyn Store>, Ended> {
    Ok(Arc::new(SqliteStore::open(&folder.path().join(STORE), Patience::new(config.agent.patience.value))?))
}

/// A text that is said, or read from where it is.
fn text_of(said: &Said) -> Result<String, String> {
    match said {
        Said::Text(text) => Ok(text.clone()),
        Said::Secret(by) => by.read().map(|secret| secret.trim_end_matches(['\n', '\r']).to_owned()),
        Said::Url(url) => Ok(url.as_str().to_owned()),
        Said::Texts(_) | Said::Flag(_) => Err("it is no text".to_owned()),
    }
}

fn url_of(said: &Said) -> Result<reqwest::Url, String> {
    match said {
        Said::Url(url) => Ok(url.clone()),
        Said::Text(_) | Said::Texts(_) | Said::Secret(_) | Said::Flag(_) => {
            reqwest::Url::parse(text_of(said)?.trim()).map_err(|_| "what is there is no address".to_owned())
        }
    }
}

/// One route as it is configured, with its secrets; what is wrong with it.
fn route(config: &Config, route: &RouteConfig) -> Result<Route, String> {
    let kind = KINDS.iter().find(|kind| kind.word == route.kind).ok_or("there is no such kind")?;
    if kind.word == "exec" && !config.serve.allow_exec.value {
        return Err("programs are run only with `serve: { allow_exec: true }`".to_owned());
    }
    let mut given = Given::default();
    for (key, said) in &route.said {
        match (key.value, &said.value) {
            (_, Said::Flag(flag)) => given.flag(key.name, *flag),
            (_, Said::Texts(texts)) => given.texts(key.name, texts.clone()),
            (Kept::Url, said) => given.url(key.name, url_of(said)?),
            (_, said) => given.text(key.name, text_of(said)?),
        }
    }
    Ok(Route {
        name: route.name.value.clone(),
        kind: kind.word,
        matches: route.matches.clone(),
        hours: route.hours.clone(),
        escalate: route.escalate.clone(),
        fallback: route.fallback,
        rate: route.rate,
        way: (kind.make)(&given)?,
    })
}

/// The routes as they are configured, with their secrets.
pub(super) fn routes(config: &Config) -> Result<Vec<Route>, Ended> {
    let made = |own: &RouteConfig| {
        route(config, own).map_err(|why| {
            let place = own.name.origin.place().map(|place| format!("{place}: ")).unwrap_or_default();
            let why = format!("{place}the route {} cannot be used: {why}", own.name.value);
            Ended::Because(super::WRONG_CONFIGURATION, why)
        })
    };
    config.routes.iter().map(made).collect()
}

/// Where what is told leads.
pub(super) fn link(config: &Config) -> Option<String> {
    config.serve.url.value.as_ref().map(|url| url.as_str().to_owned())
}

fn heartbeat(config: &Config) -> Result<Option<Heartbeat>, Ended> {
    let Some((url, every)) = &config.serve.heartbeat else { return Ok(None) };
    let made = url_of(&url.value).and_then(|url| Heartbeat::new(url, every.value));
    let unusable = |why| Ended::Because(super::WRONG_CONFIGURATION, format!("`serve.heartbeat` cannot be used: {why}"));
    made.map(Some).map_err(unusable)
}

/// A collector that runs, and removes what is too old, until it is stopped.
pub(crate) struct Running {
    pub(crate) served: Served,
    pub(crate) collector: Collector,
    retaining: tokio::task::JoinHandle<()>,
    looking: tokio::task::JoinHandle<()>,
    telling: CancellationToken,
    delivering: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// The store cannot be opened, the address not be listened on.
    pub(crate) async fn start(config: &Config, folder: &StateFolder, scrape: Option<Scrape>) -> Result<Self, Ended> {
        let patience = Patience::new(config.agent.patience.value);
        let collector = Collector::new(store(config, folder)?, Clock::system(), Limits::default(), patience);
        let collector = collector.telling(scrape).maintained(config.maintenance.value.clone());
        let certificate = config.serve.tls.value.clone();
        let listening = Listening {
            address: config.serve.listen.value,
            certificate: certificate.map(|(cert_file, key_file)| Certificate { cert_file, key_file }),
            plain_beyond_loopback: false,
        };
        let served = serve(collector.clone(), &listening).await;
        let served = served.map_err(|refused| Ended::Because(2, refused.to_string()))?;
        let keep = Keep { outcomes: config.serve.keep_outcomes.value, rollups: config.serve.keep_rollups.value };
        let kept = collector.clone();
        let retaining = tokio::spawn(async move {
            loop {
                // what cannot be removed now can be in an hour
                kept.retain(keep).await.ok();
                tokio::time::sleep(RETAIN_EVERY).await;
            }
        });
        let telling = CancellationToken::new();
        let deliverer =
            Deliverer::new(collector.clone(), routes(config)?).linking(link(config)).beating(heartbeat(config)?);
        let delivering = tokio::spawn(deliverer.run(telling.clone()));
        let seen = collector.clone();
        let looking = tokio::spawn(async move {
            loop {
                seen.goes_round().await;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Ok(Self { served, collector, retaining, looking, telling, delivering })
    }

    /// Ends it, when requests that are being answered are.
    pub(crate) async fn stop(self) {
        self.retaining.abort();
        self.looking.abort();
        self.served.stop().await;
        // what is not told by then is told when it is started again
        self.telling.cancel();
        let abort = self.delivering.abort_handle();
        if tokio::time::timeout(TELLING, self.delivering).await.is_err() {
            abort.abort();
        }
    }
}

/// `collector`
pub(super) async fn run(common: &Common, signals: &Signals) -> Result<u8, Ended> {
    no_report("collector", common)?;
    let config = load(common)?;
    let folder = StateFolder::open(config.state_dir.value.clone())?;
    let instance = config.serve.listen.value.to_string();
    let telemetry = super::telemetry("fieldmark-collector", &instance, &config, common)?;
    let scrape = config.telemetry.prometheus.value.then(|| telemetry.scrape().clone());
    let running = Running::start(&config, &folder, scrape).await?;
    let apart = match config.telemetry.listen.value {
        None => None,
        Some(address) => {
            let stop = signals.token().clone();
            Some(tell_metrics(address, telemetry.scrape(), By::Collector, stop).await?)
        }
    };
    let scheme = if config.serve.tls.value.is_some() { "https" } else { "http" };
    say(&format!("the collector listens on {scheme}://{}", running.served.address));
    if let Some(apart) = &apart {
        say(&format!("metrics are told at http://{}/metrics", apart.address));
    }
    signals.token().cancelled().await;
    running.stop().await;
    if let Some(apart) = apart {
        apart.stop().await;
    }
    telemetry.stop().await;
    Ok(0)
}

/// Whoever may write to the store's file is whoever the system says it is.
pub(super) fn whoever() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

/// `agents`
pub(super) async fn agents(common: &Common, arguments: &Agents) -> Result<u8, Ended> {
    no_report("agents", common)?;
    let config = load(common)?;
    let folder = StateFolder::open(config.state_dir.value.clone())?;
    let store = store(&config, &folder)?;
    let by = whoever();
    match &arguments.what {
        Enrolment::Enrol { name, role, token_file } => {
            enrol(store.as_ref(), (name, *role), token_file.as_deref(), by, common).await
        }
        Enrolment::List => list(store.as_ref(), common).await,
        Enrolment::Revoke { name } => match store.revoke(name.clone(), by, Utc::now()).await {
            Ok(()) => Ok(0),
            Err(unknown @ StoreError::Unknown { .. }) => {
                Err(Ended::Because(2, format!("{unknown}; `fieldmark agents list` says who is")))
            }
            Err(error) => Err(error.into()),
        },
    }
}

async fn enrol(
    store: &dyn Store,
    (name, role): (&str, Role),
    file: Option<&Path>,
    by: String,
    common: &Common,
) -> Result<u8, Ended> {
    if !fieldmark_collector::is_name(name) {
        let why = "a name has up to 63 letters of a to z, digits and `_-.@`, and begins with a letter or a digit";
        return Err(Ended::Because(USAGE, why.to_owned()));
    }
    let token = Token::random().map_err(|error| Ended::Because(2, error.to_string()))?;
    // the file first: a token that nobody has is of no use
    if let Some(path) = file {
        write_token(path, &token).map_err(|error| Ended::Because(2, format!("{}: {error}", path.display())))?;
    }
    let principal = Principal { name: name.to_owned(), role };
    if let Err(error) = store.enrol(principal, token.hash(), by, Utc::now()).await {
        if let Some(path) = file {
            std::fs::remove_file(path).ok();
        }
        if matches!(error, StoreError::Taken { .. }) {
            let why = format!("{error}; `fieldmark agents revoke {name}` makes room for a new token");
            return Err(Ended::Because(2, why));
        }
        return Err(error.into());
    }
    match (file, common.output) {
        (Some(_), _) => {}
        (None, Output::Json) => outln!("{}", json!({ "name": name, "role": role, "token": token.expose() })),
        (None, Output::Terminal | Output::Html | Output::Markdown | Output::Junit) => outln!("{}", token.expose()),
    }
    Ok(0)
}

/// A new file, mode 0600; one that is there is left alone.
fn write_token(path: &Path, token: &Token) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", token.expose())?;
    file.sync_all()
}

async fn list(store: &dyn Store, common: &Common) -> Result<u8, Ended> {
    let principals = store.principals().await?;
    let agents = store.agents().await?;
    if common.output == Output::Json {
        outln!("{:#}", json!({ "version": 1, "principals": principals, "agents": agents }));
        return Ok(0);
    }
    if principals.is_empty() {
        outln!("nobody is enrolled: `fieldmark agents enrol NAME`");
    }
    for principal in principals {
        let seen = agents.iter().find(|agent| agent.name == principal.name).and_then(|agent| agent.last_seen);
        let seen = seen.map(|seen| format!(", last heard of {}", seen.format("%Y-%m-%d %H:%M:%S"))).unwrap_or_default();
        let revoked = principal.revoked.map(|at| format!(", revoked {}", at.format("%Y-%m-%d"))).unwrap_or_default();
        let since = principal.enrolled.format("%Y-%m-%d");
        outln!("{}  {}, since {since}{seen}{revoked}", principal.name, principal.role.as_str());
    }
    Ok(0)
}
