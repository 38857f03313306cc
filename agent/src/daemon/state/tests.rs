//! Cases of the state: events and a made-up time in, effects out.

use super::super::event::Judged;
use super::*;
use fieldmark_model::migration::{MigrationReport, Verdict};
use fieldmark_model::outcome::Nature;

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
    Done::Looked { fingerprint: schema(text), changes: vec![format!("{text} now")] }
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
        rules: Vec::new(),
    };
    Done::Judged { judged: Judged { migration: Box::new(report), source: None, seed: 7 }, bodies: Vec::new() }
}

impl Case {
    fn new(remembered: Option<Remembered>) -> (Self, Vec<Effect>) {
        let mut case = Self { state: State::new(7), up: 0 };
        let plan = Plan {
            sources: vec![(shop(), remembered)],
            every: Duration::from_secs(300),
            marks_every: Duration::from_secs(600),
            catalogue_every: Duration::from_secs(5),
        };
        let effects = case.event(Event::Loaded(plan));
        (case, effects)
    }

    fn now(&self) -> Now {
        let wall = DateTime::UNIX_EPOCH + chrono::TimeDelta::milliseconds(self.up as i64);
        Now { wall, up: Duration::from_millis(self.up) }
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
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
            Job::Recapture { .. } => judged(),
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
        told += effects.iter().filter(|effect| matches!(effect, Effect::Say(_))).count();
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
        sources: sources.into_iter().map(|name| (SourceName::new(name), None)).collect(),
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
