//! How a kind judges a cell that Arrow could not hold.

use super::{DefectPolicy, ValueType};
use crate::evaluate::RowVerdict;
use fieldmark_model::chunk::{Defect, DefectKind};

impl DefectPolicy {
    /// The verdict on a row whose cell has this defect.
    pub(crate) fn judge(&self, defect: &Defect) -> RowVerdict {
        let unknown = RowVerdict::of_defect(defect.kind);
        match self {
            Self::Unknown => unknown,
            Self::Present => RowVerdict::Passed,
            Self::Length { min, max } => {
                // UTF-8 has one to four bytes a character
                let Some(most) = defect.bytes else { return unknown };
                let least = most.div_ceil(4);
                if max.is_some_and(|max| least > max) || min.is_some_and(|min| most < min) {
                    RowVerdict::Failed
                } else if max.is_none_or(|max| most <= max) && min.is_none_or(|min| least >= min) {
                    RowVerdict::Passed
                } else {
                    unknown
                }
            }
            Self::ReadsAs(value_type) => match (&defect.canonical, defect.kind) {
                (Some(text), DefectKind::Unrepresentable) => {
                    if value_type.reads(text) {
                        RowVerdict::Passed
                    } else {
                        RowVerdict::Failed
                    }
                }
                _ => unknown,
            },
            Self::InRange(range) => {
                let text = defect.canonical.as_deref().filter(|_| defect.kind == DefectKind::Unrepresentable);
                match text.and_then(|text| range.holds(text)) {
                    Some(true) => RowVerdict::Passed,
                    Some(false) => RowVerdict::Failed,
                    None => unknown,
                }
            }
        }
    }
}

impl ValueType {
    /// Whether a text reads as a value of this type.
    pub fn reads(self, text: &str) -> bool {
        super::type_is::reads(self, text)
    }
}
