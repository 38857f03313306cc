//! From an expression's text to a compiled condition, with problems that say what, why and what would be allowed.

use super::functions::Functions;
use super::syntax::Parsed;
use arrow::datatypes::{DataType, Schema};
use chrono::{DateTime, Utc};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema, DataFusionError, ExprSchema, SchemaError, config::ConfigOptions};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::simplify::SimplifyContext;
use datafusion_expr::{Expr, ExprSchemable, Operator, Volatility};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;
use datafusion_physical_expr::expressions::BinaryExpr;
use datafusion_physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion_sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use fieldmark_document::{Placed, Problem, listed, nearest, shown, visible};
use fieldmark_model::NotEvaluated;
use fieldmark_model::chunk::CANONICAL_TEXT;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Deepest nesting of an expression.
pub(super) const MAX_DEPTH: usize = 64;

/// What is wrong with an expression. Never holds a row's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionProblem {
    /// What is wrong.
    pub what: String,
    /// What would be allowed, or the nearest spelling.
    pub help: Option<String>,
    /// How an outcome calls it.
    pub why: NotEvaluated,
    /// The part of the expression that is wrong, in bytes; `None`: all of it.
    pub at: Option<Range<usize>>,
}

impl ExpressionProblem {
    pub(super) fn new(why: NotEvaluated, what: impl Into<String>) -> Self {
        Self { what: visible(what), help: None, why, at: None }
    }
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(visible(help));
        self
    }
    pub(super) fn at(mut self, at: Option<Range<usize>>) -> Self {
        self.at = at;
        self
    }

    /// The same as a problem of the rule file, where the expression is wrong.
    pub fn placed(self, expression: &Placed<String>) -> Problem {
        let place = match self.at {
            Some(at) => expression.place.within(&expression.value, at),
            None => expression.place.clone(),
        };
        let problem = Problem::new(self.what, &place).value(shown(&expression.value));
        let about = "one SQL boolean expression over the row's columns".to_owned();
        match self.help.or((self.why == NotEvaluated::TypeMismatch).then_some(about)) {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

impl fmt::Display for ExpressionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// The columns that an expression may name.
#[derive(Clone, Debug)]
pub struct Names {
    schema: DFSchema,
}

impl Names {
    /// The columns of one table.
    ///
    /// # Errors
    /// Two columns of the same name.
    pub fn of_table(schema: &Schema) -> Result<Self, ExpressionProblem> {
        DFSchema::try_from(schema.clone()).map(|schema| Self { schema }).map_err(|_| two_of_a_name())
    }

    /// The columns of a row before (`before.a`) and after (`after.a`).
    ///
    /// # Errors
    /// Two columns of the same name on one side.
    pub fn before_and_after(before: &Schema, after: &Schema) -> Result<Self, ExpressionProblem> {
        let side = |name: &'static str, schema: &Schema| DFSchema::try_from_qualified_schema(name, schema);
        let joined = side("before", before).and_then(|left| side("after", after).and_then(|right| left.join(&right)));
        joined.map(|schema| Self { schema }).map_err(|_| two_of_a_name())
    }

    pub(crate) fn schema(&self) -> &DFSchema {
        &self.schema
    }

    /// The name of the only column that differs from this one in case alone; `None` for a column's own name.
    fn spelled(&self, name: &str) -> Option<String> {
        let fields = || self.schema.fields().iter().map(|field| field.name());
        if fields().any(|field| field == name) {
            return None;
        }
        let mut alike = fields().filter(|field| field.to_lowercase() == name.to_lowercase());
        let first = alike.next()?;
        alike.all(|other| other == first).then(|| first.clone())
    }
}

fn two_of_a_name() -> ExpressionProblem {
    ExpressionProblem::new(NotEvaluated::TypeMismatch, "two columns have the same name")
}

/// The names of the functions that an expression may call, sorted.
pub fn functions() -> Vec<&'static str> {
    known_functions().names().collect()
}

fn known_functions() -> &'static Functions {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    FUNCTIONS.get_or_init(Functions::new)
}

/// Checks an expression against the columns it may name and says which of them it reads (by qualifier and name).
///
/// # Errors
/// What is wrong with it: syntax, an unknown column or function, something that is not about one row, no boolean.
pub fn check_expression(text: &str, names: &Names) -> Result<Vec<(Option<String>, String)>, ExpressionProblem> {
    let planned = plan(text, names)?;
    // compiling finds what only type coercion sees; the time does not matter here
    compile_expr(planned.clone(), names, DateTime::UNIX_EPOCH)?;
    let mut read: Vec<(Option<String>, String)> = planned
        .column_refs()
        .into_iter()
        .map(|column| (column.relation.as_ref().map(ToString::to_string), column.name.clone()))
        .collect();
    read.sort();
    Ok(read)
}

/// Whether an expression reads the time of the run; false for one that [`check_expression`] refuses.
pub fn reads_time(text: &str, names: &Names) -> bool {
    let of_clock = |node: &Expr| {
        let Expr::ScalarFunction(call) = node else { return false };
        // of the functions that are allowed those of the clock alone are no more than stable
        call.func.signature().volatility == Volatility::Stable
    };
    plan(text, names).is_ok_and(|planned| planned.exists(|node| Ok(of_clock(node))).unwrap_or(false))
}

/// Compiles an expression's text.
pub(crate) fn compile_text(
    text: &str,
    names: &Names,
    now: DateTime<Utc>,
) -> Result<Arc<dyn PhysicalExpr>, ExpressionProblem> {
    compile_expr(plan(text, names)?, names, now)
}

/// Compiles a planned expression: coerced, simplified with the run's time for `now()`, made physical.
pub(crate) fn compile_expr(
    expr: Expr,
    names: &Names,
    now: DateTime<Utc>,
) -> Result<Arc<dyn PhysicalExpr>, ExpressionProblem> {
    let schema = names.schema();
    let mismatch = |error: DataFusionError| ExpressionProblem::new(NotEvaluated::TypeMismatch, plain_words(&error));
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::new(ConfigOptions::default()))
        .with_query_execution_start_time(Some(now))
        .build();
    let simplifier = ExprSimplifier::new(context);
    let coerced = simplifier.coerce(expr, schema).map_err(mismatch)?;
    // an error while a constant is folded (1 / 0) is the row's error when it comes to that row
    let simplified = simplifier.simplify(coerced.clone()).unwrap_or(coerced);
    let mut properties = ExecutionProps::new();
    properties.query_execution_start_time = Some(now);
    let physical = create_physical_expr(&simplified, schema, &properties, &PhysicalPlanningContext::default())
        .map_err(mismatch)?;
    // a sum that does not fit its type is an error of that row, never a wrapped number
    let checked = physical.transform_up(|node| {
        Ok(match node.downcast_ref::<BinaryExpr>() {
            Some(binary) => {
                Transformed::yes(Arc::new(binary.clone().with_fail_on_overflow(true)) as Arc<dyn PhysicalExpr>)
            }
            None => Transformed::no(node),
        })
    });
    checked.map(|checked| checked.data).map_err(mismatch)
}

fn plan(text: &str, names: &Names) -> Result<Expr, ExpressionProblem> {
    let parsed = Parsed::of(text, |name| names.spelled(name))?;
    let options = ParserOptions {
        parse_float_as_decimal: true,
        enable_ident_normalization: false,
        map_string_types_to_utf8view: false,
        ..ParserOptions::new()
    };
    let planner = SqlToRel::new_with_options(known_functions(), options);
    let planned = planner
        .sql_to_expr(parsed.expr.clone(), names.schema(), &mut PlannerContext::new())
        .map_err(|error| not_planned(&error, names, &parsed))?;
    walk(&planned, names, &parsed)?;
    let data_type = planned
        .get_type(names.schema())
        .map_err(|error| ExpressionProblem::new(NotEvaluated::TypeMismatch, plain_words(&error)))?;
    if !matches!(data_type, DataType::Boolean | DataType::Null) {
        let what = format!("the expression gives {} and not true or false", plain_types(&data_type.to_string()));
        return Err(ExpressionProblem::new(NotEvaluated::TypeMismatch, what));
    }
    Ok(planned)
}

/// What an expression over one row has none of.
const BEYOND_THE_ROW: &str = "no subquery, aggregate, window, parameter or table";

fn not_planned(error: &DataFusionError, names: &Names, parsed: &Parsed<'_>) -> ExpressionProblem {
    if let DataFusionError::SchemaError(schema, _) = error.find_root()
        && let SchemaError::FieldNotFound { field, .. } = schema.as_ref()
    {
        return no_column(field, names, parsed);
    }
    let words = plain_words(error);
    let mismatch = |what: String| ExpressionProblem::new(NotEvaluated::TypeMismatch, what);
    if let Some(name) = words.strip_prefix("Invalid function '").and_then(|rest| rest.split('\'').next()) {
        let problem = mismatch(format!("there is no function {} for a row", shown(name))).at(parsed.word(name));
        return match nearest(name, known_functions().names()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("no aggregate, window, random or clock function but now()"),
        };
    }
    if words.starts_with("No functions registered") {
        return mismatch("the expression is not about one row alone".to_owned()).help(BEYOND_THE_ROW);
    }
    if words.starts_with("a row's expression reads no table") {
        return mismatch(words).help(BEYOND_THE_ROW);
    }
    mismatch(words)
}

fn no_column(field: &Column, names: &Names, parsed: &Parsed<'_>) -> ExpressionProblem {
    let name = field.flat_name();
    let spelled: Vec<String> = (names.schema().iter())
        .map(|(side, field)| match side {
            Some(side) => format!("{side}.{}", field.name()),
            None => field.name().clone(),
        })
        .collect();
    let candidates = || spelled.iter().map(String::as_str);
    // of `orders.status` the second part may be a column
    let near = nearest(&name, candidates()).or_else(|| field.relation.as_ref().and(nearest(&field.name, candidates())));
    let mut help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("columns: {}", listed(&spelled)),
    };
    let side = field.relation.as_ref().map(ToString::to_string);
    let of_a_table = names.schema().iter().all(|(side, _)| side.is_none());
    if of_a_table && side.as_deref().is_some_and(|side| matches!(side, "before" | "after")) {
        help.push_str("; `before.` and `after.` belong to `across_migrations`");
    }
    let place = parsed.name(side.as_deref(), &field.name);
    if place.as_ref().is_some_and(|place| place.quoted) {
        help.push_str("; text stands in single quotes");
    }
    ExpressionProblem::new(NotEvaluated::ColumnMissing, format!("there is no column {}", shown(&name)))
        .help(help)
        .at(place.map(|place| place.at))
}

fn compares(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    [Eq, NotEq, Lt, LtEq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom].contains(&operator)
}

/// A column of text compared with a number: every row of it would be an error, or be compared otherwise than the database does.
fn unlike(column: &Expr, value: &Expr, names: &Names) -> Option<ExpressionProblem> {
    let (Expr::Column(column), Expr::Literal(literal, _)) = (column, value) else { return None };
    let field = names.schema().field_from_column(column).ok()?;
    let text = matches!(field.data_type(), DataType::Utf8) && !field.metadata().contains_key(CANONICAL_TEXT);
    let number = literal.data_type().is_numeric() || literal.data_type() == DataType::Boolean;
    (text && number).then(|| {
        let what = format!("column `{}` is text, and is compared with {literal}", column.name);
        ExpressionProblem::new(NotEvaluated::TypeMismatch, what).help("write the value as text, in single quotes")
    })
}

/// The allow-list: what an expression over one row may be made of.
#[expect(clippy::wildcard_enum_match_arm, reason = "an allow-list: what a later DataFusion adds is refused")]
fn walk(expr: &Expr, names: &Names, parsed: &Parsed<'_>) -> Result<(), ExpressionProblem> {
    let mut refused = None;
    let mut depth = 0usize;
    measure(expr, 1, &mut depth);
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    let visited = expr.apply(|node| {
        let problem = match node {
            Expr::Column(column) => names.schema().field_from_column(column).ok().and_then(|field| {
                field.metadata().contains_key(CANONICAL_TEXT).then(|| {
                    ExpressionProblem::new(
                        NotEvaluated::TypeMismatch,
                        format!(
                            "column `{}` has type {}, which has no Arrow type to calculate with",
                            column.name,
                            field.metadata().get(fieldmark_model::chunk::DECLARED_TYPE).map_or("", String::as_str)
                        ),
                    )
                    .help("declare it with precision and scale, or use in_range, in_set or matches")
                    .at(parsed.word(&column.name))
                })
            }),
            Expr::BinaryExpr(binary) if compares(binary.op) => {
                unlike(&binary.left, &binary.right, names).or_else(|| unlike(&binary.right, &binary.left, names))
            }
            Expr::InList(list) => list.list.iter().find_map(|value| unlike(&list.expr, value, names)),
            Expr::Between(between) => {
                [&between.low, &between.high].into_iter().find_map(|value| unlike(&between.expr, value, names))
            }
            Expr::Alias(_)
            | Expr::Literal(..)
            | Expr::BinaryExpr(_)
            | Expr::Like(_)
            | Expr::Not(_)
            | Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Negative(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::ScalarFunction(_) => None,
            // DataFusion takes its pattern for a regular expression
            Expr::SimilarTo(_) => Some(
                ExpressionProblem::new(NotEvaluated::TypeMismatch, "SIMILAR TO is not evaluated as databases do")
                    .help("use LIKE, or ~ with a regular expression"),
            ),
            _ => Some(
                ExpressionProblem::new(NotEvaluated::TypeMismatch, "the expression is not about one row alone")
                    .help(BEYOND_THE_ROW),
            ),
        };
        Ok(match problem {
            Some(problem) => {
                refused = Some(problem);
                TreeNodeRecursion::Stop
            }
            None => TreeNodeRecursion::Continue,
        })
    });
    match (visited, refused) {
        (_, Some(problem)) => Err(problem),
        (Err(error), None) => Err(ExpressionProblem::new(NotEvaluated::TypeMismatch, plain_words(&error))),
        (Ok(_), None) => Ok(()),
    }
}

/// The problem of an expression that is nested deeper than any person reads.
pub(super) fn too_deep() -> ExpressionProblem {
    let what = format!("the expression is nested too deep; {MAX_DEPTH} levels are allowed");
    ExpressionProblem::new(NotEvaluated::TypeMismatch, what).help("shorten it, or make it several rules")
}

fn measure(expr: &Expr, level: usize, deepest: &mut usize) {
    *deepest = (*deepest).max(level);
    if level > MAX_DEPTH {
        return;
    }
    // the visitor's only error would be ours, and it returns none
    expr.apply_children(|child| {
        measure(child, level + 1, deepest);
        Ok(TreeNodeRecursion::Continue)
    })
    .ok();
}

/// DataFusion's message in the words of whoever writes rules: without its prefixes, its inner names and its advice to file a bug.
pub(super) fn plain_words(error: &DataFusionError) -> String {
    /// What its planner says of what it does not know, and what is to be said.
    const UNKNOWN: [(&str, &str); 6] = [
        ("Unsupported binary operator", "this operator is not evaluated in an expression"),
        ("Unsupported SQL unary operator", "this operator is not evaluated in an expression"),
        ("No infix parser for token", "this operator is not evaluated in an expression"),
        ("Could not plan array literal", "arrays are not evaluated in an expression"),
        ("GetFieldAccess not supported", "parts of values are not evaluated in an expression"),
        ("Unsupported ast node", "this form is not evaluated in an expression"),
    ];
    let root = error.find_root();
    let text = if let DataFusionError::SQL(error, _) = root { error.to_string() } else { root.message().into_owned() };
    let mut words = text.as_str();
    for end in ["\n\nbacktrace", "\nThis issue was likely caused by a bug", " No function matches the given name"] {
        words = words.split(end).next().unwrap_or(words);
    }
    let words = words.trim().trim_start_matches("sql parser error: ").trim_end_matches('.');
    match UNKNOWN.iter().find(|(beginning, _)| words.starts_with(*beginning)) {
        Some((_, own)) => (*own).to_owned(),
        None => plain_types(words),
    }
}

/// A message with Arrow's types by the words that databases have for them.
fn plain_types(words: &str) -> String {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut plain = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(first) = rest.chars().next() {
        let inside = is_of_word(first);
        let end = rest.find(|c: char| is_of_word(c) != inside).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        plain.push_str(match word {
            "Int8" | "Int16" | "Int32" | "Int64" | "UInt8" | "UInt16" | "UInt32" | "UInt64" => "integer",
            "Float16" | "Float32" | "Float64" => "real number",
            "Decimal32" | "Decimal64" | "Decimal128" | "Decimal256" => "decimal",
            "Utf8" | "LargeUtf8" | "Utf8View" => "text",
            "Binary" | "LargeBinary" | "BinaryView" => "bytes",
            "Boolean" => "boolean",
            "Date32" | "Date64" => "date",
            "Timestamp" => "timestamp",
            other => other,
        });
        rest = after;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::syntax::check_syntax;
    use super::*;
    use arrow::datatypes::{Field, Schema};

    #[test]
    fn the_time_of_the_run_is_seen() {
        let names = Names::of_table(&Schema::new(vec![Field::new("n", DataType::Int64, true)])).unwrap();
        for (text, reads) in [
            ("n > 1", false),
            ("to_timestamp(n) IS NULL", false),
            ("now() IS NOT NULL", true),
            ("n > 1 OR CURRENT_DATE IS NULL", true),
            ("n > 1 AND current_timestamp IS NOT NULL", true),
            ("m > 1 AND now() IS NOT NULL", false),
        ] {
            assert_eq!(reads_time(text, &names), reads, "{text}");
        }
    }

    #[test]
    fn only_what_is_about_one_row_is_taken() {
        let schema =
            Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("code", DataType::Utf8, true)]);
        let names = Names::of_table(&schema).unwrap();
        for text in ["n > 1", "code LIKE 'A%'", "code ~ '^A'", "n IN (1, 2) AND code IS NOT NULL"] {
            assert!(check_expression(text, &names).is_ok(), "{text}");
        }
        for (text, says) in [
            ("code SIMILAR TO 'A%'", "use LIKE, or ~ with a regular expression"),
            ("n = (SELECT max(n) FROM t)", "reads no table"),
            ("sum(n) > 1", "no aggregate, window, random or clock function but now()"),
            ("random() < 0.5", "no aggregate, window, random or clock function but now()"),
            ("pg_sleep(1) IS NULL", "no aggregate, window, random or clock function but now()"),
            ("n > 1; drop table t", ""),
            ("n + 1", "the expression gives integer and not true or false"),
            ("m > 1", "columns: n, code"),
            ("row_number() OVER () > 1", "the expression is not about one row alone; no subquery, aggregate, window"),
            ("n > 0 && n > 1", "this operator is not evaluated in an expression"),
            ("n !> 0", "this operator is not evaluated in an expression"),
            ("ARRAY[1] = ARRAY[1]", "arrays are not evaluated in an expression"),
            ("n = true", "comparison operation integer = boolean"),
            ("n ~ '1'", "regex operation integer ~ text"),
        ] {
            let problem = check_expression(text, &names).expect_err(text);
            let told = format!("{}; {}", problem.what, problem.help.unwrap_or_default());
            assert!(told.contains(says), "{text}: {told}");
            assert!(!told.contains("DataFusion") && !told.contains("Int64") && !told.contains('\n'), "{told}");
        }
    }

    #[test]
    fn a_mistake_has_its_place() {
        let schema = Schema::new(vec![
            Field::new("Total", DataType::Int64, true),
            Field::new("code", DataType::Utf8, true),
            Field::new("paid", DataType::Boolean, true),
        ]);
        let names = Names::of_table(&schema).unwrap();
        for (text, part) in [
            // a name that gets quotes on the way moves nothing
            ("TOTAL > 0 AND total > ?", "?"),
            ("total > 0)", ")"),
            ("total > 0; DROP TABLE t", ";"),
            ("größe = 'é' AND code IN ()", ")"),
            ("total = 1\n + + code )", ")"),
            ("code = 'paid", "'paid"),
            ("code = 'ä' AND totl > 0", "totl"),
            ("lenght(code) > 1", "lenght"),
            ("LENGHT(code) > 1", "LENGHT"),
            ("code = \"paidd\"", "\"paidd\""),
            ("total > 0 AND orders.total > 0", "orders.total"),
            ("before.total > 0", "before.total"),
        ] {
            let problem = check_expression(text, &names).expect_err(text);
            assert_eq!(problem.at.map(|at| &text[at]), Some(part), "{text}");
        }
        for text in ["total =", "(total > 0", "total BETWEEN 1"] {
            let problem = check_expression(text, &names).expect_err(text);
            assert_eq!(problem.at, Some(text.len()..text.len()), "{text}");
            assert!(!problem.what.contains("Line:"), "{problem}");
        }
        for text in ["total", "total = true", "total IN (SELECT 1)"] {
            assert_eq!(check_expression(text, &names).expect_err(text).at, None, "{text}");
        }
    }

    #[test]
    fn names_that_are_not_there_are_told_what_is_meant() {
        let table =
            Schema::new(vec![Field::new("total", DataType::Int64, true), Field::new("paid", DataType::Utf8, true)]);
        let alone = Names::of_table(&table).unwrap();
        let both = Names::before_and_after(&table, &table).unwrap();
        for (text, names, help) in [
            ("orders.total > 0", &alone, "did you mean `total`?"),
            ("before.totl > 0", &alone, "did you mean `total`?; `before.` and `after.` belong to `across_migrations`"),
            ("paid = \"paidd\"", &alone, "did you mean `paid`?; text stands in single quotes"),
            ("paid = \"kingfisher\"", &alone, "columns: total, paid; text stands in single quotes"),
            ("after.totl > 0", &both, "did you mean `after.total`?"),
            ("margin > 0", &alone, "columns: total, paid"),
        ] {
            assert_eq!(check_expression(text, names).expect_err(text).help.as_deref(), Some(help), "{text}");
        }
    }

    #[test]
    fn an_expression_is_a_problem_of_its_file() {
        let placed = |text: &str| {
            let read = fieldmark_document::parse("t.yaml", &format!("where: \"{text}\"\n"), &mut Default::default());
            let node = read[0].get("where").unwrap();
            Placed::new(text.to_owned(), node.place.clone())
        };
        let names = Names::of_table(&Schema::new(vec![Field::new("total", DataType::Int64, true)])).unwrap();
        let told = |text: &str| check_expression(text, &names).expect_err(text).placed(&placed(text)).to_string();
        assert_eq!(
            told("total = 1 AND totl > 0"),
            "t.yaml:1:23: there is no column `totl`: `total = 1 AND totl > 0`; did you mean `total`?"
        );
        assert_eq!(
            told("total"),
            "t.yaml:1:8: the expression gives integer and not true or false: `total`; one SQL boolean expression over the row's columns"
        );
    }

    #[test]
    fn what_is_too_long_or_too_deep_is_refused_soon() {
        let names = Names::of_table(&Schema::new(vec![Field::new("id", DataType::Int64, true)])).unwrap();
        for text in [
            format!("id = 1{}", " or id = 1".repeat(90_000)),
            format!("id = 1{}", "||id".repeat(100_000)),
            format!("id{} = 1", "::int".repeat(150_000)),
            format!("id{}", " between 1 and 2".repeat(50_000)),
        ] {
            for problem in [check_syntax(&text).unwrap_err(), check_expression(&text, &names).unwrap_err()] {
                assert_eq!(problem.what, format!("the expression is too long: {} bytes", text.len()));
                assert_eq!(problem.help.as_deref(), Some("at most 10000 bytes are allowed"));
            }
        }
        let problem = check_expression(&format!("id{} > 0", " + id".repeat(70)), &names).unwrap_err();
        assert_eq!(problem.what, "the expression is nested too deep; 64 levels are allowed");
        assert!(check_syntax("after.id = before.id").is_ok());
        assert!(check_syntax("after.id = = 3").is_err());
        assert!(check_syntax("").is_err());
    }
}
