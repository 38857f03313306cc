//! What a database tells of transactions: how far they have come, and whose they are.

use chrono::{DateTime, Utc};
use fieldmark_model::name::fits;

/// How far transactions have come. All `None` where the database tells nothing of it.
///
/// Rows are seen in the order of commits, and ids and times are given out before that. So what is the newest row now may not be the last
/// one of its kind to appear: a transaction that runs may yet show an older one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Horizon {
    /// The next transaction id that is given out.
    pub next_transaction: Option<u64>,
    /// Every transaction that runs has an id from this one on, or began to read when this one was not yet over.
    pub oldest_running: Option<u64>,
    /// When the oldest transaction began that runs, as far as the role may see.
    pub oldest_began: Option<DateTime<Utc>>,
    /// By how many seconds the database's clock is ahead of this machine's, give or take the time that asking takes.
    pub clock_ahead: Option<f64>,
}

/// Whose sessions: those to which each pattern given applies. `*` stands for any characters. Without a pattern, nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// The role's name.
    pub role: Option<String>,
    /// The application's name.
    pub application_name: Option<String>,
}

impl Sessions {
    /// Whether a session is one of them.
    pub fn matches(&self, role: &str, application_name: &str) -> bool {
        let applies = |pattern: &Option<String>, name: &str| pattern.as_ref().is_none_or(|pattern| fits(pattern, name));
        (self.role.is_some() || self.application_name.is_some())
            && applies(&self.role, role)
            && applies(&self.application_name, application_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_say_whose_sessions() {
        for (pattern, name, matches) in [
            ("migrate", "migrate", true),
            ("migrate", "migrate2", false),
            ("migrate*", "migrate-42", true),
            ("*rat*", "migrate", true),
            ("*rate", "migrates", false),
            ("a*b*c", "a-b-b-c", true),
            ("*", "", true),
            ("", "x", false),
            ("", "", true),
        ] {
            let sessions = Sessions { role: None, application_name: Some(pattern.into()) };
            assert_eq!(sessions.matches("anybody", name), matches, "{pattern} {name}");
        }
        let both = Sessions { role: Some("owner".into()), application_name: Some("mig*".into()) };
        assert!(both.matches("owner", "migrate") && !both.matches("app", "migrate") && !both.matches("owner", "app"));
        assert!(!Sessions::default().matches("owner", "migrate"), "without a pattern, nobody's");
    }
}
