//! The partition tables of a hybrid installer image: protective MBR and both GPTs (UEFI specification, chapter 5).

use std::ops::RangeInclusive;

use crate::IsoError;
use crate::image::{Image, le32, le64};

/// Sectors of 512 bytes in a block of 2048.
const PER_BLOCK: u64 = 4;
const SECTOR: u64 = 512;
/// Boot partition, padding and backup table of a real installer take a few MiB; more than 256 MiB is damage.
const LARGEST: u64 = 128 << 10;
/// Type of an EFI system partition, as it is stored.
const EFI_SYSTEM: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];

/// The partitions of an Ubuntu-shaped image: the ISO itself, then an appended EFI system partition, then padding that
/// may be a partition too, then the backup table.
#[derive(Debug, Clone)]
pub(crate) struct Gpt {
    header: Vec<u8>,
    backup: Vec<u8>,
    entries: Vec<u8>,
    entry_size: usize,
    iso: usize,
    esp: usize,
    gap: Option<usize>,
    /// First sector of the backup's entries.
    backup_entries: u64,
    /// Length of the whole image in sectors.
    sectors: u64,
}

/// Where the parts of the image lie, in blocks of 2048 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// First block of the EFI system partition.
    pub(crate) esp: u64,
    pub(crate) esp_blocks: u64,
    /// Zero blocks between it and the backup table.
    pub(crate) padding: u64,
    /// Blocks of the backup table at the end.
    pub(crate) tail: u64,
}

impl Layout {
    pub(crate) fn padding_start(&self) -> u64 {
        self.esp + self.esp_blocks
    }

    pub(crate) fn total(&self) -> u64 {
        self.padding_start() + self.padding + self.tail
    }
}

impl Gpt {
    pub(crate) fn read(image: &Image) -> Result<Self, IsoError> {
        let layout = |what: &str| IsoError::Layout { path: image.path.clone(), what: what.to_owned() };
        let sectors = image.len / SECTOR;
        let header = image.read(SECTOR, SECTOR)?;
        if !header.starts_with(b"EFI PART") {
            return Err(layout("no GPT"));
        }
        let (count, entry_size) = (le32(&header, 80) as usize, le32(&header, 84) as usize);
        if !sectors.is_multiple_of(PER_BLOCK) || le64(&header, 32) != sectors - 1 {
            return Err(layout("the backup GPT is not at the end of the image"));
        }
        if count == 0 || count > 1024 || entry_size != 128 || le32(&header, 12) != 92 {
            return Err(layout("an unusual GPT"));
        }
        let size = (count * entry_size) as u64;
        let entries = image.read(le64(&header, 72).saturating_mul(SECTOR), size)?;
        let backup = image.read((sectors - 1) * SECTOR, SECTOR)?;
        let backup_entries = le64(&backup, 72);
        let sound = |h: &[u8]| crc32(&zeroed(&h[..92], 16)) == le32(h, 16) && le32(h, 88) == crc32(&entries);
        if !backup.starts_with(b"EFI PART") || !sound(&header) || !sound(&backup) {
            return Err(image.damaged("GPT checksum"));
        }
        let used: Vec<usize> = (0..count).filter(|n| entries[n * 128..n * 128 + 16] != [0; 16]).collect();
        let mut gpt = Self { header, backup, entries, entry_size, iso: 0, esp: 0, gap: None, backup_entries, sectors };
        let esp = used.iter().find(|n| gpt.entries[**n * 128..].starts_with(&EFI_SYSTEM));
        gpt.esp = *esp.ok_or_else(|| layout("no appended EFI system partition"))?;
        let esp = gpt.range(gpt.esp);
        gpt.iso =
            *used.iter().find(|n| gpt.range(**n).end() < esp.start()).ok_or_else(|| layout("no ISO partition"))?;
        gpt.gap = used.iter().copied().find(|n| gpt.range(*n).start() > esp.end());
        let others = used.iter().any(|n| *n != gpt.iso && *n != gpt.esp && Some(*n) != gpt.gap);
        let (start, end) = (*esp.start(), *esp.end());
        let ordered = start < end && end < backup_entries && backup_entries < sectors;
        if others || !ordered || !start.is_multiple_of(PER_BLOCK) || end % PER_BLOCK != PER_BLOCK - 1 {
            return Err(layout("unexpected partitions"));
        }
        let gap_fits = gpt.gap.map(|g| gpt.range(g)).is_none_or(|g| *g.start() == end + 1 && *g.end() < sectors);
        let place = gpt.layout();
        if !gap_fits || place.esp_blocks > LARGEST || place.padding > LARGEST || place.tail > LARGEST {
            return Err(layout("unexpected sizes of partitions"));
        }
        Ok(gpt)
    }

    /// First and last sector of a partition.
    fn range(&self, number: usize) -> RangeInclusive<u64> {
        let at = number * self.entry_size;
        le64(&self.entries, at + 32)..=le64(&self.entries, at + 40)
    }

    /// First block of the partition that holds the ISO: the second descriptor set is counted from there.
    pub(crate) fn iso_start(&self) -> Option<u64> {
        let start = *self.range(self.iso).start();
        (start > 0 && start.is_multiple_of(PER_BLOCK)).then_some(start / PER_BLOCK)
    }

    pub(crate) fn layout(&self) -> Layout {
        let esp = self.range(self.esp);
        let (start, end) = (esp.start() / PER_BLOCK, (esp.end() + 1) / PER_BLOCK);
        let tail = (self.sectors - self.backup_entries).div_ceil(PER_BLOCK).max(16).min(self.sectors / PER_BLOCK - end);
        let padding = self.sectors / PER_BLOCK - tail - end;
        Layout { esp: start, esp_blocks: end - start, padding, tail }
    }

    /// Writes MBR and both tables for another layout. The backup's distance from the end stays as it was.
    pub(crate) fn write(&self, image: &mut Image, new: &Layout) -> Result<(), IsoError> {
        let old = self.layout();
        let moved = (new.esp - old.esp) * PER_BLOCK;
        let grown = (new.total() - old.total()) * PER_BLOCK;
        let mut entries = self.entries.clone();
        let mut put = |number: usize, field: usize, value: u64| {
            let at = number * self.entry_size + field;
            entries[at..at + 8].copy_from_slice(&value.to_le_bytes());
        };
        let (iso, esp) = (self.range(self.iso), self.range(self.esp));
        put(self.iso, 40, iso.end() + moved);
        put(self.esp, 32, esp.start() + moved);
        put(self.esp, 40, esp.end() + moved);
        if let Some(gap) = self.gap {
            put(gap, 32, self.range(gap).start() + moved);
            put(gap, 40, self.range(gap).end() + grown);
        }
        let last = new.total() * PER_BLOCK - 1;
        let checksum = crc32(&entries);
        let header = |old: &[u8], own: u64, other: u64, table: u64| {
            let mut h = old.to_vec();
            let mut put = |at: usize, value: u64| h[at..at + 8].copy_from_slice(&value.to_le_bytes());
            put(24, own);
            put(32, other);
            put(48, le64(old, 48) + grown);
            put(72, table);
            h[88..92].copy_from_slice(&checksum.to_le_bytes());
            let own = crc32(&zeroed(&h[..92], 16));
            h[16..20].copy_from_slice(&own.to_le_bytes());
            h
        };
        let table = le64(&self.header, 72);
        image.write(table * SECTOR, &entries)?;
        image.write(SECTOR, &header(&self.header, 1, last, table))?;
        let start = new.total() - new.tail;
        image.write(start * 2048, &vec![0; (new.tail * 2048) as usize])?;
        let table = self.backup_entries + grown;
        image.write(table * SECTOR, &entries)?;
        image.write(last * SECTOR, &header(&self.backup, last, 1, table))?;
        let mut mbr = image.read(446, 64)?;
        for entry in mbr.chunks_exact_mut(16).filter(|e| e[4] == 0xee) {
            entry[12..16].copy_from_slice(&u32::try_from(last).unwrap_or(u32::MAX).to_le_bytes());
        }
        image.write(446, &mbr)
    }
}

fn zeroed(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[at..at + 4].fill(0);
    out
}

/// CRC-32 as in Ethernet and zip.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
