//! Where a source is, as OpenLineage names places.

use crate::config::{Address, SourceConfig};
use fieldmark_collector::lineage::Place;
use fieldmark_model::lineage::LineagePart;
use url::Url;

/// Namespace, and what is before the table in a data set's name.
///
/// Source: OpenLineage's naming of data sets; files and SQLite by the file's path.
pub(crate) fn place(source: &SourceConfig) -> LineagePart {
    let server = |shown: &str, scheme: &str, port: u16, database: Option<String>| {
        let url = Url::parse(shown).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or("localhost").to_owned();
        let port = url.as_ref().and_then(Url::port).unwrap_or(port);
        (format!("{scheme}://{host}:{port}"), database.unwrap_or_default())
    };
    let (namespace, prefix) = match &source.address.value {
        Address::Postgres(address) => server(&address.shown, "postgres", 5432, address.database()),
        // its schemas are its databases
        Address::MySql(address) => server(&address.shown, "mysql", 3306, None),
        Address::Sqlite(path) => ("file".to_owned(), path.display().to_string()),
        Address::Files(_) => ("file".to_owned(), source.name.to_string()),
    };
    LineagePart::Place { namespace, prefix }
}

/// The same, with whose it is.
pub(crate) fn whereabouts(source: &SourceConfig) -> Option<Place> {
    match place(source) {
        LineagePart::Place { namespace, prefix } => Some(Place { source: source.name.clone(), namespace, prefix }),
        LineagePart::Tables { .. } | LineagePart::Origin(_) | LineagePart::Gone { .. } => None,
    }
}
