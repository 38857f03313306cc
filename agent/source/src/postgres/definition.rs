//! Views, rules, functions, triggers and computed columns, out of the catalogue; statements out of `pg_stat_statements`.

use super::PostgresSource;
use super::courtesy::Call;
use super::literal::names;
use super::rows::Answer;
use super::statement::copy;
use crate::Error;
use crate::definition::{Definition, LONGEST, MadeOf, SeenStatement};
use crate::label::Name;
use fieldmark_model::TableName;
use fieldmark_model::lineage::OriginKind;

/// Statements of the log that are read at most: those that were run most often.
const MOST_STATEMENTS: usize = 5_000;

fn statements(schemas: &[String]) -> [(Name, String); 4] {
    let list = names(schemas);
    let short = |text: &str| format!("CASE WHEN octet_length({text}) <= {LONGEST} THEN {text} END");
    let (action, body, source) = (short("w.ev_action::text"), short("p.prosqlbody::text"), short("p.prosrc"));
    // what a function gives: its OUT parameters and the columns of TABLE
    let named = |modes: &str| {
        format!(
            "(SELECT coalesce(json_agg(coalesce(a.name, '') ORDER BY a.n), '[]')::text FROM unnest(coalesce(p.proargnames, '{{}}')) \
             WITH ORDINALITY AS a(name, n) WHERE coalesce(p.proargmodes[a.n], 'i') IN ({modes}))"
        )
    };
    [
        (
            Name::Definitions,
            copy(&format!(
                "SELECT n.nspname::text, c.relname::text, c.oid::int8, c.relkind::text, w.rulename::text, w.ev_type::text, {action} \
                 FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = ANY ({list}) ORDER BY 1, 2, 5"
            )),
        ),
        (
            Name::Routines,
            copy(&format!(
                "SELECT n.nspname::text, p.proname::text, p.oid::int8, l.lanname::text, {body}, {source}, {}, {}, \
                 p.prorettype = 'trigger'::regtype FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
                 JOIN pg_language l ON l.oid = p.prolang WHERE n.nspname = ANY ({list}) AND p.prokind IN ('f', 'p') \
                 AND l.lanname IN ('sql', 'plpgsql') ORDER BY 1, 2, 3",
                named("'i', 'b', 'v'"),
                named("'o', 'b', 't'")
            )),
        ),
        (
            Name::Triggers,
            copy(&format!(
                "SELECT n.nspname::text, c.relname::text, t.tgname::text, l.lanname::text, {source} FROM pg_trigger t \
                 JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid \
                 JOIN pg_language l ON l.oid = p.prolang WHERE n.nspname = ANY ({list}) AND NOT t.tgisinternal \
                 AND NOT c.relispartition ORDER BY 1, 2, 3"
            )),
        ),
        (
            Name::Computed,
            copy(&format!(
                "SELECT n.nspname::text, c.relname::text, a.attname::text, d.adbin::text, a.attrelid::int8 FROM pg_attribute a \
                 JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum JOIN pg_class c ON c.oid = a.attrelid \
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY ({list}) AND a.attgenerated <> '' \
                 AND NOT c.relispartition ORDER BY 1, 2, 3"
            )),
        ),
    ]
}

fn list(answer: &Answer, at: usize) -> Vec<String> {
    answer.text(at).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

fn rewritten(answer: &Answer) -> Option<Definition> {
    let table = TableName::new(answer.text(0)?, answer.text(1)?);
    let (kind, rule) = match (answer.text(5)?.as_str(), answer.text(3)?.as_str()) {
        ("1", "m") => (OriginKind::MaterializedView, None),
        ("1", _) => (OriginKind::View, None),
        _ => (OriginKind::Rewrite, answer.text(4)),
    };
    let name = rule.map_or_else(|| table.clone(), |rule| TableName::new(table.schema.clone(), rule));
    let identity = answer.integer(2).and_then(|oid| u64::try_from(oid).ok());
    Some(Definition { kind, name, identity, table: Some(table), made_of: answer.text(6).map(MadeOf::Tree) })
}

fn routine(answer: &Answer) -> Option<Definition> {
    let gives = list(answer, 7);
    // what it says of a trigger's rows is resolved with the trigger
    if answer.truth(8) {
        return None;
    }
    let made_of = match (answer.text(4), answer.text(5)) {
        (Some(text), _) => Some(MadeOf::BodyTree { text, gives }),
        (None, Some(text)) => {
            Some(MadeOf::Body { text, language: answer.text(3)?, parameters: list(answer, 6), gives })
        }
        (None, None) => None,
    };
    Some(Definition {
        kind: OriginKind::Function,
        name: TableName::new(answer.text(0)?, answer.text(1)?),
        identity: answer.integer(2).and_then(|oid| u64::try_from(oid).ok()),
        table: None,
        made_of,
    })
}

fn trigger(answer: &Answer) -> Option<Definition> {
    let table = TableName::new(answer.text(0)?, answer.text(1)?);
    let language = answer.text(3)?;
    let body = |text| MadeOf::Body { text, language, parameters: Vec::new(), gives: Vec::new() };
    Some(Definition {
        kind: OriginKind::Trigger,
        name: TableName::new(table.schema.clone(), answer.text(2)?),
        identity: None,
        table: Some(table),
        made_of: answer.text(4).map(body),
    })
}

fn computed(answer: &Answer) -> Option<Definition> {
    let table = TableName::new(answer.text(0)?, answer.text(1)?);
    Some(Definition {
        kind: OriginKind::Generated,
        name: TableName::new(table.schema.clone(), answer.text(2)?),
        identity: answer.integer(4).and_then(|oid| u64::try_from(oid).ok()),
        table: Some(table),
        made_of: answer.text(3).map(MadeOf::ExpressionTree),
    })
}

impl PostgresSource {
    pub(super) async fn read_definitions(&mut self, call: &Call) -> Result<Vec<Definition>, Error> {
        let [views, routines, triggers, columns] = self.answers(call, &statements(&self.schemas)).await?;
        let all = views.iter().filter_map(rewritten).chain(routines.iter().filter_map(routine));
        Ok(all.chain(triggers.iter().filter_map(trigger)).chain(columns.iter().filter_map(computed)).collect())
    }

    /// Statements of this database that were sent by others, where `pg_stat_statements` is there and may be read.
    pub(super) async fn read_statements(&mut self, call: &Call) -> Result<Vec<SeenStatement>, Error> {
        let there = "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
                     WHERE e.extname = 'pg_stat_statements'";
        let [places] = self.answers(call, &[(Name::StatementLog, copy(there))]).await?;
        let Some(schema) = places.first().and_then(|answer| answer.text(0)) else { return Ok(Vec::new()) };
        let view = TableName::new(schema, "pg_stat_statements").quoted();
        let asked = copy(&format!(
            "SELECT s.queryid::text, s.query, sum(s.calls)::int8 FROM {view} s \
             WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.queryid IS NOT NULL \
             AND s.query NOT LIKE '%/* fieldmark %' AND octet_length(s.query) <= 1048576 \
             GROUP BY 1, 2 ORDER BY 3 DESC LIMIT {MOST_STATEMENTS}"
        ));
        let [answers] = self.answers(call, &[(Name::StatementLog, asked)]).await?;
        let one = |answer: &Answer| {
            let calls = u64::try_from(answer.integer(2)?).ok()?;
            Some(SeenStatement { id: answer.text(0)?, text: answer.text(1)?, calls })
        };
        Ok(answers.iter().filter_map(one).collect())
    }
}
