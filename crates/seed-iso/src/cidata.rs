//! The small ISO that carries a node's cloud-init files: label `CIDATA`, Rock Ridge and Joliet names, one flat folder.
//!
//! The same files always give the same bytes: dates are fixed, nothing is random.

use std::path::Path;

use crate::image::{BLOCK, both32};
use crate::write::write_private;
use crate::{IsoError, record};

/// The files of a NoCloud seed.
///
/// ```
/// let dir = tempfile::tempdir().unwrap();
/// let path = dir.path().join("cidata.iso");
/// let seed = seed_iso::Cidata {
///     user_data: "#cloud-config\n".into(),
///     meta_data: "instance-id: master\n".into(),
///     network_config: None,
/// };
/// assert!(seed.write(&path)?);
/// assert!(!seed.write(&path)?, "the same again changes nothing");
/// let iso = seed_iso::Iso::open(&path)?;
/// assert_eq!(iso.volume_id(), "CIDATA");
/// assert_eq!(iso.read("user-data")?, b"#cloud-config\n");
/// # Ok::<(), seed_iso::IsoError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Cidata {
    /// `user-data`; begins with `#cloud-config`.
    pub user_data: String,
    /// `meta-data`; cloud-init wants the file even when it is empty.
    pub meta_data: String,
    /// `network-config`, where there is one.
    pub network_config: Option<String>,
}

/// Seeds hold keys, so only their sizes are shown.
impl std::fmt::Debug for Cidata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let network = self.network_config.as_ref().map_or(0, String::len);
        write!(f, "Cidata({} + {} + {network} bytes)", self.user_data.len(), self.meta_data.len())
    }
}

/// 2024-01-01 00:00:00 UTC in the standard's two forms.
const DATE: [u8; 7] = [124, 1, 1, 0, 0, 0, 0];
const LONG_DATE: &[u8; 17] = b"2024010100000000\0";
const LABEL: &str = "CIDATA";

/// Where things lie, in blocks.
const PRIMARY: (u32, u32, u32) = (19, 20, 23);
const JOLIET: (u32, u32, u32) = (21, 22, 24);
const FIRST_FILE: u32 = 25;

struct Placed<'a> {
    name: &'a str,
    bytes: &'a [u8],
    block: u32,
}

impl Cidata {
    fn files(&self) -> Vec<(&'static str, &[u8])> {
        let network = self.network_config.as_deref().map(|n| ("network-config", n.as_bytes()));
        let mut files = vec![("meta-data", self.meta_data.as_bytes())];
        files.extend(network);
        files.push(("user-data", self.user_data.as_bytes()));
        files
    }

    /// The bytes of the image.
    pub fn render(&self) -> Vec<u8> {
        let mut block = FIRST_FILE;
        let mut files = Vec::new();
        for (name, bytes) in self.files() {
            files.push(Placed { name, bytes, block });
            block += blocks(bytes.len());
        }
        let total = block;
        let mut image = vec![0; total as usize * BLOCK as usize];
        let mut put = |block: u32, bytes: &[u8]| {
            let at = block as usize * BLOCK as usize;
            image[at..at + bytes.len()].copy_from_slice(bytes);
        };
        for (at, joliet, (little, big, root)) in [(16, false, PRIMARY), (17, true, JOLIET)] {
            put(at, &descriptor(joliet, total, little, big, root));
            put(little, &path_table(&root.to_le_bytes(), &1_u16.to_le_bytes()));
            put(big, &path_table(&root.to_be_bytes(), &1_u16.to_be_bytes()));
            put(root, &directory(joliet, root, &files));
        }
        put(18, b"\xffCD001\x01");
        for file in &files {
            put(file.block, file.bytes);
        }
        image
    }

    /// Writes the image, whole or not at all, readable only by this user (a seed holds keys), and says whether
    /// anything changed.
    pub fn write(&self, path: &Path) -> Result<bool, IsoError> {
        write_private(path, &self.render())
    }
}

fn blocks(len: usize) -> u32 {
    (len as u64).div_ceil(BLOCK) as u32
}

fn path_table(root: &[u8; 4], parent: &[u8; 2]) -> Vec<u8> {
    [&[1, 0], root.as_slice(), parent, &[0, 0]].concat()
}

/// A primary or Joliet volume descriptor (ECMA-119 8.4, 8.5).
fn descriptor(joliet: bool, total: u32, little: u32, big: u32, root: u32) -> Vec<u8> {
    let mut out = vec![0_u8; BLOCK as usize];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    let text = |s: &str, len: usize| -> Vec<u8> {
        if joliet {
            let units = s.encode_utf16().chain(std::iter::repeat(u16::from(b' '))).take(len / 2);
            units.flat_map(u16::to_be_bytes).chain(std::iter::repeat_n(0, len % 2)).collect()
        } else {
            s.bytes().chain(std::iter::repeat(b' ')).take(len).collect()
        }
    };
    put(0, &[if joliet { 2 } else { 1 }]);
    put(1, b"CD001\x01");
    put(8, &text("", 32));
    put(40, &text(LABEL, 32));
    put(80, &both32(total));
    if joliet {
        put(88, b"%/E");
    }
    for (at, value) in [(120, 1_u16), (124, 1), (128, BLOCK as u16)] {
        put(at, &value.to_le_bytes());
        put(at + 2, &value.to_be_bytes());
    }
    put(132, &both32(10));
    put(140, &little.to_le_bytes());
    put(148, &big.to_be_bytes());
    put(156, &record_bytes(&[0], root, BLOCK as u32, true, &[]));
    for (at, len) in [(190, 128), (318, 128), (446, 128), (574, 128), (702, 37), (739, 37), (776, 37)] {
        put(at, &text("", len));
    }
    for at in [813, 830] {
        put(at, LONG_DATE);
    }
    for at in [847, 864] {
        put(at, b"0000000000000000\0");
    }
    put(881, &[1]);
    out
}

fn directory(joliet: bool, root: u32, files: &[Placed<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for dot in [0_u8, 1] {
        let mut fields = Vec::new();
        if !joliet {
            if dot == 0 {
                fields.extend_from_slice(&[b'S', b'P', 7, 1, 0xbe, 0xef, 0]);
            }
            fields.extend(posix(0o040_555, 2));
            if dot == 0 {
                fields.extend_from_slice(b"ER\x12\x01\x0a\x00\x00\x01RRIP_1991A");
            }
        }
        out.extend(record_bytes(&[dot], root, BLOCK as u32, true, &fields));
    }
    for file in files {
        let mut fields = Vec::new();
        let ident = if joliet {
            file.name.encode_utf16().flat_map(u16::to_be_bytes).collect()
        } else {
            fields.extend(posix(0o100_400, 1));
            fields.extend([b'N', b'M', 5 + file.name.len() as u8, 1, 0]);
            fields.extend(file.name.bytes());
            format!("{}.;1", file.name.to_uppercase().replace('-', "_")).into_bytes()
        };
        out.extend(record_bytes(&ident, file.block, file.bytes.len() as u32, false, &fields));
    }
    out
}

/// The PX and TF fields: mode, links, root as owner, fixed dates.
fn posix(mode: u32, links: u32) -> Vec<u8> {
    let mut out = b"PX\x24\x01".to_vec();
    for value in [mode, links, 0, 0] {
        out.extend(both32(value));
    }
    out.extend(b"TF\x1a\x01\x0e");
    out.extend(DATE.repeat(3));
    out
}

fn record_bytes(ident: &[u8], block: u32, len: u32, dir: bool, fields: &[u8]) -> Vec<u8> {
    record::bytes(ident, block, len, dir, &DATE, fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_small_image() {
        let seed = Cidata { user_data: "#cloud-config\n".into(), meta_data: String::new(), network_config: None };
        assert_eq!(seed.render(), seed.render());
        assert_eq!(seed.render().len(), 26 * 2048);
        assert!(!format!("{seed:?}").contains("cloud"));
    }
}
