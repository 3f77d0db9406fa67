//! `registry-mirror serve`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use registry_mirror::{GarbageSpec, ServeSpec, serve, shutdown_signal};

use super::read;
use super::service::absolute;
use crate::{Ended, Failure, Ui, exit};

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
    pub(super) store: PathBuf,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Private key, PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File that gets one JSON line per request
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// File that gets this process's id once the port is taken, before the first answer
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Refuse pushes and deletions
    #[arg(long)]
    read_only: bool,
    /// Who may use it: `user:hash` lines with bcrypt hashes, as `htpasswd -B` writes them
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// Collect garbage this often while serving
    #[arg(long, value_name = "HOURS", value_parser = hours)]
    gc_every: Option<f64>,
    /// Manifests that no tag leads to are garbage too
    #[arg(long, requires = "gc_every")]
    gc_untagged: bool,
    /// Started by the service control manager under this name
    #[cfg(windows)]
    #[arg(long, value_name = "NAME", hide = true)]
    as_service: Option<String>,
}

impl Serve {
    /// The same command line again, with paths that mean the same wherever it is run.
    pub(super) fn words(&self) -> Result<Vec<String>, Failure> {
        let mut words = vec!["--address".to_owned(), self.address.to_string(), "--port".into(), self.port.to_string()];
        let paths = [
            ("--store", Some(&self.store)),
            ("--cert", Some(&self.cert)),
            ("--key", Some(&self.key)),
            ("--log", self.log.as_ref()),
            ("--pid-file", self.pid_file.as_ref()),
            ("--htpasswd", self.htpasswd.as_ref()),
        ];
        for (option, path) in paths {
            if let Some(path) = path {
                words.extend([option.to_owned(), absolute(path)?.display().to_string()]);
            }
        }
        words.extend(self.read_only.then(|| "--read-only".into()));
        if let Some(hours) = self.gc_every {
            words.extend(["--gc-every".into(), hours.to_string()]);
        }
        words.extend(self.gc_untagged.then(|| "--gc-untagged".into()));
        Ok(words)
    }
}

fn hours(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|hours| (0.0003..100_000.0).contains(hours)).ok_or_else(|| "not a number of hours".into())
}

pub(super) async fn serve_until_told(ui: &Ui, args: Serve) -> Ended {
    let address = SocketAddr::from((args.address, args.port));
    let mut spec = ServeSpec::new(address, args.store, read(&args.cert)?, read(&args.key)?.into());
    spec.log = args.log;
    spec.read_only = args.read_only;
    spec.htpasswd = args.htpasswd;
    spec.garbage = args.gc_every.map(|hours| {
        let garbage = GarbageSpec { untagged: args.gc_untagged, ..GarbageSpec::default() };
        (Duration::from_secs_f64(hours * 3600.0), garbage)
    });
    let serving = serve(&spec)?;
    if let Some(path) = &args.pid_file {
        machine::write_file(path, std::process::id().to_string().as_bytes(), 0o644)?;
    }
    ui.say(&format!("serving {} on https://{}", spec.store.display(), serving.address()));
    #[cfg(windows)]
    if let Some(name) = args.as_service {
        let mut life = super::windows::Life::begin(name);
        let ended = serving.until(life.stopped(), GRACE).await;
        life.end(ended.is_ok());
        return Ok(ended.map(|()| exit::OK)?);
    }
    serving.until(shutdown_signal(), GRACE).await?;
    Ok(exit::OK)
}
