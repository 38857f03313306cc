//! The spool itself.

use crate::disk::{Disk, Written};
use crate::head::{self, Head};
use crate::ledger::{self, Counted, Ledger, Losses};
use crate::record::{self, Checked, Class, Found, Loss, Record, Why};
use crate::segment::{self, Segment, scan};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{Range, RangeInclusive};
use thiserror::Error;

/// Bounds of a spool, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All segments together. What a sixteenth of it leaves is for changes of state and losses alone.
    pub bytes: u64,
    /// A segment that has as many gets no more records.
    pub segment_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256 << 20, segment_bytes: 1 << 20 }
    }
}

impl Limits {
    fn for_class(self, class: Class) -> u64 {
        if class.is_kept() { self.bytes } else { self.bytes - self.bytes / 16 }
    }
}

/// Why a record was not taken, or could not be given.
#[derive(Debug, Error)]
pub enum Error {
    /// The disk's. What was to be appended was not taken.
    #[error("the spool's disk: {0}")]
    Disk(#[from] io::Error),
    /// Everything that may be thrown away was, and the bound is reached.
    #[error("the spool is full, and what is in it may not be thrown away")]
    Full,
    /// A record of more than [`Record::MOST_BYTES`].
    #[error("a record of {bytes} bytes is too large for the spool")]
    TooLarge {
        /// Its payload.
        bytes: usize,
    },
    /// Another version of Fieldmark wrote what is there.
    #[error("the spool is of version {version}, which this Fieldmark does not know")]
    Newer {
        /// The version.
        version: u32,
    },
}

/// What was found at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records that are there to be given.
    pub records: u64,
    /// What was lost since it was written. The spool says so itself, in records of its own.
    pub losses: Vec<Loss>,
}

/// A loss that is not acknowledged.
#[derive(Clone, Copy, Debug)]
struct Told {
    loss: Loss,
    /// The record that says so; `None`: none does yet.
    by: Option<u64>,
}

/// Records on a disk.
pub struct Spool<D: Disk> {
    disk: D,
    limits: Limits,
    incarnation: u64,
    checked: Checked,
    ledger: Ledger,
    /// As far as it is acknowledged on the disk, too: nothing beyond is removed.
    settled: u64,
    /// In order; the last one is written to while `file` is there.
    segments: Vec<Segment>,
    file: Option<D::File>,
    /// Segments that hold something that was thrown away: they could not be written anew.
    stale: BTreeSet<u64>,
    /// The number of the next segment.
    next_number: u64,
    /// The sequence number of the next record.
    next: u64,
    /// A segment that a write failed on, and how many of its bytes were taken.
    failed: Option<(u64, u64)>,
    losses: Vec<Told>,
}

impl<D: Disk> Spool<D> {
    /// Opens what is there, and goes on in a new life of this number, which no other has had.
    ///
    /// # Errors
    /// [`Error::Newer`], or the disk's. Nothing was changed then.
    pub fn open(disk: D, limits: Limits, incarnation: u64) -> Result<(Self, Recovered), Error> {
        Self::open_checked(disk, limits, incarnation, Checked::Yes)
    }

    pub(crate) fn open_checked(
        disk: D,
        limits: Limits,
        incarnation: u64,
        checked: Checked,
    ) -> Result<(Self, Recovered), Error> {
        let names = disk.names()?;
        let ledger = read_ledger(&disk, &names)?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
        numbers.sort_unstable();
        let mut files: BTreeMap<u64, (Head, Vec<u8>)> = BTreeMap::new();
        for number in &numbers {
            let bytes = disk.read(&segment::name(*number))?;
            match Head::read(&bytes) {
                head::Read::Newer(version) => return Err(Error::Newer { version }),
                head::Read::Head(head) if head.number == *number => drop(files.insert(*number, (head, bytes))),
                // if there was anything in it, it is missed below
                head::Read::Head(_) | head::Read::None => {}
            }
        }
        // nothing is newer: from here on what is not needed is removed
        for name in names.iter().filter(|name| name.ends_with(".tmp")) {
            disk.remove(name)?;
        }
        for number in numbers.iter().filter(|number| !files.contains_key(number)) {
            disk.remove(&segment::name(*number))?;
        }
        let mut spool = Self {
            disk,
            limits,
            incarnation,
            checked,
            ledger,
            settled: 0,
            segments: Vec::new(),
            file: None,
            stale: BTreeSet::new(),
            next_number: numbers.last().map_or(1, |last| last.saturating_add(1)),
            next: 1,
            failed: None,
            losses: Vec::new(),
        };
        // what a ledger shows may never have come to the disk; and its files take their room now
        for _ in ledger::NAMES {
            spool.settle_ledger().ok();
        }
        let recovered = spool.index(&files)?;
        spool.settle()?;
        // where it cannot be said now, it is with the next record
        spool.say().ok();
        Ok((spool, recovered))
    }

    /// Makes the index of what is there, and tells what is not.
    fn index(&mut self, files: &BTreeMap<u64, (Head, Vec<u8>)>) -> Result<Recovered, Error> {
        let acked = self.ledger.acked;
        let mut found = Vec::new();
        let mut cut_off = None;
        let last = files.keys().next_back();
        for (number, (head, bytes)) in files {
            let scanned = scan(bytes, head, u64::MAX, self.checked);
            let mut segment = Segment::empty(*head);
            let cut = (bytes.len() - scanned.end) as u64;
            if last == Some(number) && cut > 0 {
                cut_off = Some(Counted { bytes: cut, ..Counted::default() }.loss(Why::CutOff, None));
            }
            let is_done = scanned.records.iter().all(|record| record.sequence <= self.settled);
            let mut records = Vec::new();
            for record in scanned.records.iter().filter(|record| record.sequence > acked) {
                records.push((record.class, record.sequence, record.payload.len()));
                // those before are explained by it, and those thrown away are not there
                let loss = record.to_record(head.incarnation).loss();
                self.losses.extend(loss.map(|loss| Told { loss, by: Some(record.sequence) }));
            }
            segment.valid = scanned.end as u64;
            found.push((segment, records, is_done));
        }
        let mut seen = acked;
        let mut missed = Counted::default();
        let mut recovered = Recovered::default();
        for (mut segment, records, is_done) in found {
            let valid = segment.valid;
            for (class, sequence, payload) in records.into_iter().filter(|(_, sequence, _)| *sequence > acked) {
                if sequence <= seen {
                    continue;
                }
                self.unexplained(seen + 1..sequence, &mut missed);
                seen = sequence;
                if !self.is_shed(class, sequence) {
                    segment.add(class, sequence, payload);
                    recovered.records += 1;
                }
            }
            segment.valid = valid;
            if segment.records() > 0 {
                self.segments.push(segment);
            } else if is_done {
                self.disk.remove(&segment::name(segment.head.number))?;
            }
        }
        self.next = seen + 1;
        let missed = (missed.records > 0).then(|| missed.loss(Why::Damaged, None));
        recovered.losses.extend(missed.into_iter().chain(cut_off));
        self.losses.extend(recovered.losses.iter().map(|loss| Told { loss: *loss, by: None }));
        Ok(recovered)
    }

    /// What was read of the last segment may never have come to the disk: whoever wrote it perhaps died of that, and the system shows it all
    /// the same. Before anything follows it, it is written anew; where there is no room for that, synced once more.
    fn settle(&mut self) -> Result<(), Error> {
        let Some(at) = self.segments.len().checked_sub(1) else { return Ok(()) };
        if self.rewrite(at).is_err()
            && let Some(segment) = self.segments.get(at)
        {
            self.disk.cut(&segment::name(segment.head.number), segment.valid)?;
        }
        Ok(())
    }

    /// Numbers of this range that no loss explains.
    fn unexplained(&self, range: Range<u64>, missed: &mut Counted) {
        let mut at = range.start;
        while at < range.end {
            let spanning = self.losses.iter().filter(|told| told.loss.spans(at)).map(|told| told.loss.last).max();
            if let Some(last) = spanning {
                at = last.saturating_add(1);
                continue;
            }
            let next = self.losses.iter().map(|told| told.loss.first).filter(|first| *first > at).min();
            let end = next.map_or(range.end, |next| next.min(range.end));
            missed.add_range(at..end);
            at = end;
        }
    }

    /// Whether this record was thrown away.
    fn is_shed(&self, class: Class, sequence: u64) -> bool {
        self.losses.iter().any(|told| told.loss.shed(class, sequence))
    }

    /// Takes note of a loss, and says so with the next record.
    fn lose(&mut self, loss: Loss) {
        self.losses.push(Told { loss, by: None });
    }

    /// Records that were lost before they came here.
    pub fn lost(&mut self, records: u64, bytes: u64) {
        self.lose(Counted { records, bytes, ..Counted::default() }.loss(Why::NeverWritten, None));
    }

    /// A record that nobody takes as it is, and that is acknowledged all the same.
    pub fn refused(&mut self, sequence: u64) {
        self.lose(Counted { records: 1, bytes: 0, first: sequence, last: sequence }.loss(Why::Refused, None));
    }

    /// Appends records in this order, and syncs them: when this has returned they are taken. Gives their sequence numbers.
    ///
    /// # Errors
    /// None of them is taken.
    pub fn append(&mut self, records: &[(Class, &[u8])]) -> Result<RangeInclusive<u64>, Error> {
        if let Some((_, payload)) = records.iter().find(|(_, payload)| payload.len() > Record::MOST_BYTES) {
            return Err(Error::TooLarge { bytes: payload.len() });
        }
        let room = records.iter().map(|(_, payload)| (record::HEAD + payload.len()) as u64).sum();
        let limit = records.iter().map(|(class, _)| self.limits.for_class(*class)).max();
        let appended = self.append_within(records, room, limit.unwrap_or(self.limits.bytes));
        if appended.is_err() {
            // at once if it can be, and before the next one in any case
            self.cut_back().ok();
        }
        appended
    }

    fn append_within(
        &mut self,
        records: &[(Class, &[u8])],
        room: u64,
        limit: u64,
    ) -> Result<RangeInclusive<u64>, Error> {
        self.make_room(room, limit)?;
        self.say()?;
        let first = self.next;
        self.write(records)?;
        Ok(first..=self.next - 1)
    }

    /// Cuts what a failed write has left, and removes a file that has nothing else.
    fn cut_back(&mut self) -> Result<(), Error> {
        if let Some((number, valid)) = self.failed {
            let name = segment::name(number);
            self.disk.cut(&name, valid)?;
            if valid == 0 {
                self.disk.remove(&name)?;
            }
            self.failed = None;
        }
        Ok(())
    }

    /// Records the losses that no record tells of yet.
    fn say(&mut self) -> Result<(), Error> {
        let (unsaid, first) = (self.unsaid(), self.next);
        self.write(&unsaid.iter().map(|(class, payload)| (*class, payload.as_slice())).collect::<Vec<_>>())?;
        for (by, told) in (first..self.next).zip(self.losses.iter_mut().filter(|told| told.by.is_none())) {
            told.by = Some(by);
        }
        Ok(())
    }

    /// Writes records to the last segment, or to a new one.
    fn write(&mut self, records: &[(Class, &[u8])]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        self.cut_back()?;
        if self.segments.last().is_none_or(|segment| segment.valid >= self.limits.segment_bytes) {
            self.file = None;
        }
        let mut bytes = Vec::new();
        let (mut file, mut segment, is_new) = match (self.file.take(), self.segments.last()) {
            (Some(file), Some(segment)) => (file, segment.clone(), false),
            _ => {
                let (number, incarnation) = (self.next_number, self.incarnation);
                let head = Head { number, incarnation, salt: segment::salt(incarnation, number) };
                // whatever becomes of it, no other has this number
                self.next_number += 1;
                head.write(&mut bytes);
                self.failed = Some((number, 0));
                (self.disk.create(&segment::name(number))?, Segment::empty(head), true)
            }
        };
        let (mut sequence, taken) = (self.next, segment.valid);
        for (class, payload) in records {
            record::write(&mut bytes, segment.head.salt, *class, sequence, payload);
            segment.add(*class, sequence, payload.len());
            sequence += 1;
        }
        // until all of this has gone well
        self.failed = Some((segment.head.number, if is_new { 0 } else { taken }));
        file.append(&bytes)?;
        file.sync()?;
        if is_new {
            self.disk.sync_names()?;
            self.segments.push(segment.clone());
        } else if let Some(last) = self.segments.last_mut() {
            *last = segment.clone();
        }
        self.failed = None;
        self.file = Some(file);
        self.next = sequence;
        Ok(())
    }

    /// Throws away what has to go, first to go first, oldest first, until so many bytes more are within a limit.
    fn make_room(&mut self, bytes: u64, limit: u64) -> Result<(), Error> {
        // a head, and what will be said of what is thrown away, take room as well, and what is lost and not said yet: several crashes may
        // have left much of that, though never so much that nothing else fits
        const BESIDE: u64 = 512;
        let unsaid: usize = self.unsaid().iter().map(|(_, payload)| record::HEAD + payload.len()).sum();
        let beside = BESIDE + unsaid as u64;
        let over = |spool: &Self| spool.bytes() + bytes + beside > limit;
        // nothing is thrown away for what would not fit all the same
        if over(self) && self.kept_bytes() + bytes + beside > limit {
            return Err(Error::Full);
        }
        for class in Class::SHED {
            while over(self) {
                let holds = |segment: &Segment| to_shed(segment, class) > 0;
                let Some(at) = self.segments.iter().position(holds) else { break };
                // that something goes is recorded before it does
                if self.has_room_to_say() {
                    self.shed(at, class)?;
                    continue;
                }
                self.shrink()?;
                if !self.has_room_to_say() {
                    return Err(Error::Full);
                }
            }
        }
        if over(self) { Err(Error::Full) } else { Ok(()) }
    }

    /// Whether the record of one more loss is within the bound, in a new segment if it has to be.
    fn has_room_to_say(&self) -> bool {
        self.bytes() + A_LOSS + head::BYTES as u64 <= self.limits.bytes
    }

    /// Records of the losses that none tells of yet: the first of them, as many as there is room for.
    fn unsaid(&self) -> Vec<(Class, Vec<u8>)> {
        let used = self.bytes() + head::BYTES as u64;
        let mut room = self.limits.bytes.saturating_sub(used).min(self.limits.bytes / 5);
        let records = self.losses.iter().filter(|told| told.by.is_none()).map(|told| said(&told.loss));
        let fits = |(_, payload): &(Class, Vec<u8>)| {
            let rest = room.checked_sub((record::HEAD + payload.len()) as u64);
            room = rest.unwrap_or(0);
            rest.is_some()
        };
        records.take_while(fits).collect()
    }

    /// Writes those segments anew from which something was thrown away when that could not be done.
    fn shrink(&mut self) -> Result<(), Error> {
        for number in self.stale.clone() {
            if let Some(at) = self.segments.iter().position(|segment| segment.head.number == number) {
                self.file = None;
                self.rewrite(at)?;
            }
            self.stale.remove(&number);
        }
        Ok(())
    }

    /// Bytes that may not be thrown away.
    fn kept_bytes(&self) -> u64 {
        let kept = |segment: &Segment| {
            let shed = Class::SHED.iter().map(|class| to_shed(segment, *class)).filter(|bytes| *bytes > 0);
            let kept = segment.valid.saturating_sub(shed.clone().sum());
            // a segment of which nothing is kept goes as a whole; what went is recorded
            (if kept <= head::BYTES as u64 { 0 } else { kept }) + shed.count() as u64 * A_LOSS
        };
        self.segments.iter().map(kept).sum()
    }

    /// Throws all records of a class in one segment away. That they are gone is recorded first.
    fn shed(&mut self, at: usize, class: Class) -> Result<(), Error> {
        if at + 1 == self.segments.len() {
            // it is written anew under its name: nothing more goes to the old one
            self.file = None;
        }
        let Some(segment) = self.segments.get(at) else { return Ok(()) };
        let number = segment.head.number;
        // of one that is acknowledged in part it is the rest that is lost
        let content = self.disk.read(&segment::name(number))?;
        let mut counted = Counted::default();
        for found in scan(&content, &segment.head, segment.valid, self.checked).records {
            let is_open = found.sequence > self.ledger.acked && !self.is_shed(class, found.sequence);
            if found.class == class && is_open {
                counted.add(found.sequence, found.payload.len());
            }
        }
        if counted.records == 0 {
            if let Some(segment) = self.segments.get_mut(at) {
                segment.counted.remove(&class);
            }
            return Ok(());
        }
        let loss = counted.loss(Why::Full, Some(class));
        let (kind, payload) = said(&loss);
        let by = self.next;
        self.write(&[(kind, payload.as_slice())])?;
        self.losses.push(Told { loss, by: Some(by) });
        let Some(at) = self.segments.iter().position(|segment| segment.head.number == number) else { return Ok(()) };
        let rewritten = self.rewrite(at);
        if let (Err(_), Some(segment)) = (&rewritten, self.segments.get_mut(at)) {
            self.stale.insert(number);
            // its bytes are there until it is acknowledged or the next start; nobody is given them
            segment.counted.remove(&class);
        }
        rewritten
    }

    /// Writes a segment anew without what was thrown away or acknowledged.
    fn rewrite(&mut self, at: usize) -> Result<(), Error> {
        let Some(old) = self.segments.get(at).cloned() else { return Ok(()) };
        let name = segment::name(old.head.number);
        let bytes = self.disk.read(&name)?;
        let mut kept = Vec::new();
        let mut segment = Segment::empty(old.head);
        old.head.write(&mut kept);
        for found in scan(&bytes, &old.head, old.valid, self.checked).records {
            if found.sequence > self.settled && !self.is_shed(found.class, found.sequence) {
                record::write(&mut kept, old.head.salt, found.class, found.sequence, found.payload);
                // what is acknowledged and not settled is there, and is not counted
                if found.sequence > self.ledger.acked {
                    segment.add(found.class, found.sequence, found.payload.len());
                }
            }
        }
        segment.valid = kept.len() as u64;
        if kept.len() == head::BYTES {
            self.segments.remove(at);
            self.disk.remove(&name)?;
            return Ok(());
        }
        let temporary = segment::temporary(old.head.number);
        let mut file = self.disk.create(&temporary)?;
        file.append(&kept)?;
        file.sync()?;
        self.disk.rename(&temporary, &name)?;
        self.disk.sync_names()?;
        if let Some(place) = self.segments.get_mut(at) {
            *place = segment;
        }
        Ok(())
    }

    /// The next records after a sequence number (at first 0), in order: as many as fit into these bounds, and one at least.
    ///
    /// # Errors
    /// The disk's.
    pub fn read(&mut self, after: u64, records: usize, bytes: usize) -> Result<Vec<Record>, Error> {
        let after = after.max(self.ledger.acked);
        let mut read: Vec<Record> = Vec::new();
        let mut size = 0;
        let mut at = 0;
        while let Some(segment) = self.segments.get(at) {
            if segment.last() <= after {
                at += 1;
                continue;
            }
            let head = segment.head;
            let content = match self.disk.read(&segment::name(head.number)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                content => content?,
            };
            let within = |told: &&Told| told.loss.first <= segment.last() && told.loss.last >= segment.first();
            let shed: Vec<Loss> = self.losses.iter().filter(within).map(|told| told.loss).collect();
            let is_there = |found: &Found<'_>| {
                (segment.first()..=segment.last()).contains(&found.sequence)
                    && !shed.iter().any(|loss| loss.shed(found.class, found.sequence))
            };
            let mut there = Segment::empty(head);
            let (before, mut full) = ((read.len(), size), false);
            for found in
                scan(&content, &head, segment.valid, self.checked).records.iter().filter(|found| is_there(found))
            {
                there.add(found.class, found.sequence, found.payload.len());
                if found.sequence <= after {
                    continue;
                }
                full |= !read.is_empty() && (read.len() >= records || size + found.payload.len() > bytes);
                if !full {
                    size += found.payload.len();
                    read.push(found.to_record(head.incarnation));
                }
            }
            there.valid = segment.valid;
            if there.records() < segment.records() {
                read.truncate(before.0);
                size = before.1;
                self.missed(at, there);
            } else if full {
                break;
            } else {
                at += 1;
            }
        }
        Ok(read)
    }

    /// Less of a segment is there than there was.
    fn missed(&mut self, at: usize, there: Segment) {
        let Some(known) = self.segments.get(at) else { return };
        let records = known.records() - there.records();
        let loss = Loss { why: Why::Damaged, class: None, first: known.first(), last: known.last(), records, bytes: 0 };
        if at + 1 == self.segments.len() {
            self.file = None;
        }
        if there.records() == 0 {
            self.segments.remove(at);
        } else if let Some(place) = self.segments.get_mut(at) {
            *place = there;
        }
        self.lose(loss);
    }

    /// All records up to this sequence number have come where they were to go, and are not kept any longer.
    ///
    /// # Errors
    /// The disk's. They are not given again by this process, but perhaps by the next.
    pub fn ack(&mut self, up_to: u64) -> Result<(), Error> {
        let up_to = up_to.min(self.last());
        if up_to <= self.ledger.acked {
            return Ok(());
        }
        self.ledger.acked = up_to;
        let (acked, open): (Vec<Told>, Vec<Told>) =
            self.losses.iter().partition(|told| told.by.is_some_and(|by| by <= up_to));
        acked.iter().for_each(|told| self.ledger.count(&told.loss));
        self.losses = open;
        self.settle_ledger()?;
        let done = self.segments.iter().take_while(|segment| segment.last() <= up_to).count();
        for segment in self.segments.drain(..done) {
            self.disk.remove(&segment::name(segment.head.number))?;
        }
        if self.segments.is_empty() {
            self.file = None;
        }
        Ok(())
    }

    /// Writes the ledger in its other place.
    fn settle_ledger(&mut self) -> Result<(), Error> {
        let (name, bytes) = self.ledger.next();
        self.disk.overwrite(name, &bytes)?;
        self.disk.sync_names()?;
        self.settled = self.ledger.acked;
        Ok(())
    }

    /// The last sequence number that was acknowledged.
    pub fn acked(&self) -> u64 {
        self.ledger.acked
    }

    /// The last sequence number that was given; 0 where none was.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    /// Records that are not acknowledged; of a segment that is in part, as its numbers tell.
    pub fn records(&self) -> u64 {
        let of = |segment: &Segment| segment.records().min(segment.last().saturating_sub(self.ledger.acked));
        self.segments.iter().map(of).sum()
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.valid).sum()
    }

    /// The bounds.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Records lost so far, by reason, over all lives of the folder.
    pub fn losses(&self) -> Losses {
        let mut all = self.ledger.clone();
        self.losses.iter().for_each(|told| all.count(&told.loss));
        all.lost
    }

    /// The life that records are written in.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }
}

/// Bytes that the record of a loss takes, at most.
const A_LOSS: u64 = 200;

/// Bytes of a class in a segment that can be thrown away; none, where to say so would take more than it gives.
fn to_shed(segment: &Segment, class: Class) -> u64 {
    let counted = segment.counted.get(&class).copied().unwrap_or_default();
    let bytes = counted.bytes + counted.records * record::HEAD as u64;
    if bytes > A_LOSS { bytes } else { 0 }
}

/// A loss as a record.
fn said(loss: &Loss) -> (Class, Vec<u8>) {
    (Class::Loss, serde_json::to_vec(loss).unwrap_or_default())
}

fn read_ledger<D: Disk>(disk: &D, names: &[String]) -> Result<Ledger, Error> {
    let mut ledger = Ledger::default();
    for name in ledger::NAMES.iter().filter(|name| names.iter().any(|there| there == *name)) {
        match Ledger::read(&disk.read(name)?) {
            ledger::Read::Ledger(read) => ledger = ledger.later(read),
            ledger::Read::Newer(version) => return Err(Error::Newer { version }),
            // the other one is the one before, or nothing was acknowledged
            ledger::Read::Damaged => {}
        }
    }
    Ok(ledger)
}

#[cfg(test)]
impl<D: Disk> Spool<D> {
    /// What was lost and is not acknowledged.
    pub(crate) fn told(&self) -> impl Iterator<Item = Loss> + '_ {
        self.losses.iter().map(|told| told.loss)
    }
}
