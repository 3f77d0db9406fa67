//! Reading and changing a .vmx file that VMware may hold.

use std::path::Path;
use std::time::Duration;

use crate::{Vmx, VmxError, lock};

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
    lock::free(path, patience).await?;
    let mut vmx = Vmx::load(path)?;
    let before = vmx.clone();
    change(&mut vmx);
    if vmx == before {
        return Ok(false);
    }
    let fail = |e: machine::FileError| VmxError::Io { path: path.to_owned(), doing: "write", source: e.into() };
    machine::write_file(path, vmx.render().as_bytes(), 0o644).map_err(fail)
}
