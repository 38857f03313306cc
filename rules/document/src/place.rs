//! Where something stands in a file.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A place in a file: where it begins, and how much of it to underline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Byte offset in the file.
    pub offset: usize,
    /// Length in bytes; 0 where there is nothing to underline.
    pub length: usize,
}

impl Place {
    /// The beginning of a file.
    pub fn start_of(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), line: 1, column: 1, offset: 0, length: 0 }
    }

    /// The bytes of the file that it covers.
    pub fn span(&self) -> Range<usize> {
        self.offset..self.offset + self.length
    }

    /// The place of a part of a scalar that stands here, by byte range of the scalar's text.
    ///
    /// Exact for text on one line that is written as it is (plain, or quoted without escapes); elsewhere the whole scalar.
    #[must_use]
    pub fn within(&self, text: &str, part: Range<usize>) -> Self {
        let quotes = match self.length.checked_sub(text.len()) {
            Some(0) => 0,
            Some(2) => 1,
            Some(_) | None => return self.clone(),
        };
        let (Some(before), Some(inner)) = (text.get(..part.start), text.get(part.clone())) else { return self.clone() };
        if text.contains('\n') {
            return self.clone();
        }
        let characters = u32::try_from(before.chars().count()).unwrap_or(u32::MAX);
        Self {
            file: Arc::clone(&self.file),
            line: self.line,
            column: self.column.saturating_add(characters).saturating_add(quotes),
            offset: self.offset + before.len() + usize::try_from(quotes).unwrap_or(0),
            length: inner.len(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A value and where it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub place: Place,
}

impl<T> Placed<T> {
    /// A value at a place.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
    /// Another value at the same place.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { value: make(self.value), place: self.place }
    }
}
