//! `incidents`, `silence` and `route`: what somebody has to know of, on the collector's machine.

use super::collector::{link, load, routes, store, whoever};
use super::{Ended, no_report};
use crate::cli::{Common, Hush, Incidents, NewSilence, Output, Routes, Routing, Silence, USAGE, Upon};
use crate::config::Config;
use crate::state::StateFolder;
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_classify::incident::{Acknowledged, Cause, Incident, Notice, Part};
use fieldmark_collector::lineage::downstream::{Downstream, downstream};
use fieldmark_collector::route::{Matches, Sent, Telling};
use fieldmark_collector::silenced;
use fieldmark_collector::store::{About, Audited, Notified, RuleNow, Shown, Store, StoreError, WantedIncidents};
use fieldmark_model::observation::State;
use fieldmark_model::{RuleId, Severity, SourceName, TableName};
use serde_json::json;
use std::io::Write as _;

/// Incidents that are printed, at most.
const MOST: usize = 1_000;

/// A word to whoever asked, beside the answer.
fn warn(what: &str) {
    // whoever reads neither needs no word
    writeln!(std::io::stderr(), "{what}").ok();
}

fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `incidents`
pub(super) async fn incidents(common: &Common, arguments: &Incidents) -> Result<u8, Ended> {
    no_report("incidents", common)?;
    let config = load(common)?;
    let folder = StateFolder::open(config.state_dir.value.clone())?;
    let store = store(&config, &folder)?;
    match &arguments.what {
        None => {
            let wanted = WantedIncidents { open: !arguments.all, source: None, limit: MOST };
            let incidents = store.incidents(wanted).await?;
            list(&shown(store.as_ref(), &config, incidents).await?, common);
        }
        Some(Upon::Show { id }) => {
            let unknown = || Ended::Because(2, format!("there is no incident {id}; `fieldmark incidents` prints them"));
            let incident = store.incident(id.clone()).await?;
            let incident = shown(store.as_ref(), &config, incident.into_iter().collect()).await?.pop();
            let incident = incident.ok_or_else(unknown)?;
            let downstream = downstream(store.as_ref(), &incident.incident).await?;
            if common.output == Output::Json {
                outln!("{:#}", json!({ "version": 1, "incident": incident, "downstream": downstream }));
            } else {
                show(&incident);
                downstream.iter().for_each(below);
            }
        }
        Some(Upon::Acknowledge { id, note }) => {
            let by = Acknowledged { by: whoever(), at: Utc::now(), note: note.clone() };
            match store.acknowledge(id.clone(), by).await {
                Ok(incident) => {
                    audit(store.as_ref(), "acknowledged", id).await?;
                    outln!("{}  taken up", incident.id);
                }
                Err(why @ (StoreError::Unknown { .. } | StoreError::Over { .. })) => {
                    return Err(Ended::Because(2, format!("{why}; `fieldmark incidents` prints those that are open")));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(0)
}

/// Incidents as they are now.
async fn shown(store: &dyn Store, config: &Config, incidents: Vec<Incident>) -> Result<Vec<Shown>, Ended> {
    let now = Utc::now();
    let mut silences = config.maintenance.value.clone();
    silences.extend(store.silences(now).await?.into_iter().map(|row| row.silenced));
    Ok(incidents.into_iter().map(|incident| Shown::of(incident, &silences, now)).collect())
}

async fn audit(store: &dyn Store, what: &str, detail: &str) -> Result<(), Ended> {
    let audited = Audited { time: Utc::now(), who: whoever(), what: what.to_owned(), detail: detail.to_owned() };
    Ok(store.audit(audited).await?)
}

fn list(incidents: &[Shown], common: &Common) {
    if common.output == Output::Json {
        outln!("{:#}", json!({ "version": 1, "incidents": incidents }));
        return;
    }
    if incidents.is_empty() {
        outln!("nothing is open");
    }
    incidents.iter().for_each(line);
}

fn line(Shown { incident, silenced }: &Shown) {
    let about = if incident.source().is_empty() { incident.agent() } else { incident.source() };
    let more = match incident.parts.len() {
        0 | 1 => String::new(),
        parts => format!(", {parts} parts"),
    };
    let taken = incident.acknowledged.as_ref().map(|by| format!(", taken up by {}", by.by)).unwrap_or_default();
    let hush = silenced.as_ref().map(|hush| format!(", silenced until {} by {}", time(hush.until), hush.by));
    let over = incident.resolved.map(|at| format!(", over {}", time(at))).unwrap_or_default();
    outln!(
        "{}  {} {}: {}{more}, since {}{taken}{}{over}",
        incident.id,
        incident.severity.as_str(),
        incident.class.as_str(),
        cause(about, &incident.cause),
        time(incident.opened),
        hush.unwrap_or_default()
    );
}

fn cause(about: &str, cause: &Cause) -> String {
    match cause {
        Cause::Migration { id, name } => format!("{about} after the migration {}", name.as_deref().unwrap_or(id)),
        Cause::Source => format!("{about} cannot be checked"),
        Cause::Agent => format!("nothing is heard of {about}"),
        Cause::Table(table) => format!("{about}: rules on {table} cannot be checked"),
        Cause::Rule(table, rule) => format!("{about}: {rule} on {table}"),
    }
}

fn show(shown: &Shown) {
    line(shown);
    let Shown { incident, silenced } = shown;
    for part in &incident.parts {
        let (place, about) = (part.place(), part.about());
        let (state, changed) = (part.state.as_str(), time(part.changed));
        outln!("  {place}: {about}: failing since {}, {state} since {changed}", time(part.since));
        outln!("    then: {}", part.reason);
        let said = [("", &part.description), ("owner: ", &part.owner), ("runbook: ", &part.runbook)];
        for (word, text) in said.iter().filter_map(|(word, text)| Some((word, text.as_ref()?))) {
            outln!("    {word}{text}");
        }
        for fix in &part.fixes {
            outln!("    to {}:", fix.what);
            outln!("      {}", fix.text);
        }
    }
    if let Some(Acknowledged { by, at, note }) = &incident.acknowledged {
        let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        outln!("  taken up by {by} at {}{note}", time(*at));
    }
    if let Some(hush) = silenced {
        outln!("  silenced until {} by {}: {}", time(hush.until), hush.by, hush.why);
    }
}

/// What is made from it, as far as that is known.
fn below(of: &Downstream) {
    if of.hit.is_empty() {
        return;
    }
    let more = if of.cut_off { ", and more" } else { "" };
    outln!("  made from {} ({}){more}:", of.table, of.columns.join(", "));
    for hit in &of.hit {
        let how = if hit.direct { "values" } else { "rows" };
        let owner = hit.origin.owner.as_ref().map(|owner| format!(", {owner}")).unwrap_or_default();
        let elsewhere = if hit.source == of.source { String::new() } else { format!("{}: ", hit.source) };
        outln!("    {elsewhere}{}  {how}, {} away{owner}", hit.table, hit.depth);
    }
}

/// `silence`
pub(super) async fn silence(common: &Common, arguments: &Silence) -> Result<u8, Ended> {
    no_report("silence", common)?;
    let config = load(common)?;
    let folder = StateFolder::open(config.state_dir.value.clone())?;
    let store = store(&config, &folder)?;
    let now = Utc::now();
    match &arguments.what {
        Hush::Add(new) => {
            let silenced = of(new, now).map_err(|why| Ended::Because(USAGE, why))?;
            let until = silenced.until;
            let rules = store.rules(None).await?;
            let is_known = |row: &RuleNow| {
                let own = &row.outcome;
                let table = |name: &String| {
                    own.table.name == *name
                        || own.table.to_string() == *name
                        || format!("{}.{}", own.source, own.table) == *name
                };
                new.source.as_ref().is_none_or(|name| own.source.as_str() == name)
                    && new.table.as_ref().is_none_or(table)
                    && new.rule.as_ref().is_none_or(|name| own.rule.as_str() == name)
                    && new.owner.as_ref().is_none_or(|name| own.owner.as_ref() == Some(name))
                    && new.agent.as_ref().is_none_or(|name| row.agent == *name)
            };
            if !rules.iter().any(is_known) {
                warn("no rule that is known yet is about that: is it spelled as `fieldmark incidents show` spells it?");
            }
            let id = store.silence(silenced).await?;
            audit(store.as_ref(), "silenced", &format!("{id} until {}", until.to_rfc3339())).await?;
            outln!("silence {id}, until {}", time(until));
        }
        Hush::List => {
            let silences = store.silences(now).await?;
            if common.output == Output::Json {
                outln!("{:#}", json!({ "version": 1, "silences": silences }));
                return Ok(0);
            }
            if silences.is_empty() {
                outln!("nothing is silenced");
            }
            for row in silences {
                let own = &row.silenced;
                let matches = serde_json::to_value(&own.matches).unwrap_or_default();
                let words: Vec<String> = matches
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(key, value)| format!("{key} {}", value.as_str().unwrap_or_default()))
                    .collect();
                let from = if own.from > now { format!("from {} ", time(own.from)) } else { String::new() };
                let (until, by, why) = (time(own.until), &own.by, &own.why);
                outln!("{}  {}: {from}until {until}, by {by}: {why}", row.id, words.join(", "));
            }
        }
        Hush::End { id } => match store.unsilence(*id, whoever(), now).await {
            Ok(()) => {
                audit(store.as_ref(), "unsilenced", &id.to_string()).await?;
                outln!("silence {id} is over");
            }
            Err(unknown @ StoreError::Unknown { .. }) => {
                return Err(Ended::Because(2, format!("{unknown}; `fieldmark silence list` prints them")));
            }
            Err(error) => return Err(error.into()),
        },
    }
    Ok(0)
}

fn of(new: &NewSilence, now: DateTime<Utc>) -> Result<fieldmark_collector::store::Silenced, String> {
    let matches = Matches {
        owner: new.owner.clone(),
        severity: None,
        source: new.source.clone().map(SourceName::new),
        table: new.table.clone(),
        rule: new.rule.clone(),
        agent: new.agent.clone(),
        class: None,
        incident: new.incident.clone(),
    };
    let lasts = new.time.and_then(|time| TimeDelta::from_std(time).ok()).unwrap_or_default();
    let until = new.until.unwrap_or_else(|| new.from.unwrap_or(now) + lasts);
    silenced(matches, (new.from, until), whoever(), new.why.trim().to_owned(), now)
}

/// `route`
pub(super) async fn route(common: &Common, arguments: &Routes) -> Result<u8, Ended> {
    no_report("route", common)?;
    let config = load(common)?;
    let Routing::Test { routes: wanted } = &arguments.what;
    let (routes, link) = (routes(&config)?, link(&config));
    if let Some(unknown) = wanted.iter().find(|name| !routes.iter().any(|route| route.name == **name)) {
        let known: Vec<&str> = routes.iter().map(|route| route.name.as_str()).collect();
        let why = format!("the configuration has no route `{unknown}`; it has: {}", known.join(", "));
        return Err(Ended::Because(USAGE, why));
    }
    if routes.is_empty() {
        return Err(Ended::Because(2, "the configuration has no `routes`: nobody is told of incidents".to_owned()));
    }
    if config.collector.is_some() {
        warn(
            "the collector runs elsewhere, and tells over the routes of its own file: these are told by this command alone",
        );
    }
    let mut all_taken = true;
    let now = Utc::now();
    let id = format!("test-{}", now.timestamp());
    for route in routes.iter().filter(|route| wanted.is_empty() || wanted.contains(&route.name)) {
        let mut taken = true;
        for notice in [Notice::Opened, Notice::Resolved] {
            let about = About::Incident(Box::new(example(&id, now, notice)));
            let notified = Notified { id: 0, notice, time: now, about };
            let own = format!("{id}-{}", notice.as_str());
            let link = link.as_deref();
            let telling = Telling { route: &route.name, id: &own, notified: &notified, link, test: true };
            let sent = route.way.tell(&telling).await;
            let told = match &sent {
                Sent::Taken => "taken".to_owned(),
                Sent::Later(why, _) | Sent::Perhaps(why) => format!("not taken now: {why}"),
                Sent::Unwanted(why) | Sent::Refused(why) => format!("refused: {why}"),
            };
            outln!("{} ({}), {}: {told}", route.name, route.kind, notice.as_str());
            taken &= sent == Sent::Taken;
            if !taken {
                break;
            }
        }
        all_taken &= taken;
    }
    Ok(u8::from(!all_taken))
}

/// An incident that is none.
fn example(id: &str, now: DateTime<Utc>, notice: Notice) -> Incident {
    let is_over = notice == Notice::Resolved;
    let (table, rule) = (TableName::new("public", "example"), RuleId::new("example"));
    let state = if is_over { State::Resolved } else { State::Systemic };
    let part = Part {
        agent: "example".to_owned(),
        source: Some(SourceName::new("example")),
        table: Some(table.clone()),
        rule: Some(rule.clone()),
        state,
        since: now,
        changed: now,
        reason: "somebody tries whether this route works".to_owned(),
        severity: Severity::Page,
        owner: None,
        description: None,
        runbook: None,
        escalation: None,
        fixes: Vec::new(),
    };
    Incident {
        id: id.to_owned(),
        cause: Cause::Rule(table, rule),
        class: state,
        severity: Severity::Page,
        opened: now,
        resolved: is_over.then_some(now),
        acknowledged: None,
        parts: vec![part],
    }
}
