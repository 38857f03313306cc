//! Objects of an S3-compatible store, read in windows of a few MiB.

use super::table::{changed, malformed};
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
use tokio_util::sync::CancellationToken;

/// How long a request is tried again where the store is busy or does not answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often.
const TRIES: usize = 4;
/// What all windows of a file may hold together.
const MEMORY: u64 = 32 << 20;
/// The least and the most that is asked for at once.
const WINDOW: (u64, u64) = (32 << 10, 4 << 20);
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
    interrupt: Arc<Interrupt>,
}

/// What ends the call that runs, if one does, at its next request.
#[derive(Debug, Default)]
pub(super) struct Interrupt {
    call: Mutex<CancellationToken>,
}

impl Interrupt {
    /// A call begins.
    pub(super) fn enter(&self) {
        *self.call.lock().unwrap_or_else(PoisonError::into_inner) = CancellationToken::new();
    }

    /// The token of the call that runs.
    pub(super) fn token(&self) -> CancellationToken {
        self.call.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
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
    pub(super) fn new(name: &str, store: &StoreSettings, interrupt: Arc<Interrupt>) -> Result<Arc<Self>, Error> {
        let address = |reason: String| Error::Address { reason };
        let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: TRIES, retry_timeout: PATIENCE };
        let known = |(name, value): &(String, String)| Some((name.parse::<AmazonS3ConfigKey>().ok()?, value.clone()));
        let settings = store.0.iter().filter_map(known);
        let builder = AmazonS3Builder::new().with_retry(retry);
        let builder = settings.fold(builder, |builder, (key, value)| builder.with_config(key, value));
        // after the settings: AWS_BUCKET is another program's
        let mut builder = builder.with_bucket_name(name);
        let of_host = builder.get_config_value(&AmazonS3ConfigKey::VirtualHostedStyleRequest);
        let of_host = of_host.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let endpoints = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
        if let Some(endpoint) = endpoints.iter().find_map(|key| builder.get_config_value(key)) {
            let url = url::Url::parse(&endpoint).map_err(|error| address(format!("AWS_ENDPOINT_URL: {error}")))?;
            if of_host && !url.host_str().is_some_and(|host| host.starts_with(&format!("{name}."))) {
                let what = "AWS_VIRTUAL_HOSTED_STYLE_REQUEST is set, and AWS_ENDPOINT_URL is not of the bucket";
                return Err(address(format!("{what} {name}: `https://{name}.…`")));
            }
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
        let whole = !keys.contains(['*', '?', '[']);
        let token = self.interrupt.token();
        let found = async {
            if whole {
                let key = Path::parse(keys).map_err(|error| malformed(&shown, error))?;
                match self.store.head(&key).await {
                    Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
                    answer => answer.map(|meta| vec![meta]).map_err(|error| refused(&shown, &error)),
                }
            } else if keys.contains("**") {
                self.below(&shown, keys, &pattern).await
            } else {
                self.by_level(&shown, keys).await
            }
        };
        let mut found = tokio::select! {
            biased;
            () = token.cancelled() => return Err(Error::Cancelled),
            found = found => found?,
        };
        // who browses a store by folders has made objects of them
        let keys: Vec<Path> = found.iter().map(|meta| meta.location.clone()).collect();
        let is_folder = |meta: &ObjectMeta| {
            meta.size == 0 && keys.iter().any(|key| *key != meta.location && key.prefix_matches(&meta.location))
        };
        found.retain(|meta| !is_folder(meta));
        found.sort_by(|one, other| one.location.cmp(&other.location));
        let object = |meta| Object { bucket: Arc::clone(self), meta, failure: Arc::default() };
        Ok(found.into_iter().map(object).collect())
    }

    /// Whatever is below the last folder that the pattern names itself, as far as the pattern fits it.
    async fn below(&self, shown: &str, keys: &str, pattern: &glob::Pattern) -> Result<Vec<ObjectMeta>, Error> {
        let named: Vec<&str> = keys.split('/').take_while(|part| !part.contains(['*', '?', '['])).collect();
        let prefix = Path::parse(named.join("/")).map_err(|error| malformed(shown, error))?;
        let fits = |meta: &ObjectMeta| pattern.matches_with(meta.location.as_ref(), EXACTLY);
        let all = self.store.list((!named.is_empty()).then_some(&prefix));
        let found = all.try_filter(|meta| futures::future::ready(fits(meta))).try_collect().await;
        found.map_err(|error| refused(shown, &error))
    }

    /// Level by level, so that only folders which the pattern fits are looked into.
    async fn by_level(&self, shown: &str, keys: &str) -> Result<Vec<ObjectMeta>, Error> {
        let mut folders = vec![Path::default()];
        let mut parts = keys.split('/').peekable();
        while let Some(part) = parts.next() {
            let pattern = glob::Pattern::new(part).map_err(|error| malformed(shown, error))?;
            let fits = |path: &Path| path.filename().is_some_and(|name| pattern.matches_with(name, EXACTLY));
            let is_last = parts.peek().is_none();
            if !is_last && !part.contains(['*', '?', '[']) {
                folders = folders.into_iter().map(|folder| folder.join(part)).collect();
                continue;
            }
            let (mut next, mut found) = (Vec::new(), Vec::new());
            for folder in &folders {
                let prefix = (*folder != Path::default()).then_some(folder);
                let listed = self.store.list_with_delimiter(prefix).await.map_err(|error| refused(shown, &error))?;
                next.extend(listed.common_prefixes.into_iter().filter(&fits));
                // the object that stands for the folder itself is in its own list
                found
                    .extend(listed.objects.into_iter().filter(|meta| fits(&meta.location) && meta.location != *folder));
            }
            if is_last {
                return Ok(found);
            }
            folders = next;
        }
        Ok(Vec::new())
    }
}

/// `*` stands for no `/`, as in paths.
const EXACTLY: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

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
        let token = self.bucket.interrupt.token();
        let got = self.bucket.runtime.block_on(async {
            tokio::select! {
                biased;
                () = token.cancelled() => Err(Error::Cancelled),
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
        let most = usize::try_from(MEMORY / WINDOW.0).unwrap_or(usize::MAX);
        let at_most = places.clamp(1, most);
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
