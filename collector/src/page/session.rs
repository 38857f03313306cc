//! Who is signed in: sessions in memory, by what a browser holds of them. A restart signs everybody out.

use crate::principal::NoRandomness;
use crate::{Token, TokenHash};
use axum::http::{HeaderMap, header};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How long one lasts.
pub(super) const LIFE: TimeDelta = TimeDelta::hours(12);
/// Sessions at a time; one more ends the oldest.
const MOST: usize = 10_000;

/// Somebody who is signed in. What he may do is asked of the store each time: a token that is revoked signs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// Whose: what is kept of the token that he came with.
    pub(super) token: TokenHash,
    /// What each form of his carries, so that nobody else's does for him.
    pub(super) form: String,
    began: DateTime<Utc>,
}

/// Sessions, by a digest of what the browser holds.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<TokenHash, Session>>>);

impl Sessions {
    /// A new one of whoever has this token; what the browser holds of it.
    pub(super) fn begin(&self, token: TokenHash, now: DateTime<Utc>) -> Result<String, NoRandomness> {
        let key = Token::random()?;
        let form = Token::random()?.expose().to_owned();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.lasts(now));
        if sessions.len() >= MOST
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.began).map(|(key, _)| *key)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(key.hash(), Session { token, form, began: now });
        Ok(key.expose().to_owned())
    }

    /// The one of which a browser holds this.
    pub(super) fn of(&self, key: &str, now: DateTime<Utc>) -> Option<Session> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&Token::given(key).hash()).filter(|session| session.lasts(now)).cloned()
    }

    /// It is over.
    pub(super) fn end(&self, key: &str) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&Token::given(key).hash());
    }
}

impl Session {
    fn lasts(&self, now: DateTime<Utc>) -> bool {
        now - self.began < LIFE
    }

    /// Whether a form is his own. By digests: how long it takes tells nothing of either.
    pub(super) fn made(&self, form: &str) -> bool {
        Token::given(form).hash() == Token::given(&self.form).hash()
    }
}

/// The cookie's name: over TLS one that no other host and no plain page can set.
pub(super) fn name(secure: bool) -> &'static str {
    if secure { "__Host-fieldmark" } else { "fieldmark" }
}

/// The cookie of a session that begins.
pub(super) fn given(key: &str, secure: bool) -> String {
    cookie(key, LIFE.num_seconds(), secure)
}

/// The cookie of one that is over.
pub(super) fn taken(secure: bool) -> String {
    cookie("", 0, secure)
}

fn cookie(value: &str, seconds: i64, secure: bool) -> String {
    let only = if secure { "; Secure" } else { "" };
    format!("{}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{only}", name(secure))
}

/// What a browser holds of its session.
pub(super) fn held(headers: &HeaderMap, secure: bool) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(own, _)| *own == name(secure)).map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_its_key_until_it_is_over() {
        let (sessions, start) = (Sessions::default(), DateTime::UNIX_EPOCH);
        let token = Token::random().unwrap().hash();
        let key = sessions.begin(token, start).unwrap();
        let session = sessions.of(&key, start + LIFE - TimeDelta::seconds(1)).unwrap();
        assert_eq!(session.token, token);
        assert!(session.made(&session.form) && !session.made("") && !session.made(&key));
        assert_eq!(sessions.of(&key, start + LIFE), None);
        assert_eq!(sessions.of("another", start), None);
        sessions.end(&key);
        assert_eq!(sessions.of(&key, start), None);
    }

    #[test]
    fn there_are_so_many_at_most_and_the_oldest_goes() {
        let (sessions, start) = (Sessions::default(), DateTime::UNIX_EPOCH);
        let token = Token::random().unwrap().hash();
        let first = sessions.begin(token, start).unwrap();
        let second = sessions.begin(token, start + TimeDelta::milliseconds(1)).unwrap();
        for n in 2..=MOST {
            sessions.begin(token, start + TimeDelta::milliseconds(n as i64)).unwrap();
        }
        assert_eq!(sessions.of(&first, start), None);
        assert!(sessions.of(&second, start).is_some());
    }

    #[test]
    fn a_cookie_is_for_this_host_alone_and_no_script_reads_it() {
        let cookie = given("k", true);
        assert_eq!(cookie, "__Host-fieldmark=k; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200; Secure");
        assert_eq!(taken(false), "fieldmark=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=b; fieldmark=k; c=d".parse().unwrap());
        assert_eq!(held(&headers, false).as_deref(), Some("k"));
        assert_eq!(held(&headers, true), None);
    }
}
