//! Random blocks.
//!
//! The blocks are a simple random sample without replacement of all blocks of all parts of the table, drawn here: every block has
//! the same chance, whatever lies in it. (`TABLESAMPLE SYSTEM` computes a hash of every block number, which grows with the
//! table, and cannot be cut into chunks. Drawing from all parts' blocks at once is the same as drawing parts by size first.)
//!
//! Their number has to be known for that, and never too small, else the newest rows would never be drawn. The server's own count
//! cannot be asked for (`pg_relation_size` and its kind wait for locks), so it is found by asking whether there is a row at
//! or after some block, doubling and halving from what the last vacuum left in `relpages`. The result may count empty blocks at the end,
//! which are drawn with no live rows as any empty block is: the estimate "blocks times mean live rows" stays unbiased.
//! Rows inserted into new blocks after that question are not in the sample. A draw that goes on (`skip`) takes the next blocks of the
//! seed's sequence over the same blocks as the draw before it, as long as the table's files are the same.
//!
//! Blocks are read in batches. In one snapshot, of a table locked before it was taken, first the places of all live rows of the
//! batch's blocks; of these the wanted ones are chosen by the seed, each row of a block with the same chance; then those rows
//! by their places. Since it is one snapshot, no row is lost or met twice, and `live` is exact. Between batches there is
//! nothing held and as much rest as work.

use super::courtesy::{Call, Purpose};
use super::extent::{By, Part};
use super::layout::{self, Expected};
use super::rows::{Extras, Rows, Tid};
use super::{PostgresSource, internal, statement, unconvertible};
use crate::draw::drawn;
use crate::label::Name;
use crate::{BlockDraw, BlockSample, Error, Pace, Read};
use fieldmark_model::TableName;
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use std::collections::HashMap;
use std::time::Instant;

/// Blocks of one batch at most: each is a range scan of its own in one statement.
const BATCH: usize = 128;
/// Questions of one statement.
const QUESTIONS: usize = 32;

/// The blocks that the last draw chose from: one that goes on (same seed, same files) chooses from the same.
pub(super) struct Frame {
    files: Vec<(TableName, Option<i64>)>,
    seed: u64,
    sizes: Vec<u32>,
}

impl PostgresSource {
    pub(super) async fn draw_blocks(
        &mut self,
        call: &Call,
        read: &Read<'_>,
        draw: &BlockDraw,
    ) -> Result<BlockSample, Error> {
        let parts = self.parts(call, read.table).await?;
        let mut hints = Vec::new();
        for part in &parts {
            match part.by {
                By::Place { only: true, blocks, .. } => hints.push(blocks),
                By::Place { only: false, .. } => {
                    return Err(Error::PartitionsDenied);
                }
                By::Key(_) | By::Whole { .. } => return Err(Error::Unsupported { what: "drawing blocks" }),
            }
        }
        let files = parts.iter().map(|part| (part.name.clone(), part.storage)).collect();
        let known = self.frame.take().filter(|frame| draw.skip > 0 && frame.seed == draw.seed && frame.files == files);
        let sizes = match known {
            Some(frame) => frame.sizes,
            None => self.sizes(call, &parts, &hints).await?,
        };
        self.frame = Some(Frame { files, seed: draw.seed, sizes: sizes.clone() });
        let total: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
        let mut random = ChaCha12Rng::seed_from_u64(draw.seed);
        let drawn = drawn(&mut random, total, draw.skip, draw.blocks);
        match self.read_blocks(call, read, draw.per_block, (&parts, &sizes), &drawn, &random, false).await {
            Err(error) if unconvertible(&error) => {
                self.read_blocks(call, read, draw.per_block, (&parts, &sizes), &drawn, &random, true).await
            }
            result => result,
        }
    }

    /// Blocks of each part: there is no row at or after that block.
    async fn sizes(&mut self, call: &Call, parts: &[Part], hints: &[u32]) -> Result<Vec<u32>, Error> {
        let asked: Vec<(&Part, u32)> = parts.iter().zip(hints.iter().copied()).collect();
        let grown = self.any_rows_from(call, &asked).await?;
        let mut sizes = hints.to_vec();
        for ((part, size), _) in parts.iter().zip(&mut sizes).zip(grown).filter(|(_, grown)| *grown) {
            // a row at or after `least`, none at or after `most`
            let (mut least, mut most) = (*size, u32::MAX);
            let mut asked: Vec<u32> = (0..32).filter_map(|power| least.checked_add(1 << power)).collect();
            loop {
                let questions: Vec<(&Part, u32)> = asked.iter().map(|block| (part, *block)).collect();
                for (block, answer) in asked.iter().zip(self.any_rows_from(call, &questions).await?) {
                    if answer {
                        least = least.max(*block);
                    } else {
                        most = most.min(*block);
                    }
                }
                if most <= least.saturating_add(1) {
                    break;
                }
                let step = ((most - least) / 16).max(1);
                asked = (1..16).filter_map(|at| least.checked_add(at * step)).filter(|block| *block < most).collect();
            }
            *size = most;
        }
        Ok(sizes)
    }

    async fn any_rows_from(&mut self, call: &Call, asked: &[(&Part, u32)]) -> Result<Vec<bool>, Error> {
        let mut answers = Vec::with_capacity(asked.len());
        for asked in asked.chunks(QUESTIONS) {
            let questions: Vec<String> = asked
                .iter()
                .map(|(part, block)| statement::any_row_from(&part.name, true, Tid { block: *block, position: 0 }))
                .collect();
            let transaction = self.session.begin(call, Purpose::Rows, false).await?;
            let rows = transaction.finish(Name::Further, &format!("SELECT {}", questions.join(", "))).await?;
            answers.extend(rows.iter().flatten().map(|answer| answer.as_deref() == Some("t")));
        }
        Ok(answers)
    }

    #[expect(clippy::too_many_arguments, reason = "what a draw is made of, once")]
    async fn read_blocks(
        &mut self,
        call: &Call,
        read: &Read<'_>,
        per_block: u32,
        (parts, sizes): (&[Part], &[u32]),
        drawn: &[u64],
        random: &ChaCha12Rng,
        raw: bool,
    ) -> Result<BlockSample, Error> {
        let layout = self.layout(call, read.table, &[read.columns]).await?;
        let columns = layout.columns(read.table, read.columns)?;
        let extras = Extras { tid: true, stamp: read.stamps && layout.stamped, key: 0 };
        let list = statement::select_list(&columns, read.value_limit_bytes, extras, &[]);
        let mut rows = Rows::new(&columns, self.bounds(read.value_limit_bytes, raw), extras, false);
        let mut sample = (Vec::<u32>::new(), Vec::<u32>::new());
        let mut random = random.clone();
        let mut pace = Pace::new(Pace::TARGET, 0.5);
        let mut before: u64 = 0;
        for (part, size) in parts.iter().zip(sizes) {
            let within = before..before + u64::from(*size);
            before = within.end;
            let start = drawn.partition_point(|block| *block < within.start);
            let end = drawn.partition_point(|block| *block < within.end);
            let mut left: Vec<u32> = drawn
                .get(start..end)
                .unwrap_or_default()
                .iter()
                .filter_map(|block| u32::try_from(block - within.start).ok())
                .collect();
            let expected = [
                Expected::columns(&read.table.name, &columns),
                Expected::storage(&part.name, part.storage.unwrap_or(0)),
            ];
            while !left.is_empty() {
                let begun = Instant::now();
                let rest = left.split_off(left.len().min(pace.rows().min(BATCH)));
                let blocks = std::mem::replace(&mut left, rest);
                self.read_batch(
                    call,
                    (part, &blocks),
                    (&list, &expected),
                    per_block,
                    &mut random,
                    &mut rows,
                    &mut sample,
                    raw,
                )
                .await?;
                let took = begun.elapsed();
                pace.took(blocks.len(), took);
                let rest = pace.rest(took);
                tokio::select! {
                    () = tokio::time::sleep(rest) => {}
                    () = call.cancelled() => return Err(Error::Cancelled),
                }
            }
        }
        let (live, block_of_row) = sample;
        let chunk = rows.finish(read.table.arrow_schema(read.columns.iter().map(String::as_str)))?;
        Ok(BlockSample { chunk, block_of_row, live, table_blocks: before })
    }

    #[expect(clippy::too_many_arguments, reason = "what a batch is made of, once")]
    async fn read_batch(
        &mut self,
        call: &Call,
        (part, blocks): (&Part, &[u32]),
        (list, expected): (&str, &[Expected]),
        per_block: u32,
        random: &mut ChaCha12Rng,
        rows: &mut Rows,
        (live, block_of_row): &mut (Vec<u32>, Vec<u32>),
        raw: bool,
    ) -> Result<(), Error> {
        let mut transaction =
            self.session.begin_snapshot(call, part.lockable.then(|| part.name.quoted()).as_deref(), raw).await?;
        let mut places = Rows::new(&[], self_bounds(), Extras { tid: true, ..Extras::default() }, false);
        let from = statement::from(&part.name, true);
        let ranges: Vec<String> = ranges(blocks)
            .into_iter()
            .map(|(from_block, to_block)| {
                let (low, high) = (Tid { block: from_block, position: 0 }, Tid { block: to_block, position: 0 });
                format!("SELECT t.ctid FROM {from} WHERE {}", statement::within(low, high))
            })
            .collect();
        let mut read = transaction
            .copy(Name::BlockPlaces, &statement::copy(&ranges.join(" UNION ALL ")), &mut |piece| places.push(piece))
            .await?
            .and_then(|()| places.end_statement());
        let mut index = HashMap::new();
        for block in blocks {
            index.insert(*block, live.len());
            live.push(0);
        }
        let mut by_block: HashMap<u32, Vec<Tid>> = HashMap::new();
        for tid in places.tids() {
            by_block.entry(tid.block).or_default().push(*tid);
        }
        let mut chosen = Vec::new();
        for block in blocks {
            let Some(tids) = by_block.get_mut(block) else { continue };
            tids.sort_unstable();
            if let Some(live) = index.get(block).and_then(|at| live.get_mut(*at)) {
                *live = u32::try_from(tids.len()).unwrap_or(u32::MAX);
            }
            let wanted = tids.len().min(per_block as usize);
            let picked = rand::seq::index::sample(random, tids.len(), wanted);
            chosen.extend(picked.into_iter().filter_map(|at| tids.get(at)).copied());
        }
        let before = rows.tids().len();
        rows.near(transaction.next_transaction());
        if read.is_ok() && !chosen.is_empty() {
            let sql = format!("SELECT {list} FROM {from} WHERE t.ctid = ANY ({})", statement::tids(&chosen));
            read = transaction
                .copy(Name::BlockRows, &statement::copy(&sql), &mut |piece| rows.push(piece))
                .await?
                .and_then(|()| rows.end_statement());
        }
        let answer = transaction.finish(Name::Verify, &layout::question(expected)).await?;
        if let Err(error) = layout::verify(expected, &answer) {
            self.layouts.clear();
            return Err(error);
        }
        read.map_err(|error| internal(&error))?;
        for tid in rows.tids().iter().skip(before) {
            let at = index.get(&tid.block).and_then(|at| u32::try_from(*at).ok());
            block_of_row
                .push(at.ok_or_else(|| Error::Internal { what: "a row of a block that was not drawn".to_owned() })?);
        }
        Ok(())
    }
}

/// Places have no values to bound.
fn self_bounds() -> super::cells::Bounds {
    super::cells::Bounds { value_bytes: 0, foreign_bytes: false }
}

/// Neighbours joined: `(first, one past the last)`.
fn ranges(blocks: &[u32]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for block in blocks {
        match ranges.last_mut() {
            Some((_, end)) if *end == *block => *end = block.saturating_add(1),
            _ => ranges.push((*block, block.saturating_add(1))),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_range() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), [(1, 4), (7, 8), (9, 11)]);
        assert_eq!(ranges(&[]), []);
    }
}
