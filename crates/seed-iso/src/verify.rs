//! Reading an image back with `cdfs`, a reader that shares no code with ours.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use cdfs::{DirectoryEntry, ISO9660, ISODirectory};
use sha2::{Digest, Sha256};

use crate::write::io;
use crate::{Iso, IsoError, Kind};

/// What two readers agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Files whose bytes are the same for both.
    pub files: usize,
    /// How many bytes that was.
    pub bytes: u64,
    /// Files of more than 4 GiB, which the second reader cannot read whole; only their presence was compared.
    pub too_large: usize,
}

/// Reads every file of an image with both readers and compares names and bytes. Takes about as long as reading the
/// file three times.
///
/// ```
/// let dir = tempfile::tempdir().unwrap();
/// let path = dir.path().join("cidata.iso");
/// seed_iso::Cidata { user_data: "#cloud-config\n".into(), meta_data: "".into(), network_config: None }.write(&path)?;
/// assert_eq!(seed_iso::verify(&path)?.files, 2);
/// # Ok::<(), seed_iso::IsoError>(())
/// ```
pub fn verify(path: &Path) -> Result<Verified, IsoError> {
    let differs = |name: &str| IsoError::Mismatch { path: path.to_owned(), name: name.to_owned() };
    let iso = Iso::open(path)?;
    let file = File::open(path).map_err(|source| io(path, "open", source))?;
    let second = ISO9660::new(file).map_err(|e| iso.image.damaged(format!("the second reader says: {e}")))?;
    let mut theirs = BTreeMap::new();
    collect(second.root(), "", 0, &mut theirs)
        .map_err(|e| iso.image.damaged(format!("the second reader says: {e}")))?;
    let mut done = Verified { files: 0, bytes: 0, too_large: 0 };
    for entry in iso.entries().iter().filter(|e| e.kind == Kind::File) {
        let theirs = theirs.remove(&entry.path).ok_or_else(|| differs(&entry.path))?;
        if entry.size > u64::from(u32::MAX) {
            done.too_large += 1;
            continue;
        }
        let mut ours = Hashing::default();
        iso.copy(entry, &mut ours, path)?;
        if theirs != (entry.size, hex::encode(ours.0.finalize())) {
            return Err(differs(&entry.path));
        }
        done.files += 1;
        done.bytes += entry.size;
    }
    match theirs.into_keys().next() {
        Some(name) => Err(differs(&name)),
        None => Ok(done),
    }
}

#[derive(Default)]
struct Hashing(Sha256);

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

type Found = BTreeMap<String, (u64, String)>;

fn collect(dir: &ISODirectory<File>, path: &str, depth: usize, found: &mut Found) -> Result<(), String> {
    if depth > 64 {
        return Err("directories too deep".into());
    }
    for entry in dir.contents() {
        let entry = entry.map_err(|e| e.to_string())?;
        let path = format!("{path}/{}", entry.identifier());
        match &entry {
            DirectoryEntry::Directory(_) if matches!(entry.identifier(), "." | "..") => {}
            DirectoryEntry::Directory(dir) => collect(dir, &path, depth + 1, found)?,
            DirectoryEntry::Symlink(_) => {}
            DirectoryEntry::File(file) => {
                let mut hash = Sha256::new();
                let mut reader = file.read();
                let mut buffer = vec![0; 256 << 10];
                let mut size = 0;
                loop {
                    let n = reader.read(&mut buffer).map_err(|e| format!("{path}: {e}"))?;
                    if n == 0 {
                        break;
                    }
                    hash.update(&buffer[..n]);
                    size += n as u64;
                }
                found.insert(path, (size, hex::encode(hash.finalize())));
            }
        }
    }
    Ok(())
}
