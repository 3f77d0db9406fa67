//! An API of the test's own: TLS on loopback, a clock that can be moved, and the answers of a Kubernetes API.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kubecfg::Kubeconfig;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Days from now, first and last.
pub(crate) type Days = (i64, i64);
pub(crate) const GOOD: Days = (-1, 365);

fn at(days: i64) -> time::OffsetDateTime {
    (time::OffsetDateTime::now_utc() + time::Duration::days(days)).replace_nanosecond(0).unwrap()
}

fn params(name: &str, (first, last): Days) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (at(first), at(last));
    params
}

/// An authority of one test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut ca = params("test-ca", (-1000, 3650));
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key.
    pub(crate) fn issue(&self, name: &str, days: Days, server: Option<&str>) -> (String, String) {
        let mut leaf = params(name, days);
        leaf.extended_key_usages = vec![match server {
            Some(_) => ExtendedKeyUsagePurpose::ServerAuth,
            None => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        leaf.subject_alt_names = server
            .into_iter()
            .map(|name| match name.parse() {
                Ok(ip) => rcgen::SanType::IpAddress(ip),
                Err(_) => rcgen::SanType::DnsName(name.try_into().unwrap()),
            })
            .collect();
        let key = KeyPair::generate().unwrap();
        (leaf.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// How the API is made.
pub(crate) struct Api {
    pub(crate) authority: Authority,
    /// The name in its certificate.
    pub(crate) san: &'static str,
    pub(crate) days: Days,
    pub(crate) users_days: Days,
    /// What it says to who is logged in: path, status, body.
    pub(crate) answers: fn(&str) -> (u16, &'static str),
}

impl Default for Api {
    fn default() -> Self {
        Self { authority: Authority::new(), san: "127.0.0.1", days: GOOD, users_days: GOOD, answers: healthy }
    }
}

pub(crate) fn healthy(path: &str) -> (u16, &'static str) {
    match path {
        "/version" => (200, r#"{"major": "1", "gitVersion": "v1.33.4+k3s1"}"#),
        _ => (200, r#"{"kind": "NodeList", "items": []}"#),
    }
}

impl Api {
    /// Starts it; the kubeconfig of its administrator. It lives as long as the test's process.
    pub(crate) fn start(self) -> Kubeconfig {
        let (cert, key) = self.authority.issue("kube-apiserver", self.days, Some(self.san));
        let (user, user_key) = self.authority.issue("system:admin", self.users_days, None);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("https://{}", listener.local_addr().unwrap());
        let known = CertificateDer::from_pem_slice(user.as_bytes()).unwrap();
        let user_is_over = self.users_days.1 < 0;
        let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let config = builder.with_client_cert_verifier(Arc::new(AsGo(provider))).with_single_cert(chain, key).unwrap();
        let config = Arc::new(config);
        let answers = self.answers;
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, known) = (config.clone(), known.clone());
                std::thread::spawn(move || {
                    serve(stream.unwrap(), config, &known, |path| {
                        if user_is_over { (401, UNAUTHORIZED) } else { answers(path) }
                    })
                });
            }
        });
        Kubeconfig::admin("demo", &server, &self.authority.pem(), &user, &user_key.into())
    }
}

const UNAUTHORIZED: &str = r#"{"kind": "Status", "message": "Unauthorized", "code": 401}"#;

fn serve(
    stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
    known: &CertificateDer<'_>,
    answers: impl Fn(&str) -> (u16, &'static str),
) {
    let mut tls = rustls::StreamOwned::new(rustls::ServerConnection::new(config).unwrap(), stream);
    let mut seen = [0; 4096];
    let Ok(n @ 1..) = tls.read(&mut seen) else { return };
    let text = String::from_utf8_lossy(&seen[..n]).into_owned();
    let path = text.split(' ').nth(1).unwrap_or("/");
    let shown = tls.conn.peer_certificates().and_then(|chain| chain.first());
    let (status, body) = if shown == Some(known) { answers(path) } else { (401, UNAUTHORIZED) };
    let date = httpdate::fmt_http_date(SystemTime::now());
    let _ = write!(tls, "HTTP/1.0 {status} X\r\nDate: {date}\r\nContent-Type: application/json\r\n\r\n{body}");
    tls.conn.send_close_notify();
    let _ = tls.flush();
}

/// Takes any certificate or none, and leaves the judgement to what speaks HTTP: as Kubernetes does.
#[derive(Debug)]
struct AsGo(Arc<rustls::crypto::CryptoProvider>);

impl ClientCertVerifier for AsGo {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: rustls::pki_types::UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A server that says this to whoever connects, and then nothing more.
pub(crate) fn says(what: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().map(Result::unwrap) {
            let mut seen = [0; 1024];
            let _ = stream.read(&mut seen).and_then(|_| stream.write_all(what.as_bytes()));
            if what.is_empty() {
                held.push(stream);
            }
        }
    });
    address
}

/// A proxy that leads every CONNECT to one server.
pub(crate) fn proxy_to(server: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut here in listener.incoming().map(Result::unwrap) {
            let mut there = TcpStream::connect(&server).unwrap();
            let mut seen = [0; 1024];
            let n = here.read(&mut seen).unwrap();
            assert!(seen[..n].starts_with(b"CONNECT api.test:6443 HTTP/1.1\r\n"));
            here.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            let (mut back, mut from) = (here.try_clone().unwrap(), there.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut back));
            std::thread::spawn(move || std::io::copy(&mut here, &mut there));
        }
    });
    address
}
