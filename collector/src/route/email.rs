//! Email, by SMTP. All that is told of one incident is one thread.

use super::words::{headline, lines};
use super::{Given, Key, Kind, Sent, Tell, Telling, Value, incident_of};
use async_trait::async_trait;
use fieldmark_classify::incident::Incident;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Mailboxes, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use std::sync::Arc;
use std::time::Duration;

/// How long a server may take.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) const KIND: Kind = Kind {
    word: "email",
    what: "email, by SMTP",
    keys: &[
        Key::required(
            "server",
            Value::Text,
            "`smtps://host:465`, `smtp://host:587` (STARTTLS); `smtp+plain://` on this machine",
        ),
        Key::optional("user", Value::Text, "who logs in"),
        Key::optional("password", Value::Secret, "the password of that user"),
        Key::required("from", Value::Text, "the sender's address"),
        Key::required("to", Value::Texts, "the addresses of those who are told"),
    ],
    make,
};

fn make(given: &Given) -> Result<Arc<dyn Tell>, String> {
    let server = given.need("server")?;
    let url = reqwest::Url::parse(server).map_err(|_| "`server` is no address such as smtps://mail.example:465")?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("`server` has no host")?.to_owned();
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "`server` has no name and no password in it: `user`, and `password_env` or `password_file`".to_owned()
        );
    }
    let here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    let builder = match url.scheme() {
        "smtps" => AsyncSmtpTransport::<Tokio1Executor>::relay(&host),
        "smtp" => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(&host),
        "smtp+plain" if here => Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)),
        "smtp+plain" => return Err("smtp+plain:// is for a server on this machine alone".to_owned()),
        _ => return Err("`server` has to begin with smtps:// or smtp://".to_owned()),
    };
    let mut builder = builder.map_err(|_| "TLS cannot be used")?.timeout(Some(TIMEOUT));
    if let Some(port) = url.port() {
        builder = builder.port(port);
    }
    match (given.one("user"), given.one("password")) {
        (Some(user), Some(password)) => {
            builder = builder.credentials(Credentials::new(user.to_owned(), password.trim_end().to_owned()));
        }
        (None, None) => {}
        _ => return Err("`user` and `password` go together".to_owned()),
    }
    let from: Mailbox = given.need("from")?.parse().map_err(|_| "`from` is no address")?;
    let mut to = Mailboxes::new();
    for address in given.all("to") {
        to.push(address.parse().map_err(|_| "`to` has what is no address")?);
    }
    let domain = from.email.domain().to_owned();
    Ok(Arc::new(Email { transport: builder.build(), from, to, domain }))
}

struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Mailboxes,
    domain: String,
}

#[async_trait]
impl Tell for Email {
    async fn tell(&self, telling: &Telling<'_>) -> Sent {
        let Some(incident) = incident_of(telling.notified) else { return Sent::Taken };
        let Ok(message) = self.message(telling, incident) else {
            return Sent::Refused("no message can be made of it".to_owned());
        };
        match self.transport.send(message).await {
            Ok(_) => Sent::Taken,
            // the server's own words may hold an address
            Err(error) => {
                let told = match error.status() {
                    Some(code) => format!("the server answers {code}"),
                    None => "the server cannot be reached".to_owned(),
                };
                if error.is_permanent() { Sent::Unwanted(told) } else { Sent::Later(told, None) }
            }
        }
    }
}

impl Email {
    fn message(&self, telling: &Telling<'_>, incident: &Incident) -> Result<Message, lettre::error::Error> {
        let severity = incident.severity.as_str();
        // a line break would begin a header
        let subject: String =
            headline(telling, incident).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let thread = format!("<{}@{}>", incident.id, self.domain);
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(format!("[{severity}] {subject}"))
            .message_id(Some(format!("<{}@{}>", telling.id, self.domain)))
            .in_reply_to(thread.clone())
            .references(thread)
            .header(ContentType::TEXT_PLAIN);
        for to in self.to.iter() {
            builder = builder.to(to.clone());
        }
        builder.body(format!("{}\n", lines(telling, incident).join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{incident, notified};
    use super::*;
    use fieldmark_classify::incident::Notice;

    fn given(server: &str) -> Given {
        let mut given = Given::default();
        given.text("server", server.to_owned());
        given.text("from", "Fieldmark <fieldmark@example.org>".to_owned());
        given.texts("to", vec!["ann@example.org".into(), "Bob <bob@example.org>".into()]);
        given
    }

    #[test]
    fn a_password_crosses_no_network_in_the_clear() {
        assert!(make(&given("smtp+plain://127.0.0.1:2525")).is_ok());
        for server in [
            "smtp+plain://mail.example:25",
            "mail.example",
            "http://mail.example",
            "smtps://",
            "smtps://ann:secret@mail.example",
        ] {
            assert!(make(&given(server)).is_err(), "{server}");
        }
        let mut alone = given("smtps://mail.example");
        alone.text("user", "ann".to_owned());
        assert!(make(&alone).is_err_and(|why| why.contains("go together")));
    }

    #[test]
    fn what_is_told_of_an_incident_is_one_thread_and_no_header_of_its_own() {
        let email = Email {
            transport: AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1").build(),
            from: "fieldmark@example.org".parse().unwrap(),
            to: "ann@example.org".parse().unwrap(),
            domain: "example.org".into(),
        };
        let mut incident = incident();
        incident.cause = fieldmark_classify::incident::Cause::Migration {
            id: "x".into(),
            name: Some("a\r\nBcc: eve@example.org".into()),
        };
        let told = notified(Notice::Opened, incident.clone());
        let telling = Telling { route: "mail", id: "5f-7", notified: &told, link: None, test: false };
        let text = String::from_utf8(email.message(&telling, &incident).unwrap().formatted()).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(
            head.contains("References: <5f@example.org>") && head.contains("Message-ID: <5f-7@example.org>"),
            "{head}"
        );
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    }
}
