//! `config`, `rules`, `schema`, `completions`, `man`: what is set, what can be written.

use super::{Ended, load};
use crate::cli::{Common, Completions, Output, Rules, Schema, SchemaOf, command};
use crate::report::terminal::{self, PLAIN, Page, span};
use fieldmark_engine::evaluate::functions;
use fieldmark_engine::kind::{Form, KINDS};
use fieldmark_engine::language::{defaults_schema, rules_schema};
use std::io::Write as _;

pub(super) fn config(common: &Common) -> Result<u8, Ended> {
    super::no_report("config", common)?;
    let reading = load(common);
    let Some(config) = reading.config.filter(|_| reading.problems.is_empty()) else {
        return Err(Ended::Problems(reading.problems, reading.warnings));
    };
    match common.output {
        Output::Json => outln!("{:#}", config.to_json()),
        Output::Terminal | Output::Html | Output::Markdown | Output::Junit => out!("{}", config.to_yaml()),
    }
    Ok(0)
}

pub(super) fn rules(arguments: &Rules) -> Result<u8, Ended> {
    let Some(wanted) = &arguments.kind else {
        let mut page = terminal::page();
        for facts in KINDS {
            page.paragraph(0, 2, &[span(facts.name, PLAIN)]);
            page.paragraph(2, 2, &[span(facts.reference, PLAIN)]);
            example(&mut page, 4, facts.example);
            page.gap();
        }
        out!("{}", page.finish());
        return Ok(0);
    };
    let Some(facts) = KINDS.iter().find(|facts| facts.name == wanted) else {
        let near = fieldmark_document::nearest(wanted, KINDS.iter().map(|facts| facts.name));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(Ended::Because(crate::cli::USAGE, format!("there is no kind of rule `{wanted}`{near}")));
    };
    let mut page = terminal::page();
    page.paragraph(0, 2, &[span(facts.name, PLAIN)]);
    page.gap();
    page.paragraph(0, 0, &[span(facts.reference, PLAIN)]);
    page.gap();
    example(&mut page, 2, facts.example);
    page.gap();
    if matches!(facts.form, Form::Expression) {
        let functions = format!("Functions: {}", functions().join(", "));
        page.paragraph(0, 2, &[span(functions, PLAIN)]);
        page.gap();
    }
    let keys: Vec<&str> = facts.keys.iter().map(|key| key.as_str()).collect();
    let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
    page.paragraph(0, 2, &[span(format!("Keys besides id, severity, description: {keys}"), PLAIN)]);
    for (key, why) in facts.without {
        page.paragraph(0, 2, &[span(format!("Not {}: {why}", key.as_str()), PLAIN)]);
    }
    out!("{}", page.finish());
    Ok(0)
}

/// A rule as it stands in a file: its lines are not wrapped.
fn example(page: &mut Page, indent: usize, text: &str) {
    for (at, line) in text.trim().lines().enumerate() {
        let dash = if at == 0 { "- " } else { "" };
        page.line(&[span(format!("{}{dash}{line}", " ".repeat(indent)), PLAIN)]);
    }
}

pub(super) fn schema(arguments: &Schema) -> Result<u8, Ended> {
    let schema = match arguments.of {
        SchemaOf::Rules => rules_schema(),
        SchemaOf::Defaults => defaults_schema(),
        SchemaOf::Config => crate::config::schema(),
        SchemaOf::Test => crate::fixture::schema(),
        SchemaOf::Report => crate::report::json::schema().map_err(|error| Ended::Because(2, error.to_string()))?,
    };
    printed(format!("{schema:#}\n").as_bytes())
}

pub(super) fn completions(arguments: &Completions) -> Result<u8, Ended> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "fieldmark", &mut script);
    printed(&script)
}

pub(super) fn man() -> Result<u8, Ended> {
    let mut program = command().disable_help_subcommand(true);
    program.build();
    let mut page = Vec::new();
    let mut rendered = clap_mangen::Man::new(program.clone()).render(&mut page);
    // one page: the commands are sections of it
    for command in program.get_subcommands() {
        let man = clap_mangen::Man::new(command.clone());
        rendered = rendered.and_then(|()| section(&man, &mut page));
    }
    rendered.map_err(|error| Ended::Because(2, format!("the man page cannot be made: {error}")))?;
    printed(&page)
}

fn section(man: &clap_mangen::Man, page: &mut Vec<u8>) -> std::io::Result<()> {
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_options_section(page)?;
    man.render_extra_section(page)
}

/// Prints to standard output; a reader that has gone away is no failure.
fn printed(text: &[u8]) -> Result<u8, Ended> {
    std::io::stdout().lock().write_all(text).ok();
    Ok(0)
}
