//! A mail server: what it took is kept, and whether it takes anything is said by the test.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Who was written to, and what.
type Took = Arc<Mutex<Vec<(Vec<String>, String)>>>;

/// The server, on a port of its own.
#[derive(Clone)]
pub(crate) struct Mail {
    pub(crate) port: u16,
    took: Took,
}

impl Mail {
    /// Answers to a message with these codes, one after the other, and then takes it.
    pub(crate) async fn start(codes: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mail = Self { port: listener.local_addr().unwrap().port(), took: Arc::default() };
        let (took, codes) = (Arc::clone(&mail.took), Arc::new(Mutex::new(VecDeque::from(codes.to_vec()))));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(talk(stream, Arc::clone(&took), Arc::clone(&codes)));
            }
        });
        mail
    }

    pub(crate) fn took(&self) -> Vec<(Vec<String>, String)> {
        self.took.lock().unwrap().clone()
    }
}

/// One conversation (RFC 5321).
async fn talk(stream: TcpStream, took: Took, codes: Arc<Mutex<VecDeque<u16>>>) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 mail.example ESMTP\r\n").await.ok()?;
    let mut to = Vec::new();
    while let Some(line) = lines.next_line().await.ok()? {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "EHLO" => "250-mail.example\r\n250 8BITMIME\r\n".to_owned(),
            "RCPT" => {
                to.push(line);
                "250 yes\r\n".to_owned()
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await.ok()?;
                let mut text = String::new();
                while let Some(line) = lines.next_line().await.ok()?.filter(|line| line != ".") {
                    text.push_str(&line);
                    text.push('\n');
                }
                match codes.lock().unwrap().pop_front() {
                    Some(code) => format!("{code} no\r\n"),
                    None => {
                        took.lock().unwrap().push((std::mem::take(&mut to), text));
                        "250 taken\r\n".to_owned()
                    }
                }
            }
            "QUIT" => {
                writer.write_all(b"221 bye\r\n").await.ok()?;
                return Some(());
            }
            _ => "250 yes\r\n".to_owned(),
        };
        writer.write_all(answer.as_bytes()).await.ok()?;
    }
    Some(())
}
