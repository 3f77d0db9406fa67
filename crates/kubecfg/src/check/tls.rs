//! TLS by the kubeconfig's own authority, and a look at a certificate that proves nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use secrecy::ExposeSecret;

use super::CheckError;
use crate::{KubecfgError, Kubeconfig};

#[derive(Debug)]
struct Clock(SystemTime);

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.duration_since(UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

pub(crate) fn moment(time: UnixTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.as_secs())
}

/// Names out of a certificate as people write them: `DnsName("a")` is `a`.
pub(crate) fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        inner.trim_matches('"').to_owned()
    };
    presented.iter().map(bare).collect::<Vec<_>>().join(", ")
}

fn bad(reason: &str) -> KubecfgError {
    KubecfgError::NotAKubeconfig { reason: reason.to_owned() }
}

fn builder(now: SystemTime) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, CheckError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Clock(now)));
    builder.with_safe_default_protocol_versions().map_err(|_| bad("no version of TLS").into())
}

/// As kubectl: verified by the kubeconfig's authority, logged in with its certificate.
pub(crate) fn config(kubeconfig: &Kubeconfig, now: SystemTime) -> Result<ClientConfig, CheckError> {
    let chain = chain(&kubeconfig.certificate()?)?;
    let key = PrivateKeyDer::from_pem_slice(kubeconfig.key()?.expose_secret().as_bytes())
        .map_err(|_| bad("client-key-data is not a private key"))?;
    let builder = builder(now)?;
    let builder = match kubeconfig.is_insecure() {
        true => builder.dangerous().with_custom_certificate_verifier(Arc::new(Seen::default())),
        false => {
            let mut roots = RootCertStore::empty();
            for root in self::chain(&kubeconfig.authority()?)? {
                roots.add(root).map_err(|_| bad("certificate-authority-data is not an authority's certificate"))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    let config = builder.with_client_auth_cert(chain, key);
    config.map_err(|_| bad("client-key-data is not the key of client-certificate-data").into())
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, KubecfgError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| bad("a certificate in it is not readable"))
}

/// Takes any certificate and remembers it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    certificate: Arc<Mutex<Option<Vec<u8>>>>,
    provider: Arc<CryptoProvider>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { certificate: Arc::default(), provider: Arc::new(ring::default_provider()) }
    }
}

impl Seen {
    /// A connection that proves nothing and shows nothing of ours.
    pub(crate) fn config(&self, now: SystemTime) -> Result<ClientConfig, CheckError> {
        let builder = builder(now)?.dangerous().with_custom_certificate_verifier(Arc::new(self.clone()));
        Ok(builder.with_no_client_auth())
    }

    /// The one it was shown, DER.
    pub(crate) fn certificate(&self) -> Result<Vec<u8>, KubecfgError> {
        let seen = self.certificate.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.ok_or_else(|| bad("the API showed no certificate"))
    }
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
