//! The program on Parquet and CSV files.

use super::shop::Shop;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
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
