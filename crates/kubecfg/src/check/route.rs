//! Where the API is, and the way there.

use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::CheckError;

/// Host and port of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Name or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Endpoint {
    /// `https://HOST[:PORT][/]`.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        Self::of(url.strip_prefix("https://")?.trim_end_matches('/'), 443)
    }

    /// `HOST[:PORT]`.
    pub(crate) fn of(authority: &str, port: u16) -> Option<Self> {
        let (host, rest) = match authority.strip_prefix('[') {
            Some(v6) => v6.split_once(']')?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = if rest.is_empty() { port } else { rest.strip_prefix(':')?.parse().ok()? };
        let plain = !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
        plain.then(|| Self { host: host.to_owned(), port })
    }
}

/// A connection with a deadline on every wait.
pub(crate) fn connect(to: &Endpoint, patience: Duration) -> Result<TcpStream, CheckError> {
    let unreachable = |reason: String| CheckError::Route { host: to.host.clone(), reason };
    let addresses = (to.host.as_str(), to.port).to_socket_addrs();
    let mut last = unreachable("nobody knows this name".to_owned());
    for address in addresses.map_err(|e| unreachable(format!("the name is not known: {e}")))? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(stream) => {
                let set = stream.set_read_timeout(Some(patience)).and(stream.set_write_timeout(Some(patience)));
                return set.map(|()| stream).map_err(|e| unreachable(e.to_string()));
            }
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
                last = CheckError::Port { endpoint: to.to_string(), reason: "nothing listens there".to_owned() };
            }
            Err(e) if e.kind() == ErrorKind::TimedOut => {
                last = unreachable(format!("no answer within {} s", patience.as_secs_f32()));
            }
            Err(e) => last = unreachable(e.to_string()),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        let told = |url| Endpoint::parse(url).map(|e| (e.to_string(), e.host));
        let some = |endpoint: &str, host: &str| Some((endpoint.to_owned(), host.to_owned()));
        assert_eq!(told("https://192.168.6.10:6443"), some("192.168.6.10:6443", "192.168.6.10"));
        assert_eq!(told("https://api.lab/"), some("api.lab:443", "api.lab"));
        assert_eq!(told("https://[fd00::1]:6443"), some("[fd00::1]:6443", "fd00::1"));
        for bad in ["http://a:1", "https://", "https://a:b", "https://u@a", "https://a/path", "https://[::1"] {
            assert_eq!(told(bad), None, "{bad}");
        }
    }
}
