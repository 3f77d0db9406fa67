//! Continuation areas of system use fields (SUSP "CE"): they move along with their directory, because readers that
//! stream an image want them behind it.

use crate::IsoError;
use crate::image::{BLOCK, Image, both32, le32};
use crate::tree::Tree;

/// Copies the areas that these fields go on in to `out`, which will lie at `start` (a block of the tree), and points
/// the fields there.
pub(crate) fn relocate(
    image: &Image,
    tree: &Tree,
    fields: &mut [u8],
    start: u32,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), IsoError> {
    let Some(at) = find(fields) else { return Ok(()) };
    let (block, offset, len) = (le32(fields, at + 4), le32(fields, at + 12), le32(fields, at + 20));
    if depth > 16 || len > BLOCK as u32 {
        return Err(image.damaged("endless system use fields"));
    }
    let mut area = image.read(tree.offset(block) + u64::from(offset), u64::from(len))?;
    relocate(image, tree, &mut area, start, out, depth + 1)?;
    let size = BLOCK as usize;
    if out.len() % size + area.len() > size {
        out.resize(out.len().next_multiple_of(size), 0);
    }
    let place = (start + (out.len() / size) as u32, (out.len() % size) as u32);
    out.extend(area);
    fields[at + 4..at + 12].copy_from_slice(&both32(place.0));
    fields[at + 12..at + 20].copy_from_slice(&both32(place.1));
    Ok(())
}

/// Where a CE field begins.
fn find(fields: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some([a, b, len, _]) = fields.get(at..at + 4) {
        let len = usize::from(*len);
        if len < 4 || at + len > fields.len() || [*a, *b] == *b"ST" {
            return None;
        }
        if [*a, *b] == *b"CE" && len >= 28 {
            return Some(at);
        }
        at += len;
    }
    None
}
