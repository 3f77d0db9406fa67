//! The files a lab is made from: those its file names, or the offline stand-ins.

use std::path::{Path, PathBuf};

use airlab::{Carried, Context, Source, Sources};
use artifacts::{Lock, Verdicts};
use lab::Artifacts;
use machine::Cmd;
use steps::Sink;

use super::lab_args::{LabArgs, Real, stopped};
use crate::Failure;

/// The sources of a lab, held to its lock where there is one; builds the offline parts where the lab asks for them and
/// they are not in the cache.
pub(super) fn ready(context: &Context, args: &LabArgs, real: &Real, sink: &dyn Sink) -> Result<Sources, Failure> {
    let sources = match (Sources::named(&context.lab.artifacts), carried(context)) {
        (Some(mut sources), _) => {
            if let Some((file, lock)) = hold(&mut sources, context, args)?
                && let Some(kubesphere) = &context.lab.kubesphere
            {
                let pin = airlab::pinned(&lock, &file, airlab::CHART.0).map_err(stopped)?;
                artifacts::check_pin(pin, &kubesphere.chart, &mut Verdicts::open(&verdicts(context)))?;
            }
            sources
        }
        (None, Some(carried)) => {
            let bundle = carried.verified(sink).map_err(stopped)?;
            let files = artifacts::Store::new(&files_dir());
            Sources::of_bundle(&carried, &bundle, &files, sink).map_err(stopped)?
        }
        (None, None) => {
            let mut sources = demo(sink)?;
            hold(&mut sources, context, args)?;
            sources
        }
    };
    Ok(with(sources, real))
}

/// Holds the sources to the lab's lock, if there is one; a bundle has its own.
fn hold(sources: &mut Sources, context: &Context, args: &LabArgs) -> Result<Option<(PathBuf, Lock)>, Failure> {
    let own = matches!(context.lab.artifacts, Artifacts::Bundle { .. });
    let Some(file) = args.lock_file(&context.lab).filter(|_| !own) else { return Ok(None) };
    let lock = Lock::load(&file)?;
    match context.lab.artifacts {
        Artifacts::Files { .. } => sources.hold_to(&file, &lock).map_err(stopped)?,
        _ => sources.take_extras(&file, &lock).map_err(stopped)?,
    }
    Ok(Some((file, lock)))
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
/// Of one variable, Linux takes 128 KiB to a new program.
const MOST: usize = 120_000;

/// The command with the sources it need not look for again: as a variable, or as the name of a file where they are many.
pub(super) fn hand_on(cmd: Cmd, context: &Context, sources: &Sources) -> Result<Cmd, Failure> {
    Ok(cmd.env(CHECKED, folded(sources, &context.files.root().join("sources.json"))?))
}

/// The sources that were handed on.
pub(super) fn handed_on() -> Option<Sources> {
    unfolded(&std::env::var(CHECKED).ok()?)
}

/// The sources as text, or where they were written because they are more than a variable holds.
fn folded(sources: &Sources, path: &Path) -> Result<String, Failure> {
    let text = serde_json::to_string(sources).map_err(|e| Failure::system("handing the files on", e.into()))?;
    if text.len() < MOST {
        return Ok(text);
    }
    std::fs::write(path, text).map_err(|e| Failure::system(format!("writing {}", path.display()), e))?;
    Ok(path.display().to_string())
}

/// A file that they were in goes: it was for this run.
fn unfolded(text: &str) -> Option<Sources> {
    if text.starts_with('{') {
        return serde_json::from_str(text).ok();
    }
    let sources = serde_json::from_slice(&std::fs::read(text).ok()?).ok();
    let _ = std::fs::remove_file(text);
    sources
}

/// The sources with the files a person named; their stand-ins are no longer mentioned.
fn with(mut sources: Sources, real: &Real) -> Sources {
    if let (Some(k3s), Some(airgap)) = (&real.k3s, &real.airgap) {
        sources.k3s = Source::at(k3s.clone());
        sources.airgap = Source::at(airgap.clone());
        sources.stand_ins.retain(|line| !line.starts_with("k3s:"));
    }
    sources
}

/// The sources as far as they can be named without building anything.
pub(super) fn on_paper(context: &Context, args: &LabArgs, real: &Real) -> Result<Sources, Failure> {
    let mut sources = Sources::named(&context.lab.artifacts).unwrap_or_else(|| {
        let cache = demolab::default_cache();
        let part = |name: &str| Source::at(cache.join(name));
        Sources {
            iso: part("installer (demo)"),
            k3s: part("k3s (demo)"),
            airgap: part("air-gap images (demo)"),
            stand_ins: match carried(context) {
                Some(_) => Vec::new(),
                None => demolab::description(),
            },
            bundle: carried(context),
            ..Sources::default()
        }
    });
    hold(&mut sources, context, args)?;
    Ok(with(sources, real))
}

fn demo(sink: &dyn Sink) -> Result<Sources, Failure> {
    let parts = demolab::build(&demolab::Spec { cache: demolab::default_cache() }, sink)?;
    let part = Source::at;
    Ok(Sources {
        iso: part(parts.installer_iso),
        k3s: part(parts.k3s),
        airgap: part(parts.airgap_images),
        images: parts.images,
        stand_ins: parts.description,
        ..Sources::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_handed_on_as_text_or_in_a_file_where_they_are_too_many_for_a_variable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sources.json");
        let mut sources = Sources::default();
        for many in [10, 5000] {
            sources.images = (0..many).map(|n| (format!("docker.io/a/b:{n}"), "images/some.tar".into())).collect();
            let text = folded(&sources, &path).unwrap();
            assert_eq!(path.exists(), many == 5000);
            assert!(text.len() < MOST);
            assert_eq!(unfolded(&text), Some(sources.clone()));
            assert!(!path.exists(), "it was for one run");
        }
        assert_eq!(unfolded("nothing/of/the/kind"), None);
    }
}
