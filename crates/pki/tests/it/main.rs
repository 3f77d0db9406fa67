//! Certificates as other programs see them: rustls, OpenSSL.

#![allow(clippy::unwrap_used)]

mod authority;
mod cluster;

use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(86_400);

fn openssl(args: &[&str]) -> machine::Output {
    machine::Local.run(&machine::Cmd::new("openssl").args(args.iter().copied())).unwrap()
}

fn spec(network: &str, prefix: u8) -> pki::AuthoritySpec {
    pki::AuthoritySpec { name: "lab".into(), networks: vec![(network.parse().unwrap(), prefix)], domains: vec![] }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|n| (*n).to_string()).collect()
}

fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(unix)]
fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
