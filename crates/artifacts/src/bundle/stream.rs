//! The tar stream as a function of its entries: which bytes stand where.

use super::Entry;

pub(super) const BLOCK: u64 = 512;
/// Two blocks of zeros.
const END: u64 = 2 * BLOCK;

/// Bytes of the whole stream; `None` where that is no number.
pub(super) fn length(entries: &[Entry]) -> Option<u64> {
    let mut total = END;
    for entry in entries {
        total = total.checked_add(BLOCK)?.checked_add(entry.size.checked_next_multiple_of(BLOCK)?)?;
    }
    Some(total)
}

/// Where the header of an entry begins. The entries' [`length`] is a number.
pub(super) fn begin(entries: &[Entry], at: usize) -> u64 {
    entries[..at].iter().map(|e| BLOCK + e.size.next_multiple_of(BLOCK)).sum()
}

/// Where the content of an entry begins.
pub(super) fn content(entries: &[Entry], at: usize) -> u64 {
    begin(entries, at) + BLOCK
}

/// Zeros behind the content of an entry.
pub(super) fn padding(entry: &Entry) -> u64 {
    entry.size.next_multiple_of(BLOCK) - entry.size
}

/// The header of an entry: a regular file, 0644, of nobody, of no time.
pub(super) fn header(entry: &Entry) -> [u8; 512] {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(entry.size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    // Checked names are ASCII and shorter than the field.
    header.as_mut_bytes()[..entry.path.len().min(100)]
        .copy_from_slice(&entry.path.as_bytes()[..entry.path.len().min(100)]);
    header.set_cksum();
    *header.as_bytes()
}

/// The two blocks behind the last entry.
pub(super) fn end() -> &'static [u8] {
    &[0; END as usize]
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn any_tar_reads_the_stream() {
        let entry = |path: &str, size| Entry { path: path.into(), size, sha256: String::new() };
        let entries = [entry("oci-layout", 3), entry("blobs/sha256/aa", 0), entry("b", 512)];
        let mut stream = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            assert_eq!(stream.len() as u64, begin(&entries, at));
            stream.extend(header(entry));
            assert_eq!(stream.len() as u64, content(&entries, at));
            stream.extend(vec![b'x'; entry.size as usize]);
            stream.extend(vec![0; padding(entry) as usize]);
        }
        stream.extend(end());
        assert_eq!(Some(stream.len() as u64), length(&entries));
        let mut archive = tar::Archive::new(&stream[..]);
        let read = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), content.len() as u64)
        });
        assert_eq!(read.collect::<Vec<_>>(), entries.each_ref().map(|e| (e.path.clone(), e.size)));
    }

    #[test]
    fn sizes_that_are_no_sizes() {
        let entry = |size| Entry { path: "a".into(), size, sha256: String::new() };
        assert_eq!(length(&[entry(u64::MAX)]), None);
        assert_eq!(length(&[entry(u64::MAX / 2), entry(u64::MAX / 2), entry(4)]), None);
        // larger than eight octal gigabytes
        assert!(tar::Header::from_byte_slice(&header(&entry(20 << 30))).entry_size().is_ok_and(|s| s == 20 << 30));
    }
}
