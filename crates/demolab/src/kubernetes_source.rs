//! The source of Kubernetes with everything vendored, as Debian keeps it: what our Go programs are built in.

use std::fs;
use std::path::{Path, PathBuf};

use steps::Sink;

use crate::script::Script;
use crate::{Result, apt, cache};

const NAME: &str = "kubernetes-source";
const SCRIPT: &str = include_str!("../scripts/kubernetes-source.sh");

/// The upstream tarball of Debian 12's source package `kubernetes`. A security update adds patches of Debian's beside
/// it, but this file stays; only it is used.
const FILE: &str = "kubernetes_1.20.5+really1.20.2.orig.tar.gz";
const SHA256: &str = "b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc";

/// A GOPATH with `src/k8s.io/kubernetes`, from the cache or downloaded and unpacked.
pub fn kubernetes_source(cache: &Path, sink: &dyn Sink) -> Result<PathBuf> {
    let dir = cache::part(cache, NAME, &hash(), sink, |dir| {
        let sources = dir.join("sources.list");
        fs::write(&sources, apt::list("deb-src", &apt::sources()?)).map_err(crate::Error::cache(&sources))?;
        Script::new(NAME, "build", SCRIPT, dir)
            .env("OUT", dir)
            .env("SOURCES", sources)
            .env("FILE", FILE)
            .env("SHA256", SHA256)
            .run(sink)
    })?;
    Ok(dir.join("gopath"))
}

/// The hash of everything that makes this source what it is.
pub(crate) fn hash() -> String {
    cache::hash([SCRIPT, FILE, SHA256])
}
