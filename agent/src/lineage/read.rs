//! Reading what a database says of its own lineage.

use super::Snapshot;
use super::snapshot::Known;
use crate::config::SourceConfig;
use crate::reader::Reader;
use fieldmark_engine::rule::TableRules;
use fieldmark_source::Error;

/// All that is known of a source's lineage now: its catalogue, what its columns are made of, who was seen to read them, its rules.
///
/// # Errors
/// As the source.
pub(crate) async fn read(reader: &mut Reader, source: &SourceConfig, rules: &[&TableRules]) -> Result<Snapshot, Error> {
    let catalogue = reader.catalogue().await?;
    let definitions = reader.definitions().await?;
    // a log that cannot be read is none
    let statements = match reader.statements().await {
        Ok(statements) => statements,
        Err(Error::PermissionDenied { .. } | Error::Unsupported { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    let facts = reader.facts().clone();
    let dbt = source.dbt.value.as_ref();
    let manifest = dbt.map(|path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display())));
    let known = Known {
        manifest: manifest.as_ref().map(|read| read.as_deref().map_err(String::as_str)),
        dialect: facts.dialect,
        default_schema: facts.default_schema.as_deref(),
        catalogue: &catalogue,
        definitions: &definitions,
        statements: &statements,
        rules,
    };
    Ok(Snapshot::of(super::place(source), &known))
}
