use std::time::{Duration, SystemTime};

use registry_mirror::{RegistryError, serve};
use reqwest::StatusCode;
use steps::Problem;

use crate::{Lab, serve_spec};

fn blob(lab: &Lab, bytes: &[u8]) -> registry_mirror::Blob {
    let file = lab.dir.path().join("file");
    std::fs::write(&file, bytes).unwrap();
    lab.store().put_artifact("airlab/k3s", "v1", &[registry_mirror::Part::new("k3s", &file)]).unwrap().blobs.remove(0)
}

#[tokio::test]
async fn artifacts_are_fetched_by_digest_whole_and_in_parts() {
    let lab = Lab::start();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let blob = blob(&lab, &bytes);
    let url = lab.url(&blob.url_path);
    let whole = lab.client.get(&url).send().await.unwrap();
    assert_eq!(whole.headers()["docker-content-digest"], blob.digest.as_str());
    assert_eq!(whole.content_length(), Some(bytes.len() as u64));
    assert_eq!(whole.bytes().await.unwrap(), bytes);

    let part = lab.client.get(&url).header("range", "bytes=1000000-1999999").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], "bytes 1000000-1999999/3000000");
    assert_eq!(part.bytes().await.unwrap(), bytes[1_000_000..2_000_000]);

    let outside = lab.client.get(&url).header("range", "bytes=3000000-").send().await.unwrap();
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.headers()["content-range"], "bytes */3000000");

    let head = lab.client.head(&url).send().await.unwrap();
    assert_eq!((head.status(), &head.headers()["content-length"]), (StatusCode::OK, &"3000000".parse().unwrap()));

    let cached = lab.client.get(&url).header("if-none-match", format!("\"{}\"", blob.digest)).send().await.unwrap();
    assert_eq!(cached.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn every_request_is_one_line_of_the_log() {
    let lab = Lab::start();
    let blob = blob(&lab, b"0123456789");
    lab.client.get(lab.url(&blob.url_path)).send().await.unwrap().bytes().await.unwrap();
    lab.client.get(lab.url("/v2/none/manifests/x?ns=docker.io")).send().await.unwrap().bytes().await.unwrap();
    let mut lines = Vec::new();
    for _ in 0..100 {
        lines = lab.log();
        if lines.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let short: Vec<_> = lines.iter().map(|l| (&l["method"], l["path"].as_str(), &l["status"], &l["bytes"])).collect();
    assert_eq!(short.len(), 2, "{lines:?}");
    assert_eq!(short[0], (&"GET".into(), Some(blob.url_path.as_str()), &200.into(), &10.into()));
    assert_eq!((short[1].1, short[1].2), (Some("/v2/none/manifests/x?ns=docker.io"), &404.into()));
    assert!(lines[0]["remote"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn the_date_header_is_the_moment_of_the_answer() {
    let lab = Lab::start();
    for _ in 0..3 {
        let answer = lab.client.get(lab.url("/healthz")).send().await.unwrap();
        let date = httpdate::parse_http_date(answer.headers()["date"].to_str().unwrap()).unwrap();
        let off = SystemTime::now().duration_since(date).unwrap();
        assert!(off < Duration::from_millis(1200), "{off:?}");
        assert_eq!(answer.text().await.unwrap(), "ok\n");
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

#[tokio::test]
async fn lists_are_sorted_and_paged() {
    let lab = Lab::start();
    let file = lab.dir.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    for (repository, tag) in [("b/deep/er", "v1"), ("a", "v2"), ("a", "v10"), ("a", "V2"), ("b", "x")] {
        lab.store().put_artifact(repository, tag, &[registry_mirror::Part::new("f", &file)]).unwrap();
    }
    let json = async |path: &str| {
        let answer = lab.client.get(lab.url(path)).send().await.unwrap();
        let link = answer.headers().get("link").map(|l| l.to_str().unwrap().to_owned());
        (answer.json::<serde_json::Value>().await.unwrap(), link)
    };
    assert_eq!(json("/v2/_catalog").await.0["repositories"], serde_json::json!(["a", "b", "b/deep/er"]));
    let (page, link) = json("/v2/a/tags/list?n=2").await;
    assert_eq!(page, serde_json::json!({ "name": "a", "tags": ["v10", "V2"] }));
    assert_eq!(link.unwrap(), "</v2/a/tags/list?n=2&last=V2>; rel=\"next\"");
    assert_eq!(json("/v2/a/tags/list?n=2&last=V2").await, (serde_json::json!({ "name": "a", "tags": ["v2"] }), None));
    let unknown = lab.client.get(lab.url("/v2/nobody/tags/list")).send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let error: serde_json::Value = unknown.json().await.unwrap();
    assert_eq!(error["errors"][0]["code"], "NAME_UNKNOWN");
}

#[tokio::test]
async fn other_names_other_authorities_and_other_methods_are_refused() {
    let lab = Lab::start();
    let by_name = lab.url("/v2/").replace("127.0.0.1", "127.0.0.2");
    let error = lab.client.get(by_name).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    let stranger = Lab::start();
    assert!(stranger.client.get(lab.url("/v2/")).send().await.is_err());
    let put = lab.client.put(lab.url("/v2/_catalog")).send().await.unwrap();
    assert_eq!(put.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_taken_port_is_said_before_anything_is_made() {
    let lab = Lab::start();
    let dir = tempfile::tempdir().unwrap();
    let mut spec = serve_spec(dir.path());
    spec.port = lab.serving.address().port();
    let error = serve(&spec).unwrap_err();
    assert_eq!(error.id(), "AL-REG-001");
    assert_eq!(error.args()[1].1, spec.port.to_string());
    assert!(!spec.store.exists() && !spec.log.unwrap().exists());

    let mut spec = serve_spec(dir.path());
    spec.address = "192.0.2.1".parse().unwrap();
    assert!(matches!(serve(&spec), Err(RegistryError::Bind { .. })));
    let mut spec = serve_spec(dir.path());
    spec.cert_pem = lab.ca_pem.clone();
    assert_eq!(serve(&spec).unwrap_err().id(), "AL-REG-003");
}

#[tokio::test]
async fn a_download_under_way_survives_the_shutdown() {
    let lab = Lab::start();
    let blob = blob(&lab, &vec![7; 8 << 20]);
    let answer = lab.client.get(lab.url(&blob.url_path)).send().await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let until = tokio::spawn(lab.serving.until(async { drop(stopped.await) }, Duration::from_secs(20)));
    stop.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(answer.bytes().await.unwrap().len(), 8 << 20);
    drop(lab.client);
    until.await.unwrap().unwrap();
}
