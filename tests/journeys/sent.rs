//! What the server was sent by the program: its log, cut into statements.

use super::served::Served;
use super::shop::{Run, Shop};
use crate::server::postgres::{Server, USER};
use regex::Regex;
use std::process::Stdio;
use std::sync::LazyLock;
use tokio::process::{Child, Command};

/// What the comment in front of a statement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comment {
    pub(super) agent: Option<String>,
    pub(super) name: String,
    pub(super) rule: Option<String>,
}

/// One statement as the server got it.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// `None` where nothing says whose it is.
    pub(super) comment: Option<Comment>,
    pub(super) sql: String,
}

impl Sent {
    /// Its name in the comment.
    pub(super) fn name(&self) -> &str {
        self.comment.as_ref().map_or("", |comment| &comment.name)
    }

    /// The rule for whose sake alone it was sent.
    pub(super) fn rule(&self) -> Option<&str> {
        self.comment.as_ref()?.rule.as_deref()
    }
}

/// A database of its own, and a folder whose source connects as a role that sends nothing unseen.
pub(super) struct Logged {
    pub(super) owner: Served,
    pub(super) shop: Shop,
    role: String,
}

impl Logged {
    /// With the tables that the SQL makes, which the role may read.
    pub(super) async fn new(sql: &str) -> Self {
        let server = Server::get().await.unwrap();
        let database = server.database("").await.unwrap();
        let role = format!("logged_{database}");
        server.logged_role(&role).await.unwrap();
        let mut owner = Served::of(&server.url(USER, &database)).await;
        owner.sql(sql).await;
        let grants =
            format!("grant select on all tables in schema public to {role}; grant pg_read_all_stats to {role}");
        owner.sql(&grants).await;
        Self { owner, shop: Shop::of(&server.url(&role, &database)), role }
    }

    /// Starts the program.
    pub(super) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::from(self.shop.command(arguments));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    }

    /// Runs the program; what it gave, and what it sent.
    pub(super) async fn run(&mut self, arguments: &[&str]) -> (Run, Vec<Sent>) {
        let before = self.sent().await.len();
        let run = Run::of(self.start(arguments).wait_with_output().await.unwrap());
        let sent = self.sent().await.split_off(before);
        (run, sent)
    }

    /// Whatever the role has sent so far.
    pub(super) async fn sent(&mut self) -> Vec<Sent> {
        self.owner.until_fieldmark_has_gone().await;
        let messages = Server::get().await.unwrap().logged(&self.role).unwrap();
        messages.iter().flat_map(|message| statements(message)).collect()
    }
}

/// The statements of a message.
fn statements(message: &str) -> Vec<Sent> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    for c in message.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == ';' => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).map(statement).collect()
}

/// A statement and the comment in front of it.
pub(super) fn statement(text: &str) -> Sent {
    static COMMENT: LazyLock<Regex> = LazyLock::new(|| {
        let comment = r"^/\* fieldmark (?:agent='([^']+)',)?statement='([a-z_]+)'(?:,rule='([^']+)')? \*/ ";
        Regex::new(comment).unwrap()
    });
    let Some(found) = COMMENT.captures(text) else { return Sent { comment: None, sql: text.to_owned() } };
    let part = |number: usize| found.get(number).map(|part| part.as_str().to_owned());
    let comment = Comment { agent: part(1), name: part(2).unwrap(), rule: part(3) };
    Sent { comment: Some(comment), sql: text[found[0].len()..].to_owned() }
}

/// A statement on one line with `…` for numbers and for what is in single quotes: two that differ in values alone are
/// the same.
pub(super) fn without_values(sql: &str) -> String {
    let mut out = String::new();
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        let inside_a_word = out.ends_with(|before: char| before.is_alphanumeric() || "_$?".contains(before));
        if c == '\'' {
            // a quote inside is written twice
            while let Some(inner) = rest.next() {
                if inner == '\'' && rest.next_if_eq(&'\'').is_none() {
                    break;
                }
            }
            out.push_str("'…'");
        } else if c == '"' {
            out.push(c);
            for inner in rest.by_ref() {
                out.push(inner);
                if inner == '"' {
                    break;
                }
            }
        } else if c.is_ascii_digit() && !inside_a_word {
            while rest.next_if(|next| next.is_ascii_digit() || *next == '.').is_some() {}
            out.push('…');
        } else {
            out.push(c);
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn values_are_taken_out_and_names_are_left() {
    let sql = "SELECT t.\"a 1\", k0, $1, int8 FROM \"it''s\" AS t WHERE x = 'it''s; 5' AND y >= 12.5\n  LIMIT 2048";
    let same = "SELECT t.\"a 1\", k0, $1, int8 FROM \"it''s\" AS t WHERE x = '…' AND y >= … LIMIT …";
    assert_eq!(without_values(sql), same);
}

#[test]
fn a_message_is_cut_where_a_statement_ends() {
    let message = "/* fieldmark agent='db%201',statement='begin' */ BEGIN; \
                   /* fieldmark statement='rows',rule='a.b' */ SELECT ';'; COMMIT";
    let cut = statements(message);
    let told: Vec<(&str, Option<&str>, &str)> =
        cut.iter().map(|one| (one.name(), one.rule(), one.sql.as_str())).collect();
    assert_eq!(told, [("begin", None, "BEGIN"), ("rows", Some("a.b"), "SELECT ';'"), ("", None, "COMMIT")]);
    let agents: Vec<Option<&str>> = cut.iter().map(|one| one.comment.as_ref()?.agent.as_deref()).collect();
    assert_eq!(agents, [Some("db%201"), None, None]);
}
