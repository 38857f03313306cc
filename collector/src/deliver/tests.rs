//! What is told to whom and when, over ways of the tests' own and by a clock that they turn.

use super::*;
use crate::route::{Hours, Matches, Rate, Tell};
use crate::store::sqlite::SqliteStore;
use crate::store::suite::{alone, at, batch, patience};
use crate::{Clock, Limits, Principal, Role, Token};
use async_trait::async_trait;
use fieldmark_classify::incident::Acknowledged;
use fieldmark_model::SourceName;
use fieldmark_model::observation::State;
use std::sync::atomic::{AtomicBool, Ordering};

fn rest(sent: Sent, tries: u64) -> Option<f64> {
    let now = DateTime::UNIX_EPOCH;
    match settled(sent, tries, now) {
        Settled::Later(due, _) => Some((due - now).as_seconds_f64()),
        Settled::Taken | Settled::Refused(_) | Settled::Passed => None,
    }
}

#[test]
fn what_is_not_taken_is_tried_again_less_and_less_often_and_given_up_after_a_day() {
    let later = |tries, asked: Option<u64>| rest(Sent::Later("busy".into(), asked.map(Duration::from_secs)), tries);
    for (tries, most) in [(0, 1.0), (1, 2.0), (5, 32.0), (20, 300.0)] {
        let rest = later(tries, None).unwrap();
        assert!(rest >= most / 2.0 && rest <= most, "{tries}: {rest}");
    }
    assert_eq!(later(0, Some(90)), Some(90.0), "as it asks");
    assert_eq!(later(0, Some(1_000_000)), Some(300.0), "within bounds");
    assert_eq!(later(GIVEN_UP, None), None);
    let day: f64 = (0..GIVEN_UP).map(|tries| f64::from(1 << tries.min(9)).min(300.0) * 0.75).sum();
    assert!((50_000.0..90_000.0).contains(&day), "{day} s");
}

#[test]
fn what_is_not_wanted_is_refused_after_some_minutes() {
    let unwanted = |tries| rest(Sent::Unwanted("404".into()), tries);
    assert!(unwanted(0).is_some() && unwanted(6).is_some() && unwanted(7).is_none());
}

/// A way of a test's own: what was told over it is kept, and whether it takes anything is said.
#[derive(Clone, Default)]
struct Way {
    told: Arc<Mutex<Vec<(String, Notice)>>>,
    away: Arc<AtomicBool>,
    refuses: bool,
}

#[async_trait]
impl Tell for Way {
    async fn tell(&self, telling: &Telling<'_>) -> Sent {
        if self.refuses {
            return Sent::Refused("no".to_owned());
        }
        if self.away.load(Ordering::Relaxed) {
            return Sent::Later("away".to_owned(), None);
        }
        self.told.lock().unwrap().push((telling.notified.about.id().to_owned(), telling.notified.notice));
        Sent::Taken
    }
}

impl Way {
    fn notices(&self) -> Vec<Notice> {
        self.told.lock().unwrap().iter().map(|(_, notice)| *notice).collect()
    }

    fn route(&self, name: &str) -> Route {
        Route {
            name: name.to_owned(),
            kind: "webhook",
            matches: Matches::default(),
            hours: None,
            escalate: None,
            fallback: false,
            rate: Rate::default(),
            way: Arc::new(self.clone()),
        }
    }
}

/// A collector whose time a test turns.
struct Place {
    time: Arc<Mutex<DateTime<Utc>>>,
    store: Arc<SqliteStore>,
    collector: Collector,
    deliverer: Arc<Deliverer>,
    rounds: Rounds,
    sequence: u64,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new(routes: Vec<Route>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let time = Arc::new(Mutex::new(at(0)));
        let store = Arc::new(SqliteStore::open(&folder.path().join("collector.db"), patience()).unwrap());
        let clock = Clock::set_by(Arc::clone(&time));
        let collector = Collector::new(Arc::clone(&store) as Arc<_>, clock, Limits::default(), patience());
        let deliverer = Arc::new(Deliverer::new(collector.clone(), routes));
        Self { time, store, collector, deliverer, rounds: Rounds::default(), sequence: 0, _folder: folder }
    }

    /// The same store, with another process's routes.
    async fn restarted(&mut self, routes: Vec<Route>) {
        self.deliverer = Arc::new(Deliverer::new(self.collector.clone(), routes));
        self.rounds = Rounds::default();
        self.collector.store().untold().await.unwrap();
    }

    fn now(&self) -> DateTime<Utc> {
        *self.time.lock().unwrap()
    }

    /// A rule comes into a state.
    async fn comes(&mut self, number: u64, to: State) {
        self.sequence += 1;
        let seconds = (self.now() - at(0)).num_seconds();
        let bodies = vec![(self.sequence, seconds, alone(number, to))];
        self.collector.store().ingest(batch("db-1", 5, self.now(), bodies)).await.unwrap();
    }

    /// So many seconds pass; what there is to tell by then is told.
    async fn passes(&mut self, seconds: i64) {
        for _ in 0..seconds {
            *self.time.lock().unwrap() += TimeDelta::seconds(1);
            self.tells().await;
        }
    }

    async fn tells(&mut self) {
        let mut in_flight = InFlight::default();
        self.deliverer.round(&mut in_flight).await.unwrap();
        while let Some(ended) = in_flight.tasks.join_next_with_id().await {
            in_flight.ended(ended);
        }
        assert!(in_flight.deliveries.is_empty());
        self.deliverer.looks(&mut self.rounds).await.unwrap();
    }

    async fn open(&self) -> Vec<Incident> {
        let wanted = crate::store::WantedIncidents { open: true, source: None, limit: 100 };
        self.store_of().incidents(wanted).await.unwrap()
    }

    /// The agent is one that is waited for.
    async fn enrols(&self) {
        let principal = Principal { name: "db-1".into(), role: Role::Agent };
        let token = Token::random().unwrap();
        self.store_of().enrol(principal, token.hash(), "root".into(), self.now()).await.unwrap();
    }

    fn store_of(&self) -> &dyn crate::store::Store {
        self.store.as_ref()
    }
}

/// A receiver that is away for three hours, in the middle of which the collector is restarted: another is told after some minutes, and when the
/// first is there again there is one incident, told once over each.
#[tokio::test(flavor = "multi_thread")]
async fn a2_a_receiver_that_is_away_for_hours_is_told_in_the_end_and_another_meanwhile() {
    let (pager, chat) = (Way::default(), Way::default());
    let routes = || vec![pager.route("pager"), chat.route("chat")];
    let mut place = Place::new(routes());
    pager.away.store(true, Ordering::Relaxed);
    place.comes(1, State::Systemic).await;
    place.passes(60).await;
    assert_eq!((pager.notices(), chat.notices()), (vec![], vec![]), "it may be back in a minute");
    place.passes(240).await;
    assert_eq!(chat.notices(), [Notice::Opened]);
    place.passes(1_500).await;
    place.restarted(routes()).await;
    place.passes(1_500).await;
    let rows = place.store_of().deliveries(10).await.unwrap();
    let waiting = rows.iter().find(|row| row.route == "pager").unwrap();
    assert!(waiting.tries > 12 && waiting.settled.is_none(), "its rests are kept: {waiting:?}");
    *place.time.lock().unwrap() += TimeDelta::hours(2);
    pager.away.store(false, Ordering::Relaxed);
    place.passes(400).await;
    assert_eq!((pager.notices(), chat.notices().len(), place.open().await.len()), (vec![Notice::Opened], 1, 1));
    place.comes(1, State::Resolved).await;
    place.passes(2).await;
    assert_eq!(pager.notices(), [Notice::Opened, Notice::Resolved]);
    assert_eq!(chat.notices(), [Notice::Opened, Notice::Resolved], "whoever was told is told that it is over");
}

/// Killed between telling and taking note of it: told again, under the same id.
#[tokio::test(flavor = "multi_thread")]
async fn a3_what_was_told_and_not_kept_is_told_again_under_the_same_id() {
    let pager = Way::default();
    let mut place = Place::new(vec![pager.route("pager")]);
    place.comes(1, State::Systemic).await;
    let now = place.now();
    let notified = place.store_of().undispatched(now, 10).await.unwrap();
    place.store_of().dispatch(notified[0].id, vec!["pager".into()], None, now).await.unwrap();
    // the delivery is told, and the process ends before that is kept
    let due = place.store_of().due(now, 10).await.unwrap().remove(0);
    place.deliverer.tells("pager", &due.notified).await;
    place.restarted(vec![pager.route("pager")]).await;
    place.passes(2).await;
    let told = pager.told.lock().unwrap().clone();
    assert_eq!((told.len(), &told[0]), (2, &told[1]));
    place.passes(100).await;
    assert_eq!(pager.notices().len(), 2, "and then no more");
}

/// What was over before anybody could be told is told to nobody, and so is its end; one that was told and comes back is told again.
#[tokio::test(flavor = "multi_thread")]
async fn a6_what_is_over_before_anybody_was_told_pages_nobody_and_no_end_is_lost() {
    let pager = Way::default();
    let mut place = Place::new(vec![pager.route("pager")]);
    pager.away.store(true, Ordering::Relaxed);
    place.comes(1, State::Systemic).await;
    place.passes(30).await;
    place.comes(1, State::Resolved).await;
    place.passes(30).await;
    pager.away.store(false, Ordering::Relaxed);
    place.passes(400).await;
    assert_eq!(pager.notices(), [], "nobody gets up for what is over");
    place.comes(2, State::Systemic).await;
    place.passes(2).await;
    place.comes(2, State::Resolved).await;
    place.passes(2).await;
    place.comes(2, State::Systemic).await;
    place.passes(2).await;
    assert_eq!(pager.notices(), [Notice::Opened, Notice::Resolved, Notice::Reopened]);
    // once a minute in and out, and no more is told than that
    for _ in 0..10 {
        place.comes(2, State::Flapping).await;
        place.passes(30).await;
        place.comes(2, State::Flapping).await;
        place.passes(30).await;
    }
    assert_eq!((pager.notices().len(), place.open().await.len()), (3, 1));
}

/// A flood goes over a route as fast as it may, and the rest waits; what is over meanwhile is left out.
#[tokio::test(flavor = "multi_thread")]
async fn a1_no_more_goes_over_a_route_than_may() {
    let pager = Way::default();
    let rate = Rate { notices: 5, within: Duration::from_secs(600) };
    let mut place = Place::new(vec![Route { rate, ..pager.route("pager") }]);
    for number in 1..=30 {
        place.comes(number, State::Systemic).await;
    }
    place.passes(300).await;
    assert_eq!(pager.notices().len(), 5);
    for number in 1..=28 {
        place.comes(number, State::Resolved).await;
    }
    place.passes(20).await;
    let over = pager.notices().iter().filter(|notice| **notice == Notice::Resolved).count();
    assert_eq!((pager.notices().len(), over), (10, 5), "that it is over is told at once");
    place.passes(600).await;
    let told: std::collections::BTreeSet<String> =
        pager.told.lock().unwrap().iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(told.len(), 7, "the two that are open still");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_up_escalates_once_and_what_somebody_has_does_not() {
    let (pager, boss, fallback) = (Way::default(), Way::default(), Way::default());
    let escalate = Escalate { after: Duration::from_secs(900), to: "boss".into() };
    let never = Matches { source: Some(SourceName::new("nowhere")), ..Matches::default() };
    let routes = vec![
        Route { escalate: Some(escalate), ..pager.route("pager") },
        Route { matches: never, ..boss.route("boss") },
        Route { fallback: true, ..fallback.route("fallback") },
    ];
    let mut place = Place::new(routes);
    place.comes(1, State::Systemic).await;
    place.comes(2, State::Systemic).await;
    place.passes(5).await;
    let id = place.open().await.into_iter().find(|own| own.parts[0].since == at(7_200)).unwrap().id;
    let by = Acknowledged { by: "ann".into(), at: place.now(), note: None };
    place.store_of().acknowledge(id.clone(), by).await.unwrap();
    place.passes(5).await;
    assert_eq!(pager.notices(), [Notice::Opened, Notice::Opened, Notice::Acknowledged]);
    place.passes(880).await;
    assert_eq!(boss.notices(), []);
    place.passes(120).await;
    assert_eq!(boss.notices(), [Notice::Escalated], "of the one that nobody has taken up, once");
    assert!(boss.told.lock().unwrap().iter().all(|(told, _)| *told != id));
    place.comes(1, State::Resolved).await;
    place.passes(5).await;
    assert_eq!(boss.notices(), [Notice::Escalated, Notice::Resolved]);
    assert_eq!(fallback.notices(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_refuses_goes_over_the_next_and_over_the_fallback_last() {
    let (refuses, night, fallback) = (Way { refuses: true, ..Way::default() }, Way::default(), Way::default());
    // 2023-11-14 is a Tuesday
    let hours = Hours::parse("wed 00:00-24:00").unwrap();
    let routes = vec![
        Route { fallback: true, ..fallback.route("fallback") },
        refuses.route("broken"),
        Route { hours: Some(hours), ..night.route("wednesdays") },
    ];
    let mut place = Place::new(routes);
    place.comes(1, State::Systemic).await;
    place.passes(5).await;
    assert_eq!((night.notices(), fallback.notices()), (vec![], vec![Notice::Opened]));
}

/// What is silenced is told when the silence is over, as it is then, and not at all where it is over by then; a window of the configuration is one.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_silenced_is_told_when_the_silence_is_over_and_it_is_not() {
    let pager = Way::default();
    let mut place = Place::new(vec![pager.route("pager")]);
    let window = Silenced {
        matches: Matches { table: Some("t2".into()), ..Matches::default() },
        from: at(100),
        until: at(500),
        by: "the configuration".into(),
        why: "a restore".into(),
        ended_by: None,
    };
    place.collector = place.collector.maintained(vec![window]);
    place.deliverer = Arc::new(Deliverer::new(place.collector.clone(), vec![pager.route("pager")]));
    let silenced = Silenced {
        matches: Matches { table: Some("public.t1".into()), ..Matches::default() },
        from: at(0),
        until: at(300),
        by: "ann".into(),
        why: "a migration".into(),
        ended_by: None,
    };
    place.store_of().silence(silenced).await.unwrap();
    place.comes(1, State::Systemic).await;
    place.comes(2, State::Systemic).await;
    place.comes(3, State::Systemic).await;
    place.passes(50).await;
    assert_eq!(
        pager.notices(),
        [Notice::Opened, Notice::Opened],
        "the window has not begun, and nobody silenced the third"
    );
    place.passes(100).await;
    place.comes(2, State::Resolved).await;
    place.passes(1).await;
    assert_eq!(pager.notices().last(), Some(&Notice::Resolved), "that it is over is told all the same");
    place.passes(200).await;
    assert_eq!(pager.notices().len(), 4, "the first silence is over, and it is open still");
    // one that is over by the end of the silence
    let again = Silenced {
        matches: Matches { table: Some("t4".into()), ..Matches::default() },
        from: place.now(),
        until: place.now() + TimeDelta::seconds(100),
        by: "ann".into(),
        why: "a migration".into(),
        ended_by: None,
    };
    place.store_of().silence(again).await.unwrap();
    place.comes(4, State::Systemic).await;
    place.passes(50).await;
    place.comes(4, State::Resolved).await;
    place.passes(100).await;
    assert_eq!(pager.notices().len(), 4);
}

/// The collector is away for longer than things are given to heal, and comes back: no agent is silent because nobody listened; one that stays so is.
#[tokio::test(flavor = "multi_thread")]
async fn a5_agents_are_given_their_time_when_the_collector_was_away_itself() {
    let pager = Way::default();
    let mut place = Place::new(vec![pager.route("pager")]);
    place.enrols().await;
    place.comes(1, State::Suspect).await;
    place.collector.goes_round().await;
    place.passes(300).await;
    *place.time.lock().unwrap() += TimeDelta::hours(3);
    // another process on the same store
    let clock = Clock::set_by(Arc::clone(&place.time));
    place.collector = Collector::new(Arc::clone(&place.store) as Arc<_>, clock, Limits::default(), patience());
    place.restarted(vec![pager.route("pager")]).await;
    for _ in 0..15 {
        place.collector.goes_round().await;
        place.passes(60).await;
    }
    assert_eq!(pager.notices(), []);
    for _ in 0..3 {
        place.collector.goes_round().await;
        place.passes(60).await;
    }
    assert_eq!(pager.notices(), [Notice::Opened]);
    // and what was told before a restart is over when it is heard of
    let clock = Clock::set_by(Arc::clone(&place.time));
    place.collector = Collector::new(Arc::clone(&place.store) as Arc<_>, clock, Limits::default(), patience());
    place.collector.goes_round().await;
    place.sequence += 1;
    let bodies = vec![(place.sequence, 20_000, alone(1, State::Transient))];
    place.collector.take(batch("db-1", 5, place.now(), bodies)).await.unwrap();
    place.passes(2).await;
    assert_eq!(pager.notices(), [Notice::Opened, Notice::Resolved]);
}

/// What is outside the hours of its route is told when they begin; what joins of another owner is told to that one's route.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_outside_of_hours_is_told_within_them() {
    let office = Way::default();
    // 2023-11-14 22:13:20, a Tuesday
    let hours = Hours::parse("mon-fri 23:00-24:00").unwrap();
    let mut place = Place::new(vec![Route { hours: Some(hours), ..office.route("office") }]);
    place.comes(1, State::Systemic).await;
    place.passes(60).await;
    assert_eq!(office.notices(), []);
    *place.time.lock().unwrap() = "2023-11-14T22:59:30Z".parse().unwrap();
    place.passes(100).await;
    assert_eq!(office.notices(), [Notice::Opened]);
}

/// A receiver whose answer was lost may have taken it: it is told that it is over, though it was before it answered.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_taken_is_told_to_be_over() {
    #[derive(Clone, Default)]
    struct Swallows(Arc<Mutex<Vec<Notice>>>);
    #[async_trait]
    impl Tell for Swallows {
        async fn tell(&self, telling: &Telling<'_>) -> Sent {
            self.0.lock().unwrap().push(telling.notified.notice);
            Sent::Perhaps("no answer in time".to_owned())
        }
    }
    let swallows = Swallows::default();
    let route = Route { way: Arc::new(swallows.clone()), ..Way::default().route("swallows") };
    let mut place = Place::new(vec![route]);
    place.comes(1, State::Systemic).await;
    place.passes(3).await;
    place.comes(1, State::Resolved).await;
    place.passes(10).await;
    let told = swallows.0.lock().unwrap().clone();
    assert!(told.contains(&Notice::Opened) && told.last() == Some(&Notice::Resolved), "{told:?}");
}

/// An agent whose token is revoked is not waited for, and what it held to be wrong is nobody's concern.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_held_to_be_wrong_is_over_when_it_is_revoked() {
    let pager = Way::default();
    let mut place = Place::new(vec![pager.route("pager")]);
    place.enrols().await;
    place.comes(1, State::Systemic).await;
    place.passes(3).await;
    place.collector.goes_round().await;
    assert_eq!(place.open().await.len(), 1);
    place.store_of().revoke("db-1".into(), "root".into(), place.now()).await.unwrap();
    for _ in 0..20 {
        place.collector.goes_round().await;
        place.passes(60).await;
    }
    assert_eq!((place.open().await.len(), pager.notices()), (0, vec![Notice::Opened, Notice::Resolved]));
}
