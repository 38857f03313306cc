//! A long list, a piece at a time.

use super::link::query;

/// Lines of a piece.
pub(super) const LINES: usize = 100;

/// Which piece of a list is shown, and where the others are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paging {
    /// What is said of it: `101 to 200 of 1 234`.
    pub(super) said: String,
    /// Where the piece before it is.
    pub(super) before: Option<String>,
    /// Where the next one is.
    pub(super) after: Option<String>,
}

impl Paging {
    /// The piece of a list that was asked for, counted from 1, and where the others are: at this path, with what else follows `?`.
    pub(super) fn of<T>(all: Vec<T>, page: usize, path: &str, said: &[(&str, &str)]) -> (Vec<T>, Self) {
        let count = all.len();
        let pages = count.div_ceil(LINES).max(1);
        let page = page.clamp(1, pages);
        let first = (page - 1) * LINES;
        let piece: Vec<T> = all.into_iter().skip(first).take(LINES).collect();
        let there = |page: usize| {
            let page = page.to_string();
            let mut pairs = said.to_vec();
            pairs.push(("page", &page));
            format!("{path}{}", query(&pairs))
        };
        let number = |n: usize| fieldmark_model::number::count(n as u64);
        let said = match count {
            0 => "none".to_owned(),
            _ if pages == 1 => format!("{} in all", number(count)),
            _ => format!("{} to {} of {}", number(first + 1), number(first + piece.len()), number(count)),
        };
        let before = (page > 1).then(|| there(page - 1));
        let after = (page < pages).then(|| there(page + 1));
        (piece, Self { said, before, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_shown_in_pieces() {
        let all: Vec<usize> = (0..250).collect();
        let (piece, paging) = Paging::of(all.clone(), 2, "/fleet", &[("q", "a b"), ("status", "")]);
        assert_eq!((piece.first(), piece.len()), (Some(&100), 100));
        assert_eq!(paging.said, "101 to 200 of 250");
        assert_eq!(paging.before.as_deref(), Some("/fleet?q=a+b&page=1"));
        assert_eq!(paging.after.as_deref(), Some("/fleet?q=a+b&page=3"));
        let (piece, paging) = Paging::of(all, 9, "/fleet", &[]);
        assert_eq!((piece.len(), paging.after), (50, None));
        let (piece, paging) = Paging::of(Vec::<u8>::new(), 0, "/fleet", &[]);
        assert_eq!((piece.len(), paging.said.as_str(), paging.before), (0, "none", None));
    }
}
