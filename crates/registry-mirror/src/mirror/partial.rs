//! A blob as far as it has come, kept on disk so that it goes on where it was, also after the process was killed.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};

use crate::{Digest, RegistryError};

/// The first bytes of a blob, in a file named after its digest. One process at a time.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Partial {
    /// What there is of a blob in `dir`, nothing at first; `None` while another process is at it.
    pub(crate) fn open(dir: &Path, digest: &Digest) -> Result<Option<Self>, RegistryError> {
        fs::create_dir_all(dir).map_err(RegistryError::file(dir, "write"))?;
        let path = dir.join(format!("{}-{}", digest.algorithm().name(), digest.hex()));
        let open = || {
            let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
            // Behind the lock it may be one that was removed as too old just now.
            if file.try_lock().is_err() || !path.exists() {
                return Ok(None);
            }
            let len = file.seek(SeekFrom::End(0))?;
            Ok(Some((file, len)))
        };
        let found = open().map_err(RegistryError::file(&path, "write"))?;
        Ok(found.map(|(file, len)| Self { path, file, len }))
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Goes to the start, to read what there is.
    pub(crate) fn rewind(&mut self) -> Result<(), RegistryError> {
        self.file.seek(SeekFrom::Start(0)).map(drop).map_err(RegistryError::file(&self.path, "read"))
    }

    /// The next bytes of what there is; behind the last, none, and more can be appended.
    pub(crate) fn read(&mut self) -> Result<Bytes, RegistryError> {
        let mut piece = BytesMut::zeroed(1 << 17);
        let n = self.file.read(&mut piece).map_err(RegistryError::file(&self.path, "read"))?;
        piece.truncate(n);
        Ok(piece.freeze())
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        self.file.write_all(bytes).map_err(RegistryError::file(&self.path, "write"))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Begins again with nothing.
    pub(crate) fn clear(&mut self) -> Result<(), RegistryError> {
        let clear = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        clear.map_err(RegistryError::file(&self.path, "write"))?;
        self.len = 0;
        Ok(())
    }

    /// The file and its path, for whoever takes the whole blob over.
    pub(crate) fn into_parts(self) -> (File, PathBuf) {
        (self.file, self.path)
    }

    /// Removes the file.
    pub(crate) fn discard(self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_there_again_and_one_process_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"abcdef");
        let mut first = Partial::open(dir.path(), &digest).unwrap().unwrap();
        first.append(b"abc").unwrap();
        assert!(Partial::open(dir.path(), &digest).unwrap().is_none());
        drop(first);
        let mut second = Partial::open(dir.path(), &digest).unwrap().unwrap();
        assert_eq!(second.len(), 3);
        second.append(b"def").unwrap();
        let mut seen = Vec::new();
        second.rewind().unwrap();
        for _ in 0..2 {
            seen.extend_from_slice(&second.read().unwrap());
        }
        assert_eq!(seen, b"abcdef");
        second.clear().unwrap();
        assert_eq!(second.len(), 0);
        second.discard();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
