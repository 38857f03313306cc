//! The tables that names are looked up in: mandatory, since a column without its table is a guess.

use std::collections::HashMap;

/// Tables with their columns, held in little memory: a table's column names are one text, types are numbers of a list.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    tables: Vec<Table>,
    /// By the table's own name, in lower case.
    by_name: HashMap<Box<str>, Vec<u32>>,
    types: Vec<Box<str>>,
    type_numbers: HashMap<Box<str>, u32>,
    /// The schema of names that have none.
    default_schema: Option<Box<str>>,
    /// Whether names have a schema here.
    has_schemas: bool,
}

#[derive(Clone, Debug)]
struct Table {
    /// Schema and name, as many parts as were given.
    parts: Box<[Box<str>]>,
    /// The names of all columns, one after another.
    names: Box<str>,
    /// Of each column where its name ends, and its type; [`UNTYPED`] where nobody said.
    columns: Box<[(u32, u32)]>,
    dropped: bool,
}

const UNTYPED: u32 = u32::MAX;

/// What a name is in a catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    One(u32),
    None,
    /// Several tables have the name, in different schemas.
    Several,
}

/// A part of a name in a statement: its spelling, and whether letters count as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) text: &'a str,
    /// Whether it stood in quotes, where that makes capitals count.
    pub(crate) exact: bool,
}

impl Part<'_> {
    /// Whether it names what is spelled so.
    pub(crate) fn names(self, spelled: &str) -> bool {
        if self.exact { self.text == spelled } else { same_letters(self.text, spelled) }
    }
}

/// Whether two texts are the same but for capitals.
pub(crate) fn same_letters(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || (!(one.is_ascii() && other.is_ascii()) && one.to_lowercase() == other.to_lowercase())
}

impl Catalogue {
    /// No table. Names without a schema are of this one, where there is one.
    pub fn new(default_schema: Option<&str>) -> Self {
        Self { default_schema: default_schema.map(Into::into), ..Self::default() }
    }

    /// How many tables there are.
    pub fn len(&self) -> usize {
        self.tables.iter().filter(|table| !table.dropped).count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a table: the parts of its name (schema and name, or the name alone), its columns in order, with types where they are known. One of
    /// the same name is replaced.
    pub fn add<'a>(&mut self, parts: &[&str], columns: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) {
        let Some(own) = parts.last() else { return };
        let (mut names, mut ends) = (String::new(), Vec::new());
        for (name, declared) in columns {
            names.push_str(name);
            let declared = declared.map_or(UNTYPED, |declared| self.type_number(declared));
            ends.push((u32::try_from(names.len()).unwrap_or(u32::MAX), declared));
        }
        let table = Table {
            parts: parts.iter().map(|part| (*part).into()).collect(),
            names: names.into(),
            columns: ends.into(),
            dropped: false,
        };
        self.has_schemas |= parts.len() > 1;
        let same = |other: &Table| {
            other.parts.len() == parts.len() && other.parts.iter().zip(parts).all(|(one, other)| **one == **other)
        };
        let numbers = self.by_name.entry(own.to_lowercase().into()).or_default();
        // the old one keeps its number: columns that were met before are still its own
        for number in numbers.iter() {
            if let Some(old) = self.tables.get_mut(*number as usize).filter(|old| same(old)) {
                old.dropped = true;
            }
        }
        numbers.push(u32::try_from(self.tables.len()).unwrap_or(u32::MAX));
        self.tables.push(table);
    }

    fn type_number(&mut self, declared: &str) -> u32 {
        if let Some(number) = self.type_numbers.get(declared) {
            return *number;
        }
        let number = u32::try_from(self.types.len()).unwrap_or(UNTYPED);
        self.types.push(declared.into());
        self.type_numbers.insert(declared.into(), number);
        number
    }

    /// The table that a name means: its last parts have to be the table's, and what is left out is the default schema, or the only one there is.
    pub(crate) fn find(&self, name: &[Part<'_>]) -> Found {
        let Some(own) = name.last() else { return Found::None };
        let Some(numbers) = self.by_name.get(own.text.to_lowercase().as_str()) else { return Found::None };
        let live = |number: &&u32| self.tables.get(**number as usize).is_some_and(|table| !table.dropped);
        let fits = |number: &&u32| {
            let parts = self.tables.get(**number as usize).map_or(&[][..], |table| &table.parts);
            parts.iter().rev().zip(name.iter().rev()).all(|(spelled, part)| part.names(spelled))
        };
        let mut candidates: Vec<u32> = numbers.iter().filter(live).filter(fits).copied().collect();
        let of = |number: u32| self.tables.get(number as usize).map_or(&[][..], |table| &table.parts);
        // what is spelled exactly so comes before what differs in capitals
        let exactly = |number: &u32| {
            of(*number).iter().rev().zip(name.iter().rev()).all(|(spelled, part)| **spelled == *part.text)
        };
        if candidates.len() > 1 && candidates.iter().any(exactly) {
            candidates.retain(exactly);
        }
        if candidates.len() > 1
            && let Some(default) = &self.default_schema
        {
            let in_default = |number: &u32| {
                let parts = of(*number);
                let schema = parts.len().checked_sub(name.len() + 1).and_then(|at| parts.get(at));
                schema.is_none_or(|schema| same_letters(schema, default))
            };
            if candidates.iter().any(in_default) {
                candidates.retain(in_default);
            }
        }
        match candidates[..] {
            [] => Found::None,
            [one] => Found::One(one),
            _ => Found::Several,
        }
    }

    /// The name of a table as it is spelled here.
    pub(crate) fn spelled(&self, table: u32) -> String {
        self.tables.get(table as usize).map_or_else(String::new, |table| table.parts.join("."))
    }

    pub(crate) fn parts(&self, table: u32) -> &[Box<str>] {
        self.tables.get(table as usize).map_or(&[], |table| &table.parts)
    }

    /// The parts of the name of a table that is new: with the default schema, where names have one here.
    pub(crate) fn new_name(&self, name: &[&str]) -> Vec<String> {
        let mut parts: Vec<String> = name.iter().map(|part| (*part).to_owned()).collect();
        if let ([_], Some(default)) = (name, &self.default_schema)
            && (self.has_schemas || self.tables.is_empty())
        {
            parts.insert(0, default.to_string());
        }
        parts
    }

    pub(crate) fn width(&self, table: u32) -> u32 {
        self.tables.get(table as usize).map_or(0, |table| u32::try_from(table.columns.len()).unwrap_or(u32::MAX))
    }

    /// The name of a column by its place, from zero.
    pub(crate) fn column(&self, table: u32, column: u32) -> Option<&str> {
        let table = self.tables.get(table as usize)?;
        let (end, _) = *table.columns.get(column as usize)?;
        let start = match column {
            0 => 0,
            after => table.columns.get(after as usize - 1)?.0,
        };
        table.names.get(start as usize..end as usize)
    }

    /// The declared type of a column.
    pub(crate) fn declared(&self, table: u32, column: u32) -> Option<&str> {
        let (_, number) = *self.tables.get(table as usize)?.columns.get(column as usize)?;
        self.types.get(number as usize).map(|declared| &**declared)
    }

    /// The place of the column that a name means: spelled so exactly, else but for capitals.
    pub(crate) fn column_named(&self, table: u32, name: Part<'_>) -> Option<u32> {
        let mut loose = None;
        for number in 0..self.width(table) {
            let own = self.column(table, number)?;
            if own == name.text {
                return Some(number);
            }
            if loose.is_none() && name.names(own) {
                loose = Some(number);
            }
        }
        loose
    }

    /// A table that is no more.
    pub(crate) fn drop_table(&mut self, table: u32) {
        if let Some(table) = self.tables.get_mut(table as usize) {
            table.dropped = true;
        }
    }

    /// All that is known of a table, to make another of it.
    pub(crate) fn columns_of(&self, table: u32) -> Vec<(String, Option<String>)> {
        let column = |number| {
            let name = self.column(table, number)?.to_owned();
            Some((name, self.declared(table, number).map(str::to_owned)))
        };
        (0..self.width(table)).filter_map(column).collect()
    }

    /// Adds a table of names that are owned.
    pub(crate) fn add_owned(&mut self, parts: &[String], columns: &[(String, Option<String>)]) {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.add(&parts, columns.iter().map(|(name, declared)| (name.as_str(), declared.as_deref())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Part<'_> {
        Part { text, exact: false }
    }

    #[test]
    fn a_name_is_found_by_its_last_parts() {
        let mut catalogue = Catalogue::new(Some("public"));
        catalogue.add(&["public", "orders"], [("id", Some("int")), ("total", None)]);
        catalogue.add(&["shop", "orders"], [("id", Some("int"))]);
        catalogue.add(&["shop", "Items"], [("id", None)]);
        assert_eq!(catalogue.find(&[part("ORDERS")]), Found::One(0));
        assert_eq!(catalogue.find(&[part("shop"), part("orders")]), Found::One(1));
        assert_eq!(catalogue.find(&[part("db"), part("shop"), part("orders")]), Found::One(1));
        assert_eq!(catalogue.find(&[part("items")]), Found::One(2));
        assert_eq!(catalogue.find(&[Part { text: "items", exact: true }]), Found::None);
        assert_eq!(catalogue.find(&[part("other"), part("orders")]), Found::None);
        assert_eq!(catalogue.column_named(0, part("TOTAL")), Some(1));
        assert_eq!((catalogue.declared(0, 0), catalogue.declared(0, 1)), (Some("int"), None));
        assert_eq!(catalogue.new_name(&["v"]), ["public", "v"]);
    }

    #[test]
    fn without_a_default_several_are_several() {
        let mut catalogue = Catalogue::new(None);
        catalogue.add(&["a", "t"], [("id", None)]);
        catalogue.add(&["b", "t"], [("id", None)]);
        assert_eq!(catalogue.find(&[part("t")]), Found::Several);
        catalogue.add(&["b", "t"], [("id", None), ("more", None)]);
        assert_eq!((catalogue.len(), catalogue.width(2)), (2, 2));
        catalogue.drop_table(2);
        assert_eq!(catalogue.find(&[part("t")]), Found::One(0));
    }
}
