//! What `cargo xtask bench mirror` measures: the mirror engine, without the command line of `registry-mirror` around it.
//!
//! * `mirror generate DIR BYTES LIST`: the image set as an OCI layout, BYTES for each tenth of a MiB, and its names.
//! * `mirror LIST FROM TO [LOCK]`: the images of a list from a registry or a layout into a registry or a store. With
//!   LOCK, digests are read from that file where it exists, and written where it does not.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use registry_mirror::{Image, Options, Source, Store, Target, mirror_to};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, dir, bytes, list] = args.as_slice()
        && verb == "generate"
    {
        let set = testkit::images::write(Path::new(dir), bytes.parse()?)?;
        return Ok(std::fs::write(list, set.references.join("\n"))?);
    }
    let [list, from, to, lock @ ..] = args.as_slice() else { return Err("LIST FROM TO [LOCK]".into()) };
    let mut digests = BTreeMap::new();
    if let Some(text) = lock.first().and_then(|lock| std::fs::read_to_string(lock).ok()) {
        for (name, digest) in text.lines().filter_map(|line| line.split_once(' ')) {
            digests.insert(name.to_owned(), digest.parse()?);
        }
    }
    let source = |name: &str| match Path::new(from).is_dir() {
        true => Source::File(from.into()),
        false => Source::Registry { reference: name.replace("docker.io", from), ca_pem: None },
    };
    let image = |name: &str| Image {
        reference: name.to_owned(),
        digest: digests.get(name).cloned(),
        sources: vec![source(name)],
    };
    let images: Vec<Image> = std::fs::read_to_string(list)?.lines().map(image).collect();
    let options = Options { scratch: Path::new(list).with_extension("scratch"), ..Options::default() };
    let report = if to.starts_with("http") {
        mirror_to(&images, Target::Registry(to), &options, &steps::Silent).await?
    } else {
        mirror_to(&images, Target::Store(&Store::open(Path::new(to))?), &options, &steps::Silent).await?
    };
    let report = report.complete()?;
    if let Some(lock) = lock.first().filter(|_| digests.is_empty()) {
        let lines = report.digests.iter().map(|(name, digest)| format!("{name} {digest}\n"));
        std::fs::write(lock, lines.collect::<String>())?;
    }
    Ok(())
}
