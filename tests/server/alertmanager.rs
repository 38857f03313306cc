//! An Alertmanager for one test: the real program, which forwards to whom it is told.

use super::{Watch, Watched};
use serde_json::Value;
use std::ffi::OsStr;

/// The server; it stops when this is dropped.
pub(crate) struct Alertmanager {
    watched: Watched,
}

impl Alertmanager {
    /// One that groups by incident and forwards to this address.
    pub(crate) async fn forwarding(url: &str) -> anyhow::Result<Self> {
        let configuration = format!(
            "route: {{ receiver: hook, group_by: [incident], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }}\n\
             receivers: [ {{ name: hook, webhook_configs: [ {{ url: '{url}', send_resolved: true }} ] }} ]\n"
        );
        let start = move || {
            let files = [("alertmanager.yml", configuration.as_str())];
            let words = [
                "prometheus-alertmanager",
                "--config.file=alertmanager.yml",
                "--storage.path=data",
                "--cluster.listen-address=",
            ]
            .map(OsStr::new);
            Watch::until_ready("alertmanager", &words, &files).start()
        };
        Ok(Self { watched: tokio::task::spawn_blocking(start).await?? })
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.watched.port)
    }

    /// The alerts that it knows of.
    pub(crate) async fn alerts(&self, client: &reqwest::Client) -> Vec<Value> {
        let answer = client.get(format!("{}/api/v2/alerts", self.url())).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}
