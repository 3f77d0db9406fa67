//! `registry-mirror serve`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use registry_mirror::{ServeSpec, serve, shutdown_signal};

use super::read;
use crate::{Ended, Ui, exit};

/// How long requests under way may take to end.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// Address to listen on
    #[arg(long)]
    address: IpAddr,
    /// Port to listen on
    #[arg(long, default_value_t = 5000)]
    port: u16,
    /// Folder of the store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Private key, PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File that gets one JSON line per request
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// File that gets this process's id once the port is taken, before the first answer
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
}

pub(super) async fn serve_until_told(ui: &Ui, args: Serve) -> Ended {
    let spec = ServeSpec {
        address: args.address,
        port: args.port,
        store: args.store,
        cert_pem: read(&args.cert)?,
        key_pem: read(&args.key)?.into(),
        log: args.log,
    };
    let serving = serve(&spec)?;
    if let Some(path) = &args.pid_file {
        machine::write_file(path, std::process::id().to_string().as_bytes(), 0o644)?;
    }
    ui.say(&format!("serving {} on https://{}", spec.store.display(), serving.address()));
    serving.until(shutdown_signal(), GRACE).await?;
    Ok(exit::OK)
}
