//! Lineage over the collector's API: what the daemon tells of it, with migrations, and what others say.

use super::agent::{Agent, Database, QUICK, is_settled};
use super::{Collector, until};
use crate::journeys::python;
use crate::server::hook::Hook;
use reqwest::StatusCode;
use serde_json::{Value, json};

const SHOP: &str = "create table orders (id bigint primary key, status text, total numeric(12,2));
    insert into orders select i, 'paid', i from generate_series(1, 2000) i; analyze orders;
    create view sums as select status, sum(total) as total from orders group by status";

fn reached(walked: &Value) -> Vec<String> {
    let all = walked["reached"].as_array().into_iter().flatten();
    all.map(|own| format!("{}.{}", own["table"].as_str().unwrap(), own["column"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_tells_the_lineage_and_what_a_migration_did_to_it() {
    let mut database = Database::new(SHOP).await;
    let agent = Agent::start(&database.url, QUICK);
    let viewer = agent.viewer();
    agent.until("settled", is_settled).await;
    let down = "/v1/lineage/down?source=shop&table=public.orders&column=total";
    let told = async || agent.told(&viewer, down).await;
    until("told", told, |walked| reached(walked).contains(&"public.sums.total".to_owned())).await;
    // rules are those who read as well
    let walked = agent.told(&viewer, down).await;
    assert!(reached(&walked).iter().any(|name| name.starts_with("rule ")), "{walked:#}");
    database
        .sql(
            "begin; alter table orders rename column total to amount; create or replace view sums as \
             select status, sum(amount * 2) as total from orders where id > 0 group by status; commit",
        )
        .await;
    let of_migration = async || {
        let migrations = agent.told(&viewer, "/v1/migrations?source=shop").await;
        let Some(id) = migrations[0]["body"]["migration"]["id"].as_str().map(str::to_owned) else { return Value::Null };
        agent.told(&viewer, &format!("/v1/lineage/difference?source=shop&migration={id}")).await
    };
    let is_told = |difference: &Value| difference["renamed"].as_array().is_some_and(|renamed| !renamed.is_empty());
    let difference = until("of the migration", of_migration, is_told).await;
    assert_eq!(
        (&difference["renamed"][0]["from"]["column"], &difference["renamed"][0]["to"]["column"]),
        (&json!("total"), &json!("amount"))
    );
    let added: Vec<&Value> = difference["added"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|edge| edge["target"]["table"] == "public.sums")
        .collect();
    assert!(added.iter().any(|edge| edge["source"]["column"] == "id" && edge["kind"] == "filter"), "{difference:#}");
    let impact = agent.told(&viewer, "/v1/lineage/impact?table=orders&column=amount&change=dropped&direct=true").await;
    assert_eq!((reached(&impact), &impact["effects"]), (vec!["public.sums.total".to_owned()], &json!(["breaks"])));
    let coverage = agent.told(&viewer, "/v1/lineage/coverage?source=shop").await;
    assert_eq!(coverage["unresolved"], 0, "{coverage:#}");
    // a view that is no more
    database.sql("drop view sums").await;
    let told = async || agent.told(&viewer, "/v1/lineage/down?source=shop&table=public.orders&column=amount").await;
    until("gone", told, |walked| !walked["reached"].to_string().contains("public.sums")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_tell_their_lineage_by_openlineage() {
    let collector = Collector::start();
    let (agent, viewer) = (collector.enrol("airflow", "agent"), collector.enrol("ann", "viewer"));
    let event = |job: &str, field: &str| {
        json!({
            "eventType": "COMPLETE", "eventTime": "2026-01-02T03:04:05.678Z", "run": { "runId": "0190c9b0-0000-7000-8000-000000000000" },
            "producer": "https://example.com", "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "job": { "namespace": "airflow", "name": job },
            "inputs": [{ "namespace": "postgres://db:5432", "name": "shop.public.orders" }],
            "outputs": [{ "namespace": "s3://lake", "name": "sums", "facets": { "columnLineage": {
                "_producer": "https://example.com", "_schemaURL": "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json",
                "fields": { "total": { "inputFields": [{ "namespace": "postgres://db:5432", "name": "shop.public.orders", "field": field,
                    "transformations": [{ "type": "DIRECT", "subtype": "AGGREGATION", "masking": false }] }] } } } } }],
        })
    };
    let send = async |path: &str, token: &str, body: String| collector.post(token, path, body).send().await.unwrap();
    let answer = send("/api/v1/lineage", &agent, event("daily", "total").to_string()).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let batch = json!([event("hourly", "amount"), { "eventTime": "2026-01-02T03:04:05Z", "job": { "namespace": "n", "name": "says nothing" } }]);
    assert_eq!(send("/api/v1/lineage/batch", &agent, batch.to_string()).await.status(), StatusCode::CREATED);
    let up = collector.told(&viewer, "/v1/lineage/up?table=sums&column=total").await;
    let mut columns: Vec<&str> =
        up["reached"].as_array().unwrap().iter().map(|own| own["column"].as_str().unwrap()).collect();
    columns.sort_unstable();
    assert_eq!(columns, ["amount", "total"]);
    assert_eq!(up["reached"][0]["origin"]["certainty"], "declared");
    // what is wrong is told with its place, and none of its batch is taken
    let mut wrong = event("wrong", "secret");
    wrong["outputs"][0]["facets"]["columnLineage"]["fields"]["total"]["inputFields"][0]["field"] = json!(7);
    let answer = send("/api/v1/lineage/batch", &agent, json!([event("right", "new"), wrong]).to_string()).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let path = "$[1].outputs[0].facets.columnLineage.fields[total].inputFields[0].field: a text is expected";
    assert_eq!(problem["detail"], path);
    assert!(!collector.told(&viewer, "/v1/lineage/edges").await.to_string().contains("\"new\""));
    assert_eq!(send("/api/v1/lineage", &viewer, event("mine", "x").to_string()).await.status(), StatusCode::FORBIDDEN);
    let huge = "x".repeat(64 << 20);
    // it may be cut off before the answer is read
    let answer = collector.post(&agent, "/api/v1/lineage", huge).send().await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status().is_client_error()));
}

/// Holds events against OpenLineage's own schemas, and each facet against the schema that it names: the envelope's alone takes broken facets.
const VALID: &str = r"
import json, sys, glob, jsonschema
store = {}
for name in glob.glob(sys.argv[2] + '/*.json') + glob.glob(sys.argv[3] + '/*.json'):
    schema = json.load(open(name)); store[schema['$id']] = schema
kinds = set()
def held(value, schema, where):
    resolver = jsonschema.RefResolver(base_uri='', referrer={}, store=store)
    for error in jsonschema.Draft202012Validator({'$ref': schema}, resolver=resolver).iter_errors(value):
        print(where, list(error.absolute_path), error.message)
def walk(value, where):
    if isinstance(value, dict):
        if '_schemaURL' in value:
            base = value['_schemaURL'].split('#')[0]
            if base not in store: print(where, 'no such schema', base)
            else: held(value, value['_schemaURL'], where); kinds.add(where.rsplit('.', 1)[-1])
        for key, own in value.items(): walk(own, where + '.' + key)
    elif isinstance(value, list):
        for number, own in enumerate(value): walk(own, where + '[%d]' % number)
for line in open(sys.argv[1]):
    event = json.loads(line)
    held(event, event['schemaURL'], event.get('eventType', 'dataset'))
    walk(event, event.get('eventType', 'dataset'))
print('kinds', ' '.join(sorted(kinds)))
";

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_in_the_form_of_openlineage() {
    let mut database = Database::new(SHOP).await;
    // once it is away, and what was not taken is sent again
    let hook = Hook::start(&[503]).await;
    let base = hook.url.trim_end_matches("/hook").to_owned();
    let more = format!("{QUICK}\nopenlineage: {{ url: '{base}' }}");
    let agent = Agent::start(&database.url, &more);
    agent.until("settled", is_settled).await;
    database
        .sql(
            "begin; alter table orders rename column total to amount; alter table orders add column note text; \
             create table extra (id int); update orders set status = null; commit",
        )
        .await;
    let came = async || hook.came().iter().map(|came| came.body()).collect::<Vec<Value>>();
    let of_job = |event: &Value, job: &str| event["job"]["name"] == job;
    let all = |came: &Vec<Value>| {
        let failed = came.iter().any(|event| of_job(event, "migration.shop") && event["eventType"] == "FAIL");
        let lineage = came.iter().any(|event| event.to_string().contains("\"columnLineage\""));
        failed && lineage && came.iter().any(|event| of_job(event, "check.shop") && event["eventType"] == "COMPLETE")
    };
    let came = until("told", came, all).await;
    assert!(hook.came().iter().all(|came| came.path == "/api/v1/lineage"), "{:?}", hook.came()[0].path);
    let migration: Vec<&Value> = came.iter().filter(|event| of_job(event, "migration.shop")).collect();
    let kinds: Vec<&str> = migration.iter().map(|event| event["eventType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["START", "RUNNING", "FAIL"]);
    assert!(migration.iter().all(|event| event["run"]["runId"] == migration[0]["run"]["runId"]));
    let outputs = migration[2]["outputs"].as_array().unwrap();
    let orders = outputs.iter().find(|output| output["name"].as_str().unwrap().ends_with("public.orders")).unwrap();
    assert_eq!(orders["facets"]["lifecycleStateChange"]["lifecycleStateChange"], "ALTER");
    let renamed = &orders["facets"]["fieldmark_renamedColumns"]["columns"];
    assert_eq!(*renamed, json!([{ "from": "total", "to": "amount" }]));
    let created =
        outputs.iter().any(|output| output["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "CREATE");
    assert!(created, "{outputs:#?}");
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = came.iter().map(Value::to_string).collect();
    let events = folder.path().join("events.jsonl");
    std::fs::write(&events, lines.join("\n")).unwrap();
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = python(VALID, &[&events, &here.join("openlineage"), &here.join("../docs/openlineage")]);
    assert_eq!((run.code, run.err.replace("DeprecationWarning", "").contains("Traceback")), (0, false), "{}", run.err);
    let facets = "columnLineage dataQualityAssertions dataQualityMetrics datasetType errorMessage fieldmark_renamedColumns jobType \
                  lifecycleStateChange lineage schema test version";
    assert_eq!(run.out.trim(), format!("kinds {facets}"));
}

/// What a migration changes is one table; what is made from that one by a trigger fails, and is of the migration.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_from_a_changed_table_is_of_the_migration() {
    let trigger = "create table copies (order_id bigint primary key, total numeric(12,2));
        create function copied() returns trigger language plpgsql as
            $$ begin insert into copies values (new.id, new.total); return new; end $$;
        create trigger copied after insert on orders for each row execute function copied();
        insert into copies select id, total from orders; analyze copies";
    let mut database = Database::new(&format!("{SHOP}; {trigger}")).await;
    let more = "agent: { name: db-1, listen: '127.0.0.1:0', every: 1s, catalogue_every: 1s, marks_every: 1h, patience: 10s }\n\
                serve: { listen: '127.0.0.1:0' }";
    let agent = Agent::start(&database.url, more);
    let viewer = agent.viewer();
    let rules = "version: 1\ntable: shop.copies\nrules:\n  - { not_null: total, id: copied, severity: page }\n";
    std::fs::write(agent.folder.path().join("rules/copies.yaml"), rules).unwrap();
    let seen = async || agent.told(&viewer, "/v1/rules?source=shop").await;
    until("the rule", seen, |rules| rules.to_string().contains("copied")).await;
    let down = async || agent.told(&viewer, "/v1/lineage/down?source=shop&table=public.orders&column=total").await;
    until("the lineage", down, |walked| reached(walked).contains(&"public.copies.total".to_owned())).await;
    agent.until("settled", is_settled).await;
    database.sql("begin; alter table orders add column note text; update copies set total = null; commit").await;
    let incidents = async || agent.told(&viewer, "/v1/incidents").await;
    let open = until("an incident", incidents, |all| all[0].is_object()).await;
    assert!(open[0]["cause"]["migration"]["id"].is_string(), "{open:#}");
    assert_eq!(
        (&open[0]["parts"][0]["table"], &open[0]["parts"][0]["rule"]),
        (&json!("public.copies"), &json!("copied"))
    );
}
