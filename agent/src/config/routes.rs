//! `routes`: who is told of which incidents, and how.

use super::origin::{Origin, Setting};
use super::show::duration_text;
use super::source::SourceConfig;
use chrono::{DateTime, Utc};
use fieldmark_collector::route::{Escalate, Hours, KINDS, Key, Matches, Rate, Value as Kept};
use fieldmark_collector::store::Silenced;
use fieldmark_document::{MapReader, Node, Place, Placed, Problem, Problems};
use fieldmark_model::observation::State;
use fieldmark_model::{Severity, SourceName};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// When an escalation is told, where nothing is said.
const ESCALATES: Duration = Duration::from_secs(900);

/// Where a secret is: it is read when the collector starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretBy {
    /// An environment variable.
    Variable(String),
    /// A file.
    File(PathBuf),
}

impl SecretBy {
    /// Reads it.
    ///
    /// # Errors
    /// Why it is not there.
    pub fn read(&self) -> Result<String, String> {
        match self {
            Self::Variable(name) => match std::env::var(name) {
                Ok(secret) if !secret.trim().is_empty() => Ok(secret),
                Ok(_) | Err(_) => Err(format!("the environment variable {name} is not set")),
            },
            Self::File(path) => std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display())),
        }
    }
}

/// What a key of a route says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A text.
    Text(String),
    /// Several.
    Texts(Vec<String>),
    /// An address.
    Url(Url),
    /// What is read when the collector starts.
    Secret(SecretBy),
    /// `true` or `false`.
    Flag(bool),
}

/// A way to tell somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    /// Its name.
    pub name: Setting<String>,
    /// The word of its kind.
    pub kind: &'static str,
    /// What goes over it.
    pub matches: Matches,
    /// When.
    pub hours: Option<Hours>,
    /// Who is told next.
    pub escalate: Option<Escalate>,
    /// Only what no other takes goes over it.
    pub fallback: bool,
    /// How much goes over it.
    pub rate: Rate,
    /// The keys of its kind.
    pub said: Vec<(Key, Setting<Said>)>,
}

impl RouteConfig {
    /// As it is written in a file.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = json!({ "name": self.name.value, "kind": self.kind });
        let Some(keys) = shown.as_object_mut() else { return shown };
        for (key, said) in &self.said {
            let (key, value) = match &said.value {
                Said::Text(text) => (key.name.to_owned(), json!(text)),
                Said::Texts(texts) => (key.name.to_owned(), json!(texts)),
                Said::Flag(flag) => (key.name.to_owned(), json!(flag)),
                // what follows the host may be what lets somebody in
                Said::Url(url) if url.path().len() > 1 || url.query().is_some() => {
                    (key.name.to_owned(), json!(format!("{}/***", url.origin().ascii_serialization())))
                }
                Said::Url(url) => (key.name.to_owned(), json!(url.as_str())),
                Said::Secret(SecretBy::Variable(name)) => (format!("{}_env", key.name), json!(name)),
                Said::Secret(SecretBy::File(path)) => (format!("{}_file", key.name), json!(path.display().to_string())),
            };
            keys.insert(key, value);
        }
        if !self.matches.is_blank() {
            keys.insert("match".to_owned(), serde_json::to_value(&self.matches).unwrap_or_default());
        }
        keys.extend(self.hours.as_ref().map(|hours| ("hours".to_owned(), json!(hours.as_str()))));
        if let Some(Escalate { after, to }) = &self.escalate {
            keys.insert("escalate".to_owned(), json!({ "after": duration_text(*after), "to": to }));
        }
        if self.fallback {
            keys.insert("fallback".to_owned(), json!(true));
        }
        if self.rate != Rate::default() {
            let rate = json!({ "notices": self.rate.notices, "within": duration_text(self.rate.within) });
            keys.insert("at_most".to_owned(), rate);
        }
        shown
    }
}

pub(super) fn read(file: &mut MapReader<'_>, folder: &Path, problems: &mut Problems) -> Vec<RouteConfig> {
    let nodes = file.list("routes", problems).unwrap_or_default();
    let mut routes: Vec<RouteConfig> = Vec::new();
    for node in nodes {
        let Some(route) = route(node, folder, problems) else { continue };
        if let Some(other) = routes.iter().find(|other| other.name.value == route.name.value)
            && let (Origin::File(first), Origin::File(second)) = (&other.name.origin, &route.name.origin)
        {
            let problem = Problem::new(format!("two routes are called `{}`", route.name.value), second);
            problems.push(problem.also("the other is at", first));
        }
        routes.push(route);
    }
    routes
}

fn route(node: &Node, folder: &Path, problems: &mut Problems) -> Option<RouteConfig> {
    let mut keys = MapReader::new(node, "a route", problems)?;
    let name = keys.require_text("name", problems);
    let word = keys.require_text("kind", problems)?;
    let Some(kind) = KINDS.iter().find(|kind| kind.word == word.value) else {
        let what = format!("there is no kind of route `{}`", word.value.escape_debug());
        let words = KINDS.map(|kind| kind.word);
        let problem = Problem::new(what, &word.place).allowed(words.join(", ")).nearest_of(&word.value, words);
        problems.push(problem);
        return None;
    };
    let mut said = Vec::new();
    for key in kind.keys {
        let is_there = has(&keys, key);
        match of_key(&mut keys, key, folder, problems) {
            Some(value) => said.push((*key, value)),
            None if key.required && !is_there => {
                let problem =
                    Problem::new(format!("a route of the kind `{}` needs its `{}`", kind.word, key.name), &node.place);
                let secret = format!("{0}_env: NAME or {0}_file: PATH", key.name);
                problems.push(match key.value {
                    Kept::Secret => problem.allowed(secret).help(key.what),
                    Kept::Url | Kept::Text | Kept::Texts | Kept::Flag => problem.help(key.what),
                });
            }
            None => {}
        }
    }
    let matches = keys.map("match", problems).map(|keys| matches(keys, problems)).unwrap_or_default();
    let hours = keys.text("hours", problems).and_then(|text| match Hours::parse(&text.value) {
        Ok(hours) => Some(hours),
        Err(form) => {
            problems.push(Problem::new("`hours` are not such", &text.place).allowed(form));
            None
        }
    });
    let escalate = keys.map("escalate", problems).and_then(|mut keys| {
        let (after, to) = (keys.duration("after", problems), keys.require_text("to", problems));
        keys.finish(problems);
        Some(Escalate { after: after.map_or(ESCALATES, |after| after.value), to: to?.value })
    });
    let fallback = keys.bool("fallback", problems).is_some_and(|fallback| fallback.value);
    let rate = keys.map("at_most", problems).map(|mut keys| {
        let rate = Rate::default();
        let notices = keys.count("notices", problems).and_then(|notices| u32::try_from(notices.value).ok());
        let within = keys.duration("within", problems);
        keys.finish(problems);
        Rate {
            notices: notices.unwrap_or(rate.notices).max(1),
            within: within.map_or(rate.within, |within| within.value),
        }
    });
    keys.finish(problems);
    let name = name.map(|name| Setting { origin: Origin::of(&name.place), value: name.value });
    Some(RouteConfig {
        name: name?,
        kind: kind.word,
        matches,
        hours,
        escalate,
        fallback,
        rate: rate.unwrap_or_default(),
        said,
    })
}

/// Whether something is said of a key, though it may be wrong.
pub(super) fn has(keys: &MapReader<'_>, key: &Key) -> bool {
    [key.name.to_owned(), format!("{}_env", key.name), format!("{}_file", key.name)].iter().any(|name| keys.has(name))
}

/// What is said of a key.
pub(super) fn of_key(
    keys: &mut MapReader<'_>,
    key: &Key,
    folder: &Path,
    problems: &mut Problems,
) -> Option<Setting<Said>> {
    match key.value {
        Kept::Text => keys.text(key.name, problems).map(|text| said(Said::Text(text.value), &text.place)),
        Kept::Texts => {
            let texts = keys.texts(key.name, problems)?;
            if texts.value.is_empty() {
                let what = format!("`{}` is empty", key.name);
                problems.push(Problem::new(what, &texts.place).help(key.what));
                return None;
            }
            Some(said(Said::Texts(texts.value.into_iter().map(|text| text.value).collect()), &texts.place))
        }
        Kept::Flag => keys.bool(key.name, problems).map(|flag| said(Said::Flag(flag.value), &flag.place)),
        Kept::Secret => secret(keys, key, folder, problems),
        Kept::Url => match keys.text(key.name, problems) {
            Some(text) => match Url::parse(&text.value) {
                Ok(url) if url.username().is_empty() && url.password().is_none() => {
                    Some(said(Said::Url(url), &text.place))
                }
                Ok(_) => {
                    let what = format!("`{}` has no name and no password in it", key.name);
                    let help = format!("an address that is a secret is given by {0}_env or {0}_file", key.name);
                    problems.push(Problem::new(what, &text.place).help(help));
                    None
                }
                Err(_) => {
                    let what = format!("`{}` has to be an address such as https://…", key.name);
                    problems.push(Problem::new(what, &text.place).help(key.what));
                    None
                }
            },
            None => secret(keys, key, folder, problems),
        },
    }
}

fn said(value: Said, place: &Place) -> Setting<Said> {
    Setting { value, origin: Origin::of(place) }
}

fn secret(keys: &mut MapReader<'_>, key: &Key, folder: &Path, problems: &mut Problems) -> Option<Setting<Said>> {
    let (variable, file) = (format!("{}_env", key.name), format!("{}_file", key.name));
    match (keys.text(&variable, problems), keys.text(&file, problems)) {
        (Some(name), None) => Some(said(Said::Secret(SecretBy::Variable(name.value)), &name.place)),
        (None, Some(path)) => Some(said(Said::Secret(SecretBy::File(folder.join(&path.value))), &path.place)),
        (Some(_), Some(second)) => {
            let what = format!("`{}` is given twice", key.name);
            problems.push(Problem::new(what, &second.place).allowed(format!("{variable} or {file}")));
            None
        }
        (None, None) => None,
    }
}

/// What a collector would refuse when it starts, as far as that can be seen without its secrets.
pub(super) fn check_ways(routes: &[RouteConfig], allow_exec: bool, problems: &mut Problems) {
    for route in routes {
        if let (true, Origin::File(place)) = (route.kind == "exec" && !allow_exec, &route.name.origin) {
            let what = format!("the route `{}` runs a program, which is off", route.name.value);
            problems.push(Problem::new(what, place).help("`serve: { allow_exec: true }` lets routes run programs"));
        }
        let is_private = route.said.iter().any(|(key, said)| key.name == "private" && said.value == Said::Flag(true));
        for (key, said) in &route.said {
            let (Said::Url(url), Origin::File(place)) = (&said.value, &said.origin) else { continue };
            let is_good = super::daemon::is_private(url) || (url.scheme() == "http" && is_private);
            if key.value == Kept::Url && !is_good {
                let problem = Problem::new(format!("`{}` has to be an https:// address", key.name), place);
                problems.push(problem.help("http:// is for a receiver on this machine, or with `private: true`"));
            }
        }
    }
}

/// Routes that others escalate to are there.
pub(super) fn check_escalations(routes: &[RouteConfig], problems: &mut Problems) {
    for route in routes {
        let Some(Escalate { to, .. }) = &route.escalate else { continue };
        if let (true, Origin::File(place)) = (*to == route.name.value, &route.name.origin) {
            problems.push(Problem::new(format!("the route `{to}` escalates to itself"), place));
        }
        if let (false, Origin::File(place)) = (routes.iter().any(|other| other.name.value == *to), &route.name.origin) {
            let what = format!("the route `{}` escalates to a route that there is not", route.name.value);
            let known = routes.iter().map(|other| other.name.value.as_str());
            problems.push(Problem::new(what, place).value(format!("`{to}`")).nearest_of(to, known));
        }
    }
}

/// Where the sources are known, those that routes name are among them.
pub(super) fn check_sources(routes: &[RouteConfig], sources: &[SourceConfig], problems: &mut Problems) {
    for route in routes {
        let Some(named) = &route.matches.source else { continue };
        if let (false, Origin::File(place)) = (sources.iter().any(|source| source.name == *named), &route.name.origin) {
            let what = format!("the route `{}` is for a source that there is not", route.name.value);
            let known = sources.iter().map(|source| source.name.as_str());
            let problem = Problem::new(what, place).value(format!("`{named}`"));
            problems.push(problem.nearest_of(named.as_str(), known));
        }
    }
}

/// `maintenance`: windows in which nobody is told of what happens.
pub(super) fn maintenance(file: &mut MapReader<'_>, problems: &mut Problems) -> Setting<Vec<Silenced>> {
    let origin = file.place_of("maintenance").map_or(Origin::Default, Origin::of);
    let nodes = file.list("maintenance", problems).unwrap_or_default();
    let value = nodes.iter().filter_map(|node| window(node, problems)).collect();
    Setting { value, origin }
}

fn window(node: &Node, problems: &mut Problems) -> Option<Silenced> {
    let mut keys = MapReader::new(node, "a maintenance window", problems)?;
    let matches = keys.map("match", problems).map(|keys| matches(keys, problems)).unwrap_or_default();
    let from = keys.require_text("from", problems);
    let until = keys.require_text("until", problems);
    let why = keys.require_text("why", problems);
    keys.finish(problems);
    let mut time = |text: Option<Placed<String>>| {
        let text = text?;
        let time = DateTime::parse_from_rfc3339(&text.value).ok();
        if time.is_none() {
            let problem =
                Problem::new("this is no time", &text.place).value(format!("`{}`", text.value.escape_debug()));
            problems.push(problem.allowed("such as `2026-11-28T22:00:00Z`"));
        }
        time.map(|time| time.with_timezone(&Utc))
    };
    let (from, until) = (time(from), time(until));
    let (from, until, why) = (from?, until?, why?.value);
    if until <= from {
        problems.push(Problem::new("a maintenance window has to end after it begins", &node.place));
        return None;
    }
    Some(Silenced { matches, from, until, by: "the configuration".to_owned(), why, ended_by: None })
}

fn matches(mut keys: MapReader<'_>, problems: &mut Problems) -> Matches {
    let severities = [("info", Severity::Info), ("ticket", Severity::Ticket), ("page", Severity::Page)];
    let classes = [("systemic", State::Systemic), ("flapping", State::Flapping)];
    let matches = Matches {
        owner: keys.text("owner", problems).map(|owner| owner.value),
        severity: keys.word("severity", &severities, problems).map(|severity| severity.value),
        source: keys.text("source", problems).map(|source| SourceName::new(source.value)),
        table: keys.text("table", problems).map(|table| table.value),
        rule: keys.text("rule", problems).map(|rule| rule.value),
        agent: keys.text("agent", problems).map(|agent| agent.value),
        class: keys.word("class", &classes, problems).map(|class| class.value),
        incident: None,
    };
    keys.finish(problems);
    matches
}
