//! Where the files of a tar are. Nothing is unpacked; the memory used is bounded whatever the headers say.
//!
//! Read header by header, not by the `tar` crate's entries: those take a long name into memory whole, whatever its
//! size. Names that lead out of the archive, devices and pipes are refused: no image holds one.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use tar::{EntryType, Header};

const BLOCK: u64 = 512;
/// Longest name and pax record that is read; longer ones are refused.
const LONGEST: u64 = 1 << 16;
/// More files than any image archive has.
const MOST: usize = 1 << 17;
/// Bytes of all names together.
const MOST_NAMES: usize = 16 << 20;

/// Where a file of the tar is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Content: offset and size.
    Content { at: u64, size: u64 },
    /// Somewhere else in the tar.
    Link(String),
}

/// What extended headers said about the next entry.
#[derive(Default)]
struct Next {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

/// The files of a tar by name.
pub(super) fn index(file: &mut (impl Read + Seek)) -> io::Result<HashMap<String, Place>> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut index = HashMap::new();
    let (mut at, mut names) = (0, 0);
    let mut next = Next::default();
    while at + BLOCK <= end {
        file.seek(SeekFrom::Start(at))?;
        let mut header = Header::new_old();
        file.read_exact(header.as_mut_bytes())?;
        if header.as_bytes().iter().all(|b| *b == 0) {
            break;
        }
        if !checksum_fits(&header) {
            return Err(bad("a header is damaged"));
        }
        let kind = header.entry_type();
        let size = next.size.take().map_or_else(|| header.entry_size(), Ok)?;
        let content = at + BLOCK;
        let padded = size.checked_next_multiple_of(BLOCK).and_then(|size| content.checked_add(size));
        let behind = padded.ok_or_else(|| bad("a size is impossible"))?;
        if content.checked_add(size).is_none_or(|last| last > end) {
            return Err(bad("it ends in the middle of a file"));
        }
        at = behind;
        match kind {
            EntryType::GNULongName => next.path = Some(text(file, size)?),
            EntryType::GNULongLink => next.link = Some(text(file, size)?),
            EntryType::XHeader => pax(&text(file, size)?, &mut next)?,
            EntryType::XGlobalHeader => {}
            _ => {
                let Next { path, link, .. } = std::mem::take(&mut next);
                let path = path.unwrap_or_else(|| header.path_bytes().into_owned());
                let link = link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
                let name = inside(&String::from_utf8_lossy(&path))?;
                let to = String::from_utf8_lossy(&link.unwrap_or_default()).into_owned();
                let place = match kind {
                    EntryType::Regular | EntryType::Continuous => Place::Content { at: content, size },
                    EntryType::Symlink => Place::Link(beside(&name, &to)?),
                    EntryType::Link => Place::Link(inside(&to)?),
                    EntryType::Directory => continue,
                    _ => return Err(bad(&format!("{name} is a device or pipe"))),
                };
                names += name.len();
                if index.len() >= MOST || names > MOST_NAMES {
                    return Err(bad("there are too many files in it"));
                }
                index.insert(name, place);
            }
        }
    }
    Ok(index)
}

fn bad(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// The sum over a header's bytes with its own field as blanks (POSIX.1, ustar).
fn checksum_fits(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum = |bytes: &[u8]| bytes.iter().map(|b| u32::from(*b)).sum::<u32>();
    let ours = sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]);
    header.cksum().is_ok_and(|theirs| theirs == ours)
}

/// The content of an entry that describes the next one, without the zeros behind it.
fn text(file: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    if size > LONGEST {
        return Err(bad("a name is too long"));
    }
    let mut text = Vec::new();
    file.take(size).read_to_end(&mut text)?;
    while text.last() == Some(&0) {
        text.pop();
    }
    Ok(text)
}

/// `LENGTH KEY=VALUE\n`, again and again (POSIX.1, pax).
fn pax(mut records: &[u8], next: &mut Next) -> io::Result<()> {
    while !records.is_empty() {
        let fail = || bad("an extended header is damaged");
        let blank = records.iter().position(|b| *b == b' ').ok_or_else(fail)?;
        let length = std::str::from_utf8(&records[..blank]).ok().and_then(|n| n.parse::<usize>().ok());
        let length = length.filter(|n| (blank + 2..=records.len()).contains(n)).ok_or_else(fail)?;
        let record = &records[blank + 1..length - 1];
        let equals = record.iter().position(|b| *b == b'=').ok_or_else(fail)?;
        let (key, value) = (&record[..equals], record[equals + 1..].to_vec());
        match key {
            b"path" => next.path = Some(value),
            b"linkpath" => next.link = Some(value),
            b"size" => next.size = Some(String::from_utf8_lossy(&value).parse().map_err(|_| fail())?),
            _ => {}
        }
        records = &records[length..];
    }
    Ok(())
}

/// A name below the archive, without `.` and doubled slashes.
fn inside(name: &str) -> io::Result<String> {
    let mut parts: Vec<&str> = Vec::new();
    let leads_out = || bad(&format!("{:?} leads out of it", name.chars().take(80).collect::<String>()));
    if name.starts_with('/') || name.contains('\0') {
        return Err(leads_out());
    }
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or_else(leads_out)?),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// A symbolic link's target: relative to the folder of the link.
fn beside(link: &str, target: &str) -> io::Result<String> {
    if target.starts_with('/') {
        return inside(target);
    }
    let folder = link.rsplit_once('/').map_or("", |(folder, _)| folder);
    inside(format!("{folder}/{target}").trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn entry(kind: EntryType, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn read(entries: &[Vec<u8>]) -> io::Result<HashMap<String, Place>> {
        index(&mut Cursor::new(entries.concat()))
    }

    #[test]
    fn files_links_and_long_names_are_found() {
        let long = "x/".repeat(100) + "layer.tar";
        let pax = b"20 path=blobs/other\n";
        let files = read(&[
            entry(EntryType::Regular, "./a//b", "", b"abc"),
            entry(EntryType::Symlink, "deep/l", "../a/b", b""),
            entry(EntryType::GNULongName, "././@LongLink", "", format!("{long}\0").as_bytes()),
            entry(EntryType::Regular, "short", "", b"long"),
            entry(EntryType::XHeader, "pax", "", pax),
            entry(EntryType::Regular, "short", "", b"p"),
        ])
        .unwrap();
        assert_eq!(files["a/b"], Place::Content { at: 512, size: 3 });
        assert_eq!(files["deep/l"], Place::Link("a/b".into()));
        assert!(files.contains_key(&long) && files.contains_key("blobs/other"));
        assert_eq!(files.len(), 4);
    }

    #[test]
    fn s7_hostile_archives_are_refused() {
        let file = |name: &str| entry(EntryType::Regular, name, "", b"");
        let mut huge = Header::new_gnu();
        huge.set_size(u64::MAX / 2);
        huge.set_entry_type(EntryType::GNULongName);
        huge.set_cksum();
        let mut torn = file("a");
        torn[0] = b'b';
        let cases = [
            (file("../etc/passwd"), "leads out"),
            (file("/etc/passwd"), "leads out"),
            (file("a/../../b"), "leads out"),
            (entry(EntryType::Symlink, "a", "/etc/passwd", b""), "leads out"),
            (entry(EntryType::Symlink, "a", "../../b", b""), "leads out"),
            (entry(EntryType::Link, "a", "../b", b""), "leads out"),
            (entry(EntryType::Char, "dev/null", "", b""), "device"),
            (entry(EntryType::Block, "dev/sda", "", b""), "device"),
            (entry(EntryType::Fifo, "pipe", "", b""), "device"),
            (huge.as_bytes().to_vec(), "middle of a file"),
            (entry(EntryType::GNULongName, "x", "", &vec![b'a'; 1 << 17]), "too long"),
            (entry(EntryType::XHeader, "x", "", b"99 path=x\n"), "extended header"),
            (torn, "damaged"),
        ];
        for (bytes, why) in cases {
            let error = read(&[bytes]).unwrap_err().to_string();
            assert!(error.contains(why), "{error}, not {why}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn any_bytes_are_a_tar_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let _ = index(&mut Cursor::new(bytes));
        }
    }
}
