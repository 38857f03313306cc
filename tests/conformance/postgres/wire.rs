//! What a source and its server say to each other.

use super::{LIMITS, Postgres};
use fieldmark_source::postgres::{self, ConnectOptions, PostgresSource};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// The one connection of a source, overheard.
pub(super) struct Wire {
    port: u16,
    /// Asks, over the very session that was made through it, for all its settings.
    pub(super) questions: mpsc::Sender<oneshot::Sender<Vec<u8>>>,
    /// Every byte that the source has sent.
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    /// From here on what is sent is new.
    pub(super) fn forget(&self) {
        self.sent.lock().unwrap().clear();
    }

    /// Whether exactly this text was sent as one message of the protocol's text queries, which end in a zero byte.
    pub(super) fn carried(&self, text: &str) -> bool {
        let mut message = vec![b'Q'];
        // the length counts itself and the zero byte
        message.extend(u32::try_from(text.len() + 5).unwrap().to_be_bytes());
        message.extend(text.as_bytes());
        message.push(0);
        let sent = self.sent.lock().unwrap();
        sent.windows(message.len()).any(|window| window == message.as_slice())
    }
}

/// A source that connects through a [`Wire`].
pub(super) async fn overheard(fixture: &Postgres, options: ConnectOptions) -> anyhow::Result<(PostgresSource, Wire)> {
    let wire = eavesdrop(fixture.server.port()).await?;
    let url = options.url.replace(&format!(":{}/", fixture.server.port()), &format!(":{}/", wire.port));
    let source = postgres::connect(&ConnectOptions { url, limits: LIMITS, ..options }).await?;
    Ok((source, wire))
}

/// A port that leads to the server.
async fn eavesdrop(server: u16) -> anyhow::Result<Wire> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let (send, mut questions) = mpsc::channel::<oneshot::Sender<Vec<u8>>>(1);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let wire = Wire { port, questions: send, sent: Arc::clone(&sent) };
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await?;
        let mut upstream = TcpStream::connect(("127.0.0.1", server)).await?;
        let (mut from_client, mut from_server) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            tokio::select! {
                read = client.read(&mut from_client) => match read? {
                    0 => break,
                    length => {
                        sent.lock().unwrap().extend_from_slice(&from_client[..length]);
                        upstream.write_all(&from_client[..length]).await?;
                    }
                },
                read = upstream.read(&mut from_server) => match read? {
                    0 => break,
                    length => client.write_all(&from_server[..length]).await?,
                },
                Some(question) = questions.recv() => {
                    let sql = b"select name, setting from pg_settings where name not like 'transaction%' order by name\0";
                    let mut message = vec![b'Q'];
                    message.extend(u32::try_from(sql.len() + 4).unwrap().to_be_bytes());
                    message.extend(sql);
                    upstream.write_all(&message).await?;
                    let mut answer = Vec::new();
                    loop {
                        let kind = upstream.read_u8().await?;
                        let length = upstream.read_u32().await? as usize - 4;
                        let mut body = vec![0; length];
                        upstream.read_exact(&mut body).await?;
                        answer.extend(body);
                        if kind == b'Z' {
                            break;
                        }
                    }
                    question.send(answer).ok();
                }
            }
        }
        std::io::Result::Ok(())
    });
    Ok(wire)
}
