//! What is known beside the records: how far they are acknowledged, and what was lost.

use crate::record::{Class, Loss, Why};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

pub(crate) const NAMES: [&str; 2] = ["ledger.0", "ledger.1"];
const VERSION: u32 = 1;
/// Bytes of a file.
const BYTES: usize = 4096;

/// Records lost so far, by reason; never reset.
pub type Losses = BTreeMap<Why, u64>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    version: u32,
    /// How often it was written.
    turn: u64,
    /// The last sequence number that was acknowledged; 0: none.
    pub(crate) acked: u64,
    pub(crate) lost: Losses,
}

/// Of files that this version does not know.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Versioned {
    version: u32,
}

/// What a ledger's file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Ledger(Ledger),
    Newer(u32),
    Damaged,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { version: VERSION, turn: 0, acked: 0, lost: Losses::new() }
    }
}

impl Ledger {
    pub(crate) fn count(&mut self, loss: &Loss) {
        *self.lost.entry(loss.why).or_default() += loss.records;
    }

    /// The later of two.
    pub(crate) fn later(self, other: Self) -> Self {
        if other.turn > self.turn { other } else { self }
    }

    /// The next turn: the file to write, and its bytes.
    pub(crate) fn next(&mut self) -> (&'static str, Vec<u8>) {
        self.turn += 1;
        let [even, odd] = NAMES;
        let name = if self.turn.is_multiple_of(2) { even } else { odd };
        // what has no maps with odd keys and no numbers that are none can be written
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        let sum = crc32fast::hash(&bytes);
        bytes.extend(format!("\n{sum:08x}\n").into_bytes());
        bytes.resize(BYTES.max(bytes.len()), b' ');
        (name, bytes)
    }

    pub(crate) fn read(bytes: &[u8]) -> Read {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let (Some(said), Some(sum)) = (lines.next(), lines.next()) else { return Read::Damaged };
        if format!("{:08x}", crc32fast::hash(said)).as_bytes() != sum {
            return Read::Damaged;
        }
        match (serde_json::from_slice::<Versioned>(said), serde_json::from_slice::<Self>(said)) {
            (Ok(Versioned { version }), _) if version != VERSION => Read::Newer(version),
            (_, Ok(ledger)) => Read::Ledger(ledger),
            (_, Err(_)) => Read::Damaged,
        }
    }
}

/// Records, as a loss counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Counted {
    pub(crate) fn add(&mut self, sequence: u64, bytes: usize) {
        if self.records == 0 {
            self.first = sequence;
        }
        self.records += 1;
        self.bytes += bytes as u64;
        self.last = sequence;
    }

    /// All of these numbers, of unknown size.
    pub(crate) fn add_range(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        if self.records == 0 {
            self.first = range.start;
        }
        self.records += range.end - range.start;
        self.last = range.end - 1;
    }

    pub(crate) fn loss(self, why: Why, class: Option<Class>) -> Loss {
        Loss { why, class, first: self.first, last: self.last, records: self.records, bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_read_back_and_the_later_one_counts() {
        let mut ledger = Ledger { acked: 7, ..Ledger::default() };
        ledger.count(&Counted { records: 3, ..Counted::default() }.loss(Why::Full, None));
        let (first, bytes) = ledger.next();
        assert_eq!(bytes.len(), BYTES);
        let Read::Ledger(before) = Ledger::read(&bytes) else { panic!("not read back") };
        assert_eq!(before, ledger);
        ledger.acked = 9;
        let (second, bytes) = ledger.next();
        assert_ne!(first, second);
        let Read::Ledger(after) = Ledger::read(&bytes) else { panic!("not read back") };
        assert_eq!(before.clone().later(after.clone()), after);
        assert_eq!(after.clone().later(before), after);
        for at in 0..40 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(Ledger::read(&damaged), Read::Damaged, "{at}");
        }
        let newer = br#"{"version":2,"what":"else"}"#;
        let newer = [&newer[..], format!("\n{:08x}\n", crc32fast::hash(newer)).as_bytes()].concat();
        assert_eq!(Ledger::read(&newer), Read::Newer(2));
        assert_eq!(Ledger::read(b""), Read::Damaged);
    }
}
