//! When the lineage of a source is read: when its schema is another one than it was read of, and now and then for who was seen to read.

use super::{Job, LINEAGE_EVERY, Now, Source};
use crate::daemon::event::Effect;
use crate::lineage::Told;
use fieldmark_model::SourceName;
use fieldmark_model::observation::{Body, SourceFault};
use std::time::Duration;

impl Source {
    /// The job, where it is due: after all that is urgent, and not while a migration goes on.
    pub(super) fn lineage(&self, now: Duration) -> Option<Job> {
        let schema = self.fingerprint.as_ref().map(|fingerprint| &fingerprint.schema)?;
        let is_new = self.lineage_of.as_ref() != Some(schema) || self.lineage_after.is_some();
        // one that could not be read is not tried at every moment
        let due = self.next_lineage <= now || (is_new && self.lineage_fault.is_none());
        let job = || Job::Lineage { migration: self.lineage_after.clone() };
        (self.checked && self.migration.is_none() && due).then(job)
    }

    /// It was read; what is new of it is told.
    pub(super) fn lineage_seen(
        &mut self,
        name: &SourceName,
        (bodies, told): (Vec<Body>, Box<Told>),
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.lineage_of = self.fingerprint.as_ref().map(|fingerprint| fingerprint.schema.clone());
        self.next_lineage = now.up + LINEAGE_EVERY;
        self.lineage_after = None;
        self.lineage_fault = None;
        if !bodies.is_empty() {
            effects.push(Effect::Record { time: now.wall, bodies });
            effects.push(Effect::KeepLineage { source: name.clone(), told });
        }
    }

    /// It could not be read, which says nothing of the source: whether that can be read, others tell.
    pub(super) fn lineage_failed(&mut self, name: &SourceName, fault: &SourceFault, effects: &mut Vec<Effect>) {
        if self.lineage_fault.as_ref() != Some(&fault.what) {
            effects.push(Effect::Warn(format!("{name}: its lineage could not be read: {}", fault.what)));
        }
        self.lineage_fault = Some(fault.what.clone());
    }
}
