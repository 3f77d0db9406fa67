//! Bounded reads of an image file, with changes laid over it that are not written yet.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::IsoError;

/// Bytes in a logical block of ISO 9660 as we read it; the standard allows others, nobody makes them.
pub(crate) const BLOCK: u64 = 2048;

/// An image file plus changed blocks in memory. Reads never go beyond the file (or what was laid over it).
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) path: PathBuf,
    /// Length in bytes; grows with [`Image::grow`].
    pub(crate) len: u64,
    file_len: u64,
    file: File,
    changed: BTreeMap<u64, Vec<u8>>,
}

impl Image {
    pub(crate) fn open(path: &Path) -> Result<Self, IsoError> {
        let fail = |source| IsoError::Io { path: path.to_owned(), doing: "open", source };
        let file = File::open(path).map_err(fail)?;
        let len = file.metadata().map_err(fail)?.len();
        Ok(Self { path: path.to_owned(), len, file_len: len, file, changed: BTreeMap::new() })
    }

    /// Length of the file on disk.
    pub(crate) fn file_len(&self) -> u64 {
        self.file_len
    }

    /// Makes the image longer (never shorter); new bytes are zero.
    pub(crate) fn grow(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    /// Reads from the file on disk, without the changes.
    pub(crate) fn original(&self, offset: u64, len: u64) -> Result<Vec<u8>, IsoError> {
        if offset.checked_add(len).is_none_or(|end| end > self.file_len) {
            return Err(self.damaged(format!("{len} bytes at {offset} lie outside the file")));
        }
        let mut out = vec![0; len as usize];
        let fail = |source| IsoError::Io { path: self.path.clone(), doing: "read", source };
        read_exact_at(&self.file, &mut out, offset).map_err(fail)?;
        Ok(out)
    }

    pub(crate) fn damaged(&self, what: impl Into<String>) -> IsoError {
        IsoError::Damaged { path: self.path.clone(), what: what.into() }
    }

    /// Reads `len` bytes at `offset`.
    pub(crate) fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>, IsoError> {
        let end = offset.checked_add(len).filter(|end| *end <= self.len);
        let (Some(end), Ok(size)) = (end, usize::try_from(len)) else {
            return Err(self.damaged(format!("{len} bytes at {offset} lie outside the image")));
        };
        let mut out = vec![0; size];
        let in_file = usize::try_from(self.file_len.saturating_sub(offset).min(len)).unwrap_or(size);
        let fail = |source| IsoError::Io { path: self.path.clone(), doing: "read", source };
        read_exact_at(&self.file, &mut out[..in_file], offset).map_err(fail)?;
        for (block, bytes) in self.changed.range(offset / BLOCK..end.div_ceil(BLOCK)) {
            let start = block * BLOCK;
            let (from, to) = (start.max(offset), (start + BLOCK).min(end));
            let target = (from - offset) as usize..(to - offset) as usize;
            out[target].copy_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
        }
        Ok(out)
    }

    pub(crate) fn block(&self, block: u64) -> Result<Vec<u8>, IsoError> {
        self.read(block * BLOCK, BLOCK)
    }

    /// Lays bytes over the image; they are seen by every later read. The image grows as needed.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IsoError> {
        self.grow((offset + bytes.len() as u64).next_multiple_of(BLOCK));
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let (block, inside) = (at / BLOCK, (at % BLOCK) as usize);
            let part = (bytes.len() - done).min(BLOCK as usize - inside);
            if !self.changed.contains_key(&block) {
                let old = self.read(block * BLOCK, BLOCK)?;
                self.changed.insert(block, old);
            }
            if let Some(target) = self.changed.get_mut(&block) {
                target[inside..inside + part].copy_from_slice(&bytes[done..done + part]);
            }
            done += part;
        }
        Ok(())
    }

    /// The changed blocks, by number.
    pub(crate) fn changes(&self) -> &BTreeMap<u64, Vec<u8>> {
        &self.changed
    }
}

fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        let at = offset + done as u64;
        #[cfg(unix)]
        let got = std::os::unix::fs::FileExt::read_at(file, &mut buffer[done..], at)?;
        #[cfg(windows)]
        let got = std::os::windows::fs::FileExt::seek_read(file, &mut buffer[done..], at)?;
        if got == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        done += got;
    }
    Ok(())
}

/// A 32-bit number in the standard's both-endian form.
pub(crate) fn both32(value: u32) -> [u8; 8] {
    let mut out = [0; 8];
    out[..4].copy_from_slice(&value.to_le_bytes());
    out[4..].copy_from_slice(&value.to_be_bytes());
    out
}

pub(crate) fn le16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
}

pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

pub(crate) fn le64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}
