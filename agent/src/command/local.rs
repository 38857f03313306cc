//! `before --open` and `after --close`: asked of the agent that runs on this machine.

use super::migration::conclude;
use super::{Ended, deliver, load, no_report, report_of};
use crate::cli::{Common, Output};
use crate::daemon::event::Judged;
use crate::daemon::local::{ADDRESS, TOKEN};
use crate::report::{ErrorSummary, MigrationSummary, Report};
use crate::state::StateFolder;
use chrono::Utc;
use fieldmark_document::Problems;
use fieldmark_model::SourceName;
use reqwest::Client;
use serde_json::{Value, json};

/// The agent beside, as its state folder tells of it.
struct Agent {
    address: String,
    token: String,
    client: Client,
    sources: Vec<SourceName>,
}

fn agent(common: &Common) -> Result<Agent, Ended> {
    let (config, _) = load(common).into_result().map_err(|problems| Ended::Problems(problems, Problems::default()))?;
    let config = super::with_sources(config, common)?;
    let folder = StateFolder::open(config.state_dir.value.clone())?;
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).map(|text| text.trim().to_owned());
    let (Ok(address), Ok(token)) = (read(ADDRESS), read(TOKEN)) else {
        let why = format!("no agent runs with the state folder {}: start `fieldmark agent`", folder.path().display());
        return Err(Ended::Because(2, why));
    };
    let client = Client::builder().no_proxy().build().map_err(|error| Ended::Because(2, error.to_string()))?;
    let sources = config.sources.into_iter().map(|source| source.name).collect();
    Ok(Agent { address, token, client, sources })
}

impl Agent {
    /// Asks for something of one source; what it tells, or why it refuses.
    async fn ask(&self, source: &SourceName, what: &str, body: String) -> Result<Result<Value, String>, Ended> {
        let url = format!("http://{}/v1/sources/{source}/{what}", self.address);
        let response = self.client.post(url).bearer_auth(&self.token).body(body).send().await;
        let response = response
            .map_err(|_| Ended::Because(2, format!("no agent answers at {}: start `fieldmark agent`", self.address)))?;
        let good = response.status().is_success();
        let text = response.text().await.map_err(|_| Ended::Because(2, "the agent has ended".to_owned()))?;
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        if good {
            return Ok(Ok(told));
        }
        let why = told.get("detail").and_then(Value::as_str).unwrap_or("the agent gives no reason");
        Ok(Err(why.to_owned()))
    }
}

/// Opens a migration of every source, or of those that are chosen.
pub(super) async fn open(common: &Common, name: Option<&str>) -> Result<u8, Ended> {
    no_report("before --open", common)?;
    let agent = agent(common)?;
    for source in &agent.sources {
        let body = name.map(|name| json!({ "name": name }).to_string()).unwrap_or_default();
        let told = agent.ask(source, "migrations", body).await?;
        let told = told.map_err(|why| Ended::Because(2, format!("{source}: {why}")))?;
        let id = told.get("told").and_then(Value::as_str).unwrap_or_default();
        match common.output {
            Output::Json => outln!("{}", json!({ "source": source, "migration": id })),
            Output::Terminal | Output::Html | Output::Markdown | Output::Junit => {
                outln!("{source}: the migration {id} is open; `fieldmark after --close` judges it");
            }
        }
    }
    Ok(0)
}

/// Closes them, and tells what became of the rows as `after` does.
pub(super) async fn close(common: &Common) -> Result<u8, Ended> {
    let agent = agent(common)?;
    let mut report = Report { strict: common.strict, ..report_of("after", Utc::now(), 0) };
    let mut summary = MigrationSummary::default();
    for source in &agent.sources {
        let told = agent.ask(source, "migrations/close", String::new()).await?;
        let unreadable = || "its answer makes no sense: are the agent and this command of one version?".to_owned();
        let judged = told.and_then(|told| {
            serde_json::from_value::<Judged>(told.get("judged").cloned().unwrap_or_default()).map_err(|_| unreadable())
        });
        match judged {
            Ok(judged) => {
                report.seed = judged.seed;
                summary.sources.push(*judged.migration);
                report.sources.extend(judged.source);
            }
            Err(what) => {
                report.errors.push(ErrorSummary {
                    source: Some(source.clone()),
                    table: None,
                    what,
                    remedy: None,
                    nature: None,
                });
            }
        }
    }
    report.migration = Some(summary);
    conclude(&mut report);
    deliver(&report, common)
}
