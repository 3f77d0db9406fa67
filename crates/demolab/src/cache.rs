//! Parts on disk: `<cache>/<part>-<hash of inputs>/`, stamped `done` when complete, made by one builder at a time.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};
use steps::{Event, Outcome, Sink};

use crate::{Error, Result};

/// How long a second builder waits for the first.
const PATIENCE: Duration = Duration::from_secs(45 * 60);
/// Complete parts of one name that stay; older ones are removed.
const KEPT: usize = 2;
const DONE: &str = "done";

/// The folder for built parts: `$AIRLAB_CACHE`, else `$XDG_CACHE_HOME/airlab`, else `~/.cache/airlab`.
pub fn default_cache() -> PathBuf {
    let dir = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    dir("AIRLAB_CACHE")
        .or_else(|| dir("XDG_CACHE_HOME").map(|d| d.join("airlab")))
        .or_else(|| dir("HOME").map(|d| d.join(".cache/airlab")))
        .unwrap_or_else(|| PathBuf::from(".cache/airlab"))
}

/// Sixteen hex digits that stand for these inputs, in this order.
pub(crate) fn hash<I>(inputs: I) -> String
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    let mut sha = Sha256::new();
    for input in inputs {
        let bytes = input.as_ref();
        sha.update((bytes.len() as u64).to_le_bytes());
        sha.update(bytes);
    }
    hex::encode(&sha.finalize()[..8])
}

/// The part `name` with these inputs: taken from the cache, or made by `build` in an empty folder. A folder without
/// the stamp is what an interrupted builder left and is thrown away.
pub(crate) fn part(
    cache: &Path,
    name: &'static str,
    hash: &str,
    sink: &dyn Sink,
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let dir = cache.join(format!("{name}-{hash}"));
    let start = Instant::now();
    sink.emit(Event::Started { step: name.into() });
    let end = |outcome| {
        sink.emit(Event::Finished { step: name.into(), outcome, took: start.elapsed() });
        Ok(dir.clone())
    };
    if dir.join(DONE).exists() {
        return end(Outcome::Unchanged);
    }
    fs::create_dir_all(cache).map_err(Error::cache(cache))?;
    let _lock = lock(&cache.join(format!("{name}.lock")), name, sink)?;
    if dir.join(DONE).exists() {
        return end(Outcome::Unchanged);
    }
    sweep(cache, name)?;
    fs::create_dir_all(&dir).map_err(Error::cache(&dir))?;
    build(&dir)?;
    fs::write(dir.join(DONE), b"").map_err(Error::cache(&dir))?;
    prune(cache, name)?;
    end(Outcome::Changed(format!("built in {} s", start.elapsed().as_secs())))
}

/// The lock file, locked. The lock goes with the process, whatever becomes of it.
fn lock(path: &Path, name: &str, sink: &dyn Sink) -> Result<File> {
    let file = File::options().create(true).append(true).open(path).map_err(Error::cache(path))?;
    let start = Instant::now();
    let mut told = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(Error::cache(path)(e)),
            Err(TryLockError::WouldBlock) => {}
        }
        let elapsed = start.elapsed();
        if elapsed > PATIENCE {
            return Err(Error::Busy { part: name.into(), seconds: elapsed.as_secs() });
        }
        if elapsed - told >= Duration::from_secs(4) {
            told = elapsed;
            sink.emit(Event::Waiting { step: name.into(), last: "being built already".into(), elapsed });
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Folders of the part `name`: `<name>-<16 hex digits>`, with the age of their stamp where they are complete.
fn folders(cache: &Path, name: &str) -> Result<Vec<(PathBuf, Option<SystemTime>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(cache).map_err(Error::cache(cache))? {
        let path = entry.map_err(Error::cache(cache))?.path();
        let own = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix(name)?.strip_prefix('-'));
        if own.is_some_and(|h| h.len() == 16 && h.bytes().all(|b| b.is_ascii_hexdigit())) {
            let done = fs::metadata(path.join(DONE)).and_then(|m| m.modified()).ok();
            found.push((path, done));
        }
    }
    Ok(found)
}

fn sweep(cache: &Path, name: &str) -> Result<()> {
    for (path, done) in folders(cache, name)? {
        if done.is_none() {
            fs::remove_dir_all(&path).map_err(Error::cache(path))?;
        }
    }
    Ok(())
}

fn prune(cache: &Path, name: &str) -> Result<()> {
    let mut complete: Vec<_> =
        folders(cache, name)?.into_iter().filter_map(|(path, done)| Some((done?, path))).collect();
    complete.sort();
    complete.reverse();
    for (_, path) in complete.into_iter().skip(KEPT) {
        fs::remove_dir_all(&path).map_err(Error::cache(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use steps::Silent;

    fn make(cache: &Path, hash: &str) -> Result<PathBuf> {
        part(cache, "thing", hash, &Silent, |dir| fs::write(dir.join("file"), hash).map_err(Error::cache(dir)))
    }

    #[test]
    fn a_complete_part_is_not_built_again() {
        let cache = tempfile::tempdir().unwrap();
        let dir = make(cache.path(), "0000000000000001").unwrap();
        assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "0000000000000001");
        let again = part(cache.path(), "thing", "0000000000000001", &Silent, |_| Err(Error::NoSources)).unwrap();
        assert_eq!(again, dir);
    }

    #[test]
    fn what_a_failed_build_left_is_gone_at_the_next_one() {
        let cache = tempfile::tempdir().unwrap();
        let broken = part(cache.path(), "thing", "0000000000000001", &Silent, |dir| {
            fs::write(dir.join("half"), "x").map_err(Error::cache(dir))?;
            Err(Error::NoSources)
        });
        assert!(broken.is_err());
        let dir = make(cache.path(), "0000000000000001").unwrap();
        assert!(dir.join("file").exists() && !dir.join("half").exists());
    }

    #[test]
    fn the_newest_two_stay_and_other_names_are_left_alone() {
        let cache = tempfile::tempdir().unwrap();
        fs::create_dir_all(cache.path().join("thing-else-0000000000000009")).unwrap();
        for n in 1..=4 {
            make(cache.path(), &format!("{n:016}")).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
        let left: Vec<bool> = (1..=4).map(|n| cache.path().join(format!("thing-{n:016}")).exists()).collect();
        assert_eq!(left, [false, false, true, true]);
        assert!(cache.path().join("thing-else-0000000000000009").exists());
    }

    #[test]
    fn two_builders_of_one_part_build_it_once() {
        let cache = tempfile::tempdir().unwrap();
        let built = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    part(cache.path(), "thing", "0000000000000001", &Silent, |_| {
                        built.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(300));
                        Ok(())
                    })
                    .unwrap()
                });
            }
        });
        assert_eq!(built.into_inner(), 1);
    }

    #[test]
    fn the_hash_knows_where_inputs_end() {
        assert_ne!(hash(["ab", "c"]), hash(["a", "bc"]));
    }
}
