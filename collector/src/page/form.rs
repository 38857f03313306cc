//! What a person sends: read whole, small, and from this very host.

use super::wrong::Wrong;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use std::collections::BTreeMap;

/// Bytes of a form.
const MOST: usize = 16 << 10;

/// A form that was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// The field of this name, without spaces around it; empty where there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// Reads one.
    pub(super) async fn read(body: Body) -> Result<Self, Wrong> {
        let too_long = |_| Wrong::new(StatusCode::PAYLOAD_TOO_LARGE, "What was sent is longer than any form here.");
        let bytes = axum::body::to_bytes(body, MOST).await.map_err(too_long)?;
        Ok(Self(url::form_urlencoded::parse(&bytes).into_owned().collect()))
    }
}

/// Whether a browser says that what is sent comes from a page of this very host. One that says nothing is none of those that people use.
pub(super) fn is_from_here(headers: &HeaderMap, uri: &Uri) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site")
        && site != "same-origin"
    {
        return false;
    }
    // over HTTP/2 the host is in the address
    let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(header::HOST));
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    match (origin, host) {
        (Some((_, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
        (None, _) | (_, None) => false,
    }
}

/// A place of this host that somebody wanted to see; the first page where it is none.
pub(super) fn local(to: &str) -> String {
    let plain = to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n', '\t']);
    let fits = to.len() <= 2_000 && to.is_ascii();
    if plain && fits { to.to_owned() } else { "/fleet".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_another_site_sends_is_told_from_what_this_one_does() {
        let uri = Uri::from_static("/sign-in");
        for (from_here, pairs) in [
            (true, &[("host", "a:9"), ("origin", "http://a:9")][..]),
            (true, &[("host", "a:9"), ("origin", "https://A:9"), ("sec-fetch-site", "same-origin")]),
            (false, &[("host", "a:9")]),
            (false, &[("host", "a:9"), ("origin", "null")]),
            (false, &[("host", "a:9"), ("origin", "http://a")]),
            (false, &[("host", "a:9"), ("origin", "http://evil/a:9")]),
            (false, &[("host", "a:9"), ("origin", "http://a:9"), ("sec-fetch-site", "same-site")]),
            (false, &[("host", "a:9"), ("origin", "http://a:9"), ("sec-fetch-site", "cross-site")]),
        ] {
            assert_eq!(is_from_here(&headers(pairs), &uri), from_here, "{pairs:?}");
        }
        let second = Uri::from_static("https://a:9/sign-in");
        assert!(is_from_here(&headers(&[("origin", "https://a:9")]), &second));
    }

    #[test]
    fn whoever_signs_in_goes_on_to_a_place_of_this_host() {
        assert_eq!(local("/incidents/5f?x=1"), "/incidents/5f?x=1");
        for elsewhere in ["", "https://evil", "//evil", "/\\evil", "/a\r\nset-cookie: b", "fleet"] {
            assert_eq!(local(elsewhere), "/fleet", "{elsewhere:?}");
        }
    }
}
