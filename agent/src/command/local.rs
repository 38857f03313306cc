//! `before --open` and `after --close`: asked of the agent that runs on this machine.

use super::{Ended, load};
use crate::cli::{Common, Output};
use crate::daemon::local::{ADDRESS, TOKEN};
use crate::state::StateFolder;
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
    /// Asks for something of one source; what it tells.
    async fn ask(&self, source: &SourceName, what: &str, body: String) -> Result<String, Ended> {
        let url = format!("http://{}/v1/sources/{source}/{what}", self.address);
        let response = self.client.post(url).bearer_auth(&self.token).body(body).send().await;
        let response = response
            .map_err(|_| Ended::Because(2, format!("no agent answers at {}: start `fieldmark agent`", self.address)))?;
        let good = response.status().is_success();
        let text = response.text().await.map_err(|_| Ended::Because(2, "the agent has ended".to_owned()))?;
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        let word = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if good { Ok(word("told")) } else { Err(Ended::Because(2, format!("{source}: {}", word("detail")))) }
    }
}

fn print(common: &Common, source: &SourceName, key: &str, told: &str, sentence: &str) {
    match common.output {
        Output::Json => outln!("{}", json!({ "source": source, key: told })),
        Output::Terminal | Output::Html | Output::Markdown | Output::Junit => outln!("{sentence}"),
    }
}

/// Opens a migration of every source, or of those that are chosen.
pub(super) async fn open(common: &Common, name: Option<&str>) -> Result<u8, Ended> {
    let agent = agent(common)?;
    for source in &agent.sources {
        let body = name.map(|name| json!({ "name": name }).to_string()).unwrap_or_default();
        let id = agent.ask(source, "migrations", body).await?;
        print(
            common,
            source,
            "migration",
            &id,
            &format!("{source}: the migration {id} is open; `fieldmark after --close` judges it"),
        );
    }
    Ok(0)
}

/// Closes them, and tells the verdicts: the gravest gives the exit code.
pub(super) async fn close(common: &Common) -> Result<u8, Ended> {
    let agent = agent(common)?;
    let mut code = 0;
    for source in &agent.sources {
        let verdict = agent.ask(source, "migrations/close", String::new()).await?;
        print(common, source, "verdict", &verdict, &format!("{source}: {verdict}"));
        let own = match verdict.as_str() {
            "clean" | "as_declared" | "restored" => 0,
            "surprising" => u8::from(common.strict),
            "broken" | "restored_with_loss" => 1,
            _ => 2,
        };
        // 1 beats 2 beats 0
        code = match (code, own) {
            (1, _) | (_, 1) => 1,
            (2, _) | (_, 2) => 2,
            _ => 0,
        };
    }
    Ok(code)
}
