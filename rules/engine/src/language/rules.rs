//! The list under `rules:`.

use super::defaults::{Applying, NULLS, SEVERITIES};
use super::fingerprint::fingerprint;
use super::table::full_text;
use crate::evaluate::check_syntax;
use crate::kind::{CommonKey, Facts, Form, KINDS, Reading};
use crate::rule::{Expression, Nulls, Rule};
use fieldmark_document::{MapReader, Node, NodeKind, Place, Placed, Problem, Problems, shown};
use fieldmark_model::{RuleId, Severity};
use std::collections::BTreeMap;
use std::time::Duration;

/// Ids given so far in a set of files, with their places.
#[derive(Debug, Default)]
pub(super) struct Ids {
    taken: BTreeMap<String, Place>,
}

impl Ids {
    /// Takes an id; a problem where another rule has it.
    pub(super) fn take(&mut self, id: String, own: bool, place: &Place, problems: &mut Problems) -> RuleId {
        if let Some(first) = self.taken.get(&id) {
            let problem = Problem::new("two rules have the same id", place).value(shown(&id)).also("first at", first);
            problems.push(if own { problem } else { problem.help("give one of them an `id` of its own") });
        } else {
            self.taken.insert(id.clone(), place.clone());
        }
        RuleId::new(id)
    }
}

/// A given id, checked.
pub(super) fn read_id(map: &mut MapReader<'_>, problems: &mut Problems) -> Option<Placed<String>> {
    let id = full_text(map, "id", problems)?;
    let sound = id.value.chars().count() <= 200 && !id.value.chars().any(|c| c.is_whitespace() || c.is_control());
    if !sound {
        let problem = Problem::new("`id` is no id", &id.place).value(shown(&id.value));
        problems.push(problem.allowed("at most 200 characters, no spaces"));
    }
    sound.then_some(id)
}

pub(super) fn read_rules(
    items: &[Node],
    prefix: &str,
    defaults: &Applying,
    ids: &mut Ids,
    problems: &mut Problems,
) -> Vec<Rule> {
    items.iter().flat_map(|item| read_rule(item, prefix, defaults, ids, problems).unwrap_or_default()).collect()
}

fn read_rule(
    item: &Node,
    prefix: &str,
    defaults: &Applying,
    ids: &mut Ids,
    problems: &mut Problems,
) -> Option<Vec<Rule>> {
    if let Some(word) = runs_together(item) {
        let problem = Problem::new("a rule has to be a mapping", &item.place).value(item.shown());
        problems.push(problem.allowed("`key: value`").help(format!("write `{word}: ` with a colon and a space")));
        return None;
    }
    let mut map = MapReader::new(item, "a rule", problems)?;
    let before = problems.len();
    let kinds: Vec<&'static Facts> = KINDS.into_iter().filter(|facts| map.has(facts.name)).collect();
    let facts = match kinds.as_slice() {
        [facts] => *facts,
        [] => {
            report_no_kind(&map, problems);
            return None;
        }
        [first, others @ ..] => {
            for other in others {
                let place = map.place_of(other.name).unwrap_or(&item.place).clone();
                let problem =
                    Problem::new("a rule has one kind, this one has two", &place).value(format!("`{}`", other.name));
                let first = map.place_of(first.name).unwrap_or(&item.place);
                problems.push(problem.also("the other at", first).help("write two rules"));
            }
            return None;
        }
    };
    let settings = map.require(facts.name, problems);
    let readings = settings.and_then(|settings| read_settings(facts, settings, problems));
    let id = read_id(&mut map, problems);
    let severity = map.word("severity", &SEVERITIES, problems);
    let description = map.text("description", problems);
    let common = CommonKeys::read(&mut map, facts, defaults, problems);
    map.finish(problems);
    if problems.len() > before {
        return None;
    }
    let severity =
        severity.or_else(|| defaults.severity.clone()).map_or(Severity::default(), |severity| severity.value);
    let description = description.map(|description| description.value.trim().to_owned());
    let rules = readings?.into_iter().map(|reading| {
        let (name, own) = rule_id(id.as_ref(), &reading, facts, prefix);
        Rule {
            id: ids.take(name, own, &item.place, problems),
            fingerprint: fingerprint(
                facts.name,
                &reading.meaning,
                facts.keys,
                common.filter.as_ref(),
                common.tolerance,
                common.nulls,
            ),
            kind: reading.kind,
            filter: common.filter.clone(),
            tolerance: common.tolerance,
            detect: common.detect,
            severity,
            nulls: common.nulls,
            description: description.clone(),
            timeout: common.timeout,
            full_every: common.full_every,
            place: item.place.clone(),
        }
    });
    Some(rules.collect())
}

/// The settings of a rule's kind. Where they have to be a mapping and are none, an example says more than the form of one.
fn read_settings(facts: &Facts, settings: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    if matches!(facts.form, Form::Keys { .. }) && !matches!(settings.kind, NodeKind::Map(_)) {
        problems.push(settings.wrong(facts.name, "a mapping").allowed(format!("`{}`", facts.example)));
        return None;
    }
    (facts.read)(settings, problems)
}

fn rule_id(given: Option<&Placed<String>>, reading: &Reading, facts: &Facts, prefix: &str) -> (String, bool) {
    match (given, &reading.part, &reading.label) {
        (Some(given), Some(part), _) => (format!("{}/{part}", given.value), true),
        (Some(given), None, _) => (given.value.clone(), true),
        (None, _, Some(label)) => (format!("{prefix}.{}.{label}", facts.name), false),
        (None, _, None) => (format!("{prefix}.{}", facts.name), false),
    }
}

/// The kind whose name runs together with its settings (`not_null:[id]`), or has a colon behind it that is none.
fn runs_together(item: &Node) -> Option<&'static str> {
    let NodeKind::Text(text) = &item.kind else { return None };
    if text.contains(": ") {
        return None;
    }
    let (word, _) = text.split_once([':', '：'])?;
    KINDS.iter().map(|facts| facts.name).find(|name| *name == word.trim())
}

/// A rule without a kind: most likely its name is misspelled.
fn report_no_kind(map: &MapReader<'_>, problems: &mut Problems) {
    let common: Vec<&str> =
        ["id", "severity", "description"].into_iter().chain(CommonKey::ALL.map(CommonKey::as_str)).collect();
    let allowed = KINDS.map(|facts| facts.name).join(", ");
    let kinds = || KINDS.iter().map(|facts| facts.name);
    let strange = map.keys().find(|key| !common.contains(key));
    let place = strange.and_then(|key| map.place_of(key)).unwrap_or_else(|| map.place());
    let mut problem = Problem::new("a rule needs a kind", place).allowed(allowed);
    if let Some(key) = strange {
        problem = problem.value(shown(key)).nearest_of(key, kinds());
    }
    problems.push(problem);
}

/// The keys that several kinds share, with defaults applied where they have a meaning for the kind.
struct CommonKeys {
    filter: Option<Expression>,
    tolerance: f64,
    detect: Option<f64>,
    nulls: Nulls,
    timeout: Option<Duration>,
    full_every: Option<Duration>,
}

impl CommonKeys {
    fn read(map: &mut MapReader<'_>, facts: &Facts, defaults: &Applying, problems: &mut Problems) -> Self {
        for (key, why) in facts.without {
            let why = format!("it has no meaning for {}: {why}", facts.name);
            map.refuse(key.as_str(), why, problems);
        }
        let mut common = Self {
            filter: None,
            tolerance: 0.0,
            detect: None,
            nulls: Nulls::default(),
            timeout: None,
            full_every: None,
        };
        for key in facts.keys {
            match key {
                CommonKey::Where => common.filter = read_expression(map, "where", None, problems),
                CommonKey::Tolerance => {
                    let own = map.fraction("tolerance", problems).or_else(|| defaults.tolerance.clone());
                    common.tolerance = own.map_or(0.0, |tolerance| tolerance.value);
                }
                CommonKey::Detect => {
                    let own = read_detect(map, problems).or_else(|| defaults.detect.clone());
                    common.detect = own.map(|detect| detect.value);
                }
                CommonKey::Nulls => {
                    let own = map.word("nulls", &NULLS, problems).or_else(|| defaults.nulls.clone());
                    common.nulls = own.map_or(Nulls::default(), |nulls| nulls.value);
                }
                CommonKey::Timeout => {
                    let own = read_timeout(map, problems).or_else(|| defaults.timeout.clone());
                    common.timeout = own.map(|timeout| timeout.value);
                }
                CommonKey::FullEvery => {
                    let own = map.duration("full_every", problems).or_else(|| defaults.full_every.clone());
                    common.full_every = own.map(|full_every| full_every.value);
                }
            }
        }
        common
    }
}

/// A failing fraction that a sampled pass can rule out: neither none at all nor all.
pub(super) fn read_detect(map: &mut MapReader<'_>, problems: &mut Problems) -> Option<Placed<f64>> {
    let node = map.node("detect")?;
    let read = node.read_fraction("detect", problems)?;
    if read.value > 0.0 && read.value < 1.0 {
        return Some(read);
    }
    let problem = node.wrong("detect", "a fraction between 0% and 100%");
    let problem = problem.allowed("above 0% and below 100%, such as `0.1%`");
    problems.push(problem.help("no sample can rule out that any row at all fails"));
    None
}

/// A time in which something can be done.
pub(super) fn read_timeout(map: &mut MapReader<'_>, problems: &mut Problems) -> Option<Placed<Duration>> {
    let node = map.node("timeout")?;
    let read = node.read_duration("timeout", problems)?;
    if !read.value.is_zero() {
        return Some(read);
    }
    problems.push(node.wrong("timeout", "a duration above zero").help("such as `5s`"));
    None
}

/// An expression's text; a bare `true` is one, too. `about` says what it is, where it is not about the row's columns.
pub(super) fn read_expression(
    map: &mut MapReader<'_>,
    key: &str,
    about: Option<&str>,
    problems: &mut Problems,
) -> Option<Expression> {
    let node = map.node(key)?;
    let text = match node.scalar() {
        Some(text) if !text.trim().is_empty() => text,
        Some(_) | None => {
            problems.push(node.wrong(key, "an SQL expression").allowed("`status <> 'draft'`"));
            return None;
        }
    };
    sound(Placed::new(text.to_owned(), node.place.clone()), about, problems)
}

/// The expression, where its syntax is good; what it speaks of is checked against the table. `about` as in [`read_expression`].
pub(super) fn sound(expression: Expression, about: Option<&str>, problems: &mut Problems) -> Option<Expression> {
    let Err(mut wrong) = check_syntax(&expression.value) else { return Some(expression) };
    wrong.help = wrong.help.or(about.map(str::to_owned));
    problems.push(wrong.placed(&expression));
    None
}
