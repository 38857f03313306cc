//! The conformance suite: what every [`Source`] has to do, written once and run for every driver.
//!
//! A driver joins with one file here: a [`Fixture`] and `conformance!(ItsFixture);`, which makes one test of each point.
//! A point is an async function generic over the fixture; to add one, write it and put its name into the list below.

mod catalogue;
mod courtesy;
mod files;
mod identifiers;
mod keys;
mod lookups;
mod mariadb;
mod postgres;
mod queries;
mod scan;
mod sqlite;
mod values;

use anyhow::{Context as _, ensure};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use async_trait::async_trait;
use fieldmark_model::canonical::canonical_text;
use fieldmark_model::chunk::DefectKind;
use fieldmark_model::{Chunk, Table, TableName};
use fieldmark_source::Source;
use std::any::Any;
use std::sync::Arc;

/// One database of its own for one test. Everything that differs between databases is asked here.
#[async_trait]
pub(crate) trait Fixture: Send + Sync + Sized + 'static {
    /// A fresh, empty database.
    async fn start() -> anyhow::Result<Self>;

    /// Runs statements (separated by semicolons) as the application that owns the database, autocommitted, on a connection
    /// that waits for no lock longer than a moment. `integer`, `text`, `primary key`, `references`, double-quoted names
    /// and literals with single quotes mean the same everywhere; other types come from [`Fixture::types`].
    async fn execute(&self, sql: &str) -> anyhow::Result<()>;

    /// Opens a source under test, with a statement timeout of at least 5 s.
    async fn open(&self) -> anyhow::Result<Box<dyn Source>>;

    /// The schema in which unqualified names are made.
    fn schema(&self) -> &str;

    /// Values of every type, and how they travel.
    fn types(&self) -> Vec<TypeCase>;

    /// Makes a relation (and returns its name) whose whole scan takes at least 5 s unless it is cancelled.
    async fn slow(&self) -> anyhow::Result<String>;

    /// Waits until a scan of that relation is running.
    async fn until_slow_is_read(&self) -> anyhow::Result<()>;

    /// Takes the lock that a schema change of the table takes, on another connection, until the value is dropped.
    async fn lock(&self, table: &str) -> anyhow::Result<Box<dyn Any + Send>>;

    /// Waits until a lock of the table whose value was dropped has gone.
    async fn until_unlocked(&self, table: &str) -> anyhow::Result<()>;

    /// Whether a read under [`Fixture::lock`] gives `Error::Locked` (else it succeeds).
    fn readers_wait(&self) -> bool;

    /// SQL for a text of so many bytes, made by the database (`repeat('x', n)`).
    fn long_text(&self, bytes: usize) -> String;
}

/// One value of one type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TypeCase {
    /// Type as written in `create table`.
    pub(crate) declared: &'static str,
    /// SQL for the value.
    pub(crate) literal: &'static str,
    /// Canonical text that has to come out, of the column or of the defect.
    pub(crate) canonical: Option<&'static str>,
    /// The defect that the cell has.
    pub(crate) defect: Option<DefectKind>,
    /// Whether the row can be found by this value: the type has equality, and the value is in the batch.
    pub(crate) key: bool,
}

impl TypeCase {
    /// A value that comes out whole, and by which its row is found.
    pub(crate) fn fits(declared: &'static str, literal: &'static str, canonical: &'static str) -> Self {
        Self { key: true, ..Self::alike(declared, literal, canonical) }
    }

    /// A value that comes out whole, of a type without equality or without an order.
    pub(crate) fn alike(declared: &'static str, literal: &'static str, canonical: &'static str) -> Self {
        Self { declared, literal, canonical: Some(canonical), defect: None, key: false }
    }

    /// A value that its column cannot hold.
    pub(crate) fn unfit(declared: &'static str, literal: &'static str, canonical: &'static str) -> Self {
        Self { defect: Some(DefectKind::Unrepresentable), ..Self::alike(declared, literal, canonical) }
    }
}

/// Makes one test of every point for one fixture.
macro_rules! conformance {
    ($fixture:ty) => {
        $crate::conformance::conformance! { $fixture;
            catalogue: [
                keys_and_constraints_are_told,
                foreign_keys_are_told,
                views_are_told_and_read,
            ];
            courtesy: [
                a_dropped_table_is_a_changed_schema,
                a_dropped_column_is_a_changed_schema,
                a_retyped_column_is_a_changed_schema,
                a_cancelled_read_says_so_and_the_source_goes_on,
                a_dropped_future_leaves_nothing_running,
                a_lock_held_by_a_writer_is_locked,
                a_writer_is_not_blocked_between_calls,
                rows_that_stay_are_seen_under_concurrent_writers,
            ];
            identifiers: [
                every_spelling_of_a_name_is_read,
            ];
            keys: [
                rows_are_found_by_integer_keys,
                rows_are_found_by_text_keys,
                rows_are_found_by_composite_keys,
                many_keys_go_in_one_call,
                extremes_of_a_column,
                a_walk_goes_from_boundary_to_boundary,
                a_walk_goes_over_composite_keys,
                rows_between_two_keys,
            ];
            lookups: [
                rows_that_share_a_value,
                rows_that_share_two_values,
                rows_that_share_a_value_without_an_index,
                parents_are_found,
                parents_are_found_by_two_columns,
                orphans_are_found,
                orphans_by_two_columns_are_found,
            ];
            queries: [
                rows_of_a_query_are_counted_and_shown,
                a_query_of_which_no_row_is_shown_is_counted,
                values_of_a_query_are_texts,
                comments_and_semicolons_are_the_query_s_own,
                two_statements_are_no_query,
                a_query_that_writes_is_refused,
                a_query_ends_with_its_own_time,
                a_cost_is_told_without_running_the_query,
                columns_of_checks_are_told,
                a_preview_waits_for_no_lock,
                a_label_changes_no_answer,
            ];
            scan: [
                every_row_once_whatever_the_chunk_size,
                an_empty_table_has_no_rows,
                rows_are_counted_without_columns,
                composite_keys_are_passed_over,
                text_keys_are_passed_over,
                a_table_without_a_key_is_passed_over,
                columns_come_in_the_order_asked_for,
            ];
            values: [
                every_type_travels_as_documented,
                a_large_value_is_not_read,
                null_and_empty_text_are_different,
            ];
        }
    };
    ($fixture:ty; $($room:ident: [$($point:ident),* $(,)?];)*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $point() -> anyhow::Result<()> {
                let fixture = <$fixture as $crate::conformance::Fixture>::start().await?;
                $crate::conformance::$room::$point(fixture).await
            }
        )*)*
    };
}
pub(crate) use conformance;

/// Column names as owned strings.
pub(crate) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The named table of the fixture's schema, from the source's catalogue.
pub(crate) async fn table(fixture: &impl Fixture, source: &mut dyn Source, name: &str) -> anyhow::Result<Table> {
    let catalogue = source.catalogue().await?;
    let wanted = TableName::new(fixture.schema(), name);
    Ok(catalogue.table(&wanted).with_context(|| format!("{wanted} is not in the catalogue"))?.clone())
}

/// Rows as canonical texts, defects as `!` and their text.
pub(crate) fn texts(chunk: &Chunk) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let mut rows = batch_texts(&chunk.batch)?;
    for defect in &chunk.defects {
        let cell = rows.get_mut(defect.cell.row).and_then(|row| row.get_mut(defect.cell.column));
        let cell = cell.context("a defect outside the batch")?;
        ensure!(cell.is_none(), "a defect's cell has to be NULL");
        *cell = Some(format!("!{}", defect.canonical.as_deref().unwrap_or("")));
    }
    Ok(rows)
}

/// Rows of a batch as canonical texts.
pub(crate) fn batch_texts(batch: &RecordBatch) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let mut rows = Vec::new();
    for row in 0..batch.num_rows() {
        let cells = batch.columns().iter().map(|column| canonical_text(column, row));
        rows.push(cells.collect::<Result<Vec<_>, _>>().map_err(|kind| anyhow::anyhow!("no canonical text of {kind}"))?);
    }
    Ok(rows)
}

/// A batch of the table's columns, from texts that arrow can cast to the columns' types.
pub(crate) fn batch(table: &Table, columns: &[&str], rows: &[&[&str]]) -> anyhow::Result<RecordBatch> {
    let schema = table.arrow_schema(columns.iter().copied());
    let mut arrays = Vec::<ArrayRef>::new();
    for (at, field) in schema.fields().iter().enumerate() {
        let text: StringArray = rows.iter().map(|row| Some(row[at])).collect();
        arrays.push(cast(&(Arc::new(text) as ArrayRef), field.data_type())?);
    }
    Ok(RecordBatch::try_new(schema, arrays)?)
}

/// Rows of literal texts, to compare with.
pub(crate) fn rows(rows: &[&[&str]]) -> Vec<Vec<Option<String>>> {
    rows.iter().map(|row| row.iter().map(|&cell| Some(cell.to_owned())).collect()).collect()
}
