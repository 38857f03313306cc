//! Which incidents something is for.

use fieldmark_classify::incident::{Incident, Part};
use fieldmark_model::observation::State;
use fieldmark_model::{Severity, SourceName};
use serde::{Deserialize, Serialize};

/// Those of which everything that is said here is true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matches {
    /// Of whom one part at least is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// That matter so much, or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// With a part about this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// With a part about this table: `table`, `schema.table`, or `source.schema.table`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// With a part about this rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// With a part that this agent sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// That are of this class: `systemic` or `flapping`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<State>,
    /// This one, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

impl Matches {
    /// Whether an incident is among them.
    pub fn hold(&self, incident: &Incident) -> bool {
        let any = |is_it: &dyn Fn(&Part) -> bool| incident.parts.iter().any(is_it);
        let of_table = |wanted: &String, part: &Part| {
            let source = part.source.as_ref().map_or("", |source| source.as_str());
            part.table.as_ref().is_some_and(|own| {
                own.name == *wanted || own.to_string() == *wanted || format!("{source}.{own}") == *wanted
            })
        };
        self.owner.as_ref().is_none_or(|owner| any(&|part| part.owner.as_ref() == Some(owner)))
            && self.severity.is_none_or(|least| incident.severity >= least)
            && self.source.as_ref().is_none_or(|source| any(&|part| part.source.as_ref() == Some(source)))
            && self.table.as_ref().is_none_or(|table| any(&|part| of_table(table, part)))
            && self
                .rule
                .as_ref()
                .is_none_or(|rule| any(&|part| part.rule.as_ref().is_some_and(|own| own.as_str() == rule)))
            && self.agent.as_ref().is_none_or(|agent| any(&|part| part.agent == *agent))
            && self.class.is_none_or(|class| incident.class == class)
            && self.incident.as_ref().is_none_or(|id| incident.id == *id)
    }

    /// Whether all that is open of an incident is among them: what concerns others as well is not for this alone.
    pub fn hold_all(&self, incident: &Incident) -> bool {
        let mut open = incident.parts.iter().filter(|part| !part.is_over()).peekable();
        open.peek().is_some() && open.all(|part| self.hold(&Incident { parts: vec![part.clone()], ..incident.clone() }))
    }

    /// Whether nothing is said: every incident is among them.
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}
