//! One directory record, with its Rock Ridge fields (SUSP 1.12, RRIP 1.12) or its Joliet name.

use crate::image::{both32, le16, le32};

/// A directory record where it lies in the image.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Byte offset of the record in the image.
    pub(crate) offset: u64,
    pub(crate) raw: Vec<u8>,
}

/// What the system use fields of a record say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RockRidge {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) mode: Option<u32>,
    pub(crate) target: Option<String>,
    /// Where a relocated directory really is.
    pub(crate) child: Option<u32>,
    /// The record is the real place of a relocated directory, to be hidden.
    pub(crate) relocated: bool,
    /// Bytes to skip in every system use area, from the root's SP field; `Some` means SUSP is in use.
    pub(crate) skip: Option<u8>,
    /// Length of the PX field, which differs between versions of RRIP.
    pub(crate) px_len: Option<u8>,
    link_part_open: bool,
}

impl Record {
    pub(crate) fn block(&self) -> u32 {
        le32(&self.raw, 2)
    }

    pub(crate) fn size(&self) -> u32 {
        le32(&self.raw, 10)
    }

    fn flags(&self) -> u8 {
        self.raw[25]
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.flags() & 2 != 0
    }

    /// Whether the file goes on in the next record.
    pub(crate) fn goes_on(&self) -> bool {
        self.flags() & 0x80 != 0
    }

    pub(crate) fn ident(&self) -> &[u8] {
        &self.raw[33..33 + usize::from(self.raw[32])]
    }

    /// Whether this is the record of the directory itself or of its parent.
    pub(crate) fn is_dot(&self) -> bool {
        matches!(self.ident(), [0] | [1])
    }

    /// The bytes after the identifier.
    pub(crate) fn system_use(&self, skip: u8) -> &[u8] {
        system_use(&self.raw, skip)
    }

    /// The Joliet name: UCS-2, without a version.
    pub(crate) fn joliet_name(&self) -> String {
        let units: Vec<u16> = self.ident().chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]])).collect();
        without_version(&String::from_utf16_lossy(&units)).to_owned()
    }

    /// The name of the standard's first level: upper case, without a version and an empty extension.
    pub(crate) fn plain_name(&self) -> String {
        let name = String::from_utf8_lossy(self.ident()).into_owned();
        let name = without_version(&name);
        name.strip_suffix('.').unwrap_or(name).to_owned()
    }
}

pub(crate) fn system_use(raw: &[u8], skip: u8) -> &[u8] {
    let name = usize::from(raw[32]);
    let start = 33 + name + (1 - name % 2) + usize::from(skip);
    raw.get(start..).unwrap_or_default()
}

fn without_version(name: &str) -> &str {
    match name.rsplit_once(';') {
        Some((front, version)) if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => front,
        _ => name,
    }
}

/// Cuts the bytes of a directory (whole blocks) into records; `None` when one does not fit.
pub(crate) fn split(bytes: &[u8], offset: u64) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = usize::from(bytes[at]);
        if len == 0 {
            at = (at / 2048 + 1) * 2048;
            continue;
        }
        let raw = bytes.get(at..at + len)?;
        if len < 34 || 33 + usize::from(raw[32]) > len || raw[32] == 0 {
            return None;
        }
        records.push(Record { offset: offset + at as u64, raw: raw.to_vec() });
        at += len;
    }
    Some(records)
}

impl RockRidge {
    /// Takes in one system use area. Gives back where it goes on: block, offset, length.
    pub(crate) fn take(&mut self, area: &[u8]) -> Option<(u32, u32, u32)> {
        let mut next = None;
        let mut rest = area;
        while let [a, b, len, _, ..] = *rest {
            let Some(field) = rest.get(..usize::from(len)).filter(|f| f.len() >= 4) else { break };
            let data = &field[4..];
            match &[a, b] {
                b"SP" if data.len() >= 3 && data[..2] == [0xbe, 0xef] => self.skip = Some(data[2]),
                b"CE" if data.len() >= 24 => next = Some((le32(data, 0), le32(data, 8), le32(data, 16))),
                b"PX" if data.len() >= 4 => {
                    self.mode = Some(le32(data, 0));
                    self.px_len = Some(len);
                }
                b"NM" if !data.is_empty() && data[0] & 6 == 0 => {
                    self.name.get_or_insert_default().extend_from_slice(&data[1..]);
                }
                b"SL" if !data.is_empty() => self.link(&data[1..]),
                b"CL" if data.len() >= 4 => self.child = Some(le32(data, 0)),
                b"RE" => self.relocated = true,
                b"ST" => break,
                _ => {}
            }
            rest = &rest[field.len()..];
        }
        next
    }

    /// The components of a symbolic link.
    fn link(&mut self, components: &[u8]) {
        let target = self.target.get_or_insert_default();
        let mut rest = components;
        while let [flags, len, ..] = *rest {
            let Some(text) = rest.get(2..2 + usize::from(len)) else { break };
            if !self.link_part_open && !target.is_empty() && !target.ends_with('/') {
                target.push('/');
            }
            match flags & 0x0e {
                2 => target.push('.'),
                4 => target.push_str(".."),
                8 => target.push('/'),
                _ => target.push_str(&String::from_utf8_lossy(text)),
            }
            self.link_part_open = flags & 1 != 0;
            rest = &rest[2 + text.len()..];
        }
    }
}

/// One entry of a path table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathEntry {
    pub(crate) ident: Vec<u8>,
    pub(crate) block: u32,
    /// Index of the parent, from 0.
    pub(crate) parent: usize,
}

/// Reads a little-endian path table.
pub(crate) fn path_table(bytes: &[u8]) -> Option<Vec<PathEntry>> {
    let mut entries: Vec<PathEntry> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = usize::from(bytes[at]);
        let ident = bytes.get(at + 8..at + 8 + len)?.to_vec();
        let parent = usize::from(le16(bytes, at + 6)).checked_sub(1)?;
        if len == 0 || parent > entries.len() {
            return None;
        }
        entries.push(PathEntry { ident, block: le32(bytes, at + 2), parent });
        at += 8 + len + len % 2;
    }
    Some(entries)
}

/// The bytes of a directory record (ECMA-119 9.1), even in length.
pub(crate) fn bytes(ident: &[u8], block: u32, len: u32, dir: bool, date: &[u8], fields: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 33];
    out[2..10].copy_from_slice(&both32(block));
    out[10..18].copy_from_slice(&both32(len));
    out[18..25].copy_from_slice(&date[..7]);
    out[25] = if dir { 2 } else { 0 };
    out[28..32].copy_from_slice(&[1, 0, 0, 1]);
    out[32] = ident.len() as u8;
    out.extend_from_slice(ident);
    if ident.len().is_multiple_of(2) {
        out.push(0);
    }
    out.extend_from_slice(fields);
    if out.len() % 2 == 1 {
        out.push(0);
    }
    out[0] = out.len() as u8;
    out
}
