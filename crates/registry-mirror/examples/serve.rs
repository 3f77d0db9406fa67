//! Serves a folder: `serve ADDRESS:PORT STORE CERT KEY`, until told to stop. What `cargo xtask bench registry` measures:
//! the registry itself, without the command line around it.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use registry_mirror::{GarbageSpec, ServeSpec, serve, shutdown_signal};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, store, cert, key] = words.as_slice() else { return Err("four words".into()) };
    let address: SocketAddr = address.parse()?;
    let (cert, key) = (std::fs::read_to_string(cert)?, std::fs::read_to_string(key)?);
    let mut spec = ServeSpec::new(address, store, cert, key.into());
    spec.garbage = Some((Duration::from_secs(1), GarbageSpec::default()));
    serve(&spec)?.until(shutdown_signal(), Duration::from_secs(1)).await?;
    Ok(())
}
