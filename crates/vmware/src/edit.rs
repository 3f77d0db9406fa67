//! Reading and changing a .vmx file that VMware may hold.

use std::path::{Path, PathBuf};
use std::time::Duration;

use steps::{Silent, Wait, wait_for};

use crate::{Vmx, VmxError};

impl Vmx {
    /// Reads a .vmx file. One that is not UTF-8 is refused: changing it could damage names in it.
    pub fn load(path: &Path) -> Result<Self, VmxError> {
        let fail =
            |source: std::io::Error| VmxError::Io { path: path.to_owned(), doing: "read", source: source.into() };
        match String::from_utf8(std::fs::read(path).map_err(fail)?) {
            Ok(text) => Self::parse(&text),
            Err(error) => {
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let encoding = Self::parse(&text).ok().and_then(|v| v.get(".encoding").map(str::to_owned));
                Err(VmxError::Encoding {
                    path: path.to_owned(),
                    encoding: encoding.unwrap_or_else(|| "unknown".into()),
                })
            }
        }
    }
}

/// Changes a .vmx file, whole or not at all, and says whether anything changed. Waits at most `patience` until VMware
/// has let go of it (`X.vmx.lck` is gone): a running machine's file is rewritten by VMware, so a change would be lost.
pub async fn edit(path: &Path, patience: Duration, change: impl FnOnce(&mut Vmx)) -> Result<bool, VmxError> {
    let lock = lock_of(path);
    let wait = Wait::new(format!("{} to go", lock.display()), patience).every(Duration::from_millis(150));
    let free = || {
        let there = lock.exists();
        async move { if there { Err("locked".to_owned()) } else { Ok(()) } }
    };
    if lock.exists() {
        let held = |_| VmxError::Locked { path: lock.clone(), seconds: patience.as_secs() };
        wait_for(wait, &Silent, free).await.map_err(held)?;
    }
    let mut vmx = Vmx::load(path)?;
    let before = vmx.clone();
    change(&mut vmx);
    if vmx == before {
        return Ok(false);
    }
    let fail = |e: machine::FileError| VmxError::Io { path: path.to_owned(), doing: "write", source: e.into() };
    machine::write_file(path, vmx.render().as_bytes(), 0o644).map_err(fail)
}

/// The folder beside a .vmx that exists while VMware holds it.
fn lock_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.lck"))
}
