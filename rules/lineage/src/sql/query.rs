//! Queries: what columns they give, and what decides their rows.

use super::output;
use super::resolver::{A_QUERY, Resolver, idents};
use super::scope::{Columns, From, Out, Relation, Scope, Visible, With};
use crate::deps::{Deps, Use};
use fieldmark_model::lineage::Kind;
use sqlparser::ast::{
    BinaryOperator, ConnectByKind, Cte, Distinct, ExcludeSelectItem, Expr, GroupByExpr, GroupByWithModifier, Ident,
    LimitClause, NamedWindowDefinition, ObjectName, OrderBy, OrderByKind, PipeOperator, Query, RenameSelectItem,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Spanned as _, TableAlias,
    Value, Values, WildcardAdditionalOptions,
};
use sqlparser::tokenizer::Span;
use std::rc::Rc;

/// What is around a query.
#[derive(Clone, Copy)]
pub(crate) struct Outer<'o> {
    pub(crate) scope: Option<&'o Scope<'o>>,
    pub(crate) with: Option<&'o With<'o>>,
}

impl<'o> Outer<'o> {
    /// The scope of what reads no table of its own.
    pub(crate) fn with_nothing_read(&self, empty: &'o From) -> Scope<'o> {
        Scope { parent: self.scope, from: empty, aliases: &[], aliases_first: false, windows: &[], with: self.with }
    }
}

/// How often a recursive query is gone through: each time more of its columns may be made from more, up to all that there are.
const ROUNDS: usize = 16;

/// What decides the rows of a query besides what is in it.
#[derive(Clone, Copy)]
struct After<'a> {
    order: Option<&'a OrderBy>,
    /// Whether the order decides which rows there are, or is seen by who asks.
    sorts: bool,
}

impl Resolver<'_> {
    /// What a query inside another gives.
    pub(crate) fn query(&mut self, query: &Query, outer: &Outer<'_>) -> Relation {
        self.query_that(query, outer, false)
    }

    /// What a query gives; its order counts where somebody sees it, or where it decides which rows there are.
    pub(crate) fn query_that(&mut self, query: &Query, outer: &Outer<'_>, is_seen: bool) -> Relation {
        if !self.may(A_QUERY) {
            return Relation { columns: Columns::Unknown, rows: Rc::default() };
        }
        let mut named: Vec<(String, Rc<Relation>)> = Vec::new();
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                let frame = With { parent: outer.with, named: &named };
                let relation = self.cte(cte, with.recursive, &Outer { scope: outer.scope, with: Some(&frame) });
                named.push((self.dialect.spelled(&cte.alias.name), Rc::new(relation)));
            }
        }
        let frame = With { parent: outer.with, named: &named };
        let own = Outer { scope: outer.scope, with: Some(&frame) };
        let limited = query.fetch.is_some()
            || match &query.limit_clause {
                Some(LimitClause::LimitOffset { limit, offset, .. }) => limit.is_some() || offset.is_some(),
                Some(LimitClause::OffsetCommaLimit { .. }) => true,
                None => false,
            };
        let top = match &*query.body {
            SetExpr::Select(select) => select.top.is_some(),
            _ => false,
        };
        let distinct_on = match &*query.body {
            SetExpr::Select(select) => matches!(select.distinct, Some(Distinct::On(_))),
            _ => false,
        };
        let after = After { order: query.order_by.as_ref(), sorts: is_seen || limited || top || distinct_on };
        let mut relation = self.body(&query.body, &own, after);
        for operator in &query.pipe_operators {
            relation = self.pipe(relation, operator, &own, is_seen);
        }
        relation
    }

    fn cte(&mut self, cte: &Cte, recursive: bool, outer: &Outer<'_>) -> Relation {
        let own_name = self.dialect.spelled(&cte.alias.name);
        let arms = match &*cte.query.body {
            SetExpr::SetOperation { op: SetOperator::Union, left, .. } => Some(left),
            _ => None,
        };
        let spoken = match self.dialect {
            super::Dialect::Other(_) => self.find_table(std::slice::from_ref(&cte.alias.name)).is_err(),
            _ => false,
        };
        let Some(first) = arms.filter(|_| recursive || spoken) else {
            let relation = self.query(&cte.query, outer);
            return self.renamed(relation, &cte.alias);
        };
        // the first arm, without the query's own name; then all of it, until nothing is added
        let none = After { order: None, sorts: false };
        let first = self.first_arm(first, outer, none);
        let mut relation = Rc::new(self.renamed(first, &cte.alias));
        for _ in 0..ROUNDS {
            let named = [(own_name.clone(), Rc::clone(&relation))];
            let frame = With { parent: outer.with, named: &named };
            let next = self.query(&cte.query, &Outer { scope: outer.scope, with: Some(&frame) });
            let next = self.renamed(next, &cte.alias);
            let same = self.is_same(&relation, &next);
            relation = Rc::new(next);
            if same {
                break;
            }
        }
        Relation::clone(&relation)
    }

    /// What can be resolved of a recursive query without itself: its leftmost arm.
    fn first_arm(&mut self, set: &SetExpr, outer: &Outer<'_>, after: After<'_>) -> Relation {
        let mut leftmost = set;
        while let SetExpr::SetOperation { left, .. } = leftmost {
            leftmost = left;
        }
        self.body(leftmost, outer, after)
    }

    fn is_same(&self, one: &Relation, other: &Relation) -> bool {
        let (Columns::These(one_outs), Columns::These(other_outs)) = (&one.columns, &other.columns) else {
            return true;
        };
        one.rows == other.rows
            && one_outs.len() == other_outs.len()
            && one_outs.iter().zip(other_outs).all(|(one, other)| one.deps == other.deps)
    }

    /// A relation whose first columns have other names.
    pub(crate) fn renamed(&mut self, relation: Relation, alias: &TableAlias) -> Relation {
        if alias.columns.is_empty() {
            return relation;
        }
        let names: Vec<String> = alias.columns.iter().map(|column| self.dialect.spelled(&column.name)).collect();
        let columns = match relation.columns {
            // a function gives what it is said to give
            Columns::Open(deps) => {
                Columns::These(names.into_iter().map(|name| Out { name, deps: Rc::clone(&deps) }).collect())
            }
            Columns::Unknown => Columns::Unknown,
            columns @ (Columns::Table(_) | Columns::These(_)) => {
                let mut outs = self.outs(&columns).unwrap_or_default();
                outs.iter_mut().zip(names).for_each(|(out, name)| out.name = name);
                Columns::These(outs)
            }
        };
        Relation { columns, rows: relation.rows }
    }

    fn body(&mut self, set: &SetExpr, outer: &Outer<'_>, after: After<'_>) -> Relation {
        // chains of UNION are long, and to the left
        let mut arms: Vec<(&SetOperator, &SetQuantifier, &SetExpr)> = Vec::new();
        let mut first = set;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = first {
            arms.push((op, set_quantifier, right));
            first = left;
        }
        if arms.is_empty() {
            return self.simple(first, outer, after);
        }
        let none = After { order: None, sorts: false };
        let mut relation = self.simple(first, outer, none);
        for (operator, quantifier, arm) in arms.into_iter().rev() {
            let right = self.body(arm, outer, none);
            relation = self.combined(relation, &right, *operator, *quantifier);
        }
        if let (Some(order), true) = (after.order, after.sorts) {
            relation = self.sorted(relation, order, outer);
        }
        relation
    }

    fn simple(&mut self, set: &SetExpr, outer: &Outer<'_>, after: After<'_>) -> Relation {
        match set {
            SetExpr::Select(select) => self.select(select, outer, after),
            SetExpr::Query(query) => {
                let relation = self.query_that(query, outer, after.sorts);
                match (after.order, after.sorts) {
                    (Some(order), true) => self.sorted(relation, order, outer),
                    _ => relation,
                }
            }
            SetExpr::Values(values) => {
                let relation = self.values(values, outer);
                match (after.order, after.sorts) {
                    (Some(order), true) => self.sorted(relation, order, outer),
                    _ => relation,
                }
            }
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => self.changing(statement, outer),
            SetExpr::Table(table) => {
                let names = table.schema_name.iter().chain(&table.table_name).map(|name| Ident::new(name.clone()));
                let name = ObjectName::from(names.collect::<Vec<_>>());
                let empty = From::default();
                let scope = outer.with_nothing_read(&empty);
                let relation = self.table_relation(&scope, &name);
                match self.outs(&relation.columns) {
                    Some(outs) => Relation { columns: Columns::These(outs), rows: relation.rows },
                    None => relation,
                }
            }
            SetExpr::SetOperation { .. } => self.body(set, outer, after),
        }
    }

    /// Rows of two queries in one.
    fn combined(
        &mut self,
        left: Relation,
        right: &Relation,
        operator: SetOperator,
        quantifier: SetQuantifier,
    ) -> Relation {
        let mut rows = Deps::clone(&left.rows);
        rows.take(&right.rows, Use::AS_IS);
        let (Some(mut outs), Some(others)) = (self.outs(&left.columns), self.outs(&right.columns)) else {
            return Relation { columns: Columns::Unknown, rows: Rc::new(rows) };
        };
        match operator {
            SetOperator::Union | SetOperator::Intersect => {
                let by_name = matches!(
                    quantifier,
                    SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
                );
                for (number, other) in others.into_iter().enumerate() {
                    let own =
                        if by_name { outs.iter_mut().find(|out| out.name == other.name) } else { outs.get_mut(number) };
                    match own {
                        Some(own) => {
                            let mut deps = Deps::clone(&own.deps);
                            deps.take(&other.deps, Use::AS_IS);
                            own.deps = Rc::new(deps);
                        }
                        None if by_name => outs.push(other),
                        None => {}
                    }
                }
            }
            // rows that are in the other are left out
            SetOperator::Except | SetOperator::Minus => {
                for other in others {
                    rows.take(&other.deps, Use::deciding(Kind::Filter));
                }
            }
        }
        Relation { columns: Columns::These(outs), rows: Rc::new(rows) }
    }

    /// The order of rows that several queries have given: by their columns.
    fn sorted(&mut self, relation: Relation, order: &OrderBy, outer: &Outer<'_>) -> Relation {
        let Some(outs) = self.outs(&relation.columns) else { return relation };
        let empty = From::default();
        let scope = Scope { aliases: &outs, aliases_first: true, ..outer.with_nothing_read(&empty) };
        let mut rows = Deps::clone(&relation.rows);
        self.order(&scope, order, &outs, &mut rows);
        Relation { columns: Columns::These(outs), rows: Rc::new(rows) }
    }

    fn order(&mut self, scope: &Scope<'_>, order: &OrderBy, outs: &[Out], rows: &mut Deps) {
        let sorting = Use::deciding(Kind::Sort);
        match &order.kind {
            OrderByKind::All(_) => outs.iter().for_each(|out| rows.take(&out.deps, sorting)),
            OrderByKind::Expressions(all) => {
                for by in all {
                    match position(&by.expr).and_then(|number| outs.get(number)) {
                        Some(out) => rows.take(&out.deps, sorting),
                        // a name alone is one of the list, in an expression it is one of a table
                        None => {
                            let naming = scope.with_aliases(outs, matches!(by.expr, Expr::Identifier(_)));
                            self.expression(&naming, &by.expr, sorting, rows);
                        }
                    }
                }
            }
        }
    }

    fn values(&mut self, values: &Values, outer: &Outer<'_>) -> Relation {
        let empty = From::default();
        let scope = outer.with_nothing_read(&empty);
        let mut columns: Vec<Deps> = Vec::new();
        for row in &values.rows {
            for (number, value) in row.content.iter().enumerate() {
                if columns.len() <= number {
                    columns.resize_with(number + 1, Deps::default);
                }
                // literals, nearly always
                if matches!(value, Expr::Value(_)) {
                    continue;
                }
                if let Some(deps) = columns.get_mut(number) {
                    let mut own = std::mem::take(deps);
                    self.expression(&scope, value, Use::AS_IS, &mut own);
                    *deps = own;
                }
            }
        }
        let outs = columns
            .into_iter()
            .enumerate()
            .map(|(number, deps)| Out { name: output::of_values(self.dialect, number), deps: Rc::new(deps) });
        Relation { columns: Columns::These(outs.collect()), rows: Rc::default() }
    }

    fn select(&mut self, select: &Select, outer: &Outer<'_>, after: After<'_>) -> Relation {
        let mut from = self.from(&select.from, outer);
        for view in &select.lateral_views {
            self.lateral_view(view, &mut from, outer);
        }
        let mut rows = std::mem::take(&mut from.rows);
        let bare = Scope {
            parent: outer.scope,
            from: &from,
            aliases: &[],
            aliases_first: false,
            windows: &select.named_window,
            with: outer.with,
        };
        let outs = self.projection(&bare, &select.projection, select.exclude.as_ref());
        let filter = Use::deciding(Kind::Filter);
        let filtering = bare.with_aliases(if self.dialect.has_aliases_in_where() { &outs } else { &[] }, false);
        for condition in select.prewhere.iter().chain(&select.selection) {
            self.expression(&filtering, condition, filter, &mut rows);
        }
        for clause in &select.connect_by {
            match clause {
                ConnectByKind::ConnectBy { relationships, .. } => {
                    for condition in relationships {
                        self.expression(&bare, condition, Use::deciding(Kind::Join), &mut rows);
                    }
                }
                ConnectByKind::StartWith { condition, .. } => self.expression(&bare, condition, filter, &mut rows),
            }
        }
        self.group(&bare, &select.group_by, &select.projection, &outs, &mut rows);
        let having = bare.with_aliases(if self.dialect.has_aliases_in_having() { &outs } else { &[] }, false);
        if let Some(condition) = &select.having {
            self.expression(&having, condition, filter, &mut rows);
        }
        let qualifying = bare.with_aliases(&outs, false);
        if let Some(condition) = &select.qualify {
            self.expression(&qualifying, condition, filter, &mut rows);
        }
        if let Some(Distinct::On(keys)) = &select.distinct {
            let naming = bare.with_aliases(&outs, true);
            for key in keys {
                match position(key).and_then(|number| outs.get(number)) {
                    Some(out) => rows.take(&out.deps, Use::deciding(Kind::GroupBy)),
                    None => self.expression(&naming, key, Use::deciding(Kind::GroupBy), &mut rows),
                }
            }
        }
        let naming = bare.with_aliases(&outs, true);
        if after.sorts {
            let own = select.sort_by.iter().map(|by| &by.expr);
            for key in own.chain(&select.cluster_by) {
                self.expression(&naming, key, Use::deciding(Kind::Sort), &mut rows);
            }
            if let Some(order) = after.order {
                self.order(&naming, order, &outs, &mut rows);
            }
        }
        Relation { columns: Columns::These(outs), rows: Rc::new(rows) }
    }

    fn group(
        &mut self,
        scope: &Scope<'_>,
        group: &GroupByExpr,
        projection: &[SelectItem],
        outs: &[Out],
        rows: &mut Deps,
    ) {
        let grouping = Use::deciding(Kind::GroupBy);
        let with_aliases = scope.with_aliases(outs, false);
        let modifiers = match group {
            // by all that no aggregate is in
            GroupByExpr::All(modifiers) => {
                for (item, out) in projection.iter().zip(outs) {
                    let (SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. }) =
                        item
                    else {
                        continue;
                    };
                    if !out.deps.iter().any(|dep| dep.kind == Kind::Aggregation) && !output::counts_rows(expression) {
                        rows.take(&out.deps, grouping);
                    }
                }
                modifiers
            }
            GroupByExpr::Expressions(keys, modifiers) => {
                for key in keys {
                    self.group_key(&with_aliases, key, outs, rows);
                }
                modifiers
            }
        };
        for modifier in modifiers {
            if let GroupByWithModifier::GroupingSets(sets) = modifier {
                self.expression(&with_aliases, sets, grouping, rows);
            }
        }
    }

    fn group_key(&mut self, scope: &Scope<'_>, key: &Expr, outs: &[Out], rows: &mut Deps) {
        let grouping = Use::deciding(Kind::GroupBy);
        match key {
            Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => {
                for one in sets.iter().flatten() {
                    self.group_key(scope, one, outs, rows);
                }
            }
            Expr::Tuple(keys) => keys.iter().for_each(|one| self.group_key(scope, one, outs, rows)),
            _ => match position(key).and_then(|number| outs.get(number)) {
                Some(out) => rows.take(&out.deps, grouping),
                None => self.expression(scope, key, grouping, rows),
            },
        }
    }

    /// The columns of a select list.
    pub(crate) fn projection(
        &mut self,
        scope: &Scope<'_>,
        items: &[SelectItem],
        exclude: Option<&ExcludeSelectItem>,
    ) -> Vec<Out> {
        let mut outs: Vec<Out> = Vec::new();
        let lateral = self.dialect.has_lateral_aliases();
        if items.is_empty() && !scope.from.named.is_empty() {
            // FROM without SELECT
            outs.extend(self.star(scope, None, Span::empty()));
        }
        for item in items {
            let before = std::mem::take(&mut outs);
            let own = scope.with_aliases(if lateral { &before } else { &[] }, false);
            let new = self.item(&own, item);
            outs = before;
            outs.extend(new);
        }
        if let Some(exclude) = exclude {
            self.leave_out(&mut outs, &excluded(exclude));
        }
        outs
    }

    fn item(&mut self, scope: &Scope<'_>, item: &SelectItem) -> Vec<Out> {
        match item {
            // SQL Server: name = value
            SelectItem::UnnamedExpr(Expr::BinaryOp { left, op: BinaryOperator::Eq, right })
                if self.dialect == super::Dialect::Other(super::Nearest::Mssql)
                    && matches!(**left, Expr::Identifier(_)) =>
            {
                let deps = Rc::new(self.value(scope, right));
                vec![Out { name: output::name(self.dialect, left), deps }]
            }
            SelectItem::UnnamedExpr(expression) => {
                let deps = Rc::new(self.value(scope, expression));
                vec![Out { name: output::name(self.dialect, expression), deps }]
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let deps = Rc::new(self.value(scope, expr));
                vec![Out { name: self.dialect.spelled(alias), deps }]
            }
            SelectItem::ExprWithAliases { expr, aliases } => {
                let deps = Rc::new(self.value(scope, expr));
                let out = |alias| Out { name: self.dialect.spelled(alias), deps: Rc::clone(&deps) };
                aliases.iter().map(out).collect()
            }
            SelectItem::Wildcard(options) => {
                let outs = self.star(scope, None, options.wildcard_token.0.span);
                self.with_options(scope, outs, options)
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let outs = self.star(scope, Some(name), options.wildcard_token.0.span);
                self.with_options(scope, outs, options)
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expression), options) => {
                // (value).*: PostgreSQL lets it be a table's name
                if let Expr::Nested(inner) = expression
                    && let Expr::Identifier(table) = &**inner
                    && self.relation(scope, std::slice::from_ref(table)).is_some()
                {
                    let name = ObjectName::from(vec![table.clone()]);
                    return self.star(scope, Some(&name), options.wildcard_token.0.span);
                }
                self.say("the parts of a value are not known", expression.span(), "*");
                Vec::new()
            }
        }
    }

    /// All columns of a table here, or of all in the order in which `*` has them.
    fn star(&mut self, scope: &Scope<'_>, table: Option<&ObjectName>, at: Span) -> Vec<Out> {
        let mut outs = Vec::new();
        if let Some(name) = table {
            let parts = idents(name);
            let mut level = Some(scope);
            while let Some(own) = level {
                if let Some(named) = self.relation(own, &parts).and_then(|number| own.from.named.get(number)) {
                    let columns = Rc::clone(&named.columns);
                    match self.outs(&columns) {
                        Some(all) => outs.extend(all),
                        None => self.say("the columns of what is read here are not known", at, format!("{name}.*")),
                    }
                    self.read(&outs);
                    return outs;
                }
                level = own.parent;
            }
            self.say("no table of this name is read here", at, format!("{name}.*"));
            return outs;
        }
        for visible in &scope.from.visible {
            match visible {
                Visible::All(number) => {
                    let Some(named) = scope.from.named.get(*number) else { continue };
                    let columns = Rc::clone(&named.columns);
                    match (self.outs(&columns), &*columns) {
                        (Some(all), _) => outs.extend(all),
                        // a function that gives one column of its own name
                        (None, Columns::Open(deps)) => {
                            outs.push(Out { name: named.name.clone().unwrap_or_default(), deps: Rc::clone(deps) })
                        }
                        (None, _) => {
                            let text = named.name.as_ref().map_or_else(|| "*".to_owned(), |name| format!("{name}.*"));
                            self.say("the columns of what is read here are not known", at, text);
                        }
                    }
                }
                Visible::One(number, column) => {
                    let Some(named) = scope.from.named.get(*number) else { continue };
                    let columns = Rc::clone(&named.columns);
                    outs.extend(self.out_at(&columns, *column));
                }
                Visible::Merged { name, deps, .. } => outs.push(Out { name: name.clone(), deps: Rc::clone(deps) }),
            }
        }
        self.read(&outs);
        outs
    }

    fn read(&mut self, outs: &[Out]) {
        self.reads.extend(outs.iter().flat_map(|out| out.deps.iter().map(|dep| dep.source)));
    }

    pub(crate) fn out_at(&mut self, columns: &Columns, number: u32) -> Option<Out> {
        match columns {
            Columns::Table(table) => {
                Some(Out { name: self.column_name(*table, number), deps: self.column(*table, number) })
            }
            Columns::These(outs) => outs.get(number as usize).cloned(),
            Columns::Open(_) | Columns::Unknown => None,
        }
    }

    fn with_options(&mut self, scope: &Scope<'_>, mut outs: Vec<Out>, options: &WildcardAdditionalOptions) -> Vec<Out> {
        if let Some(exclude) = &options.opt_exclude {
            self.leave_out(&mut outs, &excluded(exclude));
        }
        if let Some(except) = &options.opt_except {
            let names: Vec<Ident> =
                std::iter::once(&except.first_element).chain(&except.additional_elements).cloned().collect();
            self.leave_out(&mut outs, &names);
        }
        if let Some(replace) = &options.opt_replace {
            for element in &replace.items {
                let deps = Rc::new(self.value(scope, &element.expr));
                let dialect = self.dialect;
                for out in outs.iter_mut().filter(|out| dialect.same(&element.column_name, &out.name)) {
                    out.deps = Rc::clone(&deps);
                }
            }
        }
        if let Some(rename) = &options.opt_rename {
            let pairs = match rename {
                RenameSelectItem::Single(one) => std::slice::from_ref(one),
                RenameSelectItem::Multiple(many) => many,
            };
            for pair in pairs {
                let (dialect, name) = (self.dialect, self.dialect.spelled(&pair.alias));
                for out in outs.iter_mut().filter(|out| dialect.same(&pair.ident, &out.name)) {
                    out.name.clone_from(&name);
                }
            }
        }
        if let Some(ilike) = &options.opt_ilike {
            outs.retain(|out| output::is_like(&out.name, &ilike.pattern));
        }
        outs
    }

    fn leave_out(&self, outs: &mut Vec<Out>, names: &[Ident]) {
        outs.retain(|out| !names.iter().any(|name| self.dialect.same(name, &out.name)));
    }

    /// One step of a query that goes on by `|>`.
    fn pipe(&mut self, relation: Relation, operator: &PipeOperator, outer: &Outer<'_>, is_seen: bool) -> Relation {
        let Some(mut outs) = self.outs(&relation.columns) else { return relation };
        let mut rows = Deps::clone(&relation.rows);
        let mut from = From::default();
        from.push(super::scope::Named {
            name: None,
            before: Vec::new(),
            columns: Rc::new(Columns::These(outs.clone())),
        });
        let windows: &[NamedWindowDefinition] = &[];
        let scope =
            Scope { parent: outer.scope, from: &from, aliases: &[], aliases_first: false, windows, with: outer.with };
        match operator {
            PipeOperator::Limit { .. } | PipeOperator::TableSample { .. } | PipeOperator::As { .. } => {}
            PipeOperator::Where { expr } => self.expression(&scope, expr, Use::deciding(Kind::Filter), &mut rows),
            PipeOperator::OrderBy { exprs } => {
                if is_seen {
                    for by in exprs {
                        self.expression(&scope, &by.expr, Use::deciding(Kind::Sort), &mut rows);
                    }
                }
            }
            PipeOperator::Select { exprs } => outs = self.projection(&scope, exprs, None),
            PipeOperator::Extend { exprs } => outs.extend(self.projection(&scope, exprs, None)),
            PipeOperator::Set { assignments } => {
                for assignment in assignments {
                    let deps = Rc::new(self.value(&scope, &assignment.value));
                    let dialect = self.dialect;
                    for name in super::statement::assigned(&assignment.target).iter().filter_map(|name| name.last()) {
                        for out in outs.iter_mut().filter(|out| dialect.same(name, &out.name)) {
                            out.deps = Rc::clone(&deps);
                        }
                    }
                }
            }
            PipeOperator::Drop { columns } => self.leave_out(&mut outs, columns),
            PipeOperator::Rename { mappings } => {
                for pair in mappings {
                    let (dialect, name) = (self.dialect, self.dialect.spelled(&pair.alias));
                    for out in outs.iter_mut().filter(|out| dialect.same(&pair.ident, &out.name)) {
                        out.name.clone_from(&name);
                    }
                }
            }
            PipeOperator::Aggregate { full_table_exprs, group_by_expr } => {
                let mut new = Vec::new();
                for (one, groups) in
                    group_by_expr.iter().map(|one| (one, true)).chain(full_table_exprs.iter().map(|one| (one, false)))
                {
                    let deps = self.value(&scope, &one.expr.expr);
                    if groups {
                        rows.take(&deps, Use::deciding(Kind::GroupBy));
                    }
                    let name = match &one.expr.alias {
                        Some(alias) => self.dialect.spelled(alias),
                        None => output::name(self.dialect, &one.expr.expr),
                    };
                    new.push(Out { name, deps: Rc::new(deps) });
                }
                outs = new;
            }
            PipeOperator::Union { set_quantifier, queries } => {
                return self.piped(relation, queries, SetOperator::Union, *set_quantifier, outer);
            }
            PipeOperator::Intersect { set_quantifier, queries } => {
                return self.piped(relation, queries, SetOperator::Intersect, *set_quantifier, outer);
            }
            PipeOperator::Except { set_quantifier, queries } => {
                return self.piped(relation, queries, SetOperator::Except, *set_quantifier, outer);
            }
            PipeOperator::Join(join) => {
                from.rows = rows;
                self.join(&mut from, join, outer);
                rows = std::mem::take(&mut from.rows);
                let scope = Scope {
                    parent: outer.scope,
                    from: &from,
                    aliases: &[],
                    aliases_first: false,
                    windows,
                    with: outer.with,
                };
                outs = self.star(&scope, None, Span::empty());
            }
            PipeOperator::Call { .. } | PipeOperator::Pivot { .. } | PipeOperator::Unpivot { .. } => {
                self.say("this step of a query is not read", Span::empty(), "|>");
            }
        }
        Relation { columns: Columns::These(outs), rows: Rc::new(rows) }
    }

    fn piped(
        &mut self,
        relation: Relation,
        queries: &[Query],
        operator: SetOperator,
        quantifier: SetQuantifier,
        outer: &Outer<'_>,
    ) -> Relation {
        queries.iter().fold(relation, |relation, query| {
            let right = self.query(query, outer);
            self.combined(relation, &right, operator, quantifier)
        })
    }
}

fn excluded(exclude: &ExcludeSelectItem) -> Vec<Ident> {
    let names = match exclude {
        ExcludeSelectItem::Single(name) => std::slice::from_ref(name),
        ExcludeSelectItem::Multiple(names) => names,
    };
    names.iter().filter_map(|name| idents(name).pop()).collect()
}

/// The place in the select list that a number means, from zero.
fn position(expression: &Expr) -> Option<usize> {
    let Expr::Value(value) = expression else { return None };
    let Value::Number(number, _) = &value.value else { return None };
    number.to_string().parse::<usize>().ok()?.checked_sub(1)
}
