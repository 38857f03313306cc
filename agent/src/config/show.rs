//! The effective configuration, with where each value came from, for `fieldmark config`.

use super::Config;
use super::address::Address;
use super::origin::{Origin, Setting};
use super::routes::{RouteConfig, Said, SecretBy};
use super::source::{AddressBy, SampleSize, SourceConfig};
use fieldmark_collector::store::Silenced;
use serde_json::{Value, json};
use std::time::Duration;

/// One value in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// Where it is in the configuration.
    pub path: Vec<Part>,
    /// The value as it may be shown; passwords are not in it.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
    /// Whether it follows from another line, and is no key to be set beside it.
    pub follows: bool,
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A key that Fieldmark knows.
    Key(&'static str),
    /// A source's name.
    Source(String),
}

impl Part {
    /// The text of the step.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Key(key) => key,
            Self::Source(name) => name,
        }
    }
}

impl Config {
    /// Every value in force, in the order of the reference.
    pub fn effective(&self) -> Vec<Effective> {
        let mut all = Vec::new();
        let file = |keys: &[&'static str]| keys.iter().map(|key| Part::Key(key)).collect::<Vec<_>>();
        let place = fieldmark_document::Place::start_of(std::sync::Arc::clone(&self.file));
        all.push(Effective { path: file(&["version"]), value: json!(1), origin: Origin::File(place), follows: false });
        push(&mut all, file(&["state_dir"]), &self.state_dir, |path| json!(path.display().to_string()));
        for source in &self.sources {
            source.effective(&mut all);
        }
        push(&mut all, file(&["rules"]), &self.rules, |patterns| json!(patterns));
        push(&mut all, file(&["marks", "keep"]), &self.marks.keep, |keep| json!(duration_text(*keep)));
        push(&mut all, file(&["marks", "max_bytes"]), &self.marks.max_bytes, |bytes| bytes_value(*bytes));
        push(&mut all, file(&["migrations", "dir"]), &self.migrations, |dir| json!(dir.display().to_string()));
        self.of_daemons(&mut all);
        all
    }

    fn of_daemons(&self, all: &mut Vec<Effective>) {
        let at = |section: &'static str, key: &'static str| vec![Part::Key(section), Part::Key(key)];
        let shown = |path: &std::path::Path| json!(path.display().to_string());
        let agent = &self.agent;
        push(all, at("agent", "name"), &agent.name, |name| json!(name));
        push(all, at("agent", "listen"), &agent.listen, |address| json!(address.to_string()));
        push(all, at("agent", "every"), &agent.every, |every| json!(duration_text(*every)));
        push(all, at("agent", "per_block"), &agent.per_block, |rows| json!(rows));
        push(all, at("agent", "marks_every"), &agent.marks_every, |every| json!(duration_text(*every)));
        push(all, at("agent", "catalogue_every"), &agent.catalogue_every, |every| json!(duration_text(*every)));
        push(all, at("agent", "spool"), &agent.spool, |bytes| bytes_value(*bytes));
        push(all, at("agent", "patience"), &agent.patience, |patience| json!(duration_text(*patience)));
        match &self.collector {
            None => push(all, vec![Part::Key("collector")], &Setting::default_of(()), |()| Value::Null),
            Some(collector) => {
                push(all, at("collector", "url"), &collector.url, |url| json!(url.as_str()));
                push(all, at("collector", "token_file"), &collector.token_file, |path| shown(path));
                push(all, at("collector", "ca_file"), &collector.ca_file, |path| json!(path.as_deref().map(shown)));
            }
        }
        match &self.openlineage {
            None => push(all, vec![Part::Key("openlineage")], &Setting::default_of(()), |()| Value::Null),
            Some(own) => {
                push(all, at("openlineage", "url"), &own.url, |url| json!(url.as_str()));
                push(all, at("openlineage", "token_file"), &own.token_file, |path| json!(path.as_deref().map(shown)));
            }
        }
        let serve = &self.serve;
        push(all, at("serve", "listen"), &serve.listen, |address| json!(address.to_string()));
        match &serve.tls.value {
            None => push(all, at("serve", "tls"), &serve.tls, |_| Value::Null),
            Some((cert, key)) => {
                for (name, path) in [("cert_file", cert), ("key_file", key)] {
                    let path_of = vec![Part::Key("serve"), Part::Key("tls"), Part::Key(name)];
                    push(all, path_of, &serve.tls, |_| shown(path));
                }
            }
        }
        let kept = |key: &'static str| vec![Part::Key("serve"), Part::Key("keep"), Part::Key(key)];
        push(all, kept("outcomes"), &serve.keep_outcomes, |keep| json!(duration_text(*keep)));
        push(all, kept("rollups"), &serve.keep_rollups, |keep| json!(duration_text(*keep)));
        push(all, at("serve", "url"), &serve.url, |url| json!(url.as_ref().map(|url| url.as_str())));
        push(all, at("serve", "allow_exec"), &serve.allow_exec, |allow| json!(allow));
        if let Some((url, every)) = &serve.heartbeat {
            let of = |key: &'static str| vec![Part::Key("serve"), Part::Key("heartbeat"), Part::Key(key)];
            let (key, value) = match &url.value {
                Said::Secret(SecretBy::Variable(name)) => ("url_env", json!(name)),
                Said::Secret(SecretBy::File(path)) => ("url_file", shown(path)),
                Said::Text(_) | Said::Texts(_) | Said::Url(_) | Said::Flag(_) => ("url", json!("***")),
            };
            push(all, of(key), url, |_| value.clone());
            push(all, of("every"), every, |every| json!(duration_text(*every)));
        }
        let origin = self.routes.first().map_or(Origin::Default, |route| route.name.origin.clone());
        let routes = Setting { value: self.routes.iter().map(RouteConfig::shown).collect::<Vec<Value>>(), origin };
        push(all, vec![Part::Key("routes")], &routes, |routes| json!(routes));
        push(all, vec![Part::Key("maintenance")], &self.maintenance, |windows| {
            let window = |own: &Silenced| {
                let mut shown = json!({ "from": own.from, "until": own.until, "why": own.why });
                if let (false, Some(shown)) = (own.matches.is_blank(), shown.as_object_mut()) {
                    shown.insert("match".to_owned(), serde_json::to_value(&own.matches).unwrap_or_default());
                }
                shown
            };
            json!(windows.iter().map(window).collect::<Vec<_>>())
        });
        let telemetry = &self.telemetry;
        let otlp = |is_auto: &bool| json!(if *is_auto { "auto" } else { "off" });
        push(all, at("telemetry", "otlp"), &telemetry.otlp, otlp);
        push(all, at("telemetry", "prometheus"), &telemetry.prometheus, |is_told| json!(is_told));
        push(all, at("telemetry", "listen"), &telemetry.listen, |listen| json!(listen.map(|at| at.to_string())));
        push(all, at("telemetry", "logs"), &telemetry.logs, |format| json!(format.as_str()));
    }

    /// The effective file in YAML; each line says where its value came from.
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        let mut open: Vec<Part> = Vec::new();
        for line in self.effective() {
            let (Some(last), parents) = (line.path.last(), line.path.get(..line.path.len() - 1).unwrap_or_default())
            else {
                continue;
            };
            let same = open.iter().zip(parents).take_while(|(a, b)| a == b).count();
            for (depth, part) in parents.iter().enumerate().skip(same) {
                text.push_str(&format!("{}{}:\n", "  ".repeat(depth), scalar(part.as_str())));
            }
            open = parents.to_vec();
            let value = yaml(&line.value);
            let comment = if line.follows { "# " } else { "" };
            let indent = "  ".repeat(parents.len());
            text.push_str(&format!("{indent}{comment}{}: {value}  # {}\n", last.as_str(), line.origin));
        }
        text
    }

    /// The effective file as JSON: `{"version": 1, "settings": [{"path": […], "value": …, "from": …}]}`.
    pub fn to_json(&self) -> Value {
        let settings: Vec<Value> = self
            .effective()
            .iter()
            .map(|line| {
                let path: Vec<&str> = line.path.iter().map(Part::as_str).collect();
                json!({ "path": path, "value": line.value, "from": line.origin.to_string() })
            })
            .collect();
        json!({ "version": 1, "settings": settings })
    }
}

impl SourceConfig {
    fn effective(&self, all: &mut Vec<Effective>) {
        let at = |keys: &[&'static str]| {
            let own = [Part::Key("sources"), Part::Source(self.name.as_str().to_owned())];
            own.into_iter().chain(keys.iter().map(|key| Part::Key(key))).collect::<Vec<_>>()
        };
        match &self.address_by {
            AddressBy::Url | AddressBy::Patterns => {}
            AddressBy::Variable(name) => push(all, at(&["url_env"]), &self.address, |_| json!(name)),
            AddressBy::File(path) => push(all, at(&["url_file"]), &self.address, |_| json!(path.display().to_string())),
        }
        let origin = match &self.address_by {
            AddressBy::Url | AddressBy::Patterns => self.address.origin.clone(),
            AddressBy::Variable(name) => Origin::Environment(name.clone()),
            AddressBy::File(path) => {
                let file = super::rule_files::name_of(path);
                Origin::File(fieldmark_document::Place::start_of(file))
            }
        };
        if let Address::Files(tables) = &self.address.value {
            for (name, pattern) in tables {
                let mut path = at(&["files"]);
                path.push(Part::Source(name.clone()));
                push(all, path, &self.address, |_| json!(pattern.to_string()));
            }
        } else {
            all.push(Effective {
                path: at(&["url"]),
                value: json!(self.address.value.shown()),
                origin,
                follows: self.address_by != AddressBy::Url,
            });
        }
        push(all, at(&["schemas"]), &self.schemas, |schemas| json!(schemas));
        match self.sample.size.value {
            SampleSize::All => push(all, at(&["sample"]), &self.sample.size, |_| json!("all")),
            SampleSize::Rows(rows) => push(all, at(&["sample", "rows"]), &self.sample.size, |_| json!(rows)),
            SampleSize::Fraction(fraction) => {
                push(all, at(&["sample", "fraction"]), &self.sample.size, |_| json!(fraction_text(fraction)));
            }
        }
        if self.sample.size.value != SampleSize::All {
            push(all, at(&["sample", "per_block"]), &self.sample.per_block, |rows| json!(rows));
        }
        push(all, at(&["detect"]), &self.detect, |fraction| json!(fraction_text(*fraction)));
        push(all, at(&["budget", "server_time"]), &self.budget.server_time, |share| json!(fraction_text(*share)));
        push(all, at(&["budget", "blocks_per_minute"]), &self.budget.blocks_per_minute, |blocks| json!(blocks));
        push(all, at(&["budget", "rows_per_check"]), &self.budget.rows_per_check, |rows| json!(rows));
        push(all, at(&["examples"]), &self.examples, |examples| json!(examples.as_str()));
        push(all, at(&["shadow_url"]), &self.shadow_url, |shadow| json!(shadow.as_ref().map(|shadow| &shadow.shown)));
        push(all, at(&["dbt"]), &self.dbt, |path| json!(path.as_ref().map(|path| path.display().to_string())));
        push(all, at(&["full_every"]), &self.full_every, |every| json!(duration_text(*every)));
        push(all, at(&["scan_connections"]), &self.scan_connections, |connections| json!(connections));
        push(all, at(&["snapshot"]), &self.snapshot, |snapshot| json!(snapshot));
        push(all, at(&["migrations_by", "role"]), &self.migrations_by.role, |role| json!(role));
        push(all, at(&["migrations_by", "application_name"]), &self.migrations_by.application_name, |name| json!(name));
        push(all, at(&["sql"]), &self.sql, |sql| json!(sql.as_str()));
        push(all, at(&["replica_of"]), &self.replica_of, |name| json!(name.as_ref().map(|name| name.as_str())));
    }
}

fn push<T>(all: &mut Vec<Effective>, path: Vec<Part>, setting: &Setting<T>, show: impl FnOnce(&T) -> Value) {
    all.push(Effective { path, value: show(&setting.value), origin: setting.origin.clone(), follows: false });
}

fn yaml(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(yaml).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A text as YAML: plain where that is read back as the same text, else in double quotes.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '%' | '=' | '@' | ':'))
        && !text.ends_with(':')
        && !matches!(text.to_ascii_lowercase().as_str(), "null" | "true" | "false");
    let quantity = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_alphabetic() || c == '%')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '%'));
    // JSON's quoting is YAML's
    if plain || quantity { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

/// `24h`, `1h30m`; read back as the same duration.
pub(super) fn duration_text(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, milliseconds) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        let count = rest / milliseconds;
        rest %= milliseconds;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text == "1d" { "24h".to_owned() } else { text }
}

/// `0.1%`; read back as the same fraction up to twelve digits.
pub(super) fn fraction_text(fraction: f64) -> String {
    let percent = format!("{:.12}", fraction * 100.0);
    format!("{}%", percent.trim_end_matches('0').trim_end_matches('.'))
}

fn bytes_value(bytes: u64) -> Value {
    for (unit, size) in [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1u64 << 10)] {
        if bytes >= size && bytes.is_multiple_of(size) {
            return json!(format!("{}{unit}", bytes / size));
        }
    }
    json!(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_back_as_shown() {
        for milliseconds in [0, 1, 1500, 60_000, 5_400_000, 86_400_000, 14 * 86_400_000, 90_061_001] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(fieldmark_document::duration_of(&duration_text(duration)), Some(duration));
        }
        for (fraction, expected) in [(0.001, "0.1%"), (0.0007, "0.07%"), (0.05, "5%"), (1.0, "100%"), (0.1, "10%")] {
            assert_eq!(fraction_text(fraction), expected);
        }
        assert_eq!(bytes_value(2 << 30), json!("2GiB"));
        assert_eq!(bytes_value(1000), json!(1000));
    }

    #[test]
    fn texts_are_quoted_where_yaml_would_read_something_else() {
        for (text, expected) in [
            ("public", "public"),
            ("/var/lib", "/var/lib"),
            ("null", "\"null\""),
            ("a: b", "\"a: b\""),
            ("", "\"\""),
            ("24h", "24h"),
            ("12", "\"12\""),
            ("0.1%", "0.1%"),
            ("rules/**/*.yaml", "\"rules/**/*.yaml\""),
            ("postgres://u:***@h/d", "\"postgres://u:***@h/d\""),
            ("-a", "\"-a\""),
            ("1e3", "\"1e3\""),
        ] {
            assert_eq!(scalar(text), expected);
        }
    }
}
