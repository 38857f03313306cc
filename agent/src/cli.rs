//! The command line: arguments in, nothing else.

mod lineage;

pub use lineage::{Change, Diff, Export, Form, Impact, Lineage, Question, Reach, Reading, Sql};

use crate::config::Overrides;
use crate::lineage::Planned;
use chrono::{DateTime, Utc};
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
    /// What somebody has to know of: print it, take it up
    #[command(after_help = "\
Works on the collector's store itself, on its machine, whether it runs or not; people elsewhere use its API.

Examples:
  fieldmark incidents
  fieldmark incidents show ID
  fieldmark incidents acknowledge ID --note 'rolling 0042 back'")]
    Incidents(Incidents),
    /// Keep incidents from being told for a while: now, or in a maintenance window
    #[command(after_help = "\
What is silenced is seen and pages nobody; what is open still when the silence ends is told then.

Examples:
  fieldmark silence add --source shop --for 2h --why 'restore of the shop'
  fieldmark silence add --table public.orders --from 2026-11-28T22:00:00Z --for 4h --why 'migration 0042'
  fieldmark silence list
  fieldmark silence end 3")]
    Silence(Silence),
    /// Try the ways that incidents are told over
    #[command(after_help = "\
Tells a test, marked as one, over the routes of the configuration.

Examples:
  fieldmark route test
  fieldmark route test pager

Exit codes: 0 every receiver has taken it, 1 one has not, 78 the configuration is wrong.")]
    Route(Routes),
    /// Tell transient from systemic in a stream of what happened to a fleet
    #[command(after_help = "\
Reads one JSON object a line from standard input, and writes what it says of it (docs/guide/on-call.md).

Examples:
  fieldmark classify < events.jsonl > verdicts.jsonl
  fieldmark classify --lockstep                       answers each line, and then `{\"ack\": seq}`")]
    Classify(Classify),
    /// Which column is made from which: what feeds it, what breaks if it goes
    #[command(after_help = "\
Examples:
  fieldmark lineage up public.revenue.total
  fieldmark lineage impact public.orders.status --change dropped
  fieldmark lineage export --as mermaid")]
    Lineage(Lineage),
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

/// The command line itself: what parses it, completes it and tells of it. Of the flags that mean the same everywhere each command shows those that it goes by.
pub fn command() -> clap::Command {
    let mut program = Cli::command();
    // the flags come to the commands only now
    program.build();
    program.mut_subcommands(|command| {
        let flags = flags_of(command.get_name());
        showing(command, flags)
    })
}

/// A command, and those below it, that shows these of the flags that mean the same everywhere.
fn showing(command: clap::Command, flags: &[&str]) -> clap::Command {
    let hides = |flag: &clap::Arg| flag.is_global_set() && !flags.contains(&flag.get_id().as_str());
    let shown = command.mut_args(|flag| if hides(&flag) { flag.hide(true) } else { flag });
    shown.mut_subcommands(|below| showing(below, flags))
}

/// The flags, of those that mean the same everywhere, by which a command goes.
fn flags_of(command: &str) -> &'static [&'static str] {
    match command {
        "guard" => &[
            "config", "source", "table", "rule", "full", "sample", "seed", "output", "report", "quiet", "no_color",
            "strict",
        ],
        "check" | "before" => {
            &["config", "source", "table", "rule", "full", "sample", "seed", "output", "report", "quiet", "no_color"]
        }
        "after" => &["config", "source", "full", "sample", "seed", "output", "report", "quiet", "no_color", "strict"],
        "agent" => &["config", "source", "table", "rule", "full", "sample", "seed", "quiet", "no_color"],
        "demo" => &["full", "sample", "seed", "quiet", "no_color", "strict"],
        "init" => &["config", "source", "table", "full", "sample", "seed", "output", "quiet", "no_color"],
        "baseline" => &["config", "source", "rule", "full", "sample", "seed", "output", "quiet", "no_color"],
        "test" => &["config", "source", "table", "rule", "seed", "output", "report", "quiet", "no_color"],
        "doctor" => &["config", "source", "table", "rule", "output", "report", "quiet", "no_color"],
        "status" | "lineage" => &["config", "source", "output", "no_color"],
        "config" => &["config", "full", "sample", "output", "no_color"],
        "agents" | "incidents" | "silence" => &["config", "output", "no_color"],
        "collector" => &["config", "quiet", "no_color"],
        "route" => &["config", "no_color"],
        // `classify`, `rules`, `schema`, `completions`, `man`, `help`: by none
        _ => &[],
    }
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

/// Of `incidents`.
#[derive(Clone, Debug, Args)]
pub struct Incidents {
    /// What to do [default: print those that are open]
    #[command(subcommand)]
    pub what: Option<Upon>,
    /// Print those that are over, too
    #[arg(long)]
    pub all: bool,
}

/// What `incidents` does.
#[derive(Clone, Debug, Subcommand)]
pub enum Upon {
    /// Print one, with all that is known of it
    Show {
        /// Its id
        id: String,
    },
    /// Take one up: it is not told to others for want of an answer
    Acknowledge {
        /// Its id
        id: String,
        /// What you say of it
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
}

/// Of `silence`.
#[derive(Clone, Debug, Args)]
pub struct Silence {
    /// What to do
    #[command(subcommand)]
    pub what: Hush,
}

/// What `silence` does.
#[derive(Clone, Debug, Subcommand)]
pub enum Hush {
    /// Silence what all of this is true of
    Add(Box<NewSilence>),
    /// Print those that are in force, or will be
    List,
    /// End one before its time
    End {
        /// Its number
        id: i64,
    },
}

/// A silence.
#[derive(Clone, Debug, Args)]
pub struct NewSilence {
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// For how long: 30m, 2h, 1d
    #[arg(long = "for", value_name = "TIME", value_parser = duration, required_unless_present = "until")]
    pub time: Option<Duration>,
    /// Until when (RFC 3339)
    #[arg(long, value_name = "WHEN", conflicts_with = "time")]
    pub until: Option<DateTime<Utc>>,
    /// From when on (RFC 3339) [default: now]
    #[arg(long, value_name = "WHEN")]
    pub from: Option<DateTime<Utc>>,
    /// About this source
    #[arg(long)]
    pub source: Option<String>,
    /// About this table: `table`, `schema.table`, `source.schema.table`
    #[arg(long)]
    pub table: Option<String>,
    /// About this rule
    #[arg(long)]
    pub rule: Option<String>,
    /// Of this owner
    #[arg(long)]
    pub owner: Option<String>,
    /// That this agent sees
    #[arg(long)]
    pub agent: Option<String>,
    /// This incident, by its id
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
}

/// Of `route`.
#[derive(Clone, Debug, Args)]
pub struct Routes {
    /// What to do
    #[command(subcommand)]
    pub what: Routing,
}

/// What `route` does.
#[derive(Clone, Debug, Subcommand)]
pub enum Routing {
    /// Tell a test, marked as one, and that it is over
    Test {
        /// The routes [default: all]
        routes: Vec<String>,
    },
}

/// Of `classify`.
#[derive(Clone, Debug, Args)]
pub struct Classify {
    /// Answer each line at once, and say so
    #[arg(long)]
    pub lockstep: bool,
    /// How long things are given to heal by themselves
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    pub patience: Duration,
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
#[derive(Clone, Debug, Default, Args)]
pub struct Marking {
    /// Folder for marks that several machines share [default: the state folder's]; marks with `pii` columns are read by agents with the
    /// same `digest.key` in their state folders
    #[arg(long, value_name = "DIR")]
    pub mark_dir: Option<PathBuf>,
    /// The scripts of the migration, of one source: a folder of a tool's, or one file. What they rename is followed, and what their
    /// statements write is known to lineage. They are read before; `after` by itself knows other names alone
    #[arg(long, value_name = "PATH")]
    pub migrations: Option<PathBuf>,
    /// Time to watch ordinary writes, before and after; `0s` for none
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub control: Duration,
    /// A mark that is not removed, however old it is.
    #[arg(skip)]
    pub in_use: Option<String>,
    /// What the scripts say.
    #[arg(skip)]
    pub planned: Planned,
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
    let read = command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
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
const LATER: [&str; 9] = ["incident", "rehearse", "gate", "contract", "plan", "drift", "audit", "import", "--serve"];

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
        command().debug_assert();
    }

    #[test]
    fn a_command_shows_the_flags_that_it_goes_by() {
        let all: Vec<String> = (Cli::command().get_arguments())
            .filter(|flag| flag.is_global_set())
            .map(|flag| flag.get_id().to_string())
            .collect();
        let named = "demo init check before after guard baseline test doctor status agent collector agents incidents silence route config lineage";
        let none = "classify rules schema completions man";
        let commands: Vec<String> =
            Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        for command in &commands {
            let flags = flags_of(command);
            assert!(flags.iter().all(|flag| all.iter().any(|own| own == flag)), "{command}: {flags:?}");
            assert_eq!(flags.is_empty(), none.split(' ').any(|own| own == command), "{command}");
            let help = read(&format!("{command} --help")).unwrap_err().text;
            for flag in &all {
                let shown = help.contains(&format!("--{}", flag.replace('_', "-")));
                // a mention beside, in an example or in another flag's help, is none of the flag
                let own = help.lines().any(|line| {
                    let line = line.trim_start();
                    let line = line.split_once(", --").map_or(line, |(_, long)| long).trim_start_matches("--");
                    line.split([' ', '=']).next() == Some(flag.replace('_', "-").as_str())
                });
                assert_eq!(own && shown, flags.contains(&flag.as_str()), "{command}: {flag}: {help}");
            }
        }
        assert_eq!(commands.len(), named.split(' ').chain(none.split(' ')).count());
        // those that a command has of its own are shown, and what is hidden is taken all the same
        let help = read("silence add --help").unwrap_err().text;
        assert!(help.contains("--table <TABLE>") && !help.contains("--strict"), "{help}");
        assert!(read("status --strict").is_ok());
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
