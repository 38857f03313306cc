//! Stories of a fleet, labelled, and what is said of them: who is paged, and whether it was right (fault A7).

use super::*;
use crate::chance::Chance;

/// What happens to a rule at a time: the fraction of its rows that fails beside those that usually do, or a code; whether rows are repaired.
#[derive(Clone, Copy, Debug, Default)]
struct Happens {
    fails: f64,
    code: Option<&'static str>,
    mended: f64,
}

/// A story of six hours: what happens to the rules of a source from its beginning on, and for how long.
struct Kind {
    name: &'static str,
    /// `None`: nobody is to be paged; else within so many minutes.
    page: Option<f64>,
    /// The class that it is, at last.
    class: &'static str,
    /// It lasts so many seconds, from and to; more than six hours: for good.
    lasts: (f64, f64),
    /// A migration ends so many seconds before it.
    migrated: Option<f64>,
    /// Which of the rules are concerned.
    rules: usize,
    happens: fn(f64, f64) -> Happens,
}

const FOR_EVER: (f64, f64) = (1e9, 1e9);

fn rows(fails: f64) -> Happens {
    Happens { fails, ..Happens::default() }
}

fn code(code: &'static str) -> Happens {
    Happens { code: Some(code), ..Happens::default() }
}

/// `happens(t, lasts)`: so many seconds after it began, of so many that it lasts.
const KINDS: [Kind; 16] = [
    Kind {
        name: "nothing",
        page: None,
        class: "ok",
        lasts: (0.0, 1.0),
        migrated: None,
        rules: 0,
        happens: |_, _| rows(0.0),
    },
    Kind {
        name: "a good migration",
        page: None,
        class: "ok",
        lasts: (0.0, 1.0),
        migrated: Some(30.0),
        rules: 0,
        happens: |_, _| rows(0.0),
    },
    Kind {
        name: "one bad check",
        page: None,
        class: "transient",
        lasts: (60.0, 60.0),
        migrated: None,
        rules: 1,
        happens: |_, _| rows(0.3),
    },
    Kind {
        name: "a bad batch",
        page: None,
        class: "transient",
        lasts: (200.0, 850.0),
        migrated: None,
        rules: 1,
        happens: |_, _| rows(0.05),
    },
    Kind {
        name: "a replica that lags",
        page: None,
        class: "transient",
        lasts: (200.0, 850.0),
        migrated: None,
        rules: 3,
        happens: |t, lasts| Happens { mended: 0.8, ..rows(0.1 * (1.0 - t / lasts)) },
    },
    Kind {
        name: "a restart",
        page: None,
        class: "transient",
        lasts: (60.0, 300.0),
        migrated: None,
        rules: 3,
        happens: |_, _| code("57P03"),
    },
    Kind {
        name: "a network that is away",
        page: None,
        class: "transient",
        lasts: (300.0, 850.0),
        migrated: None,
        rules: 3,
        happens: |_, _| code("08001"),
    },
    Kind {
        name: "repaired after a migration",
        page: None,
        class: "transient",
        lasts: (100.0, 400.0),
        migrated: Some(20.0),
        rules: 1,
        happens: |_, _| rows(0.2),
    },
    Kind {
        name: "a migration breaks all rows",
        page: Some(15.0),
        class: "systemic",
        lasts: FOR_EVER,
        migrated: Some(0.0),
        rules: 1,
        happens: |_, _| rows(1.0),
    },
    Kind {
        name: "a migration breaks a hundredth",
        page: Some(15.0),
        class: "systemic",
        lasts: FOR_EVER,
        migrated: Some(0.0),
        rules: 1,
        happens: |_, _| rows(0.01),
    },
    Kind {
        name: "a leak",
        page: Some(60.0),
        class: "systemic",
        lasts: FOR_EVER,
        migrated: None,
        rules: 1,
        happens: |_, _| rows(0.002),
    },
    Kind {
        name: "a column is gone",
        page: Some(6.0),
        class: "systemic",
        lasts: FOR_EVER,
        migrated: Some(10.0),
        rules: 1,
        happens: |_, _| code("42703"),
    },
    Kind {
        name: "a privilege is gone",
        page: Some(6.0),
        class: "systemic",
        lasts: FOR_EVER,
        migrated: None,
        rules: 3,
        happens: |_, _| code("42501"),
    },
    Kind {
        name: "the password is another",
        page: Some(6.0),
        class: "systemic",
        lasts: FOR_EVER,
        migrated: None,
        rules: 3,
        happens: |_, _| code("28P01"),
    },
    Kind {
        name: "the server is gone",
        page: Some(25.0),
        class: "systemic",
        lasts: FOR_EVER,
        migrated: None,
        rules: 3,
        happens: |_, _| code("08001"),
    },
    Kind {
        name: "it comes and goes",
        page: Some(240.0),
        class: "flapping",
        lasts: (12_000.0, 12_001.0),
        migrated: None,
        rules: 1,
        happens: |t, _| rows(if t % 1_800.0 < 400.0 { 0.2 } else { 0.0 }),
    },
];

/// What was said of a story: the pages, in minutes from its beginning, and the last class that was named.
fn told(kind: &Kind, chance: &mut Chance) -> (Vec<f64>, String) {
    const HOURS: f64 = 6.0 * 3_600.0;
    let begins = chance.between(4_000.0, 6_000.0);
    let lasts = chance.between(kind.lasts.0, kind.lasts.1);
    let every = [60.0, 120.0][usize::from(chance.uniform() < 0.5)];
    let mut stream = Stream::new("", Patience::new(std::time::Duration::from_secs(900)));
    let (mut pages, mut class) = (Vec::new(), "ok".to_owned());
    let mut known = [0_u64; 3];
    let mut say = |line: Line| {
        for verdict in stream.sees(&line) {
            assert!(!verdict.evidence.is_empty());
            if verdict.action == "page" {
                pages.push((line.t - begins) / 60.0);
            }
            // a flapping one stays called so
            let names = ["transient", "systemic", "flapping"].contains(&verdict.class) && line.t >= begins;
            if names && class != "flapping" {
                verdict.class.clone_into(&mut class);
            }
        }
    };
    let line = |t: f64, event| Line { v: Some(VERSION), case: "one".into(), seq: 0, t, event };
    let mut migration = kind.migrated.map(|before| begins - before);
    let mut next = [0.0, 0.3, 0.6].map(|part| part * every);
    let mut minute = 0.0;
    while minute < HOURS {
        if let Some(ended) = migration.filter(|ended| *ended < minute + 60.0) {
            for (t, phase) in [(ended - 45.0, Phase::Start), (ended, Phase::End)] {
                let (db, id, tables) = ("db1".to_owned(), "0042".to_owned(), vec!["public.orders".to_owned()]);
                say(line(t, Event::Migration { db, id, phase, tables }));
            }
            migration = None;
        }
        for rule in 0..3 {
            while next[rule] < minute + 60.0 {
                let t = next[rule];
                next[rule] += every;
                let since = t - begins;
                let happens = if rule < kind.rules && since >= 0.0 && since < lasts {
                    (kind.happens)(since, lasts)
                } else {
                    rows(0.0)
                };
                let soft = rule == 2;
                let usual = if soft { 0.002 } else { 0.0 };
                let failed = chance.binomial(1_000, usual + happens.fails);
                let stays = |chance: &mut Chance, known: u64| match happens.fails > 0.0 {
                    true => known - chance.binomial(known, happens.mended),
                    false => chance.binomial(known, if soft { 0.5 } else { 0.0 }),
                };
                let again = known[rule].min(50);
                let check = Check {
                    db: "db1".into(),
                    engine: "postgresql".into(),
                    agent: "a".into(),
                    table: "public.orders".into(),
                    rule: format!("orders.r{rule}"),
                    tolerance: if soft { 0.005 } else { 0.0 },
                    status: if happens.code.is_some() { Status::Error } else { Status::Ok },
                    n: 1_000,
                    k: failed,
                    attempt: happens.code.map(|_| 3),
                    retried: happens.code.map(|code| vec![code.to_owned(); 2]).unwrap_or_default(),
                    sqlstate: happens.code.map(str::to_owned),
                    code: None,
                    recheck_of: (again > 0 && happens.code.is_none()).then_some(again),
                    recheck_bad: (again > 0 && happens.code.is_none()).then(|| stays(chance, again)),
                };
                if happens.code.is_none() {
                    known[rule] = failed;
                }
                say(line(t, Event::Check(Box::new(check))));
            }
        }
        minute += 60.0;
        say(line(minute, Event::Tick));
    }
    (pages, class)
}

#[test]
fn a7_of_labelled_stories_the_right_ones_page_once_and_in_time() {
    const EACH: u64 = 6;
    let mut chance = Chance(17);
    let mut confused: BTreeMap<(&str, String), u64> = BTreeMap::new();
    let (mut wrong, mut late, mut twice) = (Vec::new(), Vec::new(), Vec::new());
    for kind in &KINDS {
        for _ in 0..EACH {
            let (pages, class) = told(kind, &mut chance);
            *confused.entry((kind.class, class)).or_default() += 1;
            match (kind.page, pages.as_slice()) {
                (None, []) => {}
                (None, pages) => wrong.push((kind.name, pages.to_vec())),
                (Some(within), [first]) if *first <= within && *first >= 0.0 => {}
                (Some(_), [_]) | (Some(_), []) => late.push((kind.name, pages)),
                (Some(_), _) => twice.push((kind.name, pages)),
            }
        }
    }
    println!("{confused:#?}");
    assert!(
        wrong.is_empty() && late.is_empty() && twice.is_empty(),
        "wrong: {wrong:?}, late: {late:?}, twice: {twice:?}"
    );
    let right: u64 = confused.iter().filter(|((is, said), _)| is == said).map(|(_, count)| count).sum();
    let all = EACH * KINDS.len() as u64;
    assert!(right * 20 >= all * 19, "{right} of {all} are named rightly: {confused:?}");
}

#[test]
fn an_agent_that_dies_is_missed_and_one_that_restarts_is_not() {
    let mut stream = Stream::new("", Patience::new(std::time::Duration::from_secs(900)));
    let mut pages = Vec::new();
    for minute in 0..60 {
        let t = f64::from(minute) * 60.0;
        let mut lines = vec![Event::Tick];
        // one is away for five minutes, the other for good
        for (agent, away) in [("a", 20..25), ("b", 30..60)] {
            if !away.contains(&minute) {
                lines.push(Event::Heartbeat { agent: agent.into(), db: format!("db-{agent}") });
            }
        }
        for event in lines {
            let said = stream.sees(&Line { v: None, case: "one".into(), seq: 0, t, event });
            pages.extend(said.into_iter().filter(|own| own.action == "page").map(|own| (minute, own.db)));
        }
    }
    assert_eq!(pages, [(46, Some("db-b".to_owned()))]);
}
