//! Drawing rows of one table: random keys with misses rejected, random blocks, or random segments of an index. A drawing can be gone on
//! with, so that looks nest.

use super::segments::SegmentDrawing;
use crate::reader::Reader;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use fieldmark_model::{Chunk, Table};
use fieldmark_source::{BlockDraw, Error, Read};
use fieldmark_statistics::draw::{KeyDraw, KeyRange, generator};
use fieldmark_statistics::population::{KeyHits, LiveRows};
use fieldmark_statistics::{Level, Method, Population};
use rand_chacha::ChaCha12Rng;
use std::sync::Arc;

/// Rows that came of one draw.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The rows.
    pub chunk: Chunk,
    /// Where blocks were drawn: the block of each row and the live rows of each block.
    pub blocks: Option<DrawnBlocks>,
}

/// Blocks of a draw.
#[derive(Clone, Debug)]
pub struct DrawnBlocks {
    /// For each row, the index of its block in `live`.
    pub of_row: Vec<u32>,
    /// Live rows of each block.
    pub live: Vec<u32>,
}

/// A draw that can be gone on with.
#[derive(Debug)]
pub(super) enum Drawing {
    /// Random keys of an integer key.
    Keys(Box<KeyDrawing>),
    /// Random blocks.
    Blocks(BlockDrawing),
    /// Random segments of an index.
    Segments(Box<SegmentDrawing>),
}

/// An integer column by which rows can be drawn: it has a value in each row, and no value twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DrawColumn {
    pub(super) name: String,
    data_type: DataType,
}

impl DrawColumn {
    /// The number that the database itself has for each row, else the table's single-column integer key; `None` where neither is there.
    /// (In SQLite a column declared as an integer may hold a text, and the row's number may not.)
    pub(super) fn of(table: &Table) -> Option<Self> {
        let single = |columns: &[String]| match columns {
            [one] => table.column(one).filter(|column| {
                let integer = matches!(column.data_type, DataType::Int16 | DataType::Int32 | DataType::Int64);
                integer && !column.nullable && column.readable
            }),
            _ => None,
        };
        if let Some(name) = &table.row_number {
            return Some(Self { name: name.clone(), data_type: DataType::Int64 });
        }
        let key = table.primary_key.as_deref().and_then(single);
        let key = key.or_else(|| table.unique.iter().find_map(|columns| single(columns)));
        key.map(|column| Self { name: column.name.clone(), data_type: column.data_type.clone() })
    }

    /// Least and greatest value, `None` on an empty table.
    ///
    /// # Errors
    /// As the source.
    pub(super) async fn range(&self, reader: &mut Reader, table: &Table) -> Result<Option<KeyRange>, Error> {
        let extremes = reader.extremes(table, &self.name).await?;
        let bound = |name: &str| {
            let column = extremes.batch.column_by_name(name)?;
            let column = cast(column, &DataType::Int64).ok()?;
            let column = column.as_primitive::<Int64Type>();
            (column.len() == 1 && !column.is_null(0)).then(|| column.value(0))
        };
        Ok(match (bound("min"), bound("max")) {
            (Some(min), Some(max)) => Some(KeyRange { min, max }),
            _ => None,
        })
    }
}

/// Random keys of a range of an integer key, misses rejected: each row has the same chance, independent of its neighbours.
#[derive(Debug)]
pub(super) struct KeyDrawing {
    key: [String; 1],
    key_type: DataType,
    draw: KeyDraw,
    range: KeyRange,
    rng: ChaCha12Rng,
    seed: u64,
    hits: u64,
    exhaust: bool,
}

/// Random blocks and some rows of each.
#[derive(Debug)]
pub(super) struct BlockDrawing {
    per_block: u32,
    seed: u64,
    live: LiveRows,
    table_blocks: u64,
}

/// Keys asked for in one statement.
const KEYS_A_STATEMENT: usize = 1_000;
/// Keys tried before the share of hits is believed.
const KEYS_TRIED: u64 = 500;
/// Below this share of hits, random keys cost more than they bring.
const FEWEST_HITS: f64 = 0.2;

impl Drawing {
    /// A drawing of random keys of a range. With `exhaust` it goes on however rarely keys hit.
    pub(super) fn of_keys(column: &DrawColumn, range: KeyRange, seed: u64, exhaust: bool) -> Option<Self> {
        let drawing = KeyDrawing {
            key: [column.name.clone()],
            key_type: column.data_type.clone(),
            draw: KeyDraw::new(range).ok()?,
            range,
            rng: generator(seed),
            seed,
            hits: 0,
            exhaust,
        };
        Some(Self::Keys(Box::new(drawing)))
    }

    /// A drawing of random blocks.
    pub(super) fn of_blocks(per_block: u32, seed: u64) -> Self {
        Self::Blocks(BlockDrawing { per_block, seed, live: LiveRows::default(), table_blocks: 0 })
    }

    /// How rows are drawn.
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Keys(keys) if keys.draw.drawn() >= keys.range.span() => Method::AllRows,
            Self::Keys(_) => Method::IndependentRows,
            Self::Blocks(blocks) => Method::Blocks { per_block: Some(blocks.per_block) },
            Self::Segments(segments) => segments.method(),
        }
    }

    /// The draw's seed.
    pub(super) fn seed(&self) -> u64 {
        match self {
            Self::Keys(keys) => keys.seed,
            Self::Blocks(blocks) => blocks.seed,
            Self::Segments(segments) => segments.seed(),
        }
    }

    /// Units drawn so far: keys tried, or blocks or segments read.
    pub(super) fn units_drawn(&self) -> u64 {
        match self {
            Self::Keys(keys) => u64::try_from(keys.draw.drawn()).unwrap_or(u64::MAX),
            Self::Blocks(blocks) => blocks.live.blocks(),
            Self::Segments(segments) => segments.units_drawn(),
        }
    }

    /// Whether every unit has been drawn, and yet not every row: all that is left is to read the whole.
    pub(super) fn is_used_up(&self) -> bool {
        match self {
            Self::Keys(_) => false,
            Self::Blocks(blocks) => blocks.table_blocks > 0 && blocks.live.blocks() >= blocks.table_blocks,
            Self::Segments(segments) => segments.is_used_up(),
        }
    }

    /// Rows of the stratum, by what was drawn so far.
    pub(super) fn population(&self, level: Level) -> Population {
        match self {
            Self::Keys(keys) => {
                let drawn = u64::try_from(keys.draw.drawn()).unwrap_or(u64::MAX);
                KeyHits { span: keys.range.span(), drawn, hits: keys.hits }.population(level)
            }
            Self::Blocks(blocks) => blocks.live.population(blocks.table_blocks, level),
            Self::Segments(segments) => segments.population(level),
        }
    }

    /// About so many rows more. `None` where random keys hit too rarely to go on.
    ///
    /// # Errors
    /// As the source.
    pub(super) async fn more(
        &mut self,
        reader: &mut Reader,
        read: &Read<'_>,
        rows: u64,
    ) -> Result<Option<Drawn>, Error> {
        match self {
            Self::Keys(keys) => keys.more(reader, read, rows).await,
            Self::Blocks(blocks) => blocks.more(reader, read, rows).await.map(Some),
            Self::Segments(segments) => segments.more(reader, read, rows).await.map(Some),
        }
    }
}

impl KeyDrawing {
    async fn more(&mut self, reader: &mut Reader, read: &Read<'_>, rows: u64) -> Result<Option<Drawn>, Error> {
        let wanted = self.hits.saturating_add(rows);
        let schema = read.table.arrow_schema(read.columns.iter().map(String::as_str));
        let mut chunks = Vec::new();
        while self.hits < wanted {
            // as many as bring what is missing, by the share of hits so far
            let tried = u64::try_from(self.draw.drawn()).unwrap_or(u64::MAX);
            let hits = if tried > 0 { (self.hits as f64 / tried as f64).max(FEWEST_HITS) } else { 1.0 };
            let missing = ((wanted - self.hits) as f64 / hits).ceil().min(KEYS_A_STATEMENT as f64);
            let keys = self.draw.next_keys(&mut self.rng, (missing as usize).max(1));
            if keys.is_empty() {
                break;
            }
            let chunk = reader.by_key(read, &self.key, &self.batch_of(&keys)?).await?;
            self.hits += chunk.rows() as u64;
            chunks.push(chunk);
            let tried = u64::try_from(self.draw.drawn()).unwrap_or(u64::MAX);
            if !self.exhaust && tried >= KEYS_TRIED && (self.hits as f64) < FEWEST_HITS * tried as f64 {
                return Ok(None);
            }
        }
        let chunk = Chunk::concat(&schema, &chunks).map_err(|error| internal("joining chunks", &error))?;
        Ok(Some(Drawn { chunk, blocks: None }))
    }

    fn batch_of(&self, keys: &[i64]) -> Result<RecordBatch, Error> {
        let wide: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        let column = cast(&wide, &self.key_type).map_err(|error| internal("a drawn key", &error))?;
        let [name] = &self.key;
        RecordBatch::try_from_iter_with_nullable([(name.as_str(), column, true)])
            .map_err(|error| internal("a drawn key", &error))
    }
}

impl BlockDrawing {
    async fn more(&mut self, reader: &mut Reader, read: &Read<'_>, rows: u64) -> Result<Drawn, Error> {
        let blocks = rows.div_ceil(u64::from(self.per_block.max(1)));
        let wish = BlockDraw { skip: self.live.blocks(), blocks, per_block: self.per_block, seed: self.seed };
        let sample = reader.blocks(read, &wish).await?;
        for live in &sample.live {
            self.live.add_block(u64::from(*live));
        }
        self.table_blocks = sample.table_blocks;
        let blocks = DrawnBlocks { of_row: sample.block_of_row, live: sample.live };
        Ok(Drawn { chunk: sample.chunk, blocks: Some(blocks) })
    }
}

pub(super) fn internal(what: &str, error: &arrow::error::ArrowError) -> Error {
    // the error's own text may hold a value; its variant does not
    let kind = format!("{error:?}").split(['(', ' ', '{']).next().unwrap_or("").to_owned();
    Error::Internal { what: format!("{what}: {kind}") }
}
