//! Servers that replicate one another: a migration that has still to arrive, and one that may be lost.

use super::served::Served;
use crate::server::postgres::until;
use crate::server::standby::Pair;
use crate::server::turnout::Turnout;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// 500 rows and a rule, by that address.
async fn shop(address: &str, pair: &Pair) -> Served {
    let served = Served::of(address).await;
    let rows = "create table t (id integer primary key, n integer not null);
        insert into t select i, i from generate_series(1, 500) i;";
    run(&pair.primary(), rows).await;
    run(&pair.standby(), &until("exists (select from pg_class where relname = 't')")).await;
    run(&pair.standby(), &until("(select count(*) from t) = 500")).await;
    served.rules("t", "rules:\n  - in_range: { column: n, min: 0 }\n");
    served
}

/// Says that `shop`, at that address, is a replica of `main` at the other one.
fn replicates(served: &Served, shop: &str, main: &str) {
    let sources = format!("  shop: {{ url: \"{shop}\", replica_of: main }}\n  main: {{ url: \"{main}\" }}\n");
    served.write(
        "fieldmark.yaml",
        &format!("version: 1\nstate_dir: state\nsources:\n{sources}rules: ['rules/*.yaml']\n"),
    );
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
}

/// What has not arrived yet is waited for; what does not arrive is told, and looks like no change at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_waited_for_on_a_replica() {
    let pair = Pair::start().await.unwrap();
    let served = shop(&pair.standby(), &pair).await;
    replicates(&served, &pair.standby(), &pair.primary());
    served.run(&["before", "--control", "1s"]).await.gives(0);
    run(&pair.standby(), "select pg_wal_replay_pause()").await;
    run(&pair.primary(), "update t set n = -n where id % 2 = 0").await;

    // also where the primary is left out of the run
    let stale = served.run(&["after", "--control", "1s", "--wait", "300ms", "--source", "shop"]).await.gives(2);
    assert!(stale.out.contains("the replica has not replayed what its primary had"), "{}", stale.out);
    let stale = served.run(&["after", "--control", "1s", "--wait", "300ms"]).await.gives(2);
    assert!(stale.out.contains("the replica has not replayed what its primary had"), "{}", stale.out);
    // of the primary's rows it is told what became of them, of the replica's it is not
    assert!(stale.out.contains("main public.t") && !stale.out.contains("shop public.t"), "{}", stale.out);

    let arriving = async {
        // somebody has asked the standby how far it is
        let asked = "exists (select from pg_stat_activity where application_name like 'fieldmark%' \
                     and query like '%statement=''standing''%')";
        run(&pair.standby(), &until(asked)).await;
        run(&pair.standby(), "select pg_wal_replay_resume()").await;
    };
    let (after, ()) = tokio::join!(served.run(&["after", "--control", "1s"]), arriving);
    let after = after.gives(1);
    assert!(
        after.out.contains("shop public.t") && after.out.matches("250 of 500 rows changed").count() >= 2,
        "{}",
        after.out
    );
}

/// Who is no standby of the primary that it names would be judged too early.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_replica_is_not_taken_for_one() {
    let (pair, other) = (Pair::start().await.unwrap(), Pair::start().await.unwrap());
    let served = shop(&pair.primary(), &pair).await;
    for (shop, main) in [(pair.primary(), pair.standby()), (pair.standby(), other.primary())] {
        replicates(&served, &shop, &main);
        served.run(&["before", "--control", "0s", "--source", "shop"]).await.gives(0);
        let after = served.run(&["after", "--control", "0s", "--source", "shop"]).await.gives(2);
        assert!(after.out.contains("the server is no standby of the one that `replica_of` names"), "{}", after.out);
    }
}

/// Who has failed over may lack what was written last: that is no migration's doing.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_failover_has_lost_is_not_blamed_on_a_migration() {
    let pair = Pair::start().await.unwrap();
    let (primary, standby) = pair.ports();
    let turnout = Turnout::to(primary).await.unwrap();
    let served = shop(&Pair::url(turnout.port()), &pair).await;
    // the standby does not get what the application writes last, and the mark has it
    pair.cut_off().await.unwrap();
    run(&pair.primary(), "update t set n = n + 1").await;
    served.run(&["before", "--control", "0s"]).await.gives(0);
    pair.fail_over().await.unwrap();
    turnout.turn(standby);
    let after = served.json(&["after", "--control", "0s"], 2).await;
    assert_eq!(after["verdict"], "inconclusive", "{after:#}");
    let told = after["tables"][0]["reasons"].to_string();
    assert!(told.contains("the server has failed over since (timeline 1, now 2)"), "{after:#}");
    // the mark of the new server is a good one
    served.run(&["before", "--control", "0s"]).await.gives(0);
    assert_eq!(served.json(&["after", "--control", "0s"], 0).await["verdict"], "clean");
}

/// A server made of another one's dump holds the same rows, and that is what a mark is about.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_cluster_are_compared_all_the_same() {
    let (old, new) = (Pair::start().await.unwrap(), Pair::start().await.unwrap());
    let turnout = Turnout::to(old.ports().0).await.unwrap();
    let served = shop(&Pair::url(turnout.port()), &old).await;
    served.run(&["before", "--control", "1s"]).await.gives(0);
    let rows = "create table t (id integer primary key, n integer not null); insert into t select i, i from generate_series(1, 500) i;";
    run(&new.primary(), rows).await;
    // it has counted other writes, and its numbers of tables and columns mean others
    run(
        &new.primary(),
        "alter table t rename to away; create table was (gone integer, id integer primary key, n integer not null)",
    )
    .await;
    run(
        &new.primary(),
        "insert into was select 0, id, n from away; alter table was drop gone; alter table was rename to t",
    )
    .await;
    for _ in 0..3 {
        run(&new.primary(), "update t set n = n").await;
    }
    turnout.turn(new.ports().0);
    let after = served.json(&["after", "--control", "0s"], 0).await;
    assert_eq!(after["verdict"], "clean", "{after:#}");
    assert!(after["notes"].to_string().contains("the mark was taken of another cluster"), "{after:#}");
    run(&new.primary(), "update t set n = n + 1").await;
    assert_eq!(served.json(&["after", "--control", "1s"], 0).await["verdict"], "surprising");
}
