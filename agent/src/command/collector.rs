//! `collector` and `agents`.

use super::{Ended, no_report};
use crate::cli::{Agents, Common, Enrolment, Output, USAGE};
use crate::config::{self, Config, Environment};
use crate::signals::Signals;
use crate::state::StateFolder;
use chrono::Utc;
use fieldmark_collector::store::sqlite::SqliteStore;
use fieldmark_collector::store::{Store, StoreError};
use fieldmark_collector::{
    Certificate, Clock, Collector, Keep, Limits, Listening, Principal, Role, Served, Token, serve,
};
use fieldmark_document::Problems;
use serde_json::json;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Name of the store's file in the state folder.
const STORE: &str = "collector.db";
/// Time between two looks for what is too old.
const RETAIN_EVERY: Duration = Duration::from_secs(3_600);

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Because(2, error.to_string())
    }
}

fn load(common: &Common) -> Result<Config, Ended> {
    let reading = config::load_for_collector(common.config.as_deref(), &Environment::of_process());
    let read = reading.into_result().map_err(|problems| Ended::Problems(problems, Problems::default()))?;
    Ok(read.0)
}

/// The store in a state folder.
fn store(folder: &StateFolder) -> Result<Arc<dyn Store>, Ended> {
    Ok(Arc::new(SqliteStore::open(&folder.path().join(STORE))?))
}

/// A collector that runs, and removes what is too old, until it is stopped.
pub(crate) struct Running {
    pub(crate) served: Served,
    pub(crate) collector: Collector,
    retaining: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// The store cannot be opened, the address not be listened on.
    pub(crate) async fn start(config: &Config, folder: &StateFolder, beside: axum::Router) -> Result<Self, Ended> {
        let collector = Collector::new(store(folder)?, Clock::system(), Limits::default());
        let certificate = config.serve.tls.value.clone();
        let listening = Listening {
            address: config.serve.listen.value,
            certificate: certificate.map(|(cert_file, key_file)| Certificate { cert_file, key_file }),
            plain_beyond_loopback: false,
        };
        let served = serve(collector.clone(), &listening, beside).await;
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
        Ok(Self { served, collector, retaining })
    }

    /// Ends it, when requests that are being answered are.
    pub(crate) async fn stop(self) {
        self.retaining.abort();
        self.served.stop().await;
    }
}

/// `collector`
pub(super) async fn run(common: &Common, signals: &Signals) -> Result<u8, Ended> {
    no_report("collector", common)?;
    let config = load(common)?;
    let folder = StateFolder::open(config.state_dir.value.clone())?;
    let running = Running::start(&config, &folder, axum::Router::new()).await?;
    if !common.quiet {
        let scheme = if config.serve.tls.value.is_some() { "https" } else { "http" };
        eprintln!("fieldmark: the collector listens on {scheme}://{}", running.served.address);
    }
    signals.token().cancelled().await;
    running.stop().await;
    Ok(0)
}

/// `agents`
pub(super) async fn agents(common: &Common, arguments: &Agents) -> Result<u8, Ended> {
    no_report("agents", common)?;
    let config = load(common)?;
    let folder = StateFolder::open(config.state_dir.value.clone())?;
    let store = store(&folder)?;
    // whoever may write to the store's file is whoever the system says it is
    let by = format!("uid {}", rustix::process::getuid().as_raw());
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
