//! `config` and `rules`: what is set, what can be written.

use super::{Ended, load};
use crate::cli::{Common, Output, Rules};
use fieldmark_engine::kind::KINDS;

pub(super) fn config(common: &Common) -> Result<u8, Ended> {
    let reading = load(common);
    let Some(config) = reading.config.filter(|_| reading.problems.is_empty()) else {
        return Err(Ended::Problems(reading.problems, reading.warnings));
    };
    match common.output {
        Output::Json => println!("{:#}", config.to_json()),
        Output::Terminal | Output::Html => print!("{}", config.to_yaml()),
    }
    Ok(0)
}

pub(super) fn rules(arguments: &Rules) -> Result<u8, Ended> {
    let Some(wanted) = &arguments.kind else {
        for facts in KINDS {
            println!("{}\n  {}\n    - {}\n", facts.name, facts.reference, facts.example.trim().replace('\n', "\n    "));
        }
        return Ok(0);
    };
    let Some(facts) = KINDS.iter().find(|facts| facts.name == wanted) else {
        let near = fieldmark_document::nearest(wanted, KINDS.iter().map(|facts| facts.name));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(Ended::Because(crate::cli::USAGE, format!("there is no kind of rule `{wanted}`{near}")));
    };
    println!("{}\n\n{}\n\n  - {}", facts.name, facts.reference, facts.example.trim().replace('\n', "\n    "));
    let keys: Vec<&str> = facts.keys.iter().map(|key| key.as_str()).collect();
    println!(
        "\nKeys besides id, severity, description: {}",
        if keys.is_empty() { "none".into() } else { keys.join(", ") }
    );
    for (key, why) in facts.without {
        println!("Not {}: {why}", key.as_str());
    }
    Ok(0)
}
