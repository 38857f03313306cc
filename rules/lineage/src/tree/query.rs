//! Queries of a tree: ranges, joins, what decides rows, and what is written.

use super::Walker;
use super::node::{Node, Object, unescaped};
use crate::deps::{Deps, Use};
use fieldmark_model::lineage::{ColumnName, Kind};
use std::collections::HashMap;
use std::rc::Rc;

/// What a query or a range gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Given {
    /// In order of their numbers, from one; names where the tree has them.
    pub(super) columns: Vec<(String, Rc<Deps>)>,
    pub(super) rows: Rc<Deps>,
}

/// A query that is being resolved.
#[derive(Clone, Debug)]
pub(super) struct Level<'n, 't> {
    pub(super) query: &'n Object<'t>,
    ranges: Vec<Option<Rc<Given>>>,
    ctes: HashMap<String, Rc<Given>>,
    /// What would have been inserted, by column number: the range of `excluded`.
    excluded: HashMap<i64, Rc<Deps>>,
    /// Queries whose columns are assigned one by one: by number, what they give.
    pub(super) several: HashMap<i64, Rc<Given>>,
}

/// How often a recursive query is gone through.
const ROUNDS: usize = 16;

/// Kinds of ranges (`RTEKind`).
mod range {
    pub(super) const RELATION: i64 = 0;
    pub(super) const SUBQUERY: i64 = 1;
    pub(super) const JOIN: i64 = 2;
    pub(super) const FUNCTION: i64 = 3;
    pub(super) const TABLEFUNC: i64 = 4;
    pub(super) const VALUES: i64 = 5;
    pub(super) const CTE: i64 = 6;
    pub(super) const NAMED_TUPLESTORE: i64 = 7;
    pub(super) const RESULT: i64 = 8;
}

/// Kinds of statements (`CmdType`).
mod command {
    pub(super) const SELECT: i64 = 1;
    pub(super) const UPDATE: i64 = 2;
    pub(super) const INSERT: i64 = 3;
    pub(super) const DELETE: i64 = 4;
    pub(super) const MERGE: i64 = 5;
}

impl<'n, 't> Walker<'_, 'n, 't> {
    /// A statement that stands by itself. Of a function, the last one gives what the function gives.
    pub(super) fn statement(&mut self, query: &'n Object<'t>, target: &str, names: Option<&[String]>, is_last: bool) {
        let given = self.query(query);
        if query.number("commandType") != Some(command::SELECT) || !is_last {
            return;
        }
        let one = given.columns.len() == 1;
        for (number, (name, deps)) in given.columns.iter().enumerate() {
            let name = match names {
                Some([only]) if one => only.clone(),
                Some(names) => names.get(number).unwrap_or(name).clone(),
                None => name.clone(),
            };
            self.emit(ColumnName::new(target, name), deps, &given.rows);
        }
    }

    /// What a query gives; what it writes is told on the way.
    pub(super) fn query(&mut self, query: &'n Object<'t>) -> Given {
        let ranges = query.get("rtable").list().len();
        self.levels.push(Level {
            query,
            ranges: vec![None; ranges],
            ctes: HashMap::new(),
            excluded: HashMap::new(),
            several: HashMap::new(),
        });
        for cte in query.get("cteList").objects() {
            self.cte(cte);
        }
        let given = match query.number("commandType") {
            Some(command::SELECT) => self.select(query),
            Some(command::INSERT | command::UPDATE | command::DELETE | command::MERGE) => self.write(query),
            // SET, NOTIFY and the like
            Some(_) | None => Given::default(),
        };
        self.levels.pop();
        given
    }

    fn cte(&mut self, cte: &'n Object<'t>) {
        let name = cte.text("ctename").unwrap_or_default();
        let Some(query) = cte.get("ctequery").object() else { return };
        let names: Vec<String> = cte.get("ctecolnames").list().iter().filter_map(Node::word).map(unescaped).collect();
        let rounds = if cte.is("cterecursive") { ROUNDS } else { 1 };
        let mut known: Option<Rc<Given>> = None;
        for _ in 0..rounds {
            // nothing, to begin with: a column is made from more with each round, up to all
            if let Some(level) = self.levels.last_mut() {
                level.ctes.insert(name.clone(), known.clone().unwrap_or_default());
            }
            let mut given = self.query(query);
            given.columns.iter_mut().zip(&names).for_each(|((own, _), name)| own.clone_from(name));
            let same = known.as_ref().is_some_and(|known| **known == given);
            known = Some(Rc::new(given));
            if same {
                break;
            }
        }
        if let (Some(level), Some(known)) = (self.levels.last_mut(), known) {
            level.ctes.insert(name, known);
        }
    }

    fn select(&mut self, query: &'n Object<'t>) -> Given {
        let mut rows = self.joined(query, Kind::Filter);
        let mut columns = match query.get("setOperations").object() {
            Some(operation) => self.set_operation(operation, &mut rows),
            None => Vec::new(),
        };
        let is_set = !columns.is_empty();
        let mut number = 0;
        for entry in query.get("targetList").objects() {
            if entry.is("resjunk") {
                continue;
            }
            let name = entry.text("resname").unwrap_or_default();
            if is_set {
                if let Some(column) = columns.get_mut(number) {
                    column.0 = name;
                }
            } else {
                let deps = Rc::new(self.value(entry.get("expr")));
                columns.push((name, deps));
            }
            number += 1;
        }
        self.deciding(query, &columns, is_set, &mut rows);
        Given { columns, rows: Rc::new(rows) }
    }

    /// GROUP BY, HAVING, DISTINCT ON, and the order where it decides which rows there are.
    fn deciding(&mut self, query: &'n Object<'t>, columns: &[(String, Rc<Deps>)], is_set: bool, rows: &mut Deps) {
        self.by_clause(query, "groupClause", Kind::GroupBy, columns, is_set, rows);
        self.walk(query.get("havingQual"), Use::deciding(Kind::Filter), rows);
        let on = query.is("hasDistinctOn");
        if on {
            self.by_clause(query, "distinctClause", Kind::GroupBy, columns, is_set, rows);
        }
        let limited = query.get("limitCount") != &Node::Null || query.get("limitOffset") != &Node::Null;
        if limited || on {
            self.by_clause(query, "sortClause", Kind::Sort, columns, is_set, rows);
        }
    }

    /// The expressions that a clause names by numbers of the target list.
    fn by_clause(
        &mut self,
        query: &'n Object<'t>,
        clause: &str,
        kind: Kind,
        columns: &[(String, Rc<Deps>)],
        is_set: bool,
        rows: &mut Deps,
    ) {
        let wanted: Vec<i64> =
            query.get(clause).objects().filter_map(|group| group.number("tleSortGroupRef")).collect();
        let mut number = 0;
        for entry in query.get("targetList").objects() {
            let reference = entry.number("ressortgroupref").unwrap_or(0);
            if reference > 0 && wanted.contains(&reference) {
                match columns.get(number).filter(|_| is_set) {
                    Some((_, deps)) => rows.take(deps, Use::deciding(kind)),
                    None => self.walk(entry.get("expr"), Use::deciding(kind), rows),
                }
            }
            if !entry.is("resjunk") {
                number += 1;
            }
        }
    }

    fn set_operation(&mut self, operation: &'n Object<'t>, rows: &mut Deps) -> Vec<(String, Rc<Deps>)> {
        match operation.name {
            "RANGETBLREF" => {
                let number = operation.number("rtindex").unwrap_or(0);
                let given = self.range(0, number);
                rows.take(&given.rows, Use::AS_IS);
                given.columns.clone()
            }
            "SETOPERATIONSTMT" => {
                let (Some(left), Some(right)) = (operation.get("larg").object(), operation.get("rarg").object()) else {
                    return Vec::new();
                };
                let mut columns = self.set_operation(left, rows);
                let others = self.set_operation(right, rows);
                // UNION 1, INTERSECT 2, EXCEPT 3
                if operation.number("op") == Some(3) {
                    others.iter().for_each(|(_, deps)| rows.take(deps, Use::deciding(Kind::Filter)));
                } else {
                    for ((_, own), (_, other)) in columns.iter_mut().zip(others) {
                        let mut deps = Deps::clone(own);
                        deps.take(&other, Use::AS_IS);
                        *own = Rc::new(deps);
                    }
                }
                columns
            }
            other => {
                self.say("a part of a set operation that is not known", other);
                Vec::new()
            }
        }
    }

    /// What decides the rows of a query's ranges: conditions of joins, and of WHERE, which decide as `kind`.
    fn joined(&mut self, query: &'n Object<'t>, kind: Kind) -> Deps {
        let mut rows = Deps::default();
        if let Some(tree) = query.get("jointree").object() {
            for item in tree.get("fromlist").objects() {
                self.join(item, &mut rows);
            }
            self.walk(tree.get("quals"), Use::deciding(kind), &mut rows);
        }
        rows
    }

    fn join(&mut self, item: &'n Object<'t>, rows: &mut Deps) {
        match item.name {
            "RANGETBLREF" => {
                let given = self.range(0, item.number("rtindex").unwrap_or(0));
                rows.take(&given.rows, Use::AS_IS);
            }
            "JOINEXPR" => {
                for side in ["larg", "rarg"] {
                    if let Some(side) = item.get(side).object() {
                        self.join(side, rows);
                    }
                }
                self.walk(item.get("quals"), Use::deciding(Kind::Join), rows);
            }
            "FROMEXPR" => {
                for inner in item.get("fromlist").objects() {
                    self.join(inner, rows);
                }
                self.walk(item.get("quals"), Use::deciding(Kind::Join), rows);
            }
            other => self.say("a part of FROM that is not known", other),
        }
    }

    /// What a range gives, of the query so many levels up.
    pub(super) fn range(&mut self, up: usize, number: i64) -> Rc<Given> {
        let Some(level) = self.levels.len().checked_sub(up + 1) else { return Rc::default() };
        let at = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
        let known = self.levels.get(level).and_then(|level| level.ranges.get(at).cloned());
        match known {
            Some(Some(given)) => return given,
            Some(None) => {}
            None => return Rc::default(),
        }
        let Some(entry) = self.levels.get(level).and_then(|own| own.query.get("rtable").list().get(at)?.object())
        else {
            return Rc::default();
        };
        // it is resolved as a part of its own query
        let inner = self.levels.split_off(level + 1);
        let given = Rc::new(self.entry(entry));
        if let Some(slot) = self.levels.get_mut(level).and_then(|level| level.ranges.get_mut(at)) {
            *slot = Some(Rc::clone(&given));
        }
        self.levels.extend(inner);
        given
    }

    fn entry(&mut self, entry: &'n Object<'t>) -> Given {
        let names = || -> Vec<String> {
            let eref = entry.get("eref").object();
            let names = eref.map_or(&[][..], |eref| eref.get("colnames").list());
            names.iter().filter_map(Node::word).map(unescaped).collect()
        };
        match entry.number("rtekind") {
            // its columns are asked for by number
            Some(range::RELATION) => Given::default(),
            Some(range::SUBQUERY) => match entry.get("subquery").object() {
                Some(query) => self.query(query),
                None => Given::default(),
            },
            Some(range::JOIN) => {
                let names = names();
                let aliases = entry.get("joinaliasvars").list();
                let columns = aliases.iter().enumerate().map(|(number, alias)| {
                    (names.get(number).cloned().unwrap_or_default(), Rc::new(self.value(alias)))
                });
                Given { columns: columns.collect(), rows: Rc::default() }
            }
            Some(range::FUNCTION) => {
                let mut columns = Vec::new();
                let names = names();
                for function in entry.get("functions").objects() {
                    let call = function.get("funcexpr");
                    let mut deps = Deps::default();
                    // what the function itself gives is told column by column
                    let arguments = call.object().filter(|call| call.name == "FUNCEXPR").map(|call| call.get("args"));
                    self.walk(arguments.unwrap_or(call), Use::AS_IS.within(Kind::Transformation), &mut deps);
                    let called = call.object().and_then(|call| call.number("funcid"));
                    let count = function.number("funccolcount").unwrap_or(1).max(1);
                    for number in 1..=count {
                        let mut deps = deps.clone();
                        if let Some(own) = called.and_then(|oid| self.function_column(oid, number)) {
                            deps.take(&own, Use::AS_IS);
                        }
                        let name = names.get(columns.len()).cloned().unwrap_or_default();
                        columns.push((name, Rc::new(deps)));
                    }
                }
                if entry.is("funcordinality") {
                    columns.push((names.last().cloned().unwrap_or_default(), Rc::default()));
                }
                Given { columns, rows: Rc::default() }
            }
            Some(range::TABLEFUNC) => {
                let names = names();
                let mut deps = Deps::default();
                if let Some(function) = entry.get("tablefunc").object() {
                    for part in ["docexpr", "rowexpr", "colexprs", "coldefexprs", "ns_uris", "passingvalexprs"] {
                        self.walk(function.get(part), Use::AS_IS.within(Kind::Transformation), &mut deps);
                    }
                }
                let deps = Rc::new(deps);
                Given { columns: names.into_iter().map(|name| (name, Rc::clone(&deps))).collect(), rows: Rc::default() }
            }
            Some(range::VALUES) => {
                let names = names();
                let mut columns: Vec<Deps> = vec![Deps::default(); names.len()];
                for row in entry.get("values_lists").list() {
                    for (column, value) in columns.iter_mut().zip(row.list()) {
                        self.walk(value, Use::AS_IS, column);
                    }
                }
                let columns = names.into_iter().zip(columns.into_iter().map(Rc::new)).collect();
                Given { columns, rows: Rc::default() }
            }
            Some(range::CTE) => {
                let up = entry.number("ctelevelsup").and_then(|up| usize::try_from(up).ok()).unwrap_or(0);
                let name = entry.text("ctename").unwrap_or_default();
                let level = self.levels.len().checked_sub(up + 1).and_then(|level| self.levels.get(level));
                match level.and_then(|level| level.ctes.get(&name)) {
                    Some(given) => Given::clone(given),
                    None => {
                        self.say("a query of WITH that is not there", name);
                        Given::default()
                    }
                }
            }
            // rows of a trigger's table, and none at all
            Some(range::NAMED_TUPLESTORE | range::RESULT) => Given::default(),
            Some(other) => {
                self.say("a range of a kind that is not known", other.to_string());
                Given::default()
            }
            None => Given::default(),
        }
    }

    pub(super) fn function_column(&mut self, oid: i64, number: i64) -> Option<Deps> {
        let oid = u64::try_from(oid).ok()?;
        let relation = self.relations.functions.get(&oid)?;
        let (_, name) = relation.columns.iter().find(|(own, _)| *own == number)?;
        let column = ColumnName::new(relation.table.clone(), name.clone());
        let source = self.source(column);
        Some(Deps::column(source))
    }

    /// The value of a column of a range.
    pub(super) fn variable(&mut self, up: usize, range: i64, column: i64) -> Deps {
        let Some(level) = self.levels.len().checked_sub(up + 1) else {
            // a row by itself
            return self.row.map_or_else(Deps::default, |oid| self.column(oid, column));
        };
        let at = usize::try_from(range).unwrap_or(0).wrapping_sub(1);
        let own = self.levels.get(level);
        let excluded = own.and_then(|own| own.query.get("onConflict").object()?.number("exclRelIndex"));
        if excluded == Some(range) && range > 0 {
            let known = own.and_then(|own| own.excluded.get(&column).cloned());
            return known.map(|deps| Deps::clone(&deps)).unwrap_or_default();
        }
        let entry = own.and_then(|own| own.query.get("rtable").list().get(at)?.object());
        match entry.and_then(|entry| Some((entry.number("rtekind")?, entry.number("relid")))) {
            Some((range::RELATION, Some(oid))) => {
                let oid = u64::try_from(oid).unwrap_or(0);
                if column == 0 {
                    return self.whole_row(oid);
                }
                self.column(oid, column)
            }
            Some(_) => {
                let given = self.range(up, range);
                let mut deps = Deps::default();
                match usize::try_from(column).ok().and_then(|number| number.checked_sub(1)) {
                    Some(number) => {
                        if let Some((_, own)) = given.columns.get(number) {
                            // what a function gives is read where it is used
                            self.reads.extend(own.iter().map(|dep| dep.source));
                            deps.take(own, Use::AS_IS);
                        }
                    }
                    None if column == 0 => {
                        for (_, own) in &given.columns {
                            deps.take(own, Use::AS_IS.within(Kind::Transformation));
                        }
                    }
                    None => {}
                }
                deps
            }
            None => {
                self.say("a column of a range that is not there", format!("{range}.{column}"));
                Deps::default()
            }
        }
    }

    fn whole_row(&mut self, oid: u64) -> Deps {
        let numbers: Vec<i64> = self
            .relations
            .relations
            .get(&oid)
            .map(|relation| relation.columns.iter().map(|(number, _)| *number).collect())
            .unwrap_or_default();
        let mut deps = Deps::default();
        for number in numbers {
            let own = self.column(oid, number);
            deps.take(&own, Use::AS_IS.within(Kind::Transformation));
        }
        deps
    }

    /// INSERT, UPDATE, DELETE, MERGE: what is written, and what is given back.
    fn write(&mut self, query: &'n Object<'t>) -> Given {
        let kind = query.number("commandType").unwrap_or(0);
        // what MERGE is on decides which rows come together
        let mut rows = self.joined(query, if kind == command::MERGE { Kind::Join } else { Kind::Filter });
        self.walk(query.get("mergeJoinCondition"), Use::deciding(Kind::Join), &mut rows);
        let target = query.number("resultRelation").unwrap_or(0);
        let at = usize::try_from(target).unwrap_or(0).wrapping_sub(1);
        let oid = query.get("rtable").list().get(at).and_then(Node::object).and_then(|entry| entry.number("relid"));
        let oid = oid.and_then(|oid| u64::try_from(oid).ok()).unwrap_or(0);
        if let Some(relation) = self.relations.relations.get(&oid) {
            self.writes.insert(relation.table.clone());
        }
        if kind != command::DELETE && kind != command::MERGE {
            let written = self.assign(query.get("targetList"), oid, &rows);
            if let Some(level) = self.levels.last_mut() {
                level.excluded = written;
            }
        }
        if let Some(conflict) = query.get("onConflict").object() {
            let mut deciding = rows.clone();
            self.walk(conflict.get("onConflictWhere"), Use::deciding(Kind::Filter), &mut deciding);
            self.assign(conflict.get("onConflictSet"), oid, &deciding);
        }
        for action in query.get("mergeActionList").objects() {
            let mut deciding = rows.clone();
            self.walk(action.get("qual"), Use::deciding(Kind::Filter), &mut deciding);
            if action.number("commandType") != Some(command::DELETE) {
                self.assign(action.get("targetList"), oid, &deciding);
            }
        }
        let mut columns = Vec::new();
        for entry in query.get("returningList").objects().filter(|entry| !entry.is("resjunk")) {
            let deps = Rc::new(self.value(entry.get("expr")));
            columns.push((entry.text("resname").unwrap_or_default(), deps));
        }
        Given { columns, rows: Rc::new(rows) }
    }

    /// A list of columns and their values: numbers are the table's.
    fn assign(&mut self, list: &'n Node<'t>, oid: u64, rows: &Deps) -> HashMap<i64, Rc<Deps>> {
        // queries that give several columns at once stand after those that take them
        for entry in list.objects().filter(|entry| entry.is("resjunk")) {
            if let Some(link) = entry.get("expr").object().filter(|link| link.name == "SUBLINK")
                && let (Some(id), Some(query)) = (link.number("subLinkId"), link.get("subselect").object())
            {
                let given = Rc::new(self.query(query));
                if let Some(level) = self.levels.last_mut() {
                    level.several.insert(id, given);
                }
            }
        }
        let mut written = HashMap::new();
        for entry in list.objects().filter(|entry| !entry.is("resjunk")) {
            let deps = self.value(entry.get("expr"));
            let number = entry.number("resno").unwrap_or(0);
            let name = self.relations.relations.get(&oid).and_then(|relation| {
                let (_, name) = relation.columns.iter().find(|(own, _)| *own == number)?;
                Some(ColumnName::new(relation.table.clone(), name.clone()))
            });
            match name {
                Some(name) => self.emit(name, &deps, rows),
                None => self.say("a column that is not in the catalogue", format!("{oid}.{number}")),
            }
            written.insert(number, Rc::new(deps));
        }
        written
    }
}
