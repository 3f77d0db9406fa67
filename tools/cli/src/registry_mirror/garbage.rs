//! `registry-mirror gc`.

use std::path::PathBuf;
use std::time::Duration;

use registry_mirror::{Collected, GarbageSpec, Store};

use crate::{Ended, Ui, exit};

#[derive(Debug, clap::Args)]
pub(super) struct Garbage {
    /// Folder of the store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Manifests that no tag leads to are garbage too
    #[arg(long)]
    untagged: bool,
    /// What was written or asked for within this time stays
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    grace: u64,
    /// Unfinished uploads, and blobs that a mirror run left half brought, stay for this long after their last byte
    #[arg(long, value_name = "HOURS", default_value_t = 168)]
    unfinished: u64,
}

pub(super) async fn collect(ui: &Ui, args: &Garbage) -> Ended {
    let spec = GarbageSpec {
        grace: Duration::from_secs(args.grace.saturating_mul(60)),
        untagged: args.untagged,
        uploads: Duration::from_secs(args.unfinished.saturating_mul(3600)),
    };
    let collected = Store::open(&args.store)?.collect_garbage(&spec)?;
    ui.result(&collected, |c: &Collected| {
        format!(
            "{} manifests, {} links, {} blobs ({} KiB), {} unfinished uploads, {} half-brought blobs removed",
            c.manifests,
            c.links,
            c.blobs,
            c.bytes / 1024,
            c.uploads,
            c.partials
        )
    })?;
    Ok(exit::OK)
}
