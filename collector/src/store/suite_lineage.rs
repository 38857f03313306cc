//! What every store has to do about lineage.

use super::WantedIncidents;
use super::suite::{Any, at, batch, changed};
use crate::lineage::downstream::downstream;
use crate::lineage::{Direction, Reached, Walk, Walked};
use crate::openlineage;
use fieldmark_classify::incident::Cause;
use fieldmark_model::lineage::{
    Certainty, ColumnName, Edge, Kind, LineageColumn, LineagePart, LineageSeen, LineageTable, Origin, OriginKind,
};
use fieldmark_model::observation::{Body, State, StateChange};
use fieldmark_model::{RuleId, SourceName, TableName};

fn shop() -> SourceName {
    SourceName::new("shop")
}

fn seen(part: LineagePart) -> LineageSeen {
    LineageSeen { source: shop(), migration: None, part }
}

/// A table whose columns have the numbers of their places.
fn table(name: &str, identity: Option<u64>, columns: &[&str]) -> LineageTable {
    let column = |(number, name): (u64, &&str)| LineageColumn {
        name: (*name).to_owned(),
        identity: identity.map(|_| number),
        declared: "int".to_owned(),
    };
    LineageTable { name: name.to_owned(), identity, columns: (1..).zip(columns).map(column).collect() }
}

fn tables(tables: Vec<LineageTable>) -> LineageSeen {
    seen(LineagePart::Tables { tables, gone: Vec::new() })
}

fn name(text: &str) -> ColumnName {
    let (table, column) = text.rsplit_once('.').unwrap();
    ColumnName::new(table, column)
}

/// A view with edges `target <- source kind`.
fn view(of: &str, edges: &[(&str, &str, Kind)]) -> LineageSeen {
    let edge = |(target, source, kind): &(&str, &str, Kind)| Edge {
        source: name(source),
        target: name(target),
        kind: *kind,
        masked: false,
    };
    seen(LineagePart::Origin(Box::new(Origin {
        name: format!("view {of}"),
        kind: OriginKind::View,
        certainty: Certainty::Exact,
        edges: edges.iter().map(edge).collect(),
        unresolved: Vec::new(),
        owner: None,
        calls: None,
    })))
}

fn from(column: &str, direction: Direction) -> Walk {
    let ColumnName { table, column } = name(column);
    Walk { source: None, table, column: Some(column), direction, depth: 64, direct: false, as_of: None, limit: 1_000 }
}

fn told(walked: &Walked) -> Vec<String> {
    let one = |reached: &Reached| {
        let way = if reached.direct { "values" } else { "rows" };
        format!("{} {}.{} {way}", reached.depth, reached.column.table, reached.column.column)
    };
    walked.reached.iter().map(one).collect()
}

async fn three_views(store: &Any) {
    let pieces = vec![
        tables(vec![
            table("public.t", Some(1), &["id", "total", "paid"]),
            table("public.v", Some(2), &["id", "total"]),
            table("public.w", Some(3), &["total"]),
        ]),
        view(
            "public.v",
            &[
                ("public.v.id", "public.t.id", Kind::Identity),
                ("public.v.total", "public.t.total", Kind::Identity),
                ("public.v.id", "public.t.paid", Kind::Filter),
                ("public.v.total", "public.t.paid", Kind::Filter),
            ],
        ),
        view("public.w", &[("public.w.total", "public.v.total", Kind::Aggregation)]),
    ];
    store.record_lineage(pieces, at(10)).await.unwrap();
}

pub(crate) async fn lineage_is_walked_by_values_and_by_rows(store: Any) {
    three_views(&store).await;
    let down = store.walk(from("public.t.total", Direction::Down)).await.unwrap();
    assert_eq!(told(&down), ["1 public.v.total values", "2 public.w.total values"]);
    assert_eq!((down.reached[1].via, down.reached[1].kind), (Some(0), Kind::Aggregation));
    assert_eq!(down.reached[0].origin.name, "view public.v");
    let rows = store.walk(from("public.t.paid", Direction::Down)).await.unwrap();
    assert_eq!(told(&rows), ["1 public.v.id rows", "1 public.v.total rows", "2 public.w.total rows"]);
    let values = store.walk(Walk { direct: true, ..from("public.t.paid", Direction::Down) }).await.unwrap();
    assert!(values.reached.is_empty());
    let up = store.walk(from("w.total", Direction::Up)).await.unwrap();
    assert_eq!(told(&up), ["1 public.v.total values", "2 public.t.total values", "2 public.t.paid rows"]);
    let near = store.walk(Walk { depth: 1, ..from("w.total", Direction::Up) }).await.unwrap();
    assert_eq!(told(&near), ["1 public.v.total values"]);
    let whole = store.walk(Walk { column: None, ..from("public.t.id", Direction::Down) }).await.unwrap();
    assert_eq!((whole.from.len(), whole.reached.len()), (3, 3));
    let few = store.walk(Walk { limit: 1, ..from("public.t.paid", Direction::Down) }).await.unwrap();
    assert_eq!((few.reached.len(), few.cut_off), (1, true));
    assert!(store.walk(from("public.t.none", Direction::Down)).await.unwrap().from.is_empty());
}

pub(crate) async fn a_rename_ends_no_edge_and_a_time_before_it_is_as_it_was(store: Any) {
    three_views(&store).await;
    // the table and a column have other names, and the view is what it was
    let renamed = tables(vec![table("public.orders", Some(1), &["id", "amount", "paid"])]);
    store.record_lineage(vec![renamed], at(20)).await.unwrap();
    let down = store.walk(from("public.orders.amount", Direction::Down)).await.unwrap();
    assert_eq!(told(&down), ["1 public.v.total values", "2 public.w.total values"]);
    let before = store.walk(Walk { as_of: Some(at(15)), ..from("public.t.total", Direction::Down) }).await.unwrap();
    assert_eq!(told(&before), ["1 public.v.total values", "2 public.w.total values"]);
    assert!(store.walk(from("public.t.total", Direction::Down)).await.unwrap().from.is_empty());
    let difference = store.lineage_difference(shop(), at(15), at(25)).await.unwrap();
    assert!(difference.added.is_empty() && difference.removed.is_empty(), "{difference:?}");
    let names: Vec<_> =
        difference.renamed.iter().map(|own| (own.from.column.as_str(), own.to.table.as_str())).collect();
    assert_eq!(names, [("id", "public.orders"), ("paid", "public.orders"), ("total", "public.orders")]);
    // what comes late changes nothing
    store
        .record_lineage(vec![tables(vec![table("public.t", Some(1), &["id", "total", "paid"])])], at(18))
        .await
        .unwrap();
    assert!(!store.walk(from("public.orders.amount", Direction::Down)).await.unwrap().from.is_empty());
}

pub(crate) async fn what_an_origin_says_no_more_has_ended(store: Any) {
    three_views(&store).await;
    let other = view("public.v", &[("public.v.id", "public.t.id", Kind::Identity)]);
    let gone = seen(LineagePart::Gone { origins: vec!["view public.w".to_owned()] });
    store.record_lineage(vec![other, gone], at(20)).await.unwrap();
    let down = store.walk(from("public.t.total", Direction::Down)).await.unwrap();
    assert!(down.reached.is_empty(), "{down:?}");
    let difference = store.lineage_difference(shop(), at(15), at(25)).await.unwrap();
    assert_eq!((difference.added.len(), difference.removed.len()), (0, 4));
    assert_eq!(store.edges(Some(shop()), None).await.unwrap().len(), 1);
    assert_eq!(store.edges(Some(shop()), Some(at(15))).await.unwrap().len(), 5);
    let origins = store.origins(None).await.unwrap();
    assert_eq!(
        origins.iter().map(|row| (row.origin.name.as_str(), row.edges)).collect::<Vec<_>>(),
        [("view public.v", 1)]
    );
    // a view that is made anew under its old name is no difference
    let anew = vec![
        tables(vec![table("public.v", Some(9), &["id", "total"])]),
        view("public.v", &[("public.v.id", "public.t.id", Kind::Identity)]),
    ];
    store.record_lineage(anew, at(30)).await.unwrap();
    assert!(store.lineage_difference(shop(), at(25), at(35)).await.unwrap().is_empty());
}

pub(crate) async fn what_nothing_reads_is_unused(store: Any) {
    three_views(&store).await;
    let unused = store.unused(Some(shop())).await.unwrap();
    let names: Vec<_> = unused.iter().map(|own| format!("{}.{}", own.column.table, own.column.column)).collect();
    assert_eq!(names, ["public.v.id", "public.w.total"]);
    // a column that is no more is none that is unused
    store.record_lineage(vec![tables(vec![table("public.w", Some(3), &[])])], at(20)).await.unwrap();
    assert_eq!(store.unused(Some(shop())).await.unwrap().len(), 1);
    assert_eq!(store.columns(shop(), "public.t".to_owned(), None).await.unwrap().len(), 3);
}

pub(crate) async fn what_others_say_of_our_tables_is_of_ours(store: Any) {
    three_views(&store).await;
    let place = LineagePart::Place { namespace: "postgres://DB.example:5432".to_owned(), prefix: "shop".to_owned() };
    store.record_lineage(vec![seen(place)], at(11)).await.unwrap();
    let event = r#"{"eventType": "COMPLETE", "eventTime": "2023-11-14T22:13:40+00:00", "run": {"runId": "1"},
        "job": {"namespace": "airflow", "name": "daily", "facets": {"ownership": {"owners": [{"name": "team-data"}]}}},
        "inputs": [{"namespace": "postgresql://db.example", "name": "shop.public.t"}],
        "outputs": [{"namespace": "bigquery", "name": "p.d.sums", "facets": {
            "schema": {"fields": [{"name": "sum", "type": "INT64"}]},
            "columnLineage": {"fields": {"sum": {"inputFields": [
                {"namespace": "postgresql://db.example", "name": "shop.public.t", "field": "total",
                 "transformations": [{"type": "DIRECT", "subtype": "AGGREGATION", "masking": true}]}]}},
              "dataset": [{"namespace": "postgresql://db.example", "name": "shop.public.t", "field": "paid",
                 "transformations": [{"type": "INDIRECT", "subtype": "FILTER"}]}]}}}]}"#;
    let places = store.places().await.unwrap();
    let job = openlineage::read(event.as_bytes(), &places).unwrap().unwrap();
    store.record_job(job, at(100)).await.unwrap();
    let down = store.walk(from("public.t.total", Direction::Down)).await.unwrap();
    let sum = down.reached.iter().find(|reached| reached.column.source.as_str() == "bigquery").unwrap();
    assert_eq!((sum.column.table.as_str(), sum.column.column.as_str(), sum.masked), ("p.d.sums", "sum", true));
    assert_eq!((sum.origin.certainty, sum.origin.owner.as_deref()), (Certainty::Declared, Some("team-data")));
    let rows = store.walk(from("public.t.paid", Direction::Down)).await.unwrap();
    assert!(rows.reached.iter().any(|reached| reached.column.column == "sum" && !reached.direct));
}

pub(crate) async fn what_is_made_of_what_fails_is_of_its_incident_and_told_with_it(store: Any) {
    three_views(&store).await;
    let read = |column: &str| ("rule a on public.t.*", column.to_owned());
    let (target, source) = read("public.t.total");
    store.record_lineage(vec![view("rule", &[(target, &source, Kind::Filter)])], at(10)).await.unwrap();
    let fails = |table: &str, minutes: i64| {
        let Body::State(change) = changed("a", State::Systemic) else { panic!("{table}") };
        let (table, since) = (Some(TableName::new("public", table)), at(60 * minutes));
        Body::State(StateChange { table, since, ..change })
    };
    // what is down is seen first, and a table of which nothing is known does not belong to it
    let apart = 10;
    let bodies = vec![
        (1, 60 * apart, fails("w", apart)),
        (2, 60 * 2 * apart, fails("t", 2 * apart)),
        (3, 60 * 2 * apart, fails("other", 0)),
    ];
    store.ingest(batch("db-1", 5, at(60 * 2 * apart), bodies)).await.unwrap();
    let wanted = WantedIncidents { open: true, source: None, limit: 10 };
    let mut open = store.incidents(wanted).await.unwrap();
    open.sort_by_key(|incident| incident.parts.len());
    let causes: Vec<_> = open.iter().map(|incident| (&incident.cause, incident.parts.len())).collect();
    let cause = |table: &str| Cause::Rule(TableName::new("public", table), RuleId::new("a"));
    assert_eq!(causes, [(&cause("other"), 1), (&cause("t"), 2)]);
    let below = downstream(store.as_ref(), &open[1]).await.unwrap();
    let of_t = below.iter().find(|part| part.table.name == "t").unwrap();
    assert_eq!((of_t.columns.as_slice(), of_t.cut_off), (["total".to_owned()].as_slice(), false));
    let hit: Vec<_> = of_t.hit.iter().map(|hit| (hit.table.as_str(), hit.depth, hit.direct)).collect();
    assert_eq!(hit, [("public.v", 1, true), ("public.w", 2, true)]);
    assert_eq!(downstream(store.as_ref(), &open[0]).await.unwrap(), [], "nothing is known of it");
}
