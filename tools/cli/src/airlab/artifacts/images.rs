//! `airlab artifacts images`.

use std::path::PathBuf;

use airlab::asked;
use artifacts::{ArtifactError, check_pin};

use super::super::lab_args::stopped;
use super::{LockFile, cache, place, verdicts};
use crate::tool::Ended;
use crate::{Failure, Ui, exit, table};

#[derive(Debug, clap::Args)]
pub(in crate::airlab) struct ImagesArgs {
    #[command(flatten)]
    lock: LockFile,
    /// A rendered chart, as helm template prints it
    #[arg(long, value_name = "YAML")]
    rendered: Vec<PathBuf>,
}

/// Compares what k3s's air-gap images and the charts ask for with the lock.
pub(super) async fn images(ui: &Ui, args: &ImagesArgs) -> Ended {
    let lock = args.lock.read()?;
    let mut archives = Vec::new();
    for pin in lock.artifacts.iter().filter(|pin| pin.kind == "airgap-images") {
        let path = place(pin)?;
        check_pin(pin, &path, &mut verdicts())?;
        archives.push(path);
    }
    let scratch = cache();
    std::fs::create_dir_all(&scratch).map_err(|e| Failure::system(format!("making {}", scratch.display()), e))?;
    let all = asked(&archives, &args.rendered, &lock, &scratch).await.map_err(stopped)?;
    let unpinned: Vec<_> = all.iter().filter(|asked| asked.digest.is_none()).collect();
    for image in &unpinned {
        ui.say(&format!("not in the lock: {}  ({})", image.image, image.by.display()));
    }
    if let Some(first) = unpinned.first() {
        let names: Vec<&str> = unpinned.iter().map(|asked| asked.image.as_str()).collect();
        let lock = args.lock.path.display().to_string();
        let how = format!("registry-mirror resolve --profile full --lock '{lock}'");
        let by = first.by.display().to_string();
        return Err(ArtifactError::Unpinned { name: names.join(", "), by, lock, how }.into());
    }
    ui.result(&all, |all| {
        let line = |a: &airlab::Asked| [a.image.clone(), a.digest.clone().unwrap_or_default()];
        table(&["IMAGE", "DIGEST"], &all.iter().map(line).collect::<Vec<[String; 2]>>())
    })?;
    Ok(exit::OK)
}
