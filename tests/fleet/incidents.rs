//! The card's sentence: what is wrong for good is told once, and what heals by itself to nobody.

use super::agent::{Agent, Database, ORDERS, is_settled};
use super::{Collector, command, until};
use crate::server::hook::{Came, Hook};
use crate::server::standby::Pair;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use std::path::Path;

const SECRET: &str = "a-secret-that-signs-what-is-told";

/// An agent with the collector inside, quick, that gives things so long to heal, and tells this hook.
fn quick(patience: &str, hook: &Hook) -> String {
    format!(
        "agent: {{ name: db-1, listen: '127.0.0.1:0', every: 1s, catalogue_every: 1s, patience: {patience} }}\n\
         serve: {{ listen: '127.0.0.1:0' }}\n\
         routes: [{{ name: pager, kind: webhook, url: '{}', secret_env: HOOK_SECRET, match: {{ severity: page }} }}]",
        hook.url
    )
}

fn rules(folder: &Path) {
    let rules = "version: 1\ntable: shop.orders\nowner: team-payments\nrules:\n  \
                 - { id: has_status, not_null: [status], severity: page }\n  \
                 - { id: positive, in_range: { column: total, min: 0 }, severity: page }\n  \
                 - { id: low, not_null: [total], severity: ticket }\n";
    std::fs::write(folder.join("rules/orders.yaml"), rules).unwrap();
}

/// The states that were told, oldest first: of what, to what.
async fn states(agent: &Agent, viewer: &str) -> Vec<(Value, Value)> {
    let told = agent.told(viewer, "/v1/states?limit=1000").await;
    let states = told.as_array().unwrap().iter().rev().map(|seen| &seen["body"]["state"]);
    states.map(|state| (state["rule"].clone(), state["to"].clone())).collect()
}

/// A migration that breaks two rules, with nobody touching anything: a verdict, systemic states, one signed webhook; and one more when it
/// is repaired.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_migration_is_told_once_and_that_it_is_repaired() {
    let mut database = Database::new(ORDERS).await;
    // at first it is too busy
    let hook = Hook::start(&[503, 429]).await;
    let agent = Agent::with(&database.url, &quick("20s", &hook), rules, &[("HOOK_SECRET", SECRET)]);
    let viewer = agent.viewer();
    agent.until("settled", is_settled).await;
    database
        .sql(
            "begin; alter table orders add column note text;
             update orders set status = null where id % 10 = 0; update orders set total = -1 where id % 7 = 0; commit",
        )
        .await;
    let taken = async || hook.came();
    let came = until("told, and taken at the third try", taken, |came: &Vec<Came>| came.len() >= 3).await;
    let migrations = agent.told(&viewer, "/v1/migrations").await;
    assert_eq!(migrations[0]["body"]["migration"]["phase"]["judged"]["report"]["verdict"], "broken");
    let migration = migrations[0]["body"]["migration"]["id"].clone();

    assert!(came.iter().all(|came| came.is_signed_by(SECRET) && !came.is_signed_by("another")), "{came:#?}");
    assert!(came.iter().all(|one| one.header("webhook-id") == came[0].header("webhook-id")), "the same, tried again");
    let payload = came[2].body();
    assert_eq!(
        (&payload["version"], &payload["status"], &payload["receiver"]),
        (&json!("4"), &json!("firing"), &json!("pager"))
    );
    assert_eq!(payload["commonLabels"]["alertname"], "FieldmarkMigrationBrokeRules");
    let alert = &payload["alerts"][0];
    assert_eq!((&alert["labels"]["class"], &alert["labels"]["owner"]), (&json!("systemic"), &json!("team-payments")));
    assert_eq!(alert["annotations"]["migration"], migration);
    let reason = alert["annotations"]["description"].as_str().unwrap();
    assert!(reason.contains("nothing was repaired") && reason.contains("after the migration"), "{reason}");

    // both rules are one incident, though they are seen one after the other
    let both = |incidents: &Value| incidents[0]["parts"].as_array().is_some_and(|parts| parts.len() == 2);
    let incidents = until("both", async || agent.told(&viewer, "/v1/incidents?open=true").await, both).await;
    assert_eq!(incidents.as_array().unwrap().len(), 1, "{incidents:#}");
    assert_eq!(incidents[0]["cause"], json!({ "migration": { "id": migration, "name": null } }));
    let seen = states(&agent, &viewer).await;
    let systemic = seen.iter().filter(|(_, to)| to == "systemic").count();
    assert_eq!(systemic, 2, "{seen:?}");
    let metrics = agent.metrics().await;
    let labels = "{owner=\"team-payments\",rule=\"has_status\",schema=\"public\",severity=\"page\",source=\"shop\",state=\"systemic\",table=\"orders\"}";
    assert!(metrics.contains(&format!("fieldmark_rule_state{labels} 1\n")), "{metrics}");

    database.sql("update orders set status = 'paid', total = 1").await;
    let came = until("told that it is over", taken, |came: &Vec<Came>| came.len() >= 4).await;
    let payload = came[3].body();
    assert_eq!((&payload["status"], came.len()), (&json!("resolved"), 4), "once");
    assert_eq!(agent.told(&viewer, "/v1/incidents?open=true").await, json!([]));
    let deliveries = agent.told(&viewer, "/v1/deliveries").await;
    let told: Vec<(&Value, &Value, &Value)> = (deliveries.as_array().unwrap().iter())
        .map(|delivery| (&delivery["notice"], &delivery["tries"], &delivery["result"]))
        .collect();
    assert_eq!(
        told,
        [(&json!("resolved"), &json!(1), &json!("taken")), (&json!("opened"), &json!(3), &json!("taken"))]
    );
    // what may help is SQL that the database takes, and has nothing of the rule's literals
    let over = agent.told(&viewer, "/v1/incidents").await;
    let parts = over[0]["parts"].as_array().unwrap();
    let of = |rule: &str| parts.iter().find(|part| part["rule"] == rule).unwrap()["fixes"].as_array().unwrap();
    let fixes: Vec<&str> = of("has_status").iter().map(|fix| fix["text"].as_str().unwrap()).collect();
    assert_eq!(fixes.len(), 5, "{fixes:?}");
    assert!(fixes[1].starts_with("UPDATE ") && fixes[1].contains("…"), "to be looked at: {fixes:?}");
    for fix in [fixes[0], fixes[2]] {
        database.sql(fix).await;
    }
    assert_eq!(fixes[3], "fieldmark check --source shop --table public.orders --rule has_status");
    assert_eq!(of("positive").len(), 2, "its literals are the author's");
    let metrics = agent.text(&viewer, "/metrics").await;
    for line in [
        "fieldmark_incident_time_to_restore_seconds_count{severity=\"page\",source=\"shop\"} 1",
        "fieldmark_deliveries_total{result=\"later\",route=\"pager\"} 2",
        "fieldmark_deliveries_total{result=\"taken\",route=\"pager\"} 2",
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line}: {metrics}");
    }
    // the rules that are proposed are ones
    let guards = [fixes[4], of("positive")[1]["text"].as_str().unwrap()];
    assert!(guards[0].contains("same: [status]") && guards[1].contains("same: [total]"), "{guards:?}");
    std::fs::write(agent.folder.path().join("rules/guards.yaml"), guards[0]).unwrap();
    let judged = command(&agent.folder).args(["before", "--control", "1s"]).output().unwrap();
    assert_eq!(judged.status.code(), Some(0), "{}", String::from_utf8_lossy(&judged.stderr));
    // no rule is against that
    database.sql("update orders set status = 'sold' where id % 10 = 0").await;
    let judged = command(&agent.folder).args(["after", "--control", "1s"]).output().unwrap();
    let told = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.code() == Some(1) && told.contains("shop.orders.same.status"), "{told}");
}

/// A migration takes a column away of which a rule speaks: that the rule is blind is told, after the minutes that somebody has to deploy the
/// rule that belongs to it, with what may help, and that it is over when that is done. The same of a table.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_a_migration_has_blinded_is_told() {
    let mut database = Database::new(ORDERS).await;
    let hook = Hook::start(&[]).await;
    let agent = Agent::with(&database.url, &quick("20s", &hook), rules, &[("HOOK_SECRET", SECRET)]);
    let viewer = agent.viewer();
    agent.until("settled", is_settled).await;
    database.sql("alter table orders rename column status to state").await;
    let came = until("told", async || hook.came(), |came: &Vec<Came>| !came.is_empty()).await;
    let alert = came[0].body()["alerts"][0].clone();
    assert_eq!((&alert["labels"]["table"], &alert["labels"]["rule"]), (&json!("orders"), &Value::Null));
    let reason = alert["annotations"]["description"].as_str().unwrap();
    assert!(reason.contains("1 of 3 rules cannot be checked, such as has_status"), "{reason}");
    let fixes = async || {
        let open = agent.told(&viewer, "/v1/incidents?open=true").await;
        let fixes = open[0]["parts"][0]["fixes"].as_array().unwrap().clone();
        fixes.iter().map(|fix| fix["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = [
        "ALTER TABLE \"public\".\"orders\" RENAME COLUMN \"state\" TO \"status\"",
        "sed -i '5s/\\bstatus\\b/state/g' rules/orders.yaml",
    ];
    assert_eq!(fixes().await, expected);
    let mut corrects = std::process::Command::new("sh");
    corrects.args(["-c", expected[1]]).current_dir(agent.folder.path());
    assert!(corrects.status().unwrap().success());
    let came = until("told that it is over", async || hook.came(), |came: &Vec<Came>| came.len() >= 2).await;
    assert_eq!((&came[1].body()["status"], came.len()), (&json!("resolved"), 2));
    database.sql("alter table orders rename to sales").await;
    let came = until("told", async || hook.came(), |came: &Vec<Came>| came.len() >= 3).await;
    let reason = came[2].body()["alerts"][0]["annotations"]["description"].as_str().unwrap().to_owned();
    assert!(reason.contains("3 of 3 rules cannot be checked"), "{reason}");
    let expected =
        ["ALTER TABLE \"public\".\"sales\" RENAME TO \"orders\"", "sed -i '2s/\\borders\\b/sales/g' rules/orders.yaml"];
    assert_eq!(fixes().await, expected);
    database.sql(expected[0]).await;
    let came = until("told that it is over", async || hook.came(), |came: &Vec<Came>| came.len() >= 4).await;
    assert_eq!((&came[3].body()["status"], came.len()), (&json!("resolved"), 4));
    let seen = states(&agent, &viewer).await;
    assert!(seen.iter().all(|(rule, _)| rule.is_null()), "of no rule's rows anything was said: {seen:?}");
}

/// What a migration broke has beside it how the migration's own scripts are taken back; and that this was done is known.
#[tokio::test(flavor = "multi_thread")]
async fn how_a_migration_is_taken_back_is_told_and_that_it_was() {
    let history =
        "create table schema_migrations (version text primary key); insert into schema_migrations values ('1')";
    let mut database = Database::new(&format!("{ORDERS}; {history}")).await;
    let hook = Hook::start(&[]).await;
    let ready = |folder: &Path| {
        rules(folder);
        std::fs::create_dir(folder.join("migrations")).unwrap();
        for script in ["0001_orders.up.sql", "0001_orders.down.sql", "0002_note.up.sql", "0002_note.down.sql"] {
            std::fs::write(folder.join("migrations").join(script), "select 1").unwrap();
        }
    };
    let agent = Agent::with(&database.url, &quick("20s", &hook), ready, &[("HOOK_SECRET", SECRET)]);
    let viewer = agent.viewer();
    agent.until("settled", is_settled).await;
    let forward = "begin; alter table orders add column note text; insert into schema_migrations values ('2');
        update orders set status = null where id % 10 = 0; commit";
    database.sql(forward).await;
    until("told", async || hook.came(), |came: &Vec<Came>| !came.is_empty()).await;
    let open = agent.told(&viewer, "/v1/incidents?open=true").await;
    let fix = &open[0]["parts"][0]["fixes"][0];
    assert_eq!(fix["text"], "migrations/0002_note.down.sql", "{open:#}");
    assert_eq!(fix["what"], "take the migration's 0002_note.up.sql back, by its own way");
    let back = "begin; alter table orders drop column note; delete from schema_migrations where version = '2';
        update orders set status = 'paid' where status is null; commit";
    database.sql(back).await;
    let told = async || agent.told(&viewer, "/v1/migrations?source=shop").await;
    let migrations = until("judged", told, |told| told.to_string().matches("\"judged\"").count() == 2).await;
    let over = migrations.as_array().unwrap().iter().map(|seen| &seen["body"]["migration"]);
    let over: Vec<&Value> = over.filter(|seen| seen["phase"]["judged"].is_object()).collect();
    assert_eq!((&over[0]["takes_back"], &over[1]["takes_back"]), (&over[1]["id"], &Value::Null));
    let came = until("told that it is over", async || hook.came(), |came: &Vec<Came>| came.len() >= 2).await;
    assert_eq!(came[1].body()["status"], "resolved");
    let measures = agent.told(&viewer, "/v1/measures").await;
    let shop = &measures["sources"][0];
    let of = |own: &Value| ["over", "failed", "taken_back"].map(|key| own[key].as_u64().unwrap());
    assert_eq!((of(&shop["migrations"]), &shop["incidents"]["opened"]), ([2, 1, 1], &json!(1)), "{measures:#}");
    assert!(shop["migrations"]["detect_seconds"]["median"].as_f64().unwrap() >= 5.0, "{measures:#}");
    assert!(shop["incidents"]["restore_seconds"]["count"] == 1 && shop["quality"]["score"] == 1.0, "{measures:#}");
}

/// A database that is killed and comes back: a transient state, and nobody is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_and_comes_back_is_transient_and_told_to_nobody() {
    let pair = Pair::start().await.unwrap();
    let mut primary = PgConnection::connect(&pair.primary()).await.unwrap();
    sqlx::raw_sql(ORDERS).execute(&mut primary).await.unwrap();
    let hook = Hook::start(&[]).await;
    let agent = Agent::with(&pair.primary(), &quick("2m", &hook), rules, &[("HOOK_SECRET", SECRET)]);
    let viewer = agent.viewer();
    agent.until("settled", is_settled).await;
    pair.stop("immediate").unwrap();
    let seen = async || states(&agent, &viewer).await;
    let is_whole =
        |states: &Vec<(Value, Value)>, to: &str| states.iter().any(|(rule, own)| rule.is_null() && own == to);
    until("suspected", seen, |states| is_whole(states, "suspect")).await;
    pair.begin().unwrap();
    let states = until("transient", seen, |states| is_whole(states, "transient")).await;
    assert_eq!(states, [(Value::Null, json!("suspect")), (Value::Null, json!("transient"))], "and no rule is moved");
    // it is checked on
    let checks = async || {
        let metrics = agent.metrics().await;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("fieldmark_source_up{source=\"shop\"} ").map(str::to_owned));
        line.unwrap_or_default()
    };
    until("up", checks, |up| up == "1").await;
    assert_eq!(agent.told(&viewer, "/v1/incidents").await, json!([]));
    assert!(hook.came().is_empty());
}

/// Collector and agent killed between a change and its telling: it is told, once.
#[tokio::test(flavor = "multi_thread")]
async fn k2_what_is_to_be_told_is_told_once_whatever_is_killed() {
    let mut database = Database::new(ORDERS).await;
    let hook = Hook::start(&[]).await;
    let routes = format!("[{{ name: everyone, kind: webhook, url: '{}', secret_file: secret }}]", hook.url);
    let ready = |folder: &tempfile::TempDir| std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    let mut collector = Collector::telling("{ listen: '127.0.0.1:0' }", &routes, ready);
    let token = collector.enrol("db-1", "agent");
    let more = format!(
        "agent: {{ name: db-1, listen: '127.0.0.1:0', every: 1s, catalogue_every: 1s, marks_every: 0s, patience: 20s }}\n\
         collector: {{ url: '{}', token_file: token }}",
        collector.address
    );
    let ready = |folder: &Path| {
        rules(folder);
        std::fs::write(folder.join("token"), &token).unwrap();
    };
    let mut agent = Agent::with(&database.url, &more, ready, &[]);
    agent.until("checked", |status| status["sources"][0]["checked"] == true).await;
    // gone while it becomes systemic: what is told then is in the spool
    collector.process.kill().unwrap();
    collector.process.wait().unwrap();
    database.sql("update orders set status = null where id % 10 = 0").await;
    let is_systemic = |status: &Value| status["sources"][0]["states"].to_string().contains("systemic");
    agent.until("systemic", is_systemic).await;
    let folder = agent.kill();
    let (process, address) = Collector::process(&collector.folder);
    (collector.process, collector.address) = (process, address);
    let configuration = std::fs::read_to_string(folder.path().join("fieldmark.yaml")).unwrap();
    let old = configuration.split("url: '").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    std::fs::write(folder.path().join("fieldmark.yaml"), configuration.replace(&old, &collector.address)).unwrap();
    agent = Agent::resume(folder);
    agent.until("systemic still, and known", is_systemic).await;
    until("told", async || hook.came().len(), |came| *came >= 1).await;
    for _ in 0..2 {
        collector.kill_and_restart();
    }
    // whatever comes of the next checks, it is not told again
    agent.goes_on("fieldmark_rule_evaluations_total{rule=\"has_status\"", 5.0).await;
    assert_eq!(hook.came().len(), 1);
}
