//! One document of a rule file, as it stands.

use super::across::Across;
use super::check_version;
use super::defaults::Applying;
use super::rules::{Ids, read_rules};
use super::table::{Common, Named, read_sample};
use crate::kind::{KINDS, read_columns};
use crate::rule::{Rule, SampleWish};
use fieldmark_document::{MapReader, Node, Place, Placed, Problem, Problems};

/// A document with what its folder's defaults say kept apart.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) named: Placed<Named>,
    pub(super) common: Common,
    pub(super) key: Option<Placed<Vec<String>>>,
    pub(super) sample: Option<Placed<SampleWish>>,
    pub(super) pii: Vec<Placed<String>>,
    pub(super) rules: Vec<Rule>,
    pub(super) across: Across,
    pub(super) across_place: Option<Place>,
    pub(super) defaults: Applying,
}

impl Document {
    pub(super) fn read(node: &Node, defaults: &Applying, ids: &mut Ids, problems: &mut Problems) -> Option<Self> {
        let mut map = MapReader::new(node, "a rule file", problems)?;
        check_version(&mut map, problems);
        let forms = |problem: Problem| problem.allowed("`source.schema.table` or `source.table`");
        let table = map.require_told("table", forms, problems).and_then(|node| node.read_text("table", problems));
        let named = table.and_then(|text| Some(Placed::new(Named::read(&text, problems)?, text.place)));
        let common = Common::read(&mut map, problems);
        let key = map.node("key").and_then(|node| {
            let columns = read_columns(node, "key", problems)?;
            let place = match columns.as_slice() {
                [only] => only.place.clone(),
                _ => node.place.clone(),
            };
            Some(Placed::new(columns.into_iter().map(|column| column.value).collect(), place))
        });
        let sample = map.node("sample").and_then(|node| read_sample(node, problems));
        let pii = map.node("pii").and_then(|node| read_columns(node, "pii", problems)).unwrap_or_default();
        // ids need a name even where the document has no good one: its problems are to be found all the same
        let prefix = named.as_ref().map_or_else(|| "?".to_owned(), |named| named.value.in_ids());
        let rules = match map.list("rules", problems) {
            Some(items) => read_rules(items, &prefix, defaults, ids, problems),
            None => Vec::new(),
        };
        let across_place = map.place_of("across_migrations").cloned();
        let across = match map.map("across_migrations", problems) {
            Some(map) => Across::read(map, &prefix, ids, problems),
            None => Across::default(),
        };
        // where somebody looks for them first
        for key in ["severity", "tolerance", "detect", "nulls", "timeout", "full_every"] {
            map.refuse(key, "write it at a rule, or for all rules of a folder in `_defaults.yaml`", problems);
        }
        for facts in KINDS {
            map.refuse(facts.name, "a rule is an entry of the list under `rules:`", problems);
        }
        map.finish(problems);
        Some(Self { named: named?, common, key, sample, pii, rules, across, across_place, defaults: defaults.clone() })
    }
}
