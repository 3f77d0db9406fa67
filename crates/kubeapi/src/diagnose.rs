//! From what the client says to what is wrong.

use std::error::Error;

use kube::core::Status;
use rustls::CertificateError;
use steps::chain;

use crate::problem::{ApiError, FieldConflict};

/// What is known about a call when it fails.
pub(crate) struct Call<'a> {
    pub(crate) url: &'a str,
    pub(crate) doing: &'a str,
    /// The end of the client's certificate, when that is past.
    pub(crate) client_expired: Option<String>,
}

impl Call<'_> {
    pub(crate) fn diagnose(&self, error: kube::Error) -> ApiError {
        if let kube::Error::Api(status) = &error {
            return self.refused(status);
        }
        let url = self.url.to_owned();
        if let Some(tls) = find::<rustls::Error>(&error) {
            use rustls::Error::InvalidCertificate;
            match tls {
                InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                    return ApiError::Expired { url };
                }
                InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
                    return ApiError::NotYetValid { url };
                }
                InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                ) => {
                    return ApiError::WrongName { url };
                }
                InvalidCertificate(
                    CertificateError::UnknownIssuer
                    | CertificateError::BadSignature
                    | CertificateError::InvalidPurpose
                    | CertificateError::InvalidPurposeContext { .. }
                    | CertificateError::Other(_),
                ) => return ApiError::WrongAuthority { url },
                _ => {}
            }
        }
        // The system's own words are the innermost; the layers above only say that a client failed.
        let last = find::<std::io::Error>(&error).map_or_else(|| chain(&error), ToString::to_string);
        let connecting = find::<std::io::Error>(&error).is_some_and(|e| {
            use std::io::ErrorKind as K;
            matches!(e.kind(), K::ConnectionRefused | K::HostUnreachable | K::NetworkUnreachable | K::AddrNotAvailable)
        });
        if connecting {
            return ApiError::Unreachable { url, last };
        }
        ApiError::Silent { url, doing: self.doing.to_owned(), last }
    }

    fn refused(&self, status: &Status) -> ApiError {
        let doing = self.doing.to_owned();
        let (url, message) = (self.url.to_owned(), status.message.clone());
        match status.code {
            401 => match &self.client_expired {
                Some(until) => ApiError::ClientExpired { url, until: until.clone() },
                None => ApiError::Unauthorized { url },
            },
            403 => ApiError::Forbidden { doing, message },
            409 if !conflicts(status).is_empty() => ApiError::Conflict { object: doing, fields: conflicts(status) },
            code @ (429 | 500..) => ApiError::Failing { url, doing, code, message },
            code => ApiError::Refused { doing, code, reason: status.reason.clone(), message },
        }
    }
}

/// The causes of a refused server-side apply: each names a field, and in its text who has set it.
fn conflicts(status: &Status) -> Vec<FieldConflict> {
    let causes = status.details.iter().flat_map(|d| &d.causes);
    let causes = causes.filter(|c| c.reason == "FieldManagerConflict");
    causes
        .map(|cause| {
            let quoted = cause.message.split('"').nth(1).unwrap_or(&cause.message);
            FieldConflict { field: cause.field.clone(), manager: quoted.to_owned() }
        })
        .collect()
}

/// The first cause of this type. An I/O error hides the one it was made from behind its own source.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
        if let Some(found) = inner.and_then(|inner| find::<T>(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(json: serde_json::Value) -> kube::Error {
        kube::Error::Api(Box::new(serde_json::from_value(json).unwrap()))
    }

    fn told(error: kube::Error) -> ApiError {
        Call { url: "https://api", doing: "apply ConfigMap a/b", client_expired: None }.diagnose(error)
    }

    #[test]
    fn a_conflict_names_fields_and_managers() {
        let error = told(status(serde_json::json!({
            "status": "Failure", "code": 409, "reason": "Conflict", "message": "Apply failed with 1 conflict",
            "details": {"causes": [{"reason": "FieldManagerConflict", "field": ".data.a",
                "message": "conflict with \"kubectl-edit\" using v1"}]}
        })));
        assert_eq!(error.to_string(), "apply ConfigMap a/b: .data.a (set by kubectl-edit)");
    }

    #[test]
    fn a_409_without_fields_is_a_refusal() {
        let error = told(status(serde_json::json!({"code": 409, "reason": "AlreadyExists", "message": "there"})));
        assert!(matches!(error, ApiError::Refused { code: 409, .. }), "{error:?}");
    }

    #[test]
    fn a_certificate_inside_layers_is_found() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let io = std::io::Error::other(std::io::Error::new(std::io::ErrorKind::InvalidData, tls));
        assert!(matches!(told(kube::Error::Service(Box::new(io))), ApiError::WrongAuthority { .. }));
    }

    #[test]
    fn overload_passes_and_a_missing_right_does_not() {
        assert!(told(status(serde_json::json!({"code": 503, "message": "starting"}))).is_passing());
        assert!(told(status(serde_json::json!({"code": 429, "message": "later"}))).is_passing());
        assert!(!told(status(serde_json::json!({"code": 403, "message": "no"}))).is_passing());
    }
}
