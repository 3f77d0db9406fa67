//! One command at a time may change a lab.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::{AirlabError, Failure};

/// Held while a command changes a lab. The operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct RunLock(File);

impl RunLock {
    /// Takes the lock, or says who has it.
    pub fn take(path: &Path, command: &str) -> Result<Self, Failure> {
        let fail = |source| AirlabError::File { path: path.to_owned(), action: "not written", source };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(fail)?;
        }
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(AirlabError::Busy { lock: path.to_owned(), holder: holder(&mut file) }.into());
            }
            Err(TryLockError::Error(source)) => return Err(fail(source).into()),
        }
        file.set_len(0).map_err(fail)?;
        write!(file, "process {}, {command}", std::process::id()).map_err(fail)?;
        file.flush().map_err(fail)?;
        Ok(Self(file))
    }

    /// The open file: the lock is held until its last copy is closed.
    pub fn into_file(self) -> File {
        self.0
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.rewind();
    let _ = file.read_to_string(&mut text);
    let age = file.metadata().and_then(|m| m.modified()).ok().and_then(|t| SystemTime::now().duration_since(t).ok());
    format!("{text}, for {} s", age.unwrap_or(Duration::ZERO).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_has_it_and_the_lock_ends_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/demo.lock");
        let first = RunLock::take(&path, "airlab provision").unwrap();
        let refused = RunLock::take(&path, "airlab destroy").unwrap_err();
        let text = refused.problem().to_string();
        assert!(text.contains(&format!("process {}, airlab provision", std::process::id())), "{text}");
        drop(first);
        RunLock::take(&path, "airlab destroy").unwrap();
    }
}
