//! What was there before and is not any more under its name: for whoever was asked about it by that name.

use crate::pair::{ColumnHints, TablePair, pair_columns, pair_tables};
use fieldmark_model::migration::ColumnFate;
use fieldmark_model::{Catalogue, Column, Table, TableName};

/// A table, or a column of one, that is not there any more under its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Gone {
    /// The table, by its name before.
    pub table: TableName,
    /// The column of it; `None`: the table itself.
    pub column: Option<GoneColumn>,
    /// What the table or the column is called now; `None`: it was dropped, as far as anybody knows.
    pub now: Option<NewName>,
}

/// A column that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoneColumn {
    /// Its table, by its name now.
    pub of: TableName,
    /// Its name before.
    pub name: String,
    /// Its declared type.
    pub declared: String,
}

/// What something is called now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewName {
    /// The schema, of a table.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
    /// The catalogue says that it is the same; else it is the only one that is new, and is made like it.
    pub is_known: bool,
}

/// All of it.
#[must_use]
pub fn gone(before: &Catalogue, after: &Catalogue) -> Vec<Gone> {
    let pairs = pair_tables(before, after);
    let new: Vec<&Table> = pairs.iter().filter(|pair| pair.before.is_none()).filter_map(|pair| pair.after).collect();
    let mut gone = Vec::new();
    for pair in pairs {
        let Some(was) = pair.before else { continue };
        let named = |is: &Table, is_known| NewName {
            schema: Some(is.name.schema.clone()),
            name: is.name.name.clone(),
            is_known,
        };
        let now = match pair.after {
            Some(is) if is.name == was.name => {
                of_columns(pair, &mut gone);
                continue;
            }
            Some(is) => Some(named(is, true)),
            None => only(new.iter().copied().filter(|is| is_like(was, is))).map(|is| named(is, false)),
        };
        gone.push(Gone { table: was.name.clone(), column: None, now });
    }
    gone
}

/// As much of what is gone is remembered.
const MOST: usize = 1_000;

/// What is gone after one change and another one: what was renamed first is called what it was renamed to last. Of
/// very much the latest.
#[must_use]
pub fn gone_on(first: Vec<Gone>, then: Vec<Gone>) -> Vec<Gone> {
    let mut all: Vec<Gone> = first.into_iter().filter_map(|own| own.followed(&then)).collect();
    all.extend(then);
    let many = all.len().saturating_sub(MOST);
    all.drain(..many);
    all
}

impl Gone {
    /// As it is after what is gone then; `None`: it is there again.
    fn followed(mut self, then: &[Self]) -> Option<Self> {
        let schema = |table: &TableName| Some(table.schema.clone());
        for next in then {
            match (&mut self.column, &next.column) {
                (Some(own), Some(column)) => {
                    let renamed = self.now.as_ref().is_some_and(|now| now.name == column.name);
                    if renamed && own.of == next.table {
                        self.now.clone_from(&next.now);
                    }
                }
                (Some(own), None) => {
                    let now = next.now.as_ref().filter(|_| own.of == next.table);
                    let called =
                        now.map(|now| TableName::new(now.schema.clone().unwrap_or_default(), now.name.clone()));
                    own.of = called.unwrap_or_else(|| own.of.clone());
                }
                (None, None) => {
                    let is_it = |now: &NewName| now.name == next.table.name && now.schema == schema(&next.table);
                    if self.now.as_ref().is_some_and(is_it) {
                        self.now.clone_from(&next.now);
                    }
                }
                (None, Some(_)) => {}
            }
        }
        let back = self.now.as_ref().is_some_and(|now| match &self.column {
            Some(own) => now.name == own.name,
            None => now.name == self.table.name && now.schema == schema(&self.table),
        });
        (!back).then_some(self)
    }
}

/// The one that there is; `None`: there are none, or several.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let one = all.next();
    one.filter(|_| all.next().is_none())
}

/// Whether two tables have the same columns.
fn is_like(one: &Table, other: &Table) -> bool {
    let columns = |table: &Table| -> Vec<(String, String)> {
        table.columns.iter().map(|column| (column.name.clone(), column.declared.clone())).collect()
    };
    columns(one) == columns(other)
}

fn of_columns(pair: TablePair<'_>, gone: &mut Vec<Gone>) {
    let (Some(was), Some(is)) = (pair.before, pair.after) else { return };
    let pairs = pair_columns(pair, ColumnHints::default()).pairs;
    let new = |column: &&Column| !was.columns.iter().any(|own| own.name == column.name);
    let added: Vec<&Column> = (pairs.iter())
        .filter(|pair| pair.fate == ColumnFate::Added)
        .filter_map(|pair| pair.after.as_ref())
        .filter(new)
        .collect();
    let dropped = pairs.iter().filter(|pair| pair.fate == ColumnFate::Dropped).filter_map(|pair| pair.before.as_ref());
    let dropped: Vec<&Column> = dropped.collect();
    for pair in &pairs {
        let Some(before) = &pair.before else { continue };
        if is.column(&before.name).is_some() {
            continue;
        }
        let now = match &pair.after {
            Some(after) => Some((after.name.clone(), true)),
            None => {
                let like = |column: &&&Column| column.declared == before.declared;
                let alone = dropped.iter().filter(like).count() == 1;
                only(added.iter().filter(like)).filter(|_| alone).map(|after| (after.name.clone(), false))
            }
        };
        let now = now.map(|(name, is_known)| NewName { schema: None, name, is_known });
        let (of, name, declared) = (is.name.clone(), before.name.clone(), before.declared.clone());
        gone.push(Gone { table: was.name.clone(), column: Some(GoneColumn { of, name, declared }), now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn table(name: &str, identity: Option<u64>, columns: &[(&str, Option<u64>, &str)]) -> Table {
        let columns: Vec<Column> =
            columns.iter().map(|(name, identity, declared)| testing::column(name, declared, *identity)).collect();
        Table { identity, primary_key: None, ..testing::table(name, &columns) }
    }

    /// What is gone, in words.
    fn said(before: Vec<Table>, after: Vec<Table>) -> Vec<String> {
        words(gone(&Catalogue::of(before), &Catalogue::of(after)))
    }

    fn words(gone: Vec<Gone>) -> Vec<String> {
        let word = |gone: Gone| {
            let column = gone.column.map(|column| format!(".{} {}", column.name, column.declared)).unwrap_or_default();
            let now = gone.now.map(|now| format!("{} {}", if now.is_known { "is" } else { "may be" }, now.name));
            format!("{}{column} {}", gone.table, now.unwrap_or_else(|| "is dropped".into()))
        };
        gone.into_iter().map(word).collect()
    }

    #[test]
    fn by_the_catalogues_numbers_it_is_known_what_it_is_now() {
        let orders = [("id", Some(1), "bigint"), ("status", Some(2), "text"), ("old", Some(3), "text")];
        let renamed = [("id", Some(1), "bigint"), ("state", Some(2), "varchar"), ("new", Some(4), "text")];
        let before =
            vec![table("orders", Some(1), &orders), table("people", Some(2), &orders), table("log", Some(3), &orders)];
        let after = vec![table("orders", Some(1), &renamed), table("customers", Some(2), &orders)];
        let expected = [
            "public.orders.status text is state",
            "public.orders.old text may be new",
            "public.people is customers",
            "public.log is dropped",
        ];
        assert_eq!(said(before, after), expected);
    }

    #[test]
    fn what_is_renamed_twice_is_called_what_it_was_renamed_to_last() {
        let of = |table_name: &str, column: &str| {
            Catalogue::of(vec![table(table_name, Some(1), &[(column, Some(1), "text")])])
        };
        let steps = [of("orders", "a"), of("orders", "b"), of("sales", "b"), of("sales", "c")];
        let all = steps.windows(2).fold(Vec::new(), |all, pair| gone_on(all, gone(&pair[0], &pair[1])));
        assert_eq!(all[0].column.as_ref().map(|own| own.of.to_string()), Some("public.sales".to_owned()));
        let expected = ["public.orders.a text is c", "public.orders is sales", "public.sales.b text is c"];
        assert_eq!(words(all.clone()), expected);
        let back = gone(&steps[3], &of("sales", "a"));
        assert_eq!(words(gone_on(all, back))[0], "public.orders is sales", "the first is there again");
    }

    #[test]
    fn without_numbers_the_only_one_that_is_made_like_it_may_be_it() {
        let of = |columns: &[(&'static str, &'static str)]| -> Vec<(&'static str, Option<u64>, &'static str)> {
            columns.iter().map(|(name, declared)| (*name, None, *declared)).collect()
        };
        let before = vec![
            table("orders", None, &of(&[("id", "bigint"), ("status", "text"), ("a", "date"), ("b", "int")])),
            table("people", None, &of(&[("id", "bigint"), ("name", "text")])),
        ];
        let after = vec![
            table(
                "orders",
                None,
                &of(&[("id", "bigint"), ("state", "text"), ("c", "date"), ("d", "date"), ("e", "time")]),
            ),
            table("customers", None, &of(&[("id", "bigint"), ("name", "text")])),
        ];
        let expected = [
            "public.orders.status text may be state",
            "public.orders.a date is dropped",
            "public.orders.b int is dropped",
            "public.people may be customers",
        ];
        assert_eq!(said(before, after), expected);
    }
}
