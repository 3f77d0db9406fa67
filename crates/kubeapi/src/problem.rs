//! How an API says no.

use steps::{Problem, TimedOut};

/// The id of every problem this crate can report, but for that of `steps` that it passes on.
pub const PROBLEMS: &[&str] = &[
    "AL-API-001",
    "AL-API-002",
    "AL-API-003",
    "AL-API-004",
    "AL-API-005",
    "AL-API-006",
    "AL-API-007",
    "AL-API-008",
    "AL-API-009",
    "AL-API-010",
    "AL-API-011",
    "AL-API-012",
    "AL-API-013",
    "AL-API-014",
];

/// A field that somebody else has set.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldConflict {
    /// The field, `.spec.replicas`.
    pub field: String,
    /// Who has set it, as the API names its managers.
    pub manager: String,
}

impl std::fmt::Display for FieldConflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (set by {})", self.field, self.manager)
    }
}

/// A call of the API failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The kubeconfig does not lead to a usable client.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing answers there.
    #[error("{url} cannot be reached: {last}")]
    Unreachable {
        /// The API's address.
        url: String,
        /// What the system says.
        last: String,
    },
    /// The server's certificate is past its end, by this host's clock.
    #[error("the certificate of {url} has expired")]
    Expired {
        /// The API's address.
        url: String,
    },
    /// The server's certificate is not valid yet, by this host's clock.
    #[error("the certificate of {url} is not valid yet")]
    NotYetValid {
        /// The API's address.
        url: String,
    },
    /// The server's certificate is from an authority that the kubeconfig does not name.
    #[error("the certificate of {url} is from another authority")]
    WrongAuthority {
        /// The API's address.
        url: String,
    },
    /// The server's certificate is for other names.
    #[error("the certificate of {url} is for another name")]
    WrongName {
        /// The API's address.
        url: String,
    },
    /// The client's certificate is past its end; the API takes no such client for anybody.
    #[error("{url}: the client's certificate expired at {until}")]
    ClientExpired {
        /// The API's address.
        url: String,
        /// When, RFC 3339.
        until: String,
    },
    /// The API does not know who is asking (401).
    #[error("{url} does not accept these credentials")]
    Unauthorized {
        /// The API's address.
        url: String,
    },
    /// The API knows who is asking and does not allow it (403).
    #[error("{doing}: forbidden: {message}")]
    Forbidden {
        /// What was asked.
        doing: String,
        /// What the API says.
        message: String,
    },
    /// Somebody else has set the same fields to something else.
    #[error("{object}: {}", fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Conflict {
        /// `kind namespace/name`.
        object: String,
        /// The fields and who has set them.
        fields: Vec<FieldConflict>,
    },
    /// The API does not serve this kind: too old or too new a version, or a definition that is missing.
    #[error("{kind} of {api_version} is not served")]
    NotServed {
        /// The kind.
        kind: String,
        /// Its group and version.
        api_version: String,
    },
    /// The API refused for a reason of its own (404, 409, 422, ...).
    #[error("{doing}: {reason} ({code}): {message}")]
    Refused {
        /// What was asked.
        doing: String,
        /// The HTTP code.
        code: u16,
        /// The API's word for it, `Invalid`.
        reason: String,
        /// What the API says.
        message: String,
    },
    /// The API answers, but not now: overloaded, starting, without its data store (429, 5xx).
    #[error("{doing}: {url} answers {code}: {message}")]
    Failing {
        /// The API's address.
        url: String,
        /// What was asked.
        doing: String,
        /// The HTTP code.
        code: u16,
        /// What the API says.
        message: String,
    },
    /// No answer in time, or half of one. Whether it was done is unknown; everything here may be asked again.
    #[error("{doing}: no answer from {url}: {last}")]
    Silent {
        /// The API's address.
        url: String,
        /// What was asked.
        doing: String,
        /// What is known.
        last: String,
    },
    /// Something did not become true in time.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
}

impl ApiError {
    /// Whether the same call may succeed a little later without anybody's doing.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Failing { .. } | Self::Silent { .. })
    }

    /// Whether the API says that there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }
}

impl Problem for ApiError {
    fn id(&self) -> &'static str {
        match self {
            Self::Kubeconfig { .. } => "AL-API-001",
            Self::Unreachable { .. } => "AL-API-002",
            Self::Expired { .. } => "AL-API-003",
            Self::NotYetValid { .. } => "AL-API-004",
            Self::WrongAuthority { .. } => "AL-API-005",
            Self::WrongName { .. } => "AL-API-006",
            Self::ClientExpired { .. } => "AL-API-007",
            Self::Unauthorized { .. } => "AL-API-008",
            Self::Forbidden { .. } => "AL-API-009",
            Self::Conflict { .. } => "AL-API-010",
            Self::NotServed { .. } => "AL-API-011",
            Self::Refused { .. } => "AL-API-012",
            Self::Failing { .. } => "AL-API-013",
            Self::Silent { .. } => "AL-API-014",
            Self::TimedOut(e) => e.id(),
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        let owned = |pairs: &[(&'static str, &String)]| pairs.iter().map(|(n, v)| (*n, (*v).clone())).collect();
        match self {
            Self::Kubeconfig { .. } => vec![],
            Self::Unreachable { url, last } => owned(&[("url", url), ("last", last)]),
            Self::Expired { url }
            | Self::NotYetValid { url }
            | Self::WrongAuthority { url }
            | Self::WrongName { url }
            | Self::Unauthorized { url } => owned(&[("url", url)]),
            Self::ClientExpired { url, until } => owned(&[("url", url), ("until", until)]),
            Self::Forbidden { doing, message } => owned(&[("doing", doing), ("message", message)]),
            Self::Conflict { object, fields } => {
                let fields = fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                vec![("object", object.clone()), ("fields", fields)]
            }
            Self::NotServed { kind, api_version } => owned(&[("kind", kind), ("api_version", api_version)]),
            Self::Refused { doing, code, reason, message } => {
                owned(&[("doing", doing), ("code", &code.to_string()), ("reason", reason), ("message", message)])
            }
            Self::Failing { url, doing, code, message } => {
                owned(&[("url", url), ("doing", doing), ("code", &code.to_string()), ("message", message)])
            }
            Self::Silent { url, doing, last } => owned(&[("url", url), ("doing", doing), ("last", last)]),
            Self::TimedOut(e) => e.args(),
        }
    }
}
