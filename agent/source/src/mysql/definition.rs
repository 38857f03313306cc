//! Views, triggers, routines and computed columns, out of `information_schema`; statements out of `performance_schema`. What the role may not
//! see of them is NULL there.

use super::MySqlSource;
use super::courtesy::Call;
use super::literal::text;
use super::session::Answer;
use crate::Error;
use crate::definition::{Definition, MadeOf, SeenStatement};
use crate::label::Name;
use fieldmark_model::TableName;
use fieldmark_model::lineage::OriginKind;

/// Statements of the log that are read at most: those that were run most often.
const MOST_STATEMENTS: usize = 5_000;

fn seen(answer: &Answer, at: usize) -> Option<String> {
    answer.text(at).filter(|text| !text.is_empty())
}

impl MySqlSource {
    pub(super) async fn read_definitions(&mut self, call: &Call) -> Result<Vec<Definition>, Error> {
        let mut all = Vec::new();
        for schema in self.schemas.clone() {
            let literal = text(&schema);
            let views = format!(
                "SELECT v.TABLE_NAME, v.VIEW_DEFINITION FROM information_schema.VIEWS AS v WHERE v.TABLE_SCHEMA = {literal} \
                 ORDER BY v.TABLE_NAME"
            );
            let routines = format!(
                "SELECT r.ROUTINE_NAME, r.ROUTINE_DEFINITION, (SELECT group_concat(p.PARAMETER_NAME ORDER BY p.ORDINAL_POSITION) \
                 FROM information_schema.PARAMETERS AS p WHERE p.SPECIFIC_SCHEMA = r.ROUTINE_SCHEMA \
                 AND p.SPECIFIC_NAME = r.SPECIFIC_NAME) FROM information_schema.ROUTINES AS r WHERE r.ROUTINE_SCHEMA = {literal} \
                 AND r.ROUTINE_BODY = 'SQL' ORDER BY r.ROUTINE_NAME"
            );
            let triggers = format!(
                "SELECT t.EVENT_OBJECT_TABLE, t.TRIGGER_NAME, t.ACTION_STATEMENT FROM information_schema.TRIGGERS AS t \
                 WHERE t.TRIGGER_SCHEMA = {literal} ORDER BY t.EVENT_OBJECT_TABLE, t.TRIGGER_NAME"
            );
            let columns = format!(
                "SELECT c.TABLE_NAME, c.COLUMN_NAME, c.GENERATION_EXPRESSION FROM information_schema.COLUMNS AS c \
                 WHERE c.TABLE_SCHEMA = {literal} AND c.GENERATION_EXPRESSION IS NOT NULL AND c.GENERATION_EXPRESSION <> '' \
                 ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION"
            );
            let own = |name: String| TableName::new(schema.as_str(), name);
            for answer in self.session.answers(call, Name::Definitions, &views).await? {
                let Some(name) = answer.text(0).map(own) else { continue };
                let made_of = seen(&answer, 1).map(MadeOf::Statement);
                let table = Some(name.clone());
                all.push(Definition { kind: OriginKind::View, name, identity: None, table, made_of });
            }
            for answer in self.session.answers(call, Name::Routines, &routines).await? {
                let Some(name) = answer.text(0).map(own) else { continue };
                let parameters = seen(&answer, 2).map(|list| list.split(',').map(str::to_owned).collect());
                let made_of = seen(&answer, 1).map(|text| MadeOf::Body {
                    text,
                    language: "sql".to_owned(),
                    parameters: parameters.unwrap_or_default(),
                    gives: Vec::new(),
                });
                all.push(Definition { kind: OriginKind::Function, name, identity: None, table: None, made_of });
            }
            for answer in self.session.answers(call, Name::Triggers, &triggers).await? {
                let (Some(table), Some(name)) = (answer.text(0).map(own), answer.text(1).map(own)) else { continue };
                let made_of = seen(&answer, 2).map(|text| MadeOf::Body {
                    text,
                    language: "sql".to_owned(),
                    parameters: Vec::new(),
                    gives: Vec::new(),
                });
                all.push(Definition { kind: OriginKind::Trigger, name, identity: None, table: Some(table), made_of });
            }
            for answer in self.session.answers(call, Name::Computed, &columns).await? {
                let (Some(table), Some(name)) = (answer.text(0).map(own), answer.text(1).map(own)) else { continue };
                let made_of = seen(&answer, 2).map(MadeOf::Expression);
                all.push(Definition { kind: OriginKind::Generated, name, identity: None, table: Some(table), made_of });
            }
        }
        Ok(all)
    }

    /// Statements of the schemas that were sent by others, where the server gathers them and the role may read them.
    pub(super) async fn read_statements(&mut self, call: &Call) -> Result<Vec<SeenStatement>, Error> {
        let schemas: Vec<String> = self.schemas.iter().map(|schema| text(schema)).collect();
        if schemas.is_empty() {
            return Ok(Vec::new());
        }
        let asked = format!(
            "SELECT s.DIGEST, s.DIGEST_TEXT, s.COUNT_STAR FROM performance_schema.events_statements_summary_by_digest AS s \
             WHERE s.SCHEMA_NAME IN ({}) AND s.DIGEST IS NOT NULL ORDER BY s.COUNT_STAR DESC LIMIT {MOST_STATEMENTS}",
            schemas.join(", ")
        );
        let answers = match self.session.answers(call, Name::StatementLog, &asked).await {
            Ok(answers) => answers,
            // a role without the right, or a server that gathers nothing
            Err(Error::PermissionDenied { .. } | Error::Database { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let one = |answer: &Answer| {
            let calls = answer.text(2)?.parse().ok()?;
            Some(SeenStatement { id: answer.text(0)?, text: answer.text(1)?, calls })
        };
        Ok(answers.iter().filter_map(one).collect())
    }
}
