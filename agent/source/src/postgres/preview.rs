//! Statements as they would be sent: made by the same code, and not sent.

use super::PostgresSource;
use super::courtesy::Call;
use super::extent::By;
use super::literal::Keys;
use super::query;
use super::rows::{Extras, Tid};
use super::scan::{self, ScanPlace};
use super::statement;
use crate::label::Name;
use crate::preview::{Preview, stand_in};
use crate::{Error, Read};

/// Rows of a first chunk.
const FIRST_ROWS: usize = 2_048;

impl PostgresSource {
    /// Asks the catalogue alone for what it takes.
    pub(super) async fn previewed(
        &mut self,
        call: &Call,
        read: &Read<'_>,
        ask: Preview<'_>,
    ) -> Result<Vec<(Name, String)>, Error> {
        if let Preview::Query(query) = ask {
            return Ok(vec![(Name::Query, query::statement(query))]);
        }
        let keys = match ask {
            Preview::Keys(columns) | Preview::Sharing(columns) => columns.to_vec(),
            Preview::Extremes(column) => vec![column.to_owned()],
            Preview::Pass | Preview::Blocks | Preview::Segments(_) | Preview::Parents(_) | Preview::Query(_) => {
                Vec::new()
            }
        };
        let layout = self.layout(call, read.table, &[read.columns, &keys]).await?;
        let columns = layout.columns(read.table, read.columns)?;
        let targets = layout.columns(read.table, &keys)?;
        let stamp = read.stamps && layout.stamped;
        let list = statement::select_list(&columns, read.value_limit_bytes, Extras { stamp, ..Extras::default() }, &[]);
        let values = || Keys::new(&stand_in(read.table, &keys)?, &targets, true);
        Ok(match ask {
            Preview::Pass => {
                let place = ScanPlace::start(read.table.name.clone(), self.parts(call, read.table).await?);
                let Some(part) = place.part().cloned() else { return Ok(Vec::new()) };
                let key = match &part.by {
                    By::Key(names) => {
                        let layout = self.layout(call, read.table, &[read.columns, names]).await?;
                        let counter = scan::counter();
                        let (columns, key) =
                            (layout.columns(read.table, read.columns)?, layout.columns(read.table, names)?);
                        let step =
                            scan::step(read, layout.stamped, (&columns, &key), &counter, &place, &part, FIRST_ROWS);
                        return Ok(vec![(Name::Rows, step.fetch.sql)]);
                    }
                    By::Place { .. } | By::Whole { .. } => Vec::new(),
                };
                let counter = scan::counter();
                let step = scan::step(read, layout.stamped, (&columns, &key), &counter, &place, &part, FIRST_ROWS);
                vec![(Name::Rows, step.fetch.sql)]
            }
            Preview::Keys(_) => {
                let sql = statement::by_key(&layout.name, &list, &values()?, &targets);
                vec![(Name::RowsByKey, statement::copy(&sql))]
            }
            Preview::Blocks => {
                let parts = self.parts(call, read.table).await?;
                let part = parts.first().filter(|part| matches!(part.by, By::Place { only: true, .. }));
                let Some(part) = part else { return Ok(Vec::new()) };
                let from = statement::from(&part.name, true);
                let extras = Extras { tid: true, stamp, key: 0 };
                let list = statement::select_list(&columns, read.value_limit_bytes, extras, &[]);
                let (low, high) = (Tid { block: 0, position: 0 }, Tid { block: 1, position: 0 });
                let places = format!("SELECT t.ctid FROM {from} WHERE {}", statement::within(low, high));
                let one = statement::tids(&[Tid { block: 0, position: 1 }]);
                let rows = format!("SELECT {list} FROM {from} WHERE t.ctid = ANY ({one})");
                vec![(Name::BlockPlaces, statement::copy(&places)), (Name::BlockRows, statement::copy(&rows))]
            }
            Preview::Sharing(shared) => {
                let how = (2, read.table.indexed(shared));
                let keys = values()?;
                let sql = statement::sharing(&layout.name, &columns, read.value_limit_bytes, (&keys, &targets), how);
                vec![(Name::Sharing, statement::copy(&sql))]
            }
            Preview::Parents(reference) => {
                let to = self.layout(call, reference.to, &[reference.to_columns]).await?;
                let targets = to.columns(reference.to, reference.to_columns)?;
                let keys = Keys::new(&stand_in(reference.to, reference.to_columns)?, &targets, false)?;
                vec![(Name::Parents, statement::copy(&statement::has_parent(&to, &keys, &targets)))]
            }
            Preview::Extremes(_) => match targets.as_slice() {
                [column] => {
                    let sql = statement::extremes(&layout.name, column, Read::VALUE_LIMIT_BYTES);
                    vec![(Name::Extremes, statement::copy(&sql))]
                }
                _ => Vec::new(),
            },
            // rows are drawn by blocks here
            Preview::Segments(_) | Preview::Query(_) => Vec::new(),
        })
    }
}
