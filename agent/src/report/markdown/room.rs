//! How much of a report goes into one comment.

use crate::report::words::plural;

/// Characters that are left for what may be left out.
#[derive(Debug)]
pub(super) struct Room {
    left: usize,
}

impl Room {
    /// Room for so many characters.
    pub(super) fn of(characters: usize) -> Self {
        Self { left: characters }
    }

    /// Room for everything.
    pub(super) fn unbounded() -> Self {
        Self::of(usize::MAX)
    }

    /// Takes room for what stays whether there is room or not.
    pub(super) fn spend(&mut self, characters: usize) {
        self.left = self.left.saturating_sub(characters);
    }

    /// Whether there is room for so many characters; where there is, they are taken.
    pub(super) fn takes(&mut self, characters: usize) -> bool {
        let left = self.left.checked_sub(characters);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// A section that gets at most so many-th part of the room; what it does not need is left for those after it.
    pub(super) fn share<T>(&mut self, part: usize, section: impl FnOnce(&mut Self) -> T) -> T {
        let mut own = Self::of(self.left / part.max(1));
        self.left -= own.left;
        let made = section(&mut own);
        self.left += own.left;
        made
    }

    /// The entries for which there is room, one after the other, and a sentence on how many there was none for.
    pub(super) fn fill(&mut self, noun: &str, entries: impl IntoIterator<Item = String>) -> (String, String) {
        let mut text = String::new();
        let mut missing = 0;
        for entry in entries {
            if self.takes(characters(&entry)) {
                text.push_str(&entry);
            } else {
                missing += 1;
            }
        }
        (text, left_out(missing, noun))
    }
}

/// `3 rules are left out for want of room.`; nothing where none is.
pub(super) fn left_out(missing: u64, noun: &str) -> String {
    match missing {
        0 => String::new(),
        1 => format!("1 {noun} is left out for want of room."),
        _ => format!("{} are left out for want of room.", plural(missing, noun)),
    }
}

/// Characters as a forge counts them.
pub(super) fn characters(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(sizes: &[usize]) -> Vec<String> {
        sizes.iter().map(|size| "ä".repeat(*size)).collect()
    }

    #[test]
    fn entries_are_whole_or_left_out() {
        let mut room = Room::of(10);
        let (text, sentence) = room.fill("rule", entries(&[4, 7, 3, 3, 1]));
        assert_eq!(text.chars().count(), 10, "4, 3 and 3");
        assert_eq!(sentence, "2 rules are left out for want of room.");
        assert_eq!(room.fill("rule", entries(&[1])).1, "1 rule is left out for want of room.");
    }

    #[test]
    fn nothing_is_said_where_nothing_is_left_out() {
        let (text, sentence) = Room::unbounded().fill("rule", entries(&[100_000, 1]));
        assert_eq!((text.chars().count(), sentence.as_str()), (100_001, ""));
    }

    #[test]
    fn a_section_leaves_what_it_does_not_need() {
        let mut room = Room::of(10);
        assert_eq!(room.share(2, |room| room.fill("rule", entries(&[6, 3])).0).chars().count(), 3);
        assert_eq!(room.share(1, |room| room.fill("rule", entries(&[8, 7])).0).chars().count(), 7);
        assert!(!room.takes(1));
        room.spend(5);
        assert!(room.takes(0));
    }
}
