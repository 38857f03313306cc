//! What an agent has observed and nobody has taken yet, on disk.
//!
//! A record counts as taken when [`Spool::append`] has returned: it and all before it are synced. It stays until it is acknowledged
//! ([`Spool::ack`]) or the bound forces it out, which is a record of its own ([`Loss`]). Nothing here knows what a record says; it has a
//! [`Class`], by which it is decided what goes first.
//!
//! # The folder
//!
//! ```text
//! <spool>/lock                        held by the one process that writes
//! <spool>/ledger.0, ledger.1          written in turns, in place: how far records are acknowledged, and losses so far
//! <spool>/00000000000000000042.seg    segments, by number; records in the order of their sequence numbers
//! <spool>/00000000000000000042.tmp    one that is being written in the place of another: ignored, and removed at the next start
//! ```
//!
//! All numbers are little-endian. A segment begins with its head, twice, so that no single damaged byte takes all of it:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `FMSPOOL` and a zero |
//! | 4 | format version, 1 |
//! | 8 | number of the segment |
//! | 8 | incarnation: which life of the agent wrote it |
//! | 8 | salt, random |
//! | 4 | CRC-32 (ISO-HDLC) of all that |
//!
//! and then has records, each:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `F1 65 6C 64` |
//! | 4 | bytes of the payload, at most [`Record::MOST_BYTES`] |
//! | 1 | class |
//! | 8 | sequence number |
//! | 4 | CRC-32 of the salt, the three fields before, and the payload |
//! | … | the payload |
//!
//! The salt keeps bytes inside a payload from being taken for a record. Where bytes are no record, the next place that begins one is
//! looked for: a damaged record takes no other with it. What is missing is told by the sequence numbers, which have no gaps but those that a
//! loss explains. At the end of the last segment what is no record is taken for a write that a crash cut off. It may also have been
//! a whole one, and sent: so each start has an incarnation of its own, and no id is given twice.
//!
//! A ledger is a line of JSON (`version`, `turn`, `acked`, `lost`), a line with the CRC-32 of it in hexadecimal digits, and spaces up to
//! 4 KiB, so that writing it again takes no room on a full disk. The one with the higher turn counts.
//!
//! # When the disk fails
//!
//! A write or a sync that fails ends its segment for good, whatever a later sync says: Linux tells of an error once, and then forgets which
//! pages it was. Before anything else is written the file is cut back to what was taken, so that nothing else comes back, and no room is
//! needed for that.
//!
//! A new segment is begun at each start, and past [`Limits::segment_bytes`]. Segments of which all is acknowledged are removed, after the
//! ledger says so.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod disk;
mod head;
mod ledger;
#[cfg(test)]
mod proof;
mod record;
mod segment;
mod spool;

pub use disk::{Disk, Folder, Written};
pub use ledger::Losses;
pub use record::{Class, Loss, Record, Why};
pub use spool::{Error, Limits, Recovered, Spool};
