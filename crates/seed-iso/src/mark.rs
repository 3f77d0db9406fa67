//! The mark a patch leaves in the padding behind the EFI system partition: that the image is patched, by which wish,
//! and how to undo it. No file system structure points there.

use sha2::{Digest, Sha256};

use crate::IsoError;
use crate::gpt::Layout;
use crate::image::{BLOCK, Image, le32, le64};

const MAGIC: &[u8; 16] = b"AIRLAB-SEED-ISO\0";
const VERSION: u32 = 1;
/// Bytes before the runs.
const FIXED: usize = 16 + 4 + 4 + 3 * 32 + 6 * 8;

/// What was done to an image, and what it needs to be as before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// SHA-256 of the wish.
    pub(crate) wish: [u8; 32],
    /// SHA-256 of the source; zeros where nobody asked for it.
    pub(crate) source: [u8; 32],
    /// What [`crate::plan::fingerprint`] says about the source.
    pub(crate) source_print: [u8; 32],
    /// Length of the source in bytes.
    pub(crate) source_len: u64,
    /// The layout of the source.
    pub(crate) layout: Layout,
    /// Where the EFI system partition is now.
    pub(crate) esp_now: u64,
    /// Original bytes, by their offset in the source. What lies behind the source's EFI system partition and is not
    /// among them was zero.
    pub(crate) runs: Vec<(u64, Vec<u8>)>,
}

impl Mark {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out =
            [MAGIC.as_slice(), &VERSION.to_le_bytes(), &[0; 4], &self.wish, &self.source, &self.source_print].concat();
        let l = &self.layout;
        for number in [self.source_len, l.esp, l.esp_blocks, l.padding, l.tail, self.esp_now] {
            out.extend(number.to_le_bytes());
        }
        for (offset, run) in &self.runs {
            out.extend(offset.to_le_bytes());
            out.extend((run.len() as u32).to_le_bytes());
            out.extend(run);
        }
        let len = out.len() as u32;
        out[20..24].copy_from_slice(&len.to_le_bytes());
        let sum = Sha256::digest(&out);
        out.extend(sum);
        out
    }

    /// Reads the mark at this block; `None` when there is none.
    pub(crate) fn read(image: &Image, block: u64) -> Result<Option<Self>, IsoError> {
        let at = block * BLOCK;
        if image.len < at + BLOCK {
            return Ok(None);
        }
        let head = image.read(at, BLOCK)?;
        if !head.starts_with(MAGIC) {
            return Ok(None);
        }
        let broken = || image.damaged("the mark of an earlier patch");
        let len = le32(&head, 20) as usize;
        if le32(&head, 16) != VERSION || !(FIXED..=64 << 20).contains(&len) {
            return Err(broken());
        }
        let bytes = image.read(at, len as u64 + 32)?;
        let (body, sum) = bytes.split_at(len);
        if Sha256::digest(body).as_slice() != sum {
            return Err(broken());
        }
        let array = |at: usize| body[at..at + 32].try_into().map_err(|_| broken());
        let number = |n: usize| le64(body, 120 + n * 8);
        let layout = Layout { esp: number(1), esp_blocks: number(2), padding: number(3), tail: number(4) };
        if (0..6).any(|n| number(n) > 1 << 44) {
            return Err(broken());
        }
        let mut runs = Vec::new();
        let mut at = FIXED;
        while at < body.len() {
            let size = le32(body, at + 8) as usize;
            let (offset, run) = (le64(body, at), body.get(at + 12..at + 12 + size).ok_or_else(broken)?);
            if offset.checked_add(size as u64).is_none_or(|end| end > number(0)) {
                return Err(broken());
            }
            runs.push((offset, run.to_vec()));
            at += 12 + size;
        }
        Ok(Some(Self {
            wish: array(24)?,
            source: array(56)?,
            source_print: array(88)?,
            source_len: number(0),
            layout,
            esp_now: number(5),
            runs,
        }))
    }
}

/// The bytes of `old` where `new` differs, in runs; runs that nearly touch are joined.
pub(crate) fn differences(offset: u64, old: &[u8], new: &[u8], runs: &mut Vec<(u64, Vec<u8>)>) {
    let mut at = 0;
    while let Some(start) = (at..old.len()).find(|n| old[*n] != new[*n]) {
        let mut end = start + 1;
        while let Some(next) = (end..old.len().min(end + 12)).find(|n| old[*n] != new[*n]) {
            end = next + 1;
        }
        runs.push((offset + start as u64, old[start..end].to_vec()));
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_kept() {
        let (old, mut new) = ([7_u8; 100], [7_u8; 100]);
        new[3] = 1;
        new[9] = 1;
        new[60] = 1;
        let mut runs = Vec::new();
        differences(1000, &old, &new, &mut runs);
        assert_eq!(runs, [(1003, vec![7; 7]), (1060, vec![7])]);
    }
}
