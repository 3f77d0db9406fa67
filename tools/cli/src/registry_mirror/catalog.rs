//! `registry-mirror catalog`.

use std::path::PathBuf;

use registry_mirror::{CatalogEntry, Store};
use serde::Serialize;

use super::profile::{Chosen, missing};
use crate::{Ended, Ui, exit, table};

#[derive(Debug, clap::Args)]
pub(super) struct Catalog {
    /// Folder of the store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    #[command(flatten)]
    profile: Chosen,
}

#[derive(Serialize)]
struct Held {
    #[serde(flatten)]
    compared: Option<Missing>,
    repositories: Vec<CatalogEntry>,
}

#[derive(Serialize)]
struct Missing {
    missing: Vec<String>,
}

pub(super) async fn catalog(ui: &Ui, args: Catalog) -> Ended {
    let repositories = Store::open(&args.store)?.catalog()?;
    let missing = missing(&args.profile, &repositories)?;
    let named = !args.profile.all()?.is_empty();
    let held = Held { compared: named.then_some(Missing { missing }), repositories };
    if !named {
        // The list alone, as scripts know it.
        ui.result(&held.repositories, |entries| listed(entries))?;
        return Ok(exit::OK);
    }
    ui.result(&held, |held| {
        let missing = held.compared.iter().flat_map(|c| &c.missing);
        let missing: String = missing.map(|name| format!("missing  {name}\n")).collect();
        format!("{}{missing}", listed(&held.repositories))
    })?;
    Ok(exit::OK)
}

fn listed(entries: &[CatalogEntry]) -> String {
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
}

/// Whether a catalog names an image, without its registry's host.
pub(super) fn holds(kept: &[CatalogEntry], name: &str) -> bool {
    let bare = name.split_once('/').map_or(name, |(_, rest)| rest);
    let Some((repository, tag)) = bare.rsplit_once(':') else { return false };
    kept.iter().any(|entry| entry.repository == repository && entry.tags.iter().any(|image| image.tag == tag))
}
