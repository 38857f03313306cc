//! The names of columns that nobody has named, as each database gives them.

use super::dialect::Dialect;
use super::expression::function_name;
use super::resolver::idents;
use sqlparser::ast::{
    AccessExpr, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, SelectItem, SetExpr,
};

/// The name of an expression in a select list.
pub(crate) fn name(dialect: Dialect, expression: &Expr) -> String {
    if let Some(name) = of_column(dialect, expression) {
        return name;
    }
    match dialect {
        Dialect::Postgres => of_postgres(expression).0,
        Dialect::Mysql | Dialect::Mariadb | Dialect::Sqlite | Dialect::Datafusion | Dialect::Other(_) => {
            of_others(dialect, expression)
        }
    }
}

fn of_column(dialect: Dialect, expression: &Expr) -> Option<String> {
    match expression {
        Expr::Identifier(name) => Some(dialect.spelled(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| dialect.spelled(name)),
        Expr::Nested(inner) => of_column(dialect, inner),
        Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last()? {
            AccessExpr::Dot(Expr::Identifier(name)) => Some(dialect.spelled(name)),
            AccessExpr::Dot(_) | AccessExpr::Subscript(_) => None,
        },
        _ => None,
    }
}

/// As PostgreSQL names it, and how good a name that is: 2 a name of its own, 1 one for want of a better, 0 none
/// (`FigureColnameInternal` of its parser).
fn of_postgres(expression: &Expr) -> (String, u8) {
    let (word, strength) = match expression {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
            return of_column(Dialect::Postgres, expression).map_or_else(unnamed, |name| (name, 2));
        }
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => return of_postgres(inner),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                AccessExpr::Dot(Expr::Identifier(name)) => Some(Dialect::Postgres.spelled(name)),
                AccessExpr::Dot(_) | AccessExpr::Subscript(_) => None,
            });
            return field.map_or_else(|| of_postgres(root), |field| (field, 2));
        }
        Expr::Function(function) => (function_name(&function.name), 2),
        Expr::Cast { expr, data_type, kind, .. } => {
            let (name, strength) = of_postgres(expr);
            if strength > 1 {
                return (name, strength);
            }
            debug_assert!(matches!(
                kind,
                CastKind::Cast | CastKind::DoubleColon | CastKind::TryCast | CastKind::SafeCast
            ));
            (postgres_type(data_type), 1)
        }
        Expr::Case { else_result, .. } => {
            let (name, strength) = else_result.as_deref().map_or_else(unnamed, of_postgres);
            if strength > 1 {
                return (name, strength);
            }
            ("case".to_owned(), 1)
        }
        Expr::Exists { .. } => ("exists".to_owned(), 2),
        Expr::Subquery(query) => {
            let mut body = &*query.body;
            while let SetExpr::SetOperation { left, .. } = body {
                body = left;
            }
            let SetExpr::Select(select) = body else { return unnamed() };
            return match select.projection.first() {
                Some(SelectItem::UnnamedExpr(inner)) => of_postgres(inner),
                Some(SelectItem::ExprWithAlias { alias, .. }) => (Dialect::Postgres.spelled(alias), 2),
                Some(_) | None => unnamed(),
            };
        }
        Expr::Array(_) => ("array".to_owned(), 2),
        Expr::Tuple(_) => ("row".to_owned(), 2),
        Expr::Substring { .. } => ("substring".to_owned(), 2),
        Expr::Trim { trim_where, .. } => (
            match trim_where {
                Some(sqlparser::ast::TrimWhereField::Leading) => "ltrim",
                Some(sqlparser::ast::TrimWhereField::Trailing) => "rtrim",
                Some(sqlparser::ast::TrimWhereField::Both) | None => "btrim",
            }
            .to_owned(),
            2,
        ),
        Expr::Position { .. } => ("position".to_owned(), 2),
        Expr::Overlay { .. } => ("overlay".to_owned(), 2),
        Expr::Extract { .. } => ("extract".to_owned(), 2),
        Expr::Ceil { .. } => ("ceil".to_owned(), 2),
        Expr::Floor { .. } => ("floor".to_owned(), 2),
        Expr::AtTimeZone { .. } => ("timezone".to_owned(), 2),
        Expr::Interval(_) => ("interval".to_owned(), 1),
        Expr::TypedString(typed) => (postgres_type(&typed.data_type), 1),
        _ => return unnamed(),
    };
    (word, strength)
}

fn unnamed() -> (String, u8) {
    ("?column?".to_owned(), 0)
}

fn postgres_type(data_type: &DataType) -> String {
    let spelled = data_type.to_string().to_ascii_lowercase();
    let bare = spelled.split('(').next().unwrap_or(&spelled).trim_end_matches("[]").trim();
    match bare {
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "boolean" => "bool",
        "decimal" | "dec" => "numeric",
        "character varying" | "char varying" => "varchar",
        "char" | "character" => "bpchar",
        "double precision" | "float" | "double" => "float8",
        "real" => "float4",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "time with time zone" => "timetz",
        "time without time zone" => "time",
        other => other.rsplit('.').next().unwrap_or(other),
    }
    .to_owned()
}

/// What the others show: the text of the expression, or the function's name where that is the custom.
fn of_others(dialect: Dialect, expression: &Expr) -> String {
    use super::dialect::Nearest;
    if let Dialect::Other(Nearest::Redshift) = dialect {
        return of_postgres(expression).0;
    }
    expression.to_string()
}

/// The name of a column of VALUES.
pub(crate) fn of_values(dialect: Dialect, number: usize) -> String {
    match dialect {
        Dialect::Mysql | Dialect::Mariadb => format!("column_{number}"),
        Dialect::Postgres | Dialect::Sqlite | Dialect::Datafusion | Dialect::Other(_) => {
            format!("column{}", number + 1)
        }
    }
}

/// Whether an expression is an aggregate of no column: `count(*)`.
pub(crate) fn counts_rows(expression: &Expr) -> bool {
    let Expr::Function(function) = expression else { return false };
    let FunctionArguments::List(list) = &function.args else { return false };
    idents(&function.name).last().is_some_and(|name| name.value.eq_ignore_ascii_case("count"))
        && list.args.iter().all(|argument| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Wildcard)))
}

/// Whether a name fits a pattern of ILIKE.
pub(crate) fn is_like(name: &str, pattern: &str) -> bool {
    let small = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
    let (name, pattern) = (small(name), small(pattern));
    // where the last `%` was, and how far the name was then: from there it is tried again
    let (mut at, mut of, mut again) = (0, 0, None);
    while let Some(letter) = name.get(at) {
        match pattern.get(of) {
            Some('%') => {
                of += 1;
                again = Some((at, of));
            }
            Some(own) if own == letter || *own == '_' => {
                at += 1;
                of += 1;
            }
            Some(_) | None => match &mut again {
                Some((from, after)) => {
                    *from += 1;
                    (at, of) = (*from, *after);
                }
                None => return false,
            },
        }
    }
    pattern.get(of..).is_some_and(|rest| rest.iter().all(|letter| *letter == '%'))
}
