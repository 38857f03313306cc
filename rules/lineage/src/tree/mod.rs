//! The query trees that PostgreSQL keeps: of views, materialized views and rules (`pg_rewrite.ev_action`), of functions with a SQL body
//! (`pg_proc.prosqlbody`). Every name in them is resolved already, to a relation's oid and a column's number.
//!
//! Written against the trees of PostgreSQL 14 and 15 and tested on 15. What differs in others: 16 leaves out the entries OLD and NEW of views
//! and keeps permissions in a list of their own (neither is read here); 17 has `mergeJoinCondition` and new nodes for JSON; 18 has an entry
//! for groups (`RTE_GROUP`). A node that is not known makes its column unresolved, with the node's name.

mod expression;
mod node;
mod query;

use crate::deps::{Deps, Source, Use};
use fieldmark_model::lineage::{ColumnName, Edge, Kind, Place, Unresolved};
use node::{Node, Object};
use query::Level;
use std::collections::{BTreeSet, HashMap};

/// What oids and column numbers mean.
#[derive(Clone, Debug, Default)]
pub struct Relations {
    relations: HashMap<u64, Relation>,
    functions: HashMap<u64, Relation>,
}

#[derive(Clone, Debug)]
struct Relation {
    table: String,
    /// By number; a number that is missing is of a column that was dropped.
    columns: Vec<(i64, String)>,
}

impl Relations {
    /// Adds a relation: its oid, its name with its schema, its columns by number.
    pub fn add(&mut self, oid: u64, table: impl Into<String>, columns: Vec<(i64, String)>) {
        self.relations.insert(oid, Relation { table: table.into(), columns });
    }

    /// Adds a function whose body is resolved as well: what it gives are columns of a table of its name, with brackets after it.
    pub fn add_function(&mut self, oid: u64, table: impl Into<String>, columns: Vec<String>) {
        let columns = (1..).zip(columns).collect();
        self.functions.insert(oid, Relation { table: table.into(), columns });
    }

    /// The column of a function that gives one value.
    pub const RESULT: &str = "result";
}

/// What came of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Each source, target and kind once.
    pub edges: Vec<Edge>,
    /// Nodes that are not known.
    pub unresolved: Vec<Unresolved>,
    /// Every column that is read, for whatever.
    pub reads: Vec<ColumnName>,
    /// Tables that are written to.
    pub writes: Vec<String>,
}

/// Resolves a tree, or a list of them. `target` is what a query's columns are of: the view, or the function with brackets; of a query that
/// only reads, nothing. `names` are the names of its columns, where they are others than the query's.
pub fn resolve(text: &str, relations: &Relations, target: &str, names: Option<&[String]>) -> Resolved {
    stacker::maybe_grow(crate::sql::ENOUGH, crate::sql::STACK, || {
        let tree = match node::read(text) {
            Ok(tree) => tree,
            Err(at) => {
                let place = Place { line: 1, column: at as u64 + 1 };
                let reason = "the server's tree cannot be read".to_owned();
                let unresolved = vec![Unresolved { reason, place, text: target.to_owned() }];
                return Resolved { unresolved, ..Resolved::default() };
            }
        };
        let mut walker = Walker::new(relations, target, None);
        let mut queries = Vec::new();
        gather(&tree, &mut queries);
        let last = queries.len().saturating_sub(1);
        for (number, query) in queries.into_iter().enumerate() {
            walker.statement(query, target, names, number == last);
        }
        walker.done()
    })
}

/// Resolves the tree of an expression over one row of a relation (`pg_attrdef.adbin`): the value of this column of it.
pub fn resolve_expression(text: &str, relations: &Relations, oid: u64, column: &str) -> Resolved {
    stacker::maybe_grow(crate::sql::ENOUGH, crate::sql::STACK, || {
        let table = relations.relations.get(&oid).map_or_else(String::new, |relation| relation.table.clone());
        let target = ColumnName::new(table, column);
        let Ok(tree) = node::read(text) else {
            let reason = "the server's tree cannot be read".to_owned();
            let unresolved = vec![Unresolved { reason, place: Place { line: 1, column: 1 }, text: target.to_string() }];
            return Resolved { unresolved, ..Resolved::default() };
        };
        let mut walker = Walker::new(relations, &target.to_string(), Some(oid));
        let mut deps = Deps::default();
        walker.walk(&tree, Use::AS_IS.within(Kind::Transformation), &mut deps);
        walker.emit(target, &deps, &Deps::default());
        walker.done()
    })
}

/// All queries of a list, or of lists in a list.
fn gather<'n, 't>(node: &'n Node<'t>, queries: &mut Vec<&'n Object<'t>>) {
    match node {
        Node::Object(object) if object.name == "QUERY" => queries.push(object),
        Node::List(list) => list.iter().for_each(|own| gather(own, queries)),
        Node::Object(_) | Node::Null | Node::Word(_) => {}
    }
}

pub(super) struct Walker<'r, 'n, 't> {
    relations: &'r Relations,
    numbers: HashMap<ColumnName, Source>,
    keys: Vec<ColumnName>,
    /// The queries that are around, outermost first.
    levels: Vec<Level<'n, 't>>,
    targets: Vec<(ColumnName, Deps)>,
    target_numbers: HashMap<ColumnName, usize>,
    reads: BTreeSet<Source>,
    writes: BTreeSet<String>,
    unresolved: BTreeSet<Unresolved>,
    /// What is resolved: for what is said of it.
    of: String,
    /// The relation of which an expression sees one row.
    row: Option<u64>,
}

impl<'r> Walker<'r, '_, '_> {
    fn new(relations: &'r Relations, of: &str, row: Option<u64>) -> Self {
        Self {
            relations,
            numbers: HashMap::new(),
            keys: Vec::new(),
            levels: Vec::new(),
            targets: Vec::new(),
            target_numbers: HashMap::new(),
            reads: BTreeSet::new(),
            writes: BTreeSet::new(),
            unresolved: BTreeSet::new(),
            of: of.to_owned(),
            row,
        }
    }

    fn source(&mut self, column: ColumnName) -> Source {
        if let Some(number) = self.numbers.get(&column) {
            return *number;
        }
        let number = Source::try_from(self.keys.len()).unwrap_or(Source::MAX);
        self.keys.push(column.clone());
        self.numbers.insert(column, number);
        number
    }

    /// A column of a relation, by its number; a system's column comes from nowhere.
    fn column(&mut self, oid: u64, number: i64) -> Deps {
        if number < 0 {
            return Deps::default();
        }
        let name = self.relations.relations.get(&oid).and_then(|relation| {
            let (_, name) = relation.columns.iter().find(|(own, _)| *own == number)?;
            Some(ColumnName::new(relation.table.clone(), name.clone()))
        });
        match name {
            Some(name) => {
                let source = self.source(name);
                self.reads.insert(source);
                Deps::column(source)
            }
            None => {
                self.say("a column that is not in the catalogue", format!("{oid}.{number}"));
                Deps::default()
            }
        }
    }

    fn say(&mut self, reason: &str, text: impl Into<String>) {
        let place = Place { line: 1, column: 1 };
        let reason = format!("{reason}, in {}", if self.of.is_empty() { "the tree" } else { &self.of });
        self.unresolved.insert(Unresolved { reason, place, text: text.into() });
    }

    fn emit(&mut self, target: ColumnName, deps: &Deps, rows: &Deps) {
        let number = *self.target_numbers.entry(target.clone()).or_insert_with(|| {
            self.targets.push((target, Deps::default()));
            self.targets.len() - 1
        });
        if let Some((_, own)) = self.targets.get_mut(number) {
            own.take(deps, Use::AS_IS);
            own.take(rows, Use::AS_IS);
        }
    }

    fn done(self) -> Resolved {
        let name = |source: Source| {
            let unknown = || ColumnName::new(ColumnName::UNKNOWN, "");
            self.keys.get(source as usize).cloned().unwrap_or_else(unknown)
        };
        let mut edges = Vec::new();
        for (target, deps) in &self.targets {
            let mut parts: Vec<(Kind, ColumnName, bool)> =
                deps.iter().map(|dep| (dep.kind, name(dep.source), dep.masked)).collect();
            parts.sort();
            let edge = |(kind, source, masked)| Edge { source, target: target.clone(), kind, masked };
            edges.extend(parts.into_iter().map(edge));
        }
        Resolved {
            edges,
            reads: self.reads.iter().map(|source| name(*source)).collect(),
            unresolved: self.unresolved.into_iter().collect(),
            writes: self.writes.into_iter().collect(),
        }
    }
}
