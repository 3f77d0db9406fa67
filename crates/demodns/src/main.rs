//! `demodns [DOMAIN]`: the demo lab's stand-in for CoreDNS, inside a pod. Port 53 by both protocols, 8181 for probes.
#![allow(clippy::print_stderr, reason = "a pod's log is its standard error")]

use std::error::Error;

use demodns::{Shared, follow, health, serve_tcp, serve_udp};
use k8s_openapi::api::core::v1::{Endpoints, Service};
use kube::{Client, Config};
use tokio::net::{TcpListener, UdpSocket};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let domain = std::env::args().nth(1).unwrap_or_else(|| "cluster.local".into());
    let shared = Shared::new(&domain);
    let client = Client::try_from(Config::incluster_env()?)?;
    let told = |text: &str| eprintln!("{text}");
    let udp = UdpSocket::bind("0.0.0.0:53").await?;
    let tcp = TcpListener::bind("0.0.0.0:53").await?;
    let probes = TcpListener::bind("0.0.0.0:8181").await?;
    eprintln!("demodns, a stand-in for CoreDNS: answers {domain} on port 53, forwards nothing");
    tokio::select! {
        () = follow::<Service>(client.clone(), shared.clone(), told) => {}
        () = follow::<Endpoints>(client, shared.clone(), told) => {}
        () = serve_udp(udp, shared.clone()) => {}
        () = serve_tcp(tcp, shared.clone()) => {}
        () = health(probes, shared) => {}
        () = asked_to_end() => {}
    }
    Ok(())
}

/// As process 1 of a container this program must take the signal itself.
async fn asked_to_end() {
    #[cfg(unix)]
    if let Ok(mut end) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        end.recv().await;
        return;
    }
    let _asked = tokio::signal::ctrl_c().await;
}
