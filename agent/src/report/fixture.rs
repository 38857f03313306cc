//! Two reports rich enough to show every format at its work.

use super::{
    CourtesySummary, ErrorSummary, MarkSummary, MigrationSummary, Report, SampleSummary, SourceSummary, VERSION,
};
use chrono::{DateTime, Utc};
use fieldmark_model::lineage::{ColumnName, Kind};
use fieldmark_model::migration::{
    ColumnChange, ColumnFate, Expectation, LineageChange, LineageEdge, Loss, LossKind, MigrationReport, RenameEvidence,
    RuleChange, TableChange, Verdict,
};
use fieldmark_model::outcome::{Baseline, UnknownBy};
use fieldmark_model::shape::{ColumnShape, ShapeAxis, ShapeSide};
use fieldmark_model::{Counters, Finding, NotEvaluated, Outcome, RuleId, Severity, SourceName, Status, TableName};

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_773_480_413 + seconds, 0).unwrap()
}

fn orders() -> TableName {
    TableName::new("public", "orders")
}

/// A rule that passed on all of so many rows of `shop public.orders`.
pub(super) fn passed(rule: &str, checked: u64) -> Outcome {
    Outcome {
        fingerprint: "8c1f2a90".into(),
        status: Status::Passed,
        population: Some(checked),
        checked: Some(checked),
        fraction: Some(0.0),
        detect: 0.001,
        owner: Some("team-payments".into()),
        escalation: Some("payments-oncall".into()),
        ..Outcome::blank(SourceName::new("shop"), orders(), RuleId::new(rule), "not_null")
    }
}

fn sampled(rule: &str, kind: &str, failed: u64, checked: u64, interval: [f64; 2], status: Status) -> Outcome {
    Outcome {
        kind: kind.into(),
        status,
        population: Some(200_000),
        failed,
        fraction: Some(failed as f64 / checked as f64),
        interval: Some(interval),
        level: Some(0.95),
        design_effect: Some(1.4),
        sampled: true,
        ..passed(rule, checked)
    }
}

fn total_adds_up() -> Outcome {
    Outcome {
        examples: vec!["id=10241".into(), "id=58113".into(), "id=91460".into(), "id=120077".into(), "id=188902".into()],
        sql: Some(
            "SELECT \"id\" FROM \"public\".\"orders\" WHERE (status <> 'draft  one') AND NOT (total_cents = subtotal_cents + tax_cents)"
                .into(),
        ),
        severity: Severity::Page,
        description: Some("The total is the sum of its parts.".into()),
        runbook: Some("https://runbooks.example/orders/total".into()),
        tolerance: 0.001,
        unknown: 12,
        unknown_by: UnknownBy { null: 9, expression_error: 3, ..UnknownBy::default() },
        baseline: Some(Baseline { rows: 19, since: time(-1_128_413), grown: true }),
        ..sampled("total_adds_up", "expect", 27, 2_843, [0.006_27, 0.013_78], Status::Failed)
    }
}

/// A `check` with every status, two tables, a finding, a source that does not answer.
pub(super) fn check() -> Report {
    let customers = |outcome: Outcome| Outcome { table: TableName::new("public", "customers"), ..outcome };
    Report {
        version: VERSION,
        fieldmark: "0.1.0".into(),
        command: "check".into(),
        started: time(0),
        finished: time(8),
        seed: 7_203_114_559,
        strict: false,
        findings_fail: false,
        sources: vec![SourceSummary {
            name: SourceName::new("shop"),
            database: "PostgreSQL 15.18".into(),
            address: "db.example:5432/shop".into(),
            tables: 2,
            rows_read: 14_000,
            statements: 61,
            statement_seconds: 1.84,
            blocks: Some(7_310),
            server_blocks: Some(9_882),
            courtesy: CourtesySummary {
                gave_way: 1,
                lock_timeouts: 0,
                imposed_wait_seconds: 0.031,
                watchdog_lag_seconds: 0.024,
            },
        }],
        samples: vec![
            SampleSummary {
                source: SourceName::new("shop"),
                table: orders(),
                stratum: "table".into(),
                method: "random keys".into(),
                population: Some(200_000),
                population_exact: false,
                rows: 10_000,
                blocks: None,
            },
            SampleSummary {
                source: SourceName::new("shop"),
                table: TableName::new("public", "customers"),
                stratum: "table".into(),
                method: "all rows".into(),
                population: Some(4_000),
                population_exact: true,
                rows: 4_000,
                blocks: None,
            },
        ],
        outcomes: vec![
            sampled("orders.not_null.customer_id", "not_null", 0, 10_000, [0.0, 0.000_368_8], Status::Passed),
            sampled("orders.unique.order_no", "unique", 0, 10_000, [0.0, 0.000_368_8], Status::Passed),
            total_adds_up(),
            Outcome {
                reason: "about 3 688 rows without a failure would tell; the plan ended at 2 900".into(),
                ..sampled("orders.in_set.status", "in_set", 0, 2_900, [0.0, 0.001_271], Status::Inconclusive)
            },
            Outcome {
                status: Status::NotEvaluated,
                not_evaluated: Some(NotEvaluated::ColumnMissing),
                reason: "public.orders has no column `payload`; the nearest is `payload_json`".into(),
                checked: None,
                fraction: None,
                ..sampled("orders.type_is.payload", "type_is", 0, 1, [0.0, 1.0], Status::NotEvaluated)
            },
            Outcome {
                kind: "fresh".into(),
                reason: "the newest updated_at is 2 min 10 s old; at most 15 min".into(),
                value: Some(130.0),
                checked: None,
                fraction: None,
                severity: Severity::Info,
                ..passed("orders.fresh.updated_at", 200_000)
            },
            customers(Outcome { kind: "length".into(), ..passed("customers.length.country", 4_000) }),
            customers(Outcome {
                kind: "matches".into(),
                status: Status::Failed,
                failed: 1,
                fraction: Some(1.0 / 4000.0),
                severity: Severity::Info,
                owner: None,
                examples: vec!["id=917".into()],
                sql: Some("SELECT \"id\" FROM \"public\".\"customers\" WHERE NOT (\"email\" ~ '@')".into()),
                ..passed("customers.matches.email_address_of_the_person_who_pays_for_all_orders", 4_000)
            }),
        ],
        findings: vec![Finding {
            id: "invalid_encoding".into(),
            source: SourceName::new("shop"),
            table: Some(TableName::new("public", "customers")),
            column: Some("name".into()),
            what: "3 values hold bytes that are not UTF-8".into(),
            remedy: "Find out which client writes them, and declare its encoding.".into(),
        }],
        migration: None,
        errors: vec![ErrorSummary {
            source: Some(SourceName::new("billing")),
            table: None,
            what: "no answer from billing.example:5432 in 5 s".into(),
            remedy: Some("Check that the server runs and that its firewall lets this machine in.".into()),
            nature: None,
        }],
        notes: vec!["public.audit_log has no key: it was left out of the sample's known failing rows.".into()],
    }
}

fn column(name: &str, declared: &str) -> ColumnChange {
    ColumnChange {
        column: name.into(),
        fate: ColumnFate::Kept,
        type_before: Some(declared.into()),
        type_after: Some(declared.into()),
        compared: 9_993,
        changed: 0,
        ordinary: 0,
        fraction: Some(0.0),
        interval: Some([0.0, 0.000_369]),
        smallest_detectable: Some(0.000_369),
        losses: Vec::new(),
        expectation: Expectation::Unchanged,
        reason: String::new(),
        shape: None,
    }
}

/// Of a column whose few values may be shown.
fn shape_of_status() -> ColumnShape {
    let side = |bins: [u64; 2]| Some(ShapeSide { bins: bins.to_vec(), ..ShapeSide::default() });
    ColumnShape {
        axis: ShapeAxis::Values { values: vec!["paid".into(), "new".into()] },
        rows: 9_993,
        least: 0,
        before: side([6_400, 3_593]),
        after: side([5_988, 4_005]),
    }
}

/// Of amounts that became cents.
fn shape_of_total() -> ColumnShape {
    let side = |bins: [u64; 4]| ShapeSide { bins: bins.to_vec(), median: Some(0), ..ShapeSide::default() };
    ColumnShape {
        axis: ShapeAxis::Numbers { edges: vec![0.0, 5_000.0, 10_000.0, 15_000.0, 20_000.0] },
        rows: 9_993,
        least: 5,
        before: Some(side([9_993, 0, 0, 0])),
        after: Some(ShapeSide { null: 3, above: 5, few: 3, ..side([6_120, 2_841, 731, 290]) }),
    }
}

fn order_changes() -> TableChange {
    TableChange {
        table: orders(),
        renamed_from: None,
        verdict: Verdict::Broken,
        reasons: vec![
            "7 of 10 000 marked rows vanished and nothing explains it".into(),
            "cents_from_total does not hold for 27 of 9 993 rows".into(),
            "the rule total_adds_up passed before and fails now".into(),
        ],
        against: 1,
        marked: 10_000,
        unchanged: 0,
        changed: 9_993,
        vanished: 7,
        vanished_explained: 0,
        vanished_interval: Some([0.000_281, 0.001_442]),
        rows_before: Some(200_000),
        rows_after: Some(199_873),
        rows_estimated: [false, true],
        written: Some(Counters { inserted: Some(41), updated: Some(200_012), deleted: Some(168), rows: None }),
        rewritten: true,
        columns: vec![
            column("id", "bigint"),
            column("customer_id", "bigint"),
            column("order_no", "text"),
            ColumnChange {
                changed: 412,
                ordinary: 30,
                fraction: Some(0.0382),
                interval: Some([0.034_5, 0.042_2]),
                expectation: Expectation::Surprising,
                reason: "382 values became 'new'; 6 would be ordinary in as much time (p < 0.0001)".into(),
                shape: Some(shape_of_status()),
                ..column("status", "text")
            },
            ColumnChange {
                changed: 38,
                ordinary: 38,
                expectation: Expectation::Ordinary,
                reason: "the rows' own stamps are not the migration's".into(),
                ..column("updated_at", "timestamp with time zone")
            },
            ColumnChange {
                fate: ColumnFate::RenamedAndRetyped { from: "total".into(), by: RenameEvidence::Declared },
                type_before: Some("numeric(10,2)".into()),
                type_after: Some("bigint".into()),
                changed: 9_993,
                fraction: Some(1.0),
                interval: Some([0.999_63, 1.0]),
                smallest_detectable: None,
                losses: vec![Loss { kind: LossKind::Precision, rows: 27 }, Loss { kind: LossKind::ToNull, rows: 3 }],
                expectation: Expectation::Declared,
                reason: "renamed: and expect: of the rule file speak of it".into(),
                shape: Some(shape_of_total()),
                ..column("total_cents", "bigint")
            },
            ColumnChange {
                fate: ColumnFate::Added,
                type_before: None,
                type_after: Some("character(3)".into()),
                compared: 0,
                fraction: None,
                interval: None,
                smallest_detectable: None,
                expectation: Expectation::Declared,
                ..column("currency", "character(3)")
            },
            ColumnChange {
                fate: ColumnFate::Dropped,
                type_before: Some("text".into()),
                type_after: None,
                compared: 0,
                fraction: None,
                interval: None,
                smallest_detectable: None,
                expectation: Expectation::Surprising,
                reason: "4 120 of 10 000 marked rows had a value in it".into(),
                ..column("coupon_code", "text")
            },
        ],
        transitions: vec![
            sampled("orders.same.customer_id", "same", 0, 9_993, [0.0, 0.000_369], Status::Passed),
            Outcome {
                examples: vec!["id=10241".into(), "id=58113".into()],
                severity: Severity::Page,
                description: Some("Cents are the old total, rounded.".into()),
                ..sampled("cents_from_total", "expect", 27, 9_993, [0.001_781, 0.003_928], Status::Failed)
            },
        ],
        undeclared_changes_fail: true,
        examples: vec!["id=3314 vanished".into(), "id=9071 vanished".into()],
    }
}

fn customer_changes() -> TableChange {
    TableChange {
        table: TableName::new("public", "customers"),
        renamed_from: Some(TableName::new("public", "clients")),
        verdict: Verdict::AsDeclared,
        reasons: Vec::new(),
        against: 1,
        marked: 4_000,
        unchanged: 3_988,
        changed: 10,
        vanished: 2,
        vanished_explained: 2,
        vanished_interval: None,
        rows_before: Some(4_000),
        rows_after: Some(4_000),
        rows_estimated: [false; 2],
        written: None,
        rewritten: false,
        columns: vec![
            ColumnChange { compared: 3_998, interval: None, ..column("id", "bigint") },
            ColumnChange {
                compared: 3_998,
                changed: 10,
                ordinary: 10,
                expectation: Expectation::Ordinary,
                ..column("email", "text")
            },
        ],
        transitions: Vec::new(),
        undeclared_changes_fail: false,
        examples: Vec::new(),
    }
}

/// A `guard` of a migration that broke one table.
pub(super) fn guard() -> Report {
    let mut report = check();
    let shop = SourceName::new("shop");
    let after = |rule: &Outcome| rule.clone();
    let kept = sampled("orders.not_null.customer_id", "not_null", 0, 9_993, [0.0, 0.000_369], Status::Passed);
    let total_before = Outcome {
        tolerance: 0.001,
        ..sampled("total_adds_up", "expect", 0, 10_000, [0.0, 0.000_368_8], Status::Passed)
    };
    let rules = vec![
        RuleChange { before: kept.clone(), after: after(&kept) },
        RuleChange { before: total_before, after: total_adds_up() },
    ];
    report.command = "guard".into();
    report.finished = time(292);
    report.outcomes = rules.iter().map(|rule| after(&rule.after)).collect();
    report.errors.clear();
    report.findings.clear();
    report.notes =
        vec!["public.sessions was not marked: marks.max_bytes is reached. Its rows were only counted.".into()];
    report.migration = Some(MigrationSummary {
        verdict: Some(Verdict::Broken),
        command_status: Some(0),
        marks: vec![MarkSummary {
            source: shop.clone(),
            id: "shop-20260314T092653Z-6d1f0c".into(),
            taken: time(0),
            path: "/var/lib/fieldmark/marks/shop".into(),
            tables: 2,
            rows: 14_000,
            bytes: 1_468_006,
        }],
        sources: vec![MigrationReport {
            source: shop,
            mark: "shop-20260314T092653Z-6d1f0c".into(),
            marked_at: time(0),
            recaptured_at: time(252),
            command_status: Some(0),
            verdict: Verdict::Broken,
            reasons: vec!["public.orders: rows vanished, a declared transition does not hold, a rule fails".into()],
            tables: vec![order_changes(), customer_changes()],
            tables_added: vec![TableName::new("public", "order_totals")],
            lineage: Some(LineageChange {
                renamed: Vec::new(),
                removed: Vec::new(),
                added: vec![LineageEdge {
                    source: ColumnName::new("public.orders", "total"),
                    target: ColumnName::new("public.order_totals", "total"),
                    kind: Kind::Aggregation,
                    origin: "migration 0042_totals.sql:3".into(),
                }],
            }),
            rules,
        }],
    });
    report
}

/// A `before`.
pub(super) fn before() -> Report {
    let mut report = guard();
    report.command = "before".into();
    report.notes.clear();
    report.outcomes.truncate(1);
    if let Some(migration) = &mut report.migration {
        migration.verdict = None;
        migration.command_status = None;
        migration.sources.clear();
    }
    report
}
