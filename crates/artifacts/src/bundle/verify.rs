//! Reading a bundle to the last byte. Everything that is wrong is found, not only the first.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use steps::{Event, Sink};

use super::parts::PartReader;
use super::{Bundle, BundleError, Entry, Manifest, PartFile, stream};
use crate::Verdicts;

const REPORT_EVERY: u64 = 64 << 20;

/// A bundle that was read to the last byte and found right. There is no other way to make one.
#[derive(Debug, Clone)]
pub struct Verified(Bundle);

/// The bytes of a blob, whatever parts they are in.
#[derive(Debug)]
pub struct Content(PartReader);

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Bundle {
    /// Like [`Bundle::verify`], but reads nothing where every part was verified before and did not change since.
    ///
    /// # Errors
    /// Those of [`Bundle::verify`].
    pub fn verify_again(self, verdicts: &mut Verdicts, sink: &dyn Sink) -> Result<Verified, BundleError> {
        let chain = std::iter::successors(Some(&self), |bundle| bundle.base.as_deref());
        let place = |bundle: &Self| {
            let part = |part: &PartFile| (bundle.dir.join(&part.file), part.sha256.clone());
            bundle.manifest().parts.iter().map(part).collect::<Vec<_>>()
        };
        let parts: Vec<(PathBuf, String)> = chain.flat_map(place).collect();
        if parts.iter().all(|(path, sha256)| verdicts.known(path) == Some(sha256)) {
            return Ok(Verified(self));
        }
        let began = SystemTime::now();
        let verified = self.verify(sink)?;
        verdicts.learn(began, parts.into_iter());
        Ok(verified)
    }

    /// Reads every part of the bundle, and of the one it adds to where that is here. Takes as long as reading that
    /// much; memory does not depend on it.
    ///
    /// # Errors
    /// Everything that is wrong: [`BundleError::PartMissing`], [`BundleError::PartDamaged`],
    /// [`BundleError::ContentDamaged`]; several as [`BundleError::Several`].
    pub fn verify(self, sink: &dyn Sink) -> Result<Verified, BundleError> {
        let mut found = Vec::new();
        let chain = std::iter::successors(Some(&self), |bundle| bundle.base.as_deref());
        let total = chain.clone().flat_map(|b| &b.manifest().parts).map(|p| p.size).sum();
        let mut meter = Meter { sink, total, done: 0, told: 0 };
        for bundle in chain {
            read_all(bundle, &mut meter, &mut found)?;
        }
        BundleError::all(found)?;
        Ok(Verified(self))
    }
}

impl Verified {
    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.0
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        self.0.manifest()
    }

    /// A blob's bytes by SHA-256, from this bundle or the one it adds to; `None` where neither has it. The bytes were
    /// right when the bundle was verified; who stores them hashes them once more.
    pub fn open(&self, sha256: &str) -> Option<Content> {
        let (bundle, at) = self.find(sha256)?;
        let Manifest { entries, parts, part_size, .. } = bundle.manifest();
        let begin = stream::content(entries, at);
        let end = begin + entries[at].size;
        Some(Content(PartReader::new(&bundle.dir, parts, *part_size, begin, end)))
    }

    /// The bundle that has a blob, and the number of its entry there.
    fn find(&self, sha256: &str) -> Option<(&Bundle, usize)> {
        let mut chain = std::iter::successors(Some(&self.0), |bundle| bundle.base.as_deref());
        chain.find_map(|bundle| Some((bundle, bundle.manifest().entries.iter().position(|e| e.sha256 == sha256)?)))
    }

    /// A small file of the stream, such as `airlab.lock` or `sbom.spdx.json`.
    ///
    /// # Errors
    /// [`BundleError::Artifact`] where it cannot be read.
    pub fn document(&self, path: &str) -> Result<Vec<u8>, BundleError> {
        let entry = self.manifest().entries.iter().find(|e| e.path == path);
        let mut bytes = Vec::new();
        if let Some(mut content) = entry.and_then(|e| self.open(&e.sha256)) {
            content.read_to_end(&mut bytes).map_err(BundleError::file(self.0.path(), "read"))?;
        }
        Ok(bytes)
    }

    /// Blobs that neither the bundle nor the one it adds to has here: the importer must have them from an earlier import.
    pub fn missing(&self) -> Vec<&Entry> {
        self.manifest().elsewhere.iter().filter(|e| self.find(&e.sha256).is_none()).collect()
    }
}

struct Meter<'a> {
    sink: &'a dyn Sink,
    total: u64,
    done: u64,
    told: u64,
}

impl Meter<'_> {
    fn more(&mut self, bytes: u64) {
        self.done += bytes;
        if self.done - self.told >= REPORT_EVERY || self.done == self.total {
            self.told = self.done;
            let (done, total) = (self.done, Some(self.total));
            self.sink.emit(Event::Progress { step: "verify".into(), done, total, unit: "bytes" });
        }
    }
}

fn read_all(bundle: &Bundle, meter: &mut Meter<'_>, found: &mut Vec<BundleError>) -> Result<(), BundleError> {
    let mut reading = Reading::new(bundle.manifest());
    for part in &bundle.manifest().parts {
        match read_part(bundle, part, &mut reading, meter) {
            Ok(None) => {}
            Ok(Some(bad)) => found.push(bad),
            Err(error) => return Err(error),
        }
    }
    found.extend(reading.found);
    Ok(())
}

/// Reads one part; what is wrong with it as a whole.
fn read_part(
    bundle: &Bundle,
    part: &PartFile,
    reading: &mut Reading<'_>,
    meter: &mut Meter<'_>,
) -> Result<Option<BundleError>, BundleError> {
    let path = bundle.dir.join(&part.file);
    let mut file = match File::open(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            reading.lost(part.size);
            meter.more(part.size);
            return Ok(Some(BundleError::PartMissing { path }));
        }
        other => other.map_err(BundleError::file(&path, "read"))?,
    };
    let size = file.metadata().map_err(BundleError::file(&path, "read"))?.len();
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut left = part.size;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = file.read(&mut buffer[..most]).map_err(BundleError::file(&path, "read"))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        reading.bytes(&buffer[..read]);
        meter.more(read as u64);
        left -= read as u64;
    }
    reading.lost(left);
    meter.more(left);
    let got = hex::encode(hasher.finalize());
    let why = match (size == part.size, got == part.sha256) {
        (true, true) => return Ok(None),
        (false, _) => format!("it has {size} bytes instead of {}", part.size),
        (true, false) => format!("it has the SHA-256 {got} instead of {}", part.sha256),
    };
    Ok(Some(BundleError::PartDamaged { path, why }))
}

/// Where a reader is in the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Header,
    Content,
    Padding,
    End,
}

/// Compares a stream with what the manifest says, as its bytes come.
struct Reading<'a> {
    manifest: &'a Manifest,
    entry: usize,
    piece: Piece,
    done: u64,
    header: [u8; 512],
    hasher: Sha256,
    /// What is wrong with this entry so far.
    bad: Option<&'static str>,
    found: Vec<BundleError>,
}

impl<'a> Reading<'a> {
    fn new(manifest: &'a Manifest) -> Self {
        let header = stream::header(&manifest.entries[0]);
        let (piece, hasher) = (Piece::Header, Sha256::new());
        Self { manifest, entry: 0, piece, done: 0, header, hasher, bad: None, found: Vec::new() }
    }

    fn length(&self) -> u64 {
        match (self.piece, self.manifest.entries.get(self.entry)) {
            (Piece::Header, Some(_)) => stream::BLOCK,
            (Piece::Content, Some(entry)) => entry.size,
            (Piece::Padding, Some(entry)) => stream::padding(entry),
            _ => stream::end().len() as u64,
        }
    }

    fn bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // not more than there are
            let fits = (self.length() - self.done).min(bytes.len() as u64) as usize;
            let (now, later) = bytes.split_at(fits);
            match self.piece {
                Piece::Content => self.hasher.update(now),
                // in the header, so below 512
                Piece::Header if now == &self.header[self.done as usize..][..fits] => {}
                Piece::Header => self.bad = Some("its header is not the one that must be there"),
                Piece::Padding | Piece::End if now.iter().all(|b| *b == 0) => {}
                Piece::Padding => self.bad = Some("there are bytes behind it that do not belong there"),
                Piece::End => self.bad = Some("there are bytes that do not belong there"),
            }
            self.on(fits as u64);
            bytes = later;
            if fits == 0 && self.piece == Piece::End && self.done == self.length() {
                break;
            }
        }
    }

    /// Bytes that are not there.
    fn lost(&mut self, mut bytes: u64) {
        while bytes > 0 {
            let fits = (self.length() - self.done).min(bytes);
            if fits > 0 {
                self.bad = Some("bytes of it are missing");
            }
            self.on(fits);
            bytes -= fits;
            if self.piece == Piece::End && self.done == self.length() {
                break;
            }
        }
    }

    fn on(&mut self, bytes: u64) {
        self.done += bytes;
        while self.done == self.length() {
            match self.piece {
                Piece::Header => self.piece = Piece::Content,
                Piece::Content => self.piece = Piece::Padding,
                Piece::Padding => self.entry_ends(),
                Piece::End => {
                    if let Some(why) = self.bad.take() {
                        self.tell("the end of the stream", "the bundle itself".into(), why);
                    }
                    return;
                }
            }
            self.done = 0;
        }
    }

    fn entry_ends(&mut self) {
        let entry = &self.manifest.entries[self.entry];
        let got = hex::encode(std::mem::take(&mut self.hasher).finalize());
        let why = self.bad.take().or((got != entry.sha256).then_some("its content has another SHA-256"));
        if let Some(why) = why {
            self.tell(&entry.path, self.manifest.owners(&entry.sha256), why);
        }
        self.entry += 1;
        match self.manifest.entries.get(self.entry) {
            Some(next) => (self.piece, self.header) = (Piece::Header, stream::header(next)),
            None => self.piece = Piece::End,
        }
    }

    fn tell(&mut self, entry: &str, what: String, why: &str) {
        let begin = stream::begin(&self.manifest.entries, self.entry);
        let part = usize::try_from(begin / self.manifest.part_size).ok().and_then(|at| self.manifest.parts.get(at));
        let part = part.map(|p| p.file.clone()).unwrap_or_default();
        let (entry, why) = (entry.to_owned(), why.to_owned());
        self.found.push(BundleError::ContentDamaged { entry, what, part, why });
    }
}
