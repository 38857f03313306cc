//! The functions that an expression may call.

use arrow::datatypes::DataType;
use datafusion_common::TableReference;
use datafusion_common::{DataFusionError, Result, config::ConfigOptions};
use datafusion_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, Volatility, WindowUDF};
use datafusion_functions as functions;
use std::collections::BTreeMap;
use std::sync::Arc;

/// DataFusion's scalar functions, but for those that read a clock, make random values or tell about the engine.
pub(crate) struct Functions {
    by_name: BTreeMap<String, Arc<ScalarUDF>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
    options: ConfigOptions,
}

/// Names that are left out: they tell about the engine and not about the row, or make types that rules cannot judge.
const LEFT_OUT: [&str; 8] =
    ["version", "arrow_cast", "arrow_typeof", "arrow_metadata", "named_struct", "struct", "union_extract", "union_tag"];

impl Functions {
    pub(crate) fn new() -> Self {
        let all = [
            functions::core::functions(),
            functions::datetime::functions(),
            functions::math::functions(),
            functions::regex::functions(),
            functions::string::functions(),
            functions::unicode::functions(),
        ];
        let mut by_name = BTreeMap::new();
        for function in all.into_iter().flatten() {
            // a stable function (`now`) is replaced by the run's own time when the expression is simplified
            let allowed =
                function.signature().volatility != Volatility::Volatile && !LEFT_OUT.contains(&function.name());
            if allowed {
                for alias in function.aliases() {
                    by_name.insert(alias.clone(), Arc::clone(&function));
                }
                by_name.insert(function.name().to_owned(), function);
            }
        }
        let planners: Vec<Arc<dyn ExprPlanner>> = vec![
            Arc::new(functions::core::planner::CoreFunctionPlanner::default()),
            Arc::new(functions::datetime::planner::DatetimeFunctionPlanner),
            Arc::new(functions::unicode::planner::UnicodeFunctionPlanner),
        ];
        Self { by_name, planners, options: ConfigOptions::default() }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

impl ContextProvider for Functions {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        Err(DataFusionError::Plan(format!("a row's expression reads no table ({name})")))
    }
    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }
    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        None
    }
    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.by_name.get(&name.to_lowercase()).cloned()
    }
    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }
    fn get_aggregate_meta(&self, _name: &str) -> Option<Arc<AggregateUDF>> {
        None
    }
    fn get_window_meta(&self, _name: &str) -> Option<Arc<WindowUDF>> {
        None
    }
    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }
    fn options(&self) -> &ConfigOptions {
        &self.options
    }
    fn udf_names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }
    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}
