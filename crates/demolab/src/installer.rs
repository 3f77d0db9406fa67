//! The installer: a stand-in for subiquity and curtin, its program and the ISO around it.

use std::fs;
use std::path::{Path, PathBuf};

use steps::Sink;

use crate::script::Script;
use crate::{Error, NodeImage, Result, cache, kubernetes_source};

const PROGRAM: &str = "installer";
const PROGRAM_SCRIPT: &str = include_str!("../scripts/installer.sh");
const ISO: &str = "installer-iso";
const ISO_SCRIPT: &str = include_str!("../scripts/installer-iso.sh");
const INIT: &str = include_str!("../scripts/installer-init.sh");

/// The program's sources.
const GO: &[(&str, &str)] = &[
    ("main.go", include_str!("../go/installer/main.go")),
    ("cmdline.go", include_str!("../go/installer/cmdline.go")),
    ("document.go", include_str!("../go/installer/document.go")),
    ("plan.go", include_str!("../go/installer/plan.go")),
    ("disk.go", include_str!("../go/installer/disk.go")),
    ("unpack.go", include_str!("../go/installer/unpack.go")),
    ("commands.go", include_str!("../go/installer/commands.go")),
    ("host.go", include_str!("../go/installer/host.go")),
];

/// The hash of the program's inputs.
fn program_hash() -> String {
    let source = kubernetes_source::hash();
    let sources = GO.iter().flat_map(|(name, text)| [*name, *text]);
    cache::hash([PROGRAM_SCRIPT, source.as_str()].into_iter().chain(sources))
}

/// The installer program, from the cache or built. `installer --plan FILE` prints what a document would make it do.
pub fn installer(cache: &Path, sink: &dyn Sink) -> Result<PathBuf> {
    let dir = cache::part(cache, PROGRAM, &program_hash(), sink, |dir| {
        let source = kubernetes_source::kubernetes_source(cache, sink)?;
        let src = dir.join("src");
        fs::create_dir_all(&src).map_err(Error::cache(&src))?;
        for (name, text) in GO {
            let file = src.join(name);
            fs::write(&file, text).map_err(Error::cache(&file))?;
        }
        Script::new(PROGRAM, "build", PROGRAM_SCRIPT, dir)
            .env("OUT", dir)
            .env("SOURCE", source)
            .env("GOCACHE", cache.join("go-build"))
            .run(sink)
    })?;
    Ok(dir.join(PROGRAM))
}

/// The installer ISO around a node image, from the cache or built.
pub fn installer_iso(cache: &Path, node: &NodeImage, program: &Path, sink: &dyn Sink) -> Result<PathBuf> {
    let hash = cache::hash([ISO_SCRIPT, INIT, &node.hash, &program_hash()]);
    let dir = cache::part(cache, ISO, &hash, sink, |dir| {
        let init = dir.join("init.sh");
        fs::write(&init, INIT).map_err(Error::cache(&init))?;
        Script::new(ISO, "build", ISO_SCRIPT, dir)
            .env("OUT", dir)
            .env("NODE", node.rootfs.parent().unwrap_or(dir))
            .env("INSTALLER", program)
            .env("INIT", init)
            .run(sink)
    })?;
    Ok(dir.join("installer.iso"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_of_the_program_is_in_the_list() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("go/installer");
        let mut found: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        let mut listed: Vec<_> = GO.iter().map(|(name, _)| (*name).to_owned()).collect();
        found.sort();
        listed.sort();
        assert_eq!(found, listed);
    }
}
