//! TLS of the collector.

use super::{Collector, command, cryptography};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Client, ClientBuilder, StatusCode};
use std::path::Path;
use std::time::{Duration, Instant};

/// Who signs certificates.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a certificate for the name, and its key.
    pub(super) fn issue(&self, folder: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        // as whoever renews one does it: the pair is right only when both are there
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    }

    /// Writes its own certificate.
    pub(super) fn write(&self, path: &Path) {
        std::fs::write(path, self.0.pem()).unwrap();
    }

    /// A client that trusts it alone.
    pub(super) fn client(&self) -> ClientBuilder {
        Client::builder().tls_certs_only([Certificate::from_pem(self.0.pem().as_bytes()).unwrap()])
    }
}

const SERVE: &str = "{ listen: '127.0.0.1:0', tls: { cert_file: cert.pem, key_file: key.pem } }";

#[tokio::test(flavor = "multi_thread")]
async fn n7_certificates_are_checked_and_renewed_without_a_restart() {
    cryptography();
    let (authority, other) = (Authority::new(), Authority::new());
    let collector = Collector::with(SERVE, |folder| authority.issue(folder.path(), "127.0.0.1"), authority.client());
    let url = collector.url("/healthz");
    assert!(url.starts_with("https://"));
    let healthy = async |client: ClientBuilder| {
        // a connection of its own each time
        let client = client.pool_max_idle_per_host(0).build().unwrap();
        client.get(&url).send().await.map(|response| response.status())
    };
    assert_eq!(healthy(authority.client()).await.unwrap(), StatusCode::OK);
    let viewer = collector.enrol("ann", "viewer");
    assert_eq!(collector.get(&viewer, "/v1/rules").send().await.unwrap().version(), reqwest::Version::HTTP_2);
    assert!(healthy(other.client()).await.is_err(), "somebody else's signature");
    let plain = collector.client.get(url.replace("https:", "http:")).send().await;
    assert!(plain.is_err(), "nothing is answered unencrypted");
    // another authority's certificate in the same files
    other.issue(collector.folder.path(), "127.0.0.1");
    let begun = Instant::now();
    while healthy(other.client()).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the new certificate is not used");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(healthy(authority.client()).await.is_err());
    // what is none leaves the one that is there
    std::fs::write(collector.path("cert.pem"), "no certificate").unwrap();
    assert_eq!(healthy(other.client()).await.unwrap(), StatusCode::OK);
    // and one for another name is none for this one
    let foreign =
        Collector::with(SERVE, |folder| authority.issue(folder.path(), "elsewhere.example"), authority.client());
    assert!(foreign.client.get(foreign.url("/healthz")).send().await.is_err());
}

#[test]
fn a_certificate_that_is_none_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("fieldmark.yaml", &format!("version: 1\nstate_dir: state\nserve: {SERVE}\n"));
    let run = || {
        let output = command(&folder).arg("collector").output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, err) = run();
    assert!(code == 2 && err.contains("cert.pem"), "{err}");
    Authority::new().issue(folder.path(), "127.0.0.1");
    write("key.pem", "no key");
    let (code, err) = run();
    assert!(code == 2 && err.contains("key.pem"), "{err}");
    write("fieldmark.yaml", "version: 1\nstate_dir: state\nserve: { listen: '0.0.0.0:0' }\n");
    let (code, err) = run();
    assert!(code == 78 && err.contains("needs a certificate"), "{err}");
}
