//! What a kubeconfig holds, one row a context, and how long its certificates last.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{KubecfgError, document};

/// Days before its end from which on a certificate is worth a word: k3s renews within these at its next start.
pub const SOON: i64 = 120;

/// The life of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Life {
    /// `CN=system:admin, O=system:masters`.
    pub subject: String,
    /// First moment, RFC 3339.
    pub from: String,
    /// Last moment, RFC 3339.
    pub until: String,
    /// Whole days until then; negative when over.
    pub days_left: i64,
    /// Whether the moment asked about lies within.
    pub is_valid: bool,
}

/// How a user logs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// With a certificate in the file.
    Certificate(Life),
    /// With files beside it.
    Files,
    /// With a token.
    Token,
    /// By running a program.
    Program(String),
    /// With name and password.
    Password,
    /// There is no such user, or it has nothing to log in with.
    Nothing,
}

/// One context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContextRow {
    /// Its name.
    pub name: String,
    /// Whether it is the current one.
    pub current: bool,
    /// The cluster's address; empty where the cluster is not in this file.
    pub server: String,
    /// Whether the API has to prove who it is.
    pub verified: bool,
    /// The user's name.
    pub user: String,
    /// How it logs in.
    pub login: Login,
}

/// Every context of a kubeconfig, in its order.
///
/// # Errors
/// [`KubecfgError::NotAKubeconfig`], also for a certificate that is not readable.
pub fn contexts(text: &str, now: SystemTime) -> Result<Vec<ContextRow>, KubecfgError> {
    let document = document::parse(text)?;
    let current = document::current(&document);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = document::entries(&document, "contexts").iter().map(|item| {
        let (name, user) = (word(&item["name"]), word(&item["context"]["user"]));
        let cluster = document::entry(&document, "clusters", &word(&item["context"]["cluster"]));
        let cluster = cluster.map_or(&Value::Null, |c| &c["cluster"]);
        Ok(ContextRow {
            current: current == Some(&name),
            server: word(&cluster["server"]),
            verified: cluster["insecure-skip-tls-verify"] != true,
            login: login(document::entry(&document, "users", &user).map_or(&Value::Null, |u| &u["user"]), now)?,
            name,
            user,
        })
    });
    rows.collect()
}

fn login(user: &Value, now: SystemTime) -> Result<Login, KubecfgError> {
    let has = |keys: &[&str]| keys.iter().any(|key| user[*key].is_string());
    Ok(match user["client-certificate-data"].as_str() {
        Some(data) => {
            let pem = STANDARD.decode(data).map_err(|_| unreadable())?;
            Login::Certificate(life(&pem, now)?)
        }
        None if user["exec"].is_object() => Login::Program(user["exec"]["command"].as_str().unwrap_or("?").to_owned()),
        None if has(&["client-certificate", "tokenFile"]) => Login::Files,
        None if has(&["token"]) => Login::Token,
        None if has(&["username"]) => Login::Password,
        None => Login::Nothing,
    })
}

fn unreadable() -> KubecfgError {
    KubecfgError::NotAKubeconfig { reason: "a certificate in it is not readable".to_owned() }
}

/// The life of a certificate, the first of a PEM text or one in DER, seen at this moment.
///
/// # Errors
/// [`KubecfgError::NotAKubeconfig`] where it is neither.
pub fn life(certificate: impl AsRef<[u8]>, at: SystemTime) -> Result<Life, KubecfgError> {
    let bytes = certificate.as_ref();
    let pem = x509_parser::pem::parse_x509_pem(bytes).ok().map(|(_, block)| block.contents);
    let der = pem.as_deref().unwrap_or(bytes);
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable())?;
    let validity = certificate.validity();
    let (from, until) = (validity.not_before, validity.not_after);
    let now = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    Ok(Life {
        subject: certificate.subject().to_string(),
        from: rfc3339(from.timestamp()),
        until: rfc3339(until.timestamp()),
        days_left: (until.timestamp() - now).div_euclid(86_400),
        is_valid: (from.timestamp()..=until.timestamp()).contains(&now),
    })
}

fn rfc3339(seconds: i64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}
