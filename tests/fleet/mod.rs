//! The collector as a process of its own, asked over its sockets.

mod agent;
mod between;
mod boundaries;
mod causes;
mod dashboards;
mod faults;
mod incidents;
mod kill;
mod lineage;
mod pages;
mod people;
mod reports;
mod routes;
mod servers;
mod telemetry;
mod tls;

use crate::journeys::program;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Debug;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// One provider of cryptography for all.
fn cryptography() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// How long an event may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

/// What is told, as soon as it is as it is to be.
async fn until<T: Debug>(what: &str, tell: impl AsyncFn() -> T, holds: impl Fn(&T) -> bool) -> T {
    let begun = Instant::now();
    loop {
        let told = tell().await;
        if holds(&told) {
            return told;
        }
        assert!(begun.elapsed() < DEADLINE, "never {what}: {told:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A collector with a folder of its own.
struct Collector {
    folder: TempDir,
    process: Child,
    address: String,
    client: Client,
}

impl Collector {
    fn start() -> Self {
        Self::with("{ listen: '127.0.0.1:0' }", |_| {}, Client::builder())
    }

    /// With these settings of `serve`, in a folder that was made ready.
    fn with(serve: &str, ready: impl FnOnce(&TempDir), client: reqwest::ClientBuilder) -> Self {
        Self::configured(&format!("serve: {serve}"), ready, client)
    }

    /// The same with routes.
    fn telling(serve: &str, routes: &str, ready: impl FnOnce(&TempDir)) -> Self {
        Self::configured(&format!("serve: {serve}\nroutes: {routes}"), ready, Client::builder())
    }

    fn configured(said: &str, ready: impl FnOnce(&TempDir), client: reqwest::ClientBuilder) -> Self {
        cryptography();
        let folder = tempfile::tempdir().unwrap();
        ready(&folder);
        let configuration = format!("version: 1\nstate_dir: state\n{said}\n");
        std::fs::write(folder.path().join("fieldmark.yaml"), configuration).unwrap();
        let (process, address) = Self::process(&folder);
        Self { folder, process, address, client: client.build().unwrap() }
    }

    fn process(folder: &TempDir) -> (Child, String) {
        let mut process =
            command(folder).arg("collector").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(address.starts_with("http"), "it did not start: {line}");
        (process, address)
    }

    /// Ends the process as a power failure would, and starts another one.
    fn kill_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        (self.process, self.address) = Self::process(&self.folder);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// The token of somebody who is enrolled now.
    fn enrol(&self, name: &str, role: &str) -> String {
        let output = command(&self.folder).args(["agents", "enrol", name, "--role", role]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn get(&self, token: &str, path: &str) -> RequestBuilder {
        self.client.get(self.url(path)).bearer_auth(token)
    }

    fn post(&self, token: &str, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = self.client.post(self.url(path)).bearer_auth(token);
        request.header("content-type", "application/json").body(body)
    }

    /// An answer as JSON.
    async fn told(&self, token: &str, path: &str) -> Value {
        let response = self.get(token, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        json_of(response).await
    }

    /// What was audited, newest first: who, and what.
    async fn audits(&self, admin: &str) -> Vec<(String, String)> {
        let audits = self.told(admin, "/v1/audit").await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        audits.as_array().unwrap().iter().map(|audit| (text(&audit["who"]), text(&audit["what"]))).collect()
    }

    /// The store as it lies on the disk.
    fn store(&self) -> Connection {
        Connection::open(self.path("state/collector.db")).unwrap()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The program in a folder.
fn command(folder: &TempDir) -> Command {
    let mut command = Command::new(program());
    command
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .env("PATH", std::env::var_os("PATH").unwrap());
    command
}

async fn json_of(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// An observation of an agent: a finding that says something.
fn finding(agent: &str, incarnation: u64, sequence: u64, what: &str) -> Value {
    let body = json!({ "finding": { "id": "invalid_encoding", "source": "shop", "table": "public.orders", "column": null,
        "what": what, "remedy": "none" } });
    json!({ "agent": agent, "incarnation": incarnation, "sequence": sequence, "time": "2026-01-02T03:04:05Z", "body": body })
}

/// A batch of such.
fn batch(agent: &str, incarnation: u64, observations: Vec<Value>) -> String {
    json!({ "version": 1, "agent": agent, "incarnation": incarnation, "observations": observations }).to_string()
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
