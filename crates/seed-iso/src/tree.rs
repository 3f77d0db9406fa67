//! A directory tree of an image: what one volume descriptor points at.

use crate::IsoError;
use crate::image::{BLOCK, Image, le32};
use crate::record::{Record, RockRidge, split};

/// Directories larger than this are taken for damage.
const LARGEST_DIRECTORY: u64 = 32 << 20;

/// How a tree spells its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    RockRidge {
        /// Bytes to skip in every system use area.
        skip: u8,
    },
    Joliet,
    Plain,
}

/// One tree. Block numbers inside are relative to `base`.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// Absolute block of its volume descriptor.
    pub(crate) descriptor: u64,
    pub(crate) base: u64,
    pub(crate) names: Names,
    pub(crate) root: (u32, u32),
    pub(crate) volume_blocks: u32,
}

/// What a descriptor set holds.
#[derive(Debug, Default)]
pub(crate) struct DescriptorSet {
    pub(crate) trees: Vec<Tree>,
    /// Block of the El Torito boot catalogue.
    pub(crate) boot_catalogue: Option<u32>,
}

/// Reads the volume descriptors from block 16 after `base` on; `None` when there is no volume.
pub(crate) fn descriptor_set(image: &Image, base: u64) -> Result<Option<DescriptorSet>, IsoError> {
    let mut set = DescriptorSet::default();
    for number in 0..64 {
        let at = base + 16 + number;
        if (at + 1) * BLOCK > image.len {
            break;
        }
        let block = image.block(at)?;
        if &block[1..6] != b"CD001" || block[0] == 255 {
            break;
        }
        let joliet = block[0] == 2 && matches!(&block[88..91], b"%/@" | b"%/C" | b"%/E");
        match block[0] {
            0 if block[7..].starts_with(b"EL TORITO SPECIFICATION") => set.boot_catalogue = Some(le32(&block, 71)),
            1 => set.trees.push(Tree::new(image, at, base, &block, false)?),
            2 if joliet => set.trees.push(Tree::new(image, at, base, &block, true)?),
            _ => {}
        }
    }
    Ok(if set.trees.iter().any(|t| t.names != Names::Joliet) { Some(set) } else { None })
}

impl Tree {
    fn new(image: &Image, descriptor: u64, base: u64, block: &[u8], joliet: bool) -> Result<Self, IsoError> {
        if block[128..130] != [0, 8] {
            return Err(image.damaged("logical blocks are not of 2048 bytes"));
        }
        let root = (le32(block, 158), le32(block, 166));
        let names = if joliet { Names::Joliet } else { Names::Plain };
        let mut tree = Self { descriptor, base, names, root, volume_blocks: le32(block, 80) };
        if !joliet {
            let dot = tree.read_dir(image, tree.root)?.into_iter().next();
            let mut susp = RockRidge::default();
            if let Some(dot) = dot {
                susp.take(dot.system_use(0));
            }
            if let Some(skip) = susp.skip {
                tree.names = Names::RockRidge { skip };
            }
        }
        Ok(tree)
    }

    /// Absolute byte offset of one of the tree's blocks.
    pub(crate) fn offset(&self, block: u32) -> u64 {
        (u64::from(block) + self.base) * BLOCK
    }

    /// All records of a directory, itself and its parent included.
    pub(crate) fn read_dir(&self, image: &Image, dir: (u32, u32)) -> Result<Vec<Record>, IsoError> {
        if u64::from(dir.1) > LARGEST_DIRECTORY {
            return Err(image.damaged(format!("a directory of {} bytes", dir.1)));
        }
        let bytes = image.read(self.offset(dir.0), u64::from(dir.1))?;
        split(&bytes, self.offset(dir.0)).ok_or_else(|| image.damaged(format!("directory at block {}", dir.0)))
    }

    /// What Rock Ridge says about a record, continuation areas included.
    pub(crate) fn rock_ridge(&self, image: &Image, record: &Record) -> Result<RockRidge, IsoError> {
        let mut fields = RockRidge::default();
        let Names::RockRidge { skip } = self.names else { return Ok(fields) };
        let mut next = fields.take(record.system_use(skip));
        for _ in 0..32 {
            let Some((block, offset, len)) = next else { return Ok(fields) };
            if len > 64 << 10 {
                break;
            }
            let area = image.read(self.offset(block).saturating_add(u64::from(offset)), u64::from(len))?;
            next = fields.take(&area);
        }
        Err(image.damaged("endless system use fields"))
    }

    /// The name of a record, as this tree spells it.
    pub(crate) fn name(&self, image: &Image, record: &Record) -> Result<String, IsoError> {
        Ok(match self.names {
            Names::Joliet => record.joliet_name(),
            Names::Plain => record.plain_name(),
            Names::RockRidge { .. } => match self.rock_ridge(image, record)?.name {
                Some(name) => String::from_utf8_lossy(&name).into_owned(),
                None => record.plain_name(),
            },
        })
    }

    /// The record of a file or folder; `None` when it is not there. The path starts with `/` and is not the root.
    pub(crate) fn find(&self, image: &Image, path: &str) -> Result<Option<Record>, IsoError> {
        let mut dir = self.root;
        let mut found = None;
        for part in path.split('/').filter(|p| !p.is_empty()) {
            found = None;
            for record in self.read_dir(image, dir)? {
                if !record.is_dot() && self.name(image, &record)? == part {
                    dir = (record.block(), if record.is_dir() { record.size() } else { 0 });
                    found = Some(record);
                    break;
                }
            }
            if found.is_none() {
                return Ok(None);
            }
        }
        Ok(found)
    }
}
