//! FROM: tables, queries, functions, and how they are joined.

use super::query::Outer;
use super::resolver::{Resolver, idents};
use super::scope::{Columns, From, Named, Out, Relation, Scope, Visible};
use crate::deps::{Deps, Use};
use fieldmark_model::lineage::Kind;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Join, JoinConstraint, JoinOperator, JsonTableColumn, LateralView,
    ObjectName, Spanned as _, TableAlias, TableFactor, TableFunctionArgs, TableWithJoins,
};
use std::rc::Rc;

impl Resolver<'_> {
    /// All that a FROM gives.
    pub(crate) fn from(&mut self, tables: &[TableWithJoins], outer: &Outer<'_>) -> From {
        let mut from = From::default();
        for table in tables {
            self.joined(&mut from, table, outer);
        }
        from
    }

    pub(crate) fn joined(&mut self, from: &mut From, table: &TableWithJoins, outer: &Outer<'_>) {
        // the columns of this item alone take part in its joins
        let before = std::mem::take(&mut from.visible);
        self.factor_beside(from, &before, &table.relation, outer);
        for join in &table.joins {
            self.join(from, join, outer);
        }
        let own = std::mem::replace(&mut from.visible, before);
        from.visible.extend(own);
    }

    pub(crate) fn join(&mut self, from: &mut From, join: &Join, outer: &Outer<'_>) {
        let left = std::mem::take(&mut from.visible);
        let names = from.named.len();
        // arrays that are joined are columns of what is there
        if let JoinOperator::ArrayJoin | JoinOperator::LeftArrayJoin | JoinOperator::InnerArrayJoin = join.join_operator
        {
            from.visible = left;
            self.array_join(from, &join.relation, outer);
            return;
        }
        self.factor_beside(from, &left, &join.relation, outer);
        let right = std::mem::take(&mut from.visible);
        let (constraint, full, from_right, only_left, only_right) = match &join.join_operator {
            JoinOperator::Join(own)
            | JoinOperator::Inner(own)
            | JoinOperator::Left(own)
            | JoinOperator::LeftOuter(own)
            | JoinOperator::CrossJoin(own)
            | JoinOperator::StraightJoin(own) => (Some(own), false, false, false, false),
            JoinOperator::Right(own) | JoinOperator::RightOuter(own) => (Some(own), false, true, false, false),
            JoinOperator::FullOuter(own) => (Some(own), true, false, false, false),
            JoinOperator::Semi(own)
            | JoinOperator::LeftSemi(own)
            | JoinOperator::Anti(own)
            | JoinOperator::LeftAnti(own) => (Some(own), false, false, true, false),
            JoinOperator::RightSemi(own) | JoinOperator::RightAnti(own) => (Some(own), false, true, false, true),
            JoinOperator::AsOf { constraint, .. } => (Some(constraint), false, false, false, false),
            JoinOperator::CrossApply | JoinOperator::OuterApply => (None, false, false, false, false),
            JoinOperator::ArrayJoin | JoinOperator::LeftArrayJoin | JoinOperator::InnerArrayJoin => {
                (None, false, false, false, false)
            }
        };
        let shared: Vec<Ident> = match constraint {
            Some(JoinConstraint::Using(names)) => names.iter().filter_map(|name| idents(name).pop()).collect(),
            Some(JoinConstraint::Natural) => self.shared_names(from, &left, &right),
            Some(JoinConstraint::On(_) | JoinConstraint::None) | None => Vec::new(),
        };
        from.visible = left;
        if shared.is_empty() {
            from.visible.extend(right);
        } else {
            self.merge(from, right, &shared, full, from_right);
        }
        // conditions see this join's own columns, and those of queries around
        let on = match &join.join_operator {
            JoinOperator::AsOf { match_condition, .. } => Some(match_condition),
            _ => None,
        };
        let condition = match constraint {
            Some(JoinConstraint::On(condition)) => Some(condition),
            Some(JoinConstraint::Using(_) | JoinConstraint::Natural | JoinConstraint::None) | None => None,
        };
        for condition in on.into_iter().chain(condition) {
            let mut rows = Deps::default();
            self.beside(from, outer, |own, scope| {
                own.expression(scope, condition, Use::deciding(Kind::Join), &mut rows);
            });
            from.rows.take(&rows, Use::AS_IS);
        }
        if only_left {
            from.visible.retain(|visible| of_names(visible).is_none_or(|number| number < names));
        }
        if only_right {
            from.visible.retain(|visible| of_names(visible).is_none_or(|number| number >= names));
        }
    }

    /// Does something with what is in a FROM so far.
    fn beside<T>(&mut self, from: &mut From, outer: &Outer<'_>, act: impl FnOnce(&mut Self, &Scope<'_>) -> T) -> T {
        let so_far = std::mem::take(from);
        let scope = Scope {
            parent: outer.scope,
            from: &so_far,
            aliases: &[],
            aliases_first: false,
            windows: &[],
            with: outer.with,
        };
        let value = act(self, &scope);
        *from = so_far;
        value
    }

    /// A factor that may name what stands to the left of it.
    fn factor_beside(&mut self, from: &mut From, left: &[Visible], factor: &TableFactor, outer: &Outer<'_>) {
        let own = std::mem::replace(&mut from.visible, left.to_vec());
        debug_assert!(own.is_empty());
        let before = from.visible.len();
        self.factor(from, factor, outer);
        from.visible.drain(..before);
    }

    /// The names that two sides have both.
    fn shared_names(&mut self, from: &From, left: &[Visible], right: &[Visible]) -> Vec<Ident> {
        let mut names = |side: &[Visible]| -> Vec<String> {
            side.iter().flat_map(|visible| self.names_of(from, visible)).collect()
        };
        let (left, right) = (names(left), names(right));
        let mut shared: Vec<Ident> = Vec::new();
        for name in left {
            let ident = Ident::with_quote('"', name.clone());
            if right.iter().any(|other| self.dialect.same(&ident, other)) && !shared.contains(&ident) {
                shared.push(ident);
            }
        }
        shared
    }

    fn names_of(&mut self, from: &From, visible: &Visible) -> Vec<String> {
        let outs = |own: &mut Self, number: usize| {
            let columns = from.named.get(number).map(|named| Rc::clone(&named.columns));
            columns.and_then(|columns| own.outs(&columns)).unwrap_or_default()
        };
        match visible {
            Visible::All(number) => outs(self, *number).into_iter().map(|out| out.name).collect(),
            Visible::One(number, column) => {
                let columns = from.named.get(*number).map(|named| Rc::clone(&named.columns));
                columns.and_then(|columns| self.out_at(&columns, *column)).map(|out| out.name).into_iter().collect()
            }
            Visible::Merged { name, .. } => vec![name.clone()],
        }
    }

    /// Two sides with columns that become one: those come first, then what is left of the left side, then of the right.
    fn merge(&mut self, from: &mut From, right: Vec<Visible>, shared: &[Ident], full: bool, from_right: bool) {
        let left = std::mem::take(&mut from.visible);
        let (left, right) = (self.single(from, left), self.single(from, right));
        let mut merged = Vec::new();
        let mut hidden: Vec<(usize, u32)> = Vec::new();
        let mut replaced: Vec<String> = Vec::new();
        for name in shared {
            let one = self.found(from, &left, name);
            let other = self.found(from, &right, name);
            let ((Some(one), places), (Some(other), others)) = (one, other) else {
                // a side of which nobody knows the columns: its column cannot be told from the other's
                if !self.has_unknown(from, &left) && !self.has_unknown(from, &right) {
                    self.say("the tables that are joined have no such column both", name.span, &name.value);
                }
                let unknown = Deps::default();
                merged.push(Visible::Merged {
                    name: self.dialect.spelled(name),
                    deps: Rc::new(unknown),
                    of: Vec::new(),
                });
                continue;
            };
            from.rows.take(&one.deps, Use::deciding(Kind::Join));
            from.rows.take(&other.deps, Use::deciding(Kind::Join));
            self.reads.extend(one.deps.iter().chain(other.deps.iter()).map(|dep| dep.source));
            let deps = if full {
                let mut deps = Deps::default();
                deps.take(&one.deps, Use::AS_IS.within(Kind::Transformation));
                deps.take(&other.deps, Use::AS_IS.within(Kind::Transformation));
                Rc::new(deps)
            } else if from_right {
                Rc::clone(&other.deps)
            } else {
                Rc::clone(&one.deps)
            };
            hidden.extend(places.iter().chain(&others));
            replaced.push(one.name.clone());
            merged.push(Visible::Merged { name: one.name, deps, of: places.into_iter().chain(others).collect() });
        }
        let is_hidden = |visible: &Visible| match visible {
            Visible::One(number, column) => hidden.contains(&(*number, *column)),
            Visible::Merged { name, .. } => replaced.contains(name),
            Visible::All(_) => false,
        };
        from.visible = merged;
        from.visible.extend(left.into_iter().chain(right).filter(|visible| !is_hidden(visible)));
    }

    fn has_unknown(&self, from: &From, side: &[Visible]) -> bool {
        side.iter().any(|visible| match visible {
            Visible::All(number) => from
                .named
                .get(*number)
                .is_some_and(|named| matches!(*named.columns, Columns::Unknown | Columns::Open(_))),
            Visible::One(..) | Visible::Merged { .. } => false,
        })
    }

    /// The same columns, one by one where they are known.
    fn single(&mut self, from: &From, side: Vec<Visible>) -> Vec<Visible> {
        let mut single = Vec::new();
        for visible in side {
            let Visible::All(number) = visible else {
                single.push(visible);
                continue;
            };
            let columns = from.named.get(number).map(|named| Rc::clone(&named.columns));
            match columns.and_then(|columns| self.outs(&columns)) {
                Some(outs) => {
                    let all = 0..u32::try_from(outs.len()).unwrap_or(u32::MAX);
                    single.extend(all.map(|column| Visible::One(number, column)));
                }
                None => single.push(visible),
            }
        }
        single
    }

    fn found(&mut self, from: &From, side: &[Visible], name: &Ident) -> (Option<Out>, Vec<(usize, u32)>) {
        for visible in side {
            match visible {
                Visible::One(number, column) => {
                    let columns = from.named.get(*number).map(|named| Rc::clone(&named.columns));
                    let out = columns.and_then(|columns| self.out_at(&columns, *column));
                    if let Some(out) = out.filter(|out| self.dialect.same(name, &out.name)) {
                        return (Some(out), vec![(*number, *column)]);
                    }
                }
                Visible::Merged { name: own, deps, of } if self.dialect.same(name, own) => {
                    return (Some(Out { name: own.clone(), deps: Rc::clone(deps) }), of.clone());
                }
                Visible::Merged { .. } | Visible::All(_) => {}
            }
        }
        (None, Vec::new())
    }

    /// Adds one item of a FROM.
    #[expect(clippy::too_many_lines, reason = "one arm for each form of an item")]
    pub(crate) fn factor(&mut self, from: &mut From, factor: &TableFactor, outer: &Outer<'_>) {
        match factor {
            TableFactor::Table { name, alias, args: Some(TableFunctionArgs { args, .. }), with_ordinality, .. } => {
                self.called(from, name, args, *with_ordinality, alias.as_ref(), outer);
            }
            TableFactor::Table { name, alias, .. } => self.named_table(from, name, alias.as_ref(), outer),
            TableFactor::Derived { subquery, alias, lateral, .. } => {
                let relation = if *lateral || self.dialect.has_plain_fields() {
                    // what stands to the left may be named
                    self.beside(from, outer, |own, scope| {
                        own.query(subquery, &Outer { scope: Some(scope), with: outer.with })
                    })
                } else {
                    self.query(subquery, outer)
                };
                self.add(from, relation, alias.as_ref(), None, Vec::new());
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                self.called(from, name, args, *with_ordinality, alias.as_ref(), outer);
            }
            TableFactor::TableFunction { expr, alias } => {
                let deps = self.beside(from, outer, |own, scope| own.value(scope, expr));
                self.add_open(from, &deps, alias.as_ref(), None, false);
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } => {
                let mut all = Vec::new();
                for expression in array_exprs {
                    all.push(self.beside(from, outer, |own, scope| own.value(scope, expression)));
                }
                self.unnested(from, &all, alias.as_ref(), *with_ordinality);
                if *with_offset {
                    let name = with_offset_alias
                        .as_ref()
                        .map_or_else(|| "offset".to_owned(), |name| self.dialect.spelled(name));
                    let outs = vec![Out { name, deps: Rc::default() }];
                    from.push(Named { name: None, before: Vec::new(), columns: Rc::new(Columns::These(outs)) });
                }
            }
            TableFactor::JsonTable { json_expr, columns, alias, .. } => {
                let deps = Rc::new(self.made_of(from, json_expr, outer));
                let mut outs = Vec::new();
                json_columns(self, columns, &deps, &mut outs);
                self.add(
                    from,
                    Relation { columns: Columns::These(outs), rows: Rc::default() },
                    alias.as_ref(),
                    None,
                    Vec::new(),
                );
            }
            TableFactor::OpenJsonTable { json_expr, columns, alias, .. } => {
                let deps = Rc::new(self.made_of(from, json_expr, outer));
                let mut names: Vec<String> = columns.iter().map(|column| self.dialect.spelled(&column.name)).collect();
                if names.is_empty() {
                    names = ["key", "value", "type"].map(str::to_owned).into();
                }
                let outs = names.into_iter().map(|name| Out { name, deps: Rc::clone(&deps) }).collect();
                self.add(
                    from,
                    Relation { columns: Columns::These(outs), rows: Rc::default() },
                    alias.as_ref(),
                    None,
                    Vec::new(),
                );
            }
            TableFactor::XmlTable { row_expression, passing, columns, alias, .. } => {
                let mut deps = self.made_of(from, row_expression, outer);
                for argument in &passing.arguments {
                    let own = self.made_of(from, &argument.expr, outer);
                    deps.take(&own, Use::AS_IS);
                }
                let deps = Rc::new(deps);
                let out = |column: &sqlparser::ast::XmlTableColumn| Out {
                    name: self.dialect.spelled(&column.name),
                    deps: Rc::clone(&deps),
                };
                let outs = columns.iter().map(out).collect();
                self.add(
                    from,
                    Relation { columns: Columns::These(outs), rows: Rc::default() },
                    alias.as_ref(),
                    None,
                    Vec::new(),
                );
            }
            TableFactor::NestedJoin { table_with_joins, alias } => match alias {
                None => self.joined(from, table_with_joins, outer),
                // its columns under one name
                Some(alias) => {
                    let mut own = self.from(std::slice::from_ref(&**table_with_joins), outer);
                    let rows = Rc::new(std::mem::take(&mut own.rows));
                    let scope = Scope {
                        parent: None,
                        from: &own,
                        aliases: &[],
                        aliases_first: false,
                        windows: &[],
                        with: outer.with,
                    };
                    let star =
                        sqlparser::ast::SelectItem::Wildcard(sqlparser::ast::WildcardAdditionalOptions::default());
                    let outs = self.projection(&scope, &[star], None);
                    self.add(from, Relation { columns: Columns::These(outs), rows }, Some(alias), None, Vec::new());
                }
            },
            TableFactor::Unpivot { table, value, name, columns, alias, .. } => {
                self.unpivoted(from, table, value, name, columns, alias.as_ref(), outer);
            }
            TableFactor::Pivot { table, alias, .. } => {
                self.opaque(from, table, alias.as_ref(), outer, "PIVOT", factor.span());
            }
            TableFactor::MatchRecognize { table, alias, .. } => {
                self.opaque(from, table, alias.as_ref(), outer, "MATCH_RECOGNIZE", factor.span());
            }
            TableFactor::SemanticView { alias, .. } => {
                self.say("what this gives is not known", factor.span(), "SEMANTIC_VIEW");
                self.add(from, Relation::unknown(), alias.as_ref(), None, Vec::new());
            }
        }
    }

    fn made_of(&mut self, from: &mut From, expression: &Expr, outer: &Outer<'_>) -> Deps {
        let value = self.beside(from, outer, |own, scope| own.value(scope, expression));
        let mut deps = Deps::default();
        deps.take(&value, Use::AS_IS.within(Kind::Transformation));
        deps
    }

    fn named_table(&mut self, from: &mut From, name: &ObjectName, alias: Option<&TableAlias>, outer: &Outer<'_>) {
        let parts = idents(name);
        // an array of what stands to the left: FROM t, t.items
        if parts.len() > 1 && self.dialect.has_plain_fields() && self.find_table(&parts).is_err() {
            let deps = self.beside(from, outer, |own, scope| {
                let first = parts.first().filter(|first| own.relation(scope, std::slice::from_ref(first)).is_some());
                first.map(|_| match own.meaning(scope, &parts) {
                    super::resolver::Meaning::Value(deps, _) => Deps::clone(&deps),
                    super::resolver::Meaning::Nothing => Deps::default(),
                })
            });
            if let Some(deps) = deps {
                self.unnested(from, &[deps], alias, false);
                return;
            }
        }
        let empty = From::default();
        let scope =
            Scope { parent: None, from: &empty, aliases: &[], aliases_first: false, windows: &[], with: outer.with };
        let relation = self.table_relation(&scope, name);
        let (own, before) = match parts.split_last() {
            Some((own, before)) => (
                Some(self.dialect.spelled(own)),
                before.iter().map(|part| self.dialect.spelled(part)).collect::<Vec<_>>(),
            ),
            None => (None, Vec::new()),
        };
        // a table that is read without its schema may be named with it
        let before = match (&relation.columns, before.is_empty()) {
            (Columns::Table(table), true) => {
                let (catalogue, number) = self.catalogue(*table);
                let parts = catalogue.parts(number);
                parts.iter().take(parts.len().saturating_sub(1)).map(ToString::to_string).collect()
            }
            _ => before,
        };
        self.add(from, relation, alias, own, before);
    }

    /// Adds a relation under its alias, or its own name.
    fn add(
        &mut self,
        from: &mut From,
        relation: Relation,
        alias: Option<&TableAlias>,
        own: Option<String>,
        before: Vec<String>,
    ) {
        from.rows.take(&relation.rows, Use::AS_IS);
        let (relation, name, before) = match alias {
            Some(alias) => {
                let name = self.dialect.spelled(&alias.name);
                (self.renamed(relation, alias), Some(name), Vec::new())
            }
            None => (relation, own, before),
        };
        from.push(Named { name, before, columns: Rc::new(relation.columns) });
    }

    fn called(
        &mut self,
        from: &mut From,
        name: &ObjectName,
        arguments: &[FunctionArg],
        ordinality: bool,
        alias: Option<&TableAlias>,
        outer: &Outer<'_>,
    ) {
        let mut deps = Deps::default();
        for argument in arguments {
            let (FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } | FunctionArg::Unnamed(arg)) =
                argument;
            match arg {
                FunctionArgExpr::Expr(expression) => {
                    let own = self.made_of(from, expression, outer);
                    deps.take(&own, Use::AS_IS);
                }
                FunctionArgExpr::QualifiedWildcard(_)
                | FunctionArgExpr::Wildcard
                | FunctionArgExpr::WildcardWithOptions(_) => {}
            }
        }
        let own = idents(name).pop().map(|own| self.dialect.spelled(&own));
        self.add_open(from, &deps, alias, own, ordinality);
    }

    /// Adds what a function gives: as many columns as its alias names, or whatever it is asked for.
    fn add_open(
        &mut self,
        from: &mut From,
        deps: &Deps,
        alias: Option<&TableAlias>,
        own: Option<String>,
        ordinality: bool,
    ) {
        let deps = Rc::new(deps.clone());
        let columns = match alias {
            Some(alias) if !alias.columns.is_empty() => {
                let mut outs: Vec<Out> = alias
                    .columns
                    .iter()
                    .map(|column| Out { name: self.dialect.spelled(&column.name), deps: Rc::clone(&deps) })
                    .collect();
                if ordinality && let Some(last) = outs.last_mut() {
                    // the number of the row
                    last.deps = Rc::default();
                }
                Columns::These(outs)
            }
            _ => Columns::Open(deps),
        };
        let name = alias.map(|alias| self.dialect.spelled(&alias.name)).or(own);
        from.push(Named { name, before: Vec::new(), columns: Rc::new(columns) });
    }

    fn unnested(&mut self, from: &mut From, all: &[Deps], alias: Option<&TableAlias>, ordinality: bool) {
        let elements: Vec<Rc<Deps>> = all
            .iter()
            .map(|own| {
                let mut deps = Deps::default();
                deps.take(own, Use::AS_IS.within(Kind::Transformation));
                Rc::new(deps)
            })
            .collect();
        let names: Vec<String> =
            alias.iter().flat_map(|alias| &alias.columns).map(|column| self.dialect.spelled(&column.name)).collect();
        let columns = if names.is_empty() {
            let mut deps = Deps::default();
            elements.iter().for_each(|own| deps.take(own, Use::AS_IS));
            Columns::Open(Rc::new(deps))
        } else {
            let last = names.len() - 1;
            let out = |(number, name)| {
                let counts = ordinality && number == last;
                let deps = if counts { Rc::default() } else { elements.get(number).cloned().unwrap_or_default() };
                Out { name, deps }
            };
            Columns::These(names.into_iter().enumerate().map(out).collect())
        };
        let name = alias.map(|alias| self.dialect.spelled(&alias.name)).or_else(|| Some("unnest".to_owned()));
        from.push(Named { name, before: Vec::new(), columns: Rc::new(columns) });
    }

    fn array_join(&mut self, from: &mut From, relation: &TableFactor, outer: &Outer<'_>) {
        let TableFactor::Table { name, alias, .. } = relation else { return };
        let parts = idents(name);
        let deps = self.beside(from, outer, |own, scope| match own.meaning(scope, &parts) {
            super::resolver::Meaning::Value(deps, _) => Deps::clone(&deps),
            super::resolver::Meaning::Nothing => Deps::default(),
        });
        // without an alias the element has the array's name
        if alias.is_some() {
            self.unnested(from, &[deps], alias.as_ref(), false);
        }
    }

    /// `LATERAL VIEW explode(array) table AS column`.
    pub(crate) fn lateral_view(&mut self, view: &LateralView, from: &mut From, outer: &Outer<'_>) {
        let deps = self.made_of(from, &view.lateral_view, outer);
        let deps = Rc::new(deps);
        let names: Vec<String> = view.lateral_col_alias.iter().map(|name| self.dialect.spelled(name)).collect();
        let columns = if names.is_empty() {
            Columns::Open(deps)
        } else {
            Columns::These(names.into_iter().map(|name| Out { name, deps: Rc::clone(&deps) }).collect())
        };
        let name = idents(&view.lateral_view_name).pop().map(|name| self.dialect.spelled(&name));
        from.push(Named { name, before: Vec::new(), columns: Rc::new(columns) });
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of the clause")]
    fn unpivoted(
        &mut self,
        from: &mut From,
        table: &TableFactor,
        value: &Expr,
        name: &Ident,
        columns: &[sqlparser::ast::ExprWithAlias],
        alias: Option<&TableAlias>,
        outer: &Outer<'_>,
    ) {
        let mut inner = From::default();
        self.factor(&mut inner, table, outer);
        let rows = Rc::new(std::mem::take(&mut inner.rows));
        let columns_of = inner.named.first().map(|named| Rc::clone(&named.columns));
        let Some(outs) = columns_of.and_then(|columns| self.outs(&columns)) else {
            self.add(from, Relation::unknown(), alias, None, Vec::new());
            return;
        };
        let turned: Vec<Ident> = columns
            .iter()
            .filter_map(|column| match &column.expr {
                Expr::Identifier(name) => Some(name.clone()),
                Expr::CompoundIdentifier(parts) => parts.last().cloned(),
                _ => None,
            })
            .collect();
        let is_turned = |out: &Out| turned.iter().any(|name| self.dialect.same(name, &out.name));
        let mut deps = Deps::default();
        outs.iter().filter(|out| is_turned(out)).for_each(|out| deps.take(&out.deps, Use::AS_IS));
        let mut kept: Vec<Out> = outs.iter().filter(|out| !is_turned(out)).cloned().collect();
        kept.push(Out { name: self.dialect.spelled(name), deps: Rc::default() });
        let value_name = match value {
            Expr::Identifier(name) => self.dialect.spelled(name),
            other => other.to_string(),
        };
        kept.push(Out { name: value_name, deps: Rc::new(deps) });
        self.add(from, Relation { columns: Columns::These(kept), rows }, alias, None, Vec::new());
    }

    /// What gives columns that are not known, of a table that is.
    fn opaque(
        &mut self,
        from: &mut From,
        table: &TableFactor,
        alias: Option<&TableAlias>,
        outer: &Outer<'_>,
        word: &str,
        at: sqlparser::tokenizer::Span,
    ) {
        let mut inner = From::default();
        self.factor(&mut inner, table, outer);
        self.say("the columns that this gives are not resolved", at, word);
        self.add(from, Relation::unknown(), alias, None, Vec::new());
    }
}

fn json_columns(resolver: &Resolver<'_>, columns: &[JsonTableColumn], deps: &Rc<Deps>, outs: &mut Vec<Out>) {
    for column in columns {
        match column {
            JsonTableColumn::Named(named) => {
                outs.push(Out { name: resolver.dialect.spelled(&named.name), deps: Rc::clone(deps) });
            }
            JsonTableColumn::ForOrdinality(name) => {
                outs.push(Out { name: resolver.dialect.spelled(name), deps: Rc::default() });
            }
            JsonTableColumn::Nested(nested) => json_columns(resolver, &nested.columns, deps, outs),
        }
    }
}

/// The relation that a visible column is of; `None` of one that is merged.
fn of_names(visible: &Visible) -> Option<usize> {
    match visible {
        Visible::All(number) | Visible::One(number, _) => Some(*number),
        Visible::Merged { .. } => None,
    }
}
