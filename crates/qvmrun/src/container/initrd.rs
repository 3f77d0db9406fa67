//! An initial RAM disk as a tree: cpio archives of the kind the kernel takes ("newc"), plain or gzip, one after
//! another. Names and links of the archive are resolved inside the tree only.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use flate2::bufread::GzDecoder;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

/// What an initial RAM disk may unpack to.
const MOST: u64 = 2 << 30;

/// Unpacks all archives of the file into `dir`.
pub(super) fn unpack(file: &Path, dir: &Path) -> io::Result<()> {
    let mut tree = Tree { root: File::open(dir)?.into(), links: HashMap::new() };
    let bytes = std::fs::read(file)?;
    let mut rest = &bytes[..];
    loop {
        let zeros = rest.iter().take_while(|b| **b == 0).count();
        rest = &rest[zeros..];
        if rest.is_empty() {
            return Ok(());
        }
        if rest.starts_with(&[0x1f, 0x8b]) {
            let mut decoder = GzDecoder::new(rest);
            let mut unpacked = Vec::new();
            decoder.by_ref().take(MOST).read_to_end(&mut unpacked)?;
            rest = decoder.into_inner();
            let mut inner = &unpacked[..];
            while !inner.is_empty() {
                inner = tree.archive(inner)?;
                inner = &inner[inner.iter().take_while(|b| **b == 0).count()..];
            }
        } else {
            rest = tree.archive(rest)?;
        }
    }
}

struct Tree {
    root: OwnedFd,
    /// Files with several names: the data may come with the last one.
    links: HashMap<(u32, u32, u32), String>,
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn cut<'a>(bytes: &mut &'a [u8], len: usize) -> io::Result<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(len).ok_or_else(|| bad("the archive ends too early"))?;
    *bytes = rest;
    Ok(head)
}

impl Tree {
    /// Unpacks one archive and gives back what follows it.
    fn archive<'a>(&mut self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let mut rest = bytes;
        loop {
            let head = cut(&mut rest, 110)?;
            if &head[..6] != b"070701" && &head[..6] != b"070702" {
                return Err(bad("neither a cpio archive nor gzip"));
            }
            let field = |n: usize| {
                let text = std::str::from_utf8(&head[6 + 8 * n..14 + 8 * n]).map_err(|_| bad("damaged header"))?;
                u32::from_str_radix(text, 16).map_err(|_| bad("damaged header"))
            };
            let (inode, mode, count) = (field(0)?, field(1)?, field(4)?);
            let (size, name_size) = (field(6)? as usize, field(11)? as usize);
            let name = cut(&mut rest, name_size)?;
            let name = String::from_utf8_lossy(name.split(|b| *b == 0).next().unwrap_or_default()).into_owned();
            cut(&mut rest, padding(110 + name_size))?;
            let data = cut(&mut rest, size)?;
            let pad = padding(size).min(rest.len());
            cut(&mut rest, pad)?;
            if name == "TRAILER!!!" {
                return Ok(rest);
            }
            let key = (inode, field(7)?, field(8)?);
            self.entry(&name, mode, data, (count > 1).then_some(key))?;
        }
    }

    /// Opens below the root as if the root were `/`.
    fn open(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        Ok(rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, mode, ResolveFlags::IN_ROOT)?)
    }

    fn folder(&self, path: &str) -> io::Result<OwnedFd> {
        self.open(path, OFlags::DIRECTORY | OFlags::PATH, Mode::empty())
    }

    fn entry(&mut self, name: &str, mode: u32, data: &[u8], key: Option<(u32, u32, u32)>) -> io::Result<()> {
        let name = name.trim_start_matches("./").trim_matches('/');
        if name.is_empty() || name == "." {
            return Ok(());
        }
        let (above, last) = name.rsplit_once('/').unwrap_or(("", name));
        if last == ".." {
            return Err(bad("a name that leads outside"));
        }
        let parent = self.folder(above)?;
        let bits = Mode::from_raw_mode(mode & 0o7777);
        match mode & 0o170_000 {
            0o040_000 => match rustix::fs::mkdirat(&parent, last, bits) {
                Err(rustix::io::Errno::EXIST) => Ok(()),
                other => Ok(other?),
            },
            0o120_000 => {
                let _ = rustix::fs::unlinkat(&parent, last, AtFlags::empty());
                Ok(rustix::fs::symlinkat(data, &parent, last)?)
            }
            0o100_000 => {
                if let Some(first) = key.and_then(|k| self.links.get(&k)).cloned() {
                    let _ = rustix::fs::unlinkat(&parent, last, AtFlags::empty());
                    let (dir, file) = first.rsplit_once('/').unwrap_or(("", &first));
                    rustix::fs::linkat(self.folder(dir)?, file, &parent, last, AtFlags::empty())?;
                } else {
                    let _ = rustix::fs::unlinkat(&parent, last, AtFlags::empty());
                    if let Some(key) = key {
                        self.links.insert(key, name.to_owned());
                    }
                }
                if !data.is_empty() || key.is_none_or(|k| self.links.get(&k).is_some_and(|n| n == name)) {
                    self.file(&parent, last, bits, data)?;
                }
                Ok(())
            }
            _ => Ok(()), // devices, pipes, sockets: the container brings its own
        }
    }

    fn file(&self, parent: &OwnedFd, name: &str, mode: Mode, data: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, name, flags, mode)?;
        rustix::fs::fchmod(fd.as_fd(), mode)?;
        File::from(fd).write_all(data)
    }
}

fn padding(len: usize) -> usize {
    (4 - len % 4) % 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::fs;

    fn record(out: &mut Vec<u8>, inode: u32, mode: u32, links: u32, name: &str, data: &[u8]) {
        let fields = [inode, mode, 0, 0, links, 0, data.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        out.extend(b"070701");
        fields.iter().for_each(|f| out.extend(format!("{f:08X}").bytes()));
        out.extend(name.bytes());
        out.push(0);
        out.extend(vec![0; padding(110 + name.len() + 1)]);
        out.extend(data);
        out.extend(vec![0; padding(data.len())]);
    }

    fn archive(entries: &[(u32, u32, u32, &str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        entries.iter().for_each(|(i, m, l, n, d)| record(&mut out, *i, *m, *l, n, d));
        record(&mut out, 0, 0, 1, "TRAILER!!!", b"");
        out
    }

    #[test]
    fn plain_and_compressed_archives_one_after_another() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = archive(&[(1, 0o040_755, 2, "early", b""), (2, 0o100_644, 1, "early/a", b"first")]);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        let second = archive(&[
            (1, 0o040_755, 2, ".", b""),
            (3, 0o040_755, 2, "usr", b""),
            (4, 0o040_755, 2, "usr/bin", b""),
            (5, 0o120_777, 1, "bin", b"/usr/bin"),
            (6, 0o100_755, 2, "bin/sh", b""),
            (6, 0o100_755, 2, "usr/bin/ash", b"#!shell"),
            (7, 0o100_600, 1, "early/a", b"second"),
            (8, 0o020_600, 1, "console", b""),
        ]);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&second).unwrap();
        bytes.extend(gzip.finish().unwrap());
        bytes.extend([0; 100]);
        let file = dir.path().join("initrd");
        fs::write(&file, bytes).unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        unpack(&file, &root).unwrap();
        assert_eq!(fs::read_to_string(root.join("usr/bin/sh")).unwrap(), "#!shell");
        assert_eq!(fs::read_to_string(root.join("usr/bin/ash")).unwrap(), "#!shell");
        assert_eq!(fs::read_to_string(root.join("early/a")).unwrap(), "second");
        assert!(!root.join("console").exists());
    }

    #[test]
    fn hostile_names_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let target = dir.path().to_str().unwrap().to_owned();
        let file = dir.path().join("initrd");
        fs::write(&file, archive(&[(1, 0o120_777, 1, "out", target.as_bytes()), (2, 0o100_644, 1, "out/evil", b"x")]))
            .unwrap();
        assert!(unpack(&file, &root).is_err());
        fs::write(&file, archive(&[(1, 0o100_644, 1, "../evil", b"x")])).unwrap();
        unpack(&file, &root).unwrap();
        assert!(root.join("evil").exists() && !dir.path().join("evil").exists());
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("initrd");
            let mut bytes = bytes;
            bytes.insert(0, b'x');
            fs::write(&file, bytes).unwrap();
            prop_assert!(unpack(&file, dir.path()).is_err());
        }
    }
}
