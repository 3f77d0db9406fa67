//! Asking the API as kubectl would, and saying precisely why it does not work.

mod http;
mod problem;
mod proxy;
mod route;
mod tls;

use std::time::{Duration, SystemTime};

use rustls::StreamOwned;

pub use problem::{CheckError, Whose};

use crate::{KubecfgError, Kubeconfig};
use http::Reply;
use route::Endpoint;

/// What the check knows of the world around it.
pub struct Around<'a> {
    /// This host's clock.
    pub now: SystemTime,
    /// The environment's variables, of which only those about proxies are read.
    pub var: &'a dyn Fn(&str) -> Option<String>,
    /// The longest wait for a connection, and for an answer.
    pub patience: Duration,
}

/// An API that works for this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Working {
    /// Its version, `v1.33.4+k3s1`.
    pub version: String,
    /// Whether it proved who it is. `false` only for a kubeconfig that asks for no proof.
    pub verified: bool,
    /// The proxy on the way.
    pub proxy: Option<String>,
    /// This host's clock minus the API's, in whole seconds, where the API tells.
    pub ahead: Option<i64>,
}

/// Connects, verifies who answers, logs in, and reads something that takes rights: one node.
///
/// Nothing is sent before the API has proven who it is, unless the kubeconfig asks for no proof.
///
/// # Errors
/// The first thing in the way; see [`CheckError`].
///
/// ```no_run
/// let text = kubecfg::read("kubeconfig".as_ref())?;
/// let around = kubecfg::Around {
///     now: std::time::SystemTime::now(),
///     var: &|name| std::env::var(name).ok(),
///     patience: std::time::Duration::from_secs(10),
/// };
/// let working = kubecfg::check(&kubecfg::Kubeconfig::parse(&text)?, &around)?;
/// assert!(working.verified);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check(kubeconfig: &Kubeconfig, around: &Around<'_>) -> Result<Working, CheckError> {
    let endpoint = Endpoint::parse(kubeconfig.server()).ok_or_else(|| KubecfgError::NotAKubeconfig {
        reason: format!("{} is not https://HOST:PORT", kubeconfig.server()),
    })?;
    let session = Session { kubeconfig, around, endpoint };
    let version = session.authenticated("/version")?;
    session.authenticated("/api/v1/nodes?limit=1")?;
    Ok(Working {
        version: version.field("gitVersion").unwrap_or_default(),
        verified: !kubeconfig.is_insecure(),
        proxy: session.proxy()?.map(|proxy| proxy.to_string()),
        ahead: version.date.map(|date| seconds(around.now, date)),
    })
}

/// `a` minus `b`, in whole seconds.
fn seconds(a: SystemTime, b: SystemTime) -> i64 {
    let whole = |d: Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
    a.duration_since(b).map_or_else(|e| -whole(e.duration()), whole)
}

struct Session<'a> {
    kubeconfig: &'a Kubeconfig,
    around: &'a Around<'a>,
    endpoint: Endpoint,
}

impl Session<'_> {
    fn proxy(&self) -> Result<Option<proxy::Proxy>, CheckError> {
        proxy::of(&self.endpoint, self.kubeconfig.cluster.proxy_url.as_deref(), self.around.var)
    }

    /// One request on a connection of its own.
    fn get(&self, path: &str, config: rustls::ClientConfig) -> Result<Reply, CheckError> {
        let name = self.kubeconfig.cluster.tls_server_name.as_deref().unwrap_or(&self.endpoint.host);
        let name = rustls::pki_types::ServerName::try_from(name.to_owned())
            .map_err(|_| KubecfgError::NotAKubeconfig { reason: format!("{name} is no name of a server") })?;
        let tcp = match self.proxy()? {
            Some(proxy) => proxy.tunnel(&self.endpoint, self.around.patience)?,
            None => route::connect(&self.endpoint, self.around.patience)?,
        };
        let connection = rustls::ClientConnection::new(config.into(), name).map_err(|e| self.broken(&e))?;
        let mut stream = StreamOwned::new(connection, tcp);
        http::get(&mut stream, &self.endpoint, path).map_err(|e| match e.get_ref().and_then(|e| e.downcast_ref()) {
            Some(error) => self.broken(error),
            None => CheckError::Port { endpoint: self.endpoint.to_string(), reason: told(&e) },
        })
    }

    /// With proof of who answers, and with our certificate.
    fn authenticated(&self, path: &str) -> Result<Reply, CheckError> {
        let reply = self.get(path, tls::config(self.kubeconfig, self.around.now)?)?;
        let what = path.split('?').next().unwrap_or(path).to_owned();
        match reply.status {
            200 => Ok(reply),
            401 => Err(self.refused(reply.date.unwrap_or(self.around.now))),
            403 => Err(CheckError::Forbidden { what, message: reply.field("message").unwrap_or_default() }),
            status => {
                let message = reply.field("message").unwrap_or_else(|| reply.first_line());
                Err(CheckError::Answer { endpoint: self.endpoint.to_string(), what, status, message })
            }
        }
    }

    /// Our certificate was not accepted: is it over, or does nobody there know it?
    fn refused(&self, at: SystemTime) -> CheckError {
        let life = self.kubeconfig.certificate().and_then(|pem| crate::life(&pem, at));
        match life {
            Ok(life) if !life.is_valid => CheckError::Certificate {
                whose: Whose::Users,
                subject: life.subject,
                from: life.from,
                until: life.until,
            },
            Ok(life) => CheckError::Credentials { subject: life.subject, endpoint: self.endpoint.to_string() },
            Err(error) => error.into(),
        }
    }

    /// What TLS did not like.
    fn broken(&self, error: &rustls::Error) -> CheckError {
        use rustls::CertificateError as Bad;
        let endpoint = self.endpoint.to_string();
        match error {
            rustls::Error::InvalidCertificate(bad) => match bad {
                Bad::NotValidForNameContext { expected, presented } => {
                    CheckError::Name { name: expected.to_str().into_owned(), presented: tls::names(presented) }
                }
                Bad::ExpiredContext { not_after, .. } => self.out_of_time(|date| date <= tls::moment(*not_after)),
                Bad::NotValidYetContext { not_before, .. } => self.out_of_time(|date| date >= tls::moment(*not_before)),
                _ => CheckError::Authority { endpoint, reason: format!("{bad:?}") },
            },
            rustls::Error::AlertReceived(_) => self.refused(self.around.now),
            other => CheckError::Port { endpoint, reason: format!("no TLS: {other}") },
        }
    }

    /// The API's certificate is not valid by our clock. Its own clock, though unproven, tells which of both is wrong.
    fn out_of_time(&self, valid_at: impl Fn(SystemTime) -> bool) -> CheckError {
        let seen = tls::Seen::default();
        let reply = seen.config(self.around.now).and_then(|config| self.get("/version", config));
        match reply.ok().and_then(|reply| reply.date) {
            Some(date) if valid_at(date) => CheckError::Clock { ahead: seconds(self.around.now, date) },
            _ => match seen.certificate().and_then(|pem| crate::life(&pem, self.around.now)) {
                Ok(life) => CheckError::Certificate {
                    whose: Whose::Apis,
                    subject: life.subject,
                    from: life.from,
                    until: life.until,
                },
                Err(error) => error.into(),
            },
        }
    }
}

fn told(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "it accepts a connection and then says nothing".to_owned(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "it accepts a connection and closes it again".to_owned()
        }
        _ => error.to_string(),
    }
}
