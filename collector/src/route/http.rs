//! How receivers are asked over HTTP: within a time, over TLS, without following anybody elsewhere, and not in private networks unless that was said.

use super::{Given, Sent};
use chrono::{DateTime, Utc};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use url::Host;

/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read: nobody reads what is in it.
const ANSWER: usize = 64 << 10;

/// Addresses that nobody on the internet has: of this machine, private networks, links, providers' own, and none.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped().or_else(|| of_nat64(v6)) {
            Some(v4) => is_private_v4(v4),
            None => {
                let first = v6.segments().first().copied().unwrap_or_default();
                // unspecified and loopback; unique local, link-local, site-local, multicast
                v6.is_unspecified()
                    || v6.is_loopback()
                    || first & 0xfe00 == 0xfc00
                    || first & 0xffc0 == 0xfe80
                    || first & 0xffc0 == 0xfec0
                    || first & 0xff00 == 0xff00
            }
        },
    }
}

/// The address behind `64:ff9b::/96` (RFC 6052).
fn of_nat64(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = v6.segments() else { return None };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    v4.is_unspecified()
        || a == 0
        || v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast()
        || a >= 240
        // shared by a provider's customers (RFC 6598), benchmarks (RFC 2544)
        || (a == 100 && b & 0xc0 == 64)
        || (a == 198 && b & 0xfe == 18)
}

/// Looks names up, and leaves out what is private.
struct Public;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found.into_iter().filter(|address| !is_private(address.ip())).collect();
            if public.is_empty() {
                return Err("the name leads into a private network".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// A client for an address that was configured; why that is none. `private`: it may be in a private network, and be asked without TLS.
pub(crate) fn client(url: &Url, private: bool) -> Result<Client, String> {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("its address has no host".to_owned()),
    };
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => is_private(address.into()),
        Some(Host::Ipv6(address)) => is_private(address.into()),
        Some(Host::Domain(_)) | None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if here || private => {}
        "http" => return Err("it has to be asked over https:// (or `private: true` says that it need not)".to_owned()),
        _ => return Err("its address has to begin with https://".to_owned()),
    }
    if literal && !here && !private {
        return Err("its address is in a private network (`private: true` says that it may be)".to_owned());
    }
    let builder = Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("fieldmark/", env!("CARGO_PKG_VERSION")));
    let builder = if here || private { builder } else { builder.dns_resolver(Arc::new(Public)) };
    builder.build().map_err(|error| format!("no client can be made: {error}"))
}

/// The address of a key, and a client for it.
pub(super) fn address(given: &Given, key: &'static str, or: Option<&str>) -> Result<(Url, Client), String> {
    let default = || or.and_then(|or| Url::parse(or).ok());
    let url = given.address(key).cloned().or_else(default).ok_or_else(|| format!("`{key}` is missing"))?;
    let client = client(&url, given.is(super::given::PRIVATE.name))?;
    Ok((url, client))
}

/// A call with a JSON body.
pub(super) fn post(client: &Client, url: Url, body: &serde_json::Value) -> RequestBuilder {
    client.post(url).header("content-type", "application/json").body(body.to_string())
}

/// Sends it.
pub(super) async fn send(request: RequestBuilder) -> Sent {
    match request.send().await {
        Ok(mut response) => {
            let (status, asked) = (response.status(), asked(response.headers(), Utc::now()));
            let mut read = 0;
            // so that the connection can be used again; a receiver that goes on and on is left
            while let Ok(Some(chunk)) = response.chunk().await {
                read += chunk.len();
                if read > ANSWER {
                    break;
                }
            }
            of_status(status, asked)
        }
        // without the address, in which somebody may have written a secret
        Err(error) if error.is_connect() => Sent::Later(format!("it cannot be reached: {}", reason(&error)), None),
        Err(error) if error.is_timeout() => Sent::Perhaps("no answer in time".to_owned()),
        Err(_) => Sent::Perhaps("the connection broke off".to_owned()),
    }
}

/// The last of an error's causes: the system's own words, or ours. None of them holds the address's path.
fn reason(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    let said: String = last.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
    match said.contains("leads into a private network") {
        true => format!("{said} (`private: true` says that it may)"),
        false if said.contains("http://") || said.contains("https://") => "no connection".to_owned(),
        false => said,
    }
}

/// `Retry-After`: seconds, or a time (RFC 9110).
fn asked(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = DateTime::parse_from_rfc2822(text).ok()?;
    (time.with_timezone(&Utc) - now).to_std().ok()
}

fn of_status(status: StatusCode, asked: Option<Duration>) -> Sent {
    let told = format!("it answers {status}");
    match status.as_u16() {
        200..=299 => Sent::Taken,
        // too early, too many, and whatever is wrong with the receiver or somebody before it
        300..=399 | 408 | 425 | 429 | 500..=599 => Sent::Later(told, asked),
        401 | 403 | 404 => Sent::Unwanted(told),
        _ => Sent::Refused(told),
    }
}

/// Tells a dead man's switch that somebody lives; whether it was told.
pub(crate) async fn ping(client: &Client, url: &Url) -> bool {
    send(client.get(url.clone())).await == Sent::Taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_known_in_every_writing() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_address_is_public_and_asked_over_tls_unless_it_is_said() {
        rustls::crypto::ring::default_provider().install_default().ok();
        let made = |url: &str, private| client(&Url::parse(url).unwrap(), private).map(|_| ());
        assert!(made("https://hooks.example/x", false).is_ok());
        assert!(made("http://127.0.0.1:9/x", false).is_ok(), "on this machine");
        for url in ["http://hooks.example/x", "https://10.0.0.1/x", "https://[fd00::1]/x", "https://169.254.169.254/"] {
            assert!(made(url, false).is_err(), "{url}");
            assert!(made(url, true).is_ok(), "{url}");
        }
        assert!(made("ftp://hooks.example/x", true).is_err());
    }

    #[tokio::test]
    async fn a_name_that_leads_into_a_private_network_is_not_followed() {
        let looked = Public.resolve("localhost".parse().unwrap()).await;
        assert!(looked.is_err_and(|error| error.to_string().contains("private network")));
    }

    #[test]
    fn answers_are_taken_later_or_refused() {
        let of = |status| of_status(StatusCode::from_u16(status).unwrap(), Some(Duration::from_secs(7)));
        assert!([200, 202, 204].map(of).iter().all(|sent| *sent == Sent::Taken));
        for status in [302, 408, 425, 429, 500, 502, 503] {
            assert!(matches!(of(status), Sent::Later(_, Some(_))), "{status}");
        }
        assert!([401, 403, 404].map(of).iter().all(|sent| matches!(sent, Sent::Unwanted(_))));
        assert!([400, 405, 410, 413].map(of).iter().all(|sent| matches!(sent, Sent::Refused(_))));
    }

    #[test]
    fn a_receiver_says_when_it_wants_to_be_asked_again_in_seconds_or_as_a_time() {
        let now = "2026-11-27T12:00:00Z".parse().unwrap();
        let of = |text: &str| asked(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), now);
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("Fri, 27 Nov 2026 12:01:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!((of("soon"), of("-5"), of("Fri, 27 Nov 2020 12:01:30 GMT")), (None, None, None));
    }
}
