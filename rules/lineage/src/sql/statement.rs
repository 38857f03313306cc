//! Statements: what each of them writes, and from what.

use super::query::Outer;
use super::resolver::{Resolver, idents};
use super::scope::{Columns, From, Named, Out, Relation, Scope, TableId};
use crate::deps::{Deps, Use};
use fieldmark_model::lineage::{ColumnName, Kind};
use sqlparser::ast::{
    Assignment, AssignmentTarget, ColumnDef, ColumnOption, CopySource, CreateTable, CreateTableLikeKind, CreateView,
    DataType, Delete, Expr, FromTable, Ident, Insert, Merge, MergeAction, MergeInsertKind, ObjectName, ObjectType,
    OnConflictAction, OnInsert, OutputClause, Query, SelectItem, SetExpr, Spanned as _, Statement, TableFactor,
    TableObject, TableWithJoins, Update, UpdateTableFromKind,
};
use std::rc::Rc;

/// What is written to: a table that is known, or a name that is not in the catalogue.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Table(TableId),
    /// Its name, as a new table would have it.
    Unknown(String),
}

impl Resolver<'_> {
    /// Resolves a statement that stands by itself.
    pub(crate) fn statement(&mut self, statement: &Statement) {
        let outer = Outer { scope: None, with: None };
        self.statement_in(statement, &outer);
    }

    /// Resolves a statement inside a routine, where names of what is around may be used.
    pub(crate) fn statement_in(&mut self, statement: &Statement, outer: &Outer<'_>) {
        match statement {
            Statement::Query(query) => self.top(query, outer),
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) => {
                self.changing(statement, outer);
            }
            Statement::CreateView(view) => self.create_view(view, outer),
            Statement::AlterView { name, columns, query, .. } => {
                let relation = self.query(query, outer);
                self.create_as(name, columns, relation);
            }
            Statement::CreateTable(table) => self.create_table(table, outer),
            Statement::Copy { source: CopySource::Query(query), .. } => self.top(query, outer),
            Statement::Copy { source: CopySource::Table { .. }, .. } => {}
            Statement::Cache { table_name, query: Some(query), .. } => {
                let relation = self.query(query, outer);
                self.create_as(table_name, &[], relation);
            }
            Statement::Unload { query: Some(query), .. } => self.top(query, outer),
            Statement::Directory { source, .. } => self.top(source, outer),
            Statement::Prepare { statement, .. } => self.statement_in(statement, outer),
            Statement::AlterTable(alter) => self.alter_table(alter),
            Statement::RenameTable(renames) => {
                for rename in renames {
                    self.rename_table(&rename.old_name, &rename.new_name);
                }
            }
            Statement::Drop {
                object_type: ObjectType::Table | ObjectType::View | ObjectType::MaterializedView,
                names,
                ..
            } => {
                for name in names {
                    if let Ok(table) = self.find_table(&idents(name)) {
                        self.drop_table(table);
                    }
                }
            }
            Statement::CreateFunction(function) => self.create_function(function),
            Statement::Call(function) => {
                self.say("what a procedure does is not in its call", function.span(), function.name.to_string());
            }
            Statement::Execute { name, immediate, .. } => {
                let text = name.as_ref().map_or_else(|| "EXECUTE".to_owned(), ToString::to_string);
                let reason = if *immediate {
                    "the statement is made while it runs"
                } else {
                    "what is executed is not in the statement"
                };
                self.say(reason, statement.span(), text);
            }
            // nothing else makes a column from another
            _ => {}
        }
    }

    /// A query whose rows go to whoever asks, or into a new table.
    fn top(&mut self, query: &Query, outer: &Outer<'_>) {
        let into = match &*query.body {
            SetExpr::Select(select) => select.into.as_ref().map(|into| &into.name),
            _ => None,
        };
        if let Some(name) = into {
            let relation = self.query(query, outer);
            self.create_as(name, &[], relation);
            return;
        }
        // a query that changes something inside WITH has changed it by now
        let relation = self.query_that(query, outer, true);
        if let SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) = &*query.body {
            return;
        }
        self.reads.extend(relation.rows.iter().map(|dep| dep.source));
        match self.outs(&relation.columns) {
            Some(outs) => {
                for out in outs {
                    self.emit(ColumnName::new("", out.name), &out.deps, &relation.rows);
                }
            }
            None => self.say("the columns of what is read here are not known", query.span(), "*"),
        }
    }

    /// A statement that changes rows; what it gives back.
    pub(crate) fn changing(&mut self, statement: &Statement, outer: &Outer<'_>) -> Relation {
        match statement {
            Statement::Insert(insert) => self.insert(insert, outer),
            Statement::Update(update) => self.update(update, outer),
            Statement::Delete(delete) => self.delete(delete, outer),
            Statement::Merge(merge) => self.merge_rows(merge, outer),
            _ => Relation::unknown(),
        }
    }

    pub(crate) fn target(&mut self, name: &ObjectName) -> Target {
        match self.table(name) {
            Some(table) => Target::Table(table),
            None => Target::Unknown(self.new_table_name(name).join(".")),
        }
    }

    fn spelled_target(&self, target: &Target) -> String {
        match target {
            Target::Table(table) => self.spelled_table(*table),
            Target::Unknown(name) => name.clone(),
        }
    }

    /// The name of a column of what is written to.
    fn target_column(&mut self, target: &Target, name: &Ident) -> Option<ColumnName> {
        match target {
            Target::Table(table) => match self.column_named(*table, name) {
                Some(number) => Some(ColumnName::new(self.spelled_table(*table), self.column_name(*table, number))),
                None => {
                    self.say("the table has no column of this name", name.span, &name.value);
                    None
                }
            },
            Target::Unknown(table) => Some(ColumnName::new(table.clone(), self.dialect.spelled(name))),
        }
    }

    fn target_columns(&self, target: &Target) -> Option<Vec<String>> {
        match target {
            Target::Table(table) => {
                Some((0..self.width(*table)).map(|number| self.column_name(*table, number)).collect())
            }
            Target::Unknown(_) => None,
        }
    }

    /// What is written to, as a relation: so that its own columns can be named.
    fn target_relation(&mut self, from: &mut From, target: &Target, name: &ObjectName, alias: Option<&Ident>) {
        let columns = match target {
            Target::Table(table) => Columns::Table(*table),
            Target::Unknown(_) => Columns::Unknown,
        };
        let parts = idents(name);
        let (own, before) = parts.split_last().map_or((None, &[][..]), |(own, before)| (Some(own), before));
        let before = if alias.is_some() { &[] } else { before };
        from.push(Named {
            name: alias.or(own).map(|name| self.dialect.spelled(name)),
            before: before.iter().map(|part| self.dialect.spelled(part)).collect(),
            columns: Rc::new(columns),
        });
    }

    fn insert(&mut self, insert: &Insert, outer: &Outer<'_>) -> Relation {
        let name = match &insert.table {
            TableObject::TableName(name) => name,
            TableObject::TableFunction(function) => &function.name,
            TableObject::TableQuery(query) => {
                self.say("rows are put into a query", query.span(), "INSERT");
                return Relation::unknown();
            }
        };
        let target = self.target(name);
        self.writes.insert(self.spelled_target(&target));
        let mut listed: Vec<Ident> = insert.columns.iter().filter_map(|column| idents(column).pop()).collect();
        if listed.is_empty() && !insert.after_columns.is_empty() {
            listed.clone_from(&insert.after_columns);
        }
        // what goes into which column
        let mut written: Vec<(ColumnName, Rc<Deps>)> = Vec::new();
        let mut rows: Rc<Deps> = Rc::default();
        if let Some(source) = &insert.source {
            let relation = self.query(source, outer);
            rows = Rc::clone(&relation.rows);
            match self.outs(&relation.columns) {
                Some(outs) => {
                    self.reads.extend(outs.iter().flat_map(|out| out.deps.iter()).map(|dep| dep.source));
                    let names = self.insert_columns(&target, &listed, insert, &outs, name);
                    written.extend(names.into_iter().zip(outs).filter_map(|(name, out)| Some((name?, out.deps))));
                }
                None => self.say("the columns of what is read here are not known", source.span(), "*"),
            }
        }
        let empty = From::default();
        let scope = scope_of(outer, &empty);
        for assignment in &insert.assignments {
            let deps = Rc::new(self.value(&scope, &assignment.value));
            for name in assigned(&assignment.target).iter().filter_map(|name| name.last()) {
                if let Some(column) = self.target_column(&target, name) {
                    written.push((column, Rc::clone(&deps)));
                }
            }
        }
        for clause in &insert.multi_table_into_clauses {
            self.say("rows go into several tables at once", clause.table_name.span(), clause.table_name.to_string());
        }
        for (column, deps) in &written {
            self.emit(column.clone(), deps, &rows);
        }
        if let Some(on) = &insert.on {
            self.on_conflict(on, insert, name, &target, &written, &rows, outer);
        }
        let returned = returned(insert.returning.as_deref(), insert.output.as_ref());
        let mut from = From::default();
        let alias = insert.table_alias.as_ref().map(|alias| &alias.alias);
        self.target_relation(&mut from, &target, name, alias);
        self.returning(&from, returned, &rows, outer)
    }

    /// The columns that rows go into, in order; `None` for one that is not there.
    fn insert_columns(
        &mut self,
        target: &Target,
        listed: &[Ident],
        insert: &Insert,
        outs: &[Out],
        name: &ObjectName,
    ) -> Vec<Option<ColumnName>> {
        if !listed.is_empty() {
            let mut names: Vec<Option<ColumnName>> =
                listed.iter().map(|name| self.target_column(target, name)).collect();
            for partition in insert.partitioned.iter().flatten() {
                if let Expr::Identifier(name) = partition {
                    names.push(self.target_column(target, name));
                }
            }
            return names;
        }
        let table = self.spelled_target(target);
        match self.target_columns(target) {
            Some(mut columns) => {
                // partitions that are named by a value are not among the columns of the query, and the others come last
                for partition in insert.partitioned.iter().flatten() {
                    let (fixed, name) = match partition {
                        Expr::BinaryOp { left, .. } => match &**left {
                            Expr::Identifier(name) => (true, name),
                            _ => continue,
                        },
                        Expr::Identifier(name) => (false, name),
                        _ => continue,
                    };
                    if let Some(at) = columns.iter().position(|column| self.dialect.same(name, column)) {
                        let column = columns.remove(at);
                        if !fixed {
                            columns.push(column);
                        }
                    }
                }
                columns.into_iter().map(|column| Some(ColumnName::new(table.clone(), column))).collect()
            }
            None => {
                let reason = "the columns of the table are not known: they are called as those of the query";
                self.say(reason, name.span(), name.to_string());
                outs.iter().map(|out| Some(ColumnName::new(table.clone(), out.name.clone()))).collect()
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of the statement around it")]
    fn on_conflict(
        &mut self,
        on: &OnInsert,
        insert: &Insert,
        name: &ObjectName,
        target: &Target,
        written: &[(ColumnName, Rc<Deps>)],
        rows: &Rc<Deps>,
        outer: &Outer<'_>,
    ) {
        let (assignments, selection) = match on {
            OnInsert::DuplicateKeyUpdate(assignments) => (assignments, None),
            OnInsert::OnConflict(conflict) => match &conflict.action {
                OnConflictAction::DoNothing => return,
                OnConflictAction::DoUpdate(update) => (&update.assignments, update.selection.as_ref()),
            },
            // another database's
            _ => return,
        };
        let mut from = From::default();
        let alias = insert.table_alias.as_ref().map(|alias| &alias.alias);
        self.target_relation(&mut from, target, name, alias);
        // the row that was to be inserted
        let outs: Vec<Out> =
            written.iter().map(|(column, deps)| Out { name: column.column.clone(), deps: Rc::clone(deps) }).collect();
        let mut all = outs.clone();
        for column in self.target_columns(target).unwrap_or_default() {
            if !all.iter().any(|out| out.name == column) {
                all.push(Out { name: column, deps: Rc::default() });
            }
        }
        let excluded = Rc::new(Columns::These(all));
        let mut hidden = vec![(Some("excluded".to_owned()), Rc::clone(&excluded))];
        if let Some(aliases) = &insert.insert_alias {
            let own = idents(&aliases.row_alias).pop().map(|name| self.dialect.spelled(&name));
            let columns = match &aliases.col_aliases {
                Some(names) => {
                    let renamed = names
                        .iter()
                        .zip(&outs)
                        .map(|(name, out)| Out { name: self.dialect.spelled(name), deps: Rc::clone(&out.deps) });
                    Rc::new(Columns::These(renamed.collect()))
                }
                None => Rc::clone(&excluded),
            };
            hidden.push((own, columns));
        }
        // they are named with their name alone
        let visible = from.visible.clone();
        for (name, columns) in hidden {
            from.push(Named { name, before: Vec::new(), columns });
        }
        from.visible = visible;
        let scope = scope_of(outer, &from);
        let mut deciding = Deps::clone(rows);
        if let Some(condition) = selection {
            self.expression(&scope, condition, Use::deciding(Kind::Filter), &mut deciding);
        }
        self.assign(&scope, assignments, std::slice::from_ref(target), &deciding);
    }

    /// Assigns to columns of a table; each assignment's rows are decided by these.
    fn assign(&mut self, scope: &Scope<'_>, assignments: &[Assignment], targets: &[Target], rows: &Deps) {
        for assignment in assignments {
            let names = assigned(&assignment.target);
            let values = self.values_of(scope, &assignment.value, names.len());
            for (name, deps) in names.iter().zip(values) {
                let Some(column) = self.assigned_column(scope, targets, name) else { continue };
                self.writes.insert(column.table.clone());
                self.emit(column, &deps, rows);
            }
        }
    }

    /// The values of as many columns: of a row, or of a query with as many.
    fn values_of(&mut self, scope: &Scope<'_>, value: &Expr, count: usize) -> Vec<Deps> {
        if count <= 1 {
            return vec![self.value(scope, value)];
        }
        match value {
            Expr::Nested(inner) => self.values_of(scope, inner, count),
            Expr::Tuple(values) => values.iter().map(|value| self.value(scope, value)).collect(),
            Expr::Subquery(query) => {
                let relation = self.query(query, &Outer { scope: Some(scope), with: scope.with });
                let outs = self.outs(&relation.columns).unwrap_or_default();
                let with_rows = |out: Out| {
                    let mut deps = Deps::clone(&out.deps);
                    deps.take(&relation.rows, Use::AS_IS);
                    deps
                };
                outs.into_iter().map(with_rows).collect()
            }
            other => vec![self.value(scope, other); count],
        }
    }

    /// The column that is assigned to: of the table, or of one of several by its name.
    fn assigned_column(&mut self, scope: &Scope<'_>, targets: &[Target], name: &[Ident]) -> Option<ColumnName> {
        let (own, before) = name.split_last()?;
        if !before.is_empty()
            && let Some(named) = self.relation(scope, before).and_then(|at| scope.from.named.get(at))
        {
            let columns = Rc::clone(&named.columns);
            match &*columns {
                Columns::Table(table) => return self.target_column(&Target::Table(*table), own),
                Columns::Unknown => {
                    let table = named.name.clone().unwrap_or_default();
                    return Some(ColumnName::new(table, self.dialect.spelled(own)));
                }
                Columns::These(_) | Columns::Open(_) => {}
            }
        }
        match targets {
            [one] => {
                // a part of a value: column.part
                let own = match (one, name) {
                    (Target::Table(table), [first, _, ..]) if self.column_named(*table, own).is_none() => first,
                    _ => own,
                };
                self.target_column(one, own)
            }
            many => {
                let fits = |target: &&Target| match target {
                    Target::Table(table) => self.column_named(*table, own).is_some(),
                    Target::Unknown(_) => false,
                };
                let fitting: Vec<Target> = many.iter().filter(fits).cloned().collect();
                match &fitting[..] {
                    [one] => self.target_column(one, own),
                    _ => {
                        self.say("it is not certain which table this column is of", own.span, &own.value);
                        None
                    }
                }
            }
        }
    }

    fn update(&mut self, update: &Update, outer: &Outer<'_>) -> Relation {
        let tables: &[TableWithJoins] = match &update.from {
            Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) => tables,
            None => &[],
        };
        let mut from = From::default();
        // UPDATE alias SET … FROM table alias
        let of_from = match &update.table.relation {
            TableFactor::Table { name, .. } if self.dialect.has_plain_fields() => {
                let parts = idents(name);
                self.find_table(&parts).is_err() && tables.iter().any(|table| self.is_called(table, &parts))
            }
            _ => false,
        };
        if !of_from {
            self.joined(&mut from, &update.table, outer);
        }
        let own = from.named.len();
        for table in tables {
            self.joined(&mut from, table, outer);
        }
        let mut rows = std::mem::take(&mut from.rows);
        let scope = scope_of(outer, &from);
        if let Some(condition) = &update.selection {
            self.expression(&scope, condition, Use::deciding(Kind::Filter), &mut rows);
        }
        if update.limit.is_some() {
            for by in &update.order_by {
                self.expression(&scope, &by.expr, Use::deciding(Kind::Sort), &mut rows);
            }
        }
        let named: Vec<&Named> = match (&update.table.relation, of_from) {
            (TableFactor::Table { name, .. }, true) => {
                let at = self.relation(&scope, &idents(name));
                at.and_then(|at| from.named.get(at)).into_iter().collect()
            }
            // MySQL's may change any table that it joins
            _ if self.dialect.is_mysql() => from.named.iter().take(own).collect(),
            _ => from.named.iter().take(1).collect(),
        };
        let targets: Vec<Target> = named
            .iter()
            .map(|named| match &*named.columns {
                Columns::Table(table) => Target::Table(*table),
                Columns::These(_) | Columns::Open(_) | Columns::Unknown => {
                    Target::Unknown(match &update.table.relation {
                        TableFactor::Table { name, .. } => self.new_table_name(name).join("."),
                        _ => named.name.clone().unwrap_or_default(),
                    })
                }
            })
            .collect();
        self.reads.extend(rows.iter().map(|dep| dep.source));
        self.assign(&scope, &update.assignments, &targets, &rows);
        self.returning(&from, returned(update.returning.as_deref(), update.output.as_ref()), &rows, outer)
    }

    fn is_called(&self, table: &TableWithJoins, name: &[Ident]) -> bool {
        let factors = std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
        let [own] = name else { return false };
        factors.filter_map(alias_of).any(|alias| self.dialect.same(own, &self.dialect.spelled(alias)))
    }

    fn delete(&mut self, delete: &Delete, outer: &Outer<'_>) -> Relation {
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let mut from = self.from(tables, outer);
        for table in delete.using.iter().flatten() {
            self.joined(&mut from, table, outer);
        }
        let mut rows = std::mem::take(&mut from.rows);
        let scope = scope_of(outer, &from);
        if let Some(condition) = &delete.selection {
            self.expression(&scope, condition, Use::deciding(Kind::Filter), &mut rows);
        }
        if let Some(Named { columns, .. }) = from.named.first()
            && let Columns::Table(table) = &**columns
        {
            self.writes.insert(self.spelled_table(*table));
        }
        self.returning(&from, returned(delete.returning.as_deref(), delete.output.as_ref()), &rows, outer)
    }

    fn merge_rows(&mut self, merge: &Merge, outer: &Outer<'_>) -> Relation {
        let mut from = From::default();
        self.factor(&mut from, &merge.table, outer);
        let own = from.named.len();
        self.factor(&mut from, &merge.source, outer);
        let mut rows = std::mem::take(&mut from.rows);
        let scope = scope_of(outer, &from);
        self.expression(&scope, &merge.on, Use::deciding(Kind::Join), &mut rows);
        self.reads.extend(rows.iter().map(|dep| dep.source));
        let target = match (from.named.first().map(|named| &*named.columns), &merge.table) {
            (Some(Columns::Table(table)), _) => Target::Table(*table),
            (_, TableFactor::Table { name, .. }) => Target::Unknown(self.new_table_name(name).join(".")),
            _ => {
                self.say("what rows are merged into is no table", merge.table.span(), "MERGE");
                return Relation::unknown();
            }
        };
        self.writes.insert(self.spelled_target(&target));
        for clause in &merge.clauses {
            let mut deciding = rows.clone();
            if let Some(condition) = &clause.predicate {
                self.expression(&scope, condition, Use::deciding(Kind::Filter), &mut deciding);
            }
            match &clause.action {
                MergeAction::Delete { .. } => {}
                MergeAction::Update(update) => {
                    for condition in update.update_predicate.iter().chain(&update.delete_predicate) {
                        self.expression(&scope, condition, Use::deciding(Kind::Filter), &mut deciding);
                    }
                    self.assign(&scope, &update.assignments, std::slice::from_ref(&target), &deciding);
                }
                MergeAction::Insert(insert) => {
                    if let Some(condition) = &insert.insert_predicate {
                        self.expression(&scope, condition, Use::deciding(Kind::Filter), &mut deciding);
                    }
                    let listed: Vec<Ident> = insert.columns.iter().filter_map(|name| idents(name).pop()).collect();
                    let columns: Vec<Option<ColumnName>> = if listed.is_empty() {
                        let table = self.spelled_target(&target);
                        let all = self.target_columns(&target).unwrap_or_default();
                        all.into_iter().map(|name| Some(ColumnName::new(table.clone(), name))).collect()
                    } else {
                        listed.iter().map(|name| self.target_column(&target, name)).collect()
                    };
                    let values: Vec<Deps> = match &insert.kind {
                        MergeInsertKind::Values(values) => {
                            let first = values.rows.first().map(|row| &row.content);
                            first.into_iter().flatten().map(|value| self.value(&scope, value)).collect()
                        }
                        MergeInsertKind::Row => {
                            let columns = from.named.get(own).map(|named| Rc::clone(&named.columns));
                            let outs = columns.and_then(|columns| self.outs(&columns)).unwrap_or_default();
                            outs.into_iter().map(|out| Deps::clone(&out.deps)).collect()
                        }
                    };
                    for (column, deps) in columns.into_iter().zip(values) {
                        if let Some(column) = column {
                            self.emit(column, &deps, &deciding);
                        }
                    }
                }
            }
        }
        self.returning(&from, returned(None, merge.output.as_ref()), &rows, outer)
    }

    /// What a statement that changes rows gives back of them.
    fn returning(&mut self, from: &From, items: &[SelectItem], rows: &Deps, outer: &Outer<'_>) -> Relation {
        if items.is_empty() {
            return Relation { columns: Columns::These(Vec::new()), rows: Rc::default() };
        }
        let scope = scope_of(outer, from);
        let outs = self.projection(&scope, items, None);
        Relation { columns: Columns::These(outs), rows: Rc::new(rows.clone()) }
    }

    fn create_view(&mut self, view: &CreateView, outer: &Outer<'_>) {
        let relation = self.query(&view.query, outer);
        let names: Vec<Ident> = view.columns.iter().map(|column| column.name.clone()).collect();
        if let Some(to) = &view.to {
            // the view only says how rows come into the table
            let target = self.target(to);
            self.positions(&target, &names, relation, to);
            return;
        }
        self.create_as(&view.name, &names, relation);
    }

    fn positions(&mut self, target: &Target, listed: &[Ident], relation: Relation, name: &ObjectName) {
        let table = self.spelled_target(target);
        self.writes.insert(table.clone());
        let Some(outs) = self.outs(&relation.columns) else {
            self.say("the columns of what is read here are not known", name.span(), "*");
            return;
        };
        for (number, out) in outs.into_iter().enumerate() {
            let column = listed.get(number).map_or(out.name, |name| self.dialect.spelled(name));
            self.emit(ColumnName::new(table.clone(), column), &out.deps, &relation.rows);
        }
    }

    /// A table or a view that is made from a query.
    pub(crate) fn create_as(&mut self, name: &ObjectName, listed: &[Ident], relation: Relation) {
        let parts = self.new_table_name(name);
        let table = parts.join(".");
        self.writes.insert(table.clone());
        let Some(mut outs) = self.outs(&relation.columns) else {
            self.say("the columns of what is read here are not known", name.span(), "*");
            return;
        };
        for (out, name) in outs.iter_mut().zip(listed) {
            out.name = self.dialect.spelled(name);
        }
        self.reads.extend(outs.iter().flat_map(|out| out.deps.iter()).map(|dep| dep.source));
        self.reads.extend(relation.rows.iter().map(|dep| dep.source));
        for out in &outs {
            self.emit(ColumnName::new(table.clone(), out.name.clone()), &out.deps, &relation.rows);
        }
        let columns: Vec<(String, Option<String>)> = outs.into_iter().map(|out| (out.name, None)).collect();
        self.make_table(&parts, &columns);
    }

    fn create_table(&mut self, table: &CreateTable, outer: &Outer<'_>) {
        if let Some(query) = &table.query {
            let relation = self.query(query, outer);
            let names: Vec<Ident> = table.columns.iter().map(|column| column.name.clone()).collect();
            self.create_as(&table.name, &names, relation);
            return;
        }
        let parts = self.new_table_name(&table.name);
        let mut columns: Vec<(String, Option<String>)> = Vec::new();
        let copied = table
            .like
            .iter()
            .map(|like| match like {
                CreateTableLikeKind::Parenthesized(like) | CreateTableLikeKind::Plain(like) => &like.name,
            })
            .chain(&table.clone)
            .chain(table.inherits.iter().flatten())
            .chain(&table.partition_of);
        for name in copied {
            if let Ok(other) = self.find_table(&idents(name)) {
                let (catalogue, number) = self.catalogue(other);
                columns.extend(catalogue.columns_of(number));
                if table.clone.is_some() {
                    self.copied(other, &parts.join("."));
                }
            }
        }
        // (LIKE other), which the parser takes for a column: a word that PostgreSQL keeps for itself
        let is_like = |column: &&ColumnDef| {
            self.dialect == super::Dialect::Postgres
                && column.name.quote_style.is_none()
                && column.name.value.eq_ignore_ascii_case("like")
        };
        let (likes, own): (Vec<&ColumnDef>, Vec<&ColumnDef>) = table.columns.iter().partition(is_like);
        for like in likes {
            let DataType::Custom(name, _) = &like.data_type else { continue };
            match self.table(name) {
                Some(other) => {
                    let (catalogue, number) = self.catalogue(other);
                    columns.extend(catalogue.columns_of(number));
                }
                None => continue,
            }
        }
        columns.extend(own.iter().map(|column| self.declared_column(column)));
        self.make_table(&parts, &columns);
        self.generated(&parts, &table.columns);
    }

    /// A table that is made with the rows of another.
    fn copied(&mut self, from: TableId, to: &str) {
        for number in 0..self.width(from) {
            let (deps, name) = (self.column(from, number), self.column_name(from, number));
            self.emit(ColumnName::new(to, name), &deps, &Deps::default());
        }
    }

    pub(crate) fn declared_column(&self, column: &ColumnDef) -> (String, Option<String>) {
        (self.dialect.spelled(&column.name), Some(column.data_type.to_string().to_lowercase()))
    }

    /// Columns that the database computes from others of the row.
    pub(crate) fn generated(&mut self, parts: &[String], columns: &[ColumnDef]) {
        let name: Vec<Ident> = parts.iter().map(|part| Ident::with_quote('"', part.clone())).collect();
        let Ok(table) = self.find_table(&name) else { return };
        for column in columns {
            for option in &column.options {
                let ColumnOption::Generated { generation_expr: Some(expression), .. } = &option.option else {
                    continue;
                };
                let deps = self.of_row(table, expression);
                let name = self.dialect.spelled(&column.name);
                self.emit(ColumnName::new(parts.join("."), name), &deps, &Deps::default());
            }
        }
    }

    /// The value of an expression over one row of a table.
    pub(crate) fn of_row(&mut self, table: TableId, expression: &Expr) -> Deps {
        let mut from = From::default();
        from.push(Named { name: None, before: Vec::new(), columns: Rc::new(Columns::Table(table)) });
        let outer = Outer { scope: None, with: None };
        let scope = scope_of(&outer, &from);
        let value = self.value(&scope, expression);
        let mut deps = Deps::default();
        deps.take(&value, Use::AS_IS.within(Kind::Transformation));
        deps
    }
}

/// The place of an expression that sees a FROM.
pub(crate) fn scope_of<'s>(outer: &Outer<'s>, from: &'s From) -> Scope<'s> {
    Scope { parent: outer.scope, from, aliases: &[], aliases_first: false, windows: &[], with: outer.with }
}

fn alias_of(factor: &TableFactor) -> Option<&Ident> {
    match factor {
        TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } => {
            alias.as_ref().map(|alias| &alias.name)
        }
        _ => None,
    }
}

/// The columns that an assignment is to.
pub(crate) fn assigned(target: &AssignmentTarget) -> Vec<Vec<Ident>> {
    match target {
        AssignmentTarget::ColumnName(name) => vec![idents(name)],
        AssignmentTarget::Tuple(names) => names.iter().map(idents).collect(),
    }
}

fn returned<'s>(returning: Option<&'s [SelectItem]>, output: Option<&'s OutputClause>) -> &'s [SelectItem] {
    match (returning, output) {
        (Some(items), _) => items,
        (None, Some(OutputClause::Returning { select_items, .. })) => select_items,
        // what OUTPUT names are the rows before and after, by names of its own
        (None, Some(OutputClause::Output { .. }) | None) => &[],
    }
}
