//! A check of single values as a DataFusion function, so that a rule's meaning is ours to the last digit.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::DataType;
use datafusion_common::{Result, exec_err};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// What a value has to be like.
pub(super) trait Check: fmt::Debug + PartialEq + Eq + Hash + Send + Sync + 'static {
    /// The function's name in plans.
    const NAME: &'static str;
    /// One answer for each value, NULL for NULL; `None` for an array of a type that the plan never gives.
    fn answers(&self, values: &ArrayRef) -> Option<BooleanArray>;
}

/// The expression that asks a check about a column.
pub(super) fn judged<C: Check>(check: C, column: Expr) -> Expr {
    let function = ScalarUDF::new_from_impl(Judge { check, signature: Signature::any(1, Volatility::Immutable) });
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), vec![column]))
}

/// Asks about each text of a text array.
#[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: no other type comes here")]
pub(super) fn each_text(values: &ArrayRef, mut holds: impl FnMut(&str) -> bool) -> Option<BooleanArray> {
    fn all<'a>(texts: impl Iterator<Item = Option<&'a str>>, mut holds: impl FnMut(&str) -> bool) -> BooleanArray {
        texts.map(|text| text.map(&mut holds)).collect()
    }
    match values.data_type() {
        DataType::Utf8 => Some(all(values.as_string::<i32>().iter(), &mut holds)),
        DataType::LargeUtf8 => Some(all(values.as_string::<i64>().iter(), &mut holds)),
        DataType::Utf8View => Some(all(values.as_string_view().iter(), &mut holds)),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Judge<C> {
    check: C,
    signature: Signature,
}

impl<C: Check> ScalarUDFImpl for Judge<C> {
    fn name(&self) -> &str {
        C::NAME
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }
    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(values) = arguments.args.first() else { return exec_err!("{} takes one argument", C::NAME) };
        let values = values.to_array(arguments.number_rows)?;
        match self.check.answers(&values) {
            Some(answers) => Ok(ColumnarValue::Array(Arc::new(answers))),
            None => exec_err!("{} does not read {}", C::NAME, values.data_type()),
        }
    }
}
