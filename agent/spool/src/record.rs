//! Records as they lie in a segment.

use serde::{Deserialize, Serialize};

/// What goes first where something has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Details of samples.
    Detail,
    /// Numbers about ourselves: the next ones say as much.
    Metric,
    /// What rules gave.
    Outcome,
    /// Changes of state. Never thrown away for want of room.
    State,
    /// That something was lost ([`Loss`]). Never thrown away either.
    Loss,
}

impl Class {
    /// All of them, first to go first.
    pub const ALL: [Self; 5] = [Self::Detail, Self::Metric, Self::Outcome, Self::State, Self::Loss];
    /// Those that may be thrown away for want of room, first to go first.
    pub(crate) const SHED: [Self; 3] = [Self::Detail, Self::Metric, Self::Outcome];

    /// Whether it is kept however little room there is.
    pub fn is_kept(self) -> bool {
        !Self::SHED.contains(&self)
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Detail => 1,
            Self::Metric => 2,
            Self::Outcome => 3,
            Self::State => 4,
            Self::Loss => 5,
        }
    }

    fn of(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which life of the agent wrote it.
    pub incarnation: u64,
    /// Counts up by one over all lives.
    pub sequence: u64,
    /// What it is.
    pub class: Class,
    /// What it says; of [`Class::Loss`] a [`Loss`].
    pub payload: Vec<u8>,
}

impl Record {
    /// Largest payload.
    pub const MOST_BYTES: usize = 4 << 20;

    /// What was lost, where that is what it says.
    pub fn loss(&self) -> Option<Loss> {
        (self.class == Class::Loss).then(|| serde_json::from_slice(&self.payload).ok()).flatten()
    }
}

/// Why records were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// For want of room, those of the class.
    Full,
    /// Bytes on the disk were damaged.
    Damaged,
    /// The end of the last segment was no record: a write that a crash cut off, which nobody counted on, or a damaged one.
    CutOff,
    /// They never came to the disk, and memory for them ran out.
    NeverWritten,
    /// Whoever was to take them refused them for good.
    Refused,
}

impl Why {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Damaged => "damaged",
            Self::CutOff => "cut_off",
            Self::NeverWritten => "never_written",
            Self::Refused => "refused",
        }
    }
}

/// Records that are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Why.
    pub why: Why,
    /// Of which class they all were, where that is known.
    pub class: Option<Class>,
    /// The first sequence number among them; 0 where they had none.
    pub first: u64,
    /// And the last. Not all between need to be lost.
    pub last: u64,
    /// How many there were; of those cut off and of damaged heads 0, since that is not known.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

impl Loss {
    /// Whether it explains that there is no record of this number.
    pub(crate) fn spans(&self, sequence: u64) -> bool {
        (self.first..=self.last).contains(&sequence)
    }

    /// Whether a record was thrown away with it.
    pub(crate) fn shed(&self, class: Class, sequence: u64) -> bool {
        self.why == Why::Full && self.class == Some(class) && self.spans(sequence)
    }
}

const MARK: [u8; 4] = [0xF1, 0x65, 0x6C, 0x64];
/// Bytes in front of a payload.
pub(crate) const HEAD: usize = 21;

/// Whether what lies on the disk is held against its checksum: switched off by the one test that shows that this is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Yes,
    #[cfg(test)]
    No,
}

/// What a place in a segment begins with.
pub(crate) struct Found<'b> {
    pub(crate) class: Class,
    pub(crate) sequence: u64,
    pub(crate) payload: &'b [u8],
}

impl Found<'_> {
    /// Bytes of it all.
    pub(crate) fn bytes(&self) -> usize {
        HEAD + self.payload.len()
    }
}

fn checksum(salt: u64, length: u32, class: u8, sequence: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(&[class]);
    hasher.update(&sequence.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Appends a record's bytes.
pub(crate) fn write(to: &mut Vec<u8>, salt: u64, class: Class, sequence: u64, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    to.extend(MARK);
    to.extend(length.to_le_bytes());
    to.push(class.code());
    to.extend(sequence.to_le_bytes());
    to.extend(checksum(salt, length, class.code(), sequence, payload).to_le_bytes());
    to.extend(payload);
}

/// The record that begins here, if one does.
pub(crate) fn read(bytes: &[u8], salt: u64, checked: Checked) -> Option<Found<'_>> {
    let (mark, rest) = bytes.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (code, rest) = rest.split_first()?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    if *mark != MARK {
        return None;
    }
    let (length, sequence) = (u32::from_le_bytes(*length), u64::from_le_bytes(*sequence));
    let size = usize::try_from(length).ok().filter(|size| *size <= Record::MOST_BYTES)?;
    let payload = rest.get(..size)?;
    let right = match checked {
        Checked::Yes => checksum(salt, length, *code, sequence, payload) == u32::from_le_bytes(*sum),
        #[cfg(test)]
        Checked::No => true,
    };
    let class = Class::of(*code)?;
    right.then_some(Found { class, sequence, payload })
}

/// Bytes from here to the next place that may begin a record.
pub(crate) fn next_mark(bytes: &[u8]) -> Option<usize> {
    let after = bytes.get(1..)?;
    after.windows(MARK.len()).position(|window| window == MARK).map(|at| at + 1)
}
