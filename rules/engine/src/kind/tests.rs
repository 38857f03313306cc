//! Every kind on small batches: tables of value and answer, and of broken settings and message.

use super::*;
use crate::evaluate::{RowProgram, RowVerdict};
use crate::language::{RuleFile, parse_rule_files};
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, DictionaryArray, Float32Array,
    Float64Array, Int8Array, Int16Array, Int64Array, RecordBatch, StringArray, StringViewArray,
    TimestampMicrosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, i256};
use chrono::DateTime;
use fieldmark_model::chunk::{CANONICAL_TEXT, DECLARED_TYPE};
use fieldmark_model::{Chunk, Dialect};
use std::collections::HashMap;

/// The kinds of the rules in a list, as a rule file would hold them.
fn rules(list: &str) -> Vec<crate::rule::Rule> {
    let text = format!("version: 1\ntable: s.t\nrules:\n{list}\n");
    let files = [RuleFile { path: "t.yaml".into(), text }];
    let mut tables = parse_rule_files(&files).unwrap_or_else(|problems| panic!("{list}: {problems}"));
    tables.remove(0).rules
}

fn kind(rule: &str) -> Arc<dyn Kind> {
    Arc::clone(&rules(&format!("  - {rule}")).first().unwrap().kind)
}

/// What a broken rule is told, without the place of the file.
fn told(rule: &str) -> String {
    let text = format!("version: 1\ntable: s.t\nrules:\n  - {rule}\n");
    let problems = parse_rule_files(&[RuleFile { path: "t.yaml".into(), text }]).expect_err(rule);
    problems.iter().map(|problem| problem.to_string().replacen("t.yaml:", "", 1)).collect::<Vec<_>>().join("\n")
}

/// A column `c` that travels as it is.
fn plain(values: ArrayRef) -> (Field, ArrayRef) {
    (Field::new("c", values.data_type().clone(), true), values)
}

/// A column `c` with its declared type, which travels as canonical text.
fn canonical(declared: &str, values: &[Option<&str>]) -> (Field, ArrayRef) {
    let values: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
    let metadata = HashMap::from([
        (CANONICAL_TEXT.to_owned(), "text".to_owned()),
        (DECLARED_TYPE.to_owned(), declared.to_owned()),
    ]);
    (Field::new("c", values.data_type().clone(), true).with_metadata(metadata), values)
}

fn text(values: &[Option<&str>]) -> (Field, ArrayRef) {
    plain(Arc::new(StringArray::from(values.to_vec())))
}

/// The answer for each value: `t`, `f`, `-` for NULL; or the reason of the refusal.
fn answers(rule: &str, (field, values): (Field, ArrayRef)) -> String {
    let schema = Schema::new(vec![field]);
    let rules = rules(&format!("  - {rule}"));
    let (program, skipped) = RowProgram::compile(&rules, &schema, DateTime::UNIX_EPOCH);
    if let Some(skipped) = skipped.first() {
        return format!("{}: {}", skipped.refusal.why.as_str(), skipped.refusal.reason);
    }
    let batch = RecordBatch::try_new(Arc::new(schema), vec![values]).unwrap();
    let verdicts = program.evaluate_one(0, &Chunk::whole(batch)).unwrap();
    let letter = |verdict: &RowVerdict| match verdict {
        RowVerdict::Passed => 't',
        RowVerdict::Failed => 'f',
        RowVerdict::Null => '-',
        RowVerdict::LeftOut | RowVerdict::ExpressionError | RowVerdict::TooLarge | RowVerdict::Unrepresentable => {
            panic!("{rule}: {verdict:?}")
        }
    };
    verdicts.rows.iter().map(letter).collect()
}

const SECOND: i64 = 1_000_000;
/// 2019-01-01T00:00:00Z in seconds.
const NEW_YEAR: i64 = 1_546_300_800;

#[test]
fn every_kind_explains_itself() {
    for facts in KINDS {
        let read = rules(&format!("  - {}", facts.example));
        assert!(!read.is_empty() && read.iter().all(|rule| rule.kind.name() == facts.name), "{}", facts.name);
        assert!(read.iter().all(|rule| !rule.kind.wording().is_empty()), "{}", facts.name);
        assert!(facts.reference.len() > 100 && facts.reference.ends_with('.'), "{}", facts.name);
        for key in CommonKey::ALL {
            let with = facts.keys.contains(&key);
            let without = facts.without.iter().any(|(other, _)| *other == key);
            assert!(with != without, "{} {}", facts.name, key.as_str());
            let value = match key {
                CommonKey::Where => "a > 1",
                CommonKey::Tolerance | CommonKey::Detect => "1%",
                CommonKey::Nulls => "fail",
                CommonKey::Timeout | CommonKey::FullEvery => "5m",
            };
            let rule = format!("  - {}\n    {}: {value}", facts.example, key.as_str());
            let file = RuleFile { path: "t.yaml".into(), text: format!("version: 1\ntable: s.t\nrules:\n{rule}\n") };
            match parse_rule_files(&[file]) {
                Ok(_) => assert!(with, "{rule}"),
                Err(problems) => {
                    let expected =
                        format!("5:5: `{}` is refused in a rule; it has no meaning for {}: ", key.as_str(), facts.name);
                    assert!(without && problems.to_string().contains(&expected), "{problems}");
                }
            }
        }
    }
}

#[test]
fn columns_are_spelled_exactly() {
    let schema = Schema::new(vec![Field::new("Status", DataType::Utf8, true)]);
    let refusal = kind("in_set: { column: status, values: [a] }").plan(&schema).unwrap_err();
    assert_eq!(refusal.why, NotEvaluated::ColumnMissing);
    assert_eq!(refusal.reason, "the table has no column `status`; did you mean `Status`?");
    for name in ["Status", "a b", "select", "a.b", "Ünï"] {
        let values: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
        let schema = Schema::new(vec![Field::new(name, DataType::Utf8, true)]);
        let rules = rules(&format!("  - not_null: ['{name}']"));
        let (program, skipped) = RowProgram::compile(&rules, &schema, DateTime::UNIX_EPOCH);
        assert!(skipped.is_empty(), "{skipped:?}");
        let batch = RecordBatch::try_new(Arc::new(schema), vec![values]).unwrap();
        let verdicts = program.evaluate_one(0, &Chunk::whole(batch)).unwrap();
        assert_eq!(verdicts.rows, [RowVerdict::Passed, RowVerdict::Failed], "{name}");
    }
}

#[test]
fn not_null() {
    assert_eq!(answers("not_null: c", text(&[Some("a"), None, Some("")])), "tft");
    assert_eq!(answers("not_null: [c]", plain(Arc::new(Int64Array::from(vec![Some(1), None])))), "tf");
    let read = rules(
        "  - { id: present, not_null: [a, b] }\n  - { id: listed, not_null: [c] }\n  - { id: alone, not_null: c }\n  - not_null: [d]",
    );
    let ids: Vec<&str> = read.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["present/a", "present/b", "listed", "alone", "s.t.not_null.d"]);
    assert_eq!(read[0].kind.failing_sql(Dialect::Postgres).unwrap(), "\"a\" IS NULL");
    assert_eq!(read[0].kind.wording(), "a is not NULL");
    for (rule, expected) in [
        ("not_null: []", "4:15: `not_null` names no column; allowed: at least one"),
        ("not_null:", "4:5: `not_null` has no value in a rule"),
        ("not_null: [a, a]", "4:19: `not_null` names a column twice: `a` (first at t.yaml:4:16)"),
        ("not_null: [a, 1]", "4:19: `not_null` has to be a text: `1`; put it in quotes"),
        ("not_null: { column: a }", "4:15: `not_null` has to be a list of texts: a mapping of 1; allowed: `[a, b]`"),
    ] {
        assert_eq!(told(rule), expected, "{rule}");
    }
}

#[test]
fn in_set() {
    let rule = "in_set: { column: c, values: [new, 'NULL', 01, true, 1_000] }";
    assert_eq!(
        answers(
            rule,
            text(&[Some("new"), Some("New"), None, Some("NULL"), Some("01"), Some("1"), Some("true"), Some("1_000")])
        ),
        "tf-ttftt"
    );
    let view: ArrayRef = Arc::new(StringViewArray::from(vec![Some("new"), Some("a string of more than twelve"), None]));
    assert_eq!(answers(rule, plain(view)), "tf-");
    let dictionary: DictionaryArray<Int32Type> = vec![Some("new"), Some("old"), None].into_iter().collect();
    assert_eq!(answers(rule, plain(Arc::new(dictionary))), "tf-");
    let numbers = "in_set: { column: c, values: [1, 2.0, '3', -4] }";
    assert_eq!(
        answers(numbers, plain(Arc::new(Int16Array::from(vec![Some(1), Some(2), Some(3), Some(-4), Some(5), None])))),
        "ttttf-"
    );
    let decimals =
        Decimal128Array::from(vec![Some(100), Some(200), Some(201), None]).with_precision_and_scale(12, 2).unwrap();
    assert_eq!(answers(numbers, plain(Arc::new(decimals))), "ttf-");
    assert_eq!(
        answers(numbers, canonical("numeric", &[Some("1"), Some("2"), Some("2.5"), Some("NaN"), None])),
        "ttff-"
    );
    let floats = "in_set: { column: c, values: [0x0, 0.1, .nan, 'Infinity'] }";
    let values = [0.0, -0.0, 0.1, 0.2, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    assert_eq!(answers(floats, plain(Arc::new(Float64Array::from(values.to_vec())))), "tttftttf");
    assert_eq!(answers(floats, plain(Arc::new(Float32Array::from(vec![Some(0.1f32), Some(0.2), None])))), "tf-");
    let truth: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]));
    assert_eq!(answers("in_set: { column: c, values: [true] }", plain(truth)), "tf-");
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), Some(1), None]));
    assert_eq!(answers("in_set: { column: c, values: [1970-01-01] }", plain(days)), "tf-");
    let times: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(vec![Some(NEW_YEAR * SECOND), Some(1), None]).with_timezone("UTC"));
    assert_eq!(answers("in_set: { column: c, values: ['2019-01-01T01:00:00+01:00'] }", plain(times)), "tf-");
    assert_eq!(
        answers(
            "in_set: { column: c, values: [new, paid] }",
            canonical("order_status", &[Some("new"), Some("x"), None])
        ),
        "tf-"
    );
    for (rule, column, expected) in [
        ("[1, x]", plain(Arc::new(Int8Array::from(vec![1]))), "`x` cannot be a value of it, but column `c` is Int8"),
        ("[1.5]", plain(Arc::new(Int8Array::from(vec![1]))), "`1.5` cannot be a value of it, but column `c` is Int8"),
        ("[300]", plain(Arc::new(Int8Array::from(vec![1]))), "`300` cannot be a value of it, but column `c` is Int8"),
        (
            "[yes]",
            plain(Arc::new(BooleanArray::from(vec![true]))),
            "`yes` cannot be a value of it, but column `c` is Boolean",
        ),
        (
            "[2024-02-30]",
            plain(Arc::new(Date32Array::from(vec![1]))),
            "`2024-02-30` cannot be a value of it, but column `c` is Date32",
        ),
        (
            "['1970-01-01 10:00']",
            plain(Arc::new(Date32Array::from(vec![1]))),
            "`1970-01-01 10:00` cannot be a value of it, but column `c` is Date32",
        ),
        ("[a]", canonical("numeric", &[]), "`a` cannot be a value of it, but column `c` is numeric"),
        (
            "[a]",
            plain(Arc::new(BinaryArray::from(vec![&b"a"[..]]))),
            "`a` cannot be a value of it, but column `c` is Binary",
        ),
    ] {
        assert_eq!(
            answers(&format!("in_set: {{ column: c, values: {rule} }}"), column),
            format!("type_mismatch: {expected}")
        );
    }
    let set = kind("in_set: { column: c, values: [new, \"it's\", 5, true] }");
    assert_eq!(set.failing_sql(Dialect::Postgres).unwrap(), "\"c\" NOT IN ('new', 'it''s', 5, true)");
    assert_eq!(set.wording(), "c is one of 4 values");
    for (rule, expected) in [
        (
            "in_set: { column: c, values: [] }",
            "4:34: `values` is empty: no row could pass; allowed: at least one value",
        ),
        ("in_set: { column: c }", "4:13: `values` is missing in `in_set`"),
        (
            "in_set: { column: c, values: [a, null] }",
            "4:38: `values` has to be a value: nothing; NULL is no value: a row with NULL is unknown; see `nulls` and `not_null`",
        ),
        (
            "in_set: { column: c, values: [[a]] }",
            "4:35: `values` has to be a value: a list of 1; allowed: a text, number or boolean",
        ),
        (
            "in_set: { column: c, value: [a] }",
            "4:13: `values` is missing in `in_set`\n4:26: unknown key in `in_set`: `value`; allowed: column, values; did you mean `values`?",
        ),
        (
            "in_set: [c, a]",
            "4:13: `in_set` has to be a mapping: a list of 2; allowed: `in_set: { column: status, values: [new, paid, shipped, cancelled] }`",
        ),
    ] {
        assert_eq!(told(rule), expected, "{rule}");
    }
}

#[test]
fn in_range_of_numbers() {
    let rule = "in_range: { column: c, min: 0, max: 100 }";
    assert_eq!(
        answers(rule, plain(Arc::new(Int64Array::from(vec![Some(-1), Some(0), Some(100), Some(101), None])))),
        "fttf-"
    );
    assert_eq!(
        answers("in_range: { column: c, min: 0.5, max: 1.5 }", plain(Arc::new(Int64Array::from(vec![0, 1, 2])))),
        "ftf"
    );
    assert_eq!(
        answers("in_range: { column: c, min: -1.5, max: -0.5 }", plain(Arc::new(Int64Array::from(vec![-2, -1, 0])))),
        "ftf"
    );
    assert_eq!(
        answers(
            "in_range: { column: c, max: 18446744073709551614 }",
            plain(Arc::new(UInt64Array::from(vec![u64::MAX, u64::MAX - 1])))
        ),
        "ft"
    );
    assert_eq!(answers("in_range: { column: c, min: 1e50 }", plain(Arc::new(Int64Array::from(vec![i64::MAX])))), "f");
    assert_eq!(answers("in_range: { column: c, max: 1e90 }", plain(Arc::new(Int64Array::from(vec![i64::MAX])))), "t");
    assert_eq!(
        answers("in_range: { column: c, min: -1e90, max: -1e50 }", plain(Arc::new(Int64Array::from(vec![i64::MIN])))),
        "f"
    );
    let cents = |values: Vec<Option<i128>>| {
        plain(Arc::new(Decimal128Array::from(values).with_precision_and_scale(12, 2).unwrap()))
    };
    assert_eq!(answers(rule, cents(vec![Some(-1), Some(0), Some(10_000), Some(10_001), None])), "fttf-");
    // 1.005 lies between 1.00 and 1.01: a bound that were rounded would let one of them pass
    assert_eq!(answers("in_range: { column: c, min: 1.005 }", cents(vec![Some(100), Some(101)])), "ft");
    assert_eq!(answers("in_range: { column: c, max: 1.005 }", cents(vec![Some(100), Some(101)])), "tf");
    assert_eq!(answers("in_range: { column: c, min: -1.005 }", cents(vec![Some(-101), Some(-100)])), "ft");
    assert_eq!(
        answers(
            "in_range: { column: c, max: '1000000000000000000000000000000000000000000' }",
            cents(vec![Some(999_999_999_999), None])
        ),
        "t-"
    );
    let wide =
        |values: Vec<i256>| plain(Arc::new(Decimal256Array::from(values).with_precision_and_scale(76, 30).unwrap()));
    let large = i256::from_string(&format!("1{}05{}", "0".repeat(22), "0".repeat(28))).unwrap();
    assert_eq!(answers("in_range: { column: c, max: 10000000000000000000000.05 }", wide(vec![large])), "t");
    assert_eq!(answers("in_range: { column: c, max: 10000000000000000000000.0499999999 }", wide(vec![large])), "f");
    let free = [
        Some("10000000000000000000.05"),
        Some("10000000000000000000.06"),
        Some("-1"),
        Some("NaN"),
        Some("-Infinity"),
        Some("Infinity"),
        Some("abc"),
        None,
    ];
    assert_eq!(
        answers("in_range: { column: c, max: 10000000000000000000.05 }", canonical("numeric", &free)),
        "tftftff-"
    );
    assert_eq!(
        answers("in_range: { column: c, min: 10000000000000000000.05 }", canonical("numeric", &free)),
        "ttftftf-"
    );
    let floats = |values: Vec<f64>| plain(Arc::new(Float64Array::from(values)));
    assert_eq!(
        answers(rule, floats(vec![-0.0, 0.0, 100.0, 100.000001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY])),
        "tttffff"
    );
    assert_eq!(answers("in_range: { column: c, min: 0 }", floats(vec![f64::NAN, -f64::NAN, f64::INFINITY])), "ttt");
    assert_eq!(
        answers("in_range: { column: c, min: 0.1, max: 0.1 }", plain(Arc::new(Float32Array::from(vec![0.1f32, 0.2])))),
        "tf"
    );
    for (column, expected) in [
        (text(&[Some("1")]), "the bounds are numbers, and text is not compared as a number, but column `c` is Utf8"),
        (plain(Arc::new(Date32Array::from(vec![1]))), "the bounds are numbers, but column `c` is Date32"),
        (canonical("uuid", &[]), "the bounds are numbers, but column `c` is uuid"),
        (plain(Arc::new(BooleanArray::from(vec![true]))), "the bounds are numbers, but column `c` is Boolean"),
    ] {
        assert_eq!(answers(rule, column), format!("type_mismatch: {expected}"));
    }
}

#[test]
fn in_range_of_times() {
    let year = NEW_YEAR * SECOND;
    for (bound, expected) in [
        ("min: 2019-01-01", "ftt-"),
        ("min: '2019-01-01 00:00:00+00'", "ftt-"),
        ("min: '2019-01-01T00:00:00Z', max: 2019-01-01", "ftf-"),
        ("min: '2019-01-01T01:00:00+01:00'", "ftt-"),
        ("min: '2019-01-01 00:00:00.0000005'", "fft-"),
        ("max: '2018-12-31 23:59:59.9999995'", "tff-"),
    ] {
        let rule = format!("in_range: {{ column: c, {bound} }}");
        let values = vec![Some(year - 1), Some(year), Some(year + 1), None];
        let local = TimestampMicrosecondArray::from(values.clone());
        assert_eq!(answers(&rule, plain(Arc::new(local.clone()))), expected, "{rule}");
        assert_eq!(answers(&rule, plain(Arc::new(local.with_timezone("UTC")))), expected, "{rule}");
    }
    let day = i32::try_from(NEW_YEAR / 86_400).unwrap();
    let days = |rule: &str| {
        answers(rule, plain(Arc::new(Date32Array::from(vec![Some(day - 1), Some(day), Some(day + 1), None]))))
    };
    assert_eq!(days("in_range: { column: c, min: 2019-01-01, max: 2019-01-01 }"), "ftf-");
    assert_eq!(days("in_range: { column: c, min: '2019-01-01 00:00:01' }"), "fft-");
    assert_eq!(days("in_range: { column: c, max: '2019-01-01 23:59:59' }"), "ttf-");
    let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![NEW_YEAR - 1, NEW_YEAR]));
    assert_eq!(answers("in_range: { column: c, min: 2019-01-01 }", plain(seconds)), "ft");
    let written =
        [Some("2018-12-31 23:59:59"), Some("2019-01-01"), Some("2019-01-01T00:00:00Z"), Some("soon"), Some(""), None];
    assert_eq!(answers("in_range: { column: c, min: 2019-01-01 }", text(&written)), "fttff-");
    assert_eq!(
        answers("in_range: { column: c, min: 2019-01-01 }", plain(Arc::new(Int64Array::from(vec![1])))),
        "type_mismatch: the bounds are times, but column `c` is Int64"
    );
}

#[test]
fn in_range_speaks() {
    let range = kind("in_range: { column: c, min: 0, max: '2_0' }".replace("'2_0'", "2_0").as_str());
    assert_eq!(range.failing_sql(Dialect::Postgres).unwrap(), "\"c\" < 0 OR \"c\" > 20");
    assert_eq!(range.wording(), "c is from 0 to 2_0");
    assert_eq!(
        kind("in_range: { column: c, min: 2019-01-01 }").failing_sql(Dialect::Postgres).unwrap(),
        "\"c\" < '2019-01-01'"
    );
    for (rule, expected) in [
        (
            "in_range: { column: c, min: 5, max: 4.9 }",
            "4:33: `min` is above `max`: `5` and `4.9`; no value can pass (`max` at t.yaml:4:41)",
        ),
        (
            "in_range: { column: c, min: 2019-01-02, max: 2019-01-01 }",
            "4:33: `min` is above `max`: `2019-01-02` and `2019-01-01`; no value can pass (`max` at t.yaml:4:50)",
        ),
        (
            "in_range: { column: c, min: 1, max: 2019-01-01 }",
            "4:33: one bound is a number and the other a time: `1` and `2019-01-01`; allowed: two numbers or two times (`max` at t.yaml:4:41)",
        ),
        ("in_range: { column: c }", "4:15: `in_range` has neither `min` nor `max`; allowed: one of them or both"),
        (
            "in_range: { column: c, min: abc }",
            "4:33: `min` has to be a number or a time: `abc`; allowed: a number, or a time such as `2019-01-01`, `2019-01-01 00:00:00+00` or `2019-01-01T00:00:00Z`",
        ),
        (
            "in_range: { column: c, minimum: 1 }",
            "4:28: unknown key in `in_range`: `minimum`; allowed: column, min, max; did you mean `min`?",
        ),
        ("in_range: { min: 1 }", "4:15: `column` is missing in `in_range`"),
    ] {
        assert_eq!(told(rule), expected, "{rule}");
    }
}

#[test]
fn matches() {
    let rule = r"matches: { column: c, pattern: '^[^@\s]+@[^@\s]+$' }";
    assert_eq!(answers(rule, text(&[Some("a@b"), Some("a b@c"), Some(""), None])), "tff-");
    assert_eq!(answers("matches: { column: c, pattern: b }", text(&[Some("abc"), Some("ABC")])), "tf");
    assert_eq!(answers("matches: { column: c, pattern: '^4' }", canonical("uuid", &[Some("4d"), Some("5d")])), "tf");
    assert_eq!(
        answers(rule, plain(Arc::new(Int64Array::from(vec![1])))),
        "type_mismatch: a pattern needs text, but column `c` is Int64"
    );
    let pattern = kind("matches: { column: c, pattern: \"it's\" }");
    assert_eq!(pattern.failing_sql(Dialect::Postgres).unwrap(), "\"c\" !~ 'it''s'");
    assert_eq!(pattern.failing_sql(Dialect::Sqlite).unwrap(), "\"c\" NOT REGEXP 'it''s'");
    let classes = kind(r"matches: { column: c, pattern: '^[^@\s]+\s[\d\]x]$' }").failing_sql(Dialect::Sqlite).unwrap();
    assert_eq!(classes, r#""c" NOT REGEXP '^[^@ \t\n\r]+\s[0-9\]x]$'"#);
    for (rule, expected) in [
        (
            "matches: { column: c, pattern: '^[a-' }",
            "4:38: `pattern` is no regular expression: `^[a-`; unclosed character class",
        ),
        ("matches: { column: c, pattern: 'é(a' }", "4:38: `pattern` is no regular expression: `é(a`; unclosed group"),
        (
            "matches: { column: c, pattern: '(?=a)' }",
            "4:37: `pattern` is no regular expression: `(?=a)`; look-around, including look-ahead and look-behind, is not supported",
        ),
        (
            r"matches: { column: c, pattern: '\w{40}' }",
            r"4:37: `pattern` is too large: `\w{40}`; it takes more than 1048576 bytes when compiled; `\w` knows all of Unicode: `[0-9A-Za-z_]` takes far less",
        ),
        (
            "matches: { column: c, pattern: 'a{100000}' }",
            "4:37: `pattern` is too large: `a{100000}`; it takes more than 1048576 bytes when compiled",
        ),
        ("matches: { column: c }", "4:14: `pattern` is missing in `matches`"),
    ] {
        assert_eq!(told(rule), expected, "{rule}");
    }
}

#[test]
fn length() {
    let rule = "length: { column: c, min: 2, max: 3 }";
    assert_eq!(answers(rule, text(&[Some("a"), Some("äö"), Some("𝄞𝄞𝄞"), Some("abcd"), Some(""), None])), "fttff-");
    assert_eq!(answers("length: { column: c, max: 0 }", text(&[Some(""), Some("a")])), "tf");
    assert_eq!(answers(rule, canonical("order_status", &[Some("new"), Some("gone")])), "tf");
    for (column, expected) in [
        (plain(Arc::new(Int64Array::from(vec![1]))), "only text has a length, but column `c` is Int64"),
        (canonical("uuid", &[]), "only text has a length, but column `c` is uuid"),
        (canonical("text[]", &[]), "only text has a length, but column `c` is text[]"),
        (canonical("numeric", &[]), "only text has a length, but column `c` is numeric"),
    ] {
        assert_eq!(answers(rule, column), format!("type_mismatch: {expected}"));
    }
    assert_eq!(kind(rule).failing_sql(Dialect::Postgres).unwrap(), "length(\"c\") < 2 OR length(\"c\") > 3");
    assert_eq!(kind("length: { column: c, min: 2, max: 2 }").wording(), "c has exactly 2 characters");
    for (rule, expected) in [
        (
            "length: { column: c, min: -1 }",
            "4:31: `min` has to be a whole number: `-1`; allowed: 0 to 18446744073709551615",
        ),
        (
            "length: { column: c, min: 3, max: 2 }",
            "4:31: `min` is above `max`: `3` and `2`; no value can pass (`max` at t.yaml:4:39)",
        ),
        ("length: { column: c }", "4:13: `length` has neither `min` nor `max`; allowed: one of them or both"),
        (
            "length: { column: c, min: two }",
            "4:31: `min` has to be a whole number: `two`; allowed: 0 to 18446744073709551615",
        ),
    ] {
        assert_eq!(told(rule), expected, "{rule}");
    }
}

#[test]
fn type_is() {
    for (value_type, passing, failing) in [
        ("integer", &["0", "-12", "+3", "99999999999999999999999999"][..], &["", "-", "1.0", "1e3", " 1", "a"][..]),
        ("decimal", &["1", "-1.5", ".5", "1e3"], &["", "NaN", "1,5", "1 "]),
        ("boolean", &["true", "F", "Yes", "0", "off"], &["", "2", "nein"]),
        ("date", &["2024-02-29", "-0043-03-15"], &["2023-02-29", "2024-02-29 10:00", "20240229", ""]),
        ("timestamp", &["2024-02-29T10:00:00Z", "2024-02-29 10:00"], &["2024-02-29", "10:00", "2024-02-29 25:00"]),
        (
            "uuid",
            &["0b8f8a4e-3c1d-4b1a-9f43-0123456789AB"],
            &["0b8f8a4e3c1d4b1a9f430123456789ab", "x", "0b8f8a4e-3c1d-4b1a-9f43-0123456789ag"],
        ),
        ("json", &["{}", " [1, 2]", "null", "\"a\""], &["", "{a: 1}", "{} x", "'a'"]),
    ] {
        let rule = format!("type_is: {{ column: c, type: {value_type} }}");
        let values: Vec<Option<&str>> = passing.iter().chain(failing).map(|text| Some(*text)).chain([None]).collect();
        let expected = "t".repeat(passing.len()) + &"f".repeat(failing.len()) + "-";
        assert_eq!(answers(&rule, text(&values)), expected, "{rule} {values:?}");
    }
    let type_is = |value_type: &str, column| answers(&format!("type_is: {{ column: c, type: {value_type} }}"), column);
    let integers = || plain(Arc::new(Int64Array::from(vec![Some(0), Some(2), None])));
    let floats = || plain(Arc::new(Float64Array::from(vec![Some(2.0), Some(2.5), Some(f64::NAN), None])));
    let days = || plain(Arc::new(Date32Array::from(vec![Some(0), None])));
    for (value_type, column, expected) in [
        ("integer", integers(), "tt-"),
        ("decimal", integers(), "tt-"),
        ("boolean", integers(), "tf-"),
        ("date", integers(), "ff-"),
        ("integer", floats(), "tff-"),
        ("decimal", floats(), "ttf-"),
        ("date", days(), "t-"),
        ("timestamp", days(), "f-"),
        ("json", canonical("jsonb", &[Some("{\"a\": 1}"), None]), "t-"),
        ("boolean", plain(Arc::new(BooleanArray::from(vec![Some(false), None]))), "t-"),
    ] {
        assert_eq!(type_is(value_type, column), expected, "{value_type}");
    }
    assert_eq!(
        type_is("json", plain(Arc::new(BinaryArray::from(vec![&b"a"[..]])))),
        "type_mismatch: only text, numbers, booleans and times read as a type, but column `c` is Binary"
    );
    assert_eq!(
        told("type_is: { column: c, type: int }"),
        "4:33: `type` has to be one of a few words: `int`; allowed: integer, decimal, boolean, date, timestamp, uuid, json; did you mean `integer`?"
    );
    assert_eq!(
        told("type_is: { column: c, type: timestmap }"),
        "4:33: `type` has to be one of a few words: `timestmap`; allowed: integer, decimal, boolean, date, timestamp, uuid, json; did you mean `timestamp`?"
    );
}

#[test]
fn long_lists_of_columns_are_refused_soon() {
    let columns = |number: usize| (0..number).map(|at| format!("c{at}")).collect::<Vec<_>>().join(", ");
    for kind in ["not_null", "unique"] {
        let says = format!("`{kind}` names 90000 columns; allowed: at most 2000");
        let told = told(&format!("{kind}: [{}]", columns(90_000)));
        assert!(told.ends_with(&says), "{told}");
    }
    assert_eq!(kind(&format!("unique: [{}]", columns(2000))).columns().len(), 2000);
}

#[test]
fn what_rules_speak_of_has_its_place() {
    let to = kind("references: { column: a, to: customers.id }");
    assert_eq!(to.placed_target().unwrap().to_string(), "t.yaml:4:34");
    let sum = kind("expect: a = b + c");
    let expression = sum.placed_expression().unwrap();
    assert_eq!((expression.value.as_str(), expression.place.to_string().as_str()), ("a = b + c", "t.yaml:4:13"));
    let unique = kind("unique: a");
    assert!(unique.placed_target().is_none() && unique.placed_expression().is_none());
}

#[test]
fn kinds_that_look_beyond_the_row() {
    let schema = Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("b", DataType::Utf8, true),
        Field::new("at", DataType::Date32, true),
    ]);
    let plan = |rule: &str| match kind(rule).plan(&schema) {
        Ok(plan) => format!("{plan:?}"),
        Err(refusal) => format!("{}: {}", refusal.why.as_str(), refusal.reason),
    };
    for (rule, expected, wording) in [
        ("unique: [a, b]", "Unique { columns: [\"a\", \"b\"] }", "a, b is unique"),
        ("unique: x", "column_missing: the table has no column `x`", "x is unique"),
        (
            "references: { column: a, to: customers.id }",
            "References { columns: [\"a\"], to_schema: None, to_table: \"customers\", to_columns: [\"id\"] }",
            "a is in customers (id)",
        ),
        (
            "references: { columns: [a, b], to: 's.t.(x, y)' }",
            "References { columns: [\"a\", \"b\"], to_schema: Some(\"s\"), to_table: \"t\", to_columns: [\"x\", \"y\"] }",
            "a, b is in s.t (x, y)",
        ),
        (
            "fresh: { column: at, within: 15m }",
            "Fresh { column: \"at\", within: 900s }",
            "the newest at is at most 15 m old",
        ),
        (
            "fresh: { column: b, within: 90s }",
            "Fresh { column: \"b\", within: 90s }",
            "the newest b is at most 90 s old",
        ),
        (
            "fresh: { column: a, within: 1d }",
            "type_mismatch: how fresh a table is, only a date or timestamp can say, but column `a` is Int64",
            "the newest a is at most 1 d old",
        ),
        (
            "row_count: { min: 1000, change: 20% }",
            "RowCount { min: Some(1000), max: None, change: Some(0.2) }",
            "the table has at least 1000 rows and the number of rows changed by at most 20 %",
        ),
        (
            "row_count: { change: 300% }",
            "RowCount { min: None, max: None, change: Some(3.0) }",
            "the number of rows changed by at most 300 %",
        ),
        ("expect: a  =  1", "Expression { text: \"a  =  1\" }", "a = 1"),
    ] {
        assert_eq!((plan(rule).as_str(), kind(rule).wording().as_str()), (expected, wording), "{rule}");
    }
    let failing = |rule: &str| kind(rule).failing_sql(Dialect::Postgres).unwrap();
    assert_eq!(failing("expect: a = 1"), "NOT (a = 1)");
    assert_eq!(failing("expect: a / 100 = 1"), "NOT (a / 100 = 1)");
    // the row is unknown, and the statement must not fail
    assert_eq!(failing("expect: a / (b % c) > 1"), "NOT (a / NULLIF((b % NULLIF(c, 0)), 0) > 1)");
    for (rule, expected) in [
        (
            "references: { columns: [a, b], to: t.id }",
            "4:40: 2 columns refer to 1: `t.id`; `to` names as many columns, in the same order",
        ),
        (
            "references: { column: a, to: customers }",
            "4:34: `to` has to name a table and its columns: `customers`; allowed: `table.column`, `schema.table.column` or `table.(a, b)`",
        ),
        (
            "references: { column: a, to: customers(id) }",
            "4:34: `to` has to name a table and its columns: `customers(id)`; allowed: `table.column`, `schema.table.column` or `table.(a, b)`; write `customers.id` or `customers.(id)`",
        ),
        (
            "references: { column: a, to: 't.(a' }",
            "4:34: `to` has to name a table and its columns: `t.(a`; allowed: `table.column`, `schema.table.column` or `table.(a, b)`; inside of `{ }` it needs quotes",
        ),
        (
            "references: { column: a, columns: [b], to: t.id }",
            "4:17: `references` has both `column` and `columns`; allowed: one of them",
        ),
        ("references: { to: t.id }", "4:17: `references` has neither `column` nor `columns`; allowed: one of them"),
        (
            "fresh: { column: a, within: 15 }",
            "4:33: `within` has to be a duration: `15`; allowed: a number with ms, s, m, h, d or w, such as `15m` or `1h30m`; its unit is missing",
        ),
        ("row_count: {}", "4:16: `row_count` demands nothing; allowed: min, max, change: at least one of them"),
        (
            "row_count: { min: 2, max: 1 }",
            "4:23: `min` is above `max`: `2` and `1`; no value can pass (`max` at t.yaml:4:31)",
        ),
        (
            "row_count: { change: 20 percent }",
            "4:26: `change` has to be a fraction: `20 percent`; allowed: `20%`, or `0.2`; it may be above 100%; did you mean `20%`?",
        ),
        (
            "distribution: { column: a, mean: [9, 1] }",
            "4:38: the lower limit is above the upper: `9` and `1`; allowed: `[1000, 9000]`, `\"<= 9000\"` or `\">= 1000\"`; nothing can pass",
        ),
        ("sql: ''", "4:10: `sql` has to be a query; allowed: `SELECT …`, whose rows are failures"),
        (
            "sql: '-- nothing'",
            "4:10: `sql` has to be a query: `-- nothing`; allowed: `SELECT …`, whose rows are failures",
        ),
        (
            "sql: SELECT 'x",
            "4:10: `sql` has to be a query: `SELECT 'x`; allowed: `SELECT …`, whose rows are failures; Unterminated string literal",
        ),
        (
            "sql: SELECT 1; SELECT 2",
            "4:10: `sql` has more than one statement: `SELECT 1; SELECT 2`; one query; write another rule for another one",
        ),
        (
            "row_count: { change: much }",
            "4:26: `change` has to be a fraction: `much`; allowed: `20%`, or `0.2`; it may be above 100%",
        ),
        ("expect: ''", "4:13: `expect` is empty; allowed: an SQL expression such as `total = net + tax`"),
        ("expect: [a]", "4:13: `expect` has to be an SQL expression: a list of 1; allowed: `total = net + tax`"),
        (
            "expect: a =",
            "4:16: not an SQL expression: Expected: an expression, found: EOF: `a =`; one SQL boolean expression over the row's columns",
        ),
        (
            "expect: '  a = 1) '",
            "4:21: not an SQL expression: Expected: end of expression, found: ): `a = 1)`; one SQL boolean expression over the row's columns",
        ),
    ] {
        assert_eq!(told(rule), expected, "{rule}");
    }
}
