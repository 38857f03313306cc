//! The JSON Schema of the configuration file, for editors. A test holds it against what the parser takes.

use super::daemon::{
    AGENT_PER_BLOCK, CATALOGUE_EVERY, EVERY, HEARTBEAT, KEEP_OUTCOMES, KEEP_ROLLUPS, MARKS_EVERY, PATIENCE,
};
use super::{BLOCKS_PER_MINUTE, DEFAULT_RULES, Examples, SqlRules};
use super::{DETECT, FULL_EVERY, MARKS_KEEP, PER_BLOCK, ROWS_PER_CHECK, SAMPLE_ROWS, SERVER_TIME};
use fieldmark_collector::route::{KINDS, Value as Kept};
use serde_json::{Value, json};

/// The JSON Schema (draft 2020-12) of `fieldmark.yaml`.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration of Fieldmark (fieldmark.yaml)",
        "type": "object",
        "required": ["version", "sources"],
        "additionalProperties": false,
        "properties": {
            "version": { "description": "Version of the form.", "const": 1 },
            "state_dir": text("Folder of marks and small state; default: the XDG state folder."),
            "sources": {
                "description": "The databases, each with a name.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": { "pattern": "^[A-Za-z0-9_-]{1,63}$" },
                "additionalProperties": source(),
            },
            "rules": {
                "description": format!("Patterns of rule files, relative to this file's folder; default `{DEFAULT_RULES}`."),
                "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
            },
            "marks": mapping("How marks are kept.", json!({
                "keep": duration("How long a mark is kept", MARKS_KEEP.as_secs()),
                "max_bytes": { "description": "Oldest marks are removed beyond so many bytes, such as `2GiB`.",
                    "type": ["string", "integer"] },
            })),
            "migrations": mapping("The scripts of migrations.", json!({
                "dir": text("The folder of a tool (sqlx, Flyway, goose, …), relative to this file's; default `migrations`, if it is there."),
                "tool": { "description": "Which tool: by the names in it.", "enum": ["auto"] },
            })),
            "agent": mapping("The daemon beside the databases.", json!({
                "name": text("Its name in the fleet; default: the machine's."),
                "listen": text("Where its own API listens: a loopback address and a port."),
                "every": duration("Time between two routine checks of a source", EVERY.as_secs()),
                "per_block": { "description": format!("Rows of a drawn block that a routine check keeps; default {AGENT_PER_BLOCK}."),
                    "type": "integer", "minimum": 1, "maximum": 10_000 },
                "marks_every": duration("Time between two rolling marks of a source; 0s: none", MARKS_EVERY.as_secs()),
                "catalogue_every": duration("Time between two looks at a source's catalogue", CATALOGUE_EVERY.as_secs()),
                "spool": { "description": "Most bytes of observations that nobody has taken yet; default 256MiB.",
                    "type": ["string", "integer"] },
                "patience": duration("How long things are given to heal by themselves before they are held to stay", PATIENCE.as_secs()),
            })),
            "collector": nullable(mapping("A collector that runs elsewhere; default: inside the agent.", json!({
                "url": text("Its address, https://…."),
                "token_file": text("A file with the agent's token (`fieldmark agents enrol`)."),
                "ca_file": text("Certificates that its own is signed by; default: those that the system trusts."),
            }))),
            "openlineage": nullable(mapping("Who is told of migrations, checks and lineage in the form of OpenLineage: Marquez, DataHub.", json!({
                "url": text("Its address, https://…, to which /api/v1/lineage is added."),
                "token_file": text("A file with a token for it."),
            }))),
            "serve": mapping("The collector, wherever it runs.", json!({
                "listen": text("Where it listens: an address and a port."),
                "store": { "description": "Where it keeps what agents observe.", "enum": ["sqlite"] },
                "tls": nullable(mapping("Its certificate; needed beyond a loopback address.", json!({
                    "cert_file": text("The certificate and those between it and one that is trusted, in PEM."),
                    "key_file": text("Its private key, in PEM."),
                }))),
                "people": { "description": "How people sign in.", "enum": ["token_file"] },
                "keep": mapping("How long it keeps what.", json!({
                    "outcomes": duration("Single outcomes", KEEP_OUTCOMES.as_secs()),
                    "rollups": duration("Sums of them by the hour, and all else", KEEP_ROLLUPS.as_secs()),
                })),
                "url": text("Its address for people elsewhere, where what is told of an incident leads."),
                "allow_exec": { "description": "Whether routes may run programs; default false.", "type": "boolean" },
                "heartbeat": mapping("A dead man's switch: what is asked every so often, and missed when it is not.", json!({
                    "url": text("What is asked."),
                    "url_env": text("The environment variable that holds it."),
                    "url_file": text("A file that holds it."),
                    "every": duration("Time between two calls", HEARTBEAT.as_secs()),
                })),
            })),
            "routes": { "description": "Who is told of incidents: the first that matches. Default: nobody.", "type": "array",
                "items": route() },
            "maintenance": { "description": "Windows in which nobody is told of what happens; what is open still at the end is told then.",
                "type": "array", "items": mapping("A maintenance window.", json!({
                    "match": matching(),
                    "from": { "description": "When it begins.", "type": "string", "format": "date-time" },
                    "until": { "description": "When it ends.", "type": "string", "format": "date-time" },
                    "why": text("Why."),
                })) },
            "telemetry": nullable(mapping("What leaves sideways: metrics, traces, logs.", json!({
                "otlp": { "description": "auto: as the standard OTEL_… variables say; off: nothing is sent.", "enum": ["auto", "off"] },
                "prometheus": { "description": "Whether agent and collector tell Prometheus their metrics at /metrics; default true.",
                    "type": "boolean" },
                "listen": text("One more address that tells metrics, and nothing else, to whoever asks; default: none."),
                "logs": { "description": "What lines on standard error look like; default text.", "enum": ["text", "json"] },
            }))),
        },
    })
}

/// Which incidents something is for.
fn matching() -> Value {
    mapping(
        "Which incidents: all that is said here is true of it. Default: every one.",
        json!({
            "owner": text("Of whom one of its rules is."),
            "severity": { "description": "It matters so much, or more.", "enum": ["info", "ticket", "page"] },
            "source": text("A source that it is about."),
            "table": text("One of its tables: `table`, `schema.table`, or `source.schema.table`."),
            "rule": text("One of its rules."),
            "agent": text("An agent that sees it."),
            "class": { "description": "Its class.", "enum": ["systemic", "flapping"] },
        }),
    )
}

/// A route: what all have, and the keys of each kind.
fn route() -> Value {
    let mut keys = json!({
        "name": text("Its name."),
        "kind": { "description": KINDS.map(|kind| format!("{}: {}.", kind.word, kind.what)).join(" "), "enum": KINDS.map(|kind| kind.word) },
        "match": matching(),
        "hours": text("When, in UTC: `mon-fri 08:00-18:00`. Default: always."),
        "escalate": mapping("Who is told where nobody takes it up.", json!({
            "after": duration("After so long", 900),
            "to": text("The route that is told."),
        })),
        "fallback": { "description": "Only what no other route takes goes over it.", "type": "boolean" },
        "at_most": mapping("How much goes over it; the rest waits. Default: 60 in 10 minutes.", json!({
            "notices": { "description": "So many notices,", "type": "integer", "minimum": 1 },
            "within": duration("within so long", 600),
        })),
    });
    let Some(properties) = keys.as_object_mut() else { return keys };
    for (kind, key) in KINDS.iter().flat_map(|kind| kind.keys.iter().map(move |key| (kind, key))) {
        let what = format!("{}: {}.", kind.word, key.what);
        let mut put = |name: String, schema: Value| {
            let own = properties.entry(name).or_insert(schema);
            // of several kinds that have a key of one name, each says what it is
            let known = own["description"].as_str().unwrap_or_default().to_owned();
            if !known.contains(&what) {
                own["description"] = json!(format!("{known} {what}").trim());
            }
        };
        let plain = match key.value {
            Kept::Text | Kept::Url => Some(json!({ "type": "string", "minLength": 1 })),
            Kept::Texts => {
                Some(json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] }))
            }
            Kept::Flag => Some(json!({ "type": "boolean" })),
            Kept::Secret => None,
        };
        plain.into_iter().for_each(|schema| put(key.name.to_owned(), schema));
        if matches!(key.value, Kept::Secret | Kept::Url) {
            put(format!("{}_env", key.name), json!({ "type": "string", "minLength": 1 }));
            put(format!("{}_file", key.name), json!({ "type": "string", "minLength": 1 }));
        }
    }
    mapping("A way to tell somebody.", keys)
}

/// The same, or nothing.
fn nullable(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn source() -> Value {
    let words = |words: Vec<&str>| json!(words);
    let mut source = mapping(
        "One database: its address, and how it is read.",
        json!({
            "url": text("The address: `postgres://user@host/database`, `mariadb://user@host/database` or `sqlite:path`."),
            "url_env": { "description": "The environment variable that holds the address.",
                "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "url_file": text("A file that holds the address."),
            "files": { "description": "Instead of an address: tables by their names, each the Parquet or CSV files that a pattern fits.",
                "type": "object", "minProperties": 1,
                "additionalProperties": text("A path or a pattern of paths, such as `data/orders/*.parquet`.") },
            "schemas": { "description": "Schemas to look at; default: the connection's own.",
                "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }, { "type": "null" }] },
            "sample": {
                "description": format!("Rows read of a table; default {SAMPLE_ROWS}."),
                "anyOf": [
                    { "const": "all" },
                    mapping("How many.", json!({
                        "rows": { "description": "So many rows.", "type": "integer", "minimum": 1 },
                        "fraction": fraction("This fraction of the table's rows, such as `1%`."),
                        "per_block": { "description": format!("Rows kept of a drawn block; default {PER_BLOCK}."),
                            "type": "integer", "minimum": 1 },
                    })),
                ],
            },
            "detect": fraction(&format!("Failing fraction that a sampled pass has to rule out; default {}%.", DETECT * 100.0)),
            "budget": mapping("What checks may cost.", json!({
                "server_time": fraction(&format!(
                    "Largest share of an hour that our statements run; default {}%.", SERVER_TIME * 100.0)),
                "blocks_per_minute": { "description": format!("Blocks read in a minute, cached ones too; default {BLOCKS_PER_MINUTE}."),
                    "type": "integer", "minimum": 1 },
                "rows_per_check": { "description": format!("Rows read of one table by one check; default {ROWS_PER_CHECK}."),
                    "type": "integer", "minimum": 1 },
            })),
            "examples": { "description": "What reports show of failing rows; default keys.",
                "enum": words(Examples::WORDS.iter().map(|(word, _)| *word).collect()) },
            "dbt": { "type": "string", "description": "The manifest (`manifest.json`) of the dbt project that makes tables here, relative to this file's folder." },
            "shadow_url": { "description": "A scratch server on which a migration's statements are analysed; default: a private server. PostgreSQL.",
                "type": ["string", "null"] },
            "full_every": duration("How often a look-up without an index may pass over a whole table", FULL_EVERY.as_secs()),
            "scan_connections": { "description": "Connections that read at the same time; default 1. PostgreSQL and MariaDB.", "enum": [1, 2] },
            "snapshot": { "description": "Whether a pass over a whole table is in one snapshot; default false. PostgreSQL.",
                "type": "boolean" },
            "migrations_by": mapping("Whose sessions are migrations; `*` stands for any text.", json!({
                "role": { "description": "The role's name.", "type": ["string", "null"] },
                "application_name": { "description": "The application's name.", "type": ["string", "null"] },
            })),
            "sql": { "description": "Whether `sql:` rules may run; default deny.",
                "enum": words(SqlRules::WORDS.iter().map(|(word, _)| *word).collect()) },
            "replica_of": { "description": "The source whose migrations arrive here by replication.", "type": ["string", "null"] },
        }),
    );
    if let Some(map) = source.as_object_mut() {
        map.insert(
            "oneOf".to_owned(),
            json!([{ "required": ["url"] }, { "required": ["url_env"] }, { "required": ["url_file"] }, { "required": ["files"] }]),
        );
    }
    source
}

fn mapping(description: &str, properties: Value) -> Value {
    json!({ "description": description, "type": "object", "additionalProperties": false, "properties": properties })
}

fn text(description: &str) -> Value {
    json!({ "description": description, "type": "string", "minLength": 1 })
}

fn fraction(description: &str) -> Value {
    json!({ "description": description, "anyOf": [
        { "type": "number", "minimum": 0, "maximum": 1 },
        { "type": "string", "pattern": "^[0-9.]+ ?%$" },
    ] })
}

fn duration(what: &str, seconds: u64) -> Value {
    let default = match seconds {
        seconds if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    };
    let description = format!("{what}, such as `15m` or `14d`; default {default}.");
    json!({ "description": description, "type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w))+$" })
}
