//! The command line: arguments in, nothing else.

use crate::config::Overrides;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use fieldmark_collector::Role;
use fieldmark_document::{duration_of, fraction_of};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Exit code of a wrong command line (`EX_USAGE` of sysexits.h).
pub const USAGE: u8 = 64;

const EXIT_CODES: &str = "\
Exit codes:
  0    good
  1    bad: a rule of severity page or ticket failed, the migration broke something, --strict and something surprising
  2    could not tell: inconclusive, not evaluated, or an error on the way
  3    the guarded command failed (3 beats 1 beats 2)
  64   wrong command line
  75   another process writes to the state folder
  78   configuration or rules are wrong
  130  interrupted, 143 terminated";

/// Mark your rows before the migration. Recapture them after.
///
/// Fieldmark checks rules over sampled tables, takes a keyed sample before a migration and reads the same rows again after it.
#[derive(Clone, Debug, Parser)]
#[command(name = "fieldmark", version, max_term_width = 100, after_long_help = EXIT_CODES, after_help = "\
Examples:
  fieldmark demo                            see it work, with no database of yours
  fieldmark check                           check the rules of fieldmark.yaml
  fieldmark guard -- ./migrate.sh           mark, migrate, recapture, judge")]
pub struct Cli {
    /// Flags that mean the same everywhere.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show a migration gone wrong, and found, on a small database of its own
    #[command(after_help = "\
Examples:
  fieldmark demo                                      on SQLite, in a temporary folder
  fieldmark demo --url postgres://postgres@localhost  on that server, in a schema of its own")]
    Demo(Demo),
    /// Look at a database; write a configuration and proposed rules, each with its evidence
    #[command(after_help = "\
Examples:
  fieldmark init sqlite:shop.db
  fieldmark init postgres://fieldmark@db/shop
  fieldmark init --url-env SHOP_URL --table 'public.*'
  fieldmark init                                      rules for tables of the configuration that have none")]
    Init(Init),
    /// Check the rules on samples of their tables
    #[command(after_help = "\
Examples:
  fieldmark check
  fieldmark check --plan                              what it would send and cost; reads no row
  fieldmark check --source shop --table orders --sample 50000
  fieldmark check --full --duty 100%                  every row, without pauses
  fieldmark check --output json > report.json")]
    Check(Check),
    /// Take a mark: read sampled rows and keep them until after the migration
    #[command(after_help = "\
Examples:
  fieldmark before && ./migrate.sh; fieldmark after
  fieldmark before --mark-dir /shared/marks           for an `after` on another machine")]
    Before(Before),
    /// Recapture the rows of a mark and judge what became of them
    #[command(after_help = "\
Examples:
  fieldmark after                                     against each source's latest mark
  fieldmark after --mark ID --report after.html
  fieldmark after --rollback                          did the way back restore the rows?")]
    After(After),
    /// Take a mark, run the migration's command, recapture, judge
    #[command(after_help = "\
Examples:
  fieldmark guard -- sqlx migrate run
  fieldmark guard --report guard.html -- sh -c 'flyway migrate'
  fieldmark guard --rollback -- sqlx migrate revert   compare with the mark that is there

Signals go to the command; Fieldmark then recaptures and reports.")]
    Guard(Guard),
    /// Record rows that fail today as known: they are shown, and no alarm while they do not grow
    #[command(after_help = "\
A record is never raised, and lowered by itself when fewer rows fail.

Examples:
  fieldmark baseline --rule orders.total_adds_up
  fieldmark baseline                                  every rule that fails
  fieldmark baseline --list
  fieldmark baseline --forget --rule orders.total_adds_up")]
    Baseline(Baseline),
    /// Try rules on rows written in files `*.test.yaml`, with no database
    #[command(after_help = "\
A fixture says which rules pass and which rows fail: docs/guide/testing-rules.md.

Examples:
  fieldmark test                                      every fixture beside the rule files
  fieldmark test rules/orders.test.yaml
  fieldmark test --table orders --output json

Exit codes: 0 every rule as expected, 1 one is not, 2 no fixture, 78 a file is wrong.")]
    Test(Test),
    /// Look for what is in the way: connection, server, privileges
    #[command(after_help = "\
A finding gives exit code 1. Nothing is changed; the statements that would are printed.

Examples:
  fieldmark doctor
  fieldmark doctor --grants fieldmark | psql shop     what a role of that name needs, and nothing else")]
    Doctor(Doctor),
    /// Print what is remembered: the last check, marks, known failing rows, baselines
    #[command(after_help = "\
Examples:
  fieldmark status
  fieldmark status --output json")]
    Status,
    /// Run beside the databases: check, take marks, notice migrations, report
    #[command(after_help = "\
Without `collector:` in its configuration the collector runs inside it. SIGHUP, or a change of its files, has it read its configuration
again. Its own API is told by the token in `local.token` of the state folder.

Examples:
  fieldmark agent
  curl -H \"Authorization: Bearer $(cat state/local.token)\" http://127.0.0.1:9465/v1/status")]
    Agent,
    /// Serve the fleet: take what agents observe, keep it, tell it
    #[command(after_help = "\
It needs `serve:` in its configuration only where the defaults do not fit; no sources. Beyond a loopback address it needs a certificate.

Examples:
  fieldmark agents enrol db-1 --token-file db-1.token
  fieldmark agents enrol ann --role viewer
  fieldmark collector")]
    Collector,
    /// Who may report to the collector or look at it
    #[command(after_help = "\
Works on the collector's store itself, on its machine, whether it runs or not. A token is told once, when it is made.

Examples:
  fieldmark agents enrol db-1 --token-file /etc/fieldmark/token
  fieldmark agents enrol ann --role admin
  fieldmark agents list
  fieldmark agents revoke ann")]
    Agents(Agents),
    /// Print the effective configuration, with where each value came from; secrets are not printed
    #[command(after_help = "\
Each key has an environment variable: FIELDMARK_ and the key in capitals, levels joined by two underscores.

Examples:
  fieldmark config
  FIELDMARK_SOURCES__SHOP__DETECT=1% fieldmark config --output json")]
    Config,
    /// Print the kinds of rules, or one of them with its keys and an example
    #[command(after_help = "\
Examples:
  fieldmark rules
  fieldmark rules in_set")]
    Rules(Rules),
    /// Print the JSON Schema of a kind of file, for editors
    #[command(after_help = "\
Examples:
  fieldmark schema > rules.schema.json
  fieldmark schema config > fieldmark.schema.json
then, as the first line of a rule file:  # yaml-language-server: $schema=../rules.schema.json")]
    Schema(Schema),
    /// Print the completions of a shell
    #[command(after_help = "\
Examples:
  fieldmark completions bash > ~/.local/share/bash-completion/completions/fieldmark
  fieldmark completions zsh > ~/.zfunc/_fieldmark")]
    Completions(Completions),
    /// Print the man page
    #[command(after_help = "\
Examples:
  fieldmark man > ~/.local/share/man/man1/fieldmark.1")]
    Man,
}

/// Flags that mean the same everywhere.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// The configuration file [default: fieldmark.yaml in the current folder]
    #[arg(long, global = true, value_name = "FILE", env = "FIELDMARK_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Only this source (may be given several times)
    #[arg(long, global = true, value_name = "NAME")]
    pub source: Vec<String>,
    /// Only this table: `orders`, `public.orders` or `shop.public.orders` (may be given several times)
    #[arg(long, global = true, value_name = "TABLE")]
    pub table: Vec<String>,
    /// Only the rule with this id (may be given several times)
    #[arg(long, global = true, value_name = "ID")]
    pub rule: Vec<String>,
    /// Read every row; lifts `rows_per_check` and `full_every`
    #[arg(long, global = true, conflicts_with = "sample")]
    pub full: bool,
    /// Rows to read of every table
    #[arg(long, global = true, value_name = "N", value_parser = rows)]
    pub sample: Option<u64>,
    /// Seed of the draws, a whole number [default: by chance, and reported]
    #[arg(long, global = true, value_name = "S")]
    pub seed: Option<u64>,
    /// Form of what is printed
    #[arg(long, global = true, value_name = "FORM", value_enum, default_value_t)]
    pub output: Output,
    /// Also write the report to a file; its form is told by the ending (.json, .html, .md, .xml for JUnit, .txt), else by --output
    #[arg(long, global = true, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print no progress, and no report that says that all is well
    #[arg(long, global = true)]
    pub quiet: bool,
    /// Print without colours (so does the environment variable NO_COLOR)
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Exit with 1 on surprising changes, too
    #[arg(long, global = true)]
    pub strict: bool,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Text for people
    #[default]
    Terminal,
    /// One JSON object
    Json,
    /// One self-contained HTML page
    Html,
    /// GitHub-flavoured Markdown, for a comment under a pull request
    Markdown,
    /// JUnit XML, for what shows test results
    Junit,
}

/// Of `demo`.
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// Run on this PostgreSQL server, in a schema that is made for it and dropped again [default: SQLite]
    #[arg(long, value_name = "URL")]
    pub url: Option<DemoUrl>,
}

/// The command line itself, for completions and the man page.
pub fn command() -> clap::Command {
    Cli::command()
}

/// An address with what may be a password.
pub type DemoUrl = crate::config::Secret;

/// Of `init`.
#[derive(Clone, Debug, Args)]
pub struct Init {
    /// The database: `postgres://user@host/database` or `sqlite:path`
    #[arg(value_name = "URL", conflicts_with = "url_env")]
    pub url: Option<DemoUrl>,
    /// An environment variable that holds the address; the configuration will name it
    #[arg(long, value_name = "VARIABLE")]
    pub url_env: Option<String>,
    /// What to call the source [default: as its database]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Write over files that are there already
    #[arg(long)]
    pub force: bool,
    /// Largest share of the time that a statement of ours runs
    #[arg(long, value_name = "SHARE", default_value = "50%", value_parser = duty)]
    pub duty: f64,
}

/// Of `agents`.
#[derive(Clone, Debug, Args)]
pub struct Agents {
    /// What to do.
    #[command(subcommand)]
    pub what: Enrolment,
}

/// What `agents` does.
#[derive(Clone, Debug, Subcommand)]
pub enum Enrolment {
    /// Make a token for an agent or a person
    Enrol {
        /// The agent's name (`agent.name` of its configuration), or the person's
        name: String,
        /// What it may do: agent, viewer, operator, admin
        #[arg(long, default_value = "agent", value_parser = role)]
        role: Role,
        /// Write the token into a new file that nobody else may read [default: print it]
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
    /// Print who is enrolled
    List,
    /// Take a token's rights
    Revoke {
        /// Whose
        name: String,
    },
}

fn role(word: &str) -> Result<Role, String> {
    Role::of(word).ok_or_else(|| "agent, viewer, operator or admin".to_owned())
}

/// Of `baseline`.
#[derive(Clone, Debug, Args)]
pub struct Baseline {
    /// Print what is recorded; reads no database
    #[arg(long, conflicts_with = "forget")]
    pub list: bool,
    /// Forget the records of the rules given by --rule
    #[arg(long)]
    pub forget: bool,
}

/// Of `doctor`.
#[derive(Clone, Debug, Args)]
pub struct Doctor {
    /// A superuser is no finding
    #[arg(long)]
    pub allow_superuser: bool,
    /// Privileges to write are no finding
    #[arg(long)]
    pub allow_writes: bool,
    /// Print, and print only, the statements that give a role what it needs [default: the role that connects]
    #[arg(long, value_name = "ROLE", num_args = 0..=1, default_missing_value = "")]
    pub grants: Option<String>,
}

/// Of `schema`.
#[derive(Clone, Debug, Args)]
pub struct Schema {
    /// The kind of file
    #[arg(value_enum, default_value_t)]
    pub of: SchemaOf,
}

/// What a schema is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A rule file
    #[default]
    Rules,
    /// `_defaults.yaml` of a folder of rule files
    Defaults,
    /// fieldmark.yaml
    Config,
    /// A fixture, `*.test.yaml`
    Test,
    /// The report of --output json
    Report,
}

/// Of `completions`.
#[derive(Clone, Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Of `check`.
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// Print the statements, rows and blocks that a check would take, and what the planner thinks of queries; reads no row
    #[arg(long)]
    pub plan: bool,
    /// Do not read more rows where a sample cannot tell
    #[arg(long)]
    pub no_enlarge: bool,
    /// Largest share of the time that a statement of ours runs
    #[arg(long, value_name = "SHARE", default_value = "50%", value_parser = duty)]
    pub duty: f64,
}

/// Of `before`, `after` and `guard`.
#[derive(Clone, Debug, Args)]
pub struct Marking {
    /// Folder for marks that several machines share [default: the state folder's]; marks with `pii` columns are read by agents with the
    /// same `digest.key` in their state folders
    #[arg(long, value_name = "DIR")]
    pub mark_dir: Option<PathBuf>,
    /// Time to watch ordinary writes, before and after; `0s` for none
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub control: Duration,
    /// A mark that is not removed, however old it is.
    #[arg(skip)]
    pub in_use: Option<String>,
}

/// Of `after` and `guard`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Waiting {
    /// Time to wait for a replica that has not replayed the migration yet
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration)]
    pub wait: Duration,
}

/// Of `before`.
#[derive(Clone, Debug, Args)]
pub struct Before {
    /// Common to all that mark or recapture.
    #[command(flatten)]
    pub marking: Marking,
    /// Have the agent that runs on this machine open a migration, with a mark of its own; until `after --close` whatever changes is the
    /// migration's
    #[arg(long)]
    pub open: bool,
    /// With --open: what the migration is called
    #[arg(long, value_name = "NAME", requires = "open")]
    pub name: Option<String>,
}

/// Of `after`.
#[derive(Clone, Debug, Args)]
pub struct After {
    /// Common to all that mark or recapture.
    #[command(flatten)]
    pub marking: Marking,
    /// Of replicas.
    #[command(flatten)]
    pub waiting: Waiting,
    /// The mark, by the id that `before` printed [default: each source's latest]
    #[arg(long, value_name = "ID")]
    pub mark: Option<String>,
    /// The migration was undone: are the marked rows as they were?
    #[arg(long)]
    pub rollback: bool,
    /// Have the agent that runs on this machine close the migration that `before --open` opened, and judge it
    #[arg(long, conflicts_with_all = ["mark", "rollback", "mark_dir"])]
    pub close: bool,
}

/// Of `guard`.
#[derive(Clone, Debug, Args)]
pub struct Guard {
    /// Common to all that mark or recapture.
    #[command(flatten)]
    pub marking: Marking,
    /// Of replicas.
    #[command(flatten)]
    pub waiting: Waiting,
    /// With --rollback: compare with this mark [default: each source's latest]
    #[arg(long, value_name = "ID", requires = "rollback")]
    pub mark: Option<String>,
    /// The command undoes a migration: compare with the mark that is there, instead of taking one
    #[arg(long)]
    pub rollback: bool,
    /// Run the command even where no mark can be taken
    #[arg(long)]
    pub proceed_unmarked: bool,
    /// The migration's command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Of `test`.
#[derive(Clone, Debug, Args)]
pub struct Test {
    /// Files with fixtures [default: all *.test.yaml beside the rule files]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Of `rules`.
#[derive(Clone, Debug, Args)]
pub struct Rules {
    /// A kind of rule
    pub kind: Option<String>,
}

impl Common {
    /// The flags that change a setting of the configuration.
    pub fn overrides(&self) -> Overrides {
        Overrides { sample: self.sample, full: self.full }
    }

    /// The form of what goes to standard output, and file and form of the report.
    ///
    /// HTML goes to the file alone, where there is one; standard output then has text.
    pub fn outputs(&self) -> (Output, Option<(&Path, Output)>) {
        let Some(path) = self.report.as_deref() else { return (self.output, None) };
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        let form = match ending.as_deref() {
            Some("json") => Output::Json,
            Some("html" | "htm") => Output::Html,
            Some("md" | "markdown") => Output::Markdown,
            Some("xml") => Output::Junit,
            Some("txt") => Output::Terminal,
            Some(_) | None => self.output,
        };
        let printed = if self.output == Output::Html { Output::Terminal } else { self.output };
        (printed, Some((path, form)))
    }
}

/// A command line that leads to no command: help, version, or a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// 0, or [`USAGE`].
    pub code: u8,
    /// What to print, with colours where asked for.
    pub text: String,
    /// Whether it goes to standard error.
    pub to_stderr: bool,
}

/// Reads a command line, the program's name first. `colours`: whether help and mistakes are to be shown in colours.
///
/// # Errors
/// Help or version were asked for (code 0), or something is wrong (code 64).
pub fn parse<I, T>(arguments: I, colours: bool) -> Result<Cli, Ended>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let read = Cli::command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    read.map_err(|error| {
        let good = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        let rendered = error.render();
        let mut text = if colours { rendered.ansi().to_string() } else { rendered.to_string() };
        if !good {
            // a mistake repeats the argument, which may be an address
            text = crate::config::mask(&text, &[]);
        }
        if let Some(later) = lacking(&error) {
            text = format!("error: {later} is not in this version of Fieldmark\n\n{}", usage_hint());
        }
        Ended { code: if good { 0 } else { USAGE }, text, to_stderr: error.use_stderr() }
    })
}

fn usage_hint() -> &'static str {
    "For what there is, try '--help'.\n"
}

/// Commands, flags and forms of the documentation that this version lacks.
const LATER: [&str; 13] = [
    "incident",
    "lineage",
    "classify",
    "route",
    "rehearse",
    "gate",
    "contract",
    "plan",
    "drift",
    "audit",
    "import",
    "--migrations",
    "--serve",
];

/// What of a later version was asked for, in quotes.
fn lacking(error: &clap::Error) -> Option<String> {
    for kind in [ContextKind::InvalidSubcommand, ContextKind::InvalidArg, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(text)) = error.get(kind) {
            let word = text.split(['=', ' ']).next().unwrap_or_default();
            if LATER.contains(&word) {
                return Some(format!("'{word}'"));
            }
        }
    }
    None
}

fn rows(text: &str) -> Result<u64, String> {
    match text.replace('_', "").parse::<u64>() {
        Ok(rows) if (1..=u64::MAX >> 1).contains(&rows) => Ok(rows),
        _ => Err("a number of rows from 1 on is wanted".to_owned()),
    }
}

fn duty(text: &str) -> Result<f64, String> {
    fraction_of(text)
        .filter(|share| *share > 0.0)
        .ok_or_else(|| "above 0% and up to 100% is wanted, such as 50%".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    duration_of(text).ok_or_else(|| "a number with ms, s, m, h or d is wanted, such as 5s".to_owned())
}

impl std::str::FromStr for DemoUrl {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, Ended> {
        parse(std::iter::once("fieldmark").chain(line.split_whitespace()), false)
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn exit_codes_of_command_lines() {
        for (line, code, stderr, part) in [
            ("--help", 0, false, "recapture, judge"),
            ("-h", 0, false, "Examples:"),
            ("--version", 0, false, "fieldmark "),
            ("help guard", 0, false, "--proceed-unmarked"),
            ("check --help", 0, false, "--no-enlarge"),
            ("", 64, true, "Usage: fieldmark"),
            ("chekc", 64, true, "'check'"),
            ("check --sorce x", 64, true, "'--source'"),
            ("check --sample 0", 64, true, "a number of rows from 1 on is wanted"),
            ("check --sample 5 --full", 64, true, "cannot be used with"),
            ("check --duty 0%", 64, true, "above 0% and up to 100% is wanted"),
            ("check --duty 120%", 64, true, "above 0% and up to 100% is wanted"),
            ("check --output xml", 64, true, "[possible values: terminal, json, html, markdown, junit]"),
            ("check --rollback", 64, true, "unexpected argument '--rollback'"),
            ("before --control soon", 64, true, "a number with ms, s, m, h or d is wanted"),
            ("guard", 64, true, "-- <CMD>..."),
            ("guard --mark m -- true", 64, true, "--rollback"),
            ("incident", 64, true, "error: 'incident' is not in this version of Fieldmark"),
            ("before --open --name x --name y", 64, true, "--name"),
            ("after --close --rollback", 64, true, "cannot be used with"),
            ("guard --migrations x -- y", 64, true, "error: '--migrations' is not in this version of Fieldmark"),
        ] {
            let ended = read(line).unwrap_err();
            assert_eq!((ended.code, ended.to_stderr), (code, stderr), "{line}: {}", ended.text);
            assert!(ended.text.contains(part), "{line}: {}", ended.text);
        }
    }

    #[test]
    fn flags_are_read_on_either_side_of_the_command() {
        for line in ["--source shop --sample 5_000 --quiet check", "check --source shop --sample 5_000 --quiet"] {
            let cli = read(line).unwrap();
            assert_eq!((cli.common.source.as_slice(), cli.common.sample), (["shop".to_owned()].as_slice(), Some(5000)));
            assert!(cli.common.quiet);
            assert_eq!(cli.common.overrides(), Overrides { sample: Some(5000), full: false });
        }
        let cli = read("test a.test.yaml b.test.yaml --output json").unwrap();
        let Command::Test(test) = &cli.command else { panic!("{cli:?}") };
        assert_eq!(test.files, [Path::new("a.test.yaml"), Path::new("b.test.yaml")]);
        let cli = read("check --table a --table b --duty 100% --no-enlarge --full --strict --seed 7").unwrap();
        let Command::Check(check) = &cli.command else { panic!("{cli:?}") };
        assert_eq!((check.duty, check.no_enlarge, cli.common.table.len(), cli.common.seed), (1.0, true, 2, Some(7)));
    }

    #[test]
    fn the_guarded_command_is_taken_as_it_is() {
        let cli = read("guard --control 0s --mark-dir m -- sh -c exit --help --quiet").unwrap();
        let Command::Guard(guard) = &cli.command else { panic!("{cli:?}") };
        assert_eq!(guard.command, ["sh", "-c", "exit", "--help", "--quiet"]);
        assert_eq!((guard.marking.control, cli.common.quiet), (Duration::ZERO, false));
        let cli = read("after --mark m1 --rollback").unwrap();
        let Command::After(after) = &cli.command else { panic!("{cli:?}") };
        assert_eq!((after.mark.as_deref(), after.rollback, after.marking.control.as_secs()), (Some("m1"), true, 5));
    }

    #[test]
    fn outputs_follow_the_file_and_the_flag() {
        let of = |line: &str| {
            let cli = read(line).unwrap();
            let (printed, file) = cli.common.outputs();
            (printed, file.map(|(path, form)| (path.display().to_string(), form)))
        };
        let file = |path: &str, form| Some((path.to_owned(), form));
        for (line, expected) in [
            ("check", (Output::Terminal, None)),
            ("check --output html", (Output::Html, None)),
            ("check --output json --report r.html", (Output::Json, file("r.html", Output::Html))),
            ("check --report r.json", (Output::Terminal, file("r.json", Output::Json))),
            ("check --output html --report r", (Output::Terminal, file("r", Output::Html))),
            ("check --report r.TXT", (Output::Terminal, file("r.TXT", Output::Terminal))),
        ] {
            assert_eq!(of(line), expected, "{line}");
        }
    }

    #[test]
    fn a_password_in_an_argument_is_not_shown() {
        let cli = read("demo --url postgres://u:hunter2@h/d").unwrap();
        assert!(!format!("{cli:?}").contains("hunter2"));
        for line in ["demo postgres://u:hunter2@h/d", "demo --ulr=postgres://u:hunter2@h/d", "postgres://u:hunter2@h/d"]
        {
            let ended = read(line).unwrap_err();
            assert!(!format!("{ended:?}").contains("hunter2"), "{}", ended.text);
        }
    }
}
