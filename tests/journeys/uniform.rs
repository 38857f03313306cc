//! Samples prefer no part of a table, whatever its keys are like: each tenth of the rows, in the order of their keys, is met as often as the
//! others. Held by a chi-square over many draws, with the variance between draws, since rows of one segment or block come together.

use super::mariadb::Market;
use super::served::Served;
use super::shop::Shop;
use serde_json::Value;
use std::collections::BTreeMap;

const ROWS: u32 = 40_000;
const SAMPLE: &str = "500";
const DRAWS: u32 = 20;
const TENTHS: usize = 10;
/// What a chi-square of 9 degrees of freedom passes once in ten thousand times is 33.7; with a variance that is an estimate from 20 draws
/// it is that often over half as much again.
const LIMIT: f64 = 33.7 * 1.5;

/// Shapes of keys: name, the key's columns, what they hold of the n-th row.
struct Shape {
    name: &'static str,
    columns: &'static str,
    key: &'static str,
    values: &'static str,
}

const fn shape(name: &'static str, columns: &'static str, key: &'static str, values: &'static str) -> Shape {
    Shape { name, columns, key, values }
}

/// The statements that make a table of each shape from `n` of 1 to [`ROWS`].
fn tables(shapes: &[Shape], numbers: &str, ending: &str) -> String {
    let mut sql = String::new();
    for Shape { name, columns, key, values } in shapes {
        let names: Vec<&str> = key.split(", ").collect();
        let aliased: Vec<String> =
            values.split("; ").zip(&names).map(|(value, name)| format!("{value} as {name}")).collect();
        sql.push_str(&format!(
            "create table {name} ({columns}, tenth int not null, filler varchar(250) not null, primary key ({key})){ending};
             insert into {name} select {key}, ntile({TENTHS}) over (order by {key}) - 1, '{filler}' \
             from (select {aliased} from {numbers}) as made order by {key};\n",
            filler = "x".repeat(200),
            aliased = aliased.join(", "),
        ));
    }
    sql
}

/// A rule for each tenth: those who fail it are the rows of the tenth.
fn rules(name: &str) -> String {
    (0..TENTHS).fold("rules:\n".to_owned(), |rules, tenth| {
        rules + &format!("  - {{ id: {name}_{tenth}, expect: tenth <> {tenth}, tolerance: 50%, severity: info }}\n")
    })
}

/// The share that each tenth has in each draw, by table.
#[derive(Default)]
struct Shares(BTreeMap<String, Vec<Vec<f64>>>);

impl Shares {
    fn add(&mut self, report: &Value) {
        for outcome in report["outcomes"].as_array().unwrap() {
            assert_eq!(outcome["sampled"], true, "{outcome:#}");
            let (table, tenth) = outcome["rule"].as_str().unwrap().rsplit_once('_').unwrap();
            let tenths = self.0.entry(table.to_owned()).or_insert_with(|| vec![Vec::new(); TENTHS]);
            tenths[tenth.parse::<usize>().unwrap()].push(outcome["fraction"].as_f64().unwrap());
        }
    }

    /// The chi-square of a table.
    fn statistic(tenths: &[Vec<f64>]) -> f64 {
        let expected = 1.0 / TENTHS as f64;
        let of = |draws: &Vec<f64>| {
            let n = draws.len() as f64;
            let mean = draws.iter().sum::<f64>() / n;
            let variance = draws.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / (n - 1.0);
            (mean - expected).powi(2) / (variance / n)
        };
        // the shares of a draw add up to one, which leaves nine free ones of ten
        tenths.iter().map(of).sum::<f64>() * (TENTHS - 1) as f64 / TENTHS as f64
    }

    fn are_even(&self, shapes: &[Shape]) {
        assert_eq!(self.0.len(), shapes.len());
        for (table, tenths) in &self.0 {
            assert!(tenths.iter().all(|draws| draws.len() == DRAWS as usize), "{table}");
            let statistic = Self::statistic(tenths);
            println!("{table}: chi-square {statistic:.1}");
            assert!(statistic < LIMIT, "{table}: {statistic:.1}, {tenths:?}");
        }
    }
}

/// The statistic is far over its limit where one tenth has a fifth too much, and under it where the draws differ by chance alone.
#[test]
fn an_uneven_draw_is_noticed() {
    let noise = |tenth: usize, draw: usize| ((tenth * 7 + draw * 13) % 11) as f64 / 11.0 * 0.03 - 0.0136;
    let draws = |lift: f64| -> Vec<Vec<f64>> {
        let share = |tenth, draw| 0.1 + noise(tenth, draw) + if tenth == 3 { lift } else { 0.0 };
        (0..TENTHS).map(|tenth| (0..DRAWS as usize).map(|draw| share(tenth, draw)).collect()).collect()
    };
    assert!(Shares::statistic(&draws(0.0)) < LIMIT / 2.0, "{}", Shares::statistic(&draws(0.0)));
    assert!(Shares::statistic(&draws(0.02)) > LIMIT, "{}", Shares::statistic(&draws(0.02)));
}

fn arguments(seed: &str) -> [&str; 8] {
    ["check", "--sample", SAMPLE, "--seed", seed, "--no-enlarge", "--duty", "100%"]
}

/// Most of the range of a `gappy` key is empty; a `snowflake` has its time above bits that are hardly used.
const POSTGRES: [Shape; 6] = [
    shape("dense", "id int", "id", "n"),
    shape("gappy", "id bigint", "id", "n::bigint * n * 3"),
    shape("snowflakes", "id bigint", "id", "(1700000000000 + n / 4)::bigint * 4194304 + n % 4"),
    shape("texts", "id text collate \"C\"", "id", "lpad(n::text, 12, 'k')"),
    shape("uuids", "id uuid", "id", "md5(n::text)::uuid"),
    shape("pairs", "id int, m int", "id, m", "n / 7; n % 7"),
];

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    let made = tables(&POSTGRES, &format!("generate_series(1, {ROWS}) as n"), "");
    let served = Served::new(&format!("{made} analyze;")).await;
    POSTGRES.iter().for_each(|shape| served.rules(shape.name, &rules(shape.name)));
    let mut shares = Shares::default();
    for seed in 1..=DRAWS {
        shares.add(&served.json(&arguments(&seed.to_string()), 0).await);
    }
    shares.are_even(&POSTGRES);
}

const MARIADB: [Shape; 6] = [
    shape("dense", "id int", "id", "n"),
    shape("gappy", "id bigint", "id", "n * n * 3"),
    shape("snowflakes", "id bigint", "id", "(1700000000000 + n div 4) * 4194304 + n % 4"),
    shape("texts", "id varchar(20) collate utf8mb4_bin", "id", "lpad(n, 12, 'k')"),
    shape("uuids", "id char(32) collate ascii_bin", "id", "md5(n)"),
    shape("pairs", "id int, m int", "id, m", "n div 7; n % 7"),
];

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb() {
    let made = tables(&MARIADB, &format!("(select seq as n from seq_1_to_{ROWS}) as numbers"), "");
    let names: Vec<&str> = MARIADB.iter().map(|shape| shape.name).collect();
    let market = Market::new(&format!("{made} analyze table {}", names.join(", "))).await;
    MARIADB.iter().for_each(|shape| market.rules(shape.name, &rules(shape.name)));
    let mut shares = Shares::default();
    for seed in 1..=DRAWS {
        shares.add(&market.json(&arguments(&seed.to_string()), 0));
    }
    shares.are_even(&MARIADB);
    market.close().await;
}

/// Without a rowid, so that the keys themselves are drawn by.
const SQLITE: [Shape; 6] = [
    shape("dense", "id integer", "id", "n"),
    shape("gappy", "id integer", "id", "n * n * 3"),
    shape("snowflakes", "id integer", "id", "(1700000000000 + n / 4) * 4194304 + n % 4"),
    shape("texts", "id text", "id", "printf('%012d', n)"),
    shape("uuids", "id text", "id", "printf('%08x%08x', n * 2654435761 % 4294967296, n)"),
    shape("pairs", "id int, m int", "id, m", "n / 7; n % 7"),
];

#[test]
fn on_sqlite() {
    let numbers =
        format!("(with recursive s(n) as (select 1 union all select n + 1 from s where n < {ROWS}) select n from s)");
    let (rowids, keys) = SQLITE.split_at(3);
    let made = tables(rowids, &numbers, "") + &tables(keys, &numbers, " without rowid");
    let shop = Shop::new(&format!("{made} analyze;"));
    SQLITE.iter().for_each(|shape| shop.rules(shape.name, &rules(shape.name)));
    let mut shares = Shares::default();
    for seed in 1..=DRAWS {
        shares.add(&shop.json(&arguments(&seed.to_string()), 0));
    }
    shares.are_even(&SQLITE);
}
