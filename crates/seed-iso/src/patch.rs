//! Patching a copy of an installer image, looking at it, and undoing it.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::gpt::Layout;
use crate::image::{BLOCK, Image};
use crate::plan::{Plan, default_entry, fingerprint as print, marked, plan};
use crate::write::{Pending, io};
use crate::{Iso, IsoError, MenuEntry};

/// What is to be different in an installer image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// Kernel arguments of the live session, put before `---`.
    pub kernel_args: Vec<String>,
    /// Kernel arguments that the installer keeps for the installed system, put after `---`.
    pub console_args: Vec<String>,
    /// Seconds until the boot menu's default entry starts.
    pub timeout: u32,
    /// Files to add or replace: path in the image, bytes. Folders are made as needed.
    pub files: Vec<(String, Vec<u8>)>,
}

/// What a patch did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patched {
    /// The entry that starts by itself, with its new arguments.
    pub entry: MenuEntry,
    /// Whether the image grew; without new files and blocks its size stays.
    pub grown: bool,
    /// Size of the image in bytes.
    pub size: u64,
    /// Bytes written over the copy.
    pub written: u64,
    /// SHA-256 of the wish, as [`Patch::digest`] gives it; `inspect` finds it in the image.
    pub digest: String,
}

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Label of the volume.
    pub volume_id: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// The boot menu's entry that starts by itself; `None` where there is no such menu.
    pub entry: Option<MenuEntry>,
    /// The patch it carries.
    pub patched: Option<PatchMark>,
}

/// The trace of a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchMark {
    /// SHA-256 of the wish, to be compared with [`Patch::digest`].
    pub digest: String,
    /// SHA-256 of the source, where it was asked for.
    pub source_sha256: Option<String>,
    /// Size of the source in bytes.
    pub source_size: u64,
}

impl Patch {
    /// SHA-256 of everything this patch wants, in hexadecimal.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.canonical()))
    }

    pub(crate) fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut add = |part: &[u8]| {
            out.extend((part.len() as u64).to_le_bytes());
            out.extend(part);
        };
        add(&self.timeout.to_le_bytes());
        for list in [&self.kernel_args, &self.console_args] {
            add(&(list.len() as u64).to_le_bytes());
            list.iter().for_each(|word| add(word.as_bytes()));
        }
        for (path, bytes) in &self.files {
            add(path.as_bytes());
            add(bytes);
        }
        out
    }

    /// The files with full paths; refuses names and arguments that an image or a kernel cannot take.
    pub(crate) fn checked(&self) -> Result<Vec<(String, &[u8])>, IsoError> {
        let bad = |what: &str, why| IsoError::BadWish { what: what.to_owned(), why };
        for word in self.kernel_args.iter().chain(&self.console_args) {
            if word.is_empty() || word.contains(char::is_control) || word == "---" {
                return Err(bad(word, "not usable as a kernel argument"));
            }
        }
        let mut files = Vec::new();
        for (path, bytes) in &self.files {
            let path = format!("/{}", path.trim_start_matches('/'));
            for name in path[1..].split('/') {
                let odd = |c: char| c.is_control() || "*:;?\\\u{fffd}".contains(c) || u32::from(c) > 0xffff;
                if matches!(name, "" | "." | "..") || name.len() > 100 || name.contains(odd) {
                    return Err(bad(&path, "not usable as a file name on an ISO"));
                }
            }
            if path[1..].split('/').count() > 8 {
                return Err(bad(&path, "folders deeper than eight levels"));
            }
            if files.iter().any(|(other, _)| *other == path) {
                return Err(bad(&path, "asked for twice"));
            }
            files.push((path, bytes.as_slice()));
        }
        Ok(files)
    }
}

/// Copies `src` to `dst` (by reference where the file system can) and patches the copy: kernel arguments, menu timeout,
/// files; all directory trees, `md5sum.txt`, El Torito catalogue and both partition tables follow. `dst` appears whole
/// or not at all, and an existing one is replaced. Everything that can be refused is refused before the copy.
///
/// ```no_run
/// use std::path::Path;
/// let wish = seed_iso::Patch { kernel_args: vec!["autoinstall".into()], timeout: 1, ..Default::default() };
/// let done = seed_iso::patch(Path::new("ubuntu.iso"), Path::new("installer.iso"), &wish)?;
/// assert!(done.entry.args.contains(&"autoinstall".to_owned()));
/// # Ok::<(), seed_iso::IsoError>(())
/// ```
pub fn patch(src: &Path, dst: &Path, wish: &Patch) -> Result<Patched, IsoError> {
    patched(src, dst, wish, None)
}

/// As [`patch()`], for a source that must have this SHA-256 (in hexadecimal). It is worked out while the copy is made
/// and kept in the patched image; reading all of a source takes a few seconds.
pub fn patch_checked(src: &Path, dst: &Path, wish: &Patch, sha256: &str) -> Result<Patched, IsoError> {
    patched(src, dst, wish, Some(sha256))
}

/// Makes `dst` the patched copy of `src`, and says whether anything had to be done: a `dst` that carries the mark of
/// this source and this wish is left alone.
pub fn ensure(src: &Path, dst: &Path, wish: &Patch) -> Result<bool, IsoError> {
    let fits = || -> Result<bool, IsoError> {
        let mark = marked(&Image::open(dst)?)?.1;
        let source = print(&Iso::open(src)?)?;
        Ok(mark.is_some_and(|m| hex::encode(m.wish) == wish.digest() && m.source_print == source))
    };
    if dst.exists() && matches!(fits(), Ok(true)) {
        return Ok(false);
    }
    patch(src, dst, wish)?;
    Ok(true)
}

fn patched(src: &Path, dst: &Path, wish: &Patch, sha256: Option<&str>) -> Result<Patched, IsoError> {
    if fs::canonicalize(dst).is_ok_and(|d| fs::canonicalize(src).is_ok_and(|s| s == d)) {
        return Err(IsoError::BadWish { what: dst.display().to_string(), why: "source and target are one file" });
    }
    let before = stamp(src)?;
    let mut planned = plan(Iso::open(src)?, wish)?;
    let pending = Pending::new(dst)?;
    let (copied, hashed) = std::thread::scope(|scope| {
        let hash = sha256.map(|_| scope.spawn(|| Iso::sha256(src)));
        let copied = fs::copy(src, pending.path()).map_err(|source| io(dst, "copy the source to", source));
        let broken = || Err(IsoError::Changed { path: src.to_owned() });
        (copied, hash.map(|h| h.join().unwrap_or_else(|_| broken())).transpose())
    });
    copied?;
    if let (Some(have), Some(want)) = (hashed?, sha256) {
        if !have.eq_ignore_ascii_case(want.trim()) {
            return Err(IsoError::WrongSha256 { path: src.to_owned(), have, want: want.to_owned() });
        }
        planned.sign(&have)?;
    }
    let file = opened(pending.path(), dst)?;
    let written = planned.apply(&file).map_err(|source| io(dst, "write", source))?;
    if stamp(src)? != before {
        return Err(IsoError::Changed { path: src.to_owned() });
    }
    planned.confirm(pending.path(), dst, wish)?;
    pending.finish(file)?;
    let size = planned.layout.total() * BLOCK;
    Ok(Patched { entry: planned.entry, grown: planned.grown, size, written, digest: wish.digest() })
}

/// A checksum, in hexadecimal, that tells one installer from another without reading all of it: it is over descriptors
/// and partition tables, over names, sizes and places of all files, and over the image's own list of checksums.
pub fn fingerprint(path: &Path) -> Result<String, IsoError> {
    Ok(hex::encode(print(&Iso::open(path)?)?))
}

/// Says what an image is, and whether it is patched.
pub fn inspect(path: &Path) -> Result<Inspection, IsoError> {
    let iso = Iso::open(path)?;
    let entry = default_entry(&iso).ok().map(|(_, entry)| entry);
    let mark = match marked(&iso.image) {
        Ok((_, mark)) => mark,
        Err(IsoError::Layout { .. }) => None,
        Err(error) => return Err(error),
    };
    let patched = mark.map(|mark| PatchMark {
        digest: hex::encode(mark.wish),
        source_sha256: (mark.source != [0; 32]).then(|| hex::encode(mark.source)),
        source_size: mark.source_len,
    });
    Ok(Inspection { volume_id: iso.volume_id().to_owned(), size: iso.image.len, entry, patched })
}

/// Writes the image that `src` was before our patch to `dst`, byte for byte. The two may be the same file.
pub fn reset(src: &Path, dst: &Path) -> Result<(), IsoError> {
    let image = Iso::open(src)?.image;
    let mark = match marked(&image) {
        Ok((_, Some(mark))) => mark,
        Ok((_, None)) | Err(IsoError::Layout { .. }) => return Err(IsoError::NotPatched { path: src.to_owned() }),
        Err(error) => return Err(error),
    };
    let Layout { esp, esp_blocks, .. } = mark.layout;
    let tail = (esp + esp_blocks) * BLOCK;
    if mark.layout.total() * BLOCK != mark.source_len || mark.source_len > image.len || mark.esp_now < esp {
        return Err(image.damaged("the mark of an earlier patch"));
    }
    let moved = image.read(mark.esp_now * BLOCK, esp_blocks * BLOCK)?;
    let pending = Pending::new(dst)?;
    fs::copy(src, pending.path()).map_err(|source| io(dst, "copy the source to", source))?;
    let file = opened(pending.path(), dst)?;
    let write = || {
        let grown = mark.esp_now != esp || image.len != mark.source_len;
        if grown {
            file.set_len(tail)?;
            file.set_len(mark.source_len)?;
            put(&file, esp * BLOCK, &moved)?;
        } else {
            put(&file, tail, &vec![0; (mark.layout.padding * BLOCK) as usize])?;
        }
        mark.runs.iter().try_for_each(|(offset, run)| put(&file, *offset, run))
    };
    write().map_err(|source| io(dst, "write", source))?;
    if mark.source != [0; 32] {
        let (have, want) = (Iso::sha256(pending.path())?, hex::encode(mark.source));
        if have != want {
            return Err(IsoError::WrongSha256 { path: dst.to_owned(), have, want });
        }
    }
    pending.finish(file)
}

impl Plan {
    /// Puts the source's checksum into the mark.
    fn sign(&mut self, sha256: &str) -> Result<(), IsoError> {
        for (byte, pair) in self.mark.source.iter_mut().zip(sha256.as_bytes().chunks(2)) {
            let text = String::from_utf8_lossy(pair);
            *byte = u8::from_str_radix(&text, 16).map_err(|_| self.image.damaged("checksum"))?;
        }
        self.image.write(self.layout.padding_start() * BLOCK, &self.mark.bytes())
    }

    /// Writes the changed blocks over a copy, neighbours together.
    fn apply(&self, file: &File) -> std::io::Result<u64> {
        file.set_len(self.layout.total() * BLOCK)?;
        let mut written = 0;
        let mut changes = self.image.changes().iter().peekable();
        while let Some((first, bytes)) = changes.next() {
            let mut run = bytes.clone();
            let mut next = first + 1;
            while let Some((_, bytes)) = changes.next_if(|(block, _)| **block == next && run.len() < 4 << 20) {
                run.extend(bytes);
                next += 1;
            }
            put(file, first * BLOCK, &run)?;
            written += run.len() as u64;
        }
        Ok(written)
    }

    /// Looks at the written copy with fresh eyes.
    fn confirm(&self, copy: &Path, dst: &Path, wish: &Patch) -> Result<(), IsoError> {
        let differs = |name: &str| IsoError::Mismatch { path: dst.to_owned(), name: name.to_owned() };
        let iso = Iso::open(copy)?;
        if default_entry(&iso)?.1 != self.entry {
            return Err(differs(crate::plan::GRUB));
        }
        for (path, bytes) in wish.checked()? {
            if iso.read(&path)? != bytes {
                return Err(differs(&path));
            }
        }
        marked(&iso.image)?.1.map(|_| ()).ok_or_else(|| differs("the mark"))
    }
}

/// Size and time of change.
fn stamp(path: &Path) -> Result<(u64, Option<std::time::SystemTime>), IsoError> {
    let meta = fs::metadata(path).map_err(|source| io(path, "look at", source))?;
    Ok((meta.len(), meta.modified().ok()))
}

/// Opens a fresh copy for writing, whatever the source's permissions were.
fn opened(copy: &Path, dst: &Path) -> Result<File, IsoError> {
    let open = || {
        let mut permissions = fs::metadata(copy)?.permissions();
        #[cfg(unix)]
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
        #[cfg(not(unix))]
        permissions.set_readonly(false);
        fs::set_permissions(copy, permissions)?;
        File::options().write(true).open(copy)
    };
    open().map_err(|source| io(dst, "write", source))
}

fn put(mut file: &File, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}
