//! Faults of real servers, each with its twin that heals: that the one is told, once, and that it is over, and that of the other nobody hears.

use super::agent::{Agent, ORDERS, is_settled};
use super::until;
use crate::server::hook::{Came, Hook};
use crate::server::standby::Pair;
use crate::server::turnout::Turnout;
use crate::server::{mariadb, postgres};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::path::Path;

const SECRET: &str = "a-secret-that-signs-what-is-told";

/// An agent that looks at a source all the time, and whoever it wakes.
struct Watch {
    agent: Agent,
    hook: Hook,
    viewer: String,
}

impl Watch {
    /// Of this database, which gives things so long to heal, by these rules of a table.
    async fn of(url: &str, patience: &str, rules: &str) -> Self {
        let hook = Hook::start(&[]).await;
        let more = format!(
            "agent: {{ name: db-1, listen: '127.0.0.1:0', every: 1s, marks_every: 1h, catalogue_every: 1s, patience: {patience} }}\n\
             serve: {{ listen: '127.0.0.1:0' }}\n\
             routes: [{{ name: pager, kind: webhook, url: '{}', secret_env: HOOK_SECRET, match: {{ severity: page }} }}]",
            hook.url
        );
        let write = |folder: &Path| std::fs::write(folder.join("rules/orders.yaml"), rules).unwrap();
        let agent = Agent::with(url, &more, write, &[("HOOK_SECRET", SECRET)]);
        let viewer = agent.viewer();
        agent.until("settled", is_settled).await;
        Self { agent, hook, viewer }
    }

    /// Waits until it holds this to be in that state.
    async fn until(&self, what: &str, state: &str) {
        let is_it = |own: &Value| own["what"] == what && own["state"] == state;
        let holds = |status: &Value| status["sources"][0]["states"].as_array().unwrap().iter().any(is_it);
        self.agent.until(&format!("{what} {state}"), holds).await;
    }

    /// Waits until somebody is told, for the time of that number.
    async fn told(&self, number: usize) -> Value {
        let came = async || self.hook.came();
        let came = until("told", came, |came: &Vec<Came>| came.len() >= number).await;
        came[number - 1].body()
    }

    /// How often somebody was told.
    fn often(&self) -> usize {
        self.hook.came().len()
    }

    /// Nobody was told, and nothing is open or was, though it is checked on.
    async fn is_quiet(&self) {
        self.agent.goes_on("fieldmark_rule_evaluations_total", 4.0).await;
        assert_eq!(self.agent.told(&self.viewer, "/v1/incidents").await, json!([]));
        assert_eq!(self.often(), 0);
    }

    /// What was told in that time is over: told once more, and no more than that.
    async fn is_over(&self) {
        let over = self.told(2).await;
        assert_eq!((&over["status"], self.often()), (&json!("resolved"), 2), "{over:#}");
    }
}

/// Rules of the orders; one of them wakes somebody.
const RULES: &str =
    "version: 1\ntable: shop.orders\nrules:\n  - { id: has_status, not_null: [status], severity: page }\n";

/// Two servers of which one replicates the other one, with orders.
async fn pair() -> Pair {
    let pair = Pair::start().await.unwrap();
    let mut primary = PgConnection::connect(&pair.primary()).await.unwrap();
    sqlx::raw_sql(ORDERS).execute(&mut primary).await.unwrap();
    pair.shows("exists (select from pg_class where relname = 'orders')").await.unwrap();
    pair.shows("(select count(*) from orders) = 2000").await.unwrap();
    pair
}

async fn on_primary(pair: &Pair, sql: &str) {
    let mut primary = PgConnection::connect(&pair.primary()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut primary).await.unwrap();
}

/// A standby takes the place of its primary behind the same address, in time: no page, and nothing is taken for a migration.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_goes_through_is_told_to_nobody() {
    let pair = pair().await;
    let (primary, standby) = pair.ports();
    let turnout = Turnout::to(primary).await.unwrap();
    let watch = Watch::of(&Pair::url(turnout.port()), "30s", RULES).await;
    pair.stop("immediate").unwrap();
    watch.until("the source", "suspect").await;
    pair.promote().await.unwrap();
    turnout.turn(standby);
    watch.until("the source", "transient").await;
    watch.is_quiet().await;
    assert_eq!(watch.agent.told(&watch.viewer, "/v1/migrations").await, json!([]));
}

/// Nobody takes the place in time: told once, and that it is over when somebody does after all.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_does_not_go_through_is_told_once() {
    let pair = pair().await;
    let (primary, standby) = pair.ports();
    let turnout = Turnout::to(primary).await.unwrap();
    let watch = Watch::of(&Pair::url(turnout.port()), "6s", RULES).await;
    pair.stop("immediate").unwrap();
    let told = watch.told(1).await;
    assert_eq!(told["commonLabels"]["alertname"], "FieldmarkSourceCannotBeChecked", "{told:#}");
    pair.promote().await.unwrap();
    turnout.turn(standby);
    watch.is_over().await;
}

/// It goes through in time, and the new primary lacks what its standby never got: that is told, once, and nothing of the moment without a server.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_failover_has_lost_for_good_is_told_once() {
    let pair = pair().await;
    let (primary, standby) = pair.ports();
    pair.cut_off().await.unwrap();
    on_primary(&pair, "alter table orders add column paid_at timestamptz not null default now()").await;
    let turnout = Turnout::to(primary).await.unwrap();
    let rules = format!("{RULES}  - {{ id: was_paid, not_null: [paid_at], severity: page }}\n");
    let watch = Watch::of(&Pair::url(turnout.port()), "20s", &rules).await;
    pair.stop("immediate").unwrap();
    watch.until("the source", "suspect").await;
    pair.promote().await.unwrap();
    turnout.turn(standby);
    let told = watch.told(1).await;
    let reason = told["commonAnnotations"]["description"].as_str().unwrap();
    assert!(reason.starts_with("1 of 2 rules cannot be checked, such as was_paid: "), "{told:#}");
    watch.until("the source", "transient").await;
    let migrations = watch.agent.told(&watch.viewer, "/v1/migrations").await.to_string();
    assert!(migrations.contains("the server has failed over (timeline 1, now 2)"), "{migrations}");
    pair.on_standby("alter table orders add column paid_at timestamptz not null default now()").await.unwrap();
    watch.is_over().await;
}

/// A replica that stands still while its primary goes on: a moment of that is told to nobody; for good it is told, once, and that it is over.
/// That rows are not as fresh as they have to be is no failure of theirs meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stays_behind_is_told_once_and_one_that_catches_up_to_nobody() {
    let pair = pair().await;
    on_primary(&pair, "alter table orders add column made timestamptz not null default now()").await;
    pair.shows("(select count(*) from pg_attribute where attname = 'made') > 0").await.unwrap();
    let rules = format!("{RULES}  - {{ id: recent, fresh: {{ column: made, within: 3s }}, severity: page }}\n");
    // the application goes on all the time
    let mut application = PgConnection::connect(&pair.primary()).await.unwrap();
    let writes = tokio::spawn(async move {
        for id in 10_000_i64.. {
            let sql = "insert into orders (id, status, total) values ($1, 'new', 1)";
            sqlx::query(sql).bind(id).execute(&mut application).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    let watch = Watch::of(&pair.standby(), "15s", &rules).await;
    pair.on_standby("select pg_wal_replay_pause()").await.unwrap();
    watch.until("the source", "suspect").await;
    pair.on_standby("select pg_wal_replay_resume()").await.unwrap();
    watch.until("the source", "transient").await;
    watch.is_quiet().await;
    pair.on_standby("select pg_wal_replay_pause()").await.unwrap();
    let told = watch.told(1).await;
    assert_eq!(told["commonLabels"]["alertname"], "FieldmarkSourceCannotBeChecked", "{told:#}");
    let reason = told["commonAnnotations"]["description"].as_str().unwrap();
    assert!(reason.contains(" behind its primary: what is checked is as it was then"), "{reason}");
    let outcomes = watch.agent.told(&watch.viewer, "/v1/rules").await;
    let recent = outcomes.as_array().unwrap().iter().find(|own| own["outcome"]["rule"] == "recent").unwrap();
    assert_eq!(recent["outcome"]["not_evaluated"], "stale_replica", "{recent:#}");
    pair.on_standby("select pg_wal_replay_resume()").await.unwrap();
    watch.is_over().await;
    let states = watch.agent.told(&watch.viewer, "/v1/states?limit=1000").await;
    let of_rules = states.as_array().unwrap().iter().filter(|seen| !seen["body"]["state"]["rule"].is_null());
    assert_eq!(of_rules.count(), 0, "of no rule's rows anything was said: {states:#}");
    writes.abort();
}

/// Rules of a view of the orders that takes two locks before it shows them.
const SEEN: &str = "version: 1\ntable: shop.orders_seen\nkey: [id]\nrules:\n  - { id: has_status, not_null: [status], severity: page }\n";

/// Whoever takes the two locks the other way round, again and again, so that one of the two has to be ended; it is not this one.
struct Opponent {
    number: String,
    going_on: tokio::task::JoinHandle<()>,
}

/// A view whose reads are ended by the server now and then, since somebody else takes the same locks the other way round: told to nobody; one that is ended at
/// every check is told, once, and that it is over.
async fn deadlocks(
    (url, schema): (&str, &str),
    begins: impl AsyncFn() -> Opponent,
    ends: impl AsyncFn(Opponent),
    code: &str,
) {
    let watch = Watch::of(url, "12s", SEEN).await;
    let table = format!("rules on {schema}.orders_seen");
    let opponent = begins().await;
    watch.until(&table, "suspect").await;
    ends(opponent).await;
    watch.until(&table, "transient").await;
    watch.is_quiet().await;
    let opponent = begins().await;
    let told = watch.told(1).await;
    assert_eq!(told["commonLabels"]["alertname"], "FieldmarkTableCannotBeChecked", "{told:#}");
    let reason = told["commonAnnotations"]["description"].as_str().unwrap();
    let words = format!("the database ended the statement to resolve a deadlock ({code})");
    assert!(
        reason.starts_with("1 of 1 rules cannot be checked, such as has_status: ") && reason.contains(&words),
        "{reason}"
    );
    ends(opponent).await;
    watch.is_over().await;
}

/// PostgreSQL looks for a deadlock when somebody has waited for a while: here the reader of the view has the shorter patience.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_now_and_then_is_told_to_nobody_and_one_at_every_check_once() {
    let server = postgres::Server::get().await.unwrap();
    let database = server.database("").await.unwrap();
    let keeper = server.url(postgres::USER, &database);
    let mut connection = PgConnection::connect(&keeper).await.unwrap();
    let held = |lock: u32, granted: &str| {
        format!(
            "exists (select from pg_locks where locktype = 'advisory' and objid = {lock} and {granted} and pid <> pg_backend_pid()
                and database = (select oid from pg_database where datname = current_database()))"
        )
    };
    let made = format!(
        "create table orders (id bigint primary key, status text); insert into orders select i, 'paid' from generate_series(1, 50) i;
         create function takes_both() returns boolean language plpgsql as $$ begin
             perform pg_advisory_xact_lock(1);
             if {} then
                 -- whoever has the second one is about to wait for the first
                 for look in 1..300 loop exit when {}; perform pg_sleep(0.001); end loop;
             end if;
             perform pg_advisory_xact_lock(2);
             return true;
         end $$;
         create view orders_seen as select o.id, o.status from orders o, takes_both();
         create role deadlocked login password '{}'; grant select on orders_seen to deadlocked;
         alter role deadlocked set deadlock_timeout = '1ms'",
        held(2, "granted"),
        held(1, "not granted"),
        postgres::PASSWORD
    );
    sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut connection).await.unwrap();
    let begins = async || {
        let mut other = PgConnection::connect(&keeper).await.unwrap();
        let number: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut other).await.unwrap();
        sqlx::raw_sql("set deadlock_timeout = '1min'").execute(&mut other).await.unwrap();
        let round = format!(
            "begin; select pg_advisory_xact_lock(2); {}; select pg_advisory_xact_lock(1); commit",
            postgres::until(&held(1, "granted"))
        );
        let going_on = tokio::spawn(async move {
            // until it is ended
            while sqlx::raw_sql(AssertSqlSafe(round.clone())).execute(&mut other).await.is_ok() {}
        });
        Opponent { number: number.to_string(), going_on }
    };
    let ends = async |Opponent { number, going_on }: Opponent| {
        let mut beside = PgConnection::connect(&keeper).await.unwrap();
        let sql = format!("select pg_terminate_backend({number})");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut beside).await.unwrap();
        going_on.await.unwrap();
    };
    deadlocks((&server.url("deadlocked", &database), "public"), begins, ends, "40P01").await;
    let counted = "select deadlocks from pg_stat_database where datname = current_database()";
    let counted: i64 = sqlx::query_scalar(counted).fetch_one(&mut connection).await.unwrap();
    assert!(counted >= 6, "the server has met {counted}");
}

/// MariaDB looks for a deadlock at once, and ends whoever closes the circle. Reads take no locks of rows there: these are of names (`GET_LOCK`).
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_of_mariadb_now_and_then_is_told_to_nobody_and_one_at_every_check_once() {
    let server = mariadb::Server::get().await.unwrap();
    let database = server.database("").await.unwrap();
    let made = format!(
        "create table orders (id bigint primary key, status varchar(20)); insert into orders select seq, 'paid' from seq_1_to_50;
         create function takes_both() returns int not deterministic reads sql data begin
             declare looks, got int default 0;
             declare exit handler for 1213 begin do release_lock('{database}.one'); resignal; end;
             do get_lock('{database}.one', 1);
             if is_used_lock('{database}.two') is not null then
                 while looks < 300 and not exists (
                     select 1 from information_schema.processlist where state = 'User lock' and info like '%{database}.one%' and id <> connection_id()
                 ) do
                     set looks = looks + 1;
                     do sleep(0.001);
                 end while;
             end if;
             -- `do` takes no note of errors
             set got = get_lock('{database}.two', 1);
             do release_lock('{database}.two'), release_lock('{database}.one');
             return 1;
         end;
         create view orders_seen as select o.id, o.status from orders o join (select takes_both() as taken) both_taken;
         create user deadlocked identified by '{}'; grant select on orders_seen to deadlocked;
         grant execute on function takes_both to deadlocked",
        mariadb::PASSWORD
    );
    server.run(&database, &made).await.unwrap();
    let begins = async || {
        let mut other = server.keeper(&database).await.unwrap();
        let number: i64 =
            sqlx::query_scalar("select cast(connection_id() as signed)").fetch_one(&mut other).await.unwrap();
        let round = format!(
            "begin not atomic
                 do get_lock('{database}.two', 60);
                 while is_used_lock('{database}.one') is null do do sleep(0.001); end while;
                 do get_lock('{database}.one', 60), release_lock('{database}.one'), release_lock('{database}.two');
             end"
        );
        let going_on = tokio::spawn(async move {
            // until it is ended
            while sqlx::raw_sql(AssertSqlSafe(round.clone())).execute(&mut other).await.is_ok() {}
        });
        Opponent { number: number.to_string(), going_on }
    };
    let ends = async |Opponent { number, going_on }: Opponent| {
        server.run(&database, &format!("kill {number}")).await.unwrap();
        going_on.await.unwrap();
    };
    deadlocks((&server.url("deadlocked", &database), &database), begins, ends, "1213").await;
}

/// MariaDB restarts, and is there again in time: told to nobody. Then it stays away: told once, and that it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_that_restarts_is_told_to_nobody_and_one_that_stays_away_once() {
    let server = mariadb::Server::start("").await.unwrap();
    let database = server.database("").await.unwrap();
    let rows = "create table orders (id bigint primary key, status varchar(20)); insert into orders select seq, 'paid' from seq_1_to_2000";
    server.run(&database, rows).await.unwrap();
    let watch = Watch::of(&server.url(mariadb::USER, &database), "20s", RULES).await;
    server.stop().unwrap();
    watch.until("the source", "suspect").await;
    server.begin().unwrap();
    watch.until("the source", "transient").await;
    watch.is_quiet().await;
    server.crash().unwrap();
    let told = watch.told(1).await;
    assert_eq!(told["commonLabels"]["alertname"], "FieldmarkSourceCannotBeChecked", "{told:#}");
    server.begin().unwrap();
    watch.is_over().await;
}
