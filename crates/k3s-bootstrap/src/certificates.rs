//! When the certificates on a node end, and making new ones.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use machine::{Cmd, Exec};
use serde::Serialize;
use x509_parser::pem::Pem;

use crate::files::K3S;
use crate::{K3sError, Unit};

/// A certificate k3s keeps on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Its file.
    pub path: String,
    /// Whose it is.
    pub subject: String,
    /// Whether it signs others: these k3s does not renew by itself.
    pub authority: bool,
    /// When it ends, in seconds since 1970.
    pub ends: i64,
    /// Whole days until then; negative when it has ended.
    pub days: i64,
}

const FIND: &str =
    "find /var/lib/rancher/k3s/server/tls /var/lib/rancher/k3s/agent -name '*.crt' -type f 2> /dev/null | sort |
while IFS= read -r path; do
  echo \"== $path\"
  cat \"$path\"
done";

/// The certificates of a node, those that end first in front.
pub async fn certificates(exec: &dyn Exec) -> Result<Vec<Certificate>, K3sError> {
    let text = exec.run_ok(&Cmd::new("sh").args(["-c", FIND]).as_root()).await?.text();
    Ok(read(&text, SystemTime::now()))
}

/// The first certificate of every file: what follows in it are those that signed it.
fn read(text: &str, now: SystemTime) -> Vec<Certificate> {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs().cast_signed());
    let mut all: Vec<Certificate> = text
        .split("== ")
        .filter_map(|part| {
            let (path, pem) = part.split_once('\n')?;
            let pem = Pem::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
            let x509 = pem.parse_x509().ok()?;
            let ends = x509.validity().not_after.timestamp();
            Some(Certificate {
                path: path.to_owned(),
                subject: x509.subject().to_string(),
                authority: x509.is_ca(),
                ends,
                days: (ends - now).div_euclid(86_400),
            })
        })
        .collect();
    all.sort_by(|a, b| (a.ends, &a.path).cmp(&(b.ends, &b.path)));
    all
}

/// Makes new certificates on a node, with k3s stopped meanwhile. The cluster's authorities stay. A kubeconfig that was
/// fetched earlier holds an old client certificate, which is good until its own end.
pub async fn rotate_certificates(exec: &dyn Exec, unit: Unit) -> Result<(), K3sError> {
    let systemctl =
        |verb: &str| Cmd::new("systemctl").args([verb, unit.name()]).as_root().timeout(Duration::from_secs(300));
    exec.run_ok(&systemctl("stop")).await?;
    let rotated = exec.run(&Cmd::new(K3S).args(["certificate", "rotate"]).as_root()).await;
    exec.run_ok(&systemctl("start")).await?;
    let out = rotated?;
    if out.code == 0 {
        return Ok(());
    }
    let last = out.error_text().lines().last().unwrap_or("no output").to_owned();
    Err(K3sError::Certificates { node: exec.target(), last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_sorted_by_their_end_and_what_is_none_is_left_out() {
        let made = |days: i64, name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(2026, 1, 1) + Duration::from_secs(86_400 * days.cast_unsigned());
            params.self_signed(&key).unwrap().pem()
        };
        let (late, early) = (made(40, "late"), made(3, "early"));
        let text = format!("== /tls/a.crt\n{late}== /tls/broken.crt\nnothing\n== /tls/b.crt\n{early}{late}");
        let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600 - 3600);
        let read = read(&text, now);
        assert_eq!(
            read.iter().map(|c| (c.path.as_str(), c.days)).collect::<Vec<_>>(),
            [("/tls/b.crt", 3), ("/tls/a.crt", 40)]
        );
    }
}
