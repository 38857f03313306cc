//! An address that leads to one server now and to another one later, as that of a cluster does.

use anyhow::Context as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The address; it leads nowhere when this is dropped.
pub(crate) struct Turnout {
    port: u16,
    to: Arc<AtomicU16>,
    turned: Arc<Notify>,
    accepting: JoinHandle<()>,
}

impl Turnout {
    /// One that leads to a port of this machine.
    pub(crate) async fn to(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free")?;
        let own = listener.local_addr()?.port();
        let (to, turned) = (Arc::new(AtomicU16::new(port)), Arc::new(Notify::new()));
        let (target, turn) = (Arc::clone(&to), Arc::clone(&turned));
        let accepting = tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let (port, turn) = (target.load(Ordering::SeqCst), Arc::clone(&turn));
                tokio::spawn(async move {
                    let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
                        () = turn.notified() => {}
                    }
                });
            }
        });
        Ok(Self { port: own, to, turned, accepting })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on it leads there; who is connected is cut off.
    pub(crate) fn turn(&self, port: u16) {
        self.to.store(port, Ordering::SeqCst);
        self.turned.notify_waiters();
    }
}

impl Drop for Turnout {
    fn drop(&mut self) {
        self.accepting.abort();
        self.turned.notify_waiters();
    }
}
