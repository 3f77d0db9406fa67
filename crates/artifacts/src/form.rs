//! What a file is by its first bytes, whatever it is called: an error page saved as a chart is none.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::ArtifactError;
use crate::artifact::open;

/// The largest window with which k3s reads compressed images: 32 MiB, `zstd --long=25`.
const LARGEST_WINDOW: u64 = 1 << 25;
/// More frames than any archive is made of.
const MOST_FRAMES: usize = 1 << 16;

/// How an archive of images is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not compressed.
    Tar,
    /// With gzip.
    TarGz,
    /// With Zstandard, in a window that k3s reads.
    TarZst,
}

impl Packing {
    /// The end of a file's name by which k3s knows it, without the first dot.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::TarGz => "tar.gz",
            Self::TarZst => "tar.zst",
        }
    }

    /// Looks how an archive of images is packed, and that k3s can unpack it.
    ///
    /// ```
    /// let dir = tempfile::tempdir().unwrap();
    /// let file = dir.path().join("images.tar.gz");
    /// std::fs::write(&file, [0x1f, 0x8b, 8, 0]).unwrap();
    /// assert_eq!(artifacts::Packing::of("air-gap images", &file)?.ending(), "tar.gz");
    /// # Ok::<(), artifacts::ArtifactError>(())
    /// ```
    ///
    /// # Errors
    /// [`ArtifactError::Form`] for anything else and for a window over 32 MiB; [`ArtifactError::Missing`],
    /// [`ArtifactError::File`].
    pub fn of(name: &str, path: &Path) -> Result<Self, ArtifactError> {
        let mut file = open(name, path)?;
        let fail = |why: String| ArtifactError::form(name, path, why);
        let head = Head::of(&mut file).map_err(ArtifactError::file(path, "read"))?;
        match head {
            Head { gzip: true, .. } => Ok(Self::TarGz),
            Head { tar: true, .. } => Ok(Self::Tar),
            Head { zstd: true, .. } => match largest_window(&mut file) {
                Ok(window) if window <= LARGEST_WINDOW => Ok(Self::TarZst),
                Ok(window) => Err(fail(format!(
                    "its zstd window is {} MiB; k3s reads at most {} (zstd --long=25)",
                    window >> 20,
                    LARGEST_WINDOW >> 20
                ))),
                Err(e) => Err(fail(format!("not a whole zstd file: {e}"))),
            },
            head => Err(fail(format!("it is {}, not a tar, tar.gz or tar.zst", head.words()))),
        }
    }
}

/// Looks whether a file can be what its pin's `kind` says: `k3s`, `airgap-images`, `chart`, `iso`, `deb`, `kubectl`, `binary`.
/// Of another kind only an HTML page is refused.
///
/// # Errors
/// [`ArtifactError::Form`], [`ArtifactError::Missing`], [`ArtifactError::File`].
pub fn check_form(name: &str, kind: &str, path: &Path) -> Result<(), ArtifactError> {
    if kind == "airgap-images" {
        return Packing::of(name, path).map(drop);
    }
    let mut file = open(name, path)?;
    let head = Head::of(&mut file).map_err(ArtifactError::file(path, "read"))?;
    let (right, wanted) = match kind {
        "k3s" => (head.elf, "a Linux program"),
        "kubectl" | "binary" => (head.elf || head.windows || head.script, "a program"),
        "chart" => (head.gzip, "a packed chart (.tgz)"),
        "iso" => (head.iso, "an ISO image"),
        "deb" => (head.deb, "a Debian package"),
        _ => (!head.html, "what was asked for"),
    };
    if right { Ok(()) } else { Err(ArtifactError::form(name, path, format!("it is {}, not {wanted}", head.words()))) }
}

/// Whether a file is a Windows program; what cannot be read is none.
pub fn is_for_windows(path: &Path) -> bool {
    File::open(path).and_then(|mut file| Head::of(&mut file)).is_ok_and(|head| head.windows)
}

/// What the first bytes of a file may be.
#[derive(Debug, Default)]
struct Head {
    empty: bool,
    html: bool,
    gzip: bool,
    zstd: bool,
    tar: bool,
    elf: bool,
    windows: bool,
    script: bool,
    iso: bool,
    deb: bool,
}

impl Head {
    fn of(file: &mut File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.by_ref().take(512).read_to_end(&mut bytes)?;
        let mut volume = Vec::new();
        file.seek(SeekFrom::Start(32769))?;
        file.by_ref().take(5).read_to_end(&mut volume)?;
        file.seek(SeekFrom::Start(0))?;
        let text = String::from_utf8_lossy(&bytes).trim_start().to_ascii_lowercase();
        Ok(Self {
            empty: bytes.is_empty(),
            html: text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<?xml"),
            gzip: bytes.starts_with(&[0x1f, 0x8b]),
            zstd: zstd_magic(&bytes).is_some(),
            tar: bytes.get(257..262) == Some(b"ustar"),
            elf: bytes.starts_with(b"\x7fELF"),
            windows: bytes.starts_with(b"MZ"),
            script: bytes.starts_with(b"#!"),
            iso: volume == b"CD001",
            deb: bytes.starts_with(b"!<arch>\ndebian-binary"),
        })
    }

    fn words(&self) -> &'static str {
        match self {
            Self { empty: true, .. } => "empty",
            Self { html: true, .. } => "a web page",
            Self { gzip: true, .. } => "a gzip file",
            Self { zstd: true, .. } => "a zstd file",
            Self { tar: true, .. } => "a tar",
            Self { elf: true, .. } => "a Linux program",
            Self { windows: true, .. } => "a Windows program",
            Self { script: true, .. } => "a script",
            Self { iso: true, .. } => "an ISO image",
            Self { deb: true, .. } => "a Debian package",
            _ => "something else",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Data,
    Skippable,
}

fn zstd_magic(bytes: &[u8]) -> Option<Frame> {
    match u32::from_le_bytes(*bytes.first_chunk()?) {
        0xFD2F_B528 => Some(Frame::Data),
        0x184D_2A50..=0x184D_2A5F => Some(Frame::Skippable),
        _ => None,
    }
}

/// The largest window of all frames of a zstd file (RFC 8878 §3.1.1). Content is skipped, not read: a file cut short
/// is noticed, a damaged one is not.
fn largest_window(file: &mut (impl Read + Seek)) -> io::Result<u64> {
    let end = file.seek(SeekFrom::End(0))?;
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let (mut at, mut window) = (0, 0);
    for _ in 0..MOST_FRAMES {
        if at == end {
            return Ok(window);
        }
        match zstd_magic(&bytes::<4>(file, at)?).ok_or_else(|| bad("something else follows"))? {
            Frame::Skippable => at += 8 + u64::from(u32::from_le_bytes(bytes(file, at + 4)?)),
            Frame::Data => {
                let (behind, size) = frame_header(file, at + 4)?;
                window = window.max(size.unwrap_or(0));
                let checksum = if bytes::<1>(file, at + 4)?[0] & 4 != 0 { 4 } else { 0 };
                at = blocks(file, behind, end)? + checksum;
            }
        }
        if at > end {
            return Err(bad("it ends in the middle"));
        }
    }
    Err(bad("it has too many frames"))
}

/// Where the blocks begin, and the window's size.
fn frame_header(file: &mut (impl Read + Seek), at: u64) -> io::Result<(u64, Option<u64>)> {
    let [descriptor] = bytes(file, at)?;
    let single = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content = match descriptor >> 6 {
        0 => u64::from(single),
        n => 1 << n,
    };
    let first = at + 1 + u64::from(!single) + dictionary;
    let window = if single {
        let mut size = [0; 8];
        file.seek(SeekFrom::Start(first))?;
        file.read_exact(&mut size[..usize::try_from(content).unwrap_or(8)])?;
        u64::from_le_bytes(size) + if content == 2 { 256 } else { 0 }
    } else {
        let [byte] = bytes(file, at + 1)?;
        let base = 1u64 << (10 + (byte >> 3));
        base + base / 8 * u64::from(byte & 7)
    };
    Ok((first + content, Some(window)))
}

/// Where the last block of a frame ends.
fn blocks(file: &mut (impl Read + Seek), mut at: u64, end: u64) -> io::Result<u64> {
    while at < end {
        let [a, b, c] = bytes(file, at)?;
        let header = u32::from_le_bytes([a, b, c, 0]);
        let size = if (header >> 1) & 3 == 1 { 1 } else { u64::from(header >> 3) };
        at += 3 + size;
        if header & 1 == 1 {
            return Ok(at);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn bytes<const N: usize>(file: &mut (impl Read + Seek), at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A frame with this window descriptor and one raw block.
    fn frame(window: u8) -> Vec<u8> {
        [&[0x28, 0xb5, 0x2f, 0xfd, 0, window][..], &[0b0001_1001, 0, 0], b"abc"].concat()
    }

    #[test]
    fn the_largest_window_of_all_frames_counts() {
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0][..], b"xx"].concat();
        let window = |frames: &[Vec<u8>]| largest_window(&mut Cursor::new(frames.concat()));
        assert_eq!(window(&[skippable.clone(), frame(15 << 3)]).unwrap(), 32 << 20);
        assert_eq!(window(&[frame(0), frame(17 << 3), frame(1)]).unwrap(), 128 << 20);
        assert_eq!(window(&[frame((15 << 3) | 1)]).unwrap(), 36 << 20);
        // One segment: the window is the content's size, here in one byte; a checksum follows.
        let single = [&[0x28, 0xb5, 0x2f, 0xfd, 0x24, 3, 0b0001_1001, 0, 0][..], b"abcCHCK"].concat();
        assert_eq!(window(&[single.clone(), frame(0)]).unwrap(), 1024);
        for cut in 1..single.len() {
            assert!(window(&[single[..cut].to_vec()]).is_err(), "{cut}");
        }
        assert!(window(&[frame(0), b"more".to_vec()]).is_err());
    }

    #[test]
    fn a_file_is_what_its_bytes_say() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let form = |kind: &str, content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            check_form("it", kind, &path).map_err(|e| e.to_string())
        };
        let mut iso = vec![0; 32774];
        iso[32769..].copy_from_slice(b"CD001");
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let right: [(&str, &[u8]); 10] = [
            ("k3s", b"\x7fELF\x02"),
            ("kubectl", b"MZ\x90"),
            ("binary", b"#!/bin/sh\n"),
            ("chart", &[0x1f, 0x8b, 8]),
            ("iso", &iso),
            ("deb", b"!<arch>\ndebian-binary   "),
            ("airgap-images", &[0x1f, 0x8b, 8]),
            ("airgap-images", &tar),
            ("airgap-images", &frame(15 << 3)),
            ("notes", b"anything"),
        ];
        for (kind, content) in right {
            assert_eq!(form(kind, content), Ok(()), "{kind}");
        }
        let page = b"\n<!DOCTYPE html><title>404</title>";
        for kind in ["k3s", "kubectl", "binary", "chart", "iso", "deb", "airgap-images", "notes"] {
            assert!(form(kind, page).unwrap_err().contains("a web page"), "{kind}");
        }
        assert!(form("airgap-images", &frame(16 << 3)).unwrap_err().contains("64 MiB"));
        assert!(form("chart", b"").unwrap_err().contains("empty"));
        assert!(form("k3s", b"MZ\x90").unwrap_err().contains("a Windows program"));
    }
}
