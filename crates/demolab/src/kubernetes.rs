//! Kubernetes under k3s's skin: one static program, `k3s`, that stands in for the real one.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use steps::Sink;

use crate::script::Script;
use crate::{Error, Result, cache, kubernetes_source};

const TREE: &str = "kubernetes";
const TREE_SCRIPT: &str = include_str!("../scripts/kubernetes.sh");
const PROGRAM: &str = "k3s";
const PROGRAM_SCRIPT: &str = include_str!("../scripts/k3s.sh");

macro_rules! skin {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../go/k3s/", $name)))),*] };
}

/// The skin's sources.
const GO: &[(&str, &str)] = skin!(
    "authority.go" "balancer.go" "bootstrap.go" "checkconfig.go" "child.go" "cluster.go" "containerd.go"
    "datastore.go" "encryption.go" "helm.go" "helmjob.go" "helmvalues.go" "images.go" "join.go" "kubelet.go"
    "leases.go" "life.go" "main.go" "manifests.go" "network.go" "node.go" "nodepassword.go" "options.go" "packaged.go"
    "programs.go" "registries.go" "reset.go" "roles.go" "rotate.go" "server.go" "settings.go" "snapshot.go" "supervisor.go"
    "token.go"
);

/// A program of the same source that calls itself by these versions.
struct Release {
    part: &'static str,
    /// The release of k3s whose place it takes.
    stands_for: &'static str,
    /// What its Kubernetes says it is.
    kubernetes: &'static str,
}

const USUAL: Release = Release { part: PROGRAM, stands_for: "v1.33.4-rc1+k3s1", kubernetes: "v1.20.2" };
/// The one to upgrade to. Its Kubernetes is the same source and says which build it is.
const NEXT: Release = Release { part: "k3s-next", stands_for: "v1.33.5-rc1+k3s1", kubernetes: "v1.20.2+airlab-next" };

/// The hash of what the prepared source tree is made of.
fn tree_hash() -> String {
    cache::hash([TREE_SCRIPT, &kubernetes_source::hash()])
}

/// The hash of what the program is made of.
fn program_hash(release: &Release, skin: &[(&str, &str)]) -> String {
    let tree = tree_hash();
    let skin = skin.iter().flat_map(|(name, text)| [*name, *text]);
    cache::hash([PROGRAM_SCRIPT, release.stands_for, release.kubernetes, tree.as_str()].into_iter().chain(skin))
}

/// The program `k3s`, from the cache or built: the first time in minutes, after a change of the skin in seconds.
pub fn kubernetes(cache: &Path, sink: &dyn Sink) -> Result<PathBuf> {
    program(cache, &USUAL, sink)
}

/// Another program than [`kubernetes`] gives, of the same source, to upgrade a lab to: it says another version.
pub fn next_kubernetes(cache: &Path, sink: &dyn Sink) -> Result<PathBuf> {
    program(cache, &NEXT, sink)
}

fn program(cache: &Path, release: &Release, sink: &dyn Sink) -> Result<PathBuf> {
    let dir = cache::part(cache, release.part, &program_hash(release, GO), sink, |dir| {
        let tree = tree(cache, sink)?;
        let overlay = dir.join("overlay.json");
        fs::write(&overlay, skin(&dir.join("src"), &tree)?).map_err(Error::cache(&overlay))?;
        Script::new(PROGRAM, "build", PROGRAM_SCRIPT, dir)
            .env("OUT", dir)
            .env("SOURCE", &tree)
            .env("OVERLAY", &overlay)
            .env("GOCACHE", cache.join("go-build"))
            .env("RELEASE", release.stands_for)
            .env("VERSION", release.kubernetes)
            .run(sink)
    })?;
    Ok(dir.join(PROGRAM))
}

/// A GOPATH of Kubernetes, ready to be compiled.
fn tree(cache: &Path, sink: &dyn Sink) -> Result<PathBuf> {
    let dir = cache::part(cache, TREE, &tree_hash(), sink, |dir| {
        let source = kubernetes_source::kubernetes_source(cache, sink)?;
        Script::new(TREE, "build", TREE_SCRIPT, dir)
            .env("OUT", dir)
            .env("SOURCE", source)
            .env("GOCACHE", cache.join("go-build"))
            .run(sink)
    })?;
    Ok(dir.join("gopath"))
}

/// Writes the skin's files and gives back the overlay (`go build -overlay`) that shows them inside the tree, which
/// other builds share and nobody changes.
fn skin(src: &Path, tree: &Path) -> Result<String> {
    fs::create_dir_all(src).map_err(Error::cache(src))?;
    let mut replace = serde_json::Map::new();
    for (name, text) in GO {
        let file = src.join(name);
        fs::write(&file, text).map_err(Error::cache(&file))?;
        let seen = tree.join("src/k8s.io/kubernetes/cmd/k3s").join(name);
        replace.insert(seen.display().to_string(), file.display().to_string().into());
    }
    Ok(json!({ "Replace": replace }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_of_the_skin_is_in_the_list() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("go/k3s");
        let mut found: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        let listed: Vec<_> = GO.iter().map(|(name, _)| *name).collect();
        assert_eq!(found, listed);
    }

    #[test]
    fn a_changed_skin_is_another_program_of_the_same_tree() {
        let skin = [("main.go", "package main")];
        let hash = |skin: &[(&str, &str)]| program_hash(&USUAL, skin);
        assert_ne!(hash(&skin), hash(&[("main.go", "package main // changed")]));
        assert_ne!(hash(&skin), hash(&[("other.go", "package main")]));
        assert_eq!(hash(&skin), hash(&skin));
        assert_ne!(hash(&skin), program_hash(&NEXT, &skin));
    }

    #[test]
    fn the_overlay_shows_the_skin_inside_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let overlay = skin(dir.path(), Path::new("/tree")).unwrap();
        let overlay: serde_json::Value = serde_json::from_str(&overlay).unwrap();
        let main = &overlay["Replace"]["/tree/src/k8s.io/kubernetes/cmd/k3s/main.go"];
        assert!(fs::read_to_string(main.as_str().unwrap()).unwrap().starts_with("// Command k3s"));
    }
}
