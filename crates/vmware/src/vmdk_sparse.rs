//! The hosted sparse extent (`KDMV`): header, grain directory, grain tables, grains.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use crate::vmdk::read_most;

/// Sectors in a grain: 64 KiB.
pub(crate) const GRAIN: u64 = 128;
const SECTOR: u64 = 512;
/// Entries of one grain table, which so covers 32 MiB and takes four sectors.
const ENTRIES: u64 = 512;
const TABLE_SECTORS: u64 = 4;
const DESCRIPTOR_SECTORS: u64 = 20;

/// What of the header matters for reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    /// Size in sectors.
    pub(crate) capacity: u64,
    grain: u64,
    descriptor: (u64, u64),
    entries: u64,
    directory: u64,
}

pub(crate) fn header(head: &[u8]) -> Result<Header, &'static str> {
    let word = |at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let long = |at: usize| head.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let all = || {
        Some((
            word(8)?,
            Header {
                capacity: long(12)?,
                grain: long(20)?,
                descriptor: (long(28)?, long(36)?),
                entries: u64::from(word(44)?),
                directory: long(56)?,
            },
        ))
    };
    let (flags, header) = all().ok_or("shorter than its header")?;
    if flags & 0x3_0000 != 0 {
        return Err("compressed (streamOptimized)");
    }
    if header.grain == 0 || header.grain > 1 << 16 || header.entries != ENTRIES || header.capacity > 1 << 34 {
        return Err("damaged header");
    }
    Ok(header)
}

/// The descriptor inside the extent, up to its first zero byte.
pub(crate) fn descriptor_text(head: &[u8], header: &Header) -> Option<String> {
    let start = usize::try_from(header.descriptor.0.checked_mul(SECTOR)?).ok()?;
    let len = usize::try_from(header.descriptor.1.checked_mul(SECTOR)?).ok()?;
    let bytes = head.get(start..start.checked_add(len)?.min(head.len()))?;
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8(bytes[..end].to_vec()).ok()
}

/// Writes an empty disk: all grain tables are there, no grain is.
pub(crate) fn write(file: &mut File, sectors: u64, descriptor: &str) -> std::io::Result<()> {
    let tables = sectors.div_ceil(GRAIN * ENTRIES);
    let directory_sectors = (tables * 4).div_ceil(SECTOR);
    let first = 1 + DESCRIPTOR_SECTORS;
    let second = first + directory_sectors + tables * TABLE_SECTORS;
    let overhead = (second + directory_sectors + tables * TABLE_SECTORS).next_multiple_of(GRAIN);
    let mut head = vec![0_u8; usize::try_from(first * SECTOR).unwrap_or_default()];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"KDMV");
    put(4, &1_u32.to_le_bytes());
    put(8, &3_u32.to_le_bytes());
    put(44, &(ENTRIES as u32).to_le_bytes());
    let longs =
        [(12, sectors), (20, GRAIN), (28, 1), (36, DESCRIPTOR_SECTORS), (48, first), (56, second), (64, overhead)];
    for (at, value) in longs {
        put(at, &value.to_le_bytes());
    }
    put(73, b"\n \r\n");
    put(512, descriptor.as_bytes());
    file.write_all(&head)?;
    for start in [first, second] {
        let entry = |n| ((start + directory_sectors + n * TABLE_SECTORS) as u32).to_le_bytes();
        let directory: Vec<u8> = (0..tables).flat_map(entry).collect();
        file.seek(SeekFrom::Start(start * SECTOR))?;
        file.write_all(&directory)?;
    }
    file.set_len(overhead * SECTOR)
}

/// Reads guest bytes; grains that were never written leave the buffer as it is.
pub(crate) fn read_at(file: &mut File, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    let damaged = |what: &'static str| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    let mut head = [0; 512];
    read_most(file, &mut head)?;
    let header = header(&head).map_err(damaged)?;
    let grain_bytes = header.grain * SECTOR;
    let mut done = 0;
    while done < buffer.len() {
        let at = offset + done as u64;
        let (grain, inside) = (at / grain_bytes, at % grain_bytes);
        let part = (buffer.len() - done).min(usize::try_from(grain_bytes - inside).unwrap_or(usize::MAX));
        if grain >= header.capacity.div_ceil(header.grain) {
            break;
        }
        let table = word_at(file, header.directory.saturating_mul(SECTOR).saturating_add(grain / ENTRIES * 4))?;
        let start = if table == 0 { 0 } else { word_at(file, u64::from(table) * SECTOR + grain % ENTRIES * 4)? };
        if start > 1 {
            file.seek(SeekFrom::Start(u64::from(start) * SECTOR + inside))?;
            read_most(file, &mut buffer[done..done + part])?;
        }
        done += part;
    }
    Ok(())
}

fn word_at(file: &mut File, at: u64) -> std::io::Result<u32> {
    let mut word = [0; 4];
    file.seek(SeekFrom::Start(at))?;
    std::io::Read::read_exact(file, &mut word)?;
    Ok(u32::from_le_bytes(word))
}
