//! From notices to receivers: each notice to the route that is meant for it, at least once, again and again until it is taken, refused, or
//! tried for about a day. What is to be told is in the store before it is told, and what was told is there before it is forgotten.
//!
//! - That an incident is over, or was taken up, is told to whoever was told that it began; to nobody where it was over before anybody was.
//! - What a route refuses goes over the next one that is meant for it; so does what it has not taken for some minutes.
//! - What is silenced is told when the silence is over, if it is not by then.
//! - An incident that nobody has taken up goes over the route that its own escalates to, and its rule does.
//! - Over each route goes so much in so long, and the rest waits; a receiver that forgets is told again.

use crate::route::{Escalate, Route, Sent, Telling, client, ping, routes_of};
use crate::store::{About, Delivery, Notified, Settled, Silenced, StoreError, Unanswered};
use crate::{Collector, meters};
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_classify::incident::{Incident, Notice};
use rand::RngExt as _;
use reqwest::{Client, Url};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Time between two looks at what is due.
const EVERY: Duration = Duration::from_secs(1);
/// Time between two looks at who has not answered, and at what is to be told again.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Notices that are taken up at once.
const AT_ONCE: usize = 100;
/// Deliveries over one route at a time: one that hangs keeps no other.
const TOGETHER: usize = 4;
/// Longest rest between two tries, and longest that a receiver may ask for.
const LONGEST: Duration = Duration::from_secs(300);
/// Tries after which what a receiver does not want is refused: about two minutes, in which somebody may be at work there.
const UNWANTED: u64 = 8;
/// Tries after which what a receiver does not take goes over the next route as well: about two minutes.
const DETOUR: u64 = 8;
/// Tries after which what nobody took is given up: about a day.
const GIVEN_UP: u64 = 290;
/// When a rule's own escalation is told, where its route says nothing.
const ESCALATES: Duration = Duration::from_secs(900);

/// A receiver that misses this collector when it does not hear of it.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// What is asked.
    url: Url,
    /// How.
    client: Client,
    /// Time between two calls.
    every: Duration,
}

impl Heartbeat {
    /// Of this address, as often.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn new(url: Url, every: Duration) -> Result<Self, String> {
        let client = client(&url, true)?;
        Ok(Self { url, client, every })
    }
}

/// Who tells, over the routes that are configured.
pub struct Deliverer {
    collector: Collector,
    routes: Vec<Route>,
    /// The collector's address, for whoever wants to look.
    link: Option<String>,
    heartbeat: Option<Heartbeat>,
    /// When what went over each route.
    went: Mutex<HashMap<String, VecDeque<DateTime<Utc>>>>,
}

/// What is on its way.
#[derive(Default)]
struct InFlight {
    tasks: JoinSet<()>,
    deliveries: HashMap<tokio::task::Id, (i64, String)>,
}

impl InFlight {
    /// One has ended, well or not: what it did is in the store, or it is due still.
    fn ended(&mut self, ended: Result<(tokio::task::Id, ()), tokio::task::JoinError>) {
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.deliveries.remove(&id);
    }

    fn has(&self, delivery: i64) -> bool {
        self.deliveries.values().any(|(own, _)| *own == delivery)
    }

    fn over(&self, route: &str) -> usize {
        self.deliveries.values().filter(|(_, own)| own == route).count()
    }
}

/// When what is done every now and then was done last.
#[derive(Default)]
struct Rounds {
    looked: Option<DateTime<Utc>>,
    beat: Option<DateTime<Utc>>,
    /// Of each route that is told again, and whether it is being told.
    repeated: BTreeMap<String, (DateTime<Utc>, tokio::task::JoinHandle<()>)>,
}

/// Whether so much time has passed, or the clock was turned back.
fn is_due(last: Option<DateTime<Utc>>, every: Duration, now: DateTime<Utc>) -> bool {
    last.is_none_or(|last| (now - last).to_std().is_ok_and(|passed| passed >= every) || last > now)
}

impl Deliverer {
    /// Over these routes.
    pub fn new(collector: Collector, routes: Vec<Route>) -> Self {
        let went = Mutex::default();
        Self { collector, routes, link: None, heartbeat: None, went }
    }

    /// What is told leads there.
    #[must_use]
    pub fn linking(self, link: Option<String>) -> Self {
        Self { link, ..self }
    }

    /// Somebody misses it.
    #[must_use]
    pub fn beating(self, heartbeat: Option<Heartbeat>) -> Self {
        Self { heartbeat, ..self }
    }

    /// Tells whatever there is to tell, until it is stopped; what is being told then is told.
    pub async fn run(self, stop: CancellationToken) {
        let deliverer = Arc::new(self);
        deliverer.routes.iter().for_each(|route| meters::route(&route.name));
        let (mut in_flight, mut rounds, mut failed) = (InFlight::default(), Rounds::default(), false);
        if let Err(error) = deliverer.collector.store().untold().await {
            tracing::warn!("what nobody was told of before cannot be told now: {error}");
        }
        loop {
            // before the store is read: what comes meanwhile is told
            let fresh = deliverer.collector.fresh.notified();
            let round = deliverer.round(&mut in_flight).await;
            let round = match round {
                Ok(()) => deliverer.looks(&mut rounds).await,
                failed => failed,
            };
            if let (Err(error), false) = (&round, failed) {
                tracing::warn!("what is to be told cannot be read or kept: {error}");
            }
            failed = round.is_err();
            if !failed {
                deliverer.beats(&mut rounds);
            }
            tokio::select! {
                () = fresh => {}
                () = tokio::time::sleep(EVERY) => {}
                Some(ended) = in_flight.tasks.join_next_with_id() => in_flight.ended(ended),
                () = stop.cancelled() => break,
            }
        }
        while in_flight.tasks.join_next().await.is_some() {}
    }

    /// Sends notices on their ways, and begins to tell what is due.
    async fn round(self: &Arc<Self>, in_flight: &mut InFlight) -> Result<(), StoreError> {
        let (store, now) = (self.collector.store(), self.collector.clock.now());
        let waiting = store.undispatched(now, AT_ONCE).await?;
        let silences = if waiting.is_empty() { Vec::new() } else { self.collector.silences(now).await? };
        for notified in &waiting {
            self.dispatch(notified, &silences, now).await?;
        }
        for delivery in store.due(now, TOGETHER * 2).await? {
            let free = in_flight.over(&delivery.route) < TOGETHER && !in_flight.has(delivery.id);
            if free && self.may_go(&delivery, now) {
                let (deliverer, known) = (Arc::clone(self), (delivery.id, delivery.route.clone()));
                let task = in_flight.tasks.spawn(async move { deliverer.deliver(delivery).await });
                in_flight.deliveries.insert(task.id(), known);
            }
        }
        Ok(())
    }

    /// Sends a notice on its way, or holds it.
    async fn dispatch(&self, notified: &Notified, silences: &[Silenced], now: DateTime<Utc>) -> Result<(), StoreError> {
        let store = self.collector.store();
        let incident = match &notified.about {
            About::Incident(incident) => incident,
            About::Migration(migrated) => {
                let tells = |route: &&Route| {
                    let of = &route.matches;
                    route.way.tells_migrations()
                        && of.source.as_ref().is_none_or(|source| *source == migrated.source)
                        && of.agent.as_ref().is_none_or(|agent| *agent == migrated.agent)
                };
                let names = self.routes.iter().filter(tells).map(|route| route.name.clone()).collect();
                return store.dispatch(notified.id, names, None, now).await;
            }
        };
        let names = match notified.notice {
            Notice::Opened | Notice::Risen | Notice::Joined | Notice::Reopened => {
                // as it is by now: it may have waited for a silence to end
                let incident = match store.incident(incident.id.clone()).await? {
                    Some(over) if !over.is_open() => return store.dispatch(notified.id, Vec::new(), None, now).await,
                    Some(open) => open,
                    None => incident.as_ref().clone(),
                };
                let silence = silences.iter().filter(|own| own.hushes(&incident, now)).map(|own| own.until).max();
                if let Some(until) = silence {
                    return store.hold(notified.id, until).await;
                }
                let named = incident.parts.iter().filter_map(|part| part.escalation.as_ref());
                for unknown in named.filter(|name| !self.routes.iter().any(|route| route.name == **name)) {
                    tracing::warn!(
                        "a rule of the incident {} escalates to `{unknown}`, which is no route",
                        incident.id
                    );
                }
                let mut names = self.meant_for(&incident, now);
                if names.is_empty() && self.meant_at_other_hours(&incident) {
                    return store.hold(notified.id, now + TimeDelta::minutes(1)).await;
                }
                if notified.notice == Notice::Joined {
                    let told = store.told_over(incident.id.clone()).await?;
                    names.retain(|name| !told.contains(name));
                } else if names.is_empty() && !self.routes.is_empty() {
                    tracing::warn!("no route is meant for the incident {}", incident.id);
                }
                store.dispatch(notified.id, names, Some(incident.clone()), now).await?;
                meters::noticed(notified.notice, notified.time, &incident);
                return Ok(());
            }
            Notice::Acknowledged | Notice::Resolved => store.told_over(incident.id.clone()).await?,
            // it has its way
            Notice::Escalated | Notice::Migrated => Vec::new(),
        };
        store.dispatch(notified.id, names, None, now).await?;
        meters::noticed(notified.notice, notified.time, incident);
        Ok(())
    }

    /// The first route that is meant for each part of an incident, each once: what is of several owners or sources is told to each.
    fn meant_for(&self, incident: &Incident, now: DateTime<Utc>) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for part in incident.parts.iter().filter(|part| !part.is_over()) {
            let alone =
                Incident { parts: vec![part.clone()], severity: part.severity, ..incident.clone_without_parts() };
            let first = routes_of(&self.routes, &alone, now).next().map(|route| route.name.clone());
            names.extend(first.filter(|name| !names.contains(name)));
        }
        names
    }

    /// A route is meant for it, but not now.
    fn meant_at_other_hours(&self, incident: &Incident) -> bool {
        self.routes.iter().any(|route| route.hours.is_some() && route.matches.hold(incident))
    }

    /// Whether no more has gone over the route than may, and takes note that one more does.
    fn may_go(&self, delivery: &Delivery, now: DateTime<Utc>) -> bool {
        // that it is over, or taken up, keeps somebody from getting up
        if delivery.over || matches!(delivery.notified.notice, Notice::Resolved | Notice::Acknowledged) {
            return true;
        }
        let Some(route) = self.routes.iter().find(|own| own.name == delivery.route) else { return true };
        let mut went = self.went.lock().unwrap_or_else(PoisonError::into_inner);
        let went = went.entry(route.name.clone()).or_default();
        while went.front().is_some_and(|first| is_due(Some(*first), route.rate.within, now)) {
            went.pop_front();
        }
        // what is tried again went already
        let may = delivery.tries > 0 || went.len() < route.rate.notices as usize;
        if may && delivery.tries == 0 {
            went.push_back(now);
        }
        may
    }

    async fn deliver(&self, delivery: Delivery) {
        let Delivery { id, route, tries, notified, over: _ } = delivery;
        let about = notified.about.id().to_owned();
        let now = self.collector.clock.now();
        let settled = match self.has_passed(&notified, &route).await {
            Ok(true) => Settled::Passed,
            Ok(false) => match self.collector.store().tries(id).await {
                Ok(()) => settled(self.tells(&route, &notified).await, tries, now),
                Err(error) => Settled::Later(now + TimeDelta::seconds(1), error.to_string()),
            },
            Err(error) => Settled::Later(now + TimeDelta::seconds(1), error.to_string()),
        };
        meters::delivered(&route, &settled);
        let kept = match (&settled, &notified.about) {
            (Settled::Taken, _) => {
                if tries > 0 {
                    tracing::info!("the route {route} was told of {about}, after {tries} tries that it did not take");
                }
                Ok(())
            }
            (Settled::Passed, _) => Ok(()),
            (Settled::Refused(why), About::Incident(incident)) => {
                tracing::warn!("the route {route} refuses to be told of the incident {about}: {why}");
                self.goes_round(&route, &notified, incident, now).await
            }
            (Settled::Refused(why), About::Migration(_)) => {
                tracing::warn!("the route {route} refuses to be told of the migration {about}: {why}");
                Ok(())
            }
            (Settled::Later(_, why), about_it) => {
                if tries == 0 {
                    tracing::warn!("the route {route} cannot be told of {about} now: {why}");
                }
                match about_it {
                    About::Incident(incident) if tries + 1 == DETOUR => {
                        self.goes_round(&route, &notified, incident, now).await
                    }
                    About::Incident(_) | About::Migration(_) => Ok(()),
                }
            }
        };
        let kept = match kept {
            Ok(()) => self.collector.store().settle(id, settled, now).await,
            failed => failed,
        };
        if let Err(error) = kept {
            // it is due still, and told again
            tracing::warn!("what became of telling {about} cannot be kept: {error}");
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn tells(&self, route: &str, notified: &Notified) -> Sent {
        let Some(own) = self.routes.iter().find(|own| own.name == route) else {
            return Sent::Refused("the route is not configured any more".to_owned());
        };
        let id = format!("{}-{}", notified.about.id(), notified.id);
        let link = self.link.as_deref();
        own.way.tell(&Telling { route, id: &id, notified, link, test: false }).await
    }

    /// Whether nobody needs to be told any more: it was over before anybody was, or that it is over is no news to somebody who never knew.
    async fn has_passed(&self, notified: &Notified, route: &str) -> Result<bool, StoreError> {
        let About::Incident(incident) = &notified.about else { return Ok(false) };
        let store = self.collector.store();
        let passed = match notified.notice {
            Notice::Opened | Notice::Risen | Notice::Joined | Notice::Reopened | Notice::Escalated => {
                store.incident(incident.id.clone()).await?.is_some_and(|own| !own.is_open())
            }
            Notice::Acknowledged | Notice::Resolved => {
                !store.told_over(incident.id.clone()).await?.iter().any(|own| own == route)
            }
            Notice::Migrated => false,
        };
        Ok(passed)
    }

    /// The next route that is meant for it is told as well.
    async fn goes_round(
        &self,
        route: &str,
        notified: &Notified,
        incident: &Incident,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if matches!(notified.notice, Notice::Acknowledged | Notice::Resolved) {
            return Ok(());
        }
        let meant: Vec<&Route> = routes_of(&self.routes, incident, now).collect();
        let next = match meant.iter().position(|own| own.name == route) {
            Some(at) => meant.get(at + 1),
            None => meant.first(),
        };
        match next {
            Some(next) => self.collector.store().reroute(notified.id, next.name.clone(), now).await,
            None => Ok(()),
        }
    }

    /// What is looked at every now and then: who has not answered, and who forgets what is not told again.
    async fn looks(self: &Arc<Self>, rounds: &mut Rounds) -> Result<(), StoreError> {
        let (store, now) = (self.collector.store(), self.collector.clock.now());
        if !is_due(rounds.looked, LOOK_EVERY, now) {
            return Ok(());
        }
        rounds.looked = Some(now);
        meters::waiting(store.waiting().await?, now);
        let unanswered = store.unanswered().await?;
        let silences = if unanswered.is_empty() { Vec::new() } else { self.collector.silences(now).await? };
        for unanswered in unanswered {
            if silences.iter().any(|own| own.hushes(&unanswered.incident, now)) {
                continue;
            }
            for Escalate { after, to } in self.escalations(&unanswered) {
                let late = TimeDelta::from_std(after).is_ok_and(|after| now - unanswered.told >= after);
                if late && store.escalate(unanswered.incident.id.clone(), to.clone(), now).await? {
                    let after = (now - unanswered.told).num_seconds();
                    let id = &unanswered.incident.id;
                    tracing::warn!("nobody has taken up the incident {id} in {after} s: the route {to} is told");
                }
            }
        }
        for route in &self.routes {
            let Some(every) = route.way.repeats() else { continue };
            let last = rounds.repeated.get(&route.name);
            // one that takes its time is not asked twice at a time, and keeps nobody else waiting
            if last.is_some_and(|(at, told)| !told.is_finished() || !is_due(Some(*at), every, now)) {
                continue;
            }
            let open = store.told_open().await?.into_iter().filter(|(_, routes)| routes.contains(&route.name));
            let open: Vec<Incident> = open.map(|(incident, _)| incident).collect();
            let (deliverer, name) = (Arc::clone(self), route.name.clone());
            let telling = tokio::spawn(async move { deliverer.tells_again(&name, open, now).await });
            rounds.repeated.insert(route.name.clone(), (now, telling));
        }
        Ok(())
    }

    /// Tells of what is open once more; one that cannot be told ends the round, and the next one comes in time.
    async fn tells_again(&self, route: &str, open: Vec<Incident>, now: DateTime<Utc>) {
        for incident in open {
            let about = About::Incident(Box::new(incident));
            let notified = Notified { id: 0, notice: Notice::Risen, time: now, about };
            if self.tells(route, &notified).await != Sent::Taken {
                return;
            }
        }
    }

    /// Where an incident goes that was told of over a route and that nobody takes up: as the route says, and as its rules do.
    fn escalations(&self, unanswered: &Unanswered) -> Vec<Escalate> {
        let own = self.routes.iter().find(|own| own.name == unanswered.route).and_then(|own| own.escalate.clone());
        let after = own.as_ref().map_or(ESCALATES, |own| own.after);
        let named = unanswered.incident.parts.iter().filter_map(|part| part.escalation.clone());
        let known = named.filter(|name| self.routes.iter().any(|route| route.name == *name));
        let ours = known.map(|to| Escalate { after, to });
        ours.chain(own).filter(|to| to.to != unanswered.route).collect()
    }

    /// Tells whoever misses this collector when it is not told.
    fn beats(&self, rounds: &mut Rounds) {
        let now = self.collector.clock.now();
        let due = |heartbeat: &Heartbeat| is_due(rounds.beat, heartbeat.every, now);
        let Some(heartbeat) = self.heartbeat.clone().filter(due) else { return };
        rounds.beat = Some(now);
        tokio::spawn(async move {
            if !ping(&heartbeat.client, &heartbeat.url).await {
                tracing::warn!("the heartbeat's receiver was not reached");
            }
        });
    }
}

fn settled(sent: Sent, tries: u64, now: DateTime<Utc>) -> Settled {
    let (why, asked) = match sent {
        Sent::Taken => return Settled::Taken,
        Sent::Refused(why) => return Settled::Refused(why),
        Sent::Unwanted(why) if tries + 1 >= UNWANTED => return Settled::Refused(why),
        Sent::Unwanted(why) => (why, None),
        Sent::Later(why, _) if tries + 1 >= GIVEN_UP => return Settled::Refused(format!("not taken in a day: {why}")),
        Sent::Perhaps(why) if tries + 1 >= GIVEN_UP => return Settled::Refused(format!("perhaps taken: {why}")),
        Sent::Later(why, asked) => (why, asked),
        Sent::Perhaps(why) => (format!("perhaps taken: {why}"), None),
    };
    let doublings = u32::try_from(tries.min(9)).unwrap_or(9);
    let most = Duration::from_secs(1 << doublings).min(LONGEST);
    // half of it and as much as chance says of the other half: never at once, and not everybody at the same time
    let rest = most.mul_f64(0.5 + 0.5 * rand::rng().random::<f64>());
    let rest = asked.map_or(rest, |asked| rest.max(asked.min(LONGEST)));
    Settled::Later(now + TimeDelta::from_std(rest).unwrap_or(TimeDelta::minutes(5)), why)
}

#[cfg(test)]
mod tests;
