//! How many requests a mirror run makes, by the registries' own logs: the set of 26 references, 30 manifests and 84
//! distinct blobs, 111 with repetitions. The goals are below what any other tool is known to need.

use std::path::{Path, PathBuf};

use registry_mirror::{Digest, Image, MirrorReport, Options, Source, Store, Target, mirror_to};
use steps::Silent;

use crate::Lab;

/// Two registries, the first with the set.
pub(crate) struct Two {
    pub(crate) from: Lab,
    pub(crate) to: Lab,
    pub(crate) references: Vec<String>,
    layout: tempfile::TempDir,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Counts {
    total: usize,
    blob_gets: usize,
    mounts: usize,
}

impl Two {
    pub(crate) async fn filled() -> Self {
        let layout = tempfile::tempdir().unwrap();
        let set = testkit::images::write(layout.path(), 40).unwrap();
        let (from, to) = (Lab::start(), Lab::start());
        let this = Self { from, to, references: set.references, layout };
        let report = this.fill(&this.from.store()).await;
        assert_eq!((report.new.len(), report.blobs, report.bytes), (26, 84, set.bytes));
        assert_eq!(this.from.log().len(), 0, "filling it made no request");
        this
    }

    async fn fill(&self, store: &Store) -> MirrorReport {
        let images: Vec<Image> = self.images(|_| Source::File(self.layout.path().to_owned()));
        mirror_to(&images, Target::Store(store), &Options::default(), &Silent).await.unwrap().complete().unwrap()
    }

    fn images(&self, source: impl Fn(&str) -> Source) -> Vec<Image> {
        let image =
            |reference: &String| Image { reference: reference.clone(), digest: None, sources: vec![source(reference)] };
        self.references.iter().map(image).collect()
    }

    fn in_registry(&self) -> Vec<Image> {
        self.images(|reference| Source::Registry {
            reference: reference.replace("docker.io", &self.from.host()),
            ca_pem: Some(self.from.ca_pem.clone()),
        })
    }

    fn options(&self) -> Options {
        let scratch = self.layout.path().join("scratch");
        Options { ca_pem: Some(self.to.ca_pem.clone()), scratch, ..Options::default() }
    }

    async fn to_registry(&self, images: &[Image]) -> (MirrorReport, Counts, Counts) {
        let before = (self.from.log().len(), self.to.log().len());
        let host = self.to.host();
        let report = mirror_to(images, Target::Registry(&host), &self.options(), &Silent).await.unwrap();
        (report.complete().unwrap(), counts(&self.from, before.0), counts(&self.to, before.1))
    }
}

fn counts(lab: &Lab, skip: usize) -> Counts {
    let mut counts = Counts::default();
    for line in lab.log().iter().skip(skip) {
        let (method, path) = (line["method"].as_str().unwrap(), line["path"].as_str().unwrap());
        counts.total += 1;
        counts.blob_gets += usize::from(method == "GET" && path.contains("/blobs/sha256"));
        counts.mounts += usize::from(method == "POST" && line["status"] == 201);
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_to_registry_cold_at_most_370_requests_and_84_blob_gets() {
    let two = Two::filled().await;
    let images = two.in_registry();
    let (report, source, target) = two.to_registry(&images).await;
    assert_eq!((report.new.len(), report.blobs, report.reused), (26, 84, 27));
    assert_eq!((source.total, source.blob_gets), (114, 84), "30 manifests and 84 blobs");
    assert_eq!((target.mounts, target.blob_gets), (27, 0));
    let both = source.total + target.total;
    assert!(both <= 370, "{both} requests");
    assert_eq!(both, 365);
    let verified = two.to.store().verify().unwrap();
    assert!(verified.findings.is_empty(), "{verified:?}");
    assert_eq!(two.to.store().catalog().unwrap(), two.from.store().catalog().unwrap());

    // Warm: one HEAD at each end. With the digests of a lock: at the target only.
    let (report, source, target) = two.to_registry(&images).await;
    assert_eq!((report.present.len(), source.total + target.total), (26, 52));
    let locked: Vec<Image> = images
        .into_iter()
        .map(|image| Image { digest: Some(report.digests[&image.reference].clone()), ..image })
        .collect();
    let (report, source, target) = two.to_registry(&locked).await;
    assert_eq!((report.present.len(), source.total, target.total), (26, 0, 26));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_to_store_at_most_120_requests() {
    let two = Two::filled().await;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let run = async |images: &[Image]| {
        let before = two.from.log().len();
        let report = mirror_to(images, Target::Store(&store), &two.options(), &Silent).await.unwrap();
        (report.complete().unwrap(), counts(&two.from, before))
    };
    let images = two.in_registry();
    let (report, source) = run(&images).await;
    assert_eq!((report.new.len(), source.total, source.blob_gets), (26, 114, 84));
    assert!(store.verify().unwrap().findings.is_empty());
    assert!(leftovers(dir.path()).is_empty());
    let (warm, source) = run(&images).await;
    assert_eq!((warm.present.len(), source.total), (26, 26));
    let locked: Vec<Image> = images
        .into_iter()
        .map(|image| Image { digest: Some(warm.digests[&image.reference].clone()), ..image })
        .collect();
    let (report, source) = run(&locked).await;
    assert_eq!((report.present.len(), source.total), (26, 0));
}

/// Blobs that an earlier run brought are not moved again, though nothing on this side remembers it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_image_costs_what_changed() {
    let two = Two::filled().await;
    let images = two.in_registry();
    two.to_registry(&images).await;
    // Another image under one of the names: one layer and the config are new.
    let name = "kubesphere/ks-controller-manager:v4.1.3";
    let other = tempfile::tempdir().unwrap();
    let changed = changed_layout(two.layout.path(), other.path(), name);
    let replacement = Image {
        reference: format!("docker.io/{name}"),
        digest: None,
        sources: vec![Source::File(other.path().to_owned())],
    };
    let store = two.from.store();
    let report = mirror_to(&[replacement], Target::Store(&store), &Options::default(), &Silent).await.unwrap();
    assert_eq!(report.complete().unwrap().changed.len(), 1);
    let (report, source, target) = two.to_registry(&images).await;
    assert_eq!((report.changed.len(), report.present.len(), report.blobs), (1, 25, 2));
    assert_eq!(report.digests[&format!("docker.io/{name}")], changed);
    assert_eq!((source.blob_gets, source.total + target.total), (2, 61));

    // A target that lost its tag but not its blobs: nothing is fetched.
    let (repository, tag) = name.split_once(':').unwrap();
    let url = two.to.url(&format!("/v2/{repository}/manifests/{tag}"));
    assert_eq!(two.to.client.delete(url).send().await.unwrap().status(), 202);
    let (report, source, _) = two.to_registry(&images).await;
    assert_eq!((report.new.len(), report.blobs, source.blob_gets), (1, 0, 0));
}

fn leftovers(store: &Path) -> Vec<PathBuf> {
    let partial = store.join("partial");
    std::fs::read_dir(partial).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// A layout with one image of `layout` whose last layer is another one.
fn changed_layout(layout: &Path, other: &Path, name: &str) -> Digest {
    let blob = |dir: &Path, digest: &str| dir.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
    let json = |path: PathBuf| -> serde_json::Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    std::fs::create_dir_all(other.join("blobs/sha256")).unwrap();
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        std::fs::write(blob(other, &digest.to_string()), bytes).unwrap();
        serde_json::json!({ "digest": digest.to_string(), "size": bytes.len() })
    };
    let mut index = json(layout.join("index.json"));
    let entries = index["manifests"].as_array_mut().unwrap();
    entries.retain(|e| e["annotations"]["io.containerd.image.name"].as_str().unwrap().ends_with(name));
    let entry = &mut entries[0];
    let mut manifest = json(blob(layout, entry["digest"].as_str().unwrap()));
    for layer in manifest["layers"].as_array().unwrap() {
        let digest = layer["digest"].as_str().unwrap();
        std::fs::copy(blob(layout, digest), blob(other, digest)).unwrap();
    }
    let merge = |into: &mut serde_json::Value, new: serde_json::Value| {
        (into["digest"], into["size"]) = (new["digest"].clone(), new["size"].clone());
    };
    merge(manifest["layers"].as_array_mut().unwrap().last_mut().unwrap(), put(b"another layer"));
    merge(&mut manifest["config"], put(b"{\"changed\":true}"));
    merge(entry, put(manifest.to_string().as_bytes()));
    let digest = entry["digest"].as_str().unwrap().parse().unwrap();
    std::fs::write(other.join("index.json"), index.to_string()).unwrap();
    digest
}
