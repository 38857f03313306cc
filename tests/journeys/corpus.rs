//! Broken rule files with what the program says of each, word for word; and hostile ones, which it refuses soon and in
//! little memory.
//!
//! `tests/corpus/NN-what.yaml` is the only rule file of a shop (`shop.sql`, `fieldmark.yaml`), `NN-what.expected` is
//! what `fieldmark check` then writes to standard error. `NN-what.defaults` is the `_defaults.yaml` beside it, where
//! there is one.

use super::shop::Shop;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const TABLES: &str = include_str!("../corpus/shop.sql");
const CONFIGURATION: &str = include_str!("../corpus/fieldmark.yaml");

/// How many broken files there are at least.
const CASES: usize = 60;

/// How long the program may take over a hostile file before it is killed: far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// What it may take of memory, in KiB. A rule file of some lines takes it 40 MiB, most of which are its own code.
const MOST_MEMORY: u64 = 300 << 10;
/// Address space at which the system ends it, in KiB: a file that breaks all bounds does not take the machine with it.
const ADDRESS_SPACE: u64 = 4 << 20;

fn shop() -> Shop {
    let shop = Shop::new(TABLES);
    shop.write("fieldmark.yaml", CONFIGURATION);
    shop
}

/// A file of the corpus.
fn file(name: &str, ending: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(format!("{name}{ending}"))
}

/// Names of the numbered files with this ending, without it.
fn names(ending: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(file("", "")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    files
        .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()))
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

/// What is not as it is expected of a broken file. With `UPDATE_CORPUS=1` the answer is written instead: read it before
/// you keep it.
fn wrong_with(name: &str) -> Option<String> {
    let shop = shop();
    std::fs::copy(file(name, ".yaml"), shop.path("rules/case.yaml")).unwrap();
    if file(name, ".defaults").is_file() {
        std::fs::copy(file(name, ".defaults"), shop.path("rules/_defaults.yaml")).unwrap();
    }
    let run = shop.run(&["check", "--no-color"]);
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        std::fs::write(file(name, ".expected"), &run.err).unwrap();
    }
    let expected = std::fs::read_to_string(file(name, ".expected")).unwrap_or_default();
    assert!(!run.err.chars().any(|c| c.is_control() && c != '\n'), "{name}: {:?}", run.err);
    let same = run.code == 78 && run.out.is_empty() && !run.err.is_empty() && run.err == expected;
    (!same).then(|| format!("{name}: exit code {}\n{}{}instead of\n{expected}", run.code, run.out, run.err))
}

#[test]
fn every_broken_rule_file_gets_its_message() {
    let cases: Vec<String> = names(".yaml").into_iter().collect();
    assert!(cases.len() >= CASES, "{}", cases.len());
    // two at a time: each takes a database and a process
    let judge = |half: &[String]| half.iter().filter_map(|name| wrong_with(name)).collect::<Vec<String>>();
    let (one, other) = cases.split_at(cases.len() / 2);
    let wrong = std::thread::scope(|scope| {
        let beside = scope.spawn(|| judge(other));
        let mut wrong = judge(one);
        wrong.extend(beside.join().unwrap());
        wrong
    });
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_broken_rule_file_has_a_message_and_every_message_a_file() {
    let cases = names(".yaml");
    assert_eq!(names(".expected"), cases);
    assert!(names(".defaults").is_subset(&cases));
}

/// A file that is made to be costly.
struct Hostile {
    what: &'static str,
    /// What it begins with; `{long}` stands for a text of 20 KB.
    head: &'static str,
    /// What follows, so many times; `{i}` stands for its number, `{h}` for the number before.
    again: &'static str,
    times: usize,
    /// What is said of it.
    says: &'static str,
}

/// The beginning of a good rule file.
const HEAD: &str = "version: 1\ntable: shop.orders\n";
const RULES: &str = "version: 1\ntable: shop.orders\nrules:\n";
const TOO_LARGE: &str = "it is larger than 1048576 bytes";
const TOO_DEEP: &str = "lists and mappings lie too deep in each other; allowed: at most 64 levels";
const TOO_MANY: &str = "too many values; allowed: at most 250000";

const HOSTILE: [Hostile; 21] = [
    Hostile {
        what: "aliases of many aliases",
        head: "a0: &a0 [x, x, x, x, x, x, x, x, x]\n",
        again: "a{i}: &a{i} [*a{h}, *a{h}, *a{h}, *a{h}, *a{h}, *a{h}, *a{h}, *a{h}, *a{h}]\n",
        times: 40,
        says: TOO_MANY,
    },
    Hostile {
        what: "aliases of mappings",
        head: "a0: &a0 { k: x, l: x }\n",
        again: "a{i}: &a{i} { k: *a{h}, l: *a{h} }\n",
        times: 60,
        says: TOO_MANY,
    },
    Hostile {
        what: "each alias one level deeper",
        head: "a0: &a0 [x]\n",
        again: "a{i}: &a{i} [*a{h}]\n",
        times: 1000,
        says: TOO_DEEP,
    },
    Hostile {
        what: "an anchor on every value",
        head: HEAD,
        again: "k{i}: &a{i} [x, x, x, x]\n",
        times: 35_000,
        says: TOO_MANY,
    },
    Hostile { what: "lists in lists", head: "", again: "[", times: 100_000, says: TOO_DEEP },
    Hostile { what: "lists in lists, by dashes", head: "", again: "- ", times: 100_000, says: TOO_DEEP },
    Hostile { what: "mappings in mappings", head: "", again: "{a: ", times: 100_000, says: TOO_DEEP },
    Hostile { what: "mappings as keys of mappings", head: "", again: "? ", times: 100_000, says: TOO_DEEP },
    Hostile {
        what: "parentheses in parentheses",
        head: "version: 1\ntable: shop.orders\nrules:\n  - expect: ",
        again: "(",
        times: 100_000,
        says: "",
    },
    Hostile {
        what: "groups in groups of a regular expression",
        head: "version: 1\ntable: shop.orders\nrules:\n  - matches:\n      column: status\n      pattern: ",
        again: "(",
        times: 100_000,
        says: "`pattern` is no regular expression",
    },
    Hostile { what: "many values", head: "[", again: "1,", times: 500_000, says: TOO_MANY },
    Hostile {
        what: "one line of 20 MB",
        head: "version: 1\ntable: shop.orders\nowner: ",
        again: "xxxxxxxxxxxxxxxxxxxx",
        times: 1_000_000,
        says: TOO_LARGE,
    },
    Hostile { what: "a million keys", head: HEAD, again: "k{i}: 1\n", times: 1_000_000, says: TOO_LARGE },
    Hostile {
        what: "a million rules",
        head: RULES,
        again: "  - { id: r{i}, unique: [id] }\n",
        times: 1_000_000,
        says: TOO_LARGE,
    },
    Hostile {
        what: "100 MB of rules",
        head: RULES,
        again: "  - not_null: [id, order_no, customer_id, status, net_cents, tax_cents, total_cents, paid, payload]\n",
        times: 1_000_000,
        says: TOO_LARGE,
    },
    Hostile {
        what: "100 MB of spaces",
        head: "",
        again: "                                                                                                    ",
        times: 1_000_000,
        says: TOO_LARGE,
    },
    Hostile {
        what: "a long text, repeated by aliases",
        head: "a: &b {long}\nc: [",
        again: "*b, ",
        times: 60_000,
        says: TOO_MANY,
    },
    Hostile {
        what: "many unknown keys",
        head: HEAD,
        again: "k{i}: 1\n",
        times: 90_000,
        says: "unknown key in a rule file: `k1`",
    },
    Hostile {
        what: "many columns",
        head: "version: 1\ntable: shop.orders\nkey:\n",
        again: "- c{i}\n",
        times: 90_000,
        says: "`key` names 90000 columns; allowed: at most 2000",
    },
    Hostile {
        what: "many conditions",
        head: "version: 1\ntable: shop.orders\nrules:\n  - expect: id = 1",
        again: " or id = 1",
        times: 90_000,
        says: "the expression is too long: 900006 bytes",
    },
    Hostile {
        what: "many rules that say nothing",
        head: RULES,
        again: "- {}\n",
        times: 100_000,
        says: "and 99000 more problems",
    },
];

impl Hostile {
    fn write(&self, path: &Path) {
        let mut file = BufWriter::new(File::create(path).unwrap());
        file.write_all(self.head.replace("{long}", &"long text ".repeat(2000)).as_bytes()).unwrap();
        let numbered = self.again.contains("{i}");
        for i in 1..=self.times {
            if numbered {
                let again = self.again.replace("{i}", &i.to_string()).replace("{h}", &(i - 1).to_string());
                file.write_all(again.as_bytes()).unwrap();
            } else {
                file.write_all(self.again.as_bytes()).unwrap();
            }
        }
        file.flush().unwrap();
    }
}

/// How a check ended (`None`: it was killed), and the most memory that it had resident, in KiB.
fn watched(shop: &Shop) -> (Option<ExitStatus>, u64) {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -v {ADDRESS_SPACE} && exec \"$0\" check --no-color")).arg(super::program());
    shop.surround(&mut command);
    // files, so that no pipe has to be emptied
    let [out, err] = ["out", "err"].map(|name| File::create(shop.path(name)).unwrap());
    let mut child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
    let (begun, status) = (Instant::now(), format!("/proc/{}/status", child.id()));
    let mut peak = 0u64;
    loop {
        if let Some(ended) = child.try_wait().unwrap() {
            return (Some(ended), peak);
        }
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
        peak = peak.max(now);
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            return (None, peak);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn hostile_rule_files_are_refused_soon_and_in_little_memory() {
    let (mut wrong, mut highest) = (Vec::new(), 0u64);
    for hostile in &HOSTILE {
        let shop = shop();
        hostile.write(&shop.path("rules/case.yaml"));
        let (ended, peak) = watched(&shop);
        let (out, err) = (shop.read("out"), shop.read("err"));
        println!("{}: {peak} KiB, {} bytes of messages", hostile.what, err.len());
        let begins: String = err.chars().take(300).collect();
        let what = hostile.what;
        match ended.map(|ended| ended.code()) {
            None => wrong.push(format!("{what}: killed after {PATIENCE:?}")),
            Some(Some(78)) => {}
            Some(code) => wrong.push(format!("{what}: exit code {code:?}: {begins}")),
        }
        if !out.is_empty() || !err.contains("rules/case.yaml") || !err.contains(hostile.says) {
            wrong.push(format!("{what}: nothing says `{}`: {out}{begins}", hostile.says));
        }
        if peak > MOST_MEMORY {
            wrong.push(format!("{what}: {peak} KiB; at most {MOST_MEMORY} are allowed"));
        }
        highest = highest.max(peak);
    }
    assert!(highest > 20 << 10, "nothing was measured");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A fleet's worth of rules, of which one table's are wanted: they are read, all of them, in little memory.
#[test]
fn c2_tens_of_thousands_of_rules_are_read_in_little_memory() {
    let shop = shop();
    std::fs::remove_file(shop.path("rules/orders.yaml")).ok();
    for table in 0..400 {
        let mut text = format!("version: 1\ntable: shop.t{table}\nrules:\n");
        for rule in 0..100 {
            let line = format!(
                "  - {{ id: r{table}_{rule}, in_range: {{ column: id, min: {rule}, max: {} }} }}\n",
                rule + 1000
            );
            text.push_str(&line);
        }
        std::fs::write(shop.path(&format!("rules/t{table}.yaml")), text).unwrap();
    }
    std::fs::write(
        shop.path("rules/wrong.yaml"),
        "version: 1\ntable: shop.wrong\nrules:\n  - { id: r7_7, not_null: id }\n",
    )
    .unwrap();
    let (ended, peak) = watched(&shop);
    let said = shop.read("err");
    assert_eq!(ended.and_then(|ended| ended.code()), Some(78), "{said}");
    assert!(
        said.contains("r7_7") && said.contains("rules/t7.yaml"),
        "every one was read and held against the others: {said}"
    );
    assert!((20 << 10..MOST_MEMORY).contains(&peak), "{peak} KiB");
}
