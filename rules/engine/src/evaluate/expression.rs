//! From an expression's text to a compiled condition, with problems that say what, why and what would be allowed.

use super::functions::Functions;
use arrow::datatypes::{DataType, Schema};
use chrono::{DateTime, Utc};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, DataFusionError, ExprSchema, SchemaError, config::ConfigOptions};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::simplify::SimplifyContext;
use datafusion_expr::{Expr, ExprSchemable, Volatility};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;
use datafusion_physical_expr::expressions::BinaryExpr;
use datafusion_physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion_sql::parser::DFParserBuilder;
use datafusion_sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion_sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion_sql::sqlparser::tokenizer::{Token, Tokenizer, Word};
use fieldmark_model::NotEvaluated;
use fieldmark_model::chunk::CANONICAL_TEXT;
use std::fmt;
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
}

impl ExpressionProblem {
    fn new(why: NotEvaluated, what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None, why }
    }
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
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

fn functions() -> &'static Functions {
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
    let syntax = |what: String| {
        ExpressionProblem::new(NotEvaluated::TypeMismatch, what)
            .help("one SQL boolean expression over the row's columns")
    };
    let text = with_exact_names(text, names).map_err(|what| syntax(format!("not an SQL expression: {what}")))?;
    let parsed = DFParserBuilder::new(text.as_str())
        .with_dialect(&PostgreSqlDialect {})
        .with_recursion_limit(MAX_DEPTH)
        .build()
        .and_then(|mut parser| parser.parse_into_expr())
        .map_err(|error| syntax(format!("not an SQL expression: {}", plain_words(&error))))?;
    let options = ParserOptions {
        parse_float_as_decimal: true,
        enable_ident_normalization: false,
        map_string_types_to_utf8view: false,
        ..ParserOptions::new()
    };
    let planner = SqlToRel::new_with_options(functions(), options);
    let planned = planner
        .sql_to_expr(parsed.expr, names.schema(), &mut PlannerContext::new())
        .map_err(|error| not_planned(&error, names))?;
    walk(&planned, names)?;
    let data_type = planned
        .get_type(names.schema())
        .map_err(|error| ExpressionProblem::new(NotEvaluated::TypeMismatch, plain_words(&error)))?;
    if !matches!(data_type, DataType::Boolean | DataType::Null) {
        return Err(ExpressionProblem::new(
            NotEvaluated::TypeMismatch,
            format!("the expression gives {data_type} and not true or false"),
        ));
    }
    Ok(planned)
}

/// Writes a name that differs from a column's only in case as the column spells it, in quotes; everything else as it is.
#[expect(clippy::wildcard_enum_match_arm, reason = "of the parser's tokens only words are names")]
fn with_exact_names(text: &str, names: &Names) -> Result<String, String> {
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize().map_err(|error| error.to_string())?;
    let mut exact = String::with_capacity(text.len());
    let mut rest = tokens.iter().peekable();
    while let Some(token) = rest.next() {
        match token {
            Token::Word(word) if word.quote_style.is_none() && !matches!(rest.peek(), Some(Token::LParen)) => {
                match names.spelled(&word.value) {
                    Some(value) => {
                        let quoted = Word { value, quote_style: Some('"'), keyword: word.keyword };
                        exact.push_str(&Token::Word(quoted).to_string());
                    }
                    None => exact.push_str(&token.to_string()),
                }
            }
            other => exact.push_str(&other.to_string()),
        }
    }
    Ok(exact)
}

fn not_planned(error: &DataFusionError, names: &Names) -> ExpressionProblem {
    if let DataFusionError::SchemaError(schema, _) = error.find_root()
        && let SchemaError::FieldNotFound { field, .. } = schema.as_ref()
    {
        let name = field.flat_name();
        let columns = || {
            names.schema().iter().map(|(side, field)| match side {
                Some(side) => format!("{side}.{}", field.name()),
                None => field.name().clone(),
            })
        };
        let problem = ExpressionProblem::new(NotEvaluated::ColumnMissing, format!("there is no column `{name}`"));
        let spelled: Vec<String> = columns().collect();
        return match fieldmark_document::nearest(&name, spelled.iter().map(String::as_str)) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("columns: {}", spelled.join(", "))),
        };
    }
    let words = plain_words(error);
    let problem = ExpressionProblem::new(NotEvaluated::TypeMismatch, words.clone());
    let unknown = words.strip_prefix("Invalid function '").and_then(|rest| rest.split('\'').next());
    match unknown {
        Some(name) => {
            let problem =
                ExpressionProblem::new(NotEvaluated::TypeMismatch, format!("there is no function `{name}` for a row"));
            match fieldmark_document::nearest(name, functions().names()) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help("no aggregate, window, random or clock function but now()"),
            }
        }
        None => problem,
    }
}

/// The allow-list: what an expression over one row may be made of.
#[expect(clippy::wildcard_enum_match_arm, reason = "an allow-list: what a later DataFusion adds is refused")]
fn walk(expr: &Expr, names: &Names) -> Result<(), ExpressionProblem> {
    let mut refused = None;
    let mut depth = 0usize;
    measure(expr, 1, &mut depth);
    if depth > MAX_DEPTH {
        return Err(ExpressionProblem::new(
            NotEvaluated::TypeMismatch,
            format!("the expression is nested {depth} deep; {MAX_DEPTH} are allowed"),
        ));
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
                })
            }),
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
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::ScalarFunction(_)
            | Expr::InList(_) => None,
            // DataFusion takes its pattern for a regular expression
            Expr::SimilarTo(_) => Some(
                ExpressionProblem::new(NotEvaluated::TypeMismatch, "SIMILAR TO is not evaluated as databases do")
                    .help("use LIKE, or ~ with a regular expression"),
            ),
            _ => Some(
                ExpressionProblem::new(NotEvaluated::TypeMismatch, "the expression is not about one row alone")
                    .help("no subquery, aggregate, window, parameter or table"),
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

/// DataFusion's message without its prefixes and its advice to file a bug.
fn plain_words(error: &DataFusionError) -> String {
    let text = error.find_root().message().into_owned();
    let text = text.strip_prefix("ParserError(\"").and_then(|rest| rest.strip_suffix("\")")).unwrap_or(&text);
    let text = text.split("\n\nbacktrace").next().unwrap_or(text);
    let text = text.split(" No function matches the given name").next().unwrap_or(text);
    text.trim_start_matches("sql parser error: ").trim().to_owned()
}

#[cfg(test)]
mod tests {
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
            ("n + 1", ""),
            ("m > 1", ""),
        ] {
            let problem = check_expression(text, &names).expect_err(text);
            let told = format!("{}; {}", problem.what, problem.help.unwrap_or_default());
            assert!(told.contains(says), "{text}: {told}");
        }
    }
}
