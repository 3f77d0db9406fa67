//! JSON over a machine's socket: the monitor and the guest agent speak it, one value a line.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Failure;
use crate::place::Place;

#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    /// Received and not yet taken.
    rest: Vec<u8>,
    what: &'static str,
}

impl Wire {
    pub(super) fn connect(place: &Place, name: &'static str) -> Result<Self, Failure> {
        let (_dir, path) = place.socket(name)?;
        let stream = UnixStream::connect(path).map_err(Failure::host(format!("connecting to the machine's {name}")))?;
        Ok(Self { stream, rest: Vec::new(), what: name })
    }

    pub(super) fn send(&mut self, before: &[u8], value: &Value, deadline: Duration) -> Result<(), Failure> {
        let mut bytes = before.to_vec();
        bytes.extend(value.to_string().bytes());
        bytes.push(b'\n');
        let sent = self.stream.set_write_timeout(Some(deadline)).and_then(|()| self.stream.write_all(&bytes));
        sent.map_err(|e| self.failed(e))
    }

    /// The next line that is JSON.
    pub(super) fn receive(&mut self, until: Instant) -> Result<Value, Failure> {
        loop {
            let line = self.line(until)?;
            // The agent marks a fresh start with a byte that no JSON has.
            let start = line.iter().rposition(|b| *b == 0xff).map_or(0, |at| at + 1);
            if let Ok(value) = serde_json::from_slice(&line[start..]) {
                return Ok(value);
            }
        }
    }

    fn line(&mut self, until: Instant) -> Result<Vec<u8>, Failure> {
        let mut buffer = vec![0; 64 << 10];
        let mut seen = 0;
        loop {
            if let Some(end) = self.rest[seen..].iter().position(|b| *b == b'\n') {
                let tail = self.rest.split_off(seen + end + 1);
                return Ok(std::mem::replace(&mut self.rest, tail));
            }
            seen = self.rest.len();
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let got = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut buffer));
            match got {
                Ok(0) => return Err(self.failed("it closed the connection")),
                Ok(n) => self.rest.extend(&buffer[..n]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(self.failed("no answer in time"));
                }
                Err(e) => return Err(self.failed(e)),
            }
        }
    }

    fn failed(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
        Failure::host(format!("speaking with the machine's {}", self.what))(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pair() -> (Wire, UnixStream) {
        let (here, there) = UnixStream::pair().unwrap();
        (Wire { stream: here, rest: Vec::new(), what: "test" }, there)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(300)
    }

    #[test]
    fn values_come_one_a_line_however_they_are_cut() {
        let (mut wire, mut there) = pair();
        there.write_all(b"rubbish\xff{\"a\":1}\n{\"b\":").unwrap();
        assert_eq!(wire.receive(soon()).unwrap(), json!({"a": 1}));
        there.write_all(b"2}\n").unwrap();
        assert_eq!(wire.receive(soon()).unwrap(), json!({"b": 2}));
        wire.send(b"\xff", &json!({"x": 1}), Duration::from_secs(1)).unwrap();
        let mut got = [0; 9];
        there.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"\xff{\"x\":1}\n");
    }

    #[test]
    fn silence_and_an_end_are_errors() {
        let (mut wire, there) = pair();
        assert!(wire.receive(soon()).unwrap_err().chain().contains("no answer in time"));
        drop(there);
        assert!(wire.receive(soon()).unwrap_err().chain().contains("closed"));
    }
}
