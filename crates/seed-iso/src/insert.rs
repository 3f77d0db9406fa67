//! New files and folders in one directory tree.

use std::collections::BTreeMap;

use crate::IsoError;
use crate::continuation::relocate;
use crate::image::{BLOCK, Image, both32, le32};
use crate::record::{self, PathEntry, Record, path_table};
use crate::tree::{Names, Tree};

/// Free blocks, taken one after the other.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) next: u64,
}

impl Space {
    pub(crate) fn take(&mut self, bytes: usize) -> u64 {
        let start = self.next;
        self.next += (bytes as u64).div_ceil(BLOCK);
        start
    }
}

/// A file whose data is in the image already.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Full path, from `/`.
    pub(crate) path: String,
    /// Absolute first block.
    pub(crate) block: u64,
    pub(crate) len: u32,
}

/// A directory that gets new records.
#[derive(Debug)]
struct Dir {
    /// Block and size, for one that exists.
    old: Option<(u32, u32)>,
    place: (u32, u32),
    /// Whether it needs a new place.
    moves: bool,
    records: Vec<(String, Vec<u8>)>,
}

/// Puts files, and the folders they need, into a tree. Folders are the keys' texts: `""` is the root.
pub(crate) fn insert(image: &mut Image, tree: &mut Tree, space: &mut Space, files: &[Placed]) -> Result<(), IsoError> {
    let root = tree.read_dir(image, tree.root)?;
    let first = root.first().ok_or_else(|| image.damaged("an empty root directory"))?;
    let px_len = tree.rock_ridge(image, first)?.px_len.unwrap_or(36);
    let date = first.raw[18..25].to_vec();
    let mut edit = Edit { tree: tree.clone(), px_len, date, dirs: BTreeMap::new() };
    for file in files {
        let (dir, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        edit.open(image, dir)?;
        let block = relative(image, tree, file.block)?;
        edit.add(dir, name, (block, file.len), false)?;
    }
    edit.take_along(image)?;
    let moved = edit.place(image, space)?;
    edit.link(image, &moved)?;
    if !moved.is_empty() {
        edit.path_tables(image, space, &moved)?;
    }
    if let Some(dir) = edit.dirs.get("") {
        tree.root = dir.place;
    }
    Ok(())
}

pub(crate) fn relative(image: &Image, tree: &Tree, block: u64) -> Result<u32, IsoError> {
    let block = block.checked_sub(tree.base).and_then(|b| u32::try_from(b).ok());
    block.ok_or_else(|| image.damaged("more blocks than the standard can count"))
}

/// Points a record at other data.
pub(crate) fn point(image: &mut Image, record: &Record, place: (u32, u32)) -> Result<(), IsoError> {
    image.write(record.offset + 2, &[both32(place.0), both32(place.1)].concat())
}

struct Edit {
    tree: Tree,
    px_len: u8,
    date: Vec<u8>,
    dirs: BTreeMap<String, Dir>,
}

impl Edit {
    /// Takes a folder into the edit; makes it, and what leads to it, where it does not exist.
    fn open(&mut self, image: &Image, path: &str) -> Result<(), IsoError> {
        if self.dirs.contains_key(path) {
            return Ok(());
        }
        let found = if path.is_empty() { None } else { self.tree.find(image, path)? };
        let old = match found {
            None if path.is_empty() => Some(self.tree.root),
            None => None,
            Some(r) if r.is_dir() => Some((r.block(), r.size())),
            Some(_) => {
                return Err(IsoError::BadWish { what: path.to_owned(), why: "a file of that name is in the way" });
            }
        };
        let place = old.unwrap_or((0, BLOCK as u32));
        let mut dir = Dir { old, place, moves: old.is_none(), records: Vec::new() };
        if let Some(old) = old {
            for record in self.tree.read_dir(image, old)? {
                let name = if record.is_dot() { String::new() } else { self.tree.name(image, &record)? };
                let fields = self.tree.rock_ridge(image, &record)?;
                if fields.child.is_some() || fields.relocated {
                    let what = "relocated directories".to_owned();
                    return Err(IsoError::Layout { path: image.path.clone(), what });
                }
                dir.records.push((name, record.raw));
            }
        } else {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            self.open(image, parent)?;
            self.add(parent, name, (0, BLOCK as u32), true)?;
            for dot in [0, 1] {
                dir.records.push((String::new(), self.record("", &[dot], (0, BLOCK as u32), true)));
            }
        }
        self.dirs.insert(path.to_owned(), dir);
        Ok(())
    }

    /// Adds a record to an opened folder, in the order of identifiers.
    fn add(&mut self, dir: &str, name: &str, place: (u32, u32), is_dir: bool) -> Result<(), IsoError> {
        let Some(open) = self.dirs.get(dir) else { return Ok(()) };
        let ident = self.ident(name, is_dir, &open.records);
        let record = self.record(name, &ident, place, is_dir);
        if record.len() > 254 {
            return Err(IsoError::BadWish { what: name.to_owned(), why: "the name is too long" });
        }
        let records = self.dirs.get_mut(dir).map(|d| &mut d.records);
        let records = records.filter(|r| r.len() >= 2);
        let Some(records) = records else { return Ok(()) };
        let at = records.iter().skip(2).position(|(_, raw)| ident_of(raw) > ident.as_slice());
        records.insert(at.map_or(records.len(), |n| n + 2), (name.to_owned(), record));
        Ok(())
    }

    /// An identifier in the spelling of the tree, not yet used in the folder.
    fn ident(&self, name: &str, is_dir: bool, taken: &[(String, Vec<u8>)]) -> Vec<u8> {
        if self.tree.names == Names::Joliet {
            return name.encode_utf16().flat_map(u16::to_be_bytes).collect();
        }
        let clean = |s: &str| -> String {
            let upper = s.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
            upper.collect()
        };
        let (stem, extension) = if is_dir { (name, "") } else { name.rsplit_once('.').unwrap_or((name, "")) };
        let (stem, extension) = (clean(stem), clean(extension));
        let tail = if is_dir { String::new() } else { format!(".{};1", &extension[..extension.len().min(3)]) };
        let mut out = format!("{}{tail}", &stem[..stem.len().min(26)]);
        let mut number = 0;
        while taken.iter().any(|(_, raw)| ident_of(raw) == out.as_bytes()) {
            out = format!("{}{number:03}{tail}", &stem[..stem.len().min(20)]);
            number += 1;
        }
        out.into_bytes()
    }

    fn record(&self, name: &str, ident: &[u8], place: (u32, u32), is_dir: bool) -> Vec<u8> {
        let mut fields = Vec::new();
        if let Names::RockRidge { skip } = self.tree.names {
            fields.resize(usize::from(skip), 0);
            let (mode, links) = if is_dir { (0o040_555, 2) } else { (0o100_444, 1) };
            let mut px = [b"PX".as_slice(), &[self.px_len, 1], &both32(mode), &both32(links), &[0; 16]].concat();
            px.resize(usize::from(self.px_len), 0);
            fields.extend(px);
            fields.extend(b"TF\x1a\x01\x0e");
            fields.extend(self.date.repeat(3));
            if !name.is_empty() {
                fields.extend([b'N', b'M', name.len().min(250) as u8 + 5, 1, 0]);
                fields.extend(name.bytes());
            }
        }
        record::bytes(ident, place.0, place.1, is_dir, &self.date, &fields)
    }

    /// Decides which folders move: those that outgrew their blocks, and everything below them, because readers that
    /// stream an image want a folder before what is in it.
    fn take_along(&mut self, image: &Image) -> Result<(), IsoError> {
        let outgrown = |d: &Dir| d.old.is_some_and(|(_, have)| pack(&d.records).len() > have as usize);
        let mut queue: Vec<String> = self.dirs.iter().filter(|(_, d)| outgrown(d)).map(|(p, _)| p.clone()).collect();
        while let Some(path) = queue.pop() {
            self.open(image, &path)?;
            let Some(dir) = self.dirs.get_mut(&path) else { continue };
            dir.moves = true;
            let below = dir.records.iter().skip(2).filter(|(_, raw)| raw[25] & 2 != 0);
            queue.extend(below.map(|(name, _)| format!("{path}/{name}")));
        }
        Ok(())
    }

    /// Gives every folder its place and says which ones are new or moved: path and former block.
    fn place(&mut self, image: &mut Image, space: &mut Space) -> Result<Vec<(String, Option<u32>)>, IsoError> {
        let mut moved = Vec::new();
        let tree = &self.tree;
        for (path, dir) in &mut self.dirs {
            if !dir.moves {
                continue;
            }
            let size = pack(&dir.records).len();
            dir.place = (relative(image, tree, space.take(size))?, size as u32);
            if let Names::RockRidge { skip } = tree.names {
                let start = relative(image, tree, space.next)?;
                let mut areas = Vec::new();
                // the root's own first record says how many bytes to skip, and skips none itself
                for (number, (_, raw)) in dir.records.iter_mut().enumerate() {
                    let skip = if path.is_empty() && number == 0 { 0 } else { skip };
                    let at = raw.len() - record::system_use(raw, skip).len();
                    relocate(image, tree, &mut raw[at..], start, &mut areas, 0)?;
                }
                let at = space.take(areas.len()) * BLOCK;
                image.write(at, &areas)?;
            }
            moved.push((path.clone(), dir.old.map(|(block, _)| block)));
        }
        Ok(moved)
    }

    /// Makes every reference to the folders right, and writes them.
    fn link(&mut self, image: &mut Image, moved: &[(String, Option<u32>)]) -> Result<(), IsoError> {
        let places: BTreeMap<String, (u32, u32)> = self.dirs.iter().map(|(p, d)| (p.clone(), d.place)).collect();
        for (path, dir) in &mut self.dirs {
            let parent = path.rsplit_once('/').map_or("", |(front, _)| front);
            for (number, (name, raw)) in dir.records.iter_mut().enumerate() {
                let target = match number {
                    0 => Some(dir.place),
                    1 => places.get(parent).copied(),
                    _ if raw[25] & 2 != 0 => places.get(&format!("{path}/{name}")).copied(),
                    _ => None,
                };
                if let Some((block, size)) = target {
                    raw[2..10].copy_from_slice(&both32(block));
                    raw[10..18].copy_from_slice(&both32(size));
                }
            }
        }
        for (path, former) in moved {
            let Some(dir) = self.dirs.get(path) else { continue };
            let (parent, _) = path.rsplit_once('/').unwrap_or(("", ""));
            if path.is_empty() {
                let place = [both32(dir.place.0), both32(dir.place.1)].concat();
                image.write(self.tree.descriptor * BLOCK + 158, &place)?;
            } else if former.is_some() && !self.dirs.contains_key(parent) {
                let own = self.tree.find(image, path)?.ok_or_else(|| image.damaged(format!("lost folder {path}")))?;
                point(image, &own, dir.place)?;
            }
            for (name, raw) in dir.records.iter().skip(2) {
                if raw[25] & 2 != 0 && !self.dirs.contains_key(&format!("{path}/{name}")) {
                    let child = self.tree.read_dir(image, (le32(raw, 2), le32(raw, 10)))?;
                    if let Some(up) = child.get(1) {
                        point(image, up, dir.place)?;
                    }
                }
            }
        }
        for dir in self.dirs.values() {
            let mut bytes = pack(&dir.records);
            bytes.resize(bytes.len().max(dir.place.1 as usize), 0);
            image.write(self.tree.offset(dir.place.0), &bytes)?;
        }
        Ok(())
    }

    /// Rewrites both path tables: order by level, then parent, then identifier (ECMA-119 6.9.1).
    fn path_tables(
        &self,
        image: &mut Image,
        space: &mut Space,
        moved: &[(String, Option<u32>)],
    ) -> Result<(), IsoError> {
        let descriptor = image.block(self.tree.descriptor)?;
        let size = le32(&descriptor, 132);
        let places = [le32(&descriptor, 140), u32::from_be_bytes([148, 149, 150, 151].map(|n| descriptor[n]))];
        let bytes = image.read(self.tree.offset(places[0]), u64::from(size))?;
        let mut entries = path_table(&bytes).ok_or_else(|| image.damaged("path table"))?;
        for (path, former) in moved {
            let place = self.dirs[path].place;
            match former {
                Some(block) => entries.iter_mut().filter(|e| e.block == *block).for_each(|e| e.block = place.0),
                None => {
                    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
                    let above = &self.dirs[parent];
                    let raw = above.records.iter().find(|(n, raw)| n == name && raw[25] & 2 != 0);
                    let ident = raw.map(|(_, raw)| ident_of(raw).to_vec()).unwrap_or_default();
                    let parent = entries.iter().position(|e| e.block == above.place.0);
                    let parent = parent.ok_or_else(|| image.damaged("path table without a folder"))?;
                    entries.push(PathEntry { ident, block: place.0, parent });
                }
            }
        }
        let entries = in_order(&entries);
        for (big, old_place, field) in [(false, places[0], 140), (true, places[1], 148)] {
            let table = table(&entries, big);
            let fits = table.len().div_ceil(BLOCK as usize) <= (size as usize).div_ceil(BLOCK as usize);
            let place = if fits { old_place } else { relative(image, &self.tree, space.take(table.len()))? };
            let number = if big { place.to_be_bytes() } else { place.to_le_bytes() };
            let at = self.tree.descriptor * BLOCK;
            image.write(at + field, &number)?;
            image.write(at + field + 4, &[0; 4])?; // the optional second copy would be stale
            image.write(at + 132, &both32(table.len() as u32))?;
            image.write(self.tree.offset(place), &table)?;
        }
        Ok(())
    }
}

fn ident_of(raw: &[u8]) -> &[u8] {
    &raw[33..33 + usize::from(raw[32])]
}

/// Whole blocks with no record across a border.
fn pack(records: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let block = BLOCK as usize;
    for (_, raw) in records {
        if out.len() % block + raw.len() > block {
            out.resize(out.len().next_multiple_of(block), 0);
        }
        out.extend(raw);
    }
    out.resize(out.len().next_multiple_of(block), 0);
    out
}

fn in_order(entries: &[PathEntry]) -> Vec<PathEntry> {
    let mut order = vec![0];
    let mut next = 0;
    while let Some(parent) = order.get(next).copied() {
        let mut children: Vec<usize> = (1..entries.len()).filter(|n| entries[*n].parent == parent).collect();
        children.sort_by(|a, b| entries[*a].ident.cmp(&entries[*b].ident));
        order.extend(children);
        next += 1;
    }
    let at = |old: usize| order.iter().position(|n| *n == old).unwrap_or(0);
    order.iter().map(|n| PathEntry { parent: at(entries[*n].parent), ..entries[*n].clone() }).collect()
}

fn table(entries: &[PathEntry], big: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let parent = entry.parent as u16 + 1;
        out.extend([entry.ident.len() as u8, 0]);
        out.extend(if big { entry.block.to_be_bytes() } else { entry.block.to_le_bytes() });
        out.extend(if big { parent.to_be_bytes() } else { parent.to_le_bytes() });
        out.extend(&entry.ident);
        out.resize(out.len().next_multiple_of(2), 0);
    }
    out
}
