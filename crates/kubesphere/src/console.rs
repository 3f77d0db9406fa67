//! The console as a person reaches it, and the login behind it.

use std::time::Duration;

use kubeapi::{Api, ApiError};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use steps::{Sink, Wait, chain, wait_for};

use crate::{KubeSphereError, NAMESPACE};

/// Where the console answers.
#[derive(Debug, Clone)]
pub struct Console {
    /// `http://192.168.6.10:30880`.
    pub url: String,
    http: reqwest::Client,
}

/// What a login attempt ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// A token was given.
    Accepted,
    /// The password is not the right one.
    Refused,
}

impl Console {
    /// A console at an address and port. It never goes through a proxy: a lab is not behind one.
    pub fn at(address: &str) -> Result<Self, KubeSphereError> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
        let http = client.build().map_err(|e| KubeSphereError::Made { what: format!("HTTP client: {e}") })?;
        Ok(Self { url: format!("http://{address}"), http })
    }

    /// Waits until the page is there: 200 in the end, whatever it leads to.
    pub async fn answers(&self, deadline: Duration, sink: &dyn Sink) -> Result<(), KubeSphereError> {
        let wait = Wait::new(format!("the console at {}", self.url), deadline);
        wait_for(wait, sink, || async {
            let answer = self.http.get(&self.url).send().await.map_err(|e| chain(&e))?;
            if answer.status().is_success() { Ok(()) } else { Err(format!("it answers {}", answer.status())) }
        })
        .await?;
        Ok(())
    }
}

/// One login at ks-apiserver through the API's proxy, as the console does it. Ten failures lock the user for ten minutes:
/// never in a loop.
pub async fn login(api: &Api, user: &str, password: &SecretString) -> Result<Login, KubeSphereError> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/services/ks-apiserver:80/proxy/oauth/token");
    let body: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "password")
        .append_pair("client_id", "kubesphere")
        .append_pair("client_secret", "kubesphere")
        .append_pair("username", user)
        .append_pair("password", password.expose_secret())
        .finish();
    let url = || format!("{}{}", api.url().trim_end_matches('/'), path);
    match api.post(&path, "application/x-www-form-urlencoded", body.into_bytes()).await {
        Ok(text) => {
            let token: Value = serde_json::from_str(&text).unwrap_or_default();
            if token["access_token"].is_string() {
                return Ok(Login::Accepted);
            }
            Err(KubeSphereError::Console { url: url(), last: "an answer without a token".into() })
        }
        // the API itself has answered us before: this no is from behind it
        Err(ApiError::Unauthorized { .. } | ApiError::Refused { code: 400 | 401, .. }) => Ok(Login::Refused),
        Err(e) => Err(e.into()),
    }
}
