//! A standby takes the place of its primary while somebody reads.

use crate::server::postgres::until;
use crate::server::standby::Pair;
use crate::server::turnout::Turnout;
use fieldmark_model::TableName;
use fieldmark_source::postgres::{self, ConnectOptions};
use fieldmark_source::{Cursor, Error, Read, Source as _};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// What was read before and what comes after are not one table's rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_does_not_go_on_after_a_failover() -> anyhow::Result<()> {
    let pair = Pair::start().await?;
    let (primary, standby) = pair.ports();
    let mut application = PgConnection::connect(&pair.primary()).await?;
    sqlx::raw_sql("create table t (id integer primary key); insert into t select generate_series(1, 5000)")
        .execute(&mut application)
        .await?;
    let turnout = Turnout::to(primary).await?;
    let mut source = postgres::connect(&ConnectOptions::new(Pair::url(turnout.port()))).await?;
    let before = source.standing().await?;
    let server = before.server.clone().unwrap();
    assert!(!before.replica && before.arrived.is_none() && before.position.is_some(), "{before:?}");
    assert_eq!(server.timeline, 1);
    let mut beside = PgConnection::connect(&pair.standby()).await?;
    for there in ["exists (select from pg_class where relname = 't')", "(select count(*) from t) = 5000"] {
        sqlx::raw_sql(AssertSqlSafe(until(there))).execute(&mut beside).await?;
    }
    let mut replica = postgres::connect(&ConnectOptions::new(pair.standby())).await?;
    let there = replica.standing().await?;
    assert!(
        there.replica
            && there
                .arrived
                .as_ref()
                .zip(there.position.as_ref())
                .is_some_and(|(arrived, shown)| arrived.has_reached(shown))
            && there.server == before.server,
        "{there:?}"
    );

    let t = source.catalogue().await?.table(&TableName::new("public", "t")).unwrap().clone();
    let columns = vec!["id".to_owned()];
    let read = Read::new(&t, &columns);
    let first = source.scan(&read, &Cursor::start(), 1000).await?;
    let next = first.next.unwrap();
    pair.fail_over().await?;
    turnout.turn(standby);
    let lost = source.scan(&read, &next, 1000).await;
    assert!(matches!(lost, Err(Error::ConnectionLost { .. })), "{:?}", lost.map(|read| read.chunk.rows()));
    let other = source.scan(&read, &next, 1000).await;
    assert!(matches!(other, Err(Error::FailedOver)), "{:?}", other.map(|read| read.chunk.rows()));
    // whoever begins anew reads the new server
    let after = source.standing().await?;
    let now = after.server.unwrap();
    assert!(now.failed_over(&server) && now.timeline == 2 && !after.replica, "{now:?}");
    assert!(source.scan(&read, &Cursor::start(), 1000).await?.chunk.rows() > 0);
    Ok(())
}
