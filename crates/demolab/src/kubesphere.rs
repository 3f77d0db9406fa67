//! The images of the test chart: one program of ours stands in for KubeSphere's. Like [`crate::helm_image`] they are not
//! among [`crate::build`]'s parts: few labs need them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use steps::Sink;

use crate::archive::{Image, Layer, archive};
use crate::script::Script;
use crate::{Error, Result, cache, kubernetes_source};

const NAME: &str = "kubesphere";
const SCRIPT: &str = include_str!("../scripts/kubesphere.sh");
const PROGRAM: &str = "ks-stand-in";

macro_rules! sources {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../go/kubesphere/", $name)))),*] };
}

/// The program's sources.
const GO: &[(&str, &str)] = sources!(
    "api.go" "apiserver.go" "console.go" "controllers.go" "main.go" "page.html" "plans.go" "token.go"
);

/// What the test chart's Deployments and its extensions run.
pub const KUBESPHERE: &str = "docker.io/airlab/ks-stand-in:1";
/// What the test chart's hook Jobs run.
pub const KUBESPHERE_HOOK: &str = "docker.io/airlab/ks-hook-stand-in:1";

/// The test chart's images for the registry, reference and docker-archive, from the cache or made.
///
/// ```no_run
/// let images = demolab::kubesphere_images(&demolab::default_cache(), &steps::Silent)?;
/// assert_eq!(images[0].0, demolab::KUBESPHERE);
/// # Ok::<(), demolab::Error>(())
/// ```
pub fn kubesphere_images(cache: &Path, sink: &dyn Sink) -> Result<Vec<(String, PathBuf)>> {
    let source = kubernetes_source::hash();
    let sources = GO.iter().flat_map(|(name, text)| [*name, *text]);
    let fixed = [SCRIPT, source.as_str(), KUBESPHERE, KUBESPHERE_HOOK];
    let dir = cache::part(cache, NAME, &cache::hash(fixed.into_iter().chain(sources)), sink, |dir| {
        let tree = kubernetes_source::kubernetes_source(cache, sink)?;
        let src = dir.join("src");
        fs::create_dir_all(&src).map_err(Error::cache(&src))?;
        for (name, text) in GO {
            let file = src.join(name);
            fs::write(&file, text).map_err(Error::cache(&file))?;
        }
        Script::new(NAME, "build", SCRIPT, dir)
            .env("OUT", dir)
            .env("SOURCE", tree)
            .env("GOCACHE", cache.join("go-build"))
            .run(sink)?;
        write(dir).map_err(Error::cache(dir))
    })?;
    let files = [(KUBESPHERE, "ks-stand-in.tar"), (KUBESPHERE_HOOK, "ks-hook-stand-in.tar")];
    Ok(files.map(|(reference, name)| (reference.to_owned(), dir.join(name))).into())
}

fn write(dir: &Path) -> io::Result<()> {
    let program = fs::read(dir.join(PROGRAM))?;
    let path = format!("/{PROGRAM}");
    let servers = json!({ "Entrypoint": [path] });
    let hook = json!({ "Entrypoint": [path, "hook"] });
    for (reference, name, config) in
        [(KUBESPHERE, "ks-stand-in.tar", servers), (KUBESPHERE_HOOK, "ks-hook-stand-in.tar", hook)]
    {
        let mut layer = Layer::default();
        layer.file(PROGRAM, &program, 0o755)?;
        fs::write(dir.join(name), archive(&[&Image { reference, layer: layer.finish()?, config }])?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_of_the_program_is_in_the_list() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("go/kubesphere");
        let mut found: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        let listed: Vec<_> = GO.iter().map(|(name, _)| *name).collect();
        assert_eq!(found, listed);
    }
}
