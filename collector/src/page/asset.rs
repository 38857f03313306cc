//! Files that pages load: shipped in the program, kept by browsers for as long as they are what they are.

use super::wrong::Wrong;
use crate::principal::hexadecimal;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Every file: its name, its type, what is in it.
const FILES: [(&str, &str, &[u8]); 10] = [
    ("style.css", STYLE, include_bytes!("assets/style.css")),
    ("live.js", SCRIPT, include_bytes!("assets/live.js")),
    ("chart.js", SCRIPT, include_bytes!("assets/chart.js")),
    ("graph.js", SCRIPT, include_bytes!("assets/graph.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
    ("uplot.js", SCRIPT, include_bytes!("assets/vendor/uplot-1.6.32.min.js")),
    ("uplot.css", STYLE, include_bytes!("assets/vendor/uplot-1.6.32.min.css")),
    ("uplot.LICENSE", TEXT, include_bytes!("assets/vendor/uplot.LICENSE")),
    ("dagre.js", SCRIPT, include_bytes!("assets/vendor/dagre-3.1.3.min.js")),
    ("dagre.LICENSE", TEXT, include_bytes!("assets/vendor/dagre.LICENSE")),
];

struct Known {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    digest: String,
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let known = |(name, kind, bytes): (&'static str, &'static str, &'static [u8])| {
        let digest = hexadecimal(Sha256::digest(bytes).get(..8).unwrap_or_default());
        Known { name, kind, bytes, digest }
    };
    FILES.into_iter().map(known).collect()
});

/// Where a file is, as it is now.
pub(super) fn address(name: &str) -> String {
    let version = KNOWN.iter().find(|own| own.name == name).map_or("", |own| own.digest.as_str());
    format!("/assets/{name}?v={version}")
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    v: String,
}

pub(super) async fn asset(
    Path(name): Path<String>,
    Query(Asked { v }): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Wrong> {
    let known = KNOWN.iter().find(|own| own.name == name);
    let known = known.ok_or_else(|| Wrong::unknown("There is no such file."))?;
    let tag = format!("\"{}\"", known.digest);
    let kept = if v == known.digest { "public, max-age=31536000, immutable" } else { "no-cache" };
    let same = headers.get(header::IF_NONE_MATCH).is_some_and(|own| own.as_bytes() == tag.as_bytes());
    let about = [(header::ETAG, tag), (header::CACHE_CONTROL, kept.to_owned())];
    if same {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    Ok((about, [(header::CONTENT_TYPE, known.kind)], known.bytes).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_asks_for_anything_elsewhere() {
        for known in KNOWN.iter() {
            let text = String::from_utf8_lossy(known.bytes);
            let named = text.matches("http://").count() + text.matches("https://").count();
            // a comment with the library's own address, the name of SVG, a licence
            let allowed = match known.name {
                "uplot.js" | "graph.js" | "icon.svg" => 1,
                _ => 0,
            };
            assert!(named <= allowed, "{}: {named}", known.name);
            assert_eq!(address(known.name), format!("/assets/{}?v={}", known.name, known.digest));
        }
    }
}
