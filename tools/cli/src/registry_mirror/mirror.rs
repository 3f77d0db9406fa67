//! `registry-mirror mirror`.

use std::path::PathBuf;

use registry_mirror::{Image, MirrorReport, Source, Store, mirror, mirror_archives};
use serde::Serialize;

use super::read;
use crate::{Ended, Ui, exit};

#[derive(Debug, clap::Args)]
pub(super) struct Mirror {
    /// Folder of the store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// CA to trust for registries, instead of the system's, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Images: a docker archive, an OCI layout, or a name in a registry; `NAME=SOURCE` keeps it under another name
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

#[derive(Serialize)]
struct Mirrored {
    changed: usize,
    new: Vec<String>,
    updated: Vec<String>,
    present: Vec<String>,
    failed: Vec<String>,
}

pub(super) async fn bring(ui: &Ui, args: Mirror) -> Ended {
    let store = Store::open(&args.store)?;
    let ca_pem = args.ca.as_deref().map(read).transpose()?;
    let mut report = MirrorReport::default();
    let mut images = Vec::new();
    for image in &args.images {
        let (name, source) = image.split_once('=').map_or((None, image.as_str()), |(n, s)| (Some(n), s));
        let path = PathBuf::from(source);
        match (path.exists(), name) {
            // Without a name, everything in the archive comes under its own.
            (true, None) => {
                let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let some = mirror_archives(&[(label, path)], &store, ui).await?;
                report.new.extend(some.new);
                report.present.extend(some.present);
                report.changed.extend(some.changed);
            }
            (true, Some(name)) => images.push(wanted(name, Source::File(path))),
            (false, name) => {
                let from = Source::Registry { reference: source.to_owned(), ca_pem: ca_pem.clone() };
                images.push(wanted(name.unwrap_or(source), from));
            }
        }
    }
    let rest = mirror(&images, &store, ui).await;
    let result = Mirrored {
        changed: report.new.len() + report.changed.len() + rest.new.len() + rest.changed.len(),
        new: [report.new, rest.new.clone()].concat(),
        updated: [report.changed, rest.changed.clone()].concat(),
        present: [report.present, rest.present.clone()].concat(),
        failed: rest.failed.iter().map(|(reference, _)| reference.clone()).collect(),
    };
    ui.result(&result, |r| {
        let rows = [("new", &r.new), ("updated", &r.updated), ("present", &r.present), ("failed", &r.failed)];
        let lines = rows.iter().flat_map(|(what, names)| names.iter().map(move |name| format!("{what:<8} {name}\n")));
        lines.collect()
    })?;
    rest.complete()?;
    Ok(exit::OK)
}

fn wanted(reference: &str, source: Source) -> Image {
    Image { reference: reference.to_owned(), digest: None, sources: vec![source] }
}
