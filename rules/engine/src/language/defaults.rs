//! `_defaults.yaml`: keys for all files of a folder and below.

use super::check_version;
use super::rules::{read_detect, read_timeout};
use super::table::{Common, read_sample};
use crate::rule::{Nulls, SampleWish};
use fieldmark_document::{MapReader, Node, Placed, Problem, Problems};
use fieldmark_model::Severity;
use std::collections::BTreeMap;
use std::time::Duration;

/// Whether a file of that path holds defaults.
pub(super) fn is_defaults(path: &str) -> bool {
    matches!(path.rsplit(['/', '\\']).next(), Some("_defaults.yaml" | "_defaults.yml"))
}

/// What applies where a table or rule does not say it itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Applying {
    pub(super) common: Common,
    pub(super) sample: Option<Placed<SampleWish>>,
    pub(super) severity: Option<Placed<Severity>>,
    pub(super) tolerance: Option<Placed<f64>>,
    pub(super) detect: Option<Placed<f64>>,
    pub(super) nulls: Option<Placed<Nulls>>,
    pub(super) timeout: Option<Placed<Duration>>,
    pub(super) full_every: Option<Placed<Duration>>,
}

/// The defaults of all folders.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    folders: BTreeMap<String, Applying>,
}

fn folder(path: &str) -> String {
    let plain = path.replace('\\', "/");
    let plain = plain.trim_start_matches("./");
    plain.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()
}

impl Defaults {
    pub(super) fn read(&mut self, path: &str, documents: &[Node], problems: &mut Problems) {
        for (index, node) in documents.iter().enumerate() {
            if index > 0 {
                problems.push(Problem::new("a defaults file holds one document", &node.place));
                return;
            }
            let Some(mut map) = MapReader::new(node, "`_defaults.yaml`", problems) else { return };
            check_version(&mut map, problems);
            for key in ["table", "rules", "across_migrations", "key", "pii"] {
                map.refuse(key, "it belongs to one table: write it in a rule file", problems);
            }
            let read = Applying {
                common: Common::read(&mut map, problems),
                sample: map.node("sample").and_then(|node| read_sample(node, problems)),
                severity: map.word("severity", &SEVERITIES, problems),
                tolerance: map.fraction("tolerance", problems),
                detect: read_detect(&mut map, problems),
                nulls: map.word("nulls", &NULLS, problems),
                timeout: read_timeout(&mut map, problems),
                full_every: map.duration("full_every", problems),
            };
            map.finish(problems);
            self.folders.insert(folder(path), read);
        }
    }

    /// What applies to a file: of each key, what the nearest folder says.
    pub(super) fn of(&self, path: &str) -> Applying {
        let mut applying = Applying::default();
        let mut at = folder(path);
        loop {
            if let Some(found) = self.folders.get(&at) {
                applying.fill(found);
            }
            let above = match at.rsplit_once('/') {
                Some(("", _)) if at != "/" => "/".to_owned(),
                Some((above, _)) => above.to_owned(),
                None if at.is_empty() || at == "/" => return applying,
                None => String::new(),
            };
            if above == at {
                return applying;
            }
            at = above;
        }
    }
}

impl Applying {
    fn fill(&mut self, other: &Self) {
        fn one<T: Clone>(own: &mut Option<T>, other: &Option<T>) {
            if own.is_none() {
                own.clone_from(other);
            }
        }
        one(&mut self.common.owner, &other.common.owner);
        one(&mut self.common.escalation, &other.common.escalation);
        one(&mut self.common.runbook, &other.common.runbook);
        one(&mut self.sample, &other.sample);
        one(&mut self.severity, &other.severity);
        one(&mut self.tolerance, &other.tolerance);
        one(&mut self.detect, &other.detect);
        one(&mut self.nulls, &other.nulls);
        one(&mut self.timeout, &other.timeout);
        one(&mut self.full_every, &other.full_every);
    }
}

/// Severities as rule files spell them.
pub(super) const SEVERITIES: [(&str, Severity); 3] =
    [("page", Severity::Page), ("ticket", Severity::Ticket), ("info", Severity::Info)];

/// What NULL may count as, as rule files spell it.
pub(super) const NULLS: [(&str, Nulls); 2] = [("pass", Nulls::Pass), ("fail", Nulls::Fail)];
