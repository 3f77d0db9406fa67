//! One request and its answer.

use std::io::{ErrorKind, Read, Write};
use std::time::SystemTime;

use serde_json::Value;

use super::route::Endpoint;

/// More than any answer to what we ask.
const LIMIT: u64 = 4 << 20;

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The server's clock.
    pub(crate) date: Option<SystemTime>,
    body: Vec<u8>,
}

impl Reply {
    /// A text at the top of an answer in JSON.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        serde_json::from_slice::<Value>(&self.body).ok()?[name].as_str().map(str::to_owned)
    }

    /// The begin of the body, for an answer that is no JSON.
    pub(crate) fn first_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        text.lines().next().unwrap_or_default().chars().take(200).collect()
    }
}

/// Asks in HTTP/1.0, so that the answer ends with the connection.
pub(crate) fn get(stream: &mut (impl Read + Write), host: &Endpoint, path: &str) -> std::io::Result<Reply> {
    let ask = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\nUser-Agent: airlab\r\n\r\n");
    stream.write_all(ask.as_bytes())?;
    stream.flush()?;
    let mut seen = Vec::new();
    match stream.take(LIMIT).read_to_end(&mut seen) {
        // many end without TLS's goodbye
        Err(e) if e.kind() == ErrorKind::UnexpectedEof && !seen.is_empty() => {}
        other => drop(other?),
    }
    parse(&seen).ok_or_else(|| std::io::Error::new(ErrorKind::Unsupported, "it does not answer in HTTP"))
}

fn parse(seen: &[u8]) -> Option<Reply> {
    let end = seen.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&seen[..end]).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    first.next().filter(|version| version.starts_with("HTTP/1."))?;
    let status = first.next()?.parse().ok()?;
    let dates = lines.filter_map(|line| line.split_once(':')).filter(|(name, _)| name.eq_ignore_ascii_case("date"));
    let date = dates.map(|(_, value)| httpdate::parse_http_date(value.trim()).ok()).next().flatten();
    Some(Reply { status, date, body: seen[end + 4..].to_vec() })
}
