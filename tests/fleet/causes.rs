//! Faults of real databases, each with its twin that heals: that the one is told, and told once, and that of the other nobody hears.

use super::agent::{Agent, ORDERS};
use super::until;
use crate::server::hook::{Came, Hook};
use crate::server::standby::Pair;
use crate::server::{mariadb, postgres};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection};
use std::collections::BTreeMap;
use std::path::Path;

const SECRET: &str = "a-secret-that-signs-what-is-told";
/// How long things are given to heal: a fifteenth of it is what a privilege that is given back has, on a machine that is busy.
const PATIENCE: &str = "60s";

/// A database that something happens to.
struct Story {
    name: String,
    url: String,
    connection: Connection,
    fault: Vec<String>,
    /// What heals it, as soon as it is suspected; `None`: nothing does.
    heals: Option<Vec<String>>,
    /// What goes on until it is over.
    meanwhile: Option<String>,
    /// A connection of the reader's that is the only one which it may have, from the fault on.
    only: Option<MySqlConnection>,
}

enum Connection {
    Postgres(PgConnection),
    Mariadb(MySqlConnection),
}

impl Connection {
    async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(connection) => drop(sqlx::raw_sql(sql).execute(connection).await.unwrap()),
            Self::Mariadb(connection) => drop(sqlx::raw_sql(sql).execute(connection).await.unwrap()),
        }
    }
}

/// What is done to a table `T` of a database `D` that a user `R` reads: the fault, and what heals it.
struct Fault {
    name: &'static str,
    fault: &'static str,
    heals: &'static str,
    meanwhile: Option<&'static str>,
}

const MENDS: &str = "update T set status = 'paid' where status is null";

/// Those that both databases have.
const BOTH: [Fault; 4] = [
    Fault {
        name: "all",
        fault: "alter table T add column note varchar(20); update T set status = null",
        heals: MENDS,
        meanwhile: None,
    },
    Fault {
        name: "hundredth",
        fault: "alter table T add column note varchar(20); update T set status = null where id % 100 = 7",
        heals: MENDS,
        meanwhile: None,
    },
    Fault {
        name: "thousandth",
        fault: "alter table T add column note varchar(20); update T set status = null where id % 1000 = 7",
        heals: MENDS,
        meanwhile: None,
    },
    Fault {
        name: "leak",
        fault: "insert into T (id, status) select max(id) + 1, null from T",
        heals: MENDS,
        meanwhile: Some("insert into T (id, status) select max(id) + 1, null from T"),
    },
];

const POSTGRES: [Fault; 3] = [
    Fault { name: "refused", fault: "revoke select on T from R", heals: "grant select on T to R", meanwhile: None },
    Fault {
        name: "lost",
        fault: "alter table T rename to gone",
        heals: "alter table gone rename to T",
        meanwhile: None,
    },
    Fault {
        name: FULL,
        fault: "alter database D connection limit 0; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'R'",
        heals: "alter database D connection limit -1",
        meanwhile: None,
    },
];

const MARIADB: [Fault; 3] = [
    Fault { name: "refused", fault: "revoke select on T from R", heals: "grant select on T to R", meanwhile: None },
    Fault { name: "lost", fault: "rename table T to gone", heals: "rename table gone to T", meanwhile: None },
    Fault {
        name: FULL,
        fault: "alter user R with max_user_connections 1",
        heals: "alter user R with max_user_connections 100",
        meanwhile: None,
    },
];

/// No connection is left.
const FULL: &str = "full";

impl Story {
    async fn new(fault: &Fault, heals: bool, on_postgres: bool) -> Self {
        let engine = if on_postgres { "pg" } else { "maria" };
        let name = format!("{engine}_{}_{}", fault.name, if heals { "heals" } else { "stays" });
        let (table, reader) = (format!("orders_{name}"), format!("r_{name}"));
        let (url, mut connection, database) = if on_postgres {
            let server = postgres::Server::get().await.unwrap();
            let database = server.database("").await.unwrap();
            let connection = PgConnection::connect(&server.url(postgres::USER, &database)).await.unwrap();
            (server.url(&reader, &database), Connection::Postgres(connection), database)
        } else {
            let server = mariadb::Server::get().await.unwrap();
            let database = server.database("").await.unwrap();
            let connection = server.keeper(&database).await.unwrap();
            (server.url(&reader, &database), Connection::Mariadb(connection), database)
        };
        let spelled = |sql: &str| {
            let words = sql.split(' ').map(|word| match word {
                "T" => table.clone(),
                "D" => database.clone(),
                "R" => {
                    if on_postgres {
                        reader.clone()
                    } else {
                        format!("{reader}@'%'")
                    }
                }
                "'R'" => format!("'{reader}'"),
                word => word.to_owned(),
            });
            words.collect::<Vec<_>>().join(" ")
        };
        let statements = |sql: &str| -> Vec<String> { sql.split("; ").map(&spelled).collect() };
        let rows = "select i, 'paid', i from";
        let made = if on_postgres {
            format!(
                "create table T (id bigint primary key, status text, total numeric(12,2)); \
                 insert into T {rows} generate_series(1, 20000) i; analyze T; \
                 create role R login password '{}'; grant select on T to R",
                postgres::PASSWORD
            )
        } else {
            format!(
                "create table T (id bigint primary key, status varchar(20), total decimal(12,2)); \
                 insert into T select seq, 'paid', seq from seq_1_to_20000; analyze table T; \
                 create user R identified by '{}' with max_user_connections 100; grant select on T to R",
                mariadb::PASSWORD
            )
        };
        for statement in statements(&made) {
            connection.run(&statement).await;
        }
        let only = match connection {
            Connection::Mariadb(_) if fault.name == FULL => Some(MySqlConnection::connect(&url).await.unwrap()),
            Connection::Mariadb(_) | Connection::Postgres(_) => None,
        };
        Self {
            only,
            name,
            url,
            connection,
            fault: statements(fault.fault),
            heals: heals.then(|| statements(fault.heals)),
            meanwhile: fault.meanwhile.filter(|_| !heals).map(&spelled),
        }
    }
}

impl Story {
    /// The fault happens.
    async fn breaks(&mut self) {
        for statement in std::mem::take(&mut self.fault) {
            self.connection.run(&statement).await;
        }
        let Some(only) = &mut self.only else { return };
        let others = "select id from information_schema.processlist where user = substring_index(current_user(), '@', 1) and id <> connection_id()";
        let others: Vec<i64> = sqlx::query_scalar(others).fetch_all(only).await.unwrap();
        for other in others {
            self.connection.run(&format!("kill {other}")).await;
        }
    }
}

/// The states that an agent tells of each of its sources.
fn states_of(status: &Value) -> BTreeMap<String, String> {
    let sources = status["sources"].as_array().unwrap().iter();
    sources.map(|own| (own["source"].as_str().unwrap().to_owned(), own["states"].to_string())).collect()
}

/// Data that a migration breaks, of all rows, of a hundredth and of a thousandth; a slow leak; a privilege that is revoked, a table that is lost,
/// connections that are refused: of each that stays there is one page, and of each that heals there is none.
#[tokio::test(flavor = "multi_thread")]
async fn of_each_fault_somebody_hears_and_of_its_healing_twin_nobody() {
    let mut stories = Vec::new();
    for heals in [false, true] {
        for (faults, on_postgres) in
            [(&BOTH[..], true), (&POSTGRES[..], true), (&BOTH[..], false), (&MARIADB[..], false)]
        {
            for fault in faults {
                stories.push(Story::new(fault, heals, on_postgres).await);
            }
        }
    }
    let hook = Hook::start(&[]).await;
    let sources: String = stories
        .iter()
        .map(|own| format!("  {}: {{ url: '{}', sample: {{ rows: 4000 }} }}\n", own.name, own.url))
        .collect();
    let names: Vec<String> = stories.iter().map(|own| own.name.clone()).collect();
    let ready = |folder: &Path| {
        let configuration = format!(
            "version: 1\nstate_dir: state\nsources:\n{sources}\
             agent: {{ name: db-1, listen: '127.0.0.1:0', every: 2s, marks_every: 0s, catalogue_every: 2s, patience: {PATIENCE} }}\n\
             serve: {{ listen: '127.0.0.1:0' }}\n\
             routes: [{{ name: pager, kind: webhook, url: '{}', secret_env: HOOK_SECRET, match: {{ severity: page }} }}]\n",
            hook.url
        );
        std::fs::write(folder.join("fieldmark.yaml"), configuration).unwrap();
        std::fs::remove_file(folder.join("rules/orders.yaml")).unwrap();
        for name in &names {
            let rules = format!(
                "version: 1\ntable: {name}.orders_{name}\nrules:\n  - {{ id: {name}, not_null: [status], severity: page }}\n"
            );
            std::fs::write(folder.join(format!("rules/{name}.yaml")), rules).unwrap();
        }
    };
    let agent = Agent::with("sqlite:none", "", ready, &[("HOOK_SECRET", SECRET)]);
    let viewer = agent.viewer();
    let checked = |status: &Value| status["sources"].as_array().unwrap().iter().all(|own| own["checked"] == true);
    agent.until("all checked", checked).await;
    for story in &mut stories {
        story.breaks().await;
    }
    let stays: Vec<String> = names.iter().filter(|name| name.ends_with("_stays")).cloned().collect();
    let begun = std::time::Instant::now();
    let (mut open, mut suspected) = (BTreeMap::new(), std::collections::BTreeSet::new());
    while stays.iter().any(|name| !open.contains_key(name)) {
        assert!(begun.elapsed().as_secs() < 240, "not told: {stays:?}: {open:#?}, suspected {suspected:?}");
        let states = states_of(&agent.status().await);
        for story in &mut stories {
            if states.get(&story.name).is_some_and(|states| states != "[]") {
                suspected.insert(story.name.clone());
                for statement in story.heals.take().into_iter().flatten() {
                    story.connection.run(&statement).await;
                }
            }
            if let Some(meanwhile) = story.meanwhile.clone() {
                story.connection.run(&meanwhile).await;
            }
        }
        for incident in agent.told(&viewer, "/v1/incidents").await.as_array().unwrap() {
            for part in incident["parts"].as_array().unwrap() {
                let source = part["source"].as_str().unwrap().to_owned();
                open.entry(source)
                    .or_insert_with(|| (incident["id"].clone(), incident["opened"].clone(), part["since"].clone()));
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let told: Vec<&String> = open.keys().collect();
    assert_eq!(told.len(), stays.len(), "of those that heal nobody hears: {told:?}");
    // whatever was suspected of those that heal is over
    let healed = |status: &Value| {
        let states = states_of(status);
        states.iter().filter(|(name, _)| name.ends_with("_heals")).all(|(_, states)| !states.contains("suspect"))
    };
    agent.until("healed", healed).await;
    let twins = names.iter().filter(|name| name.ends_with("_heals")).count();
    let seen = suspected.iter().filter(|name| name.ends_with("_heals")).count();
    assert!(seen * 4 >= twins * 3, "the twins were seen to fail: {suspected:?}");
    let mut incidents: Vec<String> = open.values().map(|(id, _, _)| id.to_string()).collect();
    incidents.sort();
    incidents.dedup();
    let pages = until("told", async || hook.came(), |came: &Vec<Came>| came.len() >= incidents.len()).await;
    let opened = pages.iter().filter(|came| came.body()["status"] == "firing").count();
    assert_eq!(
        opened,
        incidents.len(),
        "each once: {:#?}",
        pages.iter().map(|came| came.body()["commonLabels"].clone()).collect::<Vec<_>>()
    );
    for (name, (_, opened, since)) in &open {
        let time = |time: &Value| chrono_of(time.as_str().unwrap());
        println!("{name}: told {:.1} s after it began (patience {PATIENCE})", time(opened) - time(since));
    }
}

/// A server that stays away is told, once, and that it is back; one that comes back in time is not (`a_database_that_is_killed_and_comes_back…`).
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_away_is_told_and_that_it_is_back() {
    let pair = Pair::start().await.unwrap();
    let mut primary = PgConnection::connect(&pair.primary()).await.unwrap();
    sqlx::raw_sql(ORDERS).execute(&mut primary).await.unwrap();
    let hook = Hook::start(&[]).await;
    let more = format!(
        "agent: {{ name: db-1, listen: '127.0.0.1:0', every: 1s, marks_every: 0s, catalogue_every: 1s, patience: 5s }}\n\
         serve: {{ listen: '127.0.0.1:0' }}\n\
         routes: [{{ name: pager, kind: webhook, url: '{}', secret_env: HOOK_SECRET }}]",
        hook.url
    );
    let agent = Agent::with(&pair.primary(), &more, |_| {}, &[("HOOK_SECRET", SECRET)]);
    agent.until("checked", |status| status["sources"][0]["checked"] == true).await;
    pair.stop("immediate").unwrap();
    let came = until("told", async || hook.came(), |came: &Vec<Came>| !came.is_empty()).await;
    let labels = came[0].body()["commonLabels"].clone();
    assert_eq!(labels["alertname"], "FieldmarkSourceCannotBeChecked", "{labels}");
    pair.begin().unwrap();
    let came = until("back", async || hook.came(), |came: &Vec<Came>| came.len() >= 2).await;
    assert_eq!((came[1].body()["status"].as_str(), came.len()), (Some("resolved"), 2));
}

/// Seconds since 1970 of a time in UTC.
fn chrono_of(text: &str) -> f64 {
    let time: chrono::DateTime<chrono::Utc> = text.parse().unwrap();
    time.timestamp_millis() as f64 / 1e3
}
