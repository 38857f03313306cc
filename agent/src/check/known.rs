//! Known failing rows: those that an earlier check found, read again by key. They have no weight in the estimate; but a rule that tolerates
//! none has not healed while one of them still fails.

use super::table::{MOST_EXAMPLES, TableCheck};
use super::texts;
use crate::reader::Reader;
use crate::state::{FailingRows, FailingRule};
use fieldmark_model::outcome::KnownFailing;
use fieldmark_source::Error;
use std::collections::BTreeSet;

impl TableCheck<'_> {
    /// Reads the known failing rows of all rules again.
    ///
    /// # Errors
    /// The run was cancelled, or the connection is lost; else what could not be read again says nothing.
    pub(crate) async fn read_known_failing(&mut self, reader: &mut Reader) -> Result<(), Error> {
        let Some(known) = self.state.failing.get(&self.table.name).filter(|known| known.key == self.key) else {
            return Ok(());
        };
        let of_rule = |check: &Self, index: usize| {
            let rule = check.rule(index)?;
            known.rules.get(&rule.id).filter(|failing| failing.fingerprint == rule.fingerprint)
        };
        let rows: BTreeSet<&Vec<String>> =
            (0..self.states.len()).filter_map(|index| of_rule(self, index)).flat_map(|failing| &failing.rows).collect();
        let rows: Vec<Vec<String>> = rows.into_iter().cloned().collect();
        let Some(keys) = texts::batch(self.table, &self.key, &rows).filter(|keys| keys.num_rows() > 0) else {
            return Ok(());
        };
        let chunk = match reader.by_key(&self.read(), &self.key, &keys).await {
            Ok(chunk) => chunk,
            Err(error) if error.ends_reading() => return Err(error),
            Err(_) => return Ok(()),
        };
        let failing = self.judge_rows(reader, &chunk).await?;
        for (index, failing) in failing.into_iter().enumerate() {
            let (Some(of_rule), Some(failing)) = (of_rule(self, index), failing) else { continue };
            let still: Vec<(usize, Vec<String>)> = failing
                .into_iter()
                .filter_map(|row| Some((row, texts::texts(&chunk, row, &self.key)?)))
                .filter(|(_, key)| of_rule.rows.contains(key))
                .collect();
            self.note_known_failing(index, &chunk, &still);
            if let Some(state) = self.states.get_mut(index) {
                let (known, failing) = (of_rule.rows.len() as u64, still.len() as u64);
                state.known = Some(KnownFailing { known, failing, since: Some(of_rule.since) });
            }
        }
        Ok(())
    }

    /// Known failing rows of a rule that were not read again, though not all rows were: they may fail still.
    pub(super) fn unread_failing(&self, index: usize) -> Option<&FailingRule> {
        let rule = self.rule(index)?;
        let state = self.states.get(index).filter(|state| state.known.is_none())?;
        let known = self.state.failing.get(&self.table.name).filter(|known| known.key == self.key)?;
        let known = known.rules.get(&rule.id).filter(|known| known.fingerprint == rule.fingerprint)?;
        state.stopped.is_none().then_some(known)
    }

    /// Failing rows to be read again by the next check: those that still fail, then newly found ones. Rules that were not
    /// answered keep theirs; where not all rows were read, so do those whose rows could not be read again.
    pub(crate) fn failing_rows(&self, whole: bool) -> FailingRows {
        let before = self.state.failing.get(&self.table.name).filter(|known| known.key == self.key);
        let mut failing = FailingRows { key: self.key.clone(), ..FailingRows::default() };
        failing.rules.extend(before.into_iter().flat_map(|before| before.rules.clone()));
        if self.hides_key() {
            failing.rules.clear();
            return failing;
        }
        for (index, state) in self.states.iter().enumerate() {
            let Some(rule) = self.rule(index).filter(|_| state.stopped.is_none()) else { continue };
            let since = failing.rules.get(&rule.id).filter(|known| known.fingerprint == rule.fingerprint);
            let since = since.map_or(self.run.now, |known| known.since);
            let unread = if whole { None } else { self.unread_failing(index) };
            let mut rows: Vec<Vec<String>> = unread.map(|unread| unread.rows.clone()).unwrap_or_default();
            rows.extend(
                state.failing_keys.iter().filter(|key| unread.is_none_or(|unread| !unread.rows.contains(key))).cloned(),
            );
            rows.truncate(MOST_EXAMPLES);
            if rows.is_empty() {
                failing.rules.remove(&rule.id);
            } else {
                let fingerprint = rule.fingerprint.clone();
                failing.rules.insert(rule.id.clone(), FailingRule { fingerprint, since, rows });
            }
        }
        failing
    }
}
