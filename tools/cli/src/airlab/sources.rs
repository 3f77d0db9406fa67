//! The files a lab is made from: those its file names, or the offline stand-ins.

use std::path::PathBuf;

use airlab::{Carried, Context, Source, Sources};
use lab::Artifacts;
use machine::Cmd;
use steps::Sink;

use super::lab_args::{Real, stopped};
use crate::Failure;

/// The sources of a lab; builds the offline parts where the lab asks for them and they are not in the cache.
pub(super) fn ready(context: &Context, real: &Real, sink: &dyn Sink) -> Result<Sources, Failure> {
    let sources = match (Sources::named(&context.lab.artifacts), carried(context)) {
        (Some(sources), _) => sources,
        (None, Some(carried)) => {
            let bundle = carried.verified(sink).map_err(stopped)?;
            let files = artifacts::Store::new(&files_dir());
            Sources::of_bundle(&carried, &bundle, &files, sink).map_err(stopped)?
        }
        (None, None) => demo(sink)?,
    };
    Ok(with(sources, real))
}

/// The bundle that a lab is made from.
fn carried(context: &Context) -> Option<Carried> {
    let Artifacts::Bundle { bundle, trust } = &context.lab.artifacts else { return None };
    Some(Carried { path: bundle.clone(), trust: trust.clone(), verdicts: verdicts(context) })
}

/// Where it is kept which files were hashed already.
pub(super) fn verdicts(context: &Context) -> PathBuf {
    crate::ui::cache_dir().unwrap_or_else(|| context.files.root().to_owned()).join("verdicts.json")
}

/// Where files are kept, by content: those of imported bundles, and downloads.
pub(super) fn files_dir() -> PathBuf {
    crate::ui::cache_dir().unwrap_or_else(|| PathBuf::from(".airlab")).join("files")
}

/// Hands the sources on to this program inside the lab's network, so that they are made and checked once.
const CHECKED: &str = "AIRLAB_SOURCES";

/// The command with the sources it need not look for again.
pub(super) fn hand_on(cmd: Cmd, sources: &Sources) -> Result<Cmd, Failure> {
    let text = serde_json::to_string(sources).map_err(|e| Failure::system("handing the files on", e.into()))?;
    Ok(cmd.env(CHECKED, text))
}

/// The sources that were handed on.
pub(super) fn handed_on() -> Option<Sources> {
    serde_json::from_str(&std::env::var(CHECKED).ok()?).ok()
}

/// The sources with the files a person named; their stand-ins are no longer mentioned.
fn with(mut sources: Sources, real: &Real) -> Sources {
    if let (Some(k3s), Some(airgap)) = (&real.k3s, &real.airgap) {
        sources.k3s = Source { path: k3s.clone(), sha256: None };
        sources.airgap = Source { path: airgap.clone(), sha256: None };
        sources.stand_ins.retain(|line| !line.starts_with("k3s:"));
    }
    sources
}

/// The sources as far as they can be named without building anything.
pub(super) fn on_paper(context: &Context, real: &Real) -> Sources {
    let sources = Sources::named(&context.lab.artifacts).unwrap_or_else(|| {
        let cache = demolab::default_cache();
        let part = |name: &str| Source { path: cache.join(name), sha256: None };
        Sources {
            iso: part("installer (demo)"),
            k3s: part("k3s (demo)"),
            airgap: part("air-gap images (demo)"),
            images: Vec::new(),
            stand_ins: match carried(context) {
                Some(_) => Vec::new(),
                None => demolab::description(),
            },
            bundle: carried(context),
        }
    });
    with(sources, real)
}

fn demo(sink: &dyn Sink) -> Result<Sources, Failure> {
    let parts = demolab::build(&demolab::Spec { cache: demolab::default_cache() }, sink)?;
    let part = |path| Source { path, sha256: None };
    Ok(Sources {
        iso: part(parts.installer_iso),
        k3s: part(parts.k3s),
        airgap: part(parts.airgap_images),
        images: parts.images,
        stand_ins: parts.description,
        bundle: None,
    })
}
