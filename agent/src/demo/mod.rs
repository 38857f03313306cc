//! `demo`: a shop, a good migration, and one that only looks as good, while another connection keeps writing.
//!
//! Everything goes the way that a user's own runs go: a configuration file, rule files, `check`, `before`, the migration's SQL,
//! `after`. What is made stays in a folder that the demo names, to be looked at; a schema on a server is dropped again.

mod shop;

use crate::cli::{After, Before, Check, Common, Demo, Marking, Output, Waiting};
use crate::command::{Ended, check, migration};
use crate::signals::Signals;
use shop::{Shop, Writer};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Rule files of the demo; the same for both databases.
const RULES: [(&str, &str); 2] =
    [("customers.yaml", include_str!("rules.customers.yaml")), ("orders.yaml", include_str!("rules.orders.yaml"))];
/// Time for which ordinary writes are watched before and after each migration.
const CONTROL: Duration = Duration::from_secs(3);

/// Runs the demo: 0 where both verdicts are what they should be, 2 where the demo itself failed.
///
/// # Errors
/// What went wrong, and what to do.
pub async fn run(common: &Common, arguments: &Demo, signals: &Signals) -> Result<u8, Ended> {
    let folder = tempfile::Builder::new().prefix("fieldmark-demo-").tempdir().map_err(|error| {
        Ended::Because(2, format!("no folder can be made in {}: {error}", std::env::temp_dir().display()))
    })?;
    // kept on purpose: the reports are in it
    let folder = folder.keep();
    let mut codes = Vec::new();
    for (name, title) in [("good", "A good migration"), ("harmful", "A migration that looks as harmless")] {
        let place = folder.join(name);
        say(common, &format!("\n── {title} ──\n"));
        codes.push(act(name, &place, common, arguments, signals).await?);
    }
    say(common, &format!("\nThe files of both runs, with the HTML reports, are in {}", folder.display()));
    match codes.as_slice() {
        [0, 1] => Ok(0),
        codes => {
            Err(Ended::Because(2, format!("the demo's verdicts are not what they should be: exit codes {codes:?}")))
        }
    }
}

/// One shop, one migration: its exit code.
async fn act(name: &str, place: &Path, common: &Common, arguments: &Demo, signals: &Signals) -> Result<u8, Ended> {
    let failed = |error: std::io::Error| Ended::Because(2, format!("{}: {error}", place.display()));
    fs::create_dir_all(place.join("rules")).map_err(failed)?;
    for (file, text) in RULES {
        fs::write(place.join("rules").join(file), text).map_err(failed)?;
    }
    say(common, "Making a shop with 20 000 customers and 300 000 orders …");
    let shop = Shop::make(place, arguments.url.as_ref()).await?;
    let ended = migrate(name, &shop, place, common, signals).await;
    let dropped = shop.remove().await;
    let code = ended?;
    dropped.map(|()| code)
}

async fn migrate(name: &str, shop: &Shop, place: &Path, common: &Common, signals: &Signals) -> Result<u8, Ended> {
    let failed = |error: std::io::Error| Ended::Because(2, format!("{}: {error}", place.display()));
    fs::write(place.join("fieldmark.yaml"), shop.configuration()).map_err(failed)?;
    fs::write(place.join("migration.sql"), shop.migration(name)).map_err(failed)?;
    let html = place.join("report.html");
    let common = Common {
        config: Some(place.join("fieldmark.yaml")),
        source: Vec::new(),
        table: Vec::new(),
        rule: Vec::new(),
        output: Output::Terminal,
        report: None,
        ..common.clone()
    };
    let marking = || Marking { control: CONTROL, ..Marking::default() };
    if name == "good" {
        say(&common, "\n$ fieldmark check\n");
        check::run(&common, &Check { plan: false, no_enlarge: false, duty: 0.5 }, signals).await?;
    }
    let writer = Writer::start(shop).await?;
    say(&common, "\n$ fieldmark before        (another connection keeps writing)\n");
    migration::before(&common, &Before { marking: marking(), open: false, name: None }, signals).await?;
    say(&common, "\nApplying migration.sql …");
    shop.apply(name).await?;
    say(&common, "\n$ fieldmark after --report report.html\n");
    let after = Common { report: Some(html), ..common.clone() };
    let arguments =
        After { marking: marking(), waiting: Waiting::default(), mark: None, rollback: false, close: false };
    let code = migration::after(&after, &arguments, signals).await?;
    let written = writer.stop().await?;
    say(&common, &format!("\nThe other connection wrote {written} rows meanwhile."));
    Ok(code)
}

fn say(common: &Common, text: &str) {
    if !common.quiet {
        outln!("{text}");
    }
}
