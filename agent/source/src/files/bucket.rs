//! Objects of an S3-compatible store, read in windows of a few MiB.

use super::table::malformed;
use crate::Error;
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _, RetryConfig,
};
use rustls::crypto::CryptoProvider;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// How long a request is tried again where the store is busy or does not answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often.
const TRIES: usize = 4;
/// What all windows of a file may hold together.
const MEMORY: u64 = 32 << 20;
/// The least and the most that is asked for at once.
const WINDOW: (u64, u64) = (256 << 10, 4 << 20);
/// The end of a file is asked for as a whole: it tells where the rest is.
const TAIL: u64 = 64 << 10;

/// Where an S3-compatible store is and who asks, in the words of Amazon's own programs: `AWS_ENDPOINT_URL`, `AWS_REGION`,
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and so on.
#[derive(Clone, Default)]
pub struct StoreSettings(Vec<(String, String)>);

impl StoreSettings {
    /// Names with their values; of names that do not begin with `AWS_` nothing is taken.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let own = variables.into_iter().filter(|(name, _)| name.starts_with("AWS_"));
        Self(own.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect())
    }

    /// What the environment of this process says.
    pub fn of_environment() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::new(std::env::vars_os().filter_map(text))
    }
}

/// A bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    name: String,
    store: Arc<dyn ObjectStore>,
    runtime: Handle,
    interrupt: Arc<Notify>,
}

/// An object, as it was when it was found.
#[derive(Clone, Debug)]
pub(super) struct Object {
    bucket: Arc<Bucket>,
    meta: ObjectMeta,
    /// What the store answered last, where that was no bytes.
    failure: Arc<Mutex<Option<Error>>>,
}

impl Bucket {
    /// A bucket by its name. Nothing is asked yet.
    pub(super) fn new(name: &str, store: &StoreSettings, interrupt: Arc<Notify>) -> Result<Arc<Self>, Error> {
        let address = |reason: String| Error::Address { reason };
        let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: TRIES, retry_timeout: PATIENCE };
        let known = |(name, value): &(String, String)| Some((name.parse::<AmazonS3ConfigKey>().ok()?, value.clone()));
        let settings = store.0.iter().filter_map(known);
        let builder = AmazonS3Builder::new().with_bucket_name(name).with_retry(retry);
        let mut builder = settings.fold(builder, |builder, (key, value)| builder.with_config(key, value));
        let endpoints = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
        if let Some(endpoint) = endpoints.iter().find_map(|key| builder.get_config_value(key)) {
            let url = url::Url::parse(&endpoint).map_err(|error| address(format!("AWS_ENDPOINT_URL: {error}")))?;
            let allowed = builder.get_config_value(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
            let is_here = match url.host() {
                Some(url::Host::Domain(name)) => name == "localhost",
                Some(url::Host::Ipv4(address)) => address.is_loopback(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            };
            if url.scheme() == "http" && !is_here && allowed.is_none_or(|allowed| allowed != "true") {
                let what = "AWS_ENDPOINT_URL is http:, and rows would cross the network for everybody to read";
                return Err(address(format!("{what}: https:, or AWS_ALLOW_HTTP=true where that is as it should be")));
            }
            builder = builder.with_allow_http(url.scheme() == "http");
        }
        // the client takes the process's own, and somebody else may have installed one by now
        if CryptoProvider::get_default().is_none() {
            rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
        }
        let store = builder.build().map_err(|error| address(format!("s3://{name}: {}", innermost(&error))))?;
        Ok(Arc::new(Self { name: name.to_owned(), store: Arc::new(store), runtime: Handle::current(), interrupt }))
    }

    /// Objects whose keys a pattern fits, in the order of their keys.
    pub(super) async fn find(self: &Arc<Self>, keys: &str) -> Result<Vec<Object>, Error> {
        let shown = format!("s3://{}/{keys}", self.name);
        let pattern = glob::Pattern::new(keys).map_err(|error| malformed(&shown, error))?;
        let folders = keys.split('/').take_while(|part| !part.contains(['*', '?', '[']));
        let folder: Vec<&str> = folders.collect();
        let whole = folder.len() == keys.split('/').count();
        let path = |text: &str| Path::parse(text).map_err(|error| malformed(&shown, error));
        let found = if whole {
            self.store.head(&path(keys)?).await.map(|meta| vec![meta])
        } else {
            let prefix = path(&folder.join("/"))?;
            self.store.list((!folder.is_empty()).then_some(&prefix)).try_collect().await
        };
        let mut found = match found {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(refused(&shown, &error)),
        };
        let exactly = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
        found.retain(|meta| whole || pattern.matches_with(meta.location.as_ref(), exactly));
        found.sort_by(|one, other| one.location.cmp(&other.location));
        let object = |meta| Object { bucket: Arc::clone(self), meta, failure: Arc::default() };
        Ok(found.into_iter().map(object).collect())
    }
}

impl Object {
    pub(super) fn shown(&self) -> String {
        format!("s3://{}/{}", self.bucket.name, self.meta.location)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.meta.size
    }

    pub(super) fn extension(&self) -> Option<&str> {
        self.meta.location.extension()
    }

    /// Why the last request gave no bytes, once.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// These bytes of it, if it is still what it was. Not to be called where tasks are run.
    fn get(&self, range: Range<u64>) -> io::Result<Bytes> {
        let got = self.bucket.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.bucket.interrupt.notified() => Err(Error::Cancelled),
                got = self.ask(range) => got,
            }
        });
        got.map_err(|error| {
            let told = io::Error::other(error.to_string());
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            told
        })
    }

    async fn ask(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let length = range.end - range.start;
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let refused = |error| {
            let gone = matches!(error, object_store::Error::NotFound { .. });
            if gone { changed() } else { refused(&self.shown(), &error) }
        };
        let got = self.bucket.store.get_opts(&self.meta.location, options).await.map_err(refused)?;
        // not every store goes by the condition
        let tags = got.meta.e_tag.as_ref().zip(self.meta.e_tag.as_ref());
        let same = got.meta.size == self.meta.size
            && tags.is_none_or(|(now, then)| now == then)
            && got.meta.last_modified.timestamp() == self.meta.last_modified.timestamp();
        if !same {
            return Err(changed());
        }
        let bytes = got.bytes().await.map_err(refused)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(changed()) }
    }
}

fn changed() -> Error {
    Error::SchemaChanged { code: "a file was changed while it was read".to_owned() }
}

/// What the store said, without what was asked and what else stands in its answer: keys and signatures are nobody's business.
fn refused(shown: &str, error: &object_store::Error) -> Error {
    let told = innermost(error);
    let status = told.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)).map(str::to_owned);
    match (error, status.as_deref()) {
        (object_store::Error::Precondition { .. } | object_store::Error::NotModified { .. }, _) => changed(),
        (object_store::Error::PermissionDenied { .. }, _) | (_, Some("403")) => {
            Error::StoreRefused { file: shown.to_owned(), code: "403".to_owned() }
        }
        (object_store::Error::Unauthenticated { .. }, _) | (_, Some("401")) => {
            Error::StoreRefused { file: shown.to_owned(), code: "401".to_owned() }
        }
        (_, Some("404")) => malformed(shown, "there is no such bucket"),
        (_, Some(status)) => {
            Error::Unreachable { address: shown.to_owned(), reason: format!("the store answers with status {status}") }
        }
        (_, None) => Error::Unreachable { address: shown.to_owned(), reason: told },
    }
}

/// The first line of what is behind an error.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string().lines().next().unwrap_or_default().chars().take(200).collect()
}

/// An object's bytes, of which some are kept.
pub(super) struct Windows {
    object: Object,
    /// Where each begins, the one used last at the end.
    kept: Mutex<VecDeque<(u64, Bytes)>>,
    at_most: usize,
    size: u64,
}

impl Windows {
    /// For so many places at which it is read at the same time.
    pub(super) fn new(object: Object, places: usize) -> Arc<Self> {
        let at_most = places.max(1);
        let size = (MEMORY / at_most as u64).clamp(WINDOW.0, WINDOW.1);
        Arc::new(Self { object, kept: Mutex::default(), at_most, size })
    }

    pub(super) fn length(&self) -> u64 {
        self.object.bytes()
    }

    /// Bytes from a place on, at most so many; none past the end.
    pub(super) fn some(&self, from: u64, at_most: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.length().saturating_sub(from)).unwrap_or(usize::MAX);
        if left == 0 || at_most == 0 {
            return Ok(Bytes::new());
        }
        let bytes = self.window(from, 1)?;
        Ok(bytes.slice(..bytes.len().min(at_most)))
    }

    /// Exactly these bytes.
    pub(super) fn all(&self, from: u64, length: usize) -> io::Result<Bytes> {
        let end = from.saturating_add(length as u64);
        if end > self.length() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if length as u64 > self.size {
            self.object.get(from..end)
        } else {
            Ok(self.window(from, length)?.slice(..length))
        }
    }

    /// The rest of a window, from a place before the end on, that has at least so many bytes.
    fn window(&self, from: u64, least: usize) -> io::Result<Bytes> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = from + least as u64;
        let has = |(begin, bytes): &(u64, Bytes)| *begin <= from && wanted <= *begin + bytes.len() as u64;
        let (begin, bytes) = match kept.iter().position(has).and_then(|at| kept.remove(at)) {
            Some(window) => window,
            None => {
                let end = self.length();
                let begin = if from + TAIL > end { from.min(end.saturating_sub(TAIL)) } else { from };
                (begin, self.object.get(begin..end.min(from + self.size))?)
            }
        };
        while kept.len() >= self.at_most {
            kept.pop_front();
        }
        kept.push_back((begin, bytes.clone()));
        let skipped = usize::try_from(from - begin).unwrap_or(usize::MAX);
        // a store may have given less than was asked for
        if bytes.len() < skipped.saturating_add(least) {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(bytes.slice(skipped..))
        }
    }
}
