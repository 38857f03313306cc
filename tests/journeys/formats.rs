//! Forms of what is printed: for programs they are what their own schemas say, for people they fit the terminal.

use super::shop::{Run, Shop, fill};
use regex::Regex;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Words that mean something in HTML, XML or Markdown.
const RULES: &str = r#"owner: "team | a <b>x</b> & 'c' `d` *e*"
rules:
  - { not_null: [a], id: alpha }
  - { not_null: [b], id: beta, description: "one | two <script>alert(1)</script> & ]]> `three` *four*" }
  - { in_range: { column: id, min: 1 }, id: a_rule_whose_id_is_longer_than_a_narrow_terminal_is_wide }
"#;

/// One row in a hundred has no `b`.
fn shop() -> Shop {
    let rows = fill("t", 500, "i, 'a', CASE WHEN i % 100 THEN 'b' END");
    Shop::with_rules(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT);{rows}"), RULES)
}

/// Runs a Python script with Debian's own Python, which has Debian's packages.
#[track_caller]
pub(crate) fn python(script: &str, arguments: &[&Path]) -> Run {
    let debian = Path::new("/usr/bin/python3");
    let mut command = Command::new(if debian.exists() { debian } else { Path::new("python3") });
    Run::of(command.arg("-c").arg(script).args(arguments).output().expect("Python is needed"))
}

/// Holds documents, in YAML or JSON, against a schema, and says what is wrong with which. Fieldmark's YAML has neither
/// dates nor `yes` and `no`.
const VALID: &str = r"
import json, sys, jsonschema, yaml
class Loader(yaml.SafeLoader): pass
no = ('tag:yaml.org,2002:timestamp', 'tag:yaml.org,2002:bool')
Loader.yaml_implicit_resolvers = {
    first: [found for found in all if found[0] not in no]
    for first, all in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Loader.add_implicit_resolver('tag:yaml.org,2002:bool', __import__('re').compile('^(true|false)$'), list('tf'))
schema = json.load(open(sys.argv[1]))
kind = jsonschema.validators.validator_for(schema, default=None)
kind.check_schema(schema)
for name in sys.argv[2:]:
    for document in yaml.load_all(open(name), Loader):
        for error in kind(schema).iter_errors(document):
            print(name, list(error.absolute_path), error.message)
";

/// What is wrong with documents by a schema of the program.
#[track_caller]
fn wrong(shop: &Shop, of: &str, documents: &[PathBuf]) -> String {
    assert!(!documents.is_empty());
    shop.write("schema.json", &shop.run(&["schema", of]).gives(0).out);
    let schema = shop.path("schema.json");
    let arguments: Vec<&Path> = std::iter::once(&schema).chain(documents).map(PathBuf::as_path).collect();
    let run = python(VALID, &arguments);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "python3-jsonschema and python3-yaml are needed");
    run.out
}

#[test]
fn reports_are_valid_by_their_own_schema() {
    let shop = shop();
    let runs: &[&[&str]] = &[
        &["check"],
        &["before", "--control", "0s"],
        &["after", "--control", "0s"],
        &["guard", "--control", "0s", "--", "true"],
        &["doctor"],
    ];
    let mut documents = Vec::new();
    for (number, arguments) in runs.iter().enumerate() {
        let file = format!("report-{number}.json");
        let code = i32::from(!["doctor", "before"].contains(&arguments[0]));
        let report = shop.json(arguments, code);
        shop.write(&file, &report.to_string());
        documents.push(shop.path(&file));
    }
    // a migration that breaks something, adds a column and takes one away
    let migration = "ALTER TABLE t ADD COLUMN c TEXT; ALTER TABLE t DROP COLUMN a; DELETE FROM t WHERE id % 3 = 0;
                     UPDATE t SET b = 'other' WHERE id % 3 = 1";
    shop.json(&["before", "--control", "200ms"], 0);
    shop.sql(migration);
    shop.rules("t", "rules:\n  - { not_null: [b], id: beta }\nacross_migrations:\n  same: [id, b]\n");
    let broken = shop.json(&["after", "--control", "200ms"], 1);
    assert_eq!(broken["verdict"], "broken");
    shop.write("broken.json", &broken.to_string());
    documents.push(shop.path("broken.json"));
    // one that could not do anything
    std::fs::remove_file(shop.path("shop.db")).unwrap();
    shop.write("errors.json", &shop.json(&["check"], 2).to_string());
    documents.push(shop.path("errors.json"));
    assert_eq!(wrong(&shop, "report", &documents), "");

    // the schema is not one that takes everything
    for (pointer, value) in [
        ("/exit_code", json!("one")),
        ("/verdict", json!("fine")),
        ("/tables/0/columns/0/fate", json!("vanished")),
        ("/sources/0", json!({})),
        ("/surplus", json!(1)),
    ] {
        let mut changed = broken.clone();
        match changed.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => changed["surplus"] = value,
        }
        shop.write("changed.json", &changed.to_string());
        assert_ne!(wrong(&shop, "report", &[shop.path("changed.json")]), "", "{pointer} is not looked at");
    }
}

/// Files of a folder with that ending, sorted.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_str().unwrap().ends_with(ending));
    files.sort();
    files
}

#[test]
fn rule_files_configurations_and_fixtures_are_valid_by_their_schemas() {
    let shop = shop();
    // the demo's
    let demo = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/src/demo"), ".yaml");
    assert!(demo.len() >= 2, "{demo:?}");
    assert_eq!(wrong(&shop, "rules", &demo), "");
    // what `init` writes, and what these tests write
    assert_eq!(wrong(&shop, "rules", &[shop.path("rules/t.yaml")]), "");
    assert_eq!(wrong(&shop, "config", &[shop.path("fieldmark.yaml")]), "");
    shop.sql("CREATE TABLE u (id INTEGER PRIMARY KEY, made TEXT, on_hand TEXT)");
    shop.sql(&fill("u", 500, "i, date('now', '-' || i || ' days'), CASE i % 2 WHEN 0 THEN 'yes' ELSE 'no' END"));
    shop.run(&["init", "sqlite:shop.db", "--force"]).gives(0);
    assert_eq!(wrong(&shop, "rules", &files(&shop.path("rules"), ".yaml")), "");
    assert_eq!(wrong(&shop, "config", &[shop.path("fieldmark.yaml")]), "");
    let fixture = "version: 1\ntable: shop.t\nname: few\nnow: 2026-03-14T09:00:00Z
columns: { id: INTEGER, a: TEXT, b: TEXT }
key: [id]
rows:\n  - [1, x, y]\n  - { id: 2, b: z }\ntables: { other: { columns: { id: INTEGER }, rows: [[1]] } }
expect:\n  not_null.a: [2]\n  not_null.b: { failed: 0, status: passed }\n";
    shop.write("rules/t.test.yaml", fixture);
    assert_eq!(wrong(&shop, "test", &[shop.path("rules/t.test.yaml")]), "");
    shop.write("defaults.yaml", "version: 1\nowner: us\nseverity: page\nsample: { rows: 500 }\ntolerance: 1%\n");
    assert_eq!(wrong(&shop, "defaults", &[shop.path("defaults.yaml")]), "");

    // what the program refuses its schemas refuse
    for (of, text) in [
        ("rules", "version: 1\ntable: shop.t\nrules:\n  - not_nul: [a]\n"),
        ("rules", "version: 1\nrules: []\n"),
        ("rules", "version: 1\ntable: shop.t\nrules:\n  - { not_null: [a], severity: urgent }\n"),
        ("config", "version: 1\nsource: {}\n"),
        ("config", "version: 1\nsources: { shop: { url: 'sqlite:a.db', examples: all } }\n"),
        ("test", "version: 1\ntable: shop.t\ncolumns: { id: INTEGER }\nrow: [[1]]\nexpect: { a: passed }\n"),
        ("defaults", "ownr: us\n"),
    ] {
        shop.write("bad.yaml", text);
        assert_ne!(wrong(&shop, of, &[shop.path("bad.yaml")]), "", "{of} takes {text}");
    }
}

/// The totals are those of the cases; one line for each case with its state.
const JUNIT: &str = r"
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
assert root.tag == 'testsuites', root.tag
for suite in [root, *root.findall('testsuite')]:
    cases = list(suite.iter('testcase'))
    assert int(suite.get('tests')) == len(cases), suite.attrib
    for total, tag in (('failures', 'failure'), ('errors', 'error'), ('skipped', 'skipped')):
        assert int(suite.get(total)) == sum(case.find(tag) is not None for case in cases), (total, suite.attrib)
for case in root.iter('testcase'):
    states = [state for state in ('failure', 'error', 'skipped') if case.find(state) is not None] or ['passed']
    print(case.get('name'), *states)
    for element in case: print('  ', ' '.join(element.itertext()).replace(chr(10), ' '))
";

/// What each case of a report in JUnit's form says.
#[track_caller]
fn cases(shop: &Shop, xml: &str) -> String {
    shop.write("cases.xml", xml);
    let run = python(JUNIT, &[&shop.path("cases.xml")]);
    assert_eq!(run.code, 0, "{}\n{xml}", run.err);
    run.out
}

/// Each line of a table has as many cells as its head.
#[track_caller]
fn tables_are_whole(markdown: &str) {
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut tables = 0;
    let mut head = None;
    for line in markdown.lines() {
        if !line.starts_with('|') {
            head = None;
        } else if let Some(expected) = head {
            assert_eq!(cells(line), expected, "{line}\n{markdown}");
        } else {
            tables += 1;
            head = Some(cells(line));
        }
    }
    assert!(tables >= 1, "{markdown}");
}

/// The page brings all that it needs, and no word of a rule is markup in it.
#[track_caller]
fn page_is_whole(html: &str) {
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"), "{html}");
    for outside in ["src=\"http", "href=\"http", "src=\"//", "@import", "url(http"] {
        assert!(!html.contains(outside), "the page is self-contained, but has {outside}");
    }
    assert!(!html.contains("<script>alert(1)") && !html.contains("<b>x</b>"), "words of a rule are markup");
    for part in ["alpha", "beta", "&#60;script&#62;alert(1)"] {
        assert!(html.contains(part), "no {part} in the page");
    }
}

#[test]
fn a_check_comes_in_every_form() {
    let shop = shop();
    let markdown = shop.run(&["check", "--output", "markdown"]).gives(1).out;
    assert!(markdown.starts_with("## ✘ Fieldmark: 1 of 3 rules failed\n"), "{markdown}");
    for part in ["<code>beta</code>", "5 of all 500 rows fail", "<code>alpha</code>", "id=100", "WHERE \"b\" IS NULL"] {
        assert!(markdown.contains(part), "no {part} in {markdown}");
    }
    assert!(!markdown.contains("<script>") && !markdown.contains("<b>x"), "{markdown}");
    tables_are_whole(&markdown);

    let told = cases(&shop, &shop.run(&["check", "--output", "junit"]).gives(1).out);
    assert!(told.contains("alpha passed\n") && told.contains("beta failure\n"), "{told}");
    assert!(told.contains("<script>alert(1)</script>") && told.contains("id=100, id=200"), "{told}");

    page_is_whole(&shop.run(&["check", "--output", "html"]).gives(1).out);
    let report = shop.json(&["check"], 1);
    assert_eq!((&report["command"], report["outcomes"].as_array().unwrap().len()), (&json!("check"), 3));
    // what is known and what cannot be told are neither passed nor failed
    shop.run(&["baseline"]).gives(0);
    let told = cases(&shop, &shop.run(&["check", "--output", "junit"]).gives(0).out);
    assert!(told.contains("beta skipped\n") && told.contains("known"), "{told}");
    let markdown = shop.run(&["check", "--output", "markdown"]).gives(0).out;
    assert!(markdown.contains("| ~ known | <code>beta</code>"), "{markdown}");
    std::fs::remove_file(shop.path("shop.db")).unwrap();
    let told = cases(&shop, &shop.run(&["check", "--output", "junit"]).gives(2).out);
    assert!(told.contains(" error\n") && !told.contains(" passed\n"), "{told}");
    let markdown = shop.run(&["check", "--output", "markdown"]).gives(2).out;
    assert!(markdown.contains("shop.db") && !markdown.contains("## ✔"), "{markdown}");
}

#[test]
fn a_guarded_migration_comes_in_every_form() {
    let shop = shop();
    let guard = |form: &str, command: &[&str], code: i32| -> String {
        let all = [&["guard", "--control", "0s", "--output", form, "--"], command].concat();
        shop.run(&all).gives(code).out
    };
    let markdown = guard("markdown", &["true"], 1);
    assert!(markdown.contains("the migration is clean") && markdown.contains("500 unchanged"), "{markdown}");
    tables_are_whole(&markdown);
    let told = cases(&shop, &guard("junit", &["true"], 1));
    for part in ["guarded command passed\n", "migration passed\n", "alpha passed\n", "beta failure\n"] {
        assert!(told.contains(part), "no {part} in {told}");
    }
    page_is_whole(&guard("html", &["true"], 1));
    // a command that fails is seen in each of them
    assert!(guard("markdown", &["false"], 3).contains("failed with status 1"));
    let told = cases(&shop, &guard("junit", &["false"], 3));
    assert!(told.contains("guarded command failure\n") || told.contains("guarded command error\n"), "{told}");
    assert!(guard("html", &["false"], 3).contains("status 1"));
    let report = shop.json(&["guard", "--control", "0s", "--", "false"], 3);
    assert_eq!((&report["migration"]["command_status"], &report["verdict"]), (&json!(1), &json!("clean")));
}

#[test]
fn a_file_gets_the_form_of_its_ending() {
    let shop = shop();
    for (file, start) in [
        ("r.md", "## ✘ Fieldmark"),
        ("r.xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"fieldmark check\""),
        ("r.html", "<!DOCTYPE html>"),
        ("r.json", "{\n  \"version\": 1,"),
        ("r.txt", "shop main.t"),
    ] {
        let run = shop.run(&["check", "--report", file]).gives(1);
        assert!(run.out.starts_with("shop main.t"), "standard output stays as it was: {}", run.out);
        assert!(shop.read(file).starts_with(start), "{file}: {}", shop.read(file));
        let guarded = shop.run(&["guard", "--control", "0s", "--report", file, "--", "true"]).gives(1);
        assert!(guarded.out.starts_with("✔ CLEAN"), "{}", guarded.out);
        let start = if file == "r.txt" { "✔ CLEAN" } else { start.split(" name=").next().unwrap() };
        assert!(shop.read(file).starts_with(start), "{file}: {}", shop.read(file));
    }
    // without one that is known it gets the form of --output
    shop.run(&["check", "--report", "r.log", "--output", "markdown"]).gives(1);
    assert!(shop.read("r.log").starts_with("## ✘ Fieldmark"), "{}", shop.read("r.log"));
    // the ending counts, whatever else is printed
    let run = shop.run(&["check", "--report", "both.json", "--output", "markdown"]).gives(1);
    let report: Value = serde_json::from_str(&shop.read("both.json")).unwrap();
    assert_eq!((run.out.starts_with("## ✘"), &report["exit_code"]), (true, &json!(1)));
    assert!(!shop.read("r.txt").contains('\u{1b}'));
}

#[test]
fn what_a_guarded_command_prints_does_not_spoil_the_json() {
    let run = shop().run(&["guard", "--control", "0s", "--output", "json", "--", "echo", "hello"]).gives(1);
    assert_eq!(run.json()["migration"]["command_status"], 0);
    assert!(run.err.contains("hello"), "{}", run.err);
}

#[test]
fn a_form_that_a_command_does_not_have_is_refused() {
    let shop = shop();
    let mut taken = Vec::new();
    for command in [&["status"][..], &["baseline", "--list"], &["init", "--force"], &["check", "--plan"], &["config"]] {
        for form in [&["--output", "html"][..], &["--output", "junit"], &["--report", "r.md"]] {
            let run = shop.run(&[command, form].concat());
            if run.code != 64 || shop.path("r.md").exists() {
                taken.push(format!("{command:?} {form:?}: {}", run.code));
            }
        }
    }
    assert!(taken.is_empty(), "neither done nor refused:\n{}", taken.join("\n"));
}

/// What a terminal of that many columns shows of standard output.
fn shown(shop: &Shop, columns: usize, arguments: &[&str]) -> Run {
    let program = shop.command(&[]).get_program().to_string_lossy().into_owned();
    let arguments: String = arguments.iter().map(|argument| format!(" '{argument}'")).collect();
    let line = format!("stty cols {columns} rows 50; exec '{program}'{arguments} 2>errors");
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
    shop.surround(&mut script);
    let run = Run::of(script.env("SHELL", "/bin/sh").env("TERM", "xterm").output().unwrap());
    Run { out: run.out.replace("\r\n", "\n"), ..run }
}

/// All that is printed but blanks, and what differs from run to run.
fn flat(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let changing = [
        (r"(readin|statementsof)(under)?[0-9.]+(ms|s)", "$1"),
        (r"mark[0-9a-f]{16}of[-0-9:]+UTC,[0-9.]+(ms|s)before", "mark"),
    ];
    changing
        .iter()
        .fold(text, |text, (pattern, kept)| Regex::new(pattern).unwrap().replace_all(&text, *kept).into_owned())
}

/// Whatever the width, no line is wider and every word is there.
#[track_caller]
fn fits(shop: &Shop, arguments: &[&str]) -> Vec<String> {
    let wanted = flat(&shop.run(arguments).out);
    let mut wrong = Vec::new();
    for columns in [40, 60, 80] {
        let run = shown(shop, columns, arguments);
        assert!(!run.out.trim().is_empty(), "{arguments:?}: {run:?}");
        let wide: Vec<&str> = run.out.lines().filter(|line| line.chars().count() > columns).collect();
        if !wide.is_empty() {
            wrong.push(format!("{arguments:?} at {columns}: too wide:\n{}", wide.join("\n")));
        }
        let there = flat(&run.out);
        if there != wanted {
            let same = there.chars().zip(wanted.chars()).take_while(|(one, other)| one == other).count();
            let from = |text: &str| text.chars().skip(same).take(60).collect::<String>();
            wrong.push(format!("{arguments:?} at {columns}: {:?} and not {:?}", from(&there), from(&wanted)));
        }
    }
    wrong
}

#[test]
fn reports_fit_the_terminal_and_lose_no_word() {
    let shop = shop();
    let mut wrong = Vec::new();
    for arguments in [
        &["check", "--seed", "7", "--no-color"][..],
        &["doctor", "--seed", "7", "--no-color"],
        &["guard", "--control", "0s", "--seed", "7", "--no-color", "--", "true"],
    ] {
        wrong.extend(fits(&shop, arguments));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // and there are colours, where they are not turned off
    assert!(shown(&shop, 80, &["check"]).out.contains('\u{1b}'));
}

/// The commands, as the help lists them.
fn commands(shop: &Shop) -> Vec<String> {
    let help = shop.run(&["--help"]).gives(0).out;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let mut names: Vec<String> = names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    names.retain(|name| name != "help");
    names
}

#[test]
fn completions_know_every_command_and_can_be_read_by_the_shell() {
    let shop = shop();
    let commands = commands(&shop);
    assert!(commands.len() >= 15 && commands.contains(&"baseline".to_owned()), "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = shop.run(&["completions", shell]).gives(0).out;
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell} does not know {command}");
        }
        for option in ["plan", "allow-superuser", "markdown"] {
            assert!(script.contains(option), "{shell} does not know {option}");
        }
        shop.write(shell, &script);
    }
    let read = Command::new("bash").arg("-n").arg(shop.path("bash")).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    // and it completes
    let asked = "source ./bash; COMP_WORDS=(fieldmark che); COMP_CWORD=1; _fieldmark fieldmark che fieldmark; \
                 echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", asked]);
    shop.surround(&mut bash);
    assert_eq!(Run::of(bash.output().unwrap()).gives(0).out, "check\n");
    for shell in ["zsh", "fish"] {
        // where they are installed
        if let Ok(read) = Command::new(shell).arg("-n").arg(shop.path(shell)).output() {
            assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr));
        }
    }
    shop.run(&["completions", "tcsh"]).gives(64);
    shop.run(&["completions"]).gives(64);
}

#[test]
fn the_man_page_has_every_command_and_can_be_rendered() {
    let shop = shop();
    let page = shop.run(&["man"]).gives(0).out;
    shop.write("fieldmark.1", &page);
    let plain = page.replace("\\-", "-");
    for command in commands(&shop) {
        assert!(plain.contains(&format!("fieldmark-{command}")), "no {command}");
    }
    assert!(plain.contains(".TH fieldmark 1") && plain.contains("NO_COLOR"), "{plain}");
    let mut groff = Command::new("groff");
    groff.args(["-man", "-Tutf8", "-ww"]).arg(shop.path("fieldmark.1"));
    // groff is there where man is
    if let Ok(output) = groff.output() {
        let run = Run::of(output).gives(0);
        assert_eq!(run.err, "", "groff warns");
        // bold letters are struck twice
        let mut shown = String::new();
        for c in run.out.chars() {
            if c == '\u{8}' {
                shown.pop();
            } else {
                shown.push(c);
            }
        }
        let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["NAME", "SYNOPSIS", "check(1)", "Read every row", "78 configuration or rules are wrong"] {
            assert!(words.contains(part), "no {part} in {words}");
        }
    }
}
