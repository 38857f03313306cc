//! References between columns of different types: what loses digits on the way equals nothing.

use crate::journeys::served::Served;
use crate::journeys::shop::outcome;

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_the_parent_cannot_hold_has_no_parent() {
    let mut served = Served::new(
        "create table calendar (day date primary key, twin date);
         insert into calendar select d, d from generate_series('2024-01-01'::date, '2024-12-31', '1 day') d;
         create table numbers (n bigint primary key, twin bigint);
         insert into numbers select i, i from generate_series(1, 100) i;
         create table events (id integer primary key, at timestamp, amount numeric(10,2));
         insert into events select i, '2024-01-01'::timestamp + i % 300 * interval '1 day' + i % 4 * interval '6 h',
             i % 100 + 1 + case when i % 5 = 0 then 0.5 else 0 end from generate_series(1, 2000) i;
         analyze",
    )
    .await;
    served.rules(
        "events",
        "rules:
  - { references: { column: at, to: calendar.day }, id: day }
  - { references: { column: at, to: calendar.twin }, id: day_unindexed }
  - { references: { column: amount, to: numbers.n }, id: number }
  - { references: { column: amount, to: numbers.twin }, id: number_unindexed }\n",
    );
    let report = served.json(&["check", "--full"], 1).await;
    let days = served
        .number("select count(*) from events e where not exists (select from calendar c where c.day = e.at)")
        .await;
    let numbers = served
        .number("select count(*) from events e where not exists (select from numbers n where n.n = e.amount)")
        .await;
    assert_eq!((days, numbers), (1500, 400));
    for (rule, failed) in [("day", days), ("day_unindexed", days), ("number", numbers), ("number_unindexed", numbers)] {
        assert_eq!(outcome(&report, rule)["failed"], failed, "{:#}", outcome(&report, rule));
    }
}
