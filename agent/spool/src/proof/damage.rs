//! What damage does to three records in one segment, byte by byte, on a real folder.

use crate::disk::{Disk as _, Folder};
use crate::head;
use crate::record::{Class, HEAD, Why};
use crate::spool::{Error, Limits, Recovered, Spool};
use std::path::Path;
use tempfile::TempDir;

const PAYLOADS: [&[u8]; 3] = [b"the first record", b"the second record, longer", b"the third"];

fn open(path: &Path) -> (Spool<Folder>, Recovered) {
    Spool::open(Folder::open(path).unwrap().unwrap(), Limits::default(), 7).unwrap()
}

/// A folder with three records in one segment, and the segment's path.
fn three() -> (TempDir, std::path::PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut spool, recovered) = open(folder.path());
    assert_eq!(recovered, Recovered::default());
    for payload in PAYLOADS {
        spool.append(&[(Class::Outcome, payload)]).unwrap();
    }
    drop(spool);
    let path = folder.path().join(crate::segment::name(1));
    let bytes = std::fs::read(&path).unwrap();
    (folder, path, bytes)
}

/// What is given where there is one segment, which has these bytes, by which of the three it is.
fn given(folder: &TempDir, path: &Path, bytes: &[u8]) -> (Vec<usize>, Recovered) {
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    std::fs::write(path, bytes).unwrap();
    let (mut spool, recovered) = open(folder.path());
    let mut records = spool.read(0, usize::MAX, usize::MAX).unwrap();
    let told: Vec<_> = records.iter().filter_map(crate::Record::loss).collect();
    assert_eq!(told, recovered.losses, "what was found is on record at once");
    records.retain(|record| record.class != Class::Loss);
    let which = |payload: &[u8]| PAYLOADS.iter().position(|known| *known == payload).expect("another record");
    (records.iter().map(|record| which(&record.payload)).collect(), recovered)
}

/// Where each of the three ends.
fn ends() -> Vec<usize> {
    let mut at = head::BYTES;
    let end = |payload: &&[u8]| {
        at += HEAD + payload.len();
        at
    };
    PAYLOADS.iter().map(end).collect()
}

#[test]
fn d7_a_torn_tail_leaves_what_is_before_it() {
    let (folder, path, bytes) = three();
    for length in 0..bytes.len() {
        let (there, recovered) = given(&folder, &path, &bytes[..length]);
        let whole = ends().iter().filter(|end| **end <= length).count();
        assert_eq!(there, (0..whole).collect::<Vec<_>>(), "cut to {length} bytes");
        // cut between two records, nothing is to be seen; within a head nothing was taken
        let clean = length <= head::BYTES || ends().contains(&length);
        let expected: Vec<Why> = if clean { Vec::new() } else { vec![Why::CutOff] };
        assert_eq!(recovered.losses.iter().map(|loss| loss.why).collect::<Vec<_>>(), expected, "cut to {length} bytes");
        std::fs::write(&path, &bytes).unwrap();
    }
}

#[test]
fn d8_a_flipped_bit_takes_one_record_and_is_told() {
    let (folder, path, bytes) = three();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let (there, recovered) = given(&folder, &path, &flipped);
            let hit = ends().iter().position(|end| at < *end).filter(|_| at >= head::BYTES);
            let expected: Vec<usize> = (0..3).filter(|which| Some(*which) != hit).collect();
            assert_eq!(there, expected, "byte {at}, bit {bit}");
            let told: Vec<(Why, u64)> = recovered.losses.iter().map(|loss| (loss.why, loss.records)).collect();
            let expected = match hit {
                None => vec![],
                // at the end it cannot be told from a write that was cut off
                Some(2) => vec![(Why::CutOff, 0)],
                Some(_) => vec![(Why::Damaged, 1)],
            };
            assert_eq!(told, expected, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn d9_garbage_at_the_end_is_cut_off() {
    let (folder, path, bytes) = three();
    let huge: Vec<u8> = [&[0xF1, 0x65, 0x6C, 0x64][..], &u32::MAX.to_le_bytes(), &[3; 13]].concat();
    for tail in [vec![0; 4096], vec![0xA5; 4096], huge, [0xF1, 0x65, 0x6C, 0x64].repeat(1024)] {
        let (there, recovered) = given(&folder, &path, &[bytes.as_slice(), &tail].concat());
        assert_eq!(there, [0, 1, 2]);
        assert_eq!(recovered.losses.iter().map(|loss| loss.bytes).collect::<Vec<_>>(), [tail.len() as u64]);
        // what is written then is in another segment, and the garbage does not come back
        let (mut spool, _) = open(folder.path());
        spool.append(&[(Class::State, b"afterwards")]).unwrap();
        drop(spool);
        let (mut spool, recovered) = open(folder.path());
        assert_eq!(recovered.losses, []);
        let records = spool.read(0, usize::MAX, usize::MAX).unwrap();
        let classes: Vec<Class> = records.iter().map(|record| record.class).collect();
        assert_eq!(classes, [Class::Outcome, Class::Outcome, Class::Outcome, Class::Loss, Class::State]);
        drop(spool);
        for number in [2, 3] {
            std::fs::remove_file(folder.path().join(crate::segment::name(number))).unwrap();
        }
    }
}

#[test]
fn d10_a_file_that_is_gone_is_told_and_what_follows_goes_on() {
    let (folder, path, _) = three();
    let (mut spool, _) = open(folder.path());
    std::fs::remove_file(&path).unwrap();
    spool.append(&[(Class::State, b"the fourth")]).unwrap();
    let records = spool.read(0, usize::MAX, usize::MAX).unwrap();
    assert_eq!(records.iter().map(|record| record.sequence).collect::<Vec<_>>(), [4]);
    assert_eq!(spool.losses().get(&Why::Damaged), Some(&3));
    spool.append(&[(Class::State, b"the fifth")]).unwrap();
    let told = spool.read(4, usize::MAX, usize::MAX).unwrap();
    assert_eq!(
        told[0].loss().map(|loss| (loss.why, loss.first, loss.last, loss.records)),
        Some((Why::Damaged, 1, 3, 3))
    );
    drop(spool);
    // and also where nobody saw it go
    std::fs::remove_file(folder.path().join(crate::segment::name(2))).unwrap();
    let (spool, recovered) = open(folder.path());
    assert_eq!((recovered.records, spool.last()), (0, 0), "nothing is left that tells of anything");
}

#[test]
fn d11_what_is_newer_is_left_alone() {
    let (folder, path, mut bytes) = three();
    // both heads of version 2, with their checksums
    for copy in [0..head::BYTES / 2, head::BYTES / 2..head::BYTES] {
        let copy = &mut bytes[copy];
        copy[8] = 2;
        let sum = crc32fast::hash(&copy[..head::BYTES / 2 - 4]);
        copy[head::BYTES / 2 - 4..].copy_from_slice(&sum.to_le_bytes());
    }
    std::fs::write(&path, &bytes).unwrap();
    let refused = Spool::open(Folder::open(folder.path()).unwrap().unwrap(), Limits::default(), 8).err();
    assert!(matches!(refused, Some(Error::Newer { version: 2 })));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn d12_two_processes_do_not_share_a_spool() {
    let folder = tempfile::tempdir().unwrap();
    let first = Folder::open(folder.path()).unwrap();
    assert!(first.is_some() && Folder::open(folder.path()).unwrap().is_none());
    drop(first);
    let again = Folder::open(folder.path()).unwrap().unwrap();
    assert_eq!(again.names().unwrap(), ["lock"]);
}
