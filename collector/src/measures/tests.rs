//! Cases that were computed by hand.

use super::*;
use chrono::TimeDelta;
use fieldmark_classify::incident::Part;
use fieldmark_model::migration::MigrationReport;
use fieldmark_model::observation::{NoticedBy, ObservationId, State};
use fieldmark_model::{RuleId, TableName};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn told(sequence: u64, second: i64, id: &str, phase: Phase) -> Observation {
    let takes_back = (id == "back").then(|| "bad".to_owned());
    let seen = MigrationSeen {
        source: SourceName::new("shop"),
        id: id.into(),
        name: None,
        noticed_by: NoticedBy::Catalogue,
        began: at(100),
        takes_back,
        phase,
    };
    let id = ObservationId { agent: "db-1".into(), incarnation: 7, sequence };
    Observation { id, time: at(second), body: Body::Migration(Box::new(seen)) }
}

fn ended(second: i64) -> Phase {
    Phase::Ended { at: at(second), changes: Vec::new() }
}

fn judged(verdict: Verdict) -> Phase {
    let report = MigrationReport {
        source: SourceName::new("shop"),
        mark: "m".into(),
        marked_at: at(0),
        recaptured_at: at(0),
        command_status: None,
        verdict,
        reasons: Vec::new(),
        tables: Vec::new(),
        tables_added: Vec::new(),
        lineage: None,
        rules: Vec::new(),
    };
    Phase::Judged { report: Box::new(report) }
}

fn incident(cause: Cause, opened: i64, resolved: Option<i64>, owner: Option<&str>) -> Incident {
    let part = Part {
        agent: "db-1".into(),
        source: Some(SourceName::new("shop")),
        table: Some(TableName::new("public", "orders")),
        rule: Some(RuleId::new("paid")),
        state: State::Systemic,
        since: at(opened),
        changed: at(opened),
        reason: String::new(),
        severity: Severity::Page,
        owner: owner.map(str::to_owned),
        description: None,
        runbook: None,
        escalation: None,
        fixes: Vec::new(),
    };
    Incident {
        id: format!("i{opened}"),
        cause,
        class: State::Systemic,
        severity: Severity::Page,
        opened: at(opened),
        resolved: resolved.map(at),
        acknowledged: None,
        parts: vec![part],
    }
}

fn outcome(status: Status, severity: Severity, owner: Option<&str>) -> Outcome {
    let blank =
        Outcome::blank(SourceName::new("shop"), TableName::new("public", "orders"), RuleId::new("r"), "not_null");
    Outcome { status, severity, owner: owner.map(str::to_owned), ..blank }
}

#[test]
fn a_week_of_a_source_is_as_computed_by_hand() {
    let week = 7 * 24 * 3600;
    let stored = Stored {
        migrations: vec![
            // in whichever order, and one of them twice
            told(4, 190, "good", judged(Verdict::Clean)),
            told(1, 100, "good", Phase::Open { changes: Vec::new() }),
            told(2, 130, "good", ended(130)),
            told(3, 150, "good", ended(150)),
            told(5, 191, "good", judged(Verdict::Clean)),
            told(6, 400, "bad", ended(400)),
            told(7, 420, "bad", judged(Verdict::Broken)),
            told(8, 900, "back", ended(900)),
            told(9, 930, "back", judged(Verdict::AsDeclared)),
            told(10, 2_000, "lost", Phase::Unjudged { why: "no mark".into() }),
            told(11, week + 10, "later", judged(Verdict::Broken)),
            told(12, 3_000, "going", ended(3_000)),
        ],
        incidents: vec![
            incident(Cause::Migration { id: "bad".into(), name: None }, 520, Some(1_000), Some("team")),
            incident(Cause::Source, 5_000, None, None),
            incident(Cause::Source, week + 1, None, None),
        ],
        outcomes: vec![
            outcome(Status::Passed, Severity::Page, Some("team")),
            outcome(Status::Passed, Severity::Info, None),
            outcome(Status::Failed, Severity::Ticket, Some("team")),
            outcome(Status::Inconclusive, Severity::Info, Some("team")),
        ],
    };
    let measures = Measures::of(&stored, at(0), at(week));
    let [source] = &measures.sources[..] else { panic!("{measures:?}") };
    let expected = Migrations {
        over: 4,
        per_week: 4.0,
        verdicts: [("clean", 1), ("broken", 1), ("as_declared", 1), ("not_judged", 1)].into(),
        taken_back: 1,
        failed: 1,
        // 50, 300 and 800 seconds
        duration_seconds: Some(Spread { count: 3, median: 300.0, longest: 800.0 }),
        // 40, 20 and 30
        verdict_seconds: Some(Spread { count: 3, median: 30.0, longest: 40.0 }),
        detect_seconds: Some(Spread { count: 1, median: 120.0, longest: 120.0 }),
    };
    assert_eq!(source.migrations, expected);
    let restore_seconds = Some(Spread { count: 1, median: 480.0, longest: 480.0 });
    assert_eq!(source.incidents, Incidents { opened: 2, open: 1, restore_seconds });
    // 5 of 7 of what is known; 5 and 6 of 8 of all
    let quality = Quality {
        passed: 2,
        failed: 1,
        unknown: 1,
        score: Some(5.0 / 7.0),
        lower: Some(5.0 / 8.0),
        upper: Some(6.0 / 8.0),
    };
    assert_eq!(source.quality, quality);
    let owners: Vec<(Option<&str>, u64, Option<f64>)> =
        measures.owners.iter().map(|own| (own.owner.as_deref(), own.incidents.opened, own.quality.score)).collect();
    assert_eq!(owners, [(None, 1, Some(1.0)), (Some("team"), 1, Some(4.0 / 6.0))]);
}

#[test]
fn of_nothing_nothing_is_said() {
    let measures = Measures::of(&Stored::default(), at(0), at(0));
    assert!(measures.sources.is_empty() && measures.owners.is_empty());
    let only = Stored { outcomes: vec![outcome(Status::NotEvaluated, Severity::Page, None)], ..Stored::default() };
    let quality = Measures::of(&only, at(0), at(10)).sources[0].quality;
    assert_eq!((quality.score, quality.lower, quality.upper), (None, Some(0.0), Some(1.0)));
}
