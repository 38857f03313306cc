//! What a spool has to do, whatever happens.

use super::disk::{Manner, SimulatedDisk};
use crate::disk::Disk as _;
use crate::record::{Checked, Class, Record, Why};
use crate::spool::{Error, Limits, Spool};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What is done, and what happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Records of these classes and sizes; an odd size embeds what looks like a record.
    Append(Vec<(Class, u16)>),
    /// All that is there is read, in pieces of so many.
    Read(u8),
    /// This part of what is there is acknowledged, in percent.
    Ack(u8),
    /// The process ends and another begins.
    Restart,
    /// The power fails in the call after so many others.
    Fail(u8),
    /// A sync fails after so many others.
    FailSync(u8),
    /// So many bytes still fit on the disk.
    Room(Option<u16>),
    /// A bit of a file is another one; seen at the next start.
    Damage(u8, u16),
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    steps: Vec<Step>,
    limit: u16,
    seed: u64,
}

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let class = prop::sample::select(Class::ALL[..4].to_vec());
    let step = prop_oneof![
        8 => prop::collection::vec((class, 0u16..300), 1..6).prop_map(Step::Append),
        3 => (1u8..20).prop_map(Step::Read),
        2 => (0u8..=100).prop_map(Step::Ack),
        1 => Just(Step::Restart),
        3 => (0u8..24).prop_map(Step::Fail),
        1 => (0u8..6).prop_map(Step::FailSync),
        1 => prop::option::of(0u16..2_000).prop_map(Step::Room),
        1 => (any::<u8>(), any::<u16>()).prop_map(|(which, at)| Step::Damage(which, at)),
    ];
    (prop::collection::vec(step, 1..40), 3_000u16..12_000, any::<u64>()).prop_map(|(steps, limit, seed)| Plan {
        steps,
        limit,
        seed,
    })
}

/// What is known of one attempt to append a record.
#[derive(Clone, Debug)]
struct Known {
    class: Class,
    payload: Vec<u8>,
    /// Its sequence number, where it was taken.
    taken: Option<u64>,
    /// Its sequence number, where it was given, taken or not: what a crash interrupted may have been written.
    given: Option<u64>,
}

struct Model {
    disk: SimulatedDisk,
    checked: Checked,
    limits: Limits,
    spool: Option<Spool<SimulatedDisk>>,
    incarnation: u64,
    /// Of every record that was ever offered, by its number.
    offered: BTreeMap<u64, Known>,
    /// What an id was when it was given.
    given: BTreeMap<(u64, u64), Vec<u8>>,
    /// Acknowledged, for certain.
    acked: u64,
    /// Of records that are missing: how many a damaged file may account for.
    damaged: u64,
    /// Which copies of a file's head were damaged.
    heads: BTreeMap<String, BTreeSet<bool>>,
    /// A record of a loss may have been written that was not meant to last: the disk failed in between.
    interrupted: bool,
    /// A ledger was damaged: what was acknowledged may be asked for again, or told as missing.
    ledger_damaged: bool,
    /// Numbers of what was taken and at some time was not there, though not acknowledged.
    missing: BTreeSet<u64>,
    /// What was thrown away, as the spool told it.
    shed: Vec<(Class, u64, u64)>,
}

/// Its number, and what looks like another record of the same segment, or just bytes.
fn payload(number: u64, size: u16) -> Vec<u8> {
    let mut payload = number.to_le_bytes().to_vec();
    if size % 2 == 1 {
        crate::record::write(&mut payload, 0, Class::State, number + 1, b"a record in a record");
    }
    payload.resize(payload.len() + usize::from(size), (number % 251) as u8);
    payload
}

fn number_of(payload: &[u8]) -> Option<u64> {
    payload.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Carries a plan out; what is wrong, if anything is.
pub(super) fn run(plan: &Plan, manner: Manner, checked: Checked) -> Result<(), String> {
    let mut model = Model {
        disk: SimulatedDisk::new(manner, plan.seed),
        checked,
        limits: Limits { bytes: u64::from(plan.limit), segment_bytes: 900 },
        spool: None,
        incarnation: 0,
        offered: BTreeMap::new(),
        given: BTreeMap::new(),
        acked: 0,
        damaged: 0,
        heads: BTreeMap::new(),
        interrupted: false,
        ledger_damaged: false,
        missing: BTreeSet::new(),
        shed: Vec::new(),
    };
    model.open()?;
    for step in &plan.steps {
        model.step(step)?;
        if model.disk.is_off() {
            model.crash()?;
        }
    }
    model.crash()?;
    model.disk.settle();
    model.everything()
}

impl Model {
    fn open(&mut self) -> Result<(), String> {
        self.incarnation += 1;
        let opened = Spool::open_checked(self.disk.clone(), self.limits, self.incarnation, self.checked);
        match opened {
            Ok((spool, _)) => self.spool = Some(spool),
            Err(_) if self.disk.is_off() => {}
            Err(error) => return Err(format!("it does not open: {error}")),
        }
        Ok(())
    }

    /// The power fails, if it has not, and comes back.
    fn crash(&mut self) -> Result<(), String> {
        self.spool = None;
        self.disk.restart();
        self.open()?;
        self.everything()
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Append(records) => self.append(records)?,
            Step::Read(pieces) => drop(self.read(usize::from(*pieces))?),
            Step::Ack(percent) => self.ack(*percent)?,
            Step::Restart => {
                self.spool = None;
                self.disk.settle();
                self.open()?;
                self.everything()?;
            }
            Step::Fail(calls) => self.disk.fail_after(u64::from(*calls)),
            Step::FailSync(syncs) => self.disk.fail_sync_after(u64::from(*syncs)),
            Step::Room(bytes) => self.disk.room(bytes.map(usize::from)),
            Step::Damage(which, at) => {
                self.spool = None;
                self.disk.settle();
                match self.disk.damage(usize::from(*which), usize::from(*at)) {
                    Some((name, byte)) if !name.starts_with("ledger") && self.hits_a_loss(&name, byte) => {
                        // what it explained is not explained any more
                        self.damaged += 1_000;
                    }
                    Some((name, _)) if name.starts_with("ledger") => self.ledger_damaged = true,
                    Some((name, byte)) => {
                        self.damaged += 1;
                        if byte < crate::head::BYTES {
                            let copies = self.heads.entry(name).or_default();
                            copies.insert(byte < crate::head::BYTES / 2);
                            // without any head nothing of a file can be told
                            self.damaged += if copies.len() == 2 { 1_000 } else { 0 };
                        }
                    }
                    None => {}
                }
                self.open()?;
                self.everything()?;
            }
        }
        Ok(())
    }

    /// Whether the byte that is another one now is one of a loss's record.
    fn hits_a_loss(&self, name: &str, byte: usize) -> bool {
        let Ok(bytes) = self.disk.read(name) else { return false };
        let crate::head::Read::Head(head) = crate::head::Head::read(&bytes) else { return false };
        // without it, of what is before and after it the class is not known: any loss in this file may be meant
        let text = String::from_utf8_lossy(
            bytes.get(byte.saturating_sub(200)..bytes.len().min(byte + 200)).unwrap_or_default(),
        )
        .into_owned();
        head.number > 0 && text.contains("why")
    }

    fn append(&mut self, records: &[(Class, u16)]) -> Result<(), String> {
        let Some(spool) = &mut self.spool else { return Ok(()) };
        let first = self.offered.len() as u64;
        let payloads: Vec<(Class, Vec<u8>)> =
            (first..).zip(records).map(|(number, (class, size))| (*class, payload(number, *size))).collect();
        for (number, (class, payload)) in (first..).zip(&payloads) {
            self.offered.insert(number, Known { class: *class, payload: payload.clone(), taken: None, given: None });
        }
        let batch: Vec<(Class, &[u8])> = payloads.iter().map(|(class, payload)| (*class, payload.as_slice())).collect();
        match spool.append(&batch) {
            Ok(sequences) => {
                if sequences.end() - sequences.start() + 1 != batch.len() as u64 {
                    return Err(format!("{} records have the numbers {sequences:?}", batch.len()));
                }
                for (number, sequence) in (first..).zip(sequences) {
                    self.offered.entry(number).and_modify(|known| known.taken = Some(sequence));
                }
            }
            Err(Error::Full) => {}
            Err(Error::Disk(_)) => self.interrupted = true,
            Err(error) => return Err(format!("appending: {error}")),
        }
        let bytes = spool.bytes();
        // a head more than was reckoned with, and what a failed write has left
        if bytes > self.limits.bytes {
            return Err(format!("{bytes} bytes where {} are the bound", self.limits.bytes));
        }
        Ok(())
    }

    fn ack(&mut self, percent: u8) -> Result<(), String> {
        self.everything()?;
        let Some(spool) = &mut self.spool else { return Ok(()) };
        let (acked, last) = (spool.acked(), spool.last());
        let up_to = acked + (last - acked) * u64::from(percent) / 100;
        let acked = spool.ack(up_to);
        // whether it is durable or not: nobody misses what was acknowledged
        self.acked = self.acked.max(up_to);
        match acked {
            Ok(()) | Err(Error::Disk(_)) => Ok(()),
            Err(error) => Err(format!("acknowledging: {error}")),
        }
    }

    /// All that is there, in pieces.
    fn read(&mut self, pieces: usize) -> Result<Vec<Record>, String> {
        let Some(spool) = &mut self.spool else { return Ok(Vec::new()) };
        let mut all: Vec<Record> = Vec::new();
        loop {
            let after = all.last().map_or(0, |record| record.sequence);
            match spool.read(after, pieces, 2_000) {
                Ok(read) if read.is_empty() => break,
                Ok(read) => all.extend(read),
                Err(_) if self.disk.is_off() => return Ok(Vec::new()),
                Err(error) => return Err(format!("reading: {error}")),
            }
        }
        self.check(&all)?;
        Ok(all)
    }

    /// What is given is what was offered, in order, and each once.
    fn check(&mut self, records: &[Record]) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut last = 0;
        for record in records {
            let Record { incarnation, sequence, class, payload } = record;
            if *sequence <= last {
                return Err(format!("{sequence} comes after {last}"));
            }
            last = *sequence;
            let before = self.given.insert((*incarnation, *sequence), payload.clone());
            if before.is_some_and(|before| before != *payload) {
                return Err(format!("{incarnation}/{sequence} was another record before"));
            }
            if *class == Class::Loss {
                let loss = record.loss().ok_or("a loss that says nothing")?;
                if loss.why == Why::Full {
                    self.shed.push((loss.class.ok_or("of no class")?, loss.first, loss.last));
                }
                continue;
            }
            let number = number_of(payload).ok_or("a record without its number")?;
            let known = self.offered.get(&number).ok_or_else(|| format!("{number} was never offered"))?;
            if known.class != *class || known.taken.is_some_and(|taken| taken != *sequence) {
                let (was, with) = (known.class, known.taken);
                return Err(format!("{number} was of {was:?} with {with:?}, and is of {class:?} with {sequence}"));
            }
            self.offered.entry(number).and_modify(|known| known.given = Some(*sequence));
            if !seen.insert(number) || self.offered.get(&number).is_none_or(|known| known.payload != *payload) {
                return Err(format!("{number} is not what was offered, or comes twice"));
            }
        }
        Ok(())
    }

    /// Nothing that was taken is missing, but what was acknowledged, and what the spool says.
    fn everything(&mut self) -> Result<(), String> {
        if self.spool.is_none() {
            return Ok(());
        }
        let records = self.read(7)?;
        if self.disk.is_off() {
            return Ok(());
        }
        let there: BTreeSet<u64> =
            records.iter().filter(|r| r.class != Class::Loss).filter_map(|r| number_of(&r.payload)).collect();
        let Some(spool) = &self.spool else { return Ok(()) };
        let acked = spool.acked();
        if acked > self.acked {
            return Err(format!("{acked} is acknowledged, and nobody did so beyond {}", self.acked));
        }
        let mut missing = 0;
        for (number, known) in &self.offered {
            let Some(sequence) = known.taken.or(known.given) else { continue };
            if sequence <= acked || there.contains(number) {
                continue;
            }
            self.missing.insert(*number);
            // nobody misses what was acknowledged, durably or not, or was never taken
            if known.taken.is_none() || sequence <= self.acked {
                continue;
            }
            let shed = self
                .shed
                .iter()
                .any(|(class, first, last)| *class == known.class && (first..=last).contains(&&sequence));
            // what is told and not yet recorded
            let unsaid = spool.told().any(|loss| loss.shed(known.class, sequence));
            missing += u64::from(!shed && !unsaid);
        }
        let losses = spool.losses();
        let damaged = losses.get(&Why::Damaged).copied().unwrap_or(0);
        if damaged > 0 && self.damaged == 0 && !self.ledger_damaged {
            return Err(format!("{damaged} are told as damaged, and nothing was"));
        }
        // where the record of a loss is damaged, what it explained is told as damaged, too
        if missing > self.damaged.max(damaged) {
            return Err(format!("{missing} records are missing, and {} may be", self.damaged));
        }
        // every record that is told to be lost is: none is told that was never there, or is acknowledged
        let told: u64 = [Why::Damaged, Why::Full].iter().filter_map(|why| losses.get(why)).sum();
        let possible = self.missing.len() as u64 + self.damaged;
        if told > possible && !self.ledger_damaged && !self.interrupted {
            return Err(format!("{told} are told as lost, and {possible} can be"));
        }
        let bytes = self.disk.segment_bytes() as u64;
        // beside what counts: a write that failed, and a segment that is written anew
        if bytes > self.limits.bytes + 4_000 {
            return Err(format!("{bytes} bytes on the disk where {} are the bound", self.limits.bytes));
        }
        Ok(())
    }
}
