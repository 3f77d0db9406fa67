//! The proxy that kubectl would take, by the rules of Go's `net/http`.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::route::{Endpoint, connect};
use super::{CheckError, told};

/// A proxy, and who asked for it.
pub(crate) struct Proxy {
    variable: &'static str,
    scheme: String,
    /// `USER:PASSWORD`.
    login: Option<String>,
    at: Endpoint,
}

/// Without the login.
impl std::fmt::Display for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.at)
    }
}

/// The proxy for this endpoint; `proxy-url` counts before the environment.
pub(crate) fn of(
    endpoint: &Endpoint,
    url: Option<&str>,
    var: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, CheckError> {
    let first = |names: [&'static str; 2]| {
        names.into_iter().find_map(|name| Some((name, var(name).filter(|value| !value.is_empty())?)))
    };
    let (variable, value) = match url {
        Some(url) => ("proxy-url", url.to_owned()),
        None => match first(["HTTPS_PROXY", "https_proxy"]) {
            Some(found) if !is_exempt(endpoint, &first(["NO_PROXY", "no_proxy"]).map_or_else(String::new, |v| v.1)) => {
                found
            }
            _ => return Ok(None),
        },
    };
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", &value));
    let (login, at) = match rest.trim_end_matches('/').rsplit_once('@') {
        Some((login, at)) => (Some(login.to_owned()), at),
        None => (None, rest.trim_end_matches('/')),
    };
    let port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => 1080,
    };
    let (scheme, at) = (scheme.to_owned(), Endpoint::of(at, port));
    match at {
        Some(at) => Ok(Some(Proxy { variable, scheme, login, at })),
        None => {
            let at = Endpoint { host: "?".to_owned(), port };
            Err(Proxy { variable, scheme, login: None, at }.trouble(endpoint, "its address is not readable".to_owned()))
        }
    }
}

/// Whether Go goes straight there. This host itself never needs a proxy.
fn is_exempt(endpoint: &Endpoint, list: &str) -> bool {
    let host = endpoint.host.trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
        return true;
    }
    list.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some((network, bits)) = entry.split_once('/') {
            let parsed = (network.parse::<IpAddr>(), bits.parse::<u32>());
            return matches!((parsed, address), ((Ok(net), Ok(bits)), Some(a)) if is_within(a, net, bits));
        }
        let named = match entry.parse::<IpAddr>() {
            Ok(ip) => Some(Endpoint { host: ip.to_string(), port: endpoint.port }),
            Err(_) => Endpoint::of(&entry, endpoint.port),
        };
        let Some(named) = named.filter(|n| n.port == endpoint.port) else { return false };
        if let (Ok(ip), Some(address)) = (named.host.parse::<IpAddr>(), address) {
            return ip == address;
        }
        let domain = named.host.trim_start_matches("*");
        match domain.strip_prefix('.') {
            Some(_) => host.ends_with(domain),
            None => host == domain || host.ends_with(&format!(".{domain}")),
        }
    })
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let cut = |bytes: u128, width: u32| if bits == 0 { 0 } else { bytes >> width.saturating_sub(bits) };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => cut(u32::from(a).into(), 32) == cut(u32::from(n).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => cut(a.into(), 128) == cut(n.into(), 128),
        _ => false,
    }
}

impl Proxy {
    fn trouble(&self, to: &Endpoint, reason: String) -> CheckError {
        let (proxy, host) = (self.to_string(), to.host.clone());
        CheckError::Proxy { variable: self.variable, proxy, endpoint: to.to_string(), host, reason }
    }

    /// A connection through it.
    pub(crate) fn tunnel(&self, to: &Endpoint, patience: Duration) -> Result<TcpStream, CheckError> {
        if self.scheme != "http" {
            return Err(self.trouble(to, format!("a proxy of kind {} is not followed by this check", self.scheme)));
        }
        let mut stream = connect(&self.at, patience).map_err(|e| self.trouble(to, e.to_string()))?;
        let login = self.login.as_ref().map(|login| STANDARD.encode(login));
        let login = login.map_or_else(String::new, |login| format!("Proxy-Authorization: Basic {login}\r\n"));
        let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{login}\r\n");
        let status = stream.write_all(request.as_bytes()).and_then(|()| head(&mut stream));
        match status.map_err(|e| self.trouble(to, told(&e)))? {
            head if head.split(' ').nth(1) == Some("200") => Ok(stream),
            head => Err(self.trouble(to, format!("it answers {}", head.trim()))),
        }
    }
}

/// The first line of an answer without a body; everything up to the empty line is read, and not a byte more.
fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"\r\n\r\n") && seen.len() < 16_384 {
        stream.read_exact(&mut byte)?;
        seen.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&seen).lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_proxy_is_what_go_says() {
        let exempt = |host: &str, list: &str| is_exempt(&Endpoint { host: host.to_owned(), port: 6443 }, list);
        for (host, list, expected) in [
            ("192.168.6.10", "", false),
            ("127.0.0.1", "", true),
            ("localhost", "", true),
            ("192.168.6.10", "*", true),
            ("192.168.6.10", "localhost, 192.168.6.10", true),
            ("192.168.6.10", "192.168.6.0/24", true),
            ("192.168.7.10", "192.168.6.0/24", false),
            ("192.168.6.10", "0.0.0.0/0", true),
            ("192.168.6.10", "192.168.6.10:443", false),
            ("192.168.6.10", "192.168.6.10:6443", true),
            ("192.168.6.10", "192.168.6.*", false),
            ("192.168.6.10", "192.168.6", false),
            ("api.lab.test", "lab.test", true),
            ("lab.test", ".lab.test", false),
            ("api.lab.test", ".lab.test", true),
            ("API.lab.test", "*.LAB.test", true),
            ("otherlab.test", "lab.test", false),
            ("fd00::1", "fd00::/8", true),
        ] {
            assert_eq!(exempt(host, list), expected, "{host} with NO_PROXY={list}");
        }
    }

    #[test]
    fn a_login_is_not_told() {
        let var = |name: &str| (name == "https_proxy").then(|| "http://me:canary@proxy.test:3128/".to_owned());
        let proxy = of(&Endpoint { host: "h".into(), port: 1 }, None, &var).unwrap().unwrap();
        assert_eq!((proxy.to_string(), proxy.variable), ("http://proxy.test:3128".to_owned(), "https_proxy"));
    }
}
