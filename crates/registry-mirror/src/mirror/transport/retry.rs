//! How often and how long after a failure a request is made again.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::Answer;
use crate::RegistryError;

/// Longest wait that a server can ask for.
const LONGEST: Duration = Duration::from_secs(120);

/// Retries of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    /// How often after the first failure.
    pub(crate) times: u32,
    /// The first wait; it doubles every time.
    pub(crate) first: Duration,
}

/// Why a request did not give what was asked for.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Worth another try, after what the server asked for.
    Passing(RegistryError, Option<Duration>),
    /// Another try gives the same.
    Lasting(RegistryError),
    /// The registry does not know an upload, or has something else of it than we think: another upload may do.
    Lost(RegistryError),
}

impl Trouble {
    pub(crate) fn error(self) -> RegistryError {
        match self {
            Self::Passing(error, _) | Self::Lasting(error) | Self::Lost(error) => error,
        }
    }
}

impl From<RegistryError> for Trouble {
    fn from(error: RegistryError) -> Self {
        Self::Lasting(error)
    }
}

impl Retry {
    /// Waits after a trouble that may pass and counts it; gives it back when it lasts or there were too many.
    pub(crate) async fn wait(self, trouble: Trouble, failures: &mut u32) -> Result<(), RegistryError> {
        let (error, asked) = match trouble {
            Trouble::Passing(error, asked) => (error, asked),
            Trouble::Lost(error) => (error, None),
            Trouble::Lasting(error) => return Err(error),
        };
        if *failures >= self.times {
            return Err(error);
        }
        tracing::info!(%error, failures, "trying again");
        tokio::time::sleep(self.pause(*failures, asked)).await;
        *failures += 1;
        Ok(())
    }

    /// The wait after a number of failures: doubled each time, up to a quarter longer so that clients spread out.
    pub(crate) fn pause(self, failures: u32, asked: Option<Duration>) -> Duration {
        let own = self.first.saturating_mul(2u32.saturating_pow(failures)).min(LONGEST);
        let mut random = [0];
        let _ = getrandom::fill(&mut random);
        let spread = own / 4 * u32::from(random[0]) / 255;
        asked.map_or(own + spread, |asked| asked.min(LONGEST).max(Duration::from_millis(1)) + spread)
    }
}

/// Whether an answer is one that passes: too many requests, time-outs and server errors.
pub(crate) fn passing(status: StatusCode) -> bool {
    let not_ever = [StatusCode::NOT_IMPLEMENTED, StatusCode::HTTP_VERSION_NOT_SUPPORTED];
    status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || (status.is_server_error() && !not_ever.contains(&status))
}

/// What the server asked for with `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// An answer that is no success, as a reason.
pub(crate) fn refused(registry: &str, answer: &Answer) -> Trouble {
    let (status, asked) = (answer.status, retry_after(&answer.headers));
    let why = match code(&answer.body) {
        Some(code) => format!("{status}: {code}"),
        None => status.to_string(),
    };
    let error = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            RegistryError::Unauthorized { registry: registry.to_owned(), why }
        }
        _ => RegistryError::Remote { registry: registry.to_owned(), why },
    };
    if passing(status) { Trouble::Passing(error, asked) } else { Trouble::Lasting(error) }
}

/// The first error of a registry's error body (distribution specification, "Error Codes"), in its words.
fn code(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let first = body.get("errors")?.get(0)?;
    let text = |key: &str| first.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    Some(format!("{} {}", text("code"), text("message")).trim().chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_follow_the_server() {
        let retry = Retry { times: 3, first: Duration::from_secs(1) };
        assert!((1000..=1250).contains(&retry.pause(0, None).as_millis()));
        assert!((4000..=5000).contains(&retry.pause(2, None).as_millis()));
        assert!(retry.pause(0, Some(Duration::from_secs(7))) >= Duration::from_secs(7));
        assert!(retry.pause(40, Some(Duration::from_secs(1 << 30))) <= LONGEST * 2, "no server stops us for hours");
    }

    #[test]
    fn both_forms_of_retry_after() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("3"), Some(Duration::from_secs(3)));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
        assert!(read(&date).is_some_and(|d| (25..=30).contains(&d.as_secs())));
        assert_eq!(read("soon"), None);
    }
}
