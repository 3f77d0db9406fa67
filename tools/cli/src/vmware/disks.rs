//! Verbs about virtual disks.

use std::path::PathBuf;

use vmware::{DiskFormat, Vmdk};

use crate::{Ended, Ui, exit};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Create an empty disk
    Create {
        vmdk: PathBuf,
        /// Size in GiB
        #[arg(long)]
        gib: u64,
        /// A raw file beside a descriptor, instead of one file that grows
        #[arg(long)]
        flat: bool,
    },
    /// Say what a disk is
    Info { vmdk: PathBuf },
}

pub(super) fn run(ui: &Ui, verb: Verb) -> Ended {
    let path = match verb {
        Verb::Create { vmdk, gib, flat } => {
            let format = if flat { DiskFormat::Flat } else { DiskFormat::Sparse };
            Vmdk::new(gib.saturating_mul(1 << 30), format).create(&vmdk)?;
            vmdk
        }
        Verb::Info { vmdk } => vmdk,
    };
    let (disk, blank) = (Vmdk::open(&path)?, vmware::is_blank(&path)?);
    let format = if disk.format == DiskFormat::Flat { "flat" } else { "sparse" };
    let value = serde_json::json!({
        "capacity_bytes": disk.capacity_bytes, "format": format, "extent": disk.extent, "blank": blank,
    });
    ui.result(&value, |_| {
        let state = if blank { "blank" } else { "in use" };
        format!(
            "{}: {} bytes, {format}, {state}, data in {}",
            path.display(),
            disk.capacity_bytes,
            disk.extent.display()
        )
    })?;
    Ok(exit::OK)
}
