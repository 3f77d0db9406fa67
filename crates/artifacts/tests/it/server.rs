//! A small HTTPS server for one file.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret;

/// What the server does wrong with one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trick {
    /// Hangs up after so many bytes of the body.
    CutAfter(usize),
    /// Sends everything whatever was asked for.
    NoRange,
}

pub(crate) struct Server {
    port: u16,
    pub(crate) ca_pem: String,
    seen: Arc<Mutex<Vec<Option<usize>>>>,
}

impl Server {
    pub(crate) fn start(content: Vec<u8>, tricks: Vec<Trick>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let networks = vec![(Ipv4Addr::LOCALHOST.into(), 32)];
        let spec = pki::AuthoritySpec { name: "test".into(), networks, domains: vec![] };
        let authority = pki::Authority::ensure(dir.path(), &spec, SystemTime::now()).unwrap();
        let identity = authority.issue_server("server", &["127.0.0.1".into()], SystemTime::now()).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(identity.cert_pem().as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(identity.key_pem().expose_secret().as_bytes()).unwrap();
        let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let tls = Arc::new(tls);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            ca_pem: authority.cert_pem().into(),
            seen: seen.clone(),
        };
        std::thread::spawn(move || {
            let mut tricks = tricks.into_iter();
            for socket in listener.incoming() {
                let session = rustls::ServerConnection::new(tls.clone()).unwrap();
                // A client that refuses the certificate ends its connection, not the server.
                let _ = answer(rustls::StreamOwned::new(session, socket.unwrap()), &content, &mut tricks, &seen);
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}/k3s", self.port)
    }

    /// The offset that each request asked for.
    pub(crate) fn requests(&self) -> Vec<Option<usize>> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(
    stream: rustls::StreamOwned<rustls::ServerConnection, std::net::TcpStream>,
    content: &[u8],
    tricks: &mut impl Iterator<Item = Trick>,
    seen: &Mutex<Vec<Option<usize>>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut offset = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line == "\r\n" {
            break;
        }
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            offset = range.trim().trim_end_matches('-').parse::<usize>().ok();
        }
    }
    seen.lock().unwrap().push(offset);
    let trick = tricks.next();
    let start = if matches!(trick, Some(Trick::NoRange)) { 0 } else { offset.unwrap_or(0) };
    let body = &content[start.min(content.len())..];
    let out = stream.get_mut();
    match (offset, trick) {
        (Some(_), Some(Trick::NoRange)) | (None, _) => write!(out, "HTTP/1.1 200 OK\r\n")?,
        (Some(_), _) => {
            let (last, size) = (content.len() - 1, content.len());
            write!(out, "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {start}-{last}/{size}\r\n")?;
        }
    }
    write!(out, "content-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
    let end = match trick {
        Some(Trick::CutAfter(n)) => n.min(body.len()),
        _ => body.len(),
    };
    out.write_all(&body[..end])?;
    out.conn.send_close_notify();
    out.flush()
}
