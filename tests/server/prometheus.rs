//! A Prometheus for one test: the real program, which asks whom it is told to every second.

use super::{Watch, Watched};
use serde_json::Value;
use std::ffi::OsStr;

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
        let mut configuration = "global: { scrape_interval: 1s, scrape_timeout: 1s }\nscrape_configs:\n".to_owned();
        let mut tokens = Vec::new();
        for Target { job, address, token } in targets {
            configuration.push_str(&format!("  - job_name: {job}\n"));
            if let Some(token) = token {
                configuration.push_str(&format!("    authorization: {{ credentials_file: {job}.token }}\n"));
                tokens.push((format!("{job}.token"), (*token).to_owned()));
            }
            let address = address.trim_start_matches("http://");
            configuration.push_str(&format!("    static_configs: [ {{ targets: ['{address}'] }} ]\n"));
        }
        let start = move || {
            let mut files = vec![("prometheus.yml", configuration.as_str())];
            files.extend(tokens.iter().map(|(name, token)| (name.as_str(), token.as_str())));
            let words = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"].map(OsStr::new);
            Watch::until_ready("prometheus", &words, &files).start()
        };
        Ok(Self { watched: tokio::task::spawn_blocking(start).await?? })
    }

    /// What a query gives now.
    pub(crate) async fn query(&self, client: &reqwest::Client, query: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.watched.port);
        let url = reqwest::Url::parse_with_params(&url, [("query", query)]).unwrap();
        let answer = client.get(url).send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].clone()
    }
}
