//! oci-client, which shares no code with the mirror: a client that pushes and pulls, and why it is not the transport.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use oci_client::client::{BlobResponse, Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::client::{Config, ImageLayer};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use registry_mirror::{Digest, Image, Options, Source, Target, mirror_to};
use serde_json::Value;

use crate::counts::Two;
use crate::fake::{Fake, Manners};
use crate::spec::{IMAGE, INDEX, descriptor, digest_of, image, index};
use crate::{Lab, users};

const ACCEPTED: [&str; 4] = [
    IMAGE,
    INDEX,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

impl Lab {
    /// The foreign client, with our CA and no other.
    pub(crate) fn oci_client(&self, use_monolithic_push: bool) -> Client {
        let ca = Certificate { encoding: CertificateEncoding::Pem, data: self.ca_pem.clone().into_bytes() };
        let config = ClientConfig { tls_certs_only: vec![ca], use_monolithic_push, ..ClientConfig::default() };
        Client::try_from(config).unwrap()
    }

    fn reference(&self, repository: &str, tag: &str) -> Reference {
        Reference::with_tag(self.host(), repository.to_owned(), tag.to_owned())
    }
}

fn described(digest: &Digest, size: usize) -> OciDescriptor {
    OciDescriptor { digest: digest.to_string(), size: size as i64, ..OciDescriptor::default() }
}

/// Pushed in pieces and in one, by name and password, pulled back whole, from the middle, as an index, as referrers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oci_client_pushes_and_pulls() {
    let lab = Lab::start_as(users::with_anna);
    let login = RegistryAuth::Basic("anna".into(), "secret".into());
    let layers = [vec![1; 5 << 20], b"small".to_vec()];
    for monolithic in [false, true] {
        let client = lab.oci_client(monolithic);
        let reference = lab.reference("team/app", if monolithic { "one" } else { "pieces" });
        let layer = |bytes: &Vec<u8>| ImageLayer::oci_v1(bytes.clone(), None);
        let config = Config::oci_v1(format!("{{\"one\":{monolithic}}}"), None);
        let pushed = layers.iter().map(layer).collect::<Vec<_>>();
        client.push(&reference, &pushed, config, &login, None).await.unwrap();
        let pulled = client.pull(&reference, &login, vec!["application/vnd.oci.image.layer.v1.tar"]).await.unwrap();
        // They come in the order in which they were done.
        let back: Vec<_> = pulled.layers.iter().map(|layer| layer.data.as_ref()).collect();
        assert!(back.len() == 2 && layers.iter().all(|layer| back.contains(&layer.as_slice())));
        let (bytes, digest) = client.pull_manifest_raw(&reference, &login, &ACCEPTED).await.unwrap();
        assert_eq!((Digest::of(&bytes).to_string(), Some(&digest)), (digest.clone(), pulled.digest.as_ref()));
        assert_eq!(client.fetch_manifest_digest(&reference, &login).await.unwrap(), digest);

        // From the middle on, and mounted elsewhere.
        let (large, size) = (Digest::of(&layers[0]), layers[0].len());
        let blob = described(&large, size);
        let part = client.pull_blob_stream_partial(&reference, &blob, 5_000_000, None).await.unwrap();
        let BlobResponse::Partial(part) = part else { panic!("not a part") };
        let part: Vec<Bytes> = part.stream.try_collect().await.unwrap();
        assert!(part.concat() == layers[0][5_000_000..]);
        let elsewhere = lab.reference("team/other", "one");
        client.mount_blob(&elsewhere, &reference, &large.to_string()).await.unwrap();
        assert!(client.blob_exists(&elsewhere, &large.to_string()).await.unwrap());

        // An index and a referrer, byte for byte.
        let manifest: Digest = digest.parse().unwrap();
        let list = index(&[&manifest]).to_string();
        let tag = lab.reference("team/app", "list");
        client.push_manifest_raw(&tag, list.clone().into_bytes(), INDEX.parse().unwrap()).await.unwrap();
        let (raw, _) = client.pull_manifest_raw(&tag, &login, &ACCEPTED).await.unwrap();
        assert_eq!(raw, list.as_bytes());
        let mut referrer = image(&Digest::of(&layers[1]));
        referrer["subject"] = descriptor(IMAGE, &manifest, bytes.len() as u64);
        let by_digest = |digest: String| Reference::with_digest(lab.host(), "team/app".into(), digest);
        let name = by_digest(digest_of(&referrer).to_string());
        client.push_manifest_raw(&name, referrer.to_string().into_bytes(), IMAGE.parse().unwrap()).await.unwrap();
        let found = client.pull_referrers(&by_digest(digest), None).await.unwrap();
        assert_eq!(found.manifests[0].digest, digest_of(&referrer).to_string());
    }
    let tags = lab.oci_client(true).list_tags(&lab.reference("team/app", "x"), &login, None, None).await.unwrap();
    assert_eq!(tags.tags, ["list", "one", "pieces"]);
    let stranger = RegistryAuth::Anonymous;
    assert!(lab.oci_client(true).fetch_manifest_digest(&lab.reference("team/app", "one"), &stranger).await.is_err());
    let seen = lab.store().verify().unwrap();
    assert!(seen.findings.is_empty() && seen.blobs == 10, "{seen:?}");
}

/// The whole set copied with oci-client as sparingly as it can be: every blob once, mounts where they must succeed.
/// It asks `/v2/` before everything else that it asks, and for what is not there a second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_the_transport_it_would_need_twice_the_requests() {
    let two = Two::filled().await;
    let (from, to) = (two.from.oci_client(true), two.to.oci_client(true));
    let login = RegistryAuth::Anonymous;
    let mut homes = std::collections::HashMap::<String, String>::new();
    for reference in &two.references {
        let name = reference.strip_prefix("docker.io/").unwrap();
        let (repository, tag) = name.rsplit_once(':').unwrap();
        let (source, target) = (two.from.reference(repository, tag), two.to.reference(repository, tag));
        assert!(to.fetch_manifest_digest(&target, &login).await.is_err(), "not there yet");
        let (top, _) = from.pull_manifest_raw(&source, &login, &ACCEPTED).await.unwrap();
        let parsed: Value = serde_json::from_slice(&top).unwrap();
        let mut all = Vec::new();
        for child in parsed["manifests"].as_array().into_iter().flatten() {
            let digest = child["digest"].as_str().unwrap().to_owned();
            let child = Reference::with_digest(two.from.host(), repository.to_owned(), digest.clone());
            let (bytes, _) = from.pull_manifest_raw(&child, &login, &ACCEPTED).await.unwrap();
            all.push((Reference::with_digest(two.to.host(), repository.to_owned(), digest), bytes));
        }
        all.push((target.clone(), top));
        for (target, bytes) in all {
            let manifest: Value = serde_json::from_slice(&bytes).unwrap();
            let layers = manifest["layers"].as_array().into_iter().flatten();
            for blob in layers.chain(manifest.get("config")) {
                let (digest, size) = (blob["digest"].as_str().unwrap(), blob["size"].as_u64().unwrap());
                match homes.get(digest) {
                    Some(home) if home == repository => {}
                    Some(home) => to.mount_blob(&target, &two.to.reference(home, "x"), digest).await.unwrap(),
                    None => {
                        let pulled = from.pull_blob_stream(&source, &described(&digest.parse().unwrap(), 0)).await;
                        let pieces = pulled.unwrap().stream.map_err(OciDistributionError::IoError);
                        to.push_blob_stream(&target, pieces, digest, Some(size)).await.unwrap();
                        homes.insert(digest.to_owned(), repository.to_owned());
                    }
                }
            }
            let kind = manifest["mediaType"].as_str().unwrap().parse().unwrap();
            to.push_manifest_raw(&target, bytes, kind).await.unwrap();
        }
    }
    assert_eq!(two.to.store().catalog().unwrap(), two.from.store().catalog().unwrap());
    let (source, target) = (two.from.log(), two.to.log());
    let pings = |log: &[Value]| log.iter().filter(|line| line["path"] == "/v2/").count();
    let (all, pings) = (source.len() + target.len(), pings(&source) + pings(&target));
    assert_eq!((all, pings), (782, 391), "with this the decision in mirror/transport could be another");
}

/// What a mirror has to know of an answer and this client does not tell: how long to wait, and where an upload is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_the_transport_it_would_hide_what_is_needed() {
    let fake = Fake::start(vec![7; 1000], Manners { busy: 1, ..Manners::default() }).await;
    let config = ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() };
    let client = Client::try_from(config).unwrap();
    let reference = Reference::with_tag(fake.host.clone(), "library/one".into(), "1".into());
    let blob = described(&Digest::of(&[7; 1000]), 1000);
    let refused = client.pull_blob_stream(&reference, &blob).await.err().unwrap();
    let OciDistributionError::ServerError { code, message, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((*code, message.as_str()), (429, ""), "the server said Retry-After: 1");
    // Ours waits as it was told and goes on.
    fake.manners.lock().unwrap().busy = 1;
    let lab = Lab::start();
    let sources = vec![Source::Registry { reference: fake.name(), ca_pem: None }];
    let one = Image { reference: "docker.io/library/one:1".into(), digest: None, sources };
    let begun = std::time::Instant::now();
    let options = Options { ca_pem: Some(lab.ca_pem.clone()), ..Options::default() };
    let report = mirror_to(&[one], Target::Registry(&lab.host()), &options, &steps::Silent).await.unwrap();
    assert_eq!(report.complete().unwrap().new.len(), 1);
    assert!(begun.elapsed().as_secs() >= 1);

    // A mount of what is not there opens an upload; its address is lost, so that a second one has to be opened.
    let client = lab.oci_client(true);
    let (to, from) = (lab.reference("a", "x"), lab.reference("b", "x"));
    let lost = client.mount_blob(&to, &from, &Digest::of(b"not there").to_string()).await.unwrap_err();
    assert!(matches!(lost, OciDistributionError::SpecViolationError(_)), "{lost:?}");
    let pieces = stream::iter([Ok(Bytes::from_static(b"not there"))]).boxed();
    client.push_blob_stream(&to, pieces, &Digest::of(b"not there").to_string(), Some(9)).await.unwrap();
    let opened = lab.log().iter().filter(|line| line["method"] == "POST").count();
    assert_eq!(opened, 2 + 2, "two of ours");
}
