//! Connections: how many, how long, over TLS or not.

use crate::prompt::Prompt;
use crate::tls::{Certificate, TlsError};
use crate::{Collector, api};
use axum::Router;
use axum::body::Body;
use fieldmark_model::metric::CONNECTIONS;
use fieldmark_telemetry::Measure as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

/// How long requests that are being answered may take when the server ends.
const DRAIN: Duration = Duration::from_secs(8);

/// Where to listen, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The address.
    pub address: SocketAddr,
    /// Without one nothing is encrypted.
    pub certificate: Option<Certificate>,
    /// Whether an address that is no loopback address may go without a certificate.
    pub plain_beyond_loopback: bool,
}

/// Why the server did not start.
#[derive(Debug, Error)]
pub enum Refused {
    /// Tokens would go over a network unencrypted.
    #[error(
        "{address} is no loopback address, and there is no certificate: tokens would go over the network for all to read"
    )]
    Plain {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be had.
    #[error("{address} cannot be listened on: {error}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        error: std::io::Error,
    },
    /// The certificate is none.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A server that runs until it is dropped or stopped.
pub struct Served {
    /// The address that it listens on.
    pub address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Served {
    /// Takes no more connections, lets requests end that are being answered, and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.ok();
    }
}

/// Serves a collector.
///
/// # Errors
/// [`Refused`].
pub async fn serve(collector: Collector, listening: &Listening) -> Result<Served, Refused> {
    let address = listening.address;
    if listening.certificate.is_none() && !address.ip().is_loopback() && !listening.plain_beyond_loopback {
        return Err(Refused::Plain { address });
    }
    let tls = listening.certificate.as_ref().map(Certificate::server).transpose()?.map(TlsAcceptor::from);
    let refused = |error| Refused::Address { address, error };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let stop = CancellationToken::new();
    let limits = collector.limits;
    let router = api::router(collector, tls.is_some());
    let task = tokio::spawn(accept(listener, tls, router, limits, stop.clone()));
    Ok(Served { address, stop, task })
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: crate::Limits,
    stop: CancellationToken,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(16 << 10)
        .max_concurrent_streams(64)
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(limits.head);
    let (places, graceful) = (Arc::new(Semaphore::new(limits.connections)), GracefulShutdown::new());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, _) = match accepted {
            Ok(accepted) => accepted,
            Err(_) => {
                // too many open files, or a connection that is gone already
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // one more than there are places for is closed at once, and the others are served
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let open = limits.connections.saturating_sub(places.available_permits());
        CONNECTIONS.set([], open as f64);
        stream.set_nodelay(true).ok();
        let (builder, router, tls, watcher) = (builder.clone(), router.clone(), tls.clone(), graceful.watcher());
        let left = Arc::clone(&places);
        tokio::spawn(async move {
            match tls {
                None => answer(&builder, Prompt::new(stream, limits.head), router, watcher).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(limits.head, tls.accept(stream)).await {
                        answer(&builder, Prompt::new(stream, limits.head), router, watcher).await;
                    }
                }
            }
            drop(place);
            CONNECTIONS.set([], limits.connections.saturating_sub(left.available_permits()) as f64);
        });
    }
    drop(listener);
    tokio::time::timeout(DRAIN, graceful.shutdown()).await.ok();
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    builder: &Builder<TokioExecutor>,
    stream: Prompt<S>,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        // a router is always ready
        router.clone().call(request.map(Body::new))
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    // whatever was wrong with a connection, it is over
    watcher.watch(connection).await.ok();
}
