//! A disk in memory that crashes, fills up, and fails to sync.

use crate::disk::{Disk, Written};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

/// What the spool's calls come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// What they say.
    Honest,
    /// As if the spool synced nothing: content is synced when the system likes.
    Unsynced,
    /// As if it synced content and never names.
    NamesUnsynced,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    /// What a crash leaves.
    durable: Vec<u8>,
    /// What a read sees.
    written: Vec<u8>,
    /// A sync failed: what was not durable then will not be.
    broken: bool,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Calls until the power fails.
    calls_left: Option<u64>,
    off: bool,
    /// Syncs until one fails.
    syncs_left: Option<u64>,
    /// Bytes that still fit; `None`: any number.
    room: Option<usize>,
    random: u64,
}

/// Clones are the same disk.
#[derive(Clone, Debug)]
pub(super) struct SimulatedDisk(Rc<RefCell<State>>);

pub(super) struct SimulatedFile {
    disk: SimulatedDisk,
    inode: u64,
}

fn off() -> io::Error {
    io::Error::other("the power is off")
}

impl State {
    fn random(&mut self, below: usize) -> usize {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below.max(1)
    }

    /// A call begins; whether it is the one in which the power fails.
    fn call(&mut self) -> io::Result<bool> {
        if self.off {
            return Err(off());
        }
        match &mut self.calls_left {
            Some(0) => {
                self.off = true;
                Ok(true)
            }
            Some(left) => {
                *left -= 1;
                Ok(false)
            }
            None => Ok(false),
        }
    }

    fn inode(&mut self) -> u64 {
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, Inode::default());
        self.next_inode
    }

    fn take_room(&mut self, bytes: usize) -> usize {
        let fits = self.room.map_or(bytes, |room| room.min(bytes));
        if let Some(room) = &mut self.room {
            *room -= fits;
        }
        fits
    }

    fn sync(&mut self, inode: u64) -> io::Result<()> {
        if self.manner == Manner::Unsynced {
            return Ok(());
        }
        let fails = match &mut self.syncs_left {
            Some(0) => {
                self.syncs_left = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        let Some(inode) = self.inodes.get_mut(&inode) else { return Ok(()) };
        if fails {
            inode.broken = true;
            return Err(io::Error::other("input/output error"));
        }
        // Linux forgets which pages it could not write: a later sync succeeds, and they are as they are
        if !inode.broken {
            inode.durable = inode.written.clone();
        }
        Ok(())
    }
}

impl SimulatedDisk {
    pub(super) fn new(manner: Manner, seed: u64) -> Self {
        Self(Rc::new(RefCell::new(State {
            manner,
            inodes: BTreeMap::new(),
            next_inode: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            calls_left: None,
            off: false,
            syncs_left: None,
            room: None,
            random: seed | 1,
        })))
    }

    /// The power fails in the call after so many others.
    pub(super) fn fail_after(&self, calls: u64) {
        self.0.borrow_mut().calls_left = Some(calls);
    }

    pub(super) fn is_off(&self) -> bool {
        self.0.borrow().off
    }

    pub(super) fn fail_sync_after(&self, syncs: u64) {
        self.0.borrow_mut().syncs_left = Some(syncs);
    }

    pub(super) fn room(&self, bytes: Option<usize>) {
        self.0.borrow_mut().room = bytes;
    }

    /// The power comes back: what was durable is there, of the rest any part.
    pub(super) fn restart(&self) {
        let mut state = self.0.borrow_mut();
        let (names, durable) = (state.names.clone(), state.durable_names.clone());
        let mut kept = durable.clone();
        let all: Vec<String> = names.keys().chain(durable.keys()).cloned().collect();
        for name in all {
            if names.get(&name) != durable.get(&name) && state.random(2) == 0 {
                match names.get(&name) {
                    Some(inode) => drop(kept.insert(name, *inode)),
                    None => drop(kept.remove(&name)),
                }
            }
        }
        let inodes: Vec<u64> = state.inodes.keys().copied().collect();
        for number in inodes {
            let random = state.random(1 << 20);
            let Some(inode) = state.inodes.get_mut(&number) else { continue };
            if inode.durable.len() < inode.written.len() || inode.durable != inode.written {
                let end = inode.durable.len() + random % (inode.written.len().saturating_sub(inode.durable.len()) + 1);
                let mut content = inode.written[..end.min(inode.written.len())].to_vec();
                if inode.broken || inode.durable.len() >= inode.written.len() {
                    // written over, or pages that were forgotten: the old bytes, or the new ones
                    content = if random.is_multiple_of(2) { inode.durable.clone() } else { inode.written.clone() };
                } else if random.is_multiple_of(3) {
                    // a file grows before its content is there
                    content.resize(inode.written.len(), if random.is_multiple_of(2) { 0 } else { 0xA5 });
                }
                inode.written = content;
            }
            inode.durable = inode.written.clone();
            inode.broken = false;
        }
        state.durable_names = kept.clone();
        state.names = kept;
        state.off = false;
        state.calls_left = None;
        state.syncs_left = None;
        state.room = None;
    }

    /// A clean end of the process: nothing happens to the disk.
    pub(super) fn settle(&self) {
        let mut state = self.0.borrow_mut();
        state.calls_left = None;
        state.syncs_left = None;
        state.room = None;
    }

    /// One bit of a file is another one now: of which file, in which byte.
    pub(super) fn damage(&self, which: usize, at: usize) -> Option<(String, usize)> {
        let mut state = self.0.borrow_mut();
        let files: Vec<(String, u64)> = state.names.iter().map(|(name, inode)| (name.clone(), *inode)).collect();
        let (name, inode) = files.get(which % files.len().max(1))?.clone();
        let inode = state.inodes.get_mut(&inode)?;
        let length = inode.written.len();
        let byte = inode.written.get_mut(at % length.max(1))?;
        *byte ^= 1 << (at % 8);
        inode.durable = inode.written.clone();
        Some((name, at % length))
    }

    /// Bytes of segments.
    pub(super) fn segment_bytes(&self) -> usize {
        let state = self.0.borrow();
        let segments = state.names.iter().filter(|(name, _)| name.ends_with(".seg"));
        segments.filter_map(|(_, inode)| state.inodes.get(inode)).map(|inode| inode.written.len()).sum()
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn names(&self) -> io::Result<Vec<String>> {
        let mut state = self.0.borrow_mut();
        if state.call()? {
            return Err(off());
        }
        Ok(state.names.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut state = self.0.borrow_mut();
        if state.call()? {
            return Err(off());
        }
        let inode = state.names.get(name).and_then(|inode| state.inodes.get(inode));
        inode.map(|inode| inode.written.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.0.borrow_mut();
        let fails = state.call()?;
        // a file takes an inode: without room there is none either
        if state.room == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = state.inode();
        state.names.insert(name.to_owned(), inode);
        if fails { Err(off()) } else { Ok(SimulatedFile { disk: self.clone(), inode }) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let fails = state.call()?;
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        if fails { Err(off()) } else { Ok(()) }
    }

    fn overwrite(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let fails = state.call()?;
        let inode = match state.names.get(name) {
            Some(inode) => *inode,
            None => {
                let inode = state.inode();
                state.names.insert(name.to_owned(), inode);
                inode
            }
        };
        let there = state.inodes.get(&inode).map_or(0, |inode| inode.written.len());
        let fits = there + state.take_room(bytes.len().saturating_sub(there));
        let written = if fails { state.random(bytes.len() + 1) } else { bytes.len().min(fits) };
        if let Some(inode) = state.inodes.get_mut(&inode) {
            let old = inode.written.split_off(written.min(inode.written.len()));
            inode.written = bytes[..written].to_vec();
            inode.written.extend(old);
            // what is written again is synced again
            inode.broken &= written < bytes.len();
        }
        if fails {
            return Err(off());
        }
        if written < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.sync(inode)
    }

    fn cut(&self, name: &str, bytes: u64) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let fails = state.call()?;
        let honest = state.manner != Manner::Unsynced;
        let inode = state.names.get(name).copied();
        if let Some(inode) = inode.and_then(|inode| state.inodes.get_mut(&inode)) {
            inode.written.truncate(bytes as usize);
            if !fails && honest {
                inode.durable.truncate(bytes as usize);
                inode.broken = false;
            }
        }
        if fails { Err(off()) } else { Ok(()) }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let fails = state.call()?;
        state.names.remove(name);
        if fails { Err(off()) } else { Ok(()) }
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        if state.call()? {
            return Err(off());
        }
        if state.manner == Manner::Honest {
            state.durable_names = state.names.clone();
        }
        Ok(())
    }
}

impl Written for SimulatedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.0.borrow_mut();
        let fails = state.call()?;
        let fits = if fails { state.random(bytes.len() + 1) } else { state.take_room(bytes.len()) };
        if let Some(inode) = state.inodes.get_mut(&self.inode) {
            inode.written.extend(&bytes[..fits]);
        }
        if fails {
            Err(off())
        } else if fits < bytes.len() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.0.borrow_mut();
        if state.call()? {
            return Err(off());
        }
        state.sync(self.inode)
    }
}
