//! A receiver of webhooks: what came is kept, and what is answered is said by the test.

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A webhook as it came.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Came {
    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Whether it is signed by this secret, as Standard Webhooks say; by RFC 2104 alone.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let signed = format!("{}.{}.{}", self.header("webhook-id"), self.header("webhook-timestamp"), self.text);
        let pad = |with: u8| {
            let mut key = [with; 64];
            key.iter_mut().zip(secret.bytes()).for_each(|(pad, byte)| *pad ^= byte);
            key
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(signed).finalize();
        let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        self.header("webhook-signature") == format!("v1,{}", base_64(&outer))
    }
}

fn base_64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// What a receiver does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaves {
    /// Answers with this status.
    Answers(u16),
    /// The same, and that it wants to be asked again after so many seconds.
    AsksFor(u16, u64),
    /// Hangs up without an answer.
    HangsUp,
    /// Answers with what is no answer.
    Babbles,
    /// Answers after so long, with 202.
    Dawdles(Duration),
}

/// One call of one connection.
async fn serve(mut stream: TcpStream, behaves: Behaves, came: Arc<Mutex<Vec<Came>>>) {
    let (status, asked) = match behaves {
        Behaves::Answers(status) => (status, None),
        Behaves::AsksFor(status, seconds) => (status, Some(seconds)),
        Behaves::Dawdles(time) => {
            tokio::time::sleep(time).await;
            (202, None)
        }
        Behaves::HangsUp | Behaves::Babbles => {
            let mut begun = [0; 64];
            stream.read_exact(&mut begun).await.ok();
            if behaves == Behaves::Babbles {
                stream.write_all(b"\x00\xffSSH-2.0-nothing\r\n\r\n").await.ok();
            }
            return;
        }
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let came = Arc::clone(&came);
        async move {
            let (head, body) = request.into_parts();
            let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
            let path = head.uri.path().to_owned();
            came.lock().unwrap().push(Came { path, headers: head.headers, text });
            let mut response = Response::builder().status(status);
            if let Some(seconds) = asked {
                response = response.header("retry-after", seconds.to_string());
            }
            Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
        }
    });
    let mut connection = hyper::server::conn::http1::Builder::new();
    connection.keep_alive(false).serve_connection(TokioIo::new(stream), service).await.ok();
}

/// The receiver, on a port of its own.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) url: String,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Hook {
    /// Answers with these status codes, one after the other, and then with 204.
    pub(crate) async fn start(answers: &[u16]) -> Self {
        Self::behaving(answers.iter().map(|status| Behaves::Answers(*status)).collect()).await
    }

    /// Behaves like this, one call after the other, and then answers with 202.
    pub(crate) async fn behaving(behaviours: Vec<Behaves>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook = Self { url: format!("http://{}/hook", listener.local_addr().unwrap()), came: Arc::default() };
        let (came, behaviours) = (Arc::clone(&hook.came), Arc::new(Mutex::new(VecDeque::from(behaviours))));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let behaves = behaviours.lock().unwrap().pop_front().unwrap_or(Behaves::Answers(202));
                tokio::spawn(serve(stream, behaves, Arc::clone(&came)));
            }
        });
        hook
    }

    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }
}
