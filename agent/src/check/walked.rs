//! Boundaries of an index, kept from one run to the next: the whole index is walked once a day, in between only what was appended.
//!
//! They are keys of rows, so they stay in the state folder, and those of a `pii` key are not kept at all.

use super::segments::Boundaries;
use crate::mark::{read_rows, write_rows};
use crate::reader::Reader;
use crate::state::{make_folder, write};
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_model::Table;
use fieldmark_source::Error;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How long boundaries serve.
const A_DAY: TimeDelta = TimeDelta::hours(24);
const STEP: &str = "fieldmark.step";
const WALKED: &str = "fieldmark.walked";

/// The boundaries of a key of a table, walked to its present end.
///
/// # Errors
/// As the source. What cannot be kept is walked again the next time.
pub(super) async fn walked(
    reader: &mut Reader,
    table: &Table,
    key: Vec<String>,
    folder: Option<&Path>,
    now: DateTime<Utc>,
) -> Result<Boundaries, Error> {
    let path = folder.map(|folder| folder.join(file_name(table, &key)));
    let kept = path.as_deref().and_then(|path| read(path, table, &key, now));
    let (mut boundaries, since) = match kept {
        Some((boundaries, since)) => (boundaries, since),
        None => (Boundaries::new(table, key)?, now),
    };
    boundaries.walk(reader, table, None).await?;
    if let Some(path) = path {
        keep(&path, &boundaries, since);
    }
    Ok(boundaries)
}

/// Different keys of different tables have different files.
fn file_name(table: &Table, key: &[String]) -> PathBuf {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(format!("{} {key:?}", table.name));
    let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    PathBuf::from(format!("{name}.parquet"))
}

/// Boundaries that were kept, with the time at which the whole index was walked; `None` where there are none of use.
fn read(path: &Path, table: &Table, key: &[String], now: DateTime<Utc>) -> Option<(Boundaries, DateTime<Utc>)> {
    let keys = read_rows(std::fs::read(path).ok()?).ok()?;
    let schema = keys.schema();
    let step = schema.metadata().get(STEP)?.parse().ok()?;
    let since = DateTime::parse_from_rfc3339(schema.metadata().get(WALKED)?).ok()?.with_timezone(&Utc);
    if now - since > A_DAY || since > now {
        return None;
    }
    Some((Boundaries::kept(table, key.to_vec(), step, keys)?, since))
}

fn keep(path: &Path, boundaries: &Boundaries, since: DateTime<Utc>) {
    let (step, keys) = boundaries.keep();
    let metadata = HashMap::from([(STEP.to_owned(), step.to_string()), (WALKED.to_owned(), since.to_rfc3339())]);
    let schema = Arc::new(Schema::new_with_metadata(keys.schema().fields().clone(), metadata));
    let bytes = RecordBatch::try_new(schema, keys.columns().to_vec()).ok().and_then(|keys| write_rows(&keys).ok());
    if let (Some(bytes), Some(folder)) = (bytes, path.parent())
        && make_folder(folder).is_ok()
    {
        // what is not kept is walked again
        write(path, &bytes).ok();
    }
}
