//! Agents of whom nothing is heard.

use crate::Patience;
use crate::incident::Silence;
use crate::words;
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_model::observation::State;
use std::collections::BTreeMap;

/// When who was heard of last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Silences {
    heard: BTreeMap<String, Heard>,
    /// When it was looked at last who is silent.
    looked: Option<DateTime<Utc>>,
}

/// Looks are no further apart than this, unless nobody looked, or the clock was turned.
const APART: TimeDelta = TimeDelta::seconds(90);

#[derive(Clone, Debug, PartialEq)]
struct Heard {
    last: DateTime<Utc>,
    state: State,
}

impl Silences {
    /// Something was heard of an agent. `Some`: it was silent.
    pub fn hears(&mut self, agent: &str, now: DateTime<Utc>) -> Option<Silence> {
        let Some(heard) = self.heard.get_mut(agent) else {
            self.heard.insert(agent.to_owned(), Heard { last: now, state: State::Ok });
            return None;
        };
        let since = std::mem::replace(&mut heard.last, now);
        let to = match std::mem::replace(&mut heard.state, State::Ok) {
            State::Suspect => State::Transient,
            State::Systemic => State::Resolved,
            State::Ok | State::Transient | State::Flapping | State::Resolved => return None,
        };
        let reason = format!("it is heard of again, after {}", words::time(now - since));
        Some(Silence { to, since, reason })
    }

    /// An agent was told to be silent by a process before this one.
    pub fn remembers(&mut self, agent: &str, since: DateTime<Utc>) {
        self.heard.insert(agent.to_owned(), Heard { last: since, state: State::Systemic });
    }

    /// An agent that nobody waits for any more. `Some`: it was silent.
    pub fn forgets(&mut self, agent: &str) -> Option<Silence> {
        let heard = self.heard.remove(agent).filter(|heard| heard.state == State::Systemic)?;
        let reason = "nobody waits for it any more".to_owned();
        Some(Silence { to: State::Resolved, since: heard.last, reason })
    }

    /// Those that are silent.
    pub fn silent(&self) -> impl Iterator<Item = &str> {
        let silent = self.heard.iter().filter(|(_, heard)| heard.state == State::Systemic);
        silent.map(|(agent, _)| agent.as_str())
    }

    /// Those of whom something was ever heard.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        self.heard.keys().map(String::as_str)
    }

    /// Time has passed: who is silent now.
    pub fn passes(&mut self, now: DateTime<Utc>, patience: Patience) -> Vec<(String, Silence)> {
        let mut silent = Vec::new();
        let gap = self.looked.replace(now).map_or(TimeDelta::zero(), |looked| now - looked);
        if gap > APART {
            // whatever was said meanwhile, nobody heard
            self.heard.values_mut().for_each(|heard| heard.last += gap);
        }
        for (agent, heard) in &mut self.heard {
            let lasts = now - heard.last;
            let to = match heard.state {
                State::Ok if lasts > patience.to_doubt() => State::Suspect,
                State::Suspect if lasts > patience.of_silence() => State::Systemic,
                State::Ok | State::Suspect | State::Systemic => continue,
                State::Transient | State::Flapping | State::Resolved => continue,
            };
            heard.state = to;
            let reason = format!("nothing is heard of the agent for {}", words::time(lasts));
            silent.push((agent.clone(), Silence { to, since: heard.last, reason }));
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn who_is_not_heard_of_for_longer_than_things_are_given_to_heal_is_silent() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let patience = Patience::new(Duration::from_secs(900));
        let mut silences = Silences::default();
        assert_eq!(silences.hears("db-1", at(0)), None);
        silences.hears("db-2", at(0));
        let told: Vec<(i64, String, State)> = (1..30)
            .flat_map(|minute| {
                silences.hears("db-2", at(minute * 60));
                let silent = silences.passes(at(minute * 60), patience);
                silent.into_iter().map(move |(agent, silence)| (minute, agent, silence.to)).collect::<Vec<_>>()
            })
            .collect();
        let expected = [(3, "db-1".to_owned(), State::Suspect), (17, "db-1".to_owned(), State::Systemic)];
        assert_eq!(told, expected, "a minute after it may have been heard of and was not seen to be");
        let back = silences.hears("db-1", at(1_800)).unwrap();
        assert_eq!((back.to, back.reason.as_str()), (State::Resolved, "it is heard of again, after 30 min"));
        assert_eq!(silences.hears("db-1", at(1_860)), None);
        // what was told before a restart is over when it is heard of, or not waited for any more
        silences.remembers("db-3", at(0));
        silences.remembers("db-4", at(0));
        assert_eq!(silences.silent().collect::<Vec<_>>(), ["db-3", "db-4"]);
        assert_eq!(silences.hears("db-3", at(1_900)).map(|silence| silence.to), Some(State::Resolved));
        assert_eq!(silences.forgets("db-4").map(|silence| silence.to), Some(State::Resolved));
        assert_eq!(silences.forgets("db-2"), None);
        // nobody listened for an hour, or the clock was turned: that is no silence of theirs
        silences.hears("db-5", at(5_000));
        silences.passes(at(5_010), patience);
        assert_eq!(silences.passes(at(9_000), patience), []);
        assert_eq!(silences.passes(at(9_060), patience), []);
    }
}
