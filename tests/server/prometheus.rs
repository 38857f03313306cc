//! A Prometheus for one test: the real program, which asks whom it is told to every second.

use super::{Watch, Watched};
use serde_json::Value;
use std::ffi::OsStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whom it asks.
pub(crate) struct Target<'a> {
    pub(crate) job: &'a str,
    /// `http://host:port`
    pub(crate) address: &'a str,
    pub(crate) token: Option<&'a str>,
}

/// The server; it stops when this is dropped.
pub(crate) struct Prometheus {
    watched: Watched,
}

impl Prometheus {
    pub(crate) async fn of(targets: &[Target<'_>]) -> anyhow::Result<Self> {
        Self::with(targets, &[]).await
    }

    /// One with these files of rules, which it goes by every second: their names, and what is in them.
    pub(crate) async fn with(targets: &[Target<'_>], rules: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut configuration =
            "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }\n".to_owned();
        let names: Vec<&str> = rules.iter().map(|(name, _)| *name).collect();
        configuration.push_str(&format!("rule_files: [{}]\nscrape_configs:\n", names.join(", ")));
        // files beside its configuration
        let mut beside: Vec<(String, String)> =
            rules.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        for Target { job, address, token } in targets {
            configuration.push_str(&format!("  - job_name: {job}\n"));
            if let Some(token) = token {
                configuration.push_str(&format!("    authorization: {{ credentials_file: {job}.token }}\n"));
                beside.push((format!("{job}.token"), (*token).to_owned()));
            }
            let address = address.trim_start_matches("http://");
            configuration.push_str(&format!("    static_configs: [ {{ targets: ['{address}'] }} ]\n"));
        }
        let start = move || {
            let mut files = vec![("prometheus.yml", configuration.as_str())];
            files.extend(beside.iter().map(|(name, text)| (name.as_str(), text.as_str())));
            let words = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"].map(OsStr::new);
            Watch::until_ready("prometheus", &words, &files).start()
        };
        Ok(Self { watched: tokio::task::spawn_blocking(start).await?? })
    }

    /// What a query gives now.
    pub(crate) async fn query(&self, client: &reqwest::Client, query: &str) -> Value {
        self.ask(client, "query", &[("query", query)]).await["result"].clone()
    }

    /// What a query gave in the last ten minutes, every two seconds.
    pub(crate) async fn over(&self, client: &reqwest::Client, query: &str) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (start, end) = ((now - 600).to_string(), now.to_string());
        let words = [("query", query), ("start", start.as_str()), ("end", end.as_str()), ("step", "2")];
        self.ask(client, "query_range", &words).await["result"].clone()
    }

    /// Its rules, with what it makes of them.
    pub(crate) async fn rules(&self, client: &reqwest::Client) -> Vec<Value> {
        let data = self.ask(client, "rules", &[]).await;
        let groups = data["groups"].as_array().unwrap();
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }

    async fn ask(&self, client: &reqwest::Client, what: &str, words: &[(&str, &str)]) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/{what}", self.watched.port);
        let url = reqwest::Url::parse_with_params(&url, words).unwrap();
        let answer = client.get(url).send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], "success", "{words:?}: {answer}");
        answer["data"].clone()
    }
}
