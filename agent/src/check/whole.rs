//! Rules that speak of the table as a whole: how fresh it is, how many rows it has.

use super::passes::Pass;
use super::table::{LookupFault, TableCheck};
use crate::reader::Reader;
use chrono::{DateTime, Utc};
use fieldmark_engine::kind::{Refusal, read_moment};
use fieldmark_model::{Cell, CellText, NotEvaluated};
use fieldmark_source::{Cursor, Read};

impl TableCheck<'_> {
    /// The table's maximum of a date or time column; `None` on an empty table.
    ///
    /// # Errors
    /// Why it is not known.
    pub(crate) async fn newest(
        &mut self,
        reader: &mut Reader,
        index: usize,
        column: &str,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        let text = if self.table.indexed(&[column.to_owned()]) {
            let extremes = reader.extremes(self.table, column).await.map_err(|error| refused(&error))?;
            let at = extremes.batch.schema().index_of("max").unwrap_or(1);
            if extremes.rows() == 0 { CellText::Null } else { extremes.text(Cell { row: 0, column: at }) }
        } else {
            self.newest_by_pass(reader, index, column).await?
        };
        match text {
            CellText::Null => Ok(None),
            CellText::Text(text) => match moment(&text) {
                Some(moment) => Ok(Some(moment)),
                None => Err(Refusal {
                    why: NotEvaluated::TypeMismatch,
                    reason: format!("the greatest value of {column} reads as no date or time"),
                }),
            },
            CellText::TooLarge(_) => Err(Refusal {
                why: NotEvaluated::Unrepresentable,
                reason: format!("the greatest value of {column} is no date or time that can be read"),
            }),
        }
    }

    async fn newest_by_pass(&mut self, reader: &mut Reader, index: usize, column: &str) -> Result<CellText, Refusal> {
        let Some(rule) = self.rule(index) else { return Ok(CellText::Null) };
        let mut pass = self.pass_for(rule);
        let columns = [column.to_owned()];
        let answer = newest_of(reader, &Read::new(self.table, &columns), &mut pass).await;
        match self.passed(index, &pass, answer) {
            Ok(newest) => Ok(newest),
            Err(LookupFault::Source(error)) => Err(refused(&error)),
            Err(LookupFault::Refused(refusal)) => Err(refusal),
        }
    }
}

/// The newest moment of all rows read; where none reads as one, a text that does not.
async fn newest_of(reader: &mut Reader, read: &Read<'_>, pass: &mut Pass) -> Result<CellText, LookupFault> {
    let mut cursor = Cursor::start();
    let mut newest: Option<(DateTime<Utc>, CellText)> = None;
    let mut unread = None;
    loop {
        let scanned = reader.scan(read, &cursor).await?;
        pass.over(scanned.chunk.rows()).map_err(LookupFault::Refused)?;
        for row in 0..scanned.chunk.rows() {
            match scanned.chunk.text(Cell { row, column: 0 }) {
                CellText::Text(text) => match moment(&text) {
                    Some(moment) if newest.as_ref().is_none_or(|(so_far, _)| moment > *so_far) => {
                        newest = Some((moment, CellText::Text(text)));
                    }
                    Some(_) => {}
                    None => unread = Some(CellText::Text(text)),
                },
                other @ CellText::TooLarge(_) => unread = Some(other),
                CellText::Null => {}
            }
        }
        match scanned.next {
            Some(next) => cursor = next,
            None => return Ok(newest.map(|(_, text)| text).or(unread).unwrap_or(CellText::Null)),
        }
    }
}

fn refused(error: &fieldmark_source::Error) -> Refusal {
    Refusal { why: error.not_evaluated(), reason: error.to_string() }
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let nanoseconds = read_moment(text)?.nanoseconds;
    DateTime::from_timestamp_micros(i64::try_from(nanoseconds / 1_000).ok()?)
}
