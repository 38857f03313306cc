//! What a verdict is made from, as plain data: whoever reads databases and rule files fills it in.

use crate::control::ControlEvidence;
use crate::design::MarkDesign;
use crate::pair::TablePair;
use crate::stamp::StampEvidence;
use fieldmark_model::migration::RuleChange;
use fieldmark_model::{Chunk, Counters, Outcome, RuleId, SourceName};
use serde::{Deserialize, Serialize};

/// All that is known of one marked table.
#[derive(Clone, Debug)]
pub struct TableInput<'a> {
    /// The source that it lies in.
    pub source: &'a SourceName,
    /// The table before and after.
    pub tables: TablePair<'a>,
    /// Its marked rows; `None` where only counters are known (no key, or no room in the mark).
    pub marks: Option<Marks<'a>>,
    /// Ordinary writes, as the control periods saw them.
    pub control: &'a ControlEvidence,
    /// Why no row of it was marked, where it was left out: then only the catalogue and the counters speak of it.
    pub unmarked: Option<&'a str>,
    /// Why the marked rows could not be read again, where they could not; `marks` is `None` then.
    pub unread: Option<&'a str>,
    /// Seconds from the last reading of the marked rows before the migration (the mark's own, or the last control slice) to their recapture.
    pub exposure_seconds: f64,
    /// Whether the source shows that nobody but the migration wrote from the mark to the recapture. Then every change is its own.
    pub alone: bool,
    /// What the rule file says of this table across migrations.
    pub declared: &'a Declared,
    /// Renames of columns that the migration's statements say.
    pub statements: &'a [Rename],
    /// Declared transitions (`expect`), evaluated on the aligned rows by whoever evaluates expressions.
    pub transitions: &'a [Transition],
    /// Every rule of the table, before and after.
    pub rules: &'a [RuleChange],
    /// Of each rule that can be told row by row, the marked rows that fail it now and did not before.
    pub newly_failing: &'a [NewlyFailing],
    /// Rows written since the mark by the table's own counters (the difference, not the totals), where the database has them.
    pub written: Option<Counters>,
    /// Seconds over which they were counted.
    pub written_seconds: f64,
    /// The same of the control periods together, and their length: what ordinary writes do to the counters.
    pub written_ordinarily: Option<(Counters, f64)>,
    /// Rows before, estimated or counted.
    pub rows_before: Option<u64>,
    /// Rows after.
    pub rows_after: Option<u64>,
    /// Whether the rows before and those after are estimates.
    pub rows_estimated: [bool; 2],
    /// Forward, or back to the mark.
    pub direction: Direction,
    /// What may be told of how its values lie.
    pub shapes: Shapes<'a>,
}

/// What may be told of how the values of a table's columns lie. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shapes<'a> {
    /// How exactly.
    pub detail: ShapeDetail,
    /// Columns, by their name before or after, of which nothing is told.
    pub hidden: &'a [String],
}

/// How exactly it may be told how values lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShapeDetail {
    /// Not at all.
    #[default]
    None,
    /// Counts of rows between rounded edges, of which no value can be read.
    Rounded,
    /// Few values themselves, too.
    Values,
}

/// The marked rows of a table and what was found of them.
#[derive(Clone, Debug)]
pub struct Marks<'a> {
    /// The marked rows, all columns that are to be compared, in the order of the mark.
    pub before: &'a Chunk,
    /// The rows found again by [`crate::key_after`], in any order.
    pub after: &'a Chunk,
    /// Key columns, named as before.
    pub key: &'a [String],
    /// How the marked rows were drawn.
    pub design: &'a MarkDesign,
    /// PostgreSQL: the rows' own stamps.
    pub stamps: Option<&'a StampEvidence>,
}

/// Which way the migration went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The migration was applied.
    #[default]
    Forward,
    /// The migration was taken back; declarations about it do not apply.
    Rollback,
}

/// `across_migrations:` of a rule file. The default is that of a table without that section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Declared {
    /// What may happen to the rows.
    pub rows: RowsDeclared,
    /// Columns whose values stay.
    pub same: Vec<Same>,
    /// Columns that an `expect` speaks of as `after.x`: their change is explained, whatever its size.
    pub explained: Vec<String>,
    /// Columns that an `expect` reads as `before.x`: explained where they were dropped or renamed.
    pub read: Vec<String>,
    /// `renamed:`.
    pub renamed: Vec<Rename>,
    /// `undeclared_changes:`.
    pub undeclared: Undeclared,
}

/// A column whose values stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Same {
    /// Its name after, or before.
    pub column: String,
    /// The outcome that is to be filled in: rule, owner and the like.
    pub outcome: Outcome,
}

/// What may happen to the rows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowsDeclared {
    /// They stay.
    #[default]
    Kept,
    /// Any may vanish.
    MayVanish,
    /// Those may vanish for which the declared expression over the row before is true: one flag for each marked row.
    MayVanishWhere(Vec<bool>),
}

/// What becomes of changes that nobody declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undeclared {
    /// They fail the run.
    Fail,
    /// They are shown as surprising.
    #[default]
    Warn,
    /// They count as declared.
    Allow,
}

/// A column's two names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The name after.
    pub after: String,
    /// The name before.
    pub before: String,
}

/// Marked rows that fail a rule after the migration and did not before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewlyFailing {
    /// The rule.
    pub rule: RuleId,
    /// Whether the row's own values decide. Where other rows do (a parent, a twin), an unchanged row may fail by an ordinary write.
    pub by_itself: bool,
    /// The rows, by their number in the mark.
    pub rows: Vec<usize>,
}

/// A declared transition, evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// What it gave on the rows that are still there.
    pub outcome: Outcome,
    /// The marked rows that fail it, by their number in the mark.
    pub failing: Vec<usize>,
    /// Columns, by their names after, whose change it declares.
    pub explains: Vec<String>,
    /// Whether somebody said that a row without an answer is right.
    pub nulls_pass: bool,
}
