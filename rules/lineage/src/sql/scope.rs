//! What names mean at a place of a statement.

use super::dialect::Dialect;
use crate::deps::{Deps, Use};
use fieldmark_model::lineage::Kind;
use sqlparser::ast::{Ident, NamedWindowDefinition};
use std::rc::Rc;

/// A table of the session: of the catalogue that was given, or one that a statement of the same text has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TableId {
    Given(u32),
    Made(u32),
}

/// A column that a query gives.
#[derive(Clone, Debug)]
pub(crate) struct Out {
    pub(crate) name: String,
    pub(crate) deps: Rc<Deps>,
}

/// What a query, a table or a function gives.
#[derive(Clone, Debug)]
pub(crate) enum Columns {
    /// A table with its columns.
    Table(TableId),
    /// These, in order.
    These(Vec<Out>),
    /// Whatever is asked for, all made from the same.
    Open(Rc<Deps>),
    /// A table that is not in the catalogue.
    Unknown,
}

/// The result of a query.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) columns: Columns,
    /// What decides which rows there are.
    pub(crate) rows: Rc<Deps>,
}

impl Relation {
    pub(crate) fn unknown() -> Self {
        Self { columns: Columns::Unknown, rows: Rc::default() }
    }
}

/// A relation under a name, in FROM.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// Its alias, or the table's own name.
    pub(crate) name: Option<String>,
    /// The schema before it, where it has no alias.
    pub(crate) before: Vec<String>,
    pub(crate) columns: Rc<Columns>,
}

/// What can be named without a table, in order: the columns of `*`.
#[derive(Clone, Debug)]
pub(crate) enum Visible {
    /// All columns of a relation.
    All(usize),
    /// One of them, by its place.
    One(usize, u32),
    /// A column that a join has made of two.
    Merged { name: String, deps: Rc<Deps>, of: Vec<(usize, u32)> },
}

/// All that FROM gives.
#[derive(Clone, Debug, Default)]
pub(crate) struct From {
    pub(crate) named: Vec<Named>,
    pub(crate) visible: Vec<Visible>,
    /// What decides which rows there are: joins, and what decides the rows of what is joined.
    pub(crate) rows: Deps,
}

impl From {
    pub(crate) fn push(&mut self, named: Named) -> usize {
        let at = self.named.len();
        self.named.push(named);
        self.visible.push(Visible::All(at));
        at
    }
}

/// A query around another, or the one itself.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) parent: Option<&'s Scope<'s>>,
    pub(crate) from: &'s From,
    /// Columns of the select list that may be named here: after those of FROM, or before them.
    pub(crate) aliases: &'s [Out],
    pub(crate) aliases_first: bool,
    /// The windows that have a name.
    pub(crate) windows: &'s [NamedWindowDefinition],
    /// The queries that WITH has named.
    pub(crate) with: Option<&'s With<'s>>,
}

/// Queries that have a name.
#[derive(Clone, Copy)]
pub(crate) struct With<'w> {
    pub(crate) parent: Option<&'w With<'w>>,
    pub(crate) named: &'w [(String, Rc<Relation>)],
}

impl<'w> With<'w> {
    pub(crate) fn find(&self, dialect: Dialect, name: &Ident) -> Option<Rc<Relation>> {
        let mut with = Some(self);
        while let Some(own) = with {
            let found = own.named.iter().rev().find(|(named, _)| dialect.same(name, named));
            if let Some((_, relation)) = found {
                return Some(Rc::clone(relation));
            }
            with = own.parent;
        }
        None
    }
}

impl<'s> Scope<'s> {
    /// The same place with other columns of the select list.
    pub(crate) fn with_aliases(self, aliases: &'s [Out], first: bool) -> Self {
        Self { aliases, aliases_first: first, ..self }
    }
}

/// The deps of all columns of a list, as parts of one value.
pub(crate) fn whole(outs: &[Out]) -> Deps {
    let mut deps = Deps::default();
    for out in outs {
        deps.take(&out.deps, Use::AS_IS.within(Kind::Transformation));
    }
    deps
}
