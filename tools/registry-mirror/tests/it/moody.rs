//! A registry without TLS that ends uploads badly: it closes its side early, says nothing, or forgets. It knows no mounts.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use registry_mirror::Digest;

/// Larger bodies are layers.
const LARGE: usize = 1 << 20;

/// How it takes the upload of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes everything, keeps the blob, and closes without a word.
    Wordless,
    /// Closes its side after half, and reads on as long as something comes.
    HalfClosed,
    /// Closes both sides after half.
    Gone,
    /// Takes everything, and then knows no such upload.
    Forgetful,
}

#[derive(Default)]
struct State {
    moods: VecDeque<Mood>,
    uploads: HashMap<String, Vec<u8>>,
    blobs: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, Vec<u8>>,
    /// Method and path of every request.
    seen: Vec<String>,
    /// Bytes of layers that came.
    came: usize,
}

#[derive(Clone)]
pub(crate) struct Moody {
    pub(crate) host: String,
    state: Arc<Mutex<State>>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    length: usize,
    from: Option<usize>,
}

impl Moody {
    pub(crate) fn start(moods: &[Mood]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let state = Mutex::new(State { moods: moods.iter().copied().collect(), ..State::default() });
        let moody = Self { host, state: Arc::new(state) };
        let serving = moody.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(&stream));
            }
        });
        moody
    }

    pub(crate) fn requests(&self, method: &str, part: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.seen.iter().filter(|line| line.starts_with(method) && line.contains(part)).count()
    }

    pub(crate) fn has(&self, bytes: &[u8]) -> bool {
        self.state.lock().unwrap().blobs.get(&Digest::of(bytes).to_string()).is_some_and(|b| b == bytes)
    }

    pub(crate) fn manifests(&self) -> usize {
        self.state.lock().unwrap().manifests.len()
    }

    /// Bytes of layers that came, the same byte twice counted twice.
    pub(crate) fn came(&self) -> usize {
        self.state.lock().unwrap().came
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = Request::read(&mut reader) {
            self.state.lock().unwrap().seen.push(format!("{} {}?{}", request.method, request.path, request.query));
            let Some(answer) = self.answer(&request, &mut reader, stream) else { return };
            if { stream }.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &Request, reader: &mut impl Read, stream: &TcpStream) -> Option<String> {
        let (_, last) = request.path.rsplit_once('/')?;
        let upload = request.path.contains("/blobs/uploads/");
        match request.method.as_str() {
            "PUT" if upload => return self.put(request, last, reader, stream),
            "PUT" => {
                let mut bytes = vec![0; request.length];
                reader.read_exact(&mut bytes).ok()?;
                self.state.lock().unwrap().manifests.insert(last.to_owned(), bytes);
                return Some(said("201 Created", ""));
            }
            _ => {}
        }
        let mut state = self.state.lock().unwrap();
        let found = |there: bool| said(if there { "200 OK" } else { "404 Not Found" }, "");
        Some(match request.method.as_str() {
            "POST" => {
                let id = format!("upload-{}", state.seen.len());
                let place = format!("Location: {}{id}\r\n", request.path);
                state.uploads.insert(id, Vec::new());
                said("202 Accepted", &place)
            }
            "GET" if upload => match state.uploads.get(last).map(Vec::len) {
                Some(length) => {
                    let end = length.saturating_sub(1);
                    said("204 No Content", &format!("Location: {}\r\nRange: 0-{end}\r\n", request.path))
                }
                None => found(false),
            },
            _ => found(state.blobs.contains_key(last)),
        })
    }

    /// Takes the rest of a blob, as its mood is.
    fn put(&self, request: &Request, id: &str, reader: &mut impl Read, stream: &TcpStream) -> Option<String> {
        let there = self.state.lock().unwrap().uploads.get(id).map(Vec::len);
        if there.is_none_or(|there| request.from.unwrap_or(0) != there) {
            let _ = std::io::copy(&mut reader.take(request.length as u64), &mut std::io::sink());
            let status = if there.is_none() { "404 Not Found" } else { "416 Range Not Satisfiable" };
            return Some(said(status, ""));
        }
        let large = there.unwrap_or(0) + request.length > LARGE;
        let mood = if large { self.state.lock().unwrap().moods.pop_front() } else { None };
        let (mut left, half) = (request.length, request.length / 2);
        let mut piece = vec![0; 1 << 16];
        while left > 0 {
            let size = piece.len().min(left);
            let Ok(read @ 1..) = reader.read(&mut piece[..size]) else { return None };
            let before = left;
            left -= read;
            {
                let mut state = self.state.lock().unwrap();
                state.came += if large { read } else { 0 };
                state.uploads.get_mut(id)?.extend_from_slice(&piece[..read]);
            }
            if before > half && left <= half {
                match mood {
                    Some(Mood::HalfClosed) => stream.shutdown(Shutdown::Write).ok()?,
                    Some(Mood::Gone) => return stream.shutdown(Shutdown::Both).ok().and(None),
                    _ => {}
                }
            }
        }
        let mut state = self.state.lock().unwrap();
        let bytes = state.uploads.remove(id)?;
        if mood == Some(Mood::Forgetful) {
            return Some(said("404 Not Found", ""));
        }
        let digest = Digest::of(&bytes).to_string();
        if !request.query.replace("%3A", ":").contains(&digest) {
            return Some(said("400 Bad Request", ""));
        }
        state.blobs.insert(digest, bytes);
        match mood {
            Some(Mood::Wordless | Mood::HalfClosed) => stream.shutdown(Shutdown::Both).ok().and(None),
            _ => Some(said("201 Created", "")),
        }
    }
}

impl Request {
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut this = Self { method, path: path.to_owned(), query: query.to_owned(), length: 0, from: None };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { return Some(this) };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => this.length = value.trim().parse().ok()?,
                "content-range" => this.from = value.trim().split('-').next()?.parse().ok(),
                _ => {}
            }
        }
    }
}

fn said(status: &str, headers: &str) -> String {
    let length = if status.starts_with("204") { "" } else { "Content-Length: 0\r\n" };
    format!("HTTP/1.1 {status}\r\n{headers}{length}\r\n")
}
