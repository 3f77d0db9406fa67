//! This host's clock against the registry's. The registry mostly runs on this host; one in a virtual machine of its own,
//! Docker's or WSL's, may have slept.

use std::time::{Duration, Instant, SystemTime};

use steps::innermost;
use timesync::{Bounds, Offset};

use super::{Registry, client};

/// Answers narrow the offset down until it is known to a tenth of a second.
const NARROW: Duration = Duration::from_millis(120);
/// A second and a half hold one change of the registry's second.
const LONG: Duration = Duration::from_millis(1500);

impl Registry<'_> {
    /// This host's clock minus the registry's, by the `Date` of its answers.
    pub(crate) async fn host_offset(&self) -> Result<Offset, String> {
        let ca = match self.external() {
            Some(external) => external.ca_pem().map_err(|e| e.to_string())?,
            None => Some(self.ca_pem.to_owned()),
        };
        host_offset(&self.lab.registry_address(), ca.as_deref()).await
    }
}

/// This host's clock minus that of the registry at `address`, which the authority in `ca_pem` must vouch for, or one of
/// the system's.
///
/// # Errors
/// Why it could not be measured.
pub async fn host_offset(address: &str, ca_pem: Option<&str>) -> Result<Offset, String> {
    let client = client(ca_pem)?;
    let ask = async || {
        let asked = now();
        let answer = client.head(format!("https://{address}/v2/")).send().await.map_err(|e| innermost(&e))?;
        let answered = now();
        let date = answer.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok()).ok_or("it says no Date")?;
        Ok::<_, String>(Bounds::of(asked, seconds(date), answered))
    };
    let start = Instant::now();
    let mut bounds = ask().await?;
    while bounds.width() > NARROW && start.elapsed() < LONG {
        tokio::time::sleep(Duration::from_millis(40)).await;
        bounds = bounds.and(ask().await?);
    }
    bounds.offset().ok_or_else(|| "its Date does not move".to_owned())
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
