//! Which table and which column became which.

use crate::input::Rename;
use fieldmark_model::migration::{ColumnFate, ColumnPair, RenameEvidence};
use fieldmark_model::{Catalogue, Column, Table};
use std::collections::BTreeSet;

/// A table before and after. At least one of the two is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TablePair<'a> {
    /// Before; `None` where it appeared.
    pub before: Option<&'a Table>,
    /// After; `None` where it was dropped.
    pub after: Option<&'a Table>,
    /// How that is known.
    pub by: TablePairing,
}

/// How two tables were paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TablePairing {
    /// The same identity, or the same name where an identity is missing.
    Same,
    /// The same identity under another name.
    Renamed,
    /// The same name, another identity: dropped and made anew, or swapped for another table (gh-ost, pt-osc). Readers follow names, and
    /// so does the verdict.
    SwappedByName,
    /// No partner.
    Alone,
}

/// Pairs all tables: the same name first (noting a swap), then the same identity. In the order of the tables before, then of
/// those that appeared.
///
/// The name goes before the identity where they disagree, because a table swapped in at the end of a long change (`orders` renamed
/// to `_orders_del`, `_orders_gho` to `orders`) has to be compared with the one whose name it took.
#[must_use]
pub fn pair_tables<'a>(before: &'a Catalogue, after: &'a Catalogue) -> Vec<TablePair<'a>> {
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    let named: Vec<Option<usize>> = before
        .tables
        .iter()
        .map(|old| {
            let at = after.tables.iter().position(|new| new.name == old.name);
            taken.extend(at);
            at
        })
        .collect();
    let mut pairs = Vec::new();
    for (old, named) in before.tables.iter().zip(named) {
        let at = named.or_else(|| {
            let same = |new: &Table| old.identity.is_some() && new.identity == old.identity;
            let at = (0..).zip(&after.tables).find(|(at, new)| !taken.contains(at) && same(new)).map(|(at, _)| at);
            taken.extend(at);
            at
        });
        let new = at.and_then(|at| after.tables.get(at));
        let by = match new {
            None => TablePairing::Alone,
            Some(new) if new.name != old.name => TablePairing::Renamed,
            Some(new) if differ(old.identity, new.identity) => TablePairing::SwappedByName,
            Some(_) => TablePairing::Same,
        };
        pairs.push(TablePair { before: Some(old), after: new, by });
    }
    let appeared = (0..).zip(&after.tables).filter(|(at, _)| !taken.contains(at));
    pairs.extend(appeared.map(|(_, new)| TablePair { before: None, after: Some(new), by: TablePairing::Alone }));
    pairs
}

fn differ(one: Option<u64>, other: Option<u64>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

/// What is known of renamed columns beside the catalogue.
#[derive(Clone, Copy, Debug, Default)]
pub struct ColumnHints<'a> {
    /// `renamed:` of the rule file.
    pub declared: &'a [Rename],
    /// What the migration's statements say.
    pub statements: &'a [Rename],
}

/// The columns of two tables, paired.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnPairs {
    /// In the order of the columns after; dropped ones last.
    pub pairs: Vec<ColumnPair>,
    /// Columns (named as after) that were dropped and added anew under the same name: compared like kept ones.
    pub anew: Vec<String>,
}

/// Pairs all columns: by the catalogue's identity, by `renamed:`, by the statements, by unchanged name. Renames by equal values
/// come later, from aligned rows: [`crate::infer_renames`].
///
/// A column's identity means something only inside one relation, so it is not used where the table was swapped by name.
#[must_use]
pub fn pair_columns(tables: TablePair<'_>, hints: ColumnHints<'_>) -> ColumnPairs {
    let old = tables.before.map_or(&[][..], |table| &table.columns);
    let new = tables.after.map_or(&[][..], |table| &table.columns);
    let identities = tables.by != TablePairing::SwappedByName;
    let mut links = Links { of: vec![None; new.len()], taken: vec![false; old.len()] };
    for (at, column) in new.iter().enumerate() {
        let same = |other: &Column| identities && column.identity.is_some() && other.identity == column.identity;
        links.link(at, old.iter().position(same), RenameEvidence::Catalogue);
    }
    for (renames, by) in [(hints.declared, RenameEvidence::Declared), (hints.statements, RenameEvidence::Statements)] {
        for rename in renames {
            if let Some(at) = new.iter().position(|column| column.name == rename.after) {
                links.link(at, old.iter().position(|column| column.name == rename.before), by);
            }
        }
    }
    for (at, column) in new.iter().enumerate() {
        links.link(at, old.iter().position(|other| other.name == column.name), RenameEvidence::Catalogue);
    }
    let mut result = ColumnPairs::default();
    for (column, link) in new.iter().zip(&links.of) {
        let before = link.and_then(|(at, by)| Some((old.get(at)?, by)));
        if let Some((before, _)) = before
            && identities
            && before.name == column.name
            && differ(before.identity, column.identity)
        {
            result.anew.push(column.name.clone());
        }
        result.pairs.push(match before {
            Some((before, by)) => paired(before, column, by),
            None => ColumnPair { before: None, after: Some(column.clone()), fate: ColumnFate::Added },
        });
    }
    let dropped = old.iter().zip(&links.taken).filter(|(_, taken)| !**taken);
    result.pairs.extend(dropped.map(|(column, _)| ColumnPair {
        before: Some(column.clone()),
        after: None,
        fate: ColumnFate::Dropped,
    }));
    result
}

/// Which column after goes with which before, and why.
struct Links {
    of: Vec<Option<(usize, RenameEvidence)>>,
    taken: Vec<bool>,
}

impl Links {
    /// Links two columns unless one of them is linked already.
    fn link(&mut self, new: usize, old: Option<usize>, by: RenameEvidence) {
        let Some(old) = old else { return };
        if let (Some(slot @ None), Some(taken @ false)) = (self.of.get_mut(new), self.taken.get_mut(old)) {
            *slot = Some((old, by));
            *taken = true;
        }
    }
}

/// The pair of two columns that are one, with its fate.
pub(crate) fn paired(before: &Column, after: &Column, by: RenameEvidence) -> ColumnPair {
    let retyped = before.declared != after.declared || before.data_type != after.data_type;
    let from = || before.name.clone();
    let fate = match (before.name == after.name, retyped) {
        (true, false) => ColumnFate::Kept,
        (true, true) => ColumnFate::Retyped,
        (false, false) => ColumnFate::Renamed { from: from(), by },
        (false, true) => ColumnFate::RenamedAndRetyped { from: from(), by },
    };
    ColumnPair { before: Some(before.clone()), after: Some(after.clone()), fate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{column, rename, table};

    fn fates(pairs: &ColumnPairs) -> Vec<String> {
        pairs
            .pairs
            .iter()
            .map(|pair| {
                let name = |column: &Option<Column>| column.as_ref().map_or("-".into(), |c| c.name.clone());
                let fate = match &pair.fate {
                    ColumnFate::Kept => "kept".to_owned(),
                    ColumnFate::Dropped => "dropped".to_owned(),
                    ColumnFate::Added => "added".to_owned(),
                    ColumnFate::Retyped => "retyped".to_owned(),
                    ColumnFate::Renamed { by, .. } => format!("renamed {by:?}"),
                    ColumnFate::RenamedAndRetyped { by, .. } => format!("both {by:?}"),
                };
                format!("{}>{} {fate}", name(&pair.before), name(&pair.after))
            })
            .collect()
    }

    fn same<'a>(before: &'a Table, after: &'a Table) -> TablePair<'a> {
        TablePair { before: Some(before), after: Some(after), by: TablePairing::Same }
    }

    #[test]
    fn columns_go_by_identity_then_declaration_then_statement_then_name() {
        let before = table(
            "t",
            &[
                column("a", "int", Some(1)),
                column("b", "int", Some(2)),
                column("c", "int", Some(3)),
                column("d", "text", Some(4)),
                column("e", "text", Some(5)),
                column("f", "text", Some(6)),
            ],
        );
        let after = table(
            "t",
            &[
                column("b", "int", Some(1)),
                column("x", "bigint", Some(2)),
                column("c", "int", Some(9)),
                column("d2", "text", Some(10)),
                column("e2", "int", Some(11)),
                column("a", "int", Some(12)),
            ],
        );
        let declared = [rename("d2", "d"), rename("nothing", "a")];
        let statements = [rename("e2", "e"), rename("d2", "f")];
        let pairs = pair_columns(same(&before, &after), ColumnHints { declared: &declared, statements: &statements });
        assert_eq!(
            fates(&pairs),
            [
                "a>b renamed Catalogue",
                "b>x both Catalogue",
                "c>c kept",
                "d>d2 renamed Declared",
                "e>e2 both Statements",
                "->a added",
                "f>- dropped"
            ]
        );
        assert_eq!(pairs.anew, ["c"]);
    }

    #[test]
    fn identities_of_a_swapped_table_mean_nothing() {
        let before = table("t", &[column("a", "int", Some(1)), column("b", "int", Some(2))]);
        let after = table("t", &[column("b", "int", Some(1)), column("a", "int", Some(2))]);
        let pair = TablePair { by: TablePairing::SwappedByName, ..same(&before, &after) };
        let pairs = pair_columns(pair, ColumnHints::default());
        assert_eq!(fates(&pairs), ["b>b kept", "a>a kept"]);
        assert!(pairs.anew.is_empty());
    }

    #[test]
    fn tables_go_by_name_then_identity() {
        let of = |tables: &[(&str, u64)]| {
            Catalogue::of(tables.iter().map(|(name, id)| Table { identity: Some(*id), ..table(name, &[]) }).collect())
        };
        let before = of(&[("gone", 4), ("orders", 1), ("people", 2), ("same", 3)]);
        let after = of(&[("_orders_del", 1), ("customers", 2), ("new", 8), ("orders", 9), ("same", 3)]);
        let names: Vec<String> = pair_tables(&before, &after)
            .iter()
            .map(|pair| {
                let name = |table: Option<&Table>| table.map_or("-".into(), |t| t.name.name.clone());
                format!("{}>{} {:?}", name(pair.before), name(pair.after), pair.by)
            })
            .collect();
        assert_eq!(
            names,
            [
                "gone>- Alone",
                "orders>orders SwappedByName",
                "people>customers Renamed",
                "same>same Same",
                "->_orders_del Alone",
                "->new Alone"
            ]
        );
    }
}
