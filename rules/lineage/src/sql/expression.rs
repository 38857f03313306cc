//! What a value is made from: a walk over an expression.

use super::functions;
use super::query::Outer;
use super::resolver::{Meaning, Resolver};
use super::scope::{Columns, Out, Scope};
use crate::deps::{Deps, Use};
use fieldmark_model::lineage::Kind;
use sqlparser::ast::{
    AccessExpr, CaseWhen, DictionaryField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, HavingBound, Ident, LambdaFunction, MapEntry, NamedWindowExpr, ObjectName, OneOrManyWithParens,
    OrderByExpr, Query, Subscript, WindowSpec, WindowType,
};
use std::rc::Rc;

/// What is still to be looked at: an expression, and how it takes part.
type Todo<'e> = Vec<(&'e Expr, Use)>;

impl Resolver<'_> {
    /// Adds what an expression is made from. An expression nests as deep as it likes: this is a loop.
    pub(crate) fn expression(&mut self, scope: &Scope<'_>, root: &Expr, used: Use, into: &mut Deps) {
        let mut todo: Todo<'_> = vec![(root, used)];
        let mut locals: Vec<&Ident> = Vec::new();
        while let Some((expression, used)) = todo.pop() {
            self.step(scope, expression, used, into, &mut todo, &mut locals);
        }
    }

    /// The value of an expression.
    pub(crate) fn value(&mut self, scope: &Scope<'_>, root: &Expr) -> Deps {
        let mut deps = Deps::default();
        self.expression(scope, root, Use::AS_IS, &mut deps);
        deps
    }

    fn name(&mut self, scope: &Scope<'_>, parts: &[Ident], used: Use, into: &mut Deps) {
        match self.meaning(scope, parts) {
            Meaning::Value(deps, kind) => into.take(&deps, used.within(kind)),
            Meaning::Nothing => {}
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each form of an expression")]
    fn step<'e>(
        &mut self,
        scope: &Scope<'_>,
        expression: &'e Expr,
        used: Use,
        into: &mut Deps,
        todo: &mut Todo<'e>,
        locals: &mut Vec<&'e Ident>,
    ) {
        let inside = used.within(Kind::Transformation);
        match expression {
            Expr::Identifier(name) => {
                if !locals.contains(&name) && !locals.iter().any(|local| local.value == name.value) {
                    self.name(scope, std::slice::from_ref(name), used, into);
                }
            }
            Expr::CompoundIdentifier(parts) => {
                let local = parts.first().is_some_and(|first| locals.iter().any(|local| local.value == first.value));
                if !local {
                    self.name(scope, parts, used, into);
                }
            }
            Expr::Nested(inner) | Expr::Collate { expr: inner, .. } | Expr::Prior(inner) | Expr::OuterJoin(inner) => {
                todo.push((inner, used));
            }
            Expr::Named { expr, .. } => todo.push((expr, used)),
            Expr::CompoundFieldAccess { root, access_chain } => {
                self.access(scope, root, access_chain, used, into, todo);
            }
            Expr::JsonAccess { value, .. } => todo.push((value, inside)),
            Expr::Cast { expr, data_type, .. } => {
                let kind = if self.is_of_type(scope, expr, &data_type.to_string()) { used } else { inside };
                todo.push((expr, kind));
            }
            Expr::Convert { expr, styles, .. } => {
                todo.push((expr, inside));
                todo.extend(styles.iter().map(|style| (style, inside)));
            }
            Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::IsNormalized { expr: inner, .. }
            | Expr::UnaryOp { expr: inner, .. }
            | Expr::Extract { expr: inner, .. }
            | Expr::Ceil { expr: inner, .. }
            | Expr::Floor { expr: inner, .. }
            | Expr::Prefixed { value: inner, .. } => todo.push((inner, inside)),
            Expr::IsDistinctFrom(left, right)
            | Expr::IsNotDistinctFrom(left, right)
            | Expr::BinaryOp { left, right, .. }
            | Expr::AnyOp { left, right, .. }
            | Expr::AllOp { left, right, .. }
            | Expr::Like { expr: left, pattern: right, .. }
            | Expr::ILike { expr: left, pattern: right, .. }
            | Expr::SimilarTo { expr: left, pattern: right, .. }
            | Expr::RLike { expr: left, pattern: right, .. }
            | Expr::AtTimeZone { timestamp: left, time_zone: right }
            | Expr::Position { expr: left, r#in: right }
            | Expr::InUnnest { expr: left, array_expr: right, .. } => {
                todo.push((right, inside));
                todo.push((left, inside));
            }
            Expr::MemberOf(member) => {
                todo.push((&member.array, inside));
                todo.push((&member.value, inside));
            }
            Expr::InList { expr, list, .. } => {
                todo.push((expr, inside));
                todo.extend(list.iter().map(|one| (one, inside)));
            }
            Expr::InSubquery { expr, subquery, .. } => {
                todo.push((expr, inside));
                self.subquery(scope, subquery, inside, into);
            }
            Expr::Between { expr, low, high, .. } => {
                todo.extend([(&**high, inside), (&**low, inside), (&**expr, inside)]);
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                todo.push((expr, inside));
                todo.extend(substring_from.iter().chain(substring_for).map(|part| (&**part, inside)));
            }
            Expr::Trim { trim_what, expr, trim_characters, .. } => {
                todo.push((expr, inside));
                todo.extend(trim_what.iter().map(|what| (&**what, inside)));
                todo.extend(trim_characters.iter().flatten().map(|what| (what, inside)));
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                todo.extend([(&**expr, inside), (&**overlay_what, inside), (&**overlay_from, inside)]);
                todo.extend(overlay_for.iter().map(|part| (&**part, inside)));
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let deciding = used.within(Kind::Conditional);
                todo.extend(operand.iter().map(|operand| (&**operand, deciding)));
                for CaseWhen { condition, result } in conditions {
                    todo.push((condition, deciding));
                    todo.push((result, inside));
                }
                todo.extend(else_result.iter().map(|result| (&**result, inside)));
            }
            Expr::Exists { subquery, .. } => self.existence(scope, subquery, used, into),
            Expr::Subquery(subquery) => self.subquery(scope, subquery, used, into),
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                todo.extend(sets.iter().flatten().map(|one| (one, inside)));
            }
            Expr::Tuple(values) | Expr::Struct { values, .. } => {
                todo.extend(values.iter().map(|value| (value, inside)));
            }
            Expr::Dictionary(fields) => {
                todo.extend(fields.iter().map(|DictionaryField { value, .. }| (&**value, inside)));
            }
            Expr::Map(map) => {
                for MapEntry { key, value } in &map.entries {
                    todo.push((key, inside));
                    todo.push((value, inside));
                }
            }
            Expr::Array(array) => todo.extend(array.elem.iter().map(|element| (element, inside))),
            Expr::Interval(interval) => todo.push((&interval.value, inside)),
            Expr::MatchAgainst { columns, .. } => {
                for column in columns {
                    self.name(scope, &super::resolver::idents(column), inside, into);
                }
            }
            Expr::Function(function) => self.function(scope, function, used, into, todo),
            Expr::Lambda(lambda) => lambda_of(lambda, inside, todo, locals),
            Expr::QualifiedWildcard(name, _) => self.all_of(scope, Some(name), inside, into),
            Expr::Wildcard(_) => self.all_of(scope, None, inside, into),
            Expr::Value(_) | Expr::TypedString(_) => {}
        }
    }

    /// `(value).field`, `value[index]`, and what a parser takes for one of them: `table.column[index]`.
    fn access<'e>(
        &mut self,
        scope: &Scope<'_>,
        root: &'e Expr,
        chain: &'e [AccessExpr],
        used: Use,
        into: &mut Deps,
        todo: &mut Todo<'e>,
    ) {
        let inside = used.within(Kind::Transformation);
        // a name, as far as it goes
        let mut parts: Vec<Ident> = match root {
            Expr::Identifier(name) => vec![name.clone()],
            Expr::CompoundIdentifier(parts) => parts.clone(),
            _ => Vec::new(),
        };
        let named = !parts.is_empty();
        let mut rest = chain.iter().peekable();
        if named {
            while let Some(AccessExpr::Dot(Expr::Identifier(name))) = rest.peek() {
                parts.push(name.clone());
                rest.next();
            }
        }
        if named {
            self.name(scope, &parts, if rest.peek().is_some() { inside } else { used }, into);
        } else if let Some((table, name)) = whole_name(root, chain).filter(|(table, _)| self.is_relation(scope, table))
        {
            // (table).column
            self.name(scope, &[table, name], used, into);
        } else {
            todo.push((root, inside));
        }
        for access in rest {
            match access {
                AccessExpr::Dot(Expr::Identifier(_)) => {}
                AccessExpr::Dot(field) => todo.push((field, inside)),
                AccessExpr::Subscript(Subscript::Index { index }) => todo.push((index, inside)),
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                    let bounds = lower_bound.iter().chain(upper_bound).chain(stride);
                    todo.extend(bounds.map(|bound| (bound, inside)));
                }
            }
        }
    }

    fn is_relation(&self, scope: &Scope<'_>, name: &Ident) -> bool {
        let mut level = Some(scope);
        while let Some(own) = level {
            if self.relation(own, std::slice::from_ref(name)).is_some() {
                return true;
            }
            level = own.parent;
        }
        false
    }

    fn function<'e>(
        &mut self,
        scope: &Scope<'_>,
        function: &'e Function,
        used: Use,
        into: &mut Deps,
        todo: &mut Todo<'e>,
    ) {
        let name = function_name(&function.name);
        let arguments: &[FunctionArg] = match &function.args {
            FunctionArguments::List(list) => &list.args,
            FunctionArguments::None | FunctionArguments::Subquery(_) => &[],
        };
        // MySQL: the value that was to be inserted
        if name == "values"
            && self.dialect.is_mysql()
            && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(column)))] = arguments
        {
            let excluded = Ident::new("excluded");
            self.name(scope, &[excluded, column.clone()], used, into);
            return;
        }
        let aggregates = functions::is_aggregate(&name, arguments.len(), self.dialect == super::Dialect::Sqlite);
        let kind = if aggregates { Kind::Aggregation } else { Kind::Transformation };
        let mut inside = used.within(kind);
        if functions::is_masking(&name) {
            inside = inside.masked();
        }
        match &function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(query) => self.subquery(scope, query, inside, into),
            FunctionArguments::List(list) => {
                for (number, argument) in list.args.iter().enumerate() {
                    let own = if number == 0 && functions::decides_by_first(&name) {
                        used.within(Kind::Conditional)
                    } else if matches!(name.as_str(), "grouping" | "grouping_id") {
                        // which of the groups it is of, which groups decide
                        used.within(Kind::GroupBy)
                    } else {
                        inside
                    };
                    self.argument(scope, argument, &name, own, into, todo);
                }
                for clause in &list.clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(order) => sort(order, used, todo),
                        FunctionArgumentClause::Limit(limit) => todo.push((limit, inside)),
                        FunctionArgumentClause::Having(HavingBound(_, by)) => {
                            todo.push((by, used.within(Kind::Conditional)));
                        }
                        FunctionArgumentClause::IgnoreOrRespectNulls(_)
                        | FunctionArgumentClause::OnOverflow(_)
                        | FunctionArgumentClause::Separator(_)
                        | FunctionArgumentClause::JsonNullClause(_)
                        | FunctionArgumentClause::JsonReturningClause(_) => {}
                    }
                }
            }
        }
        if let FunctionArguments::List(list) = &function.parameters {
            for argument in &list.args {
                self.argument(scope, argument, &name, inside, into, todo);
            }
        }
        todo.extend(function.filter.iter().map(|filter| (&**filter, used.within(Kind::Filter))));
        if functions::is_ordered_set(&name) {
            todo.extend(function.within_group.iter().map(|by| (&by.expr, inside)));
        } else {
            sort(&function.within_group, used, todo);
        }
        match &function.over {
            None => {}
            Some(WindowType::WindowSpec(spec)) => {
                let mut deps = Deps::default();
                self.window(scope, spec, &mut deps);
                into.take(&deps, used);
            }
            Some(WindowType::NamedWindow(name)) => {
                let mut deps = Deps::default();
                self.named_window(scope, name, &mut deps);
                into.take(&deps, used);
            }
        }
    }

    fn argument<'e>(
        &mut self,
        scope: &Scope<'_>,
        argument: &'e FunctionArg,
        name: &str,
        used: Use,
        into: &mut Deps,
        todo: &mut Todo<'e>,
    ) {
        let (FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } | FunctionArg::Unnamed(arg)) =
            argument;
        match arg {
            FunctionArgExpr::Expr(expression) => todo.push((expression, used)),
            FunctionArgExpr::QualifiedWildcard(table) => {
                if name != "count" {
                    self.all_of(scope, Some(table), used, into);
                }
            }
            // count(*) is of rows
            FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_) => {
                if name != "count" {
                    self.all_of(scope, None, used, into);
                }
            }
        }
    }

    /// What decides over which rows a window function goes.
    fn window(&mut self, scope: &Scope<'_>, spec: &WindowSpec, into: &mut Deps) {
        if let Some(name) = &spec.window_name {
            self.named_window(scope, name, into);
        }
        let order = spec.order_by.iter().map(|by| &by.expr);
        for key in spec.partition_by.iter().chain(order) {
            self.expression(scope, key, Use::deciding(Kind::Window), into);
        }
    }

    fn named_window(&mut self, scope: &Scope<'_>, name: &Ident, into: &mut Deps) {
        let same = |one: &Ident| self.dialect.same(name, &one.value);
        let Some(definition) = scope.windows.iter().find(|definition| same(&definition.0)) else {
            self.say("no window of this name is defined here", name.span, &name.value);
            return;
        };
        match &definition.1 {
            // one that is defined by itself is none
            NamedWindowExpr::NamedWindow(other) if !same(other) => {
                let windows = scope.windows;
                let rest = windows.iter().position(|one| one.0 == definition.0).unwrap_or(0);
                let fewer = Scope { windows: windows.get(..rest).unwrap_or(&[]), ..*scope };
                self.named_window(&fewer, &other.clone(), into);
            }
            NamedWindowExpr::NamedWindow(_) => {}
            NamedWindowExpr::WindowSpec(spec) => {
                let windows = scope.windows;
                let rest = windows.iter().position(|one| one.0 == definition.0).unwrap_or(0);
                let fewer = Scope { windows: windows.get(..rest).unwrap_or(&[]), ..*scope };
                self.window(&fewer, spec, into);
            }
        }
    }

    /// A query as a value: its first column, in rows that others decide.
    fn subquery(&mut self, scope: &Scope<'_>, query: &Query, used: Use, into: &mut Deps) {
        let relation = self.query(query, &Outer { scope: Some(scope), with: scope.with });
        into.take(&relation.rows, used);
        match &relation.columns {
            Columns::These(outs) => outs.iter().for_each(|Out { deps, .. }| into.take(deps, used)),
            Columns::Open(deps) => into.take(deps, used),
            Columns::Table(_) | Columns::Unknown => {
                if let Some(outs) = self.outs(&relation.columns) {
                    outs.iter().for_each(|Out { deps, .. }| into.take(deps, used));
                }
            }
        }
    }

    /// Whether a query gives any row: what it selects does not matter.
    fn existence(&mut self, scope: &Scope<'_>, query: &Query, used: Use, into: &mut Deps) {
        let relation = self.query(query, &Outer { scope: Some(scope), with: scope.with });
        into.take(&relation.rows, used);
    }

    /// All columns of one table here, or of all.
    fn all_of(&mut self, scope: &Scope<'_>, table: Option<&ObjectName>, used: Use, into: &mut Deps) {
        let idents = table.map(super::resolver::idents).unwrap_or_default();
        let all: Vec<Rc<Columns>> = match table {
            Some(_) => {
                let at = self.relation(scope, &idents);
                at.and_then(|at| scope.from.named.get(at)).map(|named| Rc::clone(&named.columns)).into_iter().collect()
            }
            None => scope.from.named.iter().map(|named| Rc::clone(&named.columns)).collect(),
        };
        for columns in all {
            match self.outs(&columns) {
                Some(outs) => {
                    for out in outs {
                        self.reads.extend(out.deps.iter().map(|dep| dep.source));
                        into.take(&out.deps, used);
                    }
                }
                None => {
                    let span = idents.first().map_or_else(sqlparser::tokenizer::Span::empty, |first| first.span);
                    self.say("the columns of what is read here are not known", span, "*");
                }
            }
        }
    }

    /// Whether an expression is a column of just this type: a cast that changes nothing.
    fn is_of_type(&mut self, scope: &Scope<'_>, expression: &Expr, wanted: &str) -> bool {
        let parts: &[Ident] = match expression {
            Expr::Identifier(name) => std::slice::from_ref(name),
            Expr::CompoundIdentifier(parts) => parts,
            _ => return false,
        };
        let Meaning::Value(deps, Kind::Identity) = self.meaning(scope, parts) else { return false };
        let mut deps = deps.iter();
        let (Some(dep), None) = (deps.next(), deps.next()) else { return false };
        dep.kind == Kind::Identity
            && self.declared(dep.source).is_some_and(|declared| type_name(declared) == type_name(wanted))
    }
}

/// A type's name as all spell it.
fn type_name(spelled: &str) -> String {
    let lower = spelled.to_ascii_lowercase().replace(' ', "");
    let (name, rest) = lower.split_once('(').map_or((lower.as_str(), ""), |(name, rest)| (name, rest));
    let name = match name {
        "int" | "int4" | "integer" => "integer",
        "int8" | "bigint" => "bigint",
        "int2" | "smallint" => "smallint",
        "bool" | "boolean" => "boolean",
        "decimal" | "dec" | "numeric" => "numeric",
        "charactervarying" | "varchar" => "varchar",
        "character" | "char" | "bpchar" => "char",
        "float8" | "doubleprecision" | "double" => "double",
        "float4" | "real" => "real",
        "timestamptz" | "timestampwithtimezone" => "timestamptz",
        "timestamp" | "timestampwithouttimezone" => "timestamp",
        other => other,
    };
    format!("{name}({rest}")
}

/// `(table).column`: brackets that a parser takes for a value.
fn whole_name(root: &Expr, chain: &[AccessExpr]) -> Option<(Ident, Ident)> {
    let Expr::Nested(inner) = root else { return None };
    let (Expr::Identifier(table), [AccessExpr::Dot(Expr::Identifier(name))]) = (&**inner, chain) else { return None };
    Some((table.clone(), name.clone()))
}

fn sort<'e>(order: &'e [OrderByExpr], used: Use, todo: &mut Todo<'e>) {
    todo.extend(order.iter().map(|by| (&by.expr, used.within(Kind::Sort))));
}

fn lambda_of<'e>(lambda: &'e LambdaFunction, used: Use, todo: &mut Todo<'e>, locals: &mut Vec<&'e Ident>) {
    match &lambda.params {
        OneOrManyWithParens::One(one) => locals.push(&one.name),
        OneOrManyWithParens::Many(many) => locals.extend(many.iter().map(|one| &one.name)),
    }
    todo.push((&lambda.body, used));
}

/// A function's name without its schema, in small letters.
pub(crate) fn function_name(name: &ObjectName) -> String {
    super::resolver::idents(name).last().map(|ident| ident.value.to_ascii_lowercase()).unwrap_or_default()
}
