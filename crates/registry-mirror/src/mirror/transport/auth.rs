//! Showing a registry who asks: basic, or tokens (distribution/distribution, "Token Authentication Specification").

use std::collections::HashMap;
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::Answer;
use super::challenge::Challenge;
use super::credentials::Login;
use super::retry::{Trouble, refused};
use crate::RegistryError;

/// Seconds that a token lives when its giver does not say (the specification's default).
const USUAL_LIFE: u64 = 60;
/// Taken off a token's life, so that it does not end on its way.
const MARGIN: u64 = 10;

/// What a registry has asked for, and what it was given. Nothing is sent before a registry asks.
pub(super) struct Auth {
    registry: String,
    login: Option<Login>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    challenge: Option<Challenge>,
    tokens: HashMap<String, Token>,
}

struct Token {
    header: HeaderValue,
    until: Instant,
}

#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Auth {
    pub(super) fn new(registry: &str, login: Option<Login>) -> Self {
        Self { registry: registry.to_owned(), login, state: Mutex::default() }
    }

    /// The header for requests with this scope, once the registry has asked for one.
    pub(super) async fn header(
        &self,
        http: &Client,
        scope: &str,
    ) -> Result<Option<(&'static str, HeaderValue)>, Trouble> {
        let mut state = self.state.lock().await;
        let value = match state.challenge.clone() {
            None => return Ok(None),
            Some(Challenge::Basic) => match &self.login {
                Some(Login::Password { user, password }) => basic(user, password)?,
                _ => return Ok(None),
            },
            Some(Challenge::Bearer { realm, service }) => {
                if let Some(token) = state.tokens.get(scope).filter(|t| t.until > Instant::now()) {
                    return Ok(Some((AUTHORIZATION.as_str(), token.header.clone())));
                }
                let token = self.fetch(http, &realm, service.as_deref(), scope).await?;
                let header = token.header.clone();
                state.tokens.insert(scope.to_owned(), token);
                header
            }
        };
        Ok(Some((AUTHORIZATION.as_str(), value)))
    }

    /// Takes note of a 401 to a request that was shown this. Says whether another try can do better: not when a login
    /// was shown as this challenge asks for it. Requests that went out beside the first one knew of no challenge either.
    pub(super) async fn asked(&self, headers: &HeaderMap, scope: &str, shown: Option<&HeaderValue>) -> bool {
        let Some(challenge) = Challenge::of(headers) else { return false };
        let mut state = self.state.lock().await;
        if state.tokens.get(scope).is_some_and(|token| Some(&token.header) == shown) {
            state.tokens.remove(scope);
        }
        let new = state.challenge.as_ref() != Some(&challenge);
        let tokens = matches!(challenge, Challenge::Bearer { .. });
        state.challenge = Some(challenge);
        tokens || (self.login.is_some() && (new || shown.is_none()))
    }

    async fn fetch(&self, http: &Client, realm: &str, service: Option<&str>, scope: &str) -> Result<Token, Trouble> {
        let fail = |why: String| RegistryError::Unauthorized { registry: self.registry.clone(), why };
        let mut url = reqwest::Url::parse(realm).map_err(|e| fail(format!("realm {realm}: {e}")))?;
        let request = match &self.login {
            Some(Login::Token(token)) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                let pairs = [("grant_type", "refresh_token"), ("client_id", "airlab"), ("scope", scope)];
                form.extend_pairs(pairs).append_pair("refresh_token", token.expose_secret());
                form.extend_pairs(service.map(|service| ("service", service)));
                http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form.finish())
            }
            login => {
                let scopes = scope.split(' ').map(|scope| ("scope", scope));
                url.query_pairs_mut().extend_pairs(service.map(|service| ("service", service))).extend_pairs(scopes);
                match login {
                    Some(Login::Password { user, password }) => {
                        http.get(url).header(AUTHORIZATION, basic(user, password)?)
                    }
                    _ => http.get(url),
                }
            }
        };
        let response = request.send().await.map_err(|e| Trouble::Passing(fail(steps::innermost(&e)), None))?;
        let answer = Answer::read(response, &self.registry).await?;
        if !answer.status.is_success() {
            return Err(refused(&self.registry, &answer));
        }
        let given: Given =
            serde_json::from_slice(&answer.body).map_err(|e| fail(format!("the token's answer: {e}")))?;
        let token = given.token.or(given.access_token).ok_or_else(|| fail("the answer holds no token".into()))?;
        let life = given.expires_in.unwrap_or(USUAL_LIFE).max(USUAL_LIFE);
        let header =
            secret_header(&format!("Bearer {token}")).ok_or_else(|| fail("the token cannot be sent".into()))?;
        Ok(Token { header, until: Instant::now() + Duration::from_secs(life.saturating_sub(MARGIN)) })
    }
}

fn basic(user: &str, password: &SecretString) -> Result<HeaderValue, Trouble> {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.expose_secret()));
    let why = || RegistryError::Unauthorized { registry: user.to_owned(), why: "the password cannot be sent".into() };
    Ok(secret_header(&format!("Basic {pair}")).ok_or_else(why)?)
}

fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(challenge: &'static str) -> HeaderMap {
        [(reqwest::header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))].into_iter().collect()
    }

    #[tokio::test]
    async fn requests_side_by_side_are_all_shown_the_login_and_none_twice() {
        let login = Login::Password { user: "anna".into(), password: "secret".into() };
        let (auth, basic) = (Auth::new("r", Some(login)), asks("Basic realm=\"r\""));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        assert!(auth.header(&http, "a").await.is_ok_and(|shown| shown.is_none()));
        assert!(auth.asked(&basic, "a", None).await && auth.asked(&basic, "b", None).await);
        let Ok(Some((_, shown))) = auth.header(&http, "b").await else { panic!("nothing is shown") };
        assert!(!auth.asked(&basic, "b", Some(&shown)).await);
        assert!(!Auth::new("r", None).asked(&basic, "a", None).await, "nobody has no login");
    }
}
