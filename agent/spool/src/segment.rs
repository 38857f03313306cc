//! One file of records.

use crate::head::{self, Head};
use crate::ledger::Counted;
use crate::record::{self, Checked, Class, Found, Record};
use std::collections::BTreeMap;

/// The name of a segment's file.
pub(crate) fn name(number: u64) -> String {
    format!("{number:020}.seg")
}

/// The name of a file that is to take its place.
pub(crate) fn temporary(number: u64) -> String {
    format!("{number:020}.tmp")
}

/// The number of the segment that has this name.
pub(crate) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// A salt that nobody can foresee who does not know the incarnation (the mixing steps of SplitMix64).
pub(crate) fn salt(incarnation: u64, number: u64) -> u64 {
    let mut mixed = incarnation ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// What is known of a segment while it is there.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) head: Head,
    /// Bytes that are valid.
    pub(crate) valid: u64,
    /// Of each class.
    pub(crate) counted: BTreeMap<Class, Counted>,
}

impl Segment {
    /// With nothing in it but its head.
    pub(crate) fn empty(head: Head) -> Self {
        Self { head, valid: head::BYTES as u64, counted: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, class: Class, sequence: u64, payload: usize) {
        self.counted.entry(class).or_default().add(sequence, payload);
        self.valid += (record::HEAD + payload) as u64;
    }

    pub(crate) fn records(&self) -> u64 {
        self.counted.values().map(|counted| counted.records).sum()
    }

    /// The last sequence number; 0 where there is none.
    pub(crate) fn last(&self) -> u64 {
        self.counted.values().map(|counted| counted.last).max().unwrap_or(0)
    }

    /// The first one.
    pub(crate) fn first(&self) -> u64 {
        let some = self.counted.values().filter(|counted| counted.records > 0);
        some.map(|counted| counted.first).min().unwrap_or(0)
    }
}

/// What lies in a file.
pub(crate) struct Scan<'b> {
    pub(crate) records: Vec<Found<'b>>,
    /// Bytes up to the end of the last record.
    pub(crate) end: usize,
}

/// Every record of a segment's first `valid` bytes, whatever lies between them.
pub(crate) fn scan<'b>(bytes: &'b [u8], head: &Head, valid: u64, checked: Checked) -> Scan<'b> {
    let valid = usize::try_from(valid).unwrap_or(usize::MAX).min(bytes.len());
    let bytes = bytes.get(..valid).unwrap_or_default();
    let mut scan = Scan { records: Vec::new(), end: head::BYTES.min(bytes.len()) };
    let mut at = head::BYTES;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match record::read(rest, head.salt, checked) {
            Some(found) => {
                at += found.bytes();
                scan.end = at;
                scan.records.push(found);
            }
            None => match record::next_mark(rest) {
                Some(further) => at += further,
                None => break,
            },
        }
    }
    scan
}

impl Found<'_> {
    pub(crate) fn to_record(&self, incarnation: u64) -> Record {
        Record { incarnation, sequence: self.sequence, class: self.class, payload: self.payload.to_vec() }
    }
}
