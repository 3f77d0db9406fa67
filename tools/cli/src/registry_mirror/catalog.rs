//! `registry-mirror catalog`.

use std::path::Path;

use registry_mirror::Store;

use crate::{Ended, Ui, exit, table};

pub(super) async fn catalog(ui: &Ui, dir: &Path) -> Ended {
    let catalog = Store::open(dir)?.catalog()?;
    ui.result(&catalog, |entries| {
        let rows: Vec<[String; 4]> = entries
            .iter()
            .flat_map(|entry| {
                entry.tags.iter().map(|image| {
                    let short = image.digest.chars().take(19).collect();
                    [entry.repository.clone(), image.tag.clone(), short, format!("{} KiB", image.size / 1024)]
                })
            })
            .collect();
        table(&["REPOSITORY", "TAG", "DIGEST", "SIZE"], &rows)
    })?;
    Ok(exit::OK)
}
