//! Every way to be told no, each with its own name.

use std::time::{Duration, Instant};

use kubeapi::{Api, ApiError, Place};
use serde_json::{Value, json};
use steps::Problem;

use crate::scenario;
use crate::server::Server;

async fn said(kubeconfig: String) -> ApiError {
    let api = Api::new(&kubeconfig.into()).await.unwrap().bounds(Duration::from_secs(10), Duration::ZERO);
    api.list("v1", "ConfigMap", Some("default")).await.unwrap_err()
}

pub(crate) async fn all(server: &Server) {
    scenario("certificates of the server");
    let named = |name: &'static str| {
        let edit = move |cluster: &mut Value, _: &mut Value| cluster["tls-server-name"] = json!(name);
        server.kubeconfig_with(&server.url, "admin", edit)
    };
    assert!(matches!(said(named("past.test")).await, ApiError::Expired { .. }));
    assert!(matches!(said(named("future.test")).await, ApiError::NotYetValid { .. }));
    assert!(matches!(said(named("stranger.test")).await, ApiError::WrongName { .. }));
    let other = server.other_authority();
    let config = server.kubeconfig_with(&server.url, "admin", |cluster, _| {
        cluster["certificate-authority-data"] = json!(other);
    });
    assert!(matches!(said(config).await, ApiError::WrongAuthority { .. }));

    scenario("who is asking");
    let config = server.kubeconfig_with(&server.url, "admin", |_, user| *user = json!({"token": "wrong"}));
    assert!(matches!(said(config).await, ApiError::Unauthorized { .. }));
    let expired = said(server.kubeconfig(&server.url, "expired")).await;
    let ApiError::ClientExpired { until, .. } = &expired else { panic!("{expired:?}") };
    assert!(until.ends_with('Z') && until.len() >= 20, "{until}");
    let forbidden = said(server.kubeconfig(&server.url, "nobody")).await;
    let ApiError::Forbidden { message, .. } = &forbidden else { panic!("{forbidden:?}") };
    assert!(message.contains("\"nobody\" cannot list resource \"configmaps\""), "{message}");

    scenario("nobody there");
    let gone = said(server.kubeconfig("https://127.0.0.1:1", "admin")).await;
    assert!(matches!(&gone, ApiError::Unreachable { last, .. } if last.contains("refused")), "{gone:?}");
    assert!(gone.is_passing());

    scenario("proxy variables have no effect");
    let config = server.kubeconfig_with(&server.url, "admin", |cluster, _| {
        cluster["proxy-url"] = json!("http://127.0.0.1:1");
    });
    let api = Api::new(&config.into()).await.unwrap();
    api.list("v1", "Namespace", None).await.unwrap();

    scenario("not a kubeconfig");
    let bad = Api::new(&"<html>".to_owned().into()).await.unwrap_err();
    assert_eq!(bad.id(), "AL-API-001");
}

/// An API server whose data store hangs, then is back.
pub(crate) async fn without_data(server: &Server) {
    scenario("a data store that hangs");
    let config: secrecy::SecretString = server.kubeconfig(&server.url, "admin").into();
    let api = Api::new(&config).await.unwrap();
    let place = Place::new("v1", "ConfigMap", "slow").within("default");
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "slow", "namespace": "default"}});
    api.apply(&object, "airlab").await.unwrap();
    server.etcd.signal("-STOP");
    let hasty = api.clone().bounds(Duration::from_secs(1), Duration::from_secs(2));
    let start = Instant::now();
    let error = hasty.get(&place).await.unwrap_err();
    assert!(error.is_passing(), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let patient = api.bounds(Duration::from_secs(2), Duration::from_secs(60));
    let waiting = tokio::spawn(async move { patient.get(&place).await });
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!waiting.is_finished());
    server.etcd.signal("-CONT");
    assert!(waiting.await.unwrap().unwrap().is_some());

    scenario("no data store");
    server.etcd.signal("-KILL");
    let error = hasty.bounds(Duration::from_secs(20), Duration::ZERO).list("v1", "ConfigMap", None).await.unwrap_err();
    assert!(matches!(error, ApiError::Failing { .. } | ApiError::Silent { .. }), "{error:?}");
}
