//! The program on Parquet and CSV files.

use super::shop::Shop;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A folder with orders in two files of each form, of which one row in ten is wrong, and customers.
fn lake() -> Shop {
    let lake = Shop::of("sqlite:none.db");
    lake.write(
        "fieldmark.yaml",
        "version: 1\nstate_dir: state\nsources:\n  csv: { files: { orders: 'data/*.csv', customers: people.tsv } }\n  \
         parquet: { files: { orders: 'data/*.parquet', customers: people.tsv } }\nrules: ['rules/*.yaml']\n",
    );
    std::fs::create_dir(lake.path("data")).unwrap();
    lake.write("people.tsv", &(1..=99).fold("id\tname\n".to_owned(), |text, id| text + &format!("{id}\tp{id}\n")));
    write(&lake, |id| if id % 10 == 0 { "PAID" } else { "paid" });
    for form in ["csv", "parquet"] {
        let rules = "key: [id]\nrules:\n  - { id: FORM_set, in_set: { column: status, values: [paid] } }
  - { id: FORM_refers, references: { column: customer, to: customers.id } }\n  - { id: FORM_alone, unique: id }
  - { id: FORM_many, row_count: { min: 2000, max: 2000 } }\n  - { id: FORM_expect, expect: id > 0 AND customer <= 100 }
across_migrations: { same: [customer] }\n";
        let rules = rules.replace("FORM", form);
        lake.write(&format!("rules/{form}.yaml"), &format!("version: 1\ntable: {form}.orders\n{rules}"));
    }
    lake
}

/// Writes the orders, each with a state.
fn write(lake: &Shop, status: impl Fn(i64) -> &'static str) {
    for (part, ids) in [("1", 1..=1_000), ("2", 1_001..=2_000)] {
        let row = |id: i64| format!("{id},{},{}\n", 1 + id % 100, status(id));
        let text = ids.clone().map(row).fold("id,customer,status\n".to_owned(), |text, row| text + &row);
        lake.write(&format!("data/o{part}.csv"), &text);
        let arrays: [(&str, ArrayRef); 3] = [
            ("id", Arc::new(ids.clone().collect::<Int64Array>())),
            ("customer", Arc::new(ids.clone().map(|id| 1 + id % 100).collect::<Int64Array>())),
            ("status", Arc::new(ids.map(|id| Some(status(id))).collect::<StringArray>())),
        ];
        let batch = RecordBatch::try_from_iter(arrays).unwrap();
        let file = std::fs::File::create(lake.path(&format!("data/o{part}.parquet"))).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
}

/// A lake of many row groups, of which every fiftieth row is wrong.
fn wide_lake(sample: &str) -> Shop {
    let lake = Shop::of("sqlite:none.db");
    let sources = format!("sources:\n  lake: {{ files: {{ orders: 'data/*.parquet' }}, sample: {sample} }}\n");
    lake.write("fieldmark.yaml", &format!("version: 1\nstate_dir: state\n{sources}rules: ['rules/*.yaml']\n"));
    std::fs::create_dir(lake.path("data")).unwrap();
    for part in 0..4 {
        let ids = part * 10_000 + 1..=(part + 1) * 10_000;
        let id: ArrayRef = Arc::new(Int64Array::from_iter_values(ids.clone()));
        let status: ArrayRef =
            Arc::new(ids.map(|id| Some(if id % 50 == 0 { "PAID" } else { "paid" })).collect::<StringArray>());
        let batch = RecordBatch::try_from_iter([("id", id), ("status", status)]).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(20)).build();
        let file = std::fs::File::create(lake.path(&format!("data/o{part}.parquet"))).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
    lake.write(
        "rules/orders.yaml",
        "version: 1\ntable: lake.orders\nkey: [id]\nrules:\n  - { id: set, in_set: { column: status, values: [paid] } }
  - { id: there, not_null: id }\n",
    );
    lake
}

#[test]
fn a_lake_is_sampled_by_row_groups_where_it_was_asked_for() {
    const SEEDS: u32 = 40;
    let lake = wide_lake("{ rows: 900, per_block: 3 }");
    let plan = lake.run(&["check", "--plan"]).gives(0).out;
    assert!(plan.contains("300 row groups drawn at random"), "{plan}");
    let mut covered = 0;
    for seed in 0..SEEDS {
        let report = lake.json(&["check", "--no-enlarge", "--seed", &seed.to_string()], 1);
        let samples = report["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 1);
        let sample = &samples[0];
        assert_eq!(
            (&sample["method"], &sample["rows"], &sample["blocks"]),
            (&json!("blocks"), &json!(900), &json!(300))
        );
        let set = report["outcomes"].as_array().unwrap().iter().find(|outcome| outcome["rule"] == "set");
        let interval: [f64; 2] = serde_json::from_value(set.unwrap()["interval"].clone()).unwrap();
        covered += u32::from((interval[0]..=interval[1]).contains(&0.02));
    }
    // 95 %; fewer than this happens by chance once in a million
    assert!(covered >= 28, "{covered} of {SEEDS} intervals hold the truth");
    // one that cannot tell reads more, in the end everything
    let report = lake.json(&["check", "--seed", "1"], 1);
    let whole = report["outcomes"].as_array().unwrap().iter().find(|outcome| outcome["rule"] == "there").unwrap();
    assert_eq!((&whole["status"], &whole["checked"]), (&json!("passed"), &json!(40_000)), "{whole:#}");
}

#[test]
fn a_lake_is_read_in_full_where_drawing_would_read_as_much() {
    // 1 200 of 2 000 row groups are more than half of them
    for sample in ["all", "{ rows: 1200, per_block: 1 }"] {
        let lake = wide_lake(sample);
        let report = lake.json(&["check", "--no-enlarge"], 1);
        assert_eq!(report["samples"][0]["method"], "all rows", "{sample}");
        assert!(lake.run(&["check", "--plan"]).gives(0).out.contains("reads every row"), "{sample}");
    }
}

#[test]
fn rules_are_told_of_files() {
    let lake = lake();
    // the second time goes by what the first one has found
    for _ in 0..2 {
        let report = lake.json(&["check"], 1);
        let outcomes = report["outcomes"].as_array().unwrap();
        let told: BTreeMap<&str, (&Value, &Value, &Value)> = outcomes
            .iter()
            .map(|outcome| {
                assert_eq!((&outcome["sampled"], &outcome["sql"]), (&json!(false), &Value::Null), "{outcome:#}");
                (outcome["rule"].as_str().unwrap(), (&outcome["status"], &outcome["failed"], &outcome["examples"][0]))
            })
            .collect();
        for form in ["csv", "parquet"] {
            let of = |rule: &str| told[format!("{form}_{rule}").as_str()];
            let (failed, passed) = (json!("failed"), json!("passed"));
            assert_eq!(of("set"), (&failed, &json!(200), &json!("id=10")), "{report:#}");
            // customer 100 is in no file
            let (status, count, _) = of("refers");
            assert_eq!((status, count), (&failed, &json!(20)), "{report:#}");
            for rule in ["alone", "many", "expect"] {
                assert_eq!(of(rule), (&passed, &json!(0), &Value::Null), "{report:#}");
            }
        }
        assert_eq!(report["sources"][0]["database"], "files");
    }
}

/// Rows without a key are shown by their number, over all files.
#[test]
fn rows_without_a_key_are_shown_by_their_number() {
    let lake = lake();
    lake.write("rules/csv.yaml", "version: 1\ntable: csv.orders\nrules:\n  - { id: last, expect: id < 1995 }\n");
    let report = lake.json(&["check", "--source", "csv"], 1);
    let expected: Vec<String> = (1_995..2_000).map(|row| format!("row={row}")).collect();
    assert_eq!(report["outcomes"][0]["examples"], json!(expected), "{report:#}");
}

/// A mark goes by the key of the rule file, and the same rows are found again in files that were written anew.
#[test]
fn files_that_were_written_anew_are_held_against_a_mark() {
    let lake = lake();
    lake.json(&["before", "--control", "0s"], 0);
    write(&lake, |id| if id % 10 == 0 { "PAID" } else { "new" });
    let report = lake.json(&["after", "--control", "0s"], 1);
    for form in ["csv", "parquet"] {
        let tables = report["tables"].as_array().unwrap();
        let orders = tables.iter().find(|table| table["source"] == form && table["table"] == "files.orders").unwrap();
        assert_eq!(
            (&orders["marked"], &orders["changed"], &orders["vanished"]),
            (&json!(2000), &json!(1800), &json!(0)),
            "{orders:#}"
        );
        let column =
            |name: &str| orders["columns"].as_array().unwrap().iter().find(|column| column["column"] == name).unwrap();
        assert_eq!(
            (&column("status")["changed"], &column("customer")["changed"]),
            (&json!(1800), &json!(0)),
            "{orders:#}"
        );
    }
}

/// What cannot be read is no failing row: where it is, and what is wrong, and none of its values.
#[test]
fn a_file_that_is_none_could_not_be_checked() {
    let lake = lake();
    lake.write("data/o3.csv", "id,customer,status\n1,2\nsecret,words\n");
    let report = lake.json(&["check", "--source", "csv"], 2);
    let told = report["errors"][0]["what"].as_str().unwrap();
    assert!(told.ends_with("o3.csv: line 2 has 2 values, and the first line 3 names"), "{report:#}");
    assert!(!serde_json::to_string(&report).unwrap().contains("secret"));
    lake.write("data/o3.csv", "id,customer,state\n2001,2,x\n");
    // a column that only one of the files has is NULL in the others
    let report = lake.json(&["check", "--source", "csv", "--rule", "csv_set"], 1);
    assert_eq!(report["outcomes"][0]["unknown"], 1, "{report:#}");
    for file in ["o1", "o2", "o3"] {
        std::fs::remove_file(lake.path(&format!("data/{file}.csv"))).unwrap();
    }
    let report = lake.json(&["check", "--source", "csv"], 2);
    assert!(report["errors"][0]["what"].as_str().unwrap().ends_with("*.csv: there is no such file"), "{report:#}");
}
