//! How long it takes to tell what a change of one column does, in the lineage of a fleet with a million edges; against the hundred
//! milliseconds that whoever plans a migration may wait.
//!
//! `cargo bench -p fieldmark-collector --bench lineage`; in a folder of the system's, or of `TMPDIR`.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement")]

use fieldmark_classify::Patience;
use fieldmark_collector::lineage::impact::Change;
use fieldmark_collector::lineage::{Direction, Walk};
use fieldmark_collector::store::Store;
use fieldmark_collector::store::sqlite::SqliteStore;
use fieldmark_model::SourceName;
use fieldmark_model::lineage::{
    Certainty, ColumnName, Edge, Kind, LineageColumn, LineagePart, LineageSeen, LineageTable, Origin, OriginKind,
};
use std::time::{Duration, Instant};

const COLUMNS: usize = 100;
/// Tables of a layer, and layers of views over them: each view is made from two tables of the layer below it.
const WIDTH: usize = 250;
const LAYERS: usize = 20;
const LIMIT: Duration = Duration::from_millis(100);

fn seen(part: LineagePart) -> LineageSeen {
    LineageSeen { source: SourceName::new("shop"), migration: None, part }
}

fn table(layer: usize, number: usize) -> String {
    format!("public.layer{layer}_table{number}")
}

fn column(table: &str, number: usize) -> ColumnName {
    ColumnName::new(table, format!("column{number}"))
}

fn columns_of(layer: usize, number: usize) -> LineageTable {
    let columns = (0..COLUMNS)
        .map(|own| LineageColumn {
            name: format!("column{own}"),
            identity: Some(own as u64 + 1),
            declared: "bigint".into(),
        })
        .collect();
    LineageTable { name: table(layer, number), identity: Some((layer * WIDTH + number) as u64 + 1), columns }
}

/// A view: each column is made from that of one table, and rows are found by that of another.
fn view(layer: usize, number: usize) -> Origin {
    let own = table(layer, number);
    let below = [(Kind::Identity, number), (Kind::Join, (number * 7 + layer) % WIDTH)];
    let edges = below.iter().flat_map(|(kind, from)| {
        let from = table(layer - 1, *from);
        (0..COLUMNS).map(move |at| (*kind, column(&from, at))).collect::<Vec<_>>()
    });
    Origin {
        name: format!("view {own}"),
        kind: OriginKind::View,
        certainty: Certainty::Exact,
        edges: edges
            .map(|(kind, source)| Edge { target: column(&own, number_of(&source)), source, kind, masked: false })
            .collect(),
        unresolved: Vec::new(),
        owner: None,
        calls: None,
    }
}

fn number_of(column: &ColumnName) -> usize {
    column.column.trim_start_matches("column").parse().unwrap()
}

fn median_and_worst(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    (ms(times[times.len() / 2]), ms(times[times.len() * 99 / 100]))
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("fleet.db"), Patience::new(Duration::from_secs(900))).unwrap();
    let now = chrono::Utc::now();
    let (began, mut edges) = (Instant::now(), 0);
    for layer in 0..=LAYERS {
        let tables = (0..WIDTH).map(|number| columns_of(layer, number)).collect();
        let mut parts = vec![seen(LineagePart::Tables { tables, gone: Vec::new() })];
        if layer > 0 {
            parts.extend((0..WIDTH).map(|number| {
                let origin = view(layer, number);
                edges += origin.edges.len();
                seen(LineagePart::Origin(Box::new(origin)))
            }));
        }
        store.record_lineage(parts, now).await.unwrap();
    }
    let taken = began.elapsed().as_secs_f64();
    println!("{edges} edges between {} columns, recorded in {taken:.1} s\n", (LAYERS + 1) * WIDTH * COLUMNS);
    println!("| the impact of one column | columns reached | p50 ms | p99 ms | p99 to {} ms |", LIMIT.as_millis());
    println!("|---|---|---|---|---|");
    let asked = [
        ("in the middle of the layers, all of it", LAYERS - 6, false, 10_000, true),
        ("in the first layer, as the API tells it (1 000 at most)", 0, false, 1_000, true),
        ("the same, by the table's bare name", 0, false, 1_000, false),
        ("in the first layer, of values alone", 0, true, 10_000, true),
        ("in the first layer, 10 000 at most", 0, false, 10_000, true),
    ];
    for (what, layer, direct, limit, whole) in asked {
        let (mut times, mut reached) = (Vec::new(), Vec::new());
        for time in 0..100 {
            let (name, column) = (table(layer, (time * 37) % WIDTH), (time * 13) % COLUMNS);
            let walk = Walk {
                source: None,
                table: if whole { name } else { name.trim_start_matches("public.").to_owned() },
                column: Some(format!("column{column}")),
                direction: Direction::Down,
                depth: 64,
                direct,
                as_of: None,
                limit,
            };
            let began = Instant::now();
            let walked = store.walk(walk).await.unwrap();
            let effects = Change::Dropped.effects(&walked.reached);
            let told = serde_json::to_vec(&(walked, &effects)).unwrap();
            times.push(began.elapsed());
            assert!(!told.is_empty());
            reached.push(effects.len());
        }
        let (p50, p99) = median_and_worst(times);
        reached.sort_unstable();
        let median = reached[reached.len() / 2];
        println!("| {what} | {median} | {p50:.1} | {p99:.1} | {:.2} |", p99 / (LIMIT.as_secs_f64() * 1_000.0));
    }
}
