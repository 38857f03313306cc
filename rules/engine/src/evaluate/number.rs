//! Values of a column as numbers to be added up.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

/// Each value of a column of numbers (or of their canonical texts); `None` for NULL, NaN for what cannot be added up. An empty list for a
/// column of anything else.
pub fn numbers(column: &ArrayRef) -> Vec<Option<f64>> {
    let finite = |number: f64| if number.is_finite() { number } else { f64::NAN };
    if *column.data_type() == DataType::Utf8 {
        let read = |text: &str| text.parse().map_or(f64::NAN, finite);
        return column.as_string::<i32>().iter().map(|text| text.map(read)).collect();
    }
    let Ok(cast) = cast(column, &DataType::Float64) else { return Vec::new() };
    let read = cast.as_primitive::<Float64Type>();
    (0..column.len()).map(|row| (!read.is_null(row)).then(|| finite(read.value(row)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Float32Array, Int16Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn numbers_of_any_type_are_read() {
        let decimals = Decimal128Array::from(vec![Some(125), None]).with_precision_and_scale(10, 2).unwrap();
        let texts = StringArray::from(vec![Some("12.5"), None, Some("Infinity"), Some("NaN")]);
        for (column, expected) in [
            (Arc::new(Int16Array::from(vec![Some(-3), None])) as ArrayRef, vec![Some(-3.0), None]),
            (Arc::new(decimals), vec![Some(1.25), None]),
            (Arc::new(Float32Array::from(vec![Some(0.5), None])), vec![Some(0.5), None]),
        ] {
            assert_eq!(numbers(&column), expected);
        }
        let read = numbers(&(Arc::new(texts) as ArrayRef));
        assert_eq!(&read[..2], [Some(12.5), None]);
        assert!(read[2..].iter().all(|number| number.is_some_and(f64::is_nan)), "{read:?}");
        let infinite = numbers(&(Arc::new(Float32Array::from(vec![f32::INFINITY])) as ArrayRef));
        assert!(infinite[0].is_some_and(f64::is_nan));
    }
}
