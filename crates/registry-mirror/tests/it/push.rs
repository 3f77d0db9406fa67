use registry_mirror::Digest;
use reqwest::{Response, StatusCode};
use serde_json::json;

use crate::Lab;

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

impl Lab {
    async fn begin(&self, repository: &str) -> String {
        let url = self.url(&format!("/v2/{repository}/blobs/uploads/"));
        let answer = self.client.post(url).header("content-length", 0).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        self.url(answer.headers()["location"].to_str().unwrap())
    }

    async fn push(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let url = format!("{}?digest={digest}", self.begin(repository).await);
        let answer = self.client.put(url).body(bytes.to_vec()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        digest
    }

    async fn put_manifest(&self, path: &str, body: String) -> Response {
        let url = self.url(&format!("/v2/{path}"));
        self.client.put(url).header("content-type", OCI).body(body).send().await.unwrap()
    }

    async fn status(&self, path: &str) -> StatusCode {
        self.client.get(self.url(path)).send().await.unwrap().status()
    }
}

fn manifest(config: &Digest, subject: Option<&Digest>) -> String {
    let descriptor = |digest: &Digest| json!({ "mediaType": "application/x", "digest": digest.to_string(), "size": 2 });
    let mut manifest = json!({ "schemaVersion": 2, "mediaType": OCI, "config": descriptor(config), "layers": [] });
    if let Some(subject) = subject {
        manifest["subject"] = descriptor(subject);
    }
    manifest.to_string()
}

async fn code(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: serde_json::Value = answer.json().await.unwrap();
    (status, body["errors"][0]["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn blobs_arrive_in_every_way() {
    let lab = Lab::start();
    // POST + PUT
    let digest = lab.push("a/b", b"one").await;
    assert_eq!(lab.status(&format!("/v2/a/b/blobs/{digest}")).await, StatusCode::OK);
    assert_eq!(lab.status(&format!("/v2/other/blobs/{digest}")).await, StatusCode::NOT_FOUND);
    // POST with everything
    let two = Digest::of(b"two");
    let url = lab.url(&format!("/v2/a/b/blobs/uploads/?digest={two}"));
    assert_eq!(lab.client.post(url).body("two").send().await.unwrap().status(), StatusCode::CREATED);
    // POST + PATCH + PATCH + PUT, with a look in between
    let url = lab.begin("a/b").await;
    let patch = async |range: &str, body: &'static str| {
        lab.client.patch(&url).header("content-range", range).body(body).send().await.unwrap()
    };
    let first = patch("0-4", "01234").await;
    assert_eq!((first.status(), &first.headers()["range"]), (StatusCode::ACCEPTED, &"0-4".parse().unwrap()));
    let gap = patch("9-11", "9ab").await;
    assert_eq!((gap.status(), &gap.headers()["range"]), (StatusCode::RANGE_NOT_SATISFIABLE, &"0-4".parse().unwrap()));
    let look = lab.client.get(&url).send().await.unwrap();
    assert_eq!((look.status(), &look.headers()["range"]), (StatusCode::NO_CONTENT, &"0-4".parse().unwrap()));
    assert_eq!(patch("5-8", "5678").await.status(), StatusCode::ACCEPTED);
    let all = Digest::of(b"0123456789");
    let end = lab.client.put(format!("{url}?digest={all}")).body("9").send().await.unwrap();
    assert_eq!(end.status(), StatusCode::CREATED);
    let back = lab.client.get(lab.url(&format!("/v2/a/b/blobs/{all}"))).send().await.unwrap();
    assert_eq!(back.text().await.unwrap(), "0123456789");
    // mount, and the fall back to an upload
    let mount = |digest: &Digest, from: &str| {
        let url = lab.url(&format!("/v2/c/blobs/uploads/?mount={digest}&from={from}"));
        lab.client.post(url).header("content-length", 0).send()
    };
    assert_eq!(mount(&all, "a/b").await.unwrap().status(), StatusCode::CREATED);
    assert_eq!(lab.status(&format!("/v2/c/blobs/{all}")).await, StatusCode::OK);
    assert_eq!(mount(&Digest::of(b"nowhere"), "a/b").await.unwrap().status(), StatusCode::ACCEPTED);
    // sha512
    let long = Digest::of_reader(registry_mirror::Algorithm::Sha512, &b"long"[..]).unwrap().0;
    let url = format!("{}?digest={long}", lab.begin("a/b").await);
    assert_eq!(lab.client.put(url).body("long").send().await.unwrap().status(), StatusCode::CREATED);
    assert_eq!(lab.status(&format!("/v2/a/b/blobs/{long}")).await, StatusCode::OK);
    assert!(lab.store().verify().unwrap().findings.is_empty());
}

#[tokio::test]
async fn a_wrong_digest_leaves_nothing() {
    let lab = Lab::start();
    let url = lab.begin("a").await;
    let wrong = Digest::of(b"something else");
    let answer = lab.client.put(format!("{url}?digest={wrong}")).body("content").send().await.unwrap();
    assert_eq!(code(answer).await, (400, "DIGEST_INVALID".into()));
    assert_eq!(code(lab.client.get(&url).send().await.unwrap()).await, (404, "BLOB_UPLOAD_UNKNOWN".into()));
    assert_eq!(lab.store().verify().unwrap().blobs, 0);
    let answer = lab.client.put(format!("{}?digest=md5:0", lab.begin("a").await)).body("x").send().await.unwrap();
    assert_eq!(code(answer).await, (400, "DIGEST_INVALID".into()));
}

#[tokio::test]
async fn an_upload_continues_after_a_cut_connection() {
    let lab = Lab::start();
    let url = lab.begin("a").await;
    let id = url.rsplit('/').next().unwrap();
    let data = lab.dir.path().join("store/docker/registry/v2/repositories/a/_uploads").join(id).join("data");
    let path = url.split_once(&lab.host()).unwrap().1.to_owned();
    // A client that promises ten bytes, sends five and vanishes.
    let mut roots = rustls::RootCertStore::empty();
    let pem = lab.ca_pem.as_bytes();
    roots
        .add(<rustls::pki_types::CertificateDer as rustls::pki_types::pem::PemObject>::from_pem_slice(pem).unwrap())
        .unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let mut session = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let address = lab.serving.address();
    tokio::task::spawn_blocking(move || {
        use std::io::Write;
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        let mut tls = rustls::Stream::new(&mut session, &mut socket);
        write!(tls, "PATCH {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n01234").unwrap();
        tls.flush().unwrap();
        // A socket that is closed with something unread resets the connection: first let the five bytes arrive.
        let wait = std::time::Instant::now();
        while std::fs::metadata(&data).unwrap().len() < 5 && wait.elapsed().as_secs() < 10 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    })
    .await
    .unwrap();
    let mut range = String::new();
    for _ in 0..200 {
        let look = lab.client.get(&url).send().await.unwrap();
        range = look.headers().get("range").map(|r| r.to_str().unwrap().to_owned()).unwrap_or_default();
        if range == "0-4" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(range, "0-4");
    let digest = Digest::of(b"0123456789");
    let end = lab.client.put(format!("{url}?digest={digest}")).header("content-range", "5-9").body("56789");
    assert_eq!(end.send().await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn manifests_need_their_blobs_and_keep_their_bytes() {
    let lab = Lab::start();
    let config = Digest::of(b"{}");
    let body = manifest(&config, None);
    let digest = Digest::of(body.as_bytes());
    let early = lab.put_manifest("a/manifests/v1", body.clone()).await;
    assert_eq!(code(early).await, (400, "MANIFEST_BLOB_UNKNOWN".into()));
    lab.push("a", b"{}").await;
    let put = lab.put_manifest("a/manifests/v1", body.clone()).await;
    assert_eq!(put.status(), StatusCode::CREATED);
    assert_eq!(put.headers()["docker-content-digest"], digest.to_string().as_str());
    for reference in ["v1", &digest.to_string()] {
        let get = lab.client.get(lab.url(&format!("/v2/a/manifests/{reference}"))).header("accept", "*/*");
        let get = get.send().await.unwrap();
        assert_eq!(get.headers()["content-type"], OCI);
        assert_eq!(get.text().await.unwrap(), body);
    }
    let wrong = lab.put_manifest(&format!("a/manifests/{}", Digest::of(b"x")), body.clone()).await;
    assert_eq!(code(wrong).await, (400, "DIGEST_INVALID".into()));
    for bad in ["", "[]", "{\"schemaVersion\": 1}", "{\"schemaVersion\":2,\"config\":{\"digest\":\"../x\",\"size\":1}}"]
    {
        let answer = lab.put_manifest("a/manifests/v2", bad.into()).await;
        assert_eq!(code(answer).await, (400, "MANIFEST_INVALID".into()), "{bad}");
    }
    let large = lab.put_manifest("a/manifests/v2", " ".repeat(5 << 20)).await;
    assert_eq!(code(large).await, (413, "SIZE_INVALID".into()));
}

#[tokio::test]
async fn tags_manifests_and_blobs_can_be_deleted() {
    let lab = Lab::start();
    let config = lab.push("a", b"{}").await;
    let body = manifest(&config, None);
    let digest = Digest::of(body.as_bytes());
    for tag in ["v1", "v2"] {
        lab.put_manifest(&format!("a/manifests/{tag}"), body.clone()).await;
    }
    let delete = async |path: &str| lab.client.delete(lab.url(path)).send().await.unwrap().status();
    assert_eq!(delete("/v2/a/manifests/v1").await, StatusCode::ACCEPTED);
    assert_eq!(delete("/v2/a/manifests/v1").await, StatusCode::NOT_FOUND);
    assert_eq!(lab.status("/v2/a/manifests/v2").await, StatusCode::OK);
    assert_eq!(delete(&format!("/v2/a/manifests/{digest}")).await, StatusCode::ACCEPTED);
    assert_eq!(lab.status("/v2/a/manifests/v2").await, StatusCode::NOT_FOUND);
    assert_eq!(delete(&format!("/v2/a/blobs/{config}")).await, StatusCode::ACCEPTED);
    assert_eq!(lab.status(&format!("/v2/a/blobs/{config}")).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn referrers_are_listed() {
    let lab = Lab::start();
    let config = lab.push("a", b"{}").await;
    let subject = Digest::of(b"an image");
    let body = manifest(&config, Some(&subject));
    let put = lab.put_manifest(&format!("a/manifests/{}", Digest::of(body.as_bytes())), body.clone()).await;
    assert_eq!(put.headers()["oci-subject"], subject.to_string().as_str());
    let list = async |query: &str| {
        let url = lab.url(&format!("/v2/a/referrers/{subject}{query}"));
        let answer = lab.client.get(url).send().await.unwrap();
        let filtered = answer.headers().contains_key("oci-filters-applied");
        (answer.json::<serde_json::Value>().await.unwrap(), filtered)
    };
    let (all, filtered) = list("").await;
    assert_eq!(all["manifests"][0]["digest"], Digest::of(body.as_bytes()).to_string());
    assert_eq!(all["manifests"][0]["artifactType"], "application/x");
    assert!(!filtered);
    let (none, filtered) = list("?artifactType=other").await;
    assert_eq!((none["manifests"].as_array().unwrap().len(), filtered), (0, true));
}

#[tokio::test]
async fn readers_never_meet_half_a_tag() {
    let lab = Lab::start();
    let mut bodies = Vec::new();
    for content in [&b"{}"[..], b"[]"] {
        let config = lab.push("a", content).await;
        bodies.push(manifest(&config, None));
        assert_eq!(lab.put_manifest("a/manifests/v", bodies[bodies.len() - 1].clone()).await.status(), 201);
    }
    let writer = async {
        for i in 0..40 {
            assert_eq!(lab.put_manifest("a/manifests/v", bodies[i % 2].clone()).await.status(), 201);
        }
    };
    let reader = async {
        for _ in 0..120 {
            let answer = lab.client.get(lab.url("/v2/a/manifests/v")).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            assert!(bodies.contains(&answer.text().await.unwrap()));
        }
    };
    tokio::join!(writer, reader);
}
