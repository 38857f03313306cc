//! The facts of the run.

use crate::report::Report;
use crate::report::words::{self, plural};

pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) text: String,
}

pub(super) fn facts(report: &Report) -> Vec<Fact> {
    let mut facts = vec![Fact { name: "Fieldmark", text: format!("{} · {}", report.fieldmark, report.command) }];
    let took = words::between(report.started, report.finished);
    facts.push(Fact {
        name: "Time",
        text: format!("{} to {} ({took})", words::instant(report.started), words::instant(report.finished)),
    });
    facts.push(Fact {
        name: "Seed",
        text: format!("{} (tells draws apart; it does not repeat one once rows are written)", report.seed),
    });
    for source in &report.sources {
        facts.push(Fact {
            name: "Source",
            text: format!(
                "{} · {} · {} · {} with rules · {} read by {}",
                source.name,
                source.database,
                source.address,
                plural(source.tables, "table"),
                plural(source.rows_read, "row"),
                words::cost(source)
            ),
        });
    }
    for sample in &report.samples {
        let blocks = sample.blocks.map(|blocks| format!(" of {}", plural(blocks, "block"))).unwrap_or_default();
        let stratum = if sample.stratum == "table" { String::new() } else { format!(" ({})", sample.stratum) };
        let rows = plural(sample.rows, "row");
        let text = format!("{} {}{stratum} · {} · {rows}{blocks}", sample.source, sample.table, sample.method);
        facts.push(Fact { name: "Sample", text });
    }
    if let Some(migration) = &report.migration {
        for mark in &migration.marks {
            let rows = format!("{} of {}", plural(mark.rows, "row"), plural(mark.tables, "table"));
            let text = format!("{} · {} · {rows} · {} · {}", mark.source, mark.id, words::bytes(mark.bytes), mark.path);
            facts.push(Fact { name: "Mark", text });
        }
        for source in &migration.sources {
            let age = words::between(source.marked_at, source.recaptured_at);
            let text = format!(
                "{} · mark {} of {}, read again {age} later",
                source.source,
                source.mark,
                words::instant(source.marked_at)
            );
            facts.push(Fact { name: "Recapture", text });
        }
        facts.extend(
            migration
                .command_status
                .map(|status| Fact { name: "Guarded command", text: format!("ended with status {status}") }),
        );
    }
    facts
}
