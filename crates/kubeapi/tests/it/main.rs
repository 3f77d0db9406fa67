//! Against a real API server and etcd, as processes on loopback; the objects also against a cluster from outside.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may panic, and says what it shows"
)]

mod identities;
mod objects;
mod refusals;
mod relay;
mod server;
mod waiting;

use kubeapi::Api;
use server::Server;

/// `cargo xtask e2e api` builds what this needs; without it nothing can be shown here, and that is said.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_of_our_own() {
    ring();
    let Some(server) = Server::start() else {
        eprintln!(
            "NOT SHOWN: no API server: the demo lab's k3s part is not built, or etcd is not installed (cargo xtask e2e api)"
        );
        assert!(std::env::var_os("AIRLAB_API_REQUIRED").is_none(), "the API server was asked for");
        return;
    };
    let api = Api::new(&server.kubeconfig(&server.url, "admin").into()).await.unwrap();
    server.ready(&api).await;
    refusals::all(&server).await;
    objects::all(&api).await;
    waiting::all(&server, &api).await;
    refusals::without_data(&server).await;
}

/// `AIRLAB_API_KUBECONFIG` names a cluster whose administrator agrees; everything happens in a namespace of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_from_outside() {
    ring();
    let Some(path) = std::env::var_os("AIRLAB_API_KUBECONFIG") else {
        eprintln!("NOT SHOWN: no cluster from outside (KUBECONFIG=FILE cargo xtask e2e api --outside)");
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let api = Api::new(&text.into()).await.unwrap();
    println!("{} is {}", api.url(), api.version().await.unwrap());
    objects::all(&api).await;
}

fn ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Says which scenario runs, so that a hang has a name.
fn scenario(name: &str) {
    println!("- {name}");
}
