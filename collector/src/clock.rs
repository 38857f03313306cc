//! What time it is: the system's, or one that a test turns.

use chrono::{DateTime, Utc};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A clock. Clones are the same one.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The system's.
    pub fn system() -> Self {
        Self(Arc::new(Utc::now))
    }

    /// One that shows what it is set to.
    pub fn set_by(time: Arc<Mutex<DateTime<Utc>>>) -> Self {
        Self(Arc::new(move || *time.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// What it shows.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
