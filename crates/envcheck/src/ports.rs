//! Ports to listen on.

use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use crate::finding::{Check, Finding, Level};

/// Tries to listen, and lets go at once.
pub(crate) fn probe(address: SocketAddr) -> Result<(), Error> {
    TcpListener::bind(address).map(drop)
}

/// Judges an attempt. An address this host does not have yet is no obstacle: the lab's network brings it.
pub(crate) fn judge_port(address: SocketAddr, attempt: Result<(), &Error>) -> Finding {
    let finding =
        |level| Finding::new(Check::Port, level, address.to_string()).wanted("free").remedy(address.port().to_string());
    match attempt {
        Ok(()) => finding(Level::Good).found("free"),
        Err(e) if e.kind() == ErrorKind::AddrNotAvailable => finding(Level::Good).found("no such address yet"),
        Err(e) if e.kind() == ErrorKind::AddrInUse => finding(Level::Error).found("in use"),
        Err(e) => finding(Level::Error).found(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_somebody_listens_on_is_in_use() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let found = judge_port(address, probe(address).as_ref().copied());
        assert_eq!((found.level, found.found.as_str()), (Level::Error, "in use"));
        drop(taken);
        assert_eq!(judge_port(address, probe(address).as_ref().copied()).level, Level::Good);
    }

    #[test]
    fn an_address_that_is_not_there_yet_is_fine() {
        let away = Error::from(ErrorKind::AddrNotAvailable);
        assert_eq!(judge_port("192.0.2.1:5000".parse().unwrap(), Err(&away)).level, Level::Good);
    }
}
