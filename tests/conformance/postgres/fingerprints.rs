//! What is noticed of a schema, and what is not.

use super::{Fixture, Postgres};
use fieldmark_source::Source as _;

/// Each statement, and whether something of the schemas is another one after it.
const CHANGES: [(&str, bool); 30] = [
    ("insert into t select i, 'x' from generate_series(1, 100) i", false),
    ("update t set v = 'y'", false),
    ("analyze t", false),
    ("vacuum t", false),
    ("vacuum full t", false),
    ("truncate t", false),
    ("create temp table elsewhere (id integer)", false),
    ("create schema other", false),
    ("create table other.t (id integer)", false),
    ("alter table t add w integer", true),
    ("alter table t alter w type bigint", true),
    ("alter table t alter w set default 7", true),
    ("alter table t alter w set default 8", true),
    ("alter table t alter w set not null", true),
    ("alter table t rename w to x", true),
    ("alter table t drop x", true),
    ("alter table t add check (id > 0) not valid", true),
    ("alter table t validate constraint t_id_check", true),
    ("create index i on t (v)", true),
    ("create view v as select id from t", true),
    ("create or replace view v as select id + 0 as id from t", true),
    ("grant select on t to public", true),
    ("create function f() returns integer language sql as 'select 1'", true),
    ("create or replace function f() returns integer language sql as 'select 2'", true),
    ("create type kind as enum ('a')", true),
    ("alter type kind add value 'b'", true),
    ("create table u (id integer primary key)", true),
    ("alter table u enable row level security", true),
    ("create trigger g before update on t for each row execute function suppress_redundant_updates_trigger()", true),
    ("drop table u", true),
];

#[tokio::test]
async fn what_changes_a_schema_is_noticed_and_nothing_else() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer primary key, v text)").await?;
    let mut source = fixture.source().await?;
    let mut known = source.fingerprint(None).await?;
    for (change, is_one) in CHANGES {
        fixture.execute(change).await?;
        // sessions tell what they wrote when they end, or a second later
        fixture.tell_statistics().await?;
        let now = source.fingerprint(Some(&known)).await?;
        assert_eq!(now.schema != known.schema, is_one, "{change}");
        assert_eq!(source.fingerprint(None).await?.schema, now.schema, "the pulse hides nothing: {change}");
        // a write of rows alone does not even move the pulse
        if change.starts_with("update") {
            assert_eq!(now.pulse, known.pulse);
        }
        known = now;
    }
    Ok(())
}
