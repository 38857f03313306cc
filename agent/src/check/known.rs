//! Known failing rows: those that an earlier check found, read again by key. They have no weight in the estimate; but a rule that tolerates
//! none has not healed while one of them still fails.

use super::draw::internal;
use super::table::{MOST_KNOWN, TableCheck};
use super::texts;
use crate::reader::Reader;
use crate::state::{FailingRows, FailingRule};
use fieldmark_model::Chunk;
use fieldmark_model::outcome::KnownFailing;
use fieldmark_source::Error;
use std::collections::BTreeSet;

/// Keys asked for in one statement.
const KEYS_A_STATEMENT: usize = 1_000;

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
        let keys = texts::batch(self.table, &self.key, &rows);
        let Some(keys) = keys.filter(|keys| keys.num_rows() > 0) else {
            // keys that the key's type does not read any more are of no row
            self.known_there = Some(Vec::new());
            return Ok(());
        };
        let mut chunks = Vec::new();
        for from in (0..keys.num_rows()).step_by(KEYS_A_STATEMENT) {
            let keys = keys.slice(from, KEYS_A_STATEMENT.min(keys.num_rows() - from));
            match reader.by_key(&self.read(), &self.key, &keys).await {
                Ok(chunk) => chunks.push(chunk),
                Err(error) if error.ends_reading() => return Err(error),
                Err(_) => return Ok(()),
            }
        }
        let schema = self.table.arrow_schema(self.columns.iter().map(String::as_str));
        let chunk = Chunk::concat(&schema, &chunks).map_err(|error| internal("joining chunks", &error))?;
        self.known_there = Some((0..chunk.rows()).filter_map(|row| texts::texts(&chunk, row, &self.key)).collect());
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

    /// Known failing rows of a rule of which it could not be told whether they fail still, and that are not known to be gone.
    pub(super) fn untold_failing(&self, index: usize) -> Vec<Vec<String>> {
        let untold = self.states.get(index).is_some_and(|state| state.known.is_none() && state.stopped.is_none());
        let Some(rule) = self.rule(index).filter(|_| untold) else { return Vec::new() };
        let known = self.state.failing.get(&self.table.name).filter(|known| known.key == self.key);
        let known = known.and_then(|known| known.rules.get(&rule.id));
        let rows = known.filter(|known| known.fingerprint == rule.fingerprint).map(|known| known.rows.clone());
        let there = |row: &Vec<String>| self.known_there.as_ref().is_none_or(|there| there.contains(row));
        rows.unwrap_or_default().into_iter().filter(there).collect()
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
            let untold = if whole { Vec::new() } else { self.untold_failing(index) };
            let mut rows = state.failing_keys.clone();
            rows.extend(untold.into_iter().filter(|key| !state.failing_keys.contains(key)));
            rows.truncate(MOST_KNOWN);
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
