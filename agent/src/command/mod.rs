//! The commands: from arguments to calls of the other rooms, and from what those give to a report and an exit code.

mod baseline;
pub(crate) mod check;
mod classify;
mod collector;
mod guarded;
mod incidents;
mod lineage;
mod local;
pub(crate) mod migration;
mod plan;
mod selection;
mod session;
mod show;
mod status;
mod test;
mod traced;

use crate::check::RunFacts;
use crate::cli::{Cli, Command, Common, Output};
use crate::config::{self, Config, Environment, Style};
use crate::report::{self, Report, exit_code, html, json, junit, markdown, terminal};
use crate::signals::Signals;
use crate::state::StateError;
use fieldmark_document::Problems;
use fieldmark_model::outcome::Nature;
use fieldmark_telemetry::{About, Telemetry};
use std::io::Write as _;

pub(crate) use collector::Running;
pub(crate) use selection::Selection;
pub(crate) use session::{Manner, Session, SourceReport, read, tables_hidden, tables_read, with_sources};

/// Why a command ended without a report.
#[derive(Debug)]
pub enum Ended {
    /// Configuration or rules are wrong: exit code 78.
    Problems(Problems, Problems),
    /// The state folder.
    State(StateError),
    /// Interrupted by a signal.
    Interrupted,
    /// Interrupted when the guarded command had ended, and what it did was not judged yet. The command line that judges it.
    Unjudged(String),
    /// Something could not be done, and whether waiting may help.
    Failed {
        /// What, and why.
        what: String,
        /// Whether waiting may help.
        nature: Nature,
        /// What may help.
        remedy: Option<String>,
    },
    /// Anything else, with its exit code.
    Because(u8, String),
}

impl From<StateError> for Ended {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// Configuration or rules are wrong.
pub const WRONG_CONFIGURATION: u8 = 78;

/// Runs a command and gives its exit code.
pub async fn run(cli: Cli, signals: &Signals) -> u8 {
    let ended = match &cli.command {
        Command::Check(arguments) => check::run(&cli.common, arguments, signals).await,
        Command::Before(arguments) => migration::before(&cli.common, arguments, signals).await,
        Command::After(arguments) => migration::after(&cli.common, arguments, signals).await,
        Command::Guard(arguments) => migration::guard(&cli.common, arguments, signals).await,
        Command::Init(arguments) => crate::init::run(&cli.common, arguments, signals).await,
        Command::Baseline(arguments) => baseline::run(&cli.common, arguments, signals).await,
        Command::Doctor(arguments) => crate::doctor::run(&cli.common, arguments, signals).await,
        Command::Test(arguments) => test::run(&cli.common, arguments, signals).await,
        Command::Status => status::run(&cli.common, signals),
        Command::Agent => crate::daemon::run(&cli.common, signals).await,
        Command::Collector => collector::run(&cli.common, signals).await,
        Command::Agents(arguments) => collector::agents(&cli.common, arguments).await,
        Command::Incidents(arguments) => incidents::incidents(&cli.common, arguments).await,
        Command::Silence(arguments) => incidents::silence(&cli.common, arguments).await,
        Command::Route(arguments) => incidents::route(&cli.common, arguments).await,
        Command::Classify(arguments) => classify::run(&cli.common, arguments),
        Command::Lineage(arguments) => lineage::run(&cli.common, arguments, signals).await,
        Command::Config => show::config(&cli.common),
        Command::Rules(arguments) => show::rules(arguments),
        Command::Schema(arguments) => show::schema(arguments),
        Command::Completions(arguments) => show::completions(arguments),
        Command::Man => show::man(),
        Command::Demo(arguments) => crate::demo::run(&cli.common, arguments, signals).await,
    };
    match ended {
        Ok(code) => code,
        Err(ended) => explain(&ended, &cli.common, signals),
    }
}

/// Tells people why a command ended, and gives its exit code.
pub(crate) fn explain(ended: &Ended, common: &Common, signals: &Signals) -> u8 {
    match ended {
        Ended::Problems(problems, warnings) => {
            eprint!("{}", config::render(problems, warnings, Style::of_standard_error(common.no_color)));
            WRONG_CONFIGURATION
        }
        Ended::State(error) => {
            eprintln!("fieldmark: {}", error.explain());
            error.exit_code()
        }
        Ended::Interrupted => {
            eprintln!("fieldmark: interrupted; nothing was left half-written");
            signals.received().map_or(130, crate::signals::Signal::exit_code)
        }
        Ended::Unjudged(later) => {
            eprintln!("fieldmark: interrupted; nothing was left half-written");
            eprintln!("fieldmark: the command has ended, and what it did is not judged yet: `{later}` does that");
            signals.received().map_or(130, crate::signals::Signal::exit_code)
        }
        Ended::Failed { what, .. } => {
            eprintln!("fieldmark: {what}");
            2
        }
        Ended::Because(code, why) => {
            eprintln!("fieldmark: {why}");
            *code
        }
    }
}

/// Prints a report, writes the file that was asked for, gives the exit code. A report that cannot be written to its file is
/// printed all the same.
pub(crate) fn deliver(report: &Report, common: &Common) -> Result<u8, Ended> {
    let (printed, file) = common.outputs();
    let mut look = terminal::Look::of(&std::io::stdout(), common.no_color);
    let code = exit_code(report);
    let mut unwritten = None;
    if let Some((path, form)) = file {
        let plain = terminal::Look { color: false, ..look.clone() };
        let text = rendered(report, form, &plain)?;
        match std::fs::write(path, text) {
            Ok(()) if form == Output::Html => look.html = Some(path.display().to_string()),
            Ok(()) => {}
            Err(error) => {
                let why = format!(
                    "the report cannot be written to {}: {error}; name another file with --report",
                    path.display()
                );
                // 3 beats 1 beats 2
                unwritten = Some(Ended::Because(if code == 0 { 2 } else { code }, why));
            }
        }
    }
    if !(common.quiet && code == 0 && printed == Output::Terminal) {
        let text = rendered(report, printed, &look)?;
        // a reader that has gone away (`| head`) is no failure of the check
        std::io::stdout().lock().write_all(text.as_bytes()).ok();
    }
    unwritten.map_or(Ok(code), Err)
}

fn rendered(report: &Report, form: Output, look: &terminal::Look) -> Result<String, Ended> {
    let failed = |error: String| Ended::Because(2, format!("the report cannot be made: {error}"));
    match form {
        Output::Terminal => Ok(terminal::render(report, look)),
        Output::Json => json::render(report).map(|text| text + "\n").map_err(|error| failed(error.to_string())),
        Output::Html => html::render(report).map_err(|error| failed(error.to_string())),
        Output::Markdown => Ok(markdown::render(report)),
        Output::Junit => Ok(junit::render(report)),
    }
}

/// Refuses the forms of a report where a command makes none.
///
/// # Errors
/// One was asked for.
pub(crate) fn no_report(command: &str, common: &Common) -> Result<(), Ended> {
    let why = match (common.output, &common.report) {
        (Output::Html | Output::Markdown | Output::Junit, _) => "this form of output",
        (_, Some(_)) => "--report",
        (Output::Terminal | Output::Json, None) => return Ok(()),
    };
    Err(Ended::Because(
        crate::cli::USAGE,
        format!("`{command}` makes no report: {why} is not for it; there is --output json"),
    ))
}

/// Begins to tell of a process that runs all the time.
pub(crate) fn telemetry(
    service: &'static str,
    instance: &str,
    config: &Config,
    common: &Common,
) -> Result<Telemetry, Ended> {
    let about = About {
        service,
        instance: instance.to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        logs: config.telemetry.logs.value,
        otlp: config.telemetry.otlp.value,
        quiet: common.quiet,
    };
    Telemetry::start(&about).map_err(|unusable| Ended::Because(WRONG_CONFIGURATION, unusable.to_string()))
}

/// Reads the configuration as the command line and the environment have it.
pub(crate) fn load(common: &Common) -> config::Reading {
    config::load(common.config.as_deref(), &Environment::of_process(), &common.overrides())
}

/// A report of a command that has just begun.
pub(crate) fn begin(command: &str, common: &Common, run: &RunFacts) -> Report {
    Report { strict: common.strict, ..report_of(command, run.now, run.seed) }
}

/// The same of something that no command line began.
pub(crate) fn report_of(command: &str, now: chrono::DateTime<chrono::Utc>, seed: u64) -> Report {
    Report {
        version: report::VERSION,
        fieldmark: env!("CARGO_PKG_VERSION").to_owned(),
        command: command.to_owned(),
        started: now,
        finished: now,
        seed,
        strict: false,
        findings_fail: false,
        sources: Vec::new(),
        samples: Vec::new(),
        outcomes: Vec::new(),
        findings: Vec::new(),
        migration: None,
        errors: Vec::new(),
        notes: Vec::new(),
    }
}
