//! What is around each page: its title, where else to go, and who looks.

use super::asset;
use crate::{Principal, Role};
use chrono::{DateTime, Utc};

/// What is around a page.
#[derive(Clone, Debug)]
pub(super) struct Shell {
    /// The page's title.
    pub(super) title: String,
    /// The place of the page among [`PLACES`].
    pub(super) at: &'static str,
    /// Who looks; `None`: nobody who is known.
    pub(super) who: Option<Principal>,
    /// What each form carries.
    pub(super) form: String,
    /// When it is shown.
    pub(super) now: DateTime<Utc>,
}

/// Where else to go: the address and its name.
pub(super) const PLACES: [(&str, &str); 5] = [
    ("/fleet", "Fleet"),
    ("/incidents", "Incidents"),
    ("/migrations", "Migrations"),
    ("/lineage", "Lineage"),
    ("/owners", "Owners"),
];

impl Shell {
    /// Around a page for somebody.
    pub(super) fn of(who: Principal, form: String, now: DateTime<Utc>) -> Self {
        Self { title: String::new(), at: "", who: Some(who), form, now }
    }

    /// Around one for nobody who is known.
    pub(super) fn nobody() -> Self {
        Self { title: String::new(), at: "", who: None, form: String::new(), now: DateTime::UNIX_EPOCH }
    }

    /// With this title, at this place.
    #[must_use]
    pub(super) fn titled(self, title: impl Into<String>, at: &'static str) -> Self {
        Self { title: title.into(), at, ..self }
    }

    /// Whether whoever looks may act: acknowledge and silence.
    pub(super) fn may_act(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.role.may(Role::Operator))
    }

    /// Where else to go.
    pub(super) fn places(&self) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        PLACES.iter()
    }

    /// The address of a file that pages load.
    pub(super) fn asset(&self, name: &str) -> String {
        asset::address(name)
    }

    /// When it is shown, for people.
    pub(super) fn shown_at(&self) -> String {
        fieldmark_model::number::instant(self.now)
    }
}
