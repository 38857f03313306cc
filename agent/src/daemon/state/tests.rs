//! Cases of the state: events and a made-up time in, effects out.

mod passing;

use super::super::event::{Judged, Left};
use super::*;
use fieldmark_model::migration::{MigrationReport, Verdict};
use fieldmark_model::outcome::{KnownFailing, Nature};
use fieldmark_model::{NotEvaluated, Outcome, RuleId, Severity, Status, TableName};

struct Case {
    state: State,
    up: u64,
}

fn shop() -> SourceName {
    SourceName::new("shop")
}

fn schema(text: &str) -> Fingerprint {
    Fingerprint { pulse: None, schema: text.to_owned() }
}

fn looked(text: &str) -> Done {
    Done::Looked { fingerprint: schema(text), changes: vec![format!("{text} now")], tables: None, late: None }
}

fn marked(mark: &str, text: Option<&str>) -> Done {
    Done::Marked { mark: mark.to_owned(), tables: 1, rows: 2, bytes: 3, fingerprint: text.map(schema) }
}

fn checked() -> Done {
    let (database, address) = ("PostgreSQL 15".into(), "here".into());
    Done::Checked { bodies: Vec::new(), database, address, tables: 1, rules: 2, unwell: Vec::new() }
}

fn failed(what: &str) -> Done {
    Done::Failed { fault: SourceFault { what: what.to_owned(), nature: Nature::Transient, remedy: String::new() } }
}

fn refused(what: &str) -> Done {
    Done::Failed { fault: SourceFault { what: what.to_owned(), nature: Nature::Permanent, remedy: String::new() } }
}

fn judged() -> Done {
    let report = MigrationReport {
        source: shop(),
        mark: "m".into(),
        marked_at: DateTime::UNIX_EPOCH,
        recaptured_at: DateTime::UNIX_EPOCH,
        command_status: None,
        verdict: Verdict::Broken,
        reasons: Vec::new(),
        tables: Vec::new(),
        tables_added: Vec::new(),
        lineage: None,
        rules: Vec::new(),
    };
    let judged = Box::new(Judged { migration: Box::new(report), source: None, seed: 7 });
    Done::Judged { judged, bodies: Vec::new(), left: Left { tables: (None, None), ways_back: Ok(Vec::new()) } }
}

impl Case {
    fn new(remembered: Option<Remembered>) -> (Self, Vec<Effect>) {
        Self::with(remembered, None)
    }

    fn with(remembered: Option<Remembered>, episodes: Option<Episodes>) -> (Self, Vec<Effect>) {
        let mut case = Self { state: State::new(7), up: 0 };
        let plan = Plan {
            sources: vec![Known { source: shop(), remembered, episodes }],
            patience: Patience::new(Duration::from_secs(900)),
            every: Duration::from_secs(300),
            marks_every: Duration::from_secs(600),
            catalogue_every: Duration::from_secs(5),
        };
        let effects = case.event(Event::Loaded(plan));
        (case, effects)
    }

    fn now(&self) -> Now {
        let wall = DateTime::UNIX_EPOCH + chrono::TimeDelta::milliseconds(self.up as i64);
        Now { wall, up: Duration::from_millis(self.up), steady: wall }
    }

    /// The lineage is read at once, and nothing is new of it: it stands in the way of nothing else.
    fn event(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = self.raw(event);
        let reads = |effect: &Effect| matches!(effect, Effect::Run { job: Job::Lineage { .. }, .. });
        while let Some(at) = effects.iter().position(reads) {
            let Effect::Run { source, job, .. } = effects.remove(at) else { unreachable!() };
            let done = Done::Lineage { bodies: Vec::new(), told: Box::default() };
            effects.extend(self.raw(Event::Done { source, job, done }));
        }
        effects
    }

    fn raw(&mut self, event: Event) -> Vec<Effect> {
        let now = self.now();
        self.state.apply(event, now)
    }

    /// What happens when so many milliseconds have passed.
    fn after(&mut self, milliseconds: u64) -> Vec<Effect> {
        self.up += milliseconds;
        self.event(Event::Tick)
    }

    fn done(&mut self, job: Job, done: Done) -> Vec<Effect> {
        self.event(Event::Done { source: shop(), job, done })
    }

    /// A source that was looked at, marked and checked.
    fn settled() -> Self {
        let (mut case, _) = Self::new(None);
        case.done(Job::Look { known: None }, looked("one"));
        case.done(Job::Mark, marked("m1", Some("one")));
        case.done(Job::Check, checked());
        case
    }
}

fn jobs(effects: &[Effect]) -> Vec<Job> {
    let job = |effect: &Effect| if let Effect::Run { job, .. } = effect { Some(job.clone()) } else { None };
    effects.iter().filter_map(job).collect()
}

fn recorded(effects: &[Effect]) -> Vec<&Body> {
    fn bodies(effect: &Effect) -> &[Body] {
        if let Effect::Record { bodies, .. } = effect { bodies } else { &[] }
    }
    effects.iter().flat_map(bodies).collect()
}

fn phases(effects: &[Effect]) -> Vec<&'static str> {
    let phase = |body: &Body| {
        let Body::Migration(seen) = body else { return None };
        Some(match seen.phase {
            Phase::Open { .. } => "open",
            Phase::Ended { .. } => "ended",
            Phase::Judged { .. } => "judged",
            Phase::Unjudged { .. } => "unjudged",
        })
    };
    recorded(effects).into_iter().filter_map(phase).collect()
}

fn answers(effects: &[Effect]) -> Vec<Result<String, String>> {
    let word = |answer: Answer| match answer {
        Answer::Told(told) => told,
        Answer::Judged(judged) => judged.migration.verdict.as_str().to_owned(),
    };
    let answer = |effect: &Effect| {
        let Effect::Answer { answer, .. } = effect else { return None };
        Some(answer.clone().map(word))
    };
    effects.iter().filter_map(answer).collect()
}

#[test]
fn a_source_is_looked_at_marked_and_checked_one_after_the_other() {
    let (mut case, effects) = Case::new(None);
    assert_eq!(jobs(&effects), [Job::Look { known: None }]);
    assert_eq!(case.after(60_000), [], "one thing at a time");
    let effects = case.done(Job::Look { known: None }, looked("one"));
    assert_eq!(jobs(&effects), [Job::Mark]);
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Remember { remembered, .. } if remembered.mark.is_none()))
    );
    let effects = case.done(Job::Mark, marked("m1", Some("one")));
    assert!(effects.iter().any(
        |effect| matches!(effect, Effect::Remember { remembered, .. } if remembered.mark.as_deref() == Some("m1"))
    ));
    assert_eq!(jobs(&effects), [Job::Check]);
    assert_eq!(jobs(&case.done(Job::Check, checked())), []);
    assert_eq!(jobs(&case.after(5_000)), [Job::Look { known: Some(schema("one")) }]);
    assert_eq!(jobs(&case.done(Job::Look { known: None }, looked("one"))), []);
}

#[test]
fn t2_what_was_missed_is_made_up_for_once() {
    let mut case = Case::settled();
    // the machine slept for an hour: twelve checks and six marks
    assert_eq!(jobs(&case.after(3_600_000)), [Job::Look { known: Some(schema("one")) }]);
    assert_eq!(jobs(&case.done(Job::Look { known: None }, looked("one"))), [Job::Mark]);
    assert_eq!(jobs(&case.done(Job::Mark, marked("m2", Some("one")))), [Job::Check]);
    assert_eq!(jobs(&case.done(Job::Check, checked())), []);
    let look = jobs(&case.after(5_000));
    assert_eq!(look.len(), 1);
    assert_eq!(jobs(&case.done(look[0].clone(), looked("one"))), [], "and no more than once");
}

#[test]
fn a_schema_that_changes_is_a_migration_and_over_when_it_rests() {
    let mut case = Case::settled();
    case.after(5_000);
    let effects = case.done(Job::Look { known: None }, looked("two"));
    assert_eq!((phases(&effects), jobs(&effects)), (vec!["open"], vec![]));
    // it goes on: no mark and no check of what is half done, however long
    case.after(5_000);
    assert_eq!(phases(&case.done(Job::Look { known: None }, looked("three"))), ["open"]);
    assert_eq!(jobs(&case.after(700_000)), [Job::Look { known: Some(schema("three")) }]);
    let effects = case.done(Job::Look { known: None }, looked("three"));
    assert_eq!(phases(&effects), ["ended"]);
    assert_eq!(jobs(&effects), [Job::Recapture { mark: "m1".into() }], "by the mark of before");
    let effects = case.done(Job::Recapture { mark: "m1".into() }, judged());
    assert_eq!(phases(&effects), ["judged"]);
    assert_eq!(jobs(&effects), [Job::Look { known: Some(schema("three")) }], "it is the schema that was judged");
    assert_eq!(jobs(&case.done(Job::Look { known: None }, looked("three"))), [Job::Mark]);
}

#[test]
fn whether_a_migration_rests_is_seen_sooner_than_whether_there_is_one() {
    let mut case = Case::settled();
    case.after(5_000);
    assert_eq!(phases(&case.done(Job::Look { known: None }, looked("two"))), ["open"]);
    assert_eq!(jobs(&case.after(2_400)), []);
    assert_eq!(jobs(&case.after(100)), [Job::Look { known: Some(schema("two")) }]);
    assert_eq!(phases(&case.done(Job::Look { known: None }, looked("two"))), ["ended"]);
}

#[test]
fn a_migration_while_another_is_judged_is_noticed() {
    let mut case = Case::settled();
    case.after(5_000);
    case.done(Job::Look { known: None }, looked("two"));
    case.after(5_000);
    case.done(Job::Look { known: None }, looked("two"));
    // the next one begins while the rows are read
    case.done(Job::Recapture { mark: "m1".into() }, judged());
    let effects = case.done(Job::Look { known: None }, looked("three"));
    assert_eq!((phases(&effects), jobs(&effects)), (vec!["open"], vec![]));
    // and one that changes again before it is judged is judged when it rests
    case.after(5_000);
    assert_eq!(phases(&case.done(Job::Look { known: None }, looked("three"))), ["ended", "unjudged"], "without a mark");
}

#[test]
fn one_that_goes_on_after_it_had_rested_is_not_judged_half_done() {
    let mut case = Case::settled();
    case.after(5_000);
    case.done(Job::Look { known: None }, looked("two"));
    case.after(5_000);
    case.done(Job::Look { known: None }, looked("two"));
    case.done(Job::Recapture { mark: "m1".into() }, failed("a lock"));
    let mut effects = case.after(5_000);
    assert_eq!(jobs(&effects), [Job::Look { known: Some(schema("two")) }], "looked at again before it is tried again");
    effects = case.done(Job::Look { known: None }, looked("three"));
    assert_eq!((phases(&effects), jobs(&effects)), (vec!["open"], vec![]));
    case.after(5_000);
    effects = case.done(Job::Look { known: None }, looked("three"));
    assert_eq!((phases(&effects), jobs(&effects)), (vec!["ended"], vec![Job::Recapture { mark: "m1".into() }]));
}

#[test]
fn one_that_is_open_is_known_after_a_restart() {
    let mut case = Case::settled();
    case.event(Event::Asked { ask: Ask::Open { source: shop(), name: Some("0042".into()) }, ticket: 1 });
    let effects = case.done(Job::Mark, marked("m2", Some("one")));
    let remembered = effects.iter().find_map(|effect| {
        let Effect::Remember { remembered, .. } = effect else { return None };
        Some(remembered.clone())
    });
    let opened = answers(&effects);
    let (mut case, effects) = Case::new(remembered);
    assert_eq!(jobs(&effects), [Job::Look { known: Some(schema("one")) }]);
    // what was done to the schema meanwhile is its own
    assert_eq!(phases(&case.done(Job::Look { known: None }, looked("two"))), ["open"]);
    case.done(Job::Check, checked());
    let mut seen = Vec::new();
    let mut effects = case.event(Event::Asked { ask: Ask::Close(shop()), ticket: 1 });
    while let [job] = jobs(&effects).as_slice() {
        seen.push(job.clone());
        let done = match job {
            Job::Look { .. } => looked("two"),
            Job::Mark => marked("m3", Some("two")),
            Job::Check => checked(),
            Job::Recheck { .. } => Done::Rechecked { bodies: Vec::new() },
            Job::Recapture { .. } => judged(),
            Job::Lineage { .. } => unreachable!(),
        };
        effects = case.done(job.clone(), done);
        let judged = recorded(&effects).into_iter().find_map(|body| {
            let Body::Migration(seen) = body else { return None };
            matches!(seen.phase, Phase::Judged { .. }).then(|| seen.clone())
        });
        if let Some(judged) = judged {
            assert_eq!((opened, judged.name.as_deref()), (vec![Ok(judged.id)], Some("0042")), "the same one");
            assert!(seen.contains(&Job::Recapture { mark: "m2".into() }), "{seen:?}");
            return;
        }
    }
    panic!("not judged: {seen:?}");
}

#[test]
fn a_mark_that_does_not_fit_has_the_schema_looked_at_anew() {
    let mut case = Case::settled();
    case.event(Event::Asked { ask: Ask::Mark(shop()), ticket: 1 });
    let effects = case.done(Job::Mark, marked("m2", Some("two")));
    assert_eq!(jobs(&effects), [Job::Look { known: None }], "with nothing taken for granted");
    assert_eq!(phases(&case.done(Job::Look { known: None }, looked("two"))), ["open"]);
}

#[test]
fn a_mark_of_another_schema_is_no_mark_of_this_one() {
    let (mut case, _) = Case::new(None);
    case.done(Job::Look { known: None }, looked("one"));
    // the schema changed while it was taken, or just before
    for mark in [marked("m1", None), marked("m2", Some("two"))] {
        let effects = case.done(Job::Mark, mark);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Remember { .. })));
    }
    case.done(Job::Check, checked());
    case.after(5_000);
    case.done(Job::Look { known: None }, looked("two"));
    case.after(5_000);
    let effects = case.done(Job::Look { known: None }, looked("two"));
    assert_eq!(phases(&effects), ["ended", "unjudged"]);
}

#[test]
fn a_migration_while_nothing_ran_is_noticed_at_the_start() {
    let remembered = Remembered::new(Some(schema("one")), Some("m1".into()), None);
    let (mut case, effects) = Case::new(Some(remembered));
    assert_eq!(jobs(&effects), [Job::Look { known: Some(schema("one")) }]);
    assert_eq!(phases(&case.done(Job::Look { known: None }, looked("two"))), ["open"]);
    case.after(5_000);
    let effects = case.done(Job::Look { known: None }, looked("two"));
    assert_eq!(jobs(&effects), [Job::Recapture { mark: "m1".into() }]);
}

#[test]
fn one_that_is_opened_begins_with_a_mark_and_ends_when_it_is_closed() {
    let mut case = Case::settled();
    let open = || Ask::Open { source: shop(), name: Some("0042".into()) };
    let effects = case.event(Event::Asked { ask: open(), ticket: 1 });
    assert_eq!((jobs(&effects), answers(&effects).len()), (vec![Job::Mark], 0), "answered when there is a mark");
    let again = case.event(Event::Asked { ask: open(), ticket: 2 });
    assert!(matches!(answers(&again)[..], [Err(_)]), "one at a time");
    let effects = case.done(Job::Mark, marked("m2", Some("one")));
    assert_eq!((phases(&effects), answers(&effects).len()), (vec!["open"], 1));
    // whatever the schema does, and however long it rests
    for text in ["two", "two", "two", "three", "three"] {
        case.after(5_000);
        let effects = case.done(Job::Look { known: None }, looked(text));
        assert!(!phases(&effects).contains(&"ended"));
    }
    let effects = case.event(Event::Asked { ask: Ask::Close(shop()), ticket: 3 });
    assert_eq!((phases(&effects), jobs(&effects)), (vec!["ended"], vec![Job::Look { known: Some(schema("three")) }]));
    let effects = case.done(Job::Look { known: None }, looked("four"));
    assert_eq!((phases(&effects), jobs(&effects)), (vec!["ended"], vec![Job::Recapture { mark: "m2".into() }]));
    let effects = case.done(Job::Recapture { mark: "m2".into() }, judged());
    assert_eq!(answers(&effects), [Ok("broken".to_owned())], "the verdict is the answer");
    let closed = case.event(Event::Asked { ask: Ask::Close(shop()), ticket: 4 });
    assert!(matches!(answers(&closed)[..], [Err(_)]));
}

#[test]
fn one_that_cannot_be_marked_is_not_opened() {
    for refused in [Done::Unmarked { why: "nothing to mark".into() }, failed("it cannot be reached")] {
        let mut case = Case::settled();
        case.event(Event::Asked { ask: Ask::Open { source: shop(), name: None }, ticket: 1 });
        let effects = case.done(Job::Mark, refused);
        assert!(matches!(answers(&effects)[..], [Err(_)]));
        assert_eq!(phases(&effects), Vec::<&str>::new());
    }
}

#[test]
fn a_source_that_does_not_answer_is_asked_less_and_less() {
    let mut case = Case::settled();
    case.after(5_000);
    let (mut tries, mut told) = (0, 0);
    let mut effects = case.done(Job::Look { known: None }, failed("no answer"));
    for _ in 0..600 {
        told += effects.iter().filter(|effect| matches!(effect, Effect::Warn(_))).count();
        effects = case.after(1_000);
        if let [job] = jobs(&effects).as_slice() {
            tries += 1;
            effects = case.done(job.clone(), failed("no answer"));
        }
    }
    assert!((12..=20).contains(&tries), "{tries} in ten minutes");
    assert_eq!(told, 1, "said once");
    // it answers again: it is checked at once
    let job = loop {
        if let [job] = jobs(&case.after(1_000)).as_slice() {
            break job.clone();
        }
    };
    let mut effects = case.done(job, looked("one"));
    let mut done = Vec::new();
    while let [job] = jobs(&effects).as_slice() {
        done.push(job.clone());
        effects = case.done(job.clone(), if *job == Job::Check { checked() } else { marked("m", Some("one")) });
    }
    assert!(done.contains(&Job::Check), "{done:?}");
}

#[test]
fn a_recapture_is_given_up_when_it_is_refused_or_after_an_hour() {
    type Fails = fn(&Job) -> Done;
    let away: Fails = |_| failed("no answer");
    let refusing: Fails = |job| if matches!(job, Job::Look { .. }) { looked("two") } else { refused("no right to") };
    for (fails, minutes) in [(away, 60..=62), (refusing, 0..=1)] {
        let mut case = Case::settled();
        case.after(5_000);
        case.done(Job::Look { known: None }, looked("two"));
        case.after(5_000);
        let mut effects = case.done(Job::Look { known: None }, looked("two"));
        let (begun, mut tries) = (case.up, 0);
        while !phases(&effects).contains(&"unjudged") {
            assert!(case.up < 7_200_000);
            effects = match jobs(&effects).as_slice() {
                [job] => {
                    tries += usize::from(matches!(job, Job::Recapture { .. }));
                    case.done(job.clone(), fails(job))
                }
                _ => case.after(1_000),
            };
        }
        assert!(minutes.contains(&((case.up - begun) / 60_000)), "{} s, {tries} tries", (case.up - begun) / 1_000);
    }
}

#[test]
fn who_closes_while_the_source_is_away_is_told_so_and_the_verdict_later() {
    let mut case = Case::settled();
    case.event(Event::Asked { ask: Ask::Open { source: shop(), name: None }, ticket: 1 });
    case.done(Job::Mark, marked("m2", Some("one")));
    let mut effects = case.event(Event::Asked { ask: Ask::Close(shop()), ticket: 2 });
    effects = case.done(jobs(&effects)[0].clone(), failed("no answer"));
    assert!(matches!(&answers(&effects)[..], [Err(why)] if why.contains("tried again")), "{effects:?}");
    effects = case.event(Event::Asked { ask: Ask::Close(shop()), ticket: 3 });
    while answers(&effects).is_empty() {
        assert!(case.up < 600_000);
        effects = match jobs(&effects).as_slice() {
            [job @ Job::Look { .. }] => case.done(job.clone(), looked("one")),
            [job] => case.done(job.clone(), judged()),
            _ => case.after(1_000),
        };
    }
    assert_eq!(answers(&effects), [Ok("broken".to_owned())]);
}

#[test]
fn what_is_asked_comes_first_and_is_answered() {
    let mut case = Case::settled();
    let effects = case.event(Event::Asked { ask: Ask::Check(shop()), ticket: 1 });
    assert_eq!(jobs(&effects), [Job::Check]);
    let effects = case.event(Event::Asked { ask: Ask::Mark(shop()), ticket: 2 });
    assert_eq!(effects, []);
    let effects = case.done(Job::Check, checked());
    assert_eq!((answers(&effects).len(), jobs(&effects)), (1, vec![Job::Mark]));
    assert_eq!(answers(&case.done(Job::Mark, marked("m9", Some("one")))), [Ok("m9".to_owned())]);
    let stranger = case.event(Event::Asked { ask: Ask::Check(SourceName::new("elsewhere")), ticket: 3 });
    assert!(matches!(&answers(&stranger)[..], [Err(why)] if why.contains("elsewhere")));
}

#[test]
fn a_new_configuration_keeps_what_is_known() {
    let mut case = Case::settled();
    let plan = |sources: Vec<&str>| Plan {
        sources: sources
            .into_iter()
            .map(|name| Known { source: SourceName::new(name), remembered: None, episodes: None })
            .collect(),
        patience: Patience::new(Duration::from_secs(900)),
        ..case.state.plan.clone()
    };
    let (both, other) = (plan(vec!["shop", "other"]), plan(vec!["other"]));
    let effects = case.event(Event::Loaded(both));
    assert_eq!(jobs(&effects), [Job::Look { known: Some(schema("one")) }], "of the one that was there");
    let effects = case.after(1_000);
    assert_eq!(jobs(&effects), [Job::Look { known: None }], "of the one that is new");
    case.event(Event::Asked { ask: Ask::Check(shop()), ticket: 1 });
    assert!(matches!(&answers(&case.event(Event::Loaded(other)))[..], [Err(why)] if why.contains("shop")));
    // what comes of a source that is gone is of no use, and who waits for it is told
    assert_eq!(case.done(Job::Look { known: None }, looked("two")), []);
}

#[test]
fn when_it_ends_nothing_is_begun() {
    let mut case = Case::settled();
    case.after(5_000);
    assert_eq!(case.event(Event::Stop), []);
    assert!(case.state.is_busy());
    assert_eq!(jobs(&case.done(Job::Look { known: None }, Done::Cancelled)), []);
    assert!(!case.state.is_busy());
    assert_eq!(case.after(900_000), []);
}

#[test]
fn what_is_found_again_and_again_is_told_once_an_hour() {
    let mut case = Case::settled();
    let finding = |what: &str| {
        let (id, what, remedy) = ("invalid_encoding".into(), what.to_owned(), String::new());
        Body::Finding(Finding { id, source: shop(), table: None, column: None, what, remedy })
    };
    let mut check = |minutes: u64, found: &[&str]| {
        case.up += minutes * 60_000;
        case.event(Event::Asked { ask: Ask::Check(shop()), ticket: 1 });
        let bodies = found.iter().map(|what| finding(what)).collect();
        let (database, address) = ("PostgreSQL 15".into(), "here".into());
        let done = Done::Checked { bodies, database, address, tables: 1, rules: 2, unwell: Vec::new() };
        let effects = case.done(Job::Check, done);
        recorded(&effects).iter().filter(|body| matches!(body, Body::Finding(_))).count()
    };
    assert_eq!(check(5, &["a"]), 1);
    assert_eq!(check(5, &["a", "b"]), 1, "what is new");
    assert_eq!(check(49, &["a", "b"]), 0);
    assert_eq!(check(6, &["a", "b"]), 1, "an hour after the first");
    assert_eq!(check(5, &["b"]), 1, "and after the second");
    assert_eq!(check(5, &["a"]), 1, "gone and there again");
}

#[test]
fn a_source_is_told_of_when_it_is_another_thing_than_before() {
    let mut case = Case::settled();
    let sources = |effects: &[Effect]| recorded(effects).iter().filter(|body| matches!(body, Body::Source(_))).count();
    let check = |case: &mut Case, done: Done| {
        case.event(Event::Asked { ask: Ask::Check(shop()), ticket: 1 });
        case.done(Job::Check, done)
    };
    assert_eq!(sources(&check(&mut case, checked())), 0, "as it was");
    assert_eq!(sources(&check(&mut case, failed("no answer"))), 1);
    case.up += 60_000;
    assert_eq!(sources(&check(&mut case, failed("no answer"))), 0);
    case.up += 60_000;
    assert_eq!(sources(&check(&mut case, checked())), 1);
}

fn outcome(failed: u64) -> Body {
    let blank = Outcome::blank(shop(), TableName::new("public", "orders"), RuleId::new("paid"), "not_null");
    let status = if failed > 0 { Status::Failed } else { Status::Passed };
    let known_failing = (failed > 0).then_some(KnownFailing { known: failed, failing: failed, since: None });
    let reason = format!("{failed} of 100 fail");
    Body::Outcome(Box::new(Outcome { status, failed, known_failing, reason, severity: Severity::Page, ..blank }))
}

fn gave(failed: u64) -> Done {
    let Done::Checked { database, address, tables, rules, unwell, .. } = checked() else { panic!("{failed}") };
    Done::Checked { bodies: vec![outcome(failed)], database, address, tables, rules, unwell }
}

/// The changes of state that are told: of what, to what.
fn told(effects: &[Effect]) -> Vec<(bool, fieldmark_model::observation::State)> {
    let state =
        |body: &Body| if let Body::State(change) = body { Some((change.rule.is_some(), change.to)) } else { None };
    recorded(effects).into_iter().filter_map(state).collect()
}

fn kept(effects: &[Effect]) -> Option<Episodes> {
    let kept =
        |effect: &Effect| if let Effect::Keep { episodes, .. } = effect { Some((**episodes).clone()) } else { None };
    effects.iter().rev().find_map(kept)
}

/// What a job gives that finds so many rows failing, or that the source is away.
fn gives(job: &Job, failed: Option<u64>) -> Done {
    match (job, failed) {
        (_, None) => self::failed("it cannot be reached"),
        (Job::Look { .. }, _) => looked("one"),
        (Job::Mark, _) => marked("m1", Some("one")),
        (Job::Check, Some(failed)) => gave(failed),
        (Job::Recheck { .. }, Some(failed)) => Done::Rechecked { bodies: vec![outcome(failed)] },
        (Job::Recapture { .. }, _) => judged(),
        (Job::Lineage { .. }, _) => unreachable!(),
    }
}

/// Goes on for so many seconds; whatever is asked for is done at once.
fn goes_on(case: &mut Case, seconds: u64, failed: Option<u64>) -> (Vec<Effect>, Vec<Job>) {
    let (mut all, mut done) = (Vec::new(), Vec::new());
    for _ in 0..seconds {
        let mut effects = case.after(1_000);
        while let [job] = jobs(&effects).as_slice() {
            done.push(job.clone());
            all.extend(effects.clone());
            effects = case.done(job.clone(), gives(job, failed));
        }
        all.extend(effects);
    }
    (all, done)
}

#[test]
fn what_is_suspected_is_checked_again_soon_and_systemic_when_it_stays() {
    use fieldmark_model::observation::State as S;
    let mut case = Case::settled();
    let (effects, done) = goes_on(&mut case, 400, Some(3));
    assert_eq!(told(&effects), [(true, S::Suspect)]);
    let rechecks = done.iter().filter(|job| matches!(job, Job::Recheck { .. })).count();
    assert!((2..=8).contains(&rechecks), "{rechecks}: {done:?}");
    assert!(done.contains(&Job::Recheck { tables: vec![TableName::new("public", "orders")] }));
    let (effects, _) = goes_on(&mut case, 1_200, Some(3));
    assert_eq!(told(&effects), [(true, S::Systemic)]);
    // it is known after a restart, and not told again
    let episodes = kept(&effects).unwrap();
    let up = case.up;
    let remembered = Remembered::new(Some(schema("one")), Some("m1".into()), None);
    let (mut case, mut effects) = Case::with(Some(remembered), Some(episodes));
    case.up = up;
    while let [job] = jobs(&effects).as_slice() {
        effects = case.done(job.clone(), gives(job, Some(3)));
        assert_eq!(told(&effects), []);
    }
    let (effects, _) = goes_on(&mut case, 3_000, Some(3));
    assert_eq!(told(&effects), []);
    let (effects, _) = goes_on(&mut case, 700, Some(0));
    assert_eq!(told(&effects), [(true, S::Resolved)], "after more than an hour somebody has repaired it");
}

#[test]
fn a_source_that_is_away_for_a_while_is_transient_and_its_rules_are_as_they_were() {
    use fieldmark_model::observation::State as S;
    let mut case = Case::settled();
    let (effects, _) = goes_on(&mut case, 20, None);
    assert_eq!(told(&effects), [(false, S::Suspect)]);
    let (effects, _) = goes_on(&mut case, 400, Some(0));
    assert_eq!(told(&effects), [(false, S::Transient)]);
    let (effects, _) = goes_on(&mut case, 1_200, None);
    assert_eq!(told(&effects), [(false, S::Suspect), (false, S::Systemic)], "and for good it is systemic");
}

#[test]
fn a_table_of_which_more_cannot_be_checked_is_told_anew() {
    use fieldmark_model::observation::State as S;
    let rule = |name: &str, severity, blind: bool| {
        let blank = Outcome::blank(shop(), TableName::new("public", "orders"), RuleId::new(name), "not_null");
        let (status, why) =
            if blind { (Status::NotEvaluated, Some(NotEvaluated::PermissionDenied)) } else { (Status::Passed, None) };
        Body::Outcome(Box::new(Outcome { status, not_evaluated: why, severity, ..blank }))
    };
    let mut case = Case::settled();
    let mut ticket = 0;
    let mut check = |case: &mut Case, first: bool, second: bool| -> Vec<(S, S, Severity, String)> {
        ticket += 1;
        let Done::Checked { database, address, tables, rules, unwell, .. } = checked() else { panic!("{ticket}") };
        let bodies = vec![rule("a", Severity::Ticket, first), rule("b", Severity::Page, second)];
        let done = Done::Checked { bodies, database, address, tables, rules, unwell };
        case.up += 60_000;
        case.event(Event::Asked { ask: Ask::Check(shop()), ticket });
        let effects = case.done(Job::Check, done);
        let state = |body: &Body| {
            let Body::State(own) = body else { return None };
            own.rule.is_none().then(|| (own.from, own.to, own.severity, own.reason.clone()))
        };
        recorded(&effects).into_iter().filter_map(state).collect()
    };
    assert_eq!(check(&mut case, false, false), []);
    assert_eq!(check(&mut case, true, false)[0].1, S::Suspect);
    let systemic = check(&mut case, true, false);
    assert_eq!((systemic[0].1, systemic[0].2), (S::Systemic, Severity::Ticket));
    assert_eq!(check(&mut case, true, false), [], "once");
    let more = check(&mut case, true, true);
    assert_eq!((more.len(), more[0].0, more[0].1, more[0].2), (1, S::Systemic, S::Systemic, Severity::Page));
    assert!(more[0].3.starts_with("2 of 2 rules"), "{more:?}");
    assert_eq!(check(&mut case, true, true), [], "once");
    assert_eq!(check(&mut case, false, false)[0].1, S::Resolved);
}

/// Has a check made that gives this, whatever comes before it.
fn checks(case: &mut Case, ticket: u64, gives_this: impl Fn() -> Done) -> Vec<Effect> {
    let effects = case.event(Event::Asked { ask: Ask::Check(shop()), ticket });
    goes_on_to_a_check(case, effects, gives_this)
}

fn goes_on_to_a_check(case: &mut Case, mut effects: Vec<Effect>, gives_this: impl Fn() -> Done) -> Vec<Effect> {
    for _ in 0..600 {
        while let [job] = jobs(&effects).as_slice() {
            let is_check = *job == Job::Check;
            effects = case.done(job.clone(), if is_check { gives_this() } else { gives(job, Some(3)) });
            if is_check {
                return effects;
            }
        }
        effects = case.after(1_000);
    }
    panic!("no check")
}

fn plan(sources: &[SourceName]) -> Plan {
    let known = |source: &SourceName| Known { source: source.clone(), remembered: None, episodes: None };
    Plan {
        sources: sources.iter().map(known).collect(),
        every: Duration::from_secs(300),
        marks_every: Duration::ZERO,
        catalogue_every: Duration::from_secs(5),
        patience: Patience::new(Duration::from_secs(900)),
    }
}

#[test]
fn what_is_gone_is_nobodys_concern() {
    use fieldmark_model::observation::State as S;
    let mut case = Case::settled();
    goes_on(&mut case, 1_600, Some(3));
    // its table is not seen for once: that says nothing of its rows
    assert_eq!(told(&checks(&mut case, 8, checked)), []);
    let missing = || {
        let Body::Outcome(outcome) = outcome(0) else { panic!("an outcome") };
        let table = TableName::new("", "orders");
        let why = Some(fieldmark_model::NotEvaluated::TableMissing);
        let outcome = Outcome { table, status: Status::NotEvaluated, not_evaluated: why, ..*outcome };
        let Done::Checked { database, address, tables, rules, unwell, .. } = checked() else { panic!("a check") };
        Done::Checked { bodies: vec![Body::Outcome(Box::new(outcome))], database, address, tables, rules, unwell }
    };
    assert_eq!(
        told(&checks(&mut case, 9, missing)),
        [(false, S::Suspect)],
        "that it cannot be checked is another thing"
    );
    case.up += 60_000;
    assert_eq!(
        told(&checks(&mut case, 10, missing)),
        [(false, S::Systemic)],
        "for good, when it is seen again after a minute"
    );
    assert_eq!(told(&checks(&mut case, 11, || gave(3))), [(false, S::Ok)]);
    // the rule is not among those of a new rule file
    let effects = case.event(Event::Loaded(plan(&[shop()])));
    assert_eq!(told(&goes_on_to_a_check(&mut case, effects, checked)), [(true, S::Ok)]);
    goes_on(&mut case, 1_600, Some(3));
    let effects = case.event(Event::Loaded(plan(&[])));
    assert_eq!(told(&effects), [(true, S::Ok)], "nor is a source that is not configured");
    let unwell = recorded(&effects)
        .into_iter()
        .find_map(|body| if let Body::Unwell(unwell) = body { Some(unwell) } else { None });
    assert_eq!(unwell.map(|unwell| unwell.sources.len()), Some(0));
}

#[test]
fn what_is_wrong_is_told_at_the_start_and_every_hour() {
    let mut case = Case::settled();
    let (effects, _) = goes_on(&mut case, 1_600, Some(3));
    let unwell = |effects: &[Effect]| -> Vec<usize> {
        let of =
            |body: &&Body| if let Body::Unwell(unwell) = body { Some(unwell.sources[0].states.len()) } else { None };
        recorded(effects).iter().filter_map(of).collect()
    };
    assert_eq!(unwell(&effects), Vec::<usize>::new());
    let episodes = kept(&effects);
    let (effects, _) = goes_on(&mut case, 2_100, Some(3));
    assert_eq!(unwell(&effects), [1]);
    let (_, effects) = Case::with(None, episodes);
    assert_eq!(unwell(&effects), [1]);
}

#[test]
fn a_look_does_not_undo_what_a_check_has_found() {
    use fieldmark_model::observation::State as S;
    let mut case = Case::settled();
    let (mut all, mut looks) = (Vec::new(), 0);
    for _ in 0..400 {
        let mut effects = case.after(1_000);
        while let [job] = jobs(&effects).as_slice() {
            all.extend(effects.clone());
            looks += usize::from(matches!(job, Job::Look { .. }));
            let gives = if *job == Job::Check { refused("permission denied") } else { gives(job, Some(0)) };
            effects = case.done(job.clone(), gives);
        }
        all.extend(effects);
    }
    assert!(looks > 30);
    assert_eq!(told(&all), [(false, S::Suspect)], "one check so far");
    all.clear();
    let effects = checks(&mut case, 5, || refused("permission denied"));
    assert_eq!(told(&effects), [(false, S::Systemic)]);
}

#[test]
fn one_that_was_closed_is_judged_after_a_restart_though_nobody_asks_again() {
    let mut case = Case::settled();
    case.event(Event::Asked { ask: Ask::Open { source: shop(), name: None }, ticket: 1 });
    case.done(Job::Mark, marked("m2", Some("one")));
    let effects = case.event(Event::Asked { ask: Ask::Close(shop()), ticket: 2 });
    let remembered = effects.iter().find_map(|effect| {
        let Effect::Remember { remembered, .. } = effect else { return None };
        Some(remembered.clone())
    });
    let (mut case, effects) = Case::new(remembered);
    assert_eq!(jobs(&effects), [Job::Look { known: Some(schema("one")) }]);
    let effects = case.done(Job::Look { known: None }, looked("one"));
    assert_eq!(jobs(&effects), [Job::Recapture { mark: "m2".into() }]);
    assert_eq!(phases(&case.done(Job::Recapture { mark: "m2".into() }, judged())), ["judged"]);
}

#[test]
fn one_that_is_open_for_more_than_a_day_excuses_nothing_and_is_told_of() {
    use fieldmark_model::observation::State as S;
    let mut case = Case::settled();
    case.event(Event::Asked { ask: Ask::Open { source: shop(), name: None }, ticket: 1 });
    case.done(Job::Mark, marked("m2", Some("one")));
    let (effects, _) = goes_on(&mut case, 7_200, Some(3));
    assert_eq!(told(&effects), [(true, S::Suspect)], "its backfill");
    case.up += 86_400_000;
    let (effects, _) = goes_on(&mut case, 2_000, Some(3));
    assert_eq!(told(&effects), [(true, S::Systemic)]);
    assert!(case.state.degraded()[0].contains("is open for more than a day"), "{:?}", case.state.degraded());
}

#[test]
fn lineage_is_read_of_each_new_schema_and_after_each_migration() {
    let lineages = |effects: &[Effect]| {
        let of = |effect: &Effect| {
            let Effect::Run { job: Job::Lineage { migration }, .. } = effect else { return None };
            Some(migration.clone())
        };
        effects.iter().filter_map(of).collect::<Vec<_>>()
    };
    let (mut case, _) = Case::new(None);
    case.done(Job::Look { known: None }, looked("one"));
    case.done(Job::Mark, marked("m1", Some("one")));
    let done = Event::Done { source: shop(), job: Job::Check, done: checked() };
    assert_eq!(lineages(&case.raw(done)), [None], "at the start, when all else is done");
    let job = Job::Lineage { migration: None };
    // one that could not be read says nothing of the source, and is tried again later
    let effects = case.raw(Event::Done { source: shop(), job: job.clone(), done: refused("no right to") });
    assert!(recorded(&effects).is_empty() && lineages(&effects).is_empty(), "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Warn(what) if what.contains("lineage"))));
    case.up += 301_000;
    let mut all = Vec::new();
    let mut effects = case.raw(Event::Tick);
    while let [job] = jobs(&effects).as_slice() {
        all.extend(lineages(&effects));
        let done = if matches!(job, Job::Lineage { .. }) {
            Done::Lineage { bodies: vec![outcome(0)], told: Box::default() }
        } else {
            gives(job, Some(0))
        };
        effects = case.raw(Event::Done { source: shop(), job: job.clone(), done });
    }
    assert_eq!(all, [None]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::KeepLineage { .. })));
    // after a migration, as a part of it
    case.after(5_000);
    case.done(Job::Look { known: None }, looked("two"));
    case.after(5_000);
    case.done(Job::Look { known: None }, looked("two"));
    let judged = Event::Done { source: shop(), job: Job::Recapture { mark: "m1".into() }, done: judged() };
    let mut effects = case.raw(judged);
    let mut all = lineages(&effects);
    while let [job] = jobs(&effects).as_slice() {
        let done = match job {
            Job::Lineage { .. } => Done::Lineage { bodies: Vec::new(), told: Box::default() },
            Job::Look { .. } => looked("two"),
            Job::Mark => marked("m2", Some("two")),
            Job::Check | Job::Recheck { .. } | Job::Recapture { .. } => gives(job, Some(0)),
        };
        effects = case.raw(Event::Done { source: shop(), job: job.clone(), done });
        all.extend(lineages(&effects));
    }
    assert!(matches!(all.as_slice(), [Some(_)]), "{all:?}");
}
