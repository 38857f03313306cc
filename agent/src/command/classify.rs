//! `classify`: what happened to a fleet, line by line, and what is said of it.

use super::{Ended, no_report};
use crate::cli::{Classify, Common};
use fieldmark_classify::Patience;
use fieldmark_classify::stream::{Line, Stream, VERSION};
use serde_json::json;
use std::io::{BufRead as _, BufWriter, Write};

/// Letters of a line, at most.
const LONGEST: usize = 1 << 20;

pub(super) fn run(common: &Common, arguments: &Classify) -> Result<u8, Ended> {
    no_report("classify", common)?;
    let mut stream = Stream::new("", Patience::new(arguments.patience));
    let mut out = BufWriter::new(std::io::stdout().lock());
    let lost = |error: std::io::Error| Ended::Because(2, format!("standard output: {error}"));
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let line = line.map_err(|error| Ended::Because(2, format!("standard input, line {number}: {error}")))?;
        if line.trim().is_empty() {
            continue;
        }
        let line = read(&line).map_err(|why| Ended::Because(2, format!("standard input, line {number}{why}")))?;
        for verdict in stream.sees(&line) {
            write(&mut out, &verdict).map_err(lost)?;
        }
        if arguments.lockstep {
            write(&mut out, &json!({ "ack": line.seq })).map_err(lost)?;
            out.flush().map_err(lost)?;
        }
    }
    out.flush().map_err(lost)?;
    Ok(0)
}

fn read(line: &str) -> Result<Line, String> {
    if line.len() > LONGEST {
        return Err(" is longer than a mebibyte".to_owned());
    }
    // serde's words may hold what was given: the place is enough, with what a line is
    let wrong = |error: serde_json::Error| {
        format!(
            ", column {}: this is no event: {} (a JSON object with `case`, `t` and a `type`: check, migration, heartbeat, agent, tick, end)",
            error.column(),
            what(&error)
        )
    };
    let line: Line = serde_json::from_str(line).map_err(wrong)?;
    match line.v {
        Some(version) if version != VERSION => {
            Err(format!(": events of version {version} are not known, of version {VERSION} they are"))
        }
        _ => Ok(line),
    }
}

/// What a reader of JSON says is wrong, without what was given: a field that is missing, a type that is another.
fn what(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    match said.strip_prefix("missing field ") {
        Some(field) => format!("{field} is missing"),
        None => match said.split_once(", expected ") {
            Some((_, expected)) => format!("there is something else where it should be {expected}"),
            None => "it cannot be read".to_owned(),
        },
    }
}

fn write(out: &mut impl Write, value: &impl serde::Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
