//! An object store that speaks S3, in this process, over a folder in which each folder is a bucket. It can be told to answer badly.

use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

/// Who may ask.
pub(crate) const KEY: &str = "reader";
/// The secret of the one who may ask.
pub(crate) const SECRET: &str = "hunter2-of-the-store";

/// What comes in place of the right answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// This status, with a body in which the request stands.
    Status(u16),
    /// Nothing, ever.
    Silence,
}

#[derive(Default)]
struct Shared {
    requests: AtomicU64,
    faults: Mutex<VecDeque<Fault>>,
    silent: Notify,
}

/// The store; it ends when this is dropped.
pub(crate) struct Store {
    port: u16,
    shared: Arc<Shared>,
    _end: oneshot::Sender<()>,
}

impl Store {
    /// One over a folder, on a thread of its own.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let files = s3s_fs::FileSystem::new(folder).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let shared = Arc::new(Shared::default());
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let store = Self { port: listener.local_addr()?.port(), shared: Arc::clone(&shared), _end: end };
        std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = serve(listener, service, shared) => {}
                    _ = ended => {}
                }
            });
        });
        Ok(store)
    }

    /// What a client's environment says of it.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let pairs =
            [("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// The next requests meet these.
    pub(crate) fn meet(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// Ends when a request meets silence.
    pub(crate) async fn silent(&self) {
        self.shared.silent.notified().await;
    }
}

async fn serve(listener: TcpListener, service: S3Service, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (service, shared) = (service.clone(), Arc::clone(&shared));
        let answer = service_fn(move |request| answer(service.clone(), Arc::clone(&shared), request));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

type Body = BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

async fn answer(
    service: S3Service,
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let fault = shared.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let bad = |status: u16, text: String| {
        let mut response = Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    };
    match fault {
        Some(Fault::Silence) => {
            shared.silent.notify_one();
            std::future::pending().await
        }
        // as a careless store would
        Some(Fault::Status(status)) => Ok(bad(status, format!("<Error>{:?}</Error>", request.headers()))),
        None => Ok(match service.call(request.map(s3s::Body::from)).await {
            Ok(response) => response.map(|body| body.boxed()),
            Err(error) => bad(500, format!("{error:?}")),
        }),
    }
}
