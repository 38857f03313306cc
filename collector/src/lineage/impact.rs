//! What a change of a column does to what is made from it.

use super::Reached;
use fieldmark_model::lineage::Certainty;
use serde::Serialize;

/// What is done to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is no more.
    Dropped,
    /// It has another name.
    Renamed,
    /// It has another type.
    Retyped,
    /// It takes no NULL any more.
    NotNull,
}

impl Change {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Dropped, Self::Renamed, Self::Retyped, Self::NotNull];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Renamed => "renamed",
            Self::Retyped => "retyped",
            Self::NotNull => "not_null",
        }
    }

    /// The change of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.as_str() == word)
    }

    /// What it does to each column that was reached: what the first step does not notice, those after it do not.
    pub fn effects(self, reached: &[Reached]) -> Vec<Effect> {
        let mut effects: Vec<Effect> = Vec::with_capacity(reached.len());
        for own in reached {
            // each stands after the one before it on its way
            let before = own.via.and_then(|via| effects.get(via)).copied();
            effects.push(match (self, before) {
                (Self::Renamed, Some(before)) => before,
                _ => self.of_a_step(own),
            });
        }
        effects
    }

    fn of_a_step(self, reached: &Reached) -> Effect {
        match (self, reached.direct) {
            // what the server resolved goes by the column's number, and follows it
            (Self::Renamed, _) if reached.origin.certainty == Certainty::Exact => Effect::Follows,
            (Self::Dropped | Self::Renamed, _) => Effect::Breaks,
            (Self::Retyped | Self::NotNull, true) => Effect::ValueChanges,
            (Self::Retyped | Self::NotNull, false) => Effect::RowsChange,
        }
    }
}

/// What becomes of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// What makes it fails, or is dropped with it.
    Breaks,
    /// It goes on.
    Follows,
    /// Its values may be others.
    ValueChanges,
    /// Which rows there are may be others.
    RowsChange,
}

impl Effect {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Breaks => "breaks",
            Self::Follows => "follows",
            Self::ValueChanges => "value changes",
            Self::RowsChange => "rows change",
        }
    }
}
