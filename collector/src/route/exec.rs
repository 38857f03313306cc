//! A program of the operator's own, which is given the incident as JSON on its standard input. Off unless `serve.allow_exec` says so.

use super::words::{headline, lines, migration};
use super::{Given, Key, Kind, Sent, Tell, Telling, Value};
use crate::store::About;
use async_trait::async_trait;
use serde_json::{Value as Json, json};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) const KIND: Kind = Kind {
    word: "exec",
    what: "a program on this machine, given the incident as JSON (only with `serve.allow_exec: true`)",
    keys: &[Key::required("command", Value::Texts, "the program and its arguments; no shell is asked")],
    make,
};

fn make(given: &Given) -> Result<Arc<dyn Tell>, String> {
    let command = given.all("command").to_vec();
    let Some((program, arguments)) = command.split_first() else { return Err("`command` is empty".to_owned()) };
    if !std::path::Path::new(program).is_absolute() {
        return Err("`command` has to begin with the whole path of a program".to_owned());
    }
    Ok(Arc::new(Exec { program: program.clone(), arguments: arguments.to_vec() }))
}

struct Exec {
    program: String,
    arguments: Vec<String>,
}

#[async_trait]
impl Tell for Exec {
    async fn tell(&self, telling: &Telling<'_>) -> Sent {
        match tokio::time::timeout(TIMEOUT, self.run(telling)).await {
            Ok(Ok(status)) if status.success() => Sent::Taken,
            Ok(Ok(status)) => Sent::Later(format!("it ended with {status}"), None),
            // what is not there, or may not be run, is put right by somebody
            Ok(Err(error)) => Sent::Unwanted(format!("it cannot be run: {error}")),
            Err(_) => Sent::Perhaps("it did not end in time".to_owned()),
        }
    }

    fn tells_migrations(&self) -> bool {
        true
    }
}

impl Exec {
    async fn run(&self, telling: &Telling<'_>) -> std::io::Result<std::process::ExitStatus> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            // nothing of the collector's own: secrets are in its environment
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("FIELDMARK_NOTICE", telling.notified.notice.as_str())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // one that does not read all of it may be content all the same
            stdin.write_all(told(telling).to_string().as_bytes()).await.ok();
        }
        child.wait().await
    }
}

fn told(telling: &Telling<'_>) -> Json {
    let common = json!({
        "route": telling.route,
        "id": telling.id,
        "notice": telling.notified.notice.as_str(),
        "test": telling.test,
    });
    let about = match &telling.notified.about {
        About::Incident(incident) => json!({
            "summary": headline(telling, incident),
            "lines": lines(telling, incident),
            "incident": incident,
        }),
        About::Migration(migrated) => json!({ "summary": migration(migrated), "migration": migrated }),
    };
    let mut all = common;
    if let (Some(all), Json::Object(about)) = (all.as_object_mut(), about) {
        all.extend(about);
    }
    all
}
