//! What was refused of late, so that one who asks again and again does not fill the store.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Time in which the same refusal is noted once.
const ONCE_IN: TimeDelta = TimeDelta::seconds(60);
/// Refusals that are known at a time at most; of more in that time no note is taken.
const MOST: usize = 1_000;

type Key = (String, &'static str, String);

/// Refusals of the last minute.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<HashMap<Key, DateTime<Utc>>>>);

impl Refusals {
    /// Whether note is to be taken of this one.
    pub(crate) fn is_new(&self, who: &str, what: &'static str, detail: &str, now: DateTime<Utc>) -> bool {
        // of one whom nobody knows, whatever he asks for is the same
        let detail = if who == "-" { "" } else { detail };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, noted| (now - *noted).abs() < ONCE_IN);
        let key = (who.to_owned(), what, detail.to_owned());
        if known.len() >= MOST || known.contains_key(&key) {
            return false;
        }
        known.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_noted_once_in_a_minute_and_many_are_not_noted_at_all() {
        let (refusals, start) = (Refusals::default(), DateTime::UNIX_EPOCH);
        let after = |seconds| start + TimeDelta::seconds(seconds);
        assert!(refusals.is_new("ann", "role_refused", "GET /a", start));
        assert!(!refusals.is_new("ann", "role_refused", "GET /a", after(59)));
        assert!(refusals.is_new("ann", "role_refused", "GET /b", after(59)));
        assert!(refusals.is_new("-", "token_refused", "GET /a", after(59)));
        assert!(!refusals.is_new("-", "token_refused", "GET /b", after(59)), "whatever a stranger asks for");
        assert!(refusals.is_new("ann", "role_refused", "GET /a", after(60)));
        let noted = (0..5_000).filter(|n| refusals.is_new("ann", "role_refused", &n.to_string(), after(61))).count();
        assert!((900..=1_000).contains(&noted), "{noted}");
        assert!(refusals.is_new("bob", "role_refused", "GET /a", after(200)));
    }
}
