//! A replica: a migration that has still to arrive.

use crate::journeys::shop::{Run, Shop};
use crate::server::mariadb::{Pair, USER};
use sqlx::Connection as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What has not arrived yet is waited for; what does not arrive is told, and looks like no change at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_waited_for_on_a_replica_of_mariadb() {
    let pair = Arc::new(Pair::start().await.unwrap());
    pair.primary.run("", "create database shop").await.unwrap();
    let rows = "create table t (id int primary key, n int not null); insert into t select seq, seq from seq_1_to_500";
    pair.primary.run("shop", rows).await.unwrap();
    let begun = Instant::now();
    loop {
        if let Ok(mut replica) = pair.replica.keeper("shop").await {
            let count = sqlx::query_scalar::<_, i64>("select count(*) from t").fetch_one(&mut replica).await;
            replica.close().await.unwrap();
            if matches!(count, Ok(500)) {
                break;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is replicated");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (replica, primary) = (pair.replica.url(USER, "shop"), pair.primary.url(USER, "shop"));
    let shop = Shop::of(&replica);
    let run = |arguments: &[&str]| -> Run { tokio::task::block_in_place(|| shop.run(arguments)) };
    shop.write(
        "fieldmark.yaml",
        &format!(
            "version: 1\nstate_dir: state\nsources:\n  shop: {{ url: \"{replica}\", replica_of: main }}\n  main: {{ url: \"{primary}\" }}\n\
             rules: ['rules/*.yaml']\n"
        ),
    );
    shop.rules("t", "rules:\n  - in_range: { column: n, min: 0 }\n");
    run(&["before", "--control", "1s"]).gives(0);
    pair.replica.run("", "stop slave sql_thread").await.unwrap();
    pair.primary.run("shop", "update t set n = -n where id % 2 = 0").await.unwrap();
    let stale = run(&["after", "--control", "1s", "--wait", "300ms", "--source", "shop"]).gives(2);
    assert!(stale.out.contains("the replica has not replayed what its primary had"), "{}", stale.out);
    let arriving = tokio::spawn({
        let pair = Arc::clone(&pair);
        async move {
            // long after the first question
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            pair.replica.run("", "start slave sql_thread").await.unwrap();
        }
    });
    let after = run(&["after", "--control", "1s", "--source", "shop"]);
    arriving.await.unwrap();
    let after = after.gives(1);
    assert!(after.out.contains("250 of 500 rows changed"), "{}", after.out);
    // a server that is no replica is not waited for, nor taken for one
    shop.write(
        "fieldmark.yaml",
        &format!(
            "version: 1\nstate_dir: state\nsources:\n  shop: {{ url: \"{primary}\", replica_of: main }}\n  main: {{ url: \"{replica}\" }}\n\
             rules: ['rules/*.yaml']\n"
        ),
    );
    run(&["before", "--control", "0s", "--source", "shop"]).gives(0);
    let after = run(&["after", "--control", "0s", "--source", "shop"]).gives(2);
    assert!(after.out.contains("the server is no standby of the one that `replica_of` names"), "{}", after.out);
}
