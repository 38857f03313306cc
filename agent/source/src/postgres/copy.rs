//! The frames of binary COPY (PostgreSQL documentation, COPY, "Binary Format"). Reads any bytes without panicking.

use std::fmt;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Longest header extension that is skipped; PostgreSQL sends none.
const EXTENSION_LIMIT: usize = 1 << 16;

/// Bytes that do not follow the format.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Takes bytes in pieces of any size, gives rows.
#[derive(Debug, Default)]
pub(super) struct Frames {
    stage: Stage,
    /// Bytes of a row (or the header) that is not complete yet.
    carry: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Header,
    Rows,
    End,
}

/// One row: its fields in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    count: usize,
    rest: &'a [u8],
}

impl<'a> Row<'a> {
    /// Number of fields that are left.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The next field: `Ok(None)` is NULL, an error where the row has no more.
    pub(super) fn field(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        self.count = self.count.checked_sub(1).ok_or(Malformed("a row has too few fields"))?;
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or(Malformed("a field without length"))?;
        self.rest = rest;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => Ok(None),
            Ok(length) => {
                let (field, rest) = rest.split_at_checked(length).ok_or(Malformed("a field is cut off"))?;
                self.rest = rest;
                Ok(Some(field))
            }
        }
    }

    /// Where a row begins in `bytes`: the row and what follows it, or `None` while it is not complete.
    fn split(bytes: &'a [u8], count: i16) -> Result<Option<(Self, &'a [u8])>, Malformed> {
        let count = usize::try_from(count).map_err(|_| Malformed("a negative number of fields"))?;
        let mut at = bytes;
        for _ in 0..count {
            let Some((length, rest)) = at.split_first_chunk::<4>() else { return Ok(None) };
            let length = match i32::from_be_bytes(*length) {
                -1 => 0,
                length => usize::try_from(length).map_err(|_| Malformed("a field of negative length"))?,
            };
            let Some((_, rest)) = rest.split_at_checked(length) else { return Ok(None) };
            at = rest;
        }
        let (row, rest) = bytes.split_at(bytes.len() - at.len());
        Ok(Some((Self { count, rest: row }, rest)))
    }
}

impl Frames {
    /// Takes the next piece and hands over the rows that it completes.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        row: &mut dyn FnMut(Row<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        if self.carry.is_empty() {
            let left = self.consume(piece, row)?;
            self.carry.extend_from_slice(left);
        } else {
            let mut bytes = std::mem::take(&mut self.carry);
            bytes.extend_from_slice(piece);
            let left = self.consume(&bytes, row)?.len();
            bytes.drain(..bytes.len() - left);
            self.carry = bytes;
        }
        Ok(())
    }

    /// Whether the end was seen and nothing after it.
    pub(super) fn finish(&self) -> Result<(), Malformed> {
        if self.stage == Stage::End && self.carry.is_empty() {
            Ok(())
        } else {
            Err(Malformed("the rows end too early"))
        }
    }

    fn consume<'a>(
        &mut self,
        mut bytes: &'a [u8],
        row: &mut dyn FnMut(Row<'_>) -> Result<(), Malformed>,
    ) -> Result<&'a [u8], Malformed> {
        loop {
            match self.stage {
                Stage::Header => {
                    let known = bytes.len().min(SIGNATURE.len());
                    if bytes.get(..known) != SIGNATURE.get(..known) {
                        return Err(Malformed("no signature of binary COPY"));
                    }
                    let Some((_flags, rest)) = bytes.get(SIGNATURE.len()..).and_then(<[u8]>::split_first_chunk::<4>)
                    else {
                        return Ok(bytes);
                    };
                    let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(bytes) };
                    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
                    if length > EXTENSION_LIMIT {
                        return Err(Malformed("a header extension is too long"));
                    }
                    let Some((_, rest)) = rest.split_at_checked(length) else { return Ok(bytes) };
                    bytes = rest;
                    self.stage = Stage::Rows;
                }
                Stage::Rows => {
                    let Some((count, rest)) = bytes.split_first_chunk::<2>() else { return Ok(bytes) };
                    match i16::from_be_bytes(*count) {
                        -1 => {
                            bytes = rest;
                            self.stage = Stage::End;
                        }
                        count => match Row::split(rest, count)? {
                            None => return Ok(bytes),
                            Some((fields, rest)) => {
                                row(fields)?;
                                bytes = rest;
                            }
                        },
                    }
                }
                Stage::End if bytes.is_empty() => return Ok(bytes),
                Stage::End => return Err(Malformed("bytes after the end")),
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) type Fields = Vec<Option<Vec<u8>>>;

    pub(crate) fn encode(rows: &[Fields]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        for row in rows {
            bytes.extend(i16::try_from(row.len()).unwrap().to_be_bytes());
            for field in row {
                match field {
                    None => bytes.extend((-1i32).to_be_bytes()),
                    Some(field) => {
                        bytes.extend(i32::try_from(field.len()).unwrap().to_be_bytes());
                        bytes.extend(field);
                    }
                }
            }
        }
        bytes.extend((-1i16).to_be_bytes());
        bytes
    }

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Fields>, Malformed> {
        let mut frames = Frames::default();
        let mut rows = Vec::new();
        for piece in pieces {
            frames.push(piece, &mut |mut row| {
                let mut fields = Vec::new();
                while row.count() > 0 {
                    fields.push(row.field()?.map(<[u8]>::to_vec));
                }
                rows.push(fields);
                Ok(())
            })?;
        }
        frames.finish()?;
        Ok(rows)
    }

    proptest! {
        #[test]
        fn rows_come_back_however_the_bytes_are_cut(
            rows in proptest::collection::vec(
                proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)), 0..6), 0..20),
            cut in 1usize..50,
        ) {
            let bytes = encode(&rows);
            prop_assert_eq!(decode(bytes.chunks(cut)).unwrap(), rows);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 1usize..50) {
            let mut with_header = SIGNATURE.to_vec();
            with_header.extend([0; 8]);
            with_header.extend(&bytes);
            decode(with_header.chunks(cut)).ok();
            decode(bytes.chunks(cut)).ok();
        }

        #[test]
        fn a_cut_stream_is_refused(rows in proptest::collection::vec(
            proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)), 1..4), 0..5),
            keep in 0.0f64..1.0,
        ) {
            let bytes = encode(&rows);
            let keep = ((bytes.len() as f64) * keep) as usize;
            prop_assert!(decode([&bytes[..keep]]).is_err());
        }
    }
}
