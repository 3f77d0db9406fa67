//! One stream in several files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::part_name;
use super::{BundleError, PartFile};

/// Writes the parts. They count only once the manifest is beside them.
pub(super) struct PartWriter<'a> {
    dir: &'a Path,
    bundle: &'a str,
    part_size: u64,
    parts: Vec<PartFile>,
    open: Option<(BufWriter<File>, Sha256, u64)>,
}

impl<'a> PartWriter<'a> {
    /// Leftovers of an earlier writer go.
    pub(super) fn new(dir: &'a Path, bundle: &'a str, part_size: u64) -> Result<Self, BundleError> {
        fs::create_dir_all(dir).map_err(BundleError::file(dir, "write"))?;
        for entry in fs::read_dir(dir).map_err(BundleError::file(dir, "read"))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let number = name.strip_prefix(bundle).and_then(|rest| rest.strip_prefix(".airbundle."));
            if number.is_some_and(|n| n.len() >= 3 && n.bytes().all(|b| b.is_ascii_digit())) {
                fs::remove_file(entry.path()).map_err(BundleError::file(&entry.path(), "write"))?;
            }
        }
        Ok(Self { dir, bundle, part_size, parts: Vec::new(), open: None })
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), BundleError> {
        while !bytes.is_empty() {
            let path = self.path();
            let (file, hasher, size) = match &mut self.open {
                Some(open) => open,
                none => {
                    let file = File::create(&path).map_err(BundleError::file(&path, "write"))?;
                    none.insert((BufWriter::with_capacity(1 << 18, file), Sha256::new(), 0))
                }
            };
            let fits = usize::try_from(self.part_size - *size).unwrap_or(usize::MAX).min(bytes.len());
            file.write_all(&bytes[..fits]).map_err(BundleError::file(&path, "write"))?;
            hasher.update(&bytes[..fits]);
            *size += fits as u64;
            bytes = &bytes[fits..];
            if *size == self.part_size {
                self.close()?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<PartFile>, BundleError> {
        self.close()?;
        Ok(self.parts)
    }

    fn path(&self) -> PathBuf {
        self.dir.join(part_name(self.bundle, self.parts.len()))
    }

    fn close(&mut self) -> Result<(), BundleError> {
        let path = self.path();
        let Some((file, hasher, size)) = self.open.take() else { return Ok(()) };
        let flushed = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        flushed.map_err(BundleError::file(&path, "write"))?;
        let file = part_name(self.bundle, self.parts.len());
        self.parts.push(PartFile { file, size, sha256: hex::encode(hasher.finalize()) });
        Ok(())
    }
}

/// Reads from `at` to `end` of the stream, whatever parts that is in.
#[derive(Debug)]
pub(super) struct PartReader {
    dir: PathBuf,
    parts: Vec<PartFile>,
    part_size: u64,
    at: u64,
    end: u64,
    open: Option<(usize, File)>,
}

impl PartReader {
    pub(super) fn new(dir: &Path, parts: &[PartFile], part_size: u64, at: u64, end: u64) -> Self {
        Self { dir: dir.to_owned(), parts: parts.to_vec(), part_size, at, end, open: None }
    }
}

impl Read for PartReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.end || buffer.is_empty() {
            return Ok(0);
        }
        let (number, offset) = (self.at / self.part_size, self.at % self.part_size);
        let number = usize::try_from(number).map_err(io::Error::other)?;
        let part = self.parts.get(number).ok_or(io::ErrorKind::UnexpectedEof)?;
        let file = match &mut self.open {
            Some((open, file)) if *open == number => file,
            other => {
                let mut file = File::open(self.dir.join(&part.file))?;
                file.seek(SeekFrom::Start(offset))?;
                &mut other.insert((number, file)).1
            }
        };
        let most = (self.end - self.at).min(self.part_size - offset).min(buffer.len() as u64);
        // at most the buffer's length
        let read = file.read(&mut buffer[..most as usize])?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{} ends too early", part.file)));
        }
        self.at += read as u64;
        Ok(read)
    }
}
