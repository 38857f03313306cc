//! The head of a segment.

const MAGIC: [u8; 8] = *b"FMSPOOL\0";
/// Version of the format.
pub(crate) const VERSION: u32 = 1;
const ONE: usize = 40;
/// Bytes of a head, which is there twice.
pub(crate) const BYTES: usize = 2 * ONE;
/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) incarnation: u64,
    pub(crate) salt: u64,
}

/// What a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Head(Head),
    /// A head of this version, which is not known here.
    Newer(u32),
    /// No head, or none that can be read any more.
    None,
}

impl Head {
    fn once(&self) -> [u8; ONE] {
        let mut bytes = Vec::with_capacity(ONE);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        for number in [self.number, self.incarnation, self.salt] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let mut once = [0; ONE];
        once.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        once
    }

    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        let once = self.once();
        to.extend(once);
        to.extend(once);
    }

    pub(crate) fn read(bytes: &[u8]) -> Read {
        let copies = bytes.get(..BYTES).unwrap_or_default().chunks_exact(ONE);
        copies.map(Self::of).find(|read| *read != Read::None).unwrap_or(Read::None)
    }

    fn of(copy: &[u8]) -> Read {
        let Some((said, sum)) = copy.split_last_chunk::<4>() else { return Read::None };
        if crc32fast::hash(said) != u32::from_le_bytes(*sum) {
            return Read::None;
        }
        let Some((magic, rest)) = said.split_first_chunk::<8>() else { return Read::None };
        let Some((version, rest)) = rest.split_first_chunk::<4>() else { return Read::None };
        let version = u32::from_le_bytes(*version);
        if *magic != MAGIC {
            return Read::None;
        }
        if version != VERSION {
            return Read::Newer(version);
        }
        let mut numbers = rest.chunks_exact(8).map(|bytes| <[u8; 8]>::try_from(bytes).map_or(0, u64::from_le_bytes));
        let mut number = || numbers.next().unwrap_or_default();
        Read::Head(Self { number: number(), incarnation: number(), salt: number() })
    }
}
