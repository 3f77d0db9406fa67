//! Everything a patch changes, worked out in memory before a byte is written.

use sha2::{Digest, Sha256};

use crate::gpt::{Gpt, Layout};
use crate::image::{BLOCK, Image, le32};
use crate::insert::{Placed, Space, insert, point, relative};
use crate::mark::{Mark, differences};
use crate::record::Record;
use crate::tree::{Names, Tree, descriptor_set};
use crate::{Grub, Iso, IsoError, MenuEntry, Patch};

pub(crate) const GRUB: &str = "/boot/grub/grub.cfg";
const LOOPBACK: &str = "/boot/grub/loopback.cfg";
const SUMS: &str = "/md5sum.txt";

/// A patch, ready to be written over a copy of the source.
pub(crate) struct Plan {
    pub(crate) image: Image,
    pub(crate) layout: Layout,
    pub(crate) grown: bool,
    pub(crate) entry: MenuEntry,
    pub(crate) mark: Mark,
}

/// The image's partition table and the mark in its padding, if any.
pub(crate) fn marked(image: &Image) -> Result<(Gpt, Option<Mark>), IsoError> {
    let gpt = Gpt::read(image)?;
    let mark = Mark::read(image, gpt.layout().padding_start())?;
    Ok((gpt, mark))
}

/// A checksum of what tells one source from another without reading all of it: descriptors and partition tables,
/// names, sizes and places of all files, and the list of checksums.
pub(crate) fn fingerprint(iso: &Iso) -> Result<[u8; 32], IsoError> {
    let mut hash = Sha256::new();
    hash.update(iso.image.original(0, 20 * BLOCK)?);
    for entry in iso.entries() {
        hash.update(format!("{} {} {:?}\n", entry.path, entry.size, entry.place()));
    }
    hash.update(iso.read(SUMS).unwrap_or_default());
    Ok(hash.finalize().into())
}

pub(crate) fn default_entry(iso: &Iso) -> Result<(Grub, MenuEntry), IsoError> {
    let path = || iso.image.path.clone();
    let text = iso.read(GRUB).map_err(|_| IsoError::NoGrub { path: path() })?;
    let grub = Grub::parse(&String::from_utf8_lossy(&text));
    let entry = grub.default_entry().ok_or_else(|| IsoError::NoMenuEntry { path: path() })?;
    Ok((grub, entry))
}

pub(crate) fn plan(iso: Iso, wish: &Patch) -> Result<Plan, IsoError> {
    let files = wish.checked()?;
    let (_, entry) = default_entry(&iso)?;
    let (gpt, mark) = marked(&iso.image)?;
    let patched = |how: &str| IsoError::AlreadyPatched { path: iso.image.path.clone(), how: how.to_owned() };
    if mark.is_some() {
        return Err(patched("it carries our mark"));
    }
    if !wish.kernel_args.is_empty() && wish.kernel_args.iter().all(|a| entry.args.contains(a)) {
        return Err(patched("the kernel arguments are there"));
    }
    let old = gpt.layout();
    let padding = iso.image.read(old.padding_start() * BLOCK, old.padding * BLOCK)?;
    if padding.iter().any(|b| *b != 0) {
        let what = "the padding behind the EFI system partition is in use".to_owned();
        return Err(IsoError::Layout { path: iso.image.path.clone(), what });
    }
    let changed = contents(&iso, wish, &files)?;
    let mut work = Work::new(iso, &gpt)?;
    let mut fresh = Vec::new();
    for (path, bytes) in changed {
        work.put(&path, &bytes, &mut fresh)?;
    }
    for tree in &mut work.trees {
        if !fresh.is_empty() {
            insert(&mut work.iso.image, tree, &mut work.space, &fresh)?;
        }
    }
    work.finish(&gpt, old, wish)
}

/// The new contents of all files that change or come new, checksums last.
fn contents(iso: &Iso, wish: &Patch, files: &[(String, &[u8])]) -> Result<Vec<(String, Vec<u8>)>, IsoError> {
    let mut out = Vec::new();
    for path in [GRUB, LOOPBACK] {
        let Ok(text) = iso.read(path) else { continue };
        let Ok(text) = String::from_utf8(text) else { return Err(iso.image.damaged(format!("{path} is not text"))) };
        let mut grub = Grub::parse(&text);
        let changed = grub.add_args(&wish.kernel_args, &wish.console_args);
        if path == GRUB {
            grub.set_timeout(wish.timeout);
            let wanted = !wish.kernel_args.is_empty() || !wish.console_args.is_empty();
            if wanted && changed == 0 {
                return Err(IsoError::NoMenuEntry { path: iso.image.path.clone() });
            }
        }
        out.push((path.to_owned(), grub.render().into_bytes()));
    }
    out.extend(files.iter().map(|(path, bytes)| (path.clone(), bytes.to_vec())));
    if let Ok(sums) = iso.read(SUMS) {
        let mut sums: Vec<Vec<u8>> = sums.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        for line in &mut sums {
            let name = line.get(34..).unwrap_or_default().trim_ascii_end();
            let name = name.strip_prefix(b".").unwrap_or(name);
            if let Some((_, bytes)) = out.iter().find(|(path, _)| path.as_bytes() == name) {
                let sum = format!("{:x}", md5::compute(bytes));
                line[..32].copy_from_slice(sum.as_bytes());
            }
        }
        out.push((SUMS.to_owned(), sums.concat()));
    }
    Ok(out)
}

/// The image while it is being changed.
struct Work {
    iso: Iso,
    trees: Vec<Tree>,
    space: Space,
    esp: Vec<u8>,
    print: [u8; 32],
}

impl Work {
    fn new(iso: Iso, gpt: &Gpt) -> Result<Self, IsoError> {
        let layout = gpt.layout();
        let mut trees = iso.set.trees.clone();
        if let Some(base) = gpt.iso_start()
            && let Some(second) = descriptor_set(&iso.image, base)?
        {
            trees.extend(second.trees);
        }
        let esp = iso.image.read(layout.esp * BLOCK, layout.esp_blocks * BLOCK)?;
        let print = fingerprint(&iso)?;
        Ok(Self { iso, trees, space: Space { next: layout.esp }, esp, print })
    }

    /// Gives a file new contents: in its place when they fit and the place is its own, else in new blocks. A file
    /// that is not there yet is only stored, and noted in `fresh`.
    fn put(&mut self, path: &str, bytes: &[u8], fresh: &mut Vec<Placed>) -> Result<(), IsoError> {
        let len = u32::try_from(bytes.len());
        let len = len.map_err(|_| IsoError::BadWish { what: path.to_owned(), why: "larger than 4 GiB" })?;
        let mut records: Vec<(Tree, Record)> = Vec::new();
        for tree in &self.trees {
            match tree.find(&self.iso.image, path)? {
                Some(record) if record.is_dir() || record.goes_on() => {
                    return Err(IsoError::BadWish { what: path.to_owned(), why: "a folder or a file in pieces" });
                }
                Some(record) => records.push((tree.clone(), record)),
                None => {}
            }
        }
        let blocks = |len: u64| len.div_ceil(BLOCK);
        let own = |place: u64| self.iso.entries().iter().filter(|e| e.place() == Some(place)).count() < 2;
        let place = records.first().map(|(tree, r)| (tree.offset(r.block()), u64::from(r.size())));
        let place = place.filter(|(at, have)| blocks(*have) >= blocks(bytes.len() as u64) && *have > 0 && own(*at));
        let (block, size) = match place {
            Some((at, have)) => (at / BLOCK, blocks(have) * BLOCK),
            None => (self.space.take(bytes.len()), blocks(bytes.len() as u64) * BLOCK),
        };
        let mut whole = bytes.to_vec();
        whole.resize(size as usize, 0);
        self.iso.image.write(block * BLOCK, &whole)?;
        if records.is_empty() {
            fresh.push(Placed { path: path.to_owned(), block, len });
        }
        for (tree, record) in records {
            let block = relative(&self.iso.image, &tree, block)?;
            if (record.block(), record.size()) != (block, len) {
                point(&mut self.iso.image, &record, (block, len))?;
            }
        }
        Ok(())
    }

    /// Volume sizes, boot catalogue, partition tables, mark.
    fn finish(mut self, gpt: &Gpt, old: Layout, wish: &Patch) -> Result<Plan, IsoError> {
        let source_len = self.iso.image.file_len();
        let mut mark = Mark {
            source_print: self.print,
            wish: Sha256::digest(wish.canonical()).into(),
            source: [0; 32],
            source_len,
            layout: old,
            esp_now: old.esp,
            runs: Vec::new(),
        };
        self.undo(&mut mark, source_len)?;
        let mark_blocks = |mark: &Mark| (mark.bytes().len() as u64).div_ceil(BLOCK);
        let grown = self.space.next > old.esp || mark_blocks(&mark) > old.padding;
        let mut new = old;
        if grown {
            new.esp = self.space.next;
            // what the new geometry itself changes takes less than 16 KiB
            new.padding = old.padding.max(mark_blocks(&mark) + 8);
            self.geometry(gpt, old, new)?;
            mark.esp_now = new.esp;
            mark.runs.clear();
            self.undo(&mut mark, old.esp * BLOCK)?;
            let tail = (old.total() - old.tail) * BLOCK;
            let bytes = self.iso.image.original(tail, old.tail * BLOCK)?;
            differences(tail, &bytes, &vec![0; bytes.len()], &mut mark.runs);
        }
        let bytes = mark.bytes();
        if bytes.len() as u64 > new.padding * BLOCK {
            return Err(self.iso.image.damaged("the mark does not fit into the padding"));
        }
        self.iso.image.write(new.padding_start() * BLOCK, &bytes)?;
        let (_, entry) = default_entry_of(&self)?;
        Ok(Plan { image: self.iso.image, layout: new, grown, entry, mark })
    }

    /// Notes the original bytes of everything changed below `limit`.
    fn undo(&self, mark: &mut Mark, limit: u64) -> Result<(), IsoError> {
        for (block, new) in self.iso.image.changes().range(..limit.div_ceil(BLOCK)) {
            let offset = block * BLOCK;
            let old = self.iso.image.original(offset, BLOCK.min(self.iso.image.file_len() - offset))?;
            differences(offset, &old, &new[..old.len()], &mut mark.runs);
        }
        Ok(())
    }

    fn geometry(&mut self, gpt: &Gpt, old: Layout, new: Layout) -> Result<(), IsoError> {
        let image = &mut self.iso.image;
        let shift = new.esp - old.esp;
        for tree in &self.trees {
            let now = u64::from(tree.volume_blocks);
            let size = if now == old.total() { new.total() } else { now + shift };
            let size = u32::try_from(size).map_err(|_| image.damaged("more blocks than the standard can count"))?;
            image.write(tree.descriptor * BLOCK + 80, &crate::image::both32(size))?;
        }
        if let Some(catalogue) = self.iso.set.boot_catalogue {
            let at = u64::from(catalogue) * BLOCK;
            let mut bytes = image.read(at, BLOCK)?;
            let moved = |e: &&mut [u8]| e[0] == 0x88 && u64::from(le32(e, 8)) == old.esp;
            for entry in bytes.chunks_exact_mut(32).filter(moved) {
                entry[8..12].copy_from_slice(&(new.esp as u32).to_le_bytes());
            }
            image.write(at, &bytes)?;
        }
        image.write(new.esp * BLOCK, &self.esp)?;
        image.write(new.padding_start() * BLOCK, &vec![0; (new.padding * BLOCK) as usize])?;
        gpt.write(image, &new)
    }
}

/// The default entry as it is now, read through the primary tree.
fn default_entry_of(work: &Work) -> Result<(Grub, MenuEntry), IsoError> {
    let image = &work.iso.image;
    let lost = || IsoError::Mismatch { path: image.path.clone(), name: GRUB.to_owned() };
    let tree = work.trees.iter().find(|t| t.names != Names::Joliet).ok_or_else(lost)?;
    let record = tree.find(image, GRUB)?.ok_or_else(lost)?;
    let text = image.read(tree.offset(record.block()), u64::from(record.size()))?;
    let grub = Grub::parse(&String::from_utf8_lossy(&text));
    let entry = grub.default_entry().ok_or_else(lost)?;
    Ok((grub, entry))
}
