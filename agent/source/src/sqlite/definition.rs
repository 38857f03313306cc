//! Views, triggers and tables with computed columns, as the statements that made them.

use super::connect::Session;
use super::inspect::{SCHEMA, stored};
use crate::Error;
use crate::definition::{Definition, LONGEST, MadeOf};
use fieldmark_model::TableName;
use fieldmark_model::lineage::OriginKind;

impl Session {
    pub(super) fn definitions(&mut self) -> Result<Vec<Definition>, Error> {
        let mut all = Vec::new();
        for (kind, name, table, sql) in stored(self, LONGEST)? {
            let computed =
                || sql.to_ascii_lowercase().contains(" as ") || sql.to_ascii_lowercase().contains("generated");
            let kind = match kind.as_str() {
                "view" => OriginKind::View,
                "trigger" => OriginKind::Trigger,
                "table" if computed() => OriginKind::Generated,
                _ => continue,
            };
            let own = |name: String| TableName::new(SCHEMA, name);
            let made_of = Some(sql).filter(|sql| !sql.is_empty()).map(MadeOf::Statement);
            all.push(Definition { kind, name: own(name), identity: None, table: Some(own(table)), made_of });
        }
        Ok(all)
    }
}
