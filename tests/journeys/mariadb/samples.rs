//! Samples of MariaDB: drawn by keys of each shape they say what is true of the table.

use super::Market;

/// Rows of each table, and of a sample.
const ROWS: u32 = 40_000;
const SAMPLE: &str = "1000";
/// Draws of each table.
const DRAWS: u32 = 12;

/// Tables whose rows fail in the lowest and the highest of their keys, one in ten: a draw that prefers an end is seen.
const TABLES: [(&str, &str, &str); 5] = [
    ("dense", "id int primary key", "seq"),
    // most of the range of its keys is empty
    ("gappy", "id bigint primary key", "seq * seq * 3 + if(seq > 20000, 4000000000000, 0)"),
    ("texts", "id varchar(20) collate utf8mb4_bin primary key", "lpad(seq, 12, 'k')"),
    (
        "uuids",
        "id uuid primary key",
        "lower(concat(lpad(hex(seq), 8, '0'), '-0000-4000-8000-', lpad(hex(seq), 12, '0')))",
    ),
    ("pairs", "id int not null, n int not null, primary key (id, n)", "seq div 7, seq % 7"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_samples_say_is_true_of_the_table() {
    let mut sql = String::new();
    for (name, key, values) in TABLES {
        sql.push_str(&format!(
            "create table {name} ({key}, bad boolean not null);
             insert into {name} select {values}, seq <= 2400 or seq > 38400 from seq_1_to_{ROWS}; analyze table {name};"
        ));
    }
    let mut market = Market::new(&sql).await;
    for (name, _, _) in TABLES {
        let rules = "rules:\n  - { id: NAME, in_set: { column: bad, values: [0] }, tolerance: 50% }\n";
        market.rules(name, &rules.replace("NAME", name));
        let counted = market.texts(&format!("select count(*) from {name} where bad")).await;
        assert_eq!(counted, ["4000"], "{name}");
    }
    let (mut covered, mut drawn) = (0, 0);
    let mut means: Vec<(String, f64)> = TABLES.iter().map(|(name, _, _)| ((*name).to_owned(), 0.0)).collect();
    for seed in 1..=DRAWS {
        let seed = seed.to_string();
        let report = market.json(&["check", "--sample", SAMPLE, "--seed", &seed, "--no-enlarge", "--duty", "100%"], 0);
        for outcome in report["outcomes"].as_array().unwrap() {
            assert_eq!(outcome["sampled"], true, "{outcome:#}");
            let [low, high] = [0, 1].map(|end| outcome["interval"][end].as_f64().unwrap());
            covered += u32::from((low..=high).contains(&0.1));
            drawn += 1;
            let mean = means.iter_mut().find(|(name, _)| outcome["rule"] == name.as_str()).unwrap();
            mean.1 += outcome["fraction"].as_f64().unwrap() / f64::from(DRAWS);
        }
    }
    // 57 of 60 are to be expected; fewer than 52 are so once in a thousand times
    assert_eq!(drawn, DRAWS * 5);
    assert!(covered >= 52, "{covered} of {drawn} intervals hold the truth: {means:?}");
    // twelve samples of a thousand independent rows are within 1.1 percent of it but once in ten thousand times; of segments, whose
    // rows are alike, within four times that
    for (name, mean) in &means {
        let room = if matches!(name.as_str(), "dense" | "gappy") { 0.011 } else { 0.044 };
        assert!((mean - 0.1).abs() < room, "{name}: {mean}");
    }
    market.close().await;
}
