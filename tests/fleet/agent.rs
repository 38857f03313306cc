//! The daemon: with the collector inside, and with one elsewhere.

use super::{Collector, command, cryptography, json_of, until};
use crate::server::postgres::{PASSWORD, Server, USER};
use reqwest::{Client, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A database of its own, with a connection of the application.
pub(super) struct Database {
    pub(super) url: String,
    connection: PgConnection,
}

impl Database {
    pub(super) async fn new(sql: &str) -> Self {
        let server = Server::get().await.unwrap();
        let url = server.url(USER, &server.database("template kinds").await.unwrap());
        let mut database = Self { connection: PgConnection::connect(&url).await.unwrap(), url };
        database.sql(sql).await;
        database
    }

    pub(super) async fn sql(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await.unwrap();
    }
}

impl Database {
    /// What a query counts.
    pub(super) async fn count(&mut self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut self.connection).await.unwrap()
    }

    /// Nobody reaches it any more.
    pub(super) async fn close(self) {
        let (server, name) = self.url.rsplit_once('/').unwrap();
        let mut beside = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
        for sql in [
            format!("alter database {name} allow_connections false"),
            format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut beside).await.unwrap();
        }
    }
}

/// An agent that runs.
pub(super) struct Agent {
    pub(super) folder: TempDir,
    process: Child,
    log: Option<BufReader<ChildStderr>>,
    /// Its own API, and its collector where that runs inside.
    pub(super) address: String,
    inside: Option<String>,
    pub(super) client: Client,
    /// What it said while it started.
    said: String,
}

const RULES: &str = "version: 1\ntable: shop.orders\nrules:\n  - { not_null: [status], severity: page }\n  - in_range: { column: total, min: 0 }\n";
pub(super) const ORDERS: &str = "create table orders (id bigint primary key, status text, total numeric(12,2));
    insert into orders select i, 'paid', i from generate_series(1, 2000) i; analyze orders";

impl Agent {
    /// In a folder of its own, with what the configuration says beside its source.
    pub(super) fn start(url: &str, more: &str) -> Self {
        Self::with(url, more, |_| {}, &[])
    }

    /// The same in a folder that was made ready, with these variables in its environment.
    pub(super) fn with(url: &str, more: &str, ready: impl FnOnce(&Path), environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::configure(&folder, url, more);
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("rules/orders.yaml"), RULES).unwrap();
        ready(folder.path());
        Self::resume_with(folder, environment)
    }

    fn configure(folder: &TempDir, url: &str, more: &str) {
        let path = folder.path().join("fieldmark.yaml");
        let text = format!("version: 1\nstate_dir: state\nsources:\n  shop: {{ url: \"{url}\" }}\n{more}\n");
        std::fs::write(&path, text).unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(super) fn resume(folder: TempDir) -> Self {
        Self::resume_with(folder, &[])
    }

    fn resume_with(folder: TempDir, environment: &[(&str, &str)]) -> Self {
        cryptography();
        let mut process = command(&folder);
        process.arg("agent").envs(environment.iter().copied());
        let mut process = process.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let (mut address, mut inside, mut said) = (None, None, String::new());
        let elsewhere = std::fs::read_to_string(folder.path().join("fieldmark.yaml")).unwrap().contains("\ncollector:");
        while address.is_none() || (inside.is_none() && !elsewhere) {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it did not start: {said}");
            said.push_str(&line);
            if let Some((_, rest)) = line.split_once("listens on http://") {
                address = Some(format!("http://{}", rest.split(' ').next().unwrap()));
            } else if let Some((_, rest)) = line.split_once("the collector inside listens on ") {
                inside = Some(format!("http://{}", rest.trim().trim_end_matches("\"}")));
            }
        }
        Self { said, folder, process, log: Some(log), address: address.unwrap(), inside, client: Client::new() }
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Ends it as a power failure would; its folder.
    pub(super) fn kill(mut self) -> TempDir {
        self.signal(Signal::KILL);
        self.process.wait().unwrap();
        self.into_folder()
    }

    /// The folder of one that has ended.
    pub(super) fn into_folder(mut self) -> TempDir {
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Ends it as systemd does: its exit code, how long it took, and what it said.
    pub(super) fn terminate(&mut self) -> (i32, Duration, String) {
        let begun = Instant::now();
        self.signal(Signal::TERM);
        let status = self.process.wait().unwrap();
        let mut said = String::new();
        self.log.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code().unwrap_or(-1), begun.elapsed(), said)
    }

    fn token(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("state/local.token")).unwrap().trim().to_owned()
    }

    async fn ask(&self, path: &str, body: &str) -> (StatusCode, Value) {
        let request =
            self.client.post(format!("{}{path}", self.address)).bearer_auth(self.token()).body(body.to_owned());
        let response = request.send().await.unwrap();
        (response.status(), json_of(response).await)
    }

    pub(super) async fn status(&self) -> Value {
        let request = self.client.get(format!("{}/v1/status", self.address)).bearer_auth(self.token());
        json_of(request.send().await.unwrap()).await
    }

    /// Its metrics.
    pub(super) async fn metrics(&self) -> String {
        self.client.get(format!("{}/metrics", self.address)).send().await.unwrap().text().await.unwrap()
    }

    /// The sum of the metrics whose lines begin so.
    pub(super) async fn told_metric(&self, begins: &str) -> f64 {
        let metrics = self.metrics().await;
        let lines = metrics.lines().filter(|line| line.starts_with(begins));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits until such a sum has grown by so much.
    pub(super) async fn goes_on(&self, begins: &str, by: f64) {
        let before = self.told_metric(begins).await;
        until(begins, async || self.told_metric(begins).await, |now| *now >= before + by).await;
    }

    /// What it said after these words while it started.
    pub(super) fn said_after(&self, words: &str) -> &str {
        self.said.split_once(words).unwrap_or_else(|| panic!("{words} is not in {}", self.said)).1
    }

    /// Waits until it says of itself that this holds.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        until(what, async || self.status().await, holds).await
    }

    /// A viewer of the collector inside.
    pub(super) fn viewer(&self) -> String {
        let output = command(&self.folder).args(["agents", "enrol", "ann", "--role", "viewer"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(super) async fn text(&self, viewer: &str, path: &str) -> String {
        let url = format!("{}{path}", self.inside.as_deref().unwrap());
        self.client.get(url).bearer_auth(viewer).send().await.unwrap().text().await.unwrap()
    }

    pub(super) async fn told(&self, viewer: &str, path: &str) -> Value {
        let url = format!("{}{path}", self.inside.as_deref().unwrap());
        json_of(self.client.get(url).bearer_auth(viewer).send().await.unwrap()).await
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// With ports of its own, and quick.
pub(super) const QUICK: &str =
    "agent: { name: db-1, listen: '127.0.0.1:0', every: 1s, catalogue_every: 1s }\nserve: { listen: '127.0.0.1:0' }";

pub(super) fn is_settled(status: &Value) -> bool {
    let source = &status["sources"][0];
    source["checked"] == true && source["mark"].is_string() && source["busy"].is_null()
}

/// Nobody touches anything: a migration breaks a rule, and is told, judged, and by whom it was noticed.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_migration_leads_to_a_verdict_with_nobody_touching_anything() {
    let mut database = Database::new(ORDERS).await;
    let agent = Agent::start(&database.url, QUICK);
    let viewer = agent.viewer();
    agent.until("settled", is_settled).await;
    database
        .sql(
            "begin; alter table orders add column note text; update orders set status = null where id % 10 = 0; commit",
        )
        .await;
    let told = async || agent.told(&viewer, "/v1/migrations?source=shop").await;
    let migrations = until("judged", told, |migrations| migrations.to_string().contains("\"judged\"")).await;
    let seen: Vec<&Value> =
        migrations.as_array().unwrap().iter().map(|seen| &seen["body"]["migration"]).rev().collect();
    assert_eq!(seen.len(), 3, "open, ended, judged: {migrations:#}");
    assert!(seen.iter().all(|migration| migration["id"] == seen[0]["id"] && migration["noticed_by"] == "catalogue"));
    assert_eq!(seen[0]["phase"]["open"]["changes"], json!(["public.orders.note added"]));
    assert_eq!(seen[1]["phase"]["ended"]["changes"], json!(["public.orders.note added"]));
    let report = &seen[2]["phase"]["judged"]["report"];
    assert_eq!(report["verdict"], "broken", "{report:#}");
    let rules = agent.told(&viewer, "/v1/rules").await;
    let broken = rules.as_array().unwrap().iter().find(|rule| rule["outcome"]["kind"] == "not_null").unwrap();
    assert_eq!((&broken["outcome"]["status"], &broken["outcome"]["failed"]), (&json!("failed"), &json!(200)));
    // a mark of the new schema is taken, and the next migration is held against that
    let old = report["mark"].clone();
    agent
        .until("marked anew", |status| status["sources"][0]["mark"].is_string() && status["sources"][0]["mark"] != old)
        .await;
    let sources = agent.told(&viewer, "/v1/sources").await;
    assert!(sources[0]["body"]["source"]["database"].as_str().unwrap().starts_with("PostgreSQL"));
}

/// Opened and closed by whoever runs it: the answer to closing it is the verdict.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_opened_and_closed_over_the_agents_own_api() {
    let mut database = Database::new(ORDERS).await;
    let agent = Agent::start(&database.url, &QUICK.replace("every: 1s, catalogue", "every: 1h, catalogue"));
    agent.until("settled", is_settled).await;
    let without = agent.client.post(format!("{}/v1/sources/shop/check", agent.address)).send().await.unwrap();
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
    let wrong = agent.client.get(format!("{}/v1/status", agent.address)).bearer_auth("hunter2").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    for path in ["healthz", "readyz"] {
        let healthy = agent.client.get(format!("{}/{path}", agent.address)).send().await.unwrap();
        assert_eq!(healthy.status(), StatusCode::OK);
    }
    assert_eq!(agent.ask("/v1/sources/elsewhere/check", "").await.0, StatusCode::CONFLICT);
    assert_eq!(agent.ask("/v1/sources/shop/migrations/close", "").await.0, StatusCode::CONFLICT);
    assert_eq!(agent.ask("/v1/sources/shop/migrations", "7").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(agent.ask("/v1/sources/shop/check", "").await.0, StatusCode::OK);
    let (status, opened) = agent.ask("/v1/sources/shop/migrations", r#"{ "name": "0042_cents" }"#).await;
    assert_eq!(status, StatusCode::OK, "{opened}");
    // rows alone: the catalogue says nothing of it
    database.sql("update orders set total = total * 100").await;
    let (status, closed) = agent.ask("/v1/sources/shop/migrations/close", "").await;
    assert_eq!((status, &closed["told"]), (StatusCode::OK, &json!("surprising")));
    let viewer = agent.viewer();
    let told = async || agent.told(&viewer, "/v1/migrations").await;
    let migrations = until("told", told, |migrations| migrations.as_array().unwrap().len() >= 3).await;
    assert_eq!(migrations[0]["body"]["migration"]["name"], "0042_cents");
    assert_eq!(migrations[0]["body"]["migration"]["id"], opened["told"]);
}

/// A collector elsewhere, killed agents, a collector that is away: what was observed is there, once, without a gap.
#[tokio::test(flavor = "multi_thread")]
async fn k4_n1_nothing_observed_is_lost_by_kills_and_a_collector_that_is_away() {
    let database = Database::new(ORDERS).await;
    let mut collector = Collector::start();
    let token = collector.enrol("db-1", "agent");
    let more = |address: &str| {
        format!(
            "agent: {{ name: db-1, listen: '127.0.0.1:0', every: 1s, catalogue_every: 1s, marks_every: 0s }}\n\
             collector: {{ url: '{address}', token_file: token }}"
        )
    };
    let enrolled = |folder: &Path| std::fs::write(folder.join("token"), &token).unwrap();
    let mut agent = Agent::with(&database.url, &more(&collector.address), enrolled, &[]);
    let stored = |collector: &Collector| -> i64 {
        collector.store().query_row("SELECT count(*) FROM observations", [], |row| row.get(0)).unwrap()
    };
    for round in 1..=4 {
        let before = stored(&collector);
        until(&format!("there in round {round}"), async || stored(&collector), |now| *now >= before + 3).await;
        let folder = agent.kill();
        agent = Agent::resume(folder);
    }
    // away for some checks, and back at another address
    collector.process.kill().unwrap();
    collector.process.wait().unwrap();
    let away = |status: &Value| status["degraded"].to_string().contains("collector: it cannot be reached");
    agent.until("degraded", away).await;
    let ready = agent.client.get(format!("{}/readyz", agent.address)).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    agent.until("full of what waits", |status| status["spool"]["records"].as_u64().unwrap() >= 6).await;
    let folder = agent.kill();
    let (process, address) = Collector::process(&collector.folder);
    (collector.process, collector.address) = (process, address);
    Agent::configure(&folder, &database.url, &more(&collector.address));
    let mut agent = Agent::resume(folder);
    agent
        .until("well", |status| {
            status["degraded"].as_array().unwrap().is_empty() && status["sources"][0]["checked"] == true
        })
        .await;
    let (code, took, said) = agent.terminate();
    assert_eq!(code, 0, "{said}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    // what was left when it ended goes out when it is started again
    let folder = agent.into_folder();
    let agent = Agent::resume(folder);
    agent
        .until("well", |status| {
            status["sources"][0]["checked"] == true && status["degraded"].as_array().unwrap().is_empty()
        })
        .await;
    let store = collector.store();
    let mut statement = store.prepare("SELECT sequence, incarnation FROM observations ORDER BY sequence").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap();
    let rows: Vec<(i64, i64)> = rows.map(Result::unwrap).collect();
    let sequences: Vec<i64> = rows.iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as i64).collect::<Vec<_>>(), "each once, and none is missing");
    let lives: BTreeMap<i64, usize> = rows.iter().fold(BTreeMap::new(), |mut lives, (_, life)| {
        *lives.entry(*life).or_default() += 1;
        lives
    });
    assert!(lives.len() >= 6, "{lives:?}");
}

/// All or nothing: what is wrong leaves what was there, and says so; what is right holds at once.
#[tokio::test(flavor = "multi_thread")]
async fn c5_a_new_configuration_is_taken_as_a_whole_or_not_at_all() {
    let database = Database::new(ORDERS).await;
    let mut agent = Agent::start(&database.url, QUICK);
    agent.until("settled", is_settled).await;
    let viewer = agent.viewer();
    let rules = agent.folder.path().join("rules/orders.yaml");
    std::fs::write(&rules, format!("{RULES}  - {{ not_nul: [total] }}\n")).unwrap();
    let degraded = agent.until("refused", |status| !status["degraded"].as_array().unwrap().is_empty()).await;
    assert!(degraded["degraded"][0].as_str().unwrap().contains("the old one stays"), "{degraded:#}");
    std::fs::write(&rules, format!("{RULES}  - {{ not_null: [total], id: total_is_there }}\n")).unwrap();
    agent.until("accepted", |status| status["degraded"].as_array().unwrap().is_empty()).await;
    let told = async || agent.told(&viewer, "/v1/rules").await;
    until("checked", told, |rules| rules.to_string().contains("total_is_there")).await;
    // and when it is told to
    agent.signal(Signal::HUP);
    agent.until("checked", is_settled).await;
    // twice: the first drains, the second changes nothing
    agent.signal(Signal::TERM);
    let (code, took, said) = agent.terminate();
    assert_eq!(code, 0, "{said}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(said.contains("`not_nul`") && said.contains("the configuration was read again"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d12_two_agents_do_not_share_a_state_folder_and_a_bad_configuration_does_not_start() {
    let database = Database::new(ORDERS).await;
    let agent = Agent::start(&database.url, QUICK);
    let second = command(&agent.folder).arg("agent").output().unwrap();
    assert_eq!(second.status.code(), Some(75), "{second:?}");
    agent.until("unharmed", is_settled).await;
    let folder = tempfile::tempdir().unwrap();
    Agent::configure(&folder, &database.url, "agent: { every: soon }\ncollector: { url: 'http://elsewhere' }");
    let refused = command(&folder).arg("agent").output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(
        said.contains("`every`") && said.contains("https://") && said.contains("token_file"),
        "all at once: {said}"
    );
    assert!(!said.contains(PASSWORD), "{said}");
    Agent::configure(&folder, &database.url, "collector: { url: 'https://elsewhere.example', token_file: nowhere }");
    let refused = command(&folder).arg("agent").output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(said.contains("nowhere") && said.contains("agents enrol"), "{said}");
}

/// A password, and values of rows that fail: nowhere but in the mark.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_row_and_no_secret_leaves_the_agent() {
    let secret = "kestrel-4711-merlin";
    let mut database = Database::new(&format!(
        "create table orders (id text primary key, status text, total numeric(12,2));
         insert into orders select '{secret}' || i, case when i % 3 = 0 then '{secret}' end, -i from generate_series(1, 300) i"
    ))
    .await;
    let mut agent = Agent::start(&database.url, QUICK);
    agent.until("settled", is_settled).await;
    database.sql("alter table orders add column more integer").await;
    let viewer = agent.viewer();
    let told = async || agent.told(&viewer, "/v1/migrations").await;
    until("judged", told, |migrations| migrations.to_string().contains("\"judged\"")).await;
    let mut answers = String::new();
    for path in ["/v1/rules", "/v1/outcomes?limit=1000", "/v1/migrations", "/v1/sources", "/v1/agents", "/v1/findings"]
    {
        answers.push_str(&agent.told(&viewer, path).await.to_string());
    }
    assert!(answers.contains("failed"), "{answers}");
    let (code, _, said) = agent.terminate();
    assert_eq!(code, 0);
    let mut places = vec![("answers".to_owned(), answers.into_bytes()), ("log".to_owned(), said.into_bytes())];
    let state = agent.folder.path().join("state");
    let mut folders = vec![state.join("spool"), state.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    for (place, bytes) in places {
        for planted in [secret, PASSWORD] {
            let found = bytes.windows(planted.len()).any(|window| window == planted.as_bytes());
            assert!(!found, "{planted} is in {place}");
        }
    }
}

/// A column that rules speak of goes away: the other rules are checked all the same, marks are taken, and it is said what is blind.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_does_not_fit_any_more_keeps_no_other_from_being_checked() {
    let mut database = Database::new(ORDERS).await;
    let agent = Agent::start(&database.url, QUICK);
    let viewer = agent.viewer();
    let settled = agent.until("settled", is_settled).await;
    database.sql("alter table orders drop column status").await;
    let mark = settled["sources"][0]["mark"].clone();
    let is_anew = |status: &Value| is_settled(status) && status["sources"][0]["mark"] != mark;
    agent.until("marked anew", is_anew).await;
    let blind = agent.until("blind", |status| status["degraded"].to_string().contains("do not fit")).await;
    assert!(blind["degraded"].to_string().contains("status"), "{blind:#}");
    assert!(blind["sources"][0]["unwell"].to_string().contains("cannot be evaluated"), "{blind:#}");
    assert_eq!(blind["ready"], true, "the agent itself is well");
    let time = |rule: &Value| rule["time"].as_str().unwrap().to_owned();
    let before = agent.told(&viewer, "/v1/rules").await.as_array().unwrap().iter().map(time).max().unwrap();
    let told = async || agent.told(&viewer, "/v1/rules").await;
    let rules = until("anew", told, |rules| rules.as_array().unwrap().iter().all(|rule| time(rule) > before)).await;
    let statuses: Vec<&Value> = rules.as_array().unwrap().iter().map(|rule| &rule["outcome"]["status"]).collect();
    assert!(statuses.contains(&&json!("not_evaluated")) && statuses.contains(&&json!("passed")), "{rules:#}");
    assert!(
        rules.as_array().unwrap().iter().all(|rule| rule["state"].is_null()),
        "what could not be checked moves no state"
    );
}

/// Killed with a migration open: it is open when the agent is there again, and judged by the mark of before it.
#[tokio::test(flavor = "multi_thread")]
async fn k4_a_migration_that_is_open_is_open_after_a_kill() {
    let mut database = Database::new(ORDERS).await;
    let agent = Agent::start(&database.url, &QUICK.replace("every: 1s, catalogue", "every: 1h, catalogue"));
    agent.until("settled", is_settled).await;
    let (status, opened) = agent.ask("/v1/sources/shop/migrations", r#"{ "name": "0043" }"#).await;
    assert_eq!(status, StatusCode::OK, "{opened}");
    let folder = agent.kill();
    // rows alone: nobody but who has announced it knows
    database.sql("update orders set total = total * 100").await;
    let agent = Agent::resume(folder);
    let (status, closed) = agent.ask("/v1/sources/shop/migrations/close", "").await;
    assert_eq!((status, &closed["told"]), (StatusCode::OK, &json!("surprising")), "{closed:#}");
    assert!(closed["judged"]["migration"]["reasons"].to_string().contains("total"), "{closed:#}");
}
