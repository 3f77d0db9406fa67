//! ISO volumes as folders: extracted once, shared by all machines. This kernel may have no ISO 9660 at all.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use seed_iso::Iso;

use crate::home::Home;
use crate::vm::id_of;
use crate::{Failure, files};

/// The folder with everything that is on the volume. A changed image is another volume.
pub(super) fn extracted(home: &Home, iso: &Path) -> Result<PathBuf, Failure> {
    let meta = fs::metadata(iso).map_err(|source| Failure::File { path: iso.into(), doing: "not read", source })?;
    let text = format!("{} {} {} {}.{}", iso.display(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
    let place = home.volumes().join(id_of(Path::new(&text)));
    files::dir(&home.volumes())?;
    let lock = File::create(place.with_extension("lock")).map_err(Failure::host("locking a volume"))?;
    lock.lock().map_err(Failure::host("locking a volume"))?; // several machines start from one image
    if !place.is_dir() {
        let partial = place.with_extension("partial");
        let _ = fs::remove_dir_all(&partial);
        let volume = Iso::open(iso).map_err(Failure::host("opening an ISO image"))?;
        volume.extract(&partial).map_err(Failure::host("extracting an ISO image"))?;
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&partial, open).map_err(Failure::host("extracting an ISO image"))?;
        fs::rename(&partial, &place).map_err(Failure::host("extracting an ISO image"))?;
    }
    Ok(place)
}
