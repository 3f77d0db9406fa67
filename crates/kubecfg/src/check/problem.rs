//! What can be in the way between this host and the API.

use steps::Problem;

use crate::KubecfgError;

/// Whose certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The API's own.
    Apis,
    /// The kubeconfig's user.
    Users,
}

/// Why the API cannot be used with this kubeconfig. One thing each.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The kubeconfig itself.
    #[error(transparent)]
    Kubeconfig(#[from] KubecfgError),
    /// No packet comes back from there, or nobody knows the name.
    #[error("{host} cannot be reached: {reason}")]
    Route {
        /// Name or address.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The machine is there, but no TLS server at that port.
    #[error("{endpoint}: {reason}")]
    Port {
        /// `HOST:PORT`.
        endpoint: String,
        /// What happens there.
        reason: String,
    },
    /// A proxy is set for the API, and does not lead there.
    #[error("{variable}={proxy} does not lead to {endpoint}: {reason}")]
    Proxy {
        /// `HTTPS_PROXY`, `https_proxy`, or `proxy-url` of the kubeconfig.
        variable: &'static str,
        /// The proxy, without its password.
        proxy: String,
        /// `HOST:PORT`.
        endpoint: String,
        /// The host alone.
        host: String,
        /// What happens.
        reason: String,
    },
    /// The certificate is not from the authority in the kubeconfig.
    #[error("{endpoint}: its certificate is not from the kubeconfig's authority: {reason}")]
    Authority {
        /// `HOST:PORT`.
        endpoint: String,
        /// What TLS said.
        reason: String,
    },
    /// The certificate is for other names.
    #[error("the certificate is not for {name} but for {presented}")]
    Name {
        /// The one expected.
        name: String,
        /// Those in the certificate.
        presented: String,
    },
    /// This host's clock is wrong: the certificate is good at the API's time.
    #[error("this host's clock is {ahead} s ahead of the API's")]
    Clock {
        /// This host's clock minus the API's, in seconds.
        ahead: i64,
    },
    /// A certificate is over, or not begun.
    #[error("the certificate {subject} is valid from {from} until {until}")]
    Certificate {
        /// Whose.
        whose: Whose,
        /// Its subject.
        subject: String,
        /// First moment, RFC 3339.
        from: String,
        /// Last moment, RFC 3339.
        until: String,
    },
    /// The user's certificate is good, but unknown there.
    #[error("{endpoint} does not accept the certificate {subject}")]
    Credentials {
        /// Its subject.
        subject: String,
        /// `HOST:PORT`.
        endpoint: String,
    },
    /// Logged in, without the right to look.
    #[error("{what} is forbidden: {message}")]
    Forbidden {
        /// The path asked for.
        what: String,
        /// What the API said.
        message: String,
    },
    /// Logged in, and something else is wrong there.
    #[error("{endpoint} answers {what} with {status}: {message}")]
    Answer {
        /// `HOST:PORT`.
        endpoint: String,
        /// The path asked for.
        what: String,
        /// HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
}

impl Problem for CheckError {
    fn id(&self) -> &'static str {
        match self {
            Self::Kubeconfig(inner) => inner.id(),
            Self::Route { .. } => "AL-CFG-010",
            Self::Port { .. } => "AL-CFG-011",
            Self::Proxy { .. } => "AL-CFG-012",
            Self::Authority { .. } => "AL-CFG-013",
            Self::Name { .. } => "AL-CFG-014",
            Self::Clock { .. } => "AL-CFG-015",
            Self::Certificate { whose: Whose::Apis, .. } => "AL-CFG-016",
            Self::Certificate { whose: Whose::Users, .. } => "AL-CFG-017",
            Self::Credentials { .. } => "AL-CFG-018",
            Self::Forbidden { .. } => "AL-CFG-019",
            Self::Answer { .. } => "AL-CFG-020",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        let t = |name, text: &str| (name, text.to_owned());
        match self {
            Self::Kubeconfig(inner) => inner.args(),
            Self::Route { host, reason } => vec![t("host", host), t("reason", reason)],
            Self::Port { endpoint, reason } | Self::Authority { endpoint, reason } => {
                vec![t("endpoint", endpoint), t("reason", reason)]
            }
            Self::Proxy { variable, proxy, endpoint, host, reason } => vec![
                t("variable", variable),
                t("proxy", proxy),
                t("endpoint", endpoint),
                t("host", host),
                t("reason", reason),
            ],
            Self::Name { name, presented } => vec![t("name", name), t("presented", presented)],
            Self::Clock { ahead } => vec![("ahead", ahead.to_string())],
            Self::Certificate { subject, from, until, .. } => {
                vec![t("subject", subject), t("from", from), t("until", until)]
            }
            Self::Credentials { subject, endpoint } => vec![t("subject", subject), t("endpoint", endpoint)],
            Self::Forbidden { what, message } => vec![t("what", what), t("message", message)],
            Self::Answer { endpoint, what, status, message } => {
                vec![t("endpoint", endpoint), t("what", what), ("status", status.to_string()), t("message", message)]
            }
        }
    }
}
