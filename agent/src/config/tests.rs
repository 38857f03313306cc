use super::*;
use std::fs;
use std::io::Write as _;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/corpus")
}

fn variables(text: &str) -> Environment {
    std::iter::once(("HOME", "/home/fm")).chain(text.lines().filter_map(|line| line.split_once('='))).collect()
}

fn read_with(text: &str, environment: &str, overrides: Overrides) -> Reading {
    read("fieldmark.yaml", text, Path::new("/etc/fieldmark"), &variables(environment), &overrides)
}

/// With the machine's own name.
fn of_this_machine(expected: &str) -> String {
    expected.replace("name: NAME", &format!("name: {}", crate::state::host_name()))
}

fn config_of(text: &str, environment: &str, overrides: Overrides) -> Config {
    let reading = read_with(text, environment, overrides);
    assert_eq!(render(&reading.problems, &Problems::default(), Style::PLAIN), "");
    reading.config.unwrap()
}

fn problems_of(text: &str, environment: &str) -> String {
    let reading = read_with(text, environment, Overrides::default());
    render(&reading.problems, &Problems::default(), Style::PLAIN)
}

const SMALL: &str = "version: 1\nsources:\n  shop: { url: 'postgres://fm@db/shop' }\n";

/// Each `corpus/<name>.yaml` gives exactly the lines of `<name>.expected`; `<name>.env` sets variables. With
/// `UPDATE_CORPUS=1` the answers are written instead: read them before you keep them.
#[test]
fn every_broken_file_gets_its_message() {
    let mut names: Vec<PathBuf> = fs::read_dir(here())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    names.sort();
    assert!(names.len() >= 25, "{}", names.len());
    let mut wrong = Vec::new();
    for path in names {
        let text = fs::read_to_string(&path).unwrap();
        let environment = fs::read_to_string(path.with_extension("env")).unwrap_or_default();
        let found = problems_of(&text, &environment);
        let expected_path = path.with_extension("expected");
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            fs::write(&expected_path, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if found != expected || found.is_empty() {
            wrong.push(format!("{}:\n{found}instead of\n{expected}", path.display()));
        }
        assert!(!found.contains("hunter2"), "{found}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_small_file_has_the_documented_defaults() {
    let config = config_of(SMALL, "", Overrides::default());
    let expected = "\
version: 1  # fieldmark.yaml:1
state_dir: /home/fm/.local/state/fieldmark  # default
sources:
  shop:
    url: postgres://fm@db/shop  # fieldmark.yaml:3
    schemas: null  # default
    sample:
      rows: 10000  # default
      per_block: 1  # default
    detect: 0.1%  # default
    budget:
      server_time: 5%  # default
      blocks_per_minute: 200000  # default
      rows_per_check: 200000  # default
    examples: keys  # default
    shadow_url: null  # default
    dbt: null  # default
    full_every: 24h  # default
    scan_connections: 1  # default
    snapshot: false  # default
    migrations_by:
      role: null  # default
      application_name: null  # default
    sql: deny  # default
    replica_of: null  # default
rules: [\"rules/**/*.yaml\"]  # default
marks:
  keep: 14d  # default
  max_bytes: 2GiB  # default
migrations:
  dir: /etc/fieldmark/migrations  # default
agent:
  name: NAME  # default
  listen: \"127.0.0.1:9465\"  # default
  every: 5m  # default
  per_block: 25  # default
  marks_every: 10m  # default
  catalogue_every: 5s  # default
  spool: 256MiB  # default
  patience: 15m  # default
collector: null  # default
openlineage: null  # default
serve:
  listen: \"127.0.0.1:9466\"  # default
  tls: null  # default
  keep:
    outcomes: 30d  # default
    rollups: 400d  # default
  url: null  # default
  allow_exec: false  # default
routes: []  # default
maintenance: []  # default
telemetry:
  otlp: auto  # default
  prometheus: true  # default
  listen: null  # default
  logs: text  # default
";
    assert_eq!(config.to_yaml(), of_this_machine(expected));
    // what is printed is read back as the same
    let again = config_of(&config.to_yaml(), "", Overrides::default());
    let values =
        |config: &Config| config.effective().into_iter().map(|line| (line.path, line.value)).collect::<Vec<_>>();
    assert_eq!(values(&again), values(&config));
}

/// The documented file, without what this version lacks; with every key whose default asks for nothing.
const DOCUMENTED: &str = "\
version: 1
state_dir: /var/lib/fieldmark
sources:
  shop:
    url: postgres://fieldmark@db/shop
    schemas: [public]
    sample: { rows: 10000, per_block: 1 }
    detect: 0.1%
    budget: { server_time: 5%, blocks_per_minute: 200000, rows_per_check: 200000 }
    scan_connections: 1
    examples: keys
    full_every: 24h
    snapshot: false
    migrations_by: { role: null, application_name: null }
    sql: deny
    quiet_hours: []
    replica_of: null
    shadow_url: null
rules: ['rules/**/*.yaml']
contracts: []
migrations: { dir: migrations, tool: auto }
marks: { keep: 14d, max_bytes: 2GiB, encrypt_with: null }
agent: {}
collector: null
serve: null
scan: null
telemetry: null
routes: []
maintenance: []
";

#[test]
fn defaults_that_ask_for_nothing_more_may_stand() {
    let config = config_of(DOCUMENTED, "", Overrides::default());
    assert_eq!(config.state_dir.value, Path::new("/var/lib/fieldmark"));
    assert_eq!(config.sources[0].schemas.value.as_deref(), Some(["public".to_owned()].as_slice()));
}

#[test]
fn every_key_is_read() {
    let text = "\
version: 1
state_dir: state
sources:
  a: { url: 'sqlite:data/a.db', sample: all, detect: 1%, examples: redacted, full_every: 1h30m }
  b:
    url_env: B_URL
    schemas: public
    sample: { fraction: 0.5%, per_block: 7 }
    budget: { server_time: 100%, blocks_per_minute: 1_000, rows_per_check: 50000 }
    migrations_by: { role: 'deploy_*', application_name: flyway }
  c: { url: postgres://h/d, sql: allow, replica_of: b }
rules: [a.yaml, b/*.yaml]
marks: { keep: 2h, max_bytes: 500MB }
";
    let config = config_of(text, "B_URL=postgresql://u:hunter2@h:5433/d?sslmode=require", Overrides::default());
    let expected = "\
version: 1  # fieldmark.yaml:1
state_dir: /etc/fieldmark/state  # fieldmark.yaml:2
sources:
  a:
    url: sqlite:/etc/fieldmark/data/a.db  # fieldmark.yaml:4
    schemas: null  # default
    sample: all  # fieldmark.yaml:4
    detect: 1%  # fieldmark.yaml:4
    budget:
      server_time: 5%  # default
      blocks_per_minute: 200000  # default
      rows_per_check: 200000  # default
    examples: redacted  # fieldmark.yaml:4
    shadow_url: null  # default
    dbt: null  # default
    full_every: 1h30m  # fieldmark.yaml:4
    scan_connections: 1  # default
    snapshot: false  # default
    migrations_by:
      role: null  # default
      application_name: null  # default
    sql: deny  # default
    replica_of: null  # default
  b:
    url_env: B_URL  # fieldmark.yaml:6
    # url: \"postgres://u:***@h:5433/d?sslmode=require\"  # environment variable B_URL
    schemas: [public]  # fieldmark.yaml:7
    sample:
      fraction: 0.5%  # fieldmark.yaml:8
      per_block: 7  # fieldmark.yaml:8
    detect: 0.1%  # default
    budget:
      server_time: 100%  # fieldmark.yaml:9
      blocks_per_minute: 1000  # fieldmark.yaml:9
      rows_per_check: 50000  # fieldmark.yaml:9
    examples: keys  # default
    shadow_url: null  # default
    dbt: null  # default
    full_every: 24h  # default
    scan_connections: 1  # default
    snapshot: false  # default
    migrations_by:
      role: \"deploy_*\"  # fieldmark.yaml:10
      application_name: flyway  # fieldmark.yaml:10
    sql: deny  # default
    replica_of: null  # default
  c:
    url: postgres://h/d  # fieldmark.yaml:11
    schemas: null  # default
    sample:
      rows: 10000  # default
      per_block: 1  # default
    detect: 0.1%  # default
    budget:
      server_time: 5%  # default
      blocks_per_minute: 200000  # default
      rows_per_check: 200000  # default
    examples: keys  # default
    shadow_url: null  # default
    dbt: null  # default
    full_every: 24h  # default
    scan_connections: 1  # default
    snapshot: false  # default
    migrations_by:
      role: null  # default
      application_name: null  # default
    sql: allow  # fieldmark.yaml:11
    replica_of: b  # fieldmark.yaml:11
rules: [a.yaml, \"b/*.yaml\"]  # fieldmark.yaml:12
marks:
  keep: 2h  # fieldmark.yaml:13
  max_bytes: 500000000  # fieldmark.yaml:13
migrations:
  dir: /etc/fieldmark/migrations  # default
agent:
  name: NAME  # default
  listen: \"127.0.0.1:9465\"  # default
  every: 5m  # default
  per_block: 25  # default
  marks_every: 10m  # default
  catalogue_every: 5s  # default
  spool: 256MiB  # default
  patience: 15m  # default
collector: null  # default
openlineage: null  # default
serve:
  listen: \"127.0.0.1:9466\"  # default
  tls: null  # default
  keep:
    outcomes: 30d  # default
    rollups: 400d  # default
  url: null  # default
  allow_exec: false  # default
routes: []  # default
maintenance: []  # default
telemetry:
  otlp: auto  # default
  prometheus: true  # default
  listen: null  # default
  logs: text  # default
";
    assert_eq!(config.to_yaml(), of_this_machine(expected));
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "version: 1\nstate_dir: /a\nsources:\n  shop-eu: { url: 'postgres://fm@db/shop', sample: { rows: 5, per_block: 2 }, detect: 2% }\n";
    let none = Overrides::default();
    let full = Overrides { full: true, ..none };
    let sample = |rows| Overrides { sample: Some(rows), ..none };
    for (environment, overrides, line) in [
        ("", none, "state_dir: /a  # fieldmark.yaml:2"),
        ("FIELDMARK_STATE_DIR=/b", none, "state_dir: /b  # environment variable FIELDMARK_STATE_DIR"),
        ("FIELDMARK_STATE_DIR=", none, "state_dir: /a  # fieldmark.yaml:2"),
        ("FIELDMARK_STATE_DIR=b", none, "state_dir: /etc/fieldmark/b  # environment variable FIELDMARK_STATE_DIR"),
        ("", none, "rows: 5  # fieldmark.yaml:4"),
        (
            "FIELDMARK_SOURCES__SHOP_EU__SAMPLE__ROWS=7",
            none,
            "rows: 7  # environment variable FIELDMARK_SOURCES__SHOP_EU__SAMPLE__ROWS",
        ),
        ("FIELDMARK_SOURCES__SHOP_EU__SAMPLE__ROWS=7", none, "per_block: 2  # fieldmark.yaml:4"),
        ("FIELDMARK_SOURCES__SHOP_EU__SAMPLE__ROWS=7", sample(9), "rows: 9  # --sample"),
        ("", sample(300_000), "rows_per_check: 300000  # --sample"),
        ("", sample(300), "rows_per_check: 200000  # default"),
        (
            "FIELDMARK_SOURCES__SHOP_EU__SAMPLE=all",
            none,
            "sample: all  # environment variable FIELDMARK_SOURCES__SHOP_EU__SAMPLE",
        ),
        ("FIELDMARK_SOURCES__SHOP_EU__SAMPLE=all", sample(4), "rows: 4  # --sample"),
        (
            "FIELDMARK_SOURCES__SHOP_EU__SAMPLE__FRACTION=1%",
            none,
            "fraction: 1%  # environment variable FIELDMARK_SOURCES__SHOP_EU__SAMPLE__FRACTION",
        ),
        ("", full, "sample: all  # --full"),
        ("", full, "rows_per_check: null  # --full"),
        ("", full, "full_every: 0s  # --full"),
        (
            "FIELDMARK_SOURCES__SHOP_EU__DETECT=0.5%",
            none,
            "detect: 0.5%  # environment variable FIELDMARK_SOURCES__SHOP_EU__DETECT",
        ),
        (
            "FIELDMARK_SOURCES__SHOP_EU__SCHEMAS=a, b",
            none,
            "schemas: [a, b]  # environment variable FIELDMARK_SOURCES__SHOP_EU__SCHEMAS",
        ),
        (
            "FIELDMARK_SOURCES__SHOP_EU__MIGRATIONS_BY__ROLE=7",
            none,
            "role: \"7\"  # environment variable FIELDMARK_SOURCES__SHOP_EU__MIGRATIONS_BY__ROLE",
        ),
        ("FIELDMARK_SOURCES__SHOP_EU__SQL=deny", none, "detect: 2%  # fieldmark.yaml:4"),
        ("FIELDMARK_MARKS__KEEP=1h", none, "keep: 1h  # environment variable FIELDMARK_MARKS__KEEP"),
        (
            "FIELDMARK_RULES=a.yaml,b/*.yaml",
            none,
            "rules: [a.yaml, \"b/*.yaml\"]  # environment variable FIELDMARK_RULES",
        ),
        ("FIELDMARK_CONFIG=x\nFIELDMARK_LOG=debug", none, "state_dir: /a  # fieldmark.yaml:2"),
        (
            "FIELDMARK_PORT=tcp://10.0.0.1:80\nFIELDMARK_SERVICE_HOST=10.0.0.1",
            none,
            "state_dir: /a  # fieldmark.yaml:2",
        ),
        (
            "FIELDMARK_SOURCES__SHOP_EU__URL=postgres://u:hunter2@h/d",
            none,
            "url: \"postgres://u:***@h/d\"  # environment variable FIELDMARK_SOURCES__SHOP_EU__URL",
        ),
        (
            "FIELDMARK_SOURCES__SHOP_EU__URL_ENV=FIELDMARK_THE_SHOP\nFIELDMARK_THE_SHOP=postgres://h/d",
            none,
            "url_env: FIELDMARK_THE_SHOP  # environment variable FIELDMARK_SOURCES__SHOP_EU__URL_ENV",
        ),
    ] {
        let yaml = config_of(file, environment, overrides).to_yaml();
        assert!(yaml.lines().any(|own| own.trim_start() == line), "{line}\n{yaml}");
        assert!(!yaml.contains("hunter2"));
    }
}

#[test]
fn the_state_folder_is_where_the_xdg_specification_says() {
    for (environment, expected) in [
        ("XDG_STATE_HOME=/x", Some("/x/fieldmark")),
        ("XDG_STATE_HOME=x", Some("/home/fm/.local/state/fieldmark")),
        ("XDG_STATE_HOME=", Some("/home/fm/.local/state/fieldmark")),
        ("HOME=relative", None),
        ("HOME=", None),
    ] {
        assert_eq!(default_state_dir(&variables(environment)).as_deref(), expected.map(Path::new), "{environment}");
    }
    assert_eq!(
        problems_of(SMALL, "HOME="),
        "fieldmark.yaml:1:1: there is no place for the state folder; neither XDG_STATE_HOME nor HOME is set: write a `state_dir`\n"
    );
}

/// A password is planted wherever one could be, also where none belongs; nothing that is shown may have it.
#[test]
fn secrets_are_never_shown() {
    let password = "hunter2";
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("url");
    fs::write(&file, format!("postgres://u:{password}@h/d\n")).unwrap();
    let url_file = format!("version: 1\nsources:\n  s: {{ url_file: '{}' }}\n", file.display());
    let bad_file = temporary.path().join("bad");
    fs::write(&bad_file, format!("postgres://u:{password}@h:port/d\n")).unwrap();
    let bad_url_file = format!("version: 1\nsources:\n  s: {{ url_file: '{}' }}\n", bad_file.display());
    let texts = [
        "version: 1\nsources:\n  s: { url: 'postgres://u:hunter2@h/d' }\n",
        "version: 1\nsources:\n  s: { url: 'postgres://u:hunter2@h/d', detct: 1% }\n",
        "version: 1\nsources:\n  s: { ulr: 'postgres://u:hunter2@h/d' }\n",
        "version: 1\nsources:\n  s: { url: 'postgres://u:hunter2@h:x/d' }\n",
        "version: 1\nsources:\n  s: { url: 'postgres://u:hunt#hunter2@h/d' }\n",
        "version: 1\nsources:\n  s: { url: 'postgrs://u:hunter2@h/d', x: 1 }\n",
        "version: 1\nsources:\n  s: { url: ['postgres://u:hunter2@h/d'] }\n",
        "version: 1\nsources:\n  s: { url: { password: hunter2 } }\n",
        "version: 1\nsources:\n  s: postgres://u:hunter2@h/d\n",
        "version: 1\nsources: postgres://u:hunter2@h/d\n",
        "version: 1\nsources: [postgres://u:hunter2@h/d]\n",
        "version: 1\nsources:\n  postgres://u:hunter2@h/d: {}\n",
        "version: 1\nsources:\n  s: { url_env: 'postgres://u:hunter2@h/d' }\n",
        "version: 1\nsources:\n  s: { url_file: 'postgres://u:hunter2@h/d' }\n",
        "version: 1\nsources:\n  s: { url: postgres://h/d, shadow_url: 'postgres://u:hunter2@h/d' }\n",
        "version: 1\nsources:\n  s: { url: 'postgres://u@h/d?password=hunter2', x: 1 }\n",
        "version: 1\nsources:\n  s: { url: 'postgres://u@h/d?key=hunter2', x: 1 }\n",
        "version: 1\nsources:\n  s: { url: sqlite:a.db, url_env: hunter2-not-a-name }\n",
        "version: 1\nsources:\n  s: { url: postgres://u:hunter2@h/d\n",
        "version: 1\nsources:\n  s:\n    url: postgres://u:hunter2@h/d: x\n",
        "version: 1\nsources:\n  s: { url: 'postgres://u:hunter2@h/d', examples: 'postgres://u:hunter2@h/d' }\n",
        "version: 1\nsources:\n  s: { url: 'postgres://u:hunter2@h/d' }\nmarks: { encrypt_with: hunter2 }\n",
        "version: 1\nsources:\n  s: { url: 'postgres://u:hunter2@h/d' }\nstate_dir: 'postgres://u:hunter2@h/d'\nx: 1\n",
        "version: 1\nsources:\n  s: { url: &u 'postgres://u:hunter2@h/d' }\n  t: { url: *u, url_env: X }\n",
        "version: 1\nsources:\n  s:\n    url: >-\n      postgres://u:hunter2@h/d\n    x: 1\n",
        &url_file,
        &bad_url_file,
    ];
    for text in texts {
        for environment in [
            "",
            "FIELDMARK_SOURCES__S__URL=postgres://u:hunter2@h/d",
            "FIELDMARK_SOURCES__S__URL=postgres://u:hunter2@h:x/d\nFIELDMARK_SOURCES__T__URL=postgres://u:hunter2@h/d",
            "FIELDMARK_SOURCES__S__URL_ENV=S_URL\nS_URL=postgres:hunter2",
            "FIELDMARK_PASSWORD=hunter2\nFIELDMARK_COLLECTOR__TOKEN=hunter2\nFIELDMARK_SOURCES__S__DETECT=postgres://u:hunter2@h/d",
        ] {
            let variables = variables(environment);
            let reading = read("fieldmark.yaml", text, Path::new("/etc/fieldmark"), &variables, &Overrides::default());
            let mut shown = format!("{variables:?} {reading:?} {reading:#?} {} {}", reading.problems, reading.warnings);
            for style in [
                Style::PLAIN,
                Style { underlined: true, colours: false, width: 100 },
                Style { underlined: true, colours: true, width: 60 },
            ] {
                shown.push_str(&render(&reading.problems, &reading.warnings, style));
            }
            if let Some(config) = &reading.config {
                shown.push_str(&config.to_yaml());
                shown.push_str(&config.to_json().to_string());
                assert!(config.sources[0].address.secrets_are_kept(), "the driver still gets the password");
            }
            assert!(!shown.contains(password), "{text}\n{environment}\n{shown}");
        }
    }
}

impl Setting<Address> {
    fn secrets_are_kept(&self) -> bool {
        match &self.value {
            Address::Postgres(address) | Address::MySql(address) => {
                address.url.expose().contains("hunter2") || !address.shown.contains("***")
            }
            Address::Sqlite(_) | Address::Files(_) => true,
        }
    }
}

#[test]
fn a_terminal_gets_the_line_underlined() {
    let text = "version: 1\nsources:\n  shop: { url: 'postgres://fm:hunter2@db/shop', detct: 1% }\n";
    let reading = read_with(text, "FIELDMARK_STATE_DIR=~/x", Overrides::default());
    let style = Style { underlined: true, colours: false, width: 120 };
    let shown = render(&reading.problems, &Problems::default(), style);
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    for expected in [
        "  × environment variable FIELDMARK_STATE_DIR: `state_dir` begins with `~`, which only a shell replaces",
        "  × unknown key in source `shop`: `detct`",
        " 3 │   shop: { url: 'postgres://fm:*******@db/shop', detct: 1% }",
    ] {
        assert!(lines.contains(&expected), "{expected}\n{shown}");
    }
    assert!(shown.contains("fieldmark.yaml:3:"), "{shown}");
    assert!(shown.contains("did you mean `detect`?"), "{shown}");
    assert!(!shown.contains('\u{1b}'));
    assert!(render(&reading.problems, &Problems::default(), Style { colours: true, ..style }).contains('\u{1b}'));
}

struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
        }
        Self(folder)
    }
    fn load(&self) -> Reading {
        load(Some(&self.0.path().join("fieldmark.yaml")), &variables(""), &Overrides::default())
    }
    /// Rendered, the folder's own name taken out.
    fn shown(&self, reading: &Reading) -> String {
        render(&reading.problems, &reading.warnings, Style::PLAIN).replace(&format!("{}/", self.0.path().display()), "")
    }
    fn names(&self, files: &[RuleFile]) -> Vec<String> {
        files.iter().map(|file| file.path.strip_prefix(self.0.path()).unwrap().display().to_string()).collect()
    }
}

#[test]
fn rule_files_are_found_once_and_in_order() {
    for (rules, files, defaults) in [
        (
            "",
            vec!["rules/a.yaml", "rules/eu/b.yaml", "rules/eu/deep/c.yaml"],
            vec!["_defaults.yaml", "rules/_defaults.yaml", "rules/eu/_defaults.yaml"],
        ),
        ("rules: [rules/*.yaml]", vec!["rules/a.yaml"], vec!["_defaults.yaml", "rules/_defaults.yaml"]),
        (
            "rules: ['rules/eu/*.yaml', rules/eu/b.yaml, './rules/eu/?.yaml']",
            vec!["rules/eu/b.yaml"],
            vec!["_defaults.yaml", "rules/_defaults.yaml", "rules/eu/_defaults.yaml"],
        ),
        (
            "rules: ['*/[ab].yaml']",
            vec!["other/a.yaml", "rules/a.yaml"],
            vec!["_defaults.yaml", "rules/_defaults.yaml"],
        ),
        ("rules: []", vec![], vec![]),
    ] {
        let small = format!("{SMALL}{rules}\n");
        let fixture = Files::new(&[
            ("fieldmark.yaml", &small),
            ("rules/a.yaml", "a"),
            ("rules/eu/b.yaml", "b"),
            ("rules/eu/deep/c.yaml", "c"),
            ("rules/_defaults.yaml", "d1"),
            ("rules/eu/_defaults.yaml", "d2"),
            ("_defaults.yaml", "d0"),
            ("rules/.hidden.yaml", "x"),
            ("rules/.git/x.yaml", "x"),
            ("rules/a.yml", "x"),
            ("rules/folder.yaml/x", "x"),
            ("other/a.yaml", "x"),
            ("unused/_defaults.yaml", "x"),
        ]);
        let reading = fixture.load();
        assert_eq!(fixture.shown(&reading), "", "{rules}");
        assert_eq!(fixture.names(&reading.rules.files), files, "{rules}");
        assert_eq!(fixture.names(&reading.rules.defaults), defaults, "{rules}");
        assert_eq!(reading.rules.for_parser().len(), files.len() + defaults.len());
    }
}

#[test]
fn fixtures_are_no_rule_files_and_lie_beside_them() {
    for (rules, files, fixtures) in [
        ("rules: ['rules/*.yaml']", vec!["rules/a.yaml"], vec!["rules/a.test.yaml", "rules/b.test.yml"]),
        ("rules: [rules/a.yaml]", vec!["rules/a.yaml"], vec!["rules/a.test.yaml", "rules/b.test.yml"]),
        ("", vec!["rules/a.yaml"], vec!["rules/a.test.yaml", "rules/b.test.yml", "rules/eu/c.test.yaml"]),
        ("rules: [rules/eu/c.test.yaml]", vec![], vec!["rules/eu/c.test.yaml"]),
        ("rules: []", vec![], vec![]),
    ] {
        let small = format!("{SMALL}{rules}\n");
        let fixture = Files::new(&[
            ("fieldmark.yaml", &small),
            ("rules/a.yaml", "a"),
            ("rules/a.test.yaml", "a"),
            ("rules/b.test.yml", "b"),
            ("rules/.d.test.yaml", "d"),
            ("rules/e.test.yaml/x", "x"),
            ("rules/eu/c.test.yaml", "c"),
            ("other/f.test.yaml", "f"),
        ]);
        let reading = fixture.load();
        assert_eq!(fixture.shown(&reading), "", "{rules}");
        assert_eq!(fixture.names(&reading.rules.files), files, "{rules}");
        let mut problems = Problems::default();
        let found = reading.rules.fixtures(&mut problems);
        let found = found.iter().map(|path| path.strip_prefix(fixture.0.path()).unwrap().display().to_string());
        assert_eq!(found.collect::<Vec<_>>(), fixtures, "{rules}");
        assert!(problems.is_empty(), "{problems}");
    }
}

#[test]
fn addresses_may_be_absent_where_no_source_is_read() {
    let addresses = "  one: { url_env: ABSENT_URL, schemas: [sales] }\n  two: { url_file: absent }\n  three:\n  four: { detect: 1% }\n";
    let text = format!("version: 1\nsources:\n{addresses}  five: {{ url: 'sqlite:l.db' }}\nrules: []\n");
    let fixture = Files::new(&[("fieldmark.yaml", &text)]);
    assert_eq!(fixture.load().problems.len(), 4);
    let file = fixture.0.path().join("fieldmark.yaml");
    let reading = load_without_addresses(Some(&file), &variables(""));
    assert_eq!(fixture.shown(&reading), "");
    let sources = reading.config.unwrap().sources;
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["one", "two", "three", "four", "five"]);
    assert_eq!(sources[0].schemas.value.as_deref(), Some(["sales".to_owned()].as_slice()));
    assert!(matches!(sources[4].address.value, Address::Sqlite(_)));
    let set = load_without_addresses(Some(&file), &variables("ABSENT_URL=sqlite:x.db")).config.unwrap().sources;
    assert!(matches!(set[0].address.value, Address::Sqlite(_)));
    // what is wrong with an address that is there is told
    let wrong = Files::new(&[("fieldmark.yaml", &text.replace("sqlite:l.db", "sqlit:l.db"))]);
    let reading = load_without_addresses(Some(&wrong.0.path().join("fieldmark.yaml")), &variables(""));
    assert_eq!(reading.problems.len(), 1);
}

#[test]
fn folders_with_pattern_characters_are_taken_literally() {
    let fixture = Files::new(&[("[x]*/fieldmark.yaml", SMALL), ("[x]*/rules/a.yaml", "a"), ("x/rules/b.yaml", "b")]);
    let reading = load(Some(&fixture.0.path().join("[x]*/fieldmark.yaml")), &variables(""), &Overrides::default());
    assert_eq!(fixture.names(&reading.rules.files), ["[x]*/rules/a.yaml"]);
}

#[test]
fn rule_files_that_cannot_be_read_are_problems_and_missing_ones_warnings() {
    let small = format!("{SMALL}rules: [a.yaml, 'b/*.yaml', '[', '', big.yaml]\n");
    let fixture = Files::new(&[("fieldmark.yaml", &small), ("big.yaml", &"#".repeat((1 << 20) + 1))]);
    fs::write(fixture.0.path().join("a.yaml"), b"a: 1\nb: \xff\xfe").unwrap();
    let reading = fixture.load();
    assert_eq!(
        fixture.shown(&reading),
        "\
a.yaml:2:4: the rule file is not UTF-8 text: byte 0xff; save it as UTF-8
fieldmark.yaml:4:29: the pattern of rule files cannot be understood: `[`; invalid range pattern
fieldmark.yaml:4:34: a pattern of rule files is empty: ``; such as `rules/**/*.yaml`
fieldmark.yaml:4:38: the rule file cannot be read: `big.yaml`; it is larger than 1048576 bytes
warning: fieldmark.yaml:4:17: no file matches the pattern: `b/*.yaml`; patterns are relative to the configuration file's folder
"
    );
    assert!(reading.into_result().is_err());
}

/// Whoever opens a pipe waits for somebody to write into it.
#[test]
fn a_pipe_is_no_rule_file() {
    let small = format!("{SMALL}rules: [a.yaml]\n");
    let fixture = Files::new(&[("fieldmark.yaml", &small)]);
    let made = std::process::Command::new("mkfifo").arg(fixture.0.path().join("a.yaml")).status().unwrap();
    assert!(made.success());
    let expected = "fieldmark.yaml:4:9: the rule file cannot be read: `a.yaml`; it is a pipe, a socket or a device\n";
    assert_eq!(fixture.shown(&fixture.load()), expected);
}

#[test]
fn a_configuration_that_is_no_text_says_where() {
    let fixture = Files::new(&[]);
    fs::write(fixture.0.path().join("fieldmark.yaml"), b"version: 1\nstate_dir: caf\xe9\n").unwrap();
    let expected = "fieldmark.yaml:2:15: the configuration file is not UTF-8 text: byte 0xe9; save it as UTF-8\n";
    assert_eq!(fixture.shown(&fixture.load()), expected);
}

#[test]
fn of_very_many_problems_the_first_are_told() {
    let text: String = (0..1200).map(|number| format!("k{number}: 1\n")).collect();
    let reading = read_with(&format!("{SMALL}{text}"), "", Overrides::default());
    let shown = render(&reading.problems, &Problems::default(), Style::PLAIN);
    assert_eq!((shown.lines().count(), shown.lines().next_back()), (1001, Some("and 200 more problems")));
    let style = Style { underlined: true, colours: false, width: 120 };
    assert!(render(&reading.problems, &Problems::default(), style).ends_with("and 200 more problems\n"));
}

#[test]
fn a_terminal_does_not_obey_what_stands_in_a_file() {
    for text in [
        "version: 1\nsources:\n  shop: { url: 'postgres://fm@db/shop', x: 1 } # \u{202e}txt\n",
        "version: 1\nstate_dir: sho\u{1b}[2J\nsources: {}\n",
    ] {
        let reading = read_with(text, "", Overrides::default());
        let style = Style { underlined: true, colours: false, width: 120 };
        let shown = render(&reading.problems, &Problems::default(), style);
        assert!(shown.contains("sho") && !shown.contains(['\u{202e}', '\u{1b}']), "{shown:?}");
    }
}

#[test]
fn a_missing_configuration_says_what_to_do() {
    let fixture = Files::new(&[("feildmark.yaml", SMALL)]);
    assert_eq!(
        fixture.shown(&fixture.load()),
        "fieldmark.yaml: there is no such configuration file; did you mean `feildmark.yaml`?; write one, or name another \
         with --config; `fieldmark demo` needs none\n"
    );
    let folder = Files::new(&[("fieldmark.yaml/x", "")]);
    assert_eq!(folder.shown(&folder.load()), "fieldmark.yaml: the configuration file cannot be read; it is a folder\n");
}

#[test]
fn a_password_that_others_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let with = SMALL.replace("fm@", "fm:hunter2@") + "rules: []\n";
    for (text, mode, warned) in
        [(with.as_str(), 0o644, true), (with.as_str(), 0o600, false), (&format!("{SMALL}rules: []\n"), 0o644, false)]
    {
        let fixture = Files::new(&[("fieldmark.yaml", text)]);
        fs::set_permissions(fixture.0.path().join("fieldmark.yaml"), fs::Permissions::from_mode(mode)).unwrap();
        let reading = fixture.load();
        let shown = fixture.shown(&reading);
        assert_eq!(shown.contains("holds a password"), warned, "{shown}");
        assert!(reading.config.is_some() && !format!("{reading:?}").contains("hunter2"));
    }
}

/// The schema has the keys that the parser takes, level by level, as the parser tells them itself.
#[test]
fn the_schema_has_the_keys_of_the_parser() {
    let schema = schema();
    let keys = |value: &serde_json::Value| -> std::collections::BTreeSet<String> {
        value["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let source = &schema["properties"]["sources"]["additionalProperties"];
    let shop = |inside: &str| format!("version: 1\nsources:\n  shop: {{ url: 'postgres://fm@db/shop', {inside} }}\n");
    for (text, of) in [
        (format!("{SMALL}nonsense: 1\n"), &schema),
        (shop("nonsense: 1"), source),
        (shop("sample: { nonsense: 1 }"), &source["properties"]["sample"]["anyOf"][1]),
        (shop("budget: { nonsense: 1 }"), &source["properties"]["budget"]),
        (shop("migrations_by: { nonsense: 1 }"), &source["properties"]["migrations_by"]),
        (format!("{SMALL}marks: {{ nonsense: 1 }}\n"), &schema["properties"]["marks"]),
    ] {
        let told = problems_of(&text, "");
        let allowed = told.split_once("allowed: ").unwrap_or_else(|| panic!("{told}")).1;
        let allowed = allowed.trim_end().split("; ").next().unwrap().split(", ").map(str::to_owned).collect();
        assert_eq!(keys(of), allowed, "{told}");
    }
}
