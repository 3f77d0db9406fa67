//! The command line of `registry-mirror`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use registry_mirror::{
    Finding, Image, MirrorReport, Registries, RegistryError, ServeSpec, Source, Store, Verified, mirror,
    mirror_archives, serve, shutdown_signal,
};
use serde::Serialize;

use crate::{Ended, Failure, Tool, Ui, exit, table};

/// How long requests under way may take to end.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Parser)]
#[command(about = "An OCI registry for an air-gapped lab, and the mirror that fills it")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Serve a store over TLS until told to stop
    Serve(Serve),
    /// Bring images into a store
    Mirror(Mirror),
    /// List what a store holds
    Catalog(InStore),
    /// Hash everything in a store and follow every tag
    Verify(InStore),
    /// Print the registries.yaml with which k3s nodes use a registry
    Registries(RegistriesYaml),
}

#[derive(Debug, clap::Args)]
struct Serve {
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
}

#[derive(Debug, clap::Args)]
struct Mirror {
    /// Folder of the store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// CA to trust for registries, instead of the system's, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Images: a docker archive, an OCI layout, or a name in a registry; `NAME=SOURCE` keeps it under another name
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct InStore {
    /// Folder of the store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
}

#[derive(Debug, clap::Args)]
struct RegistriesYaml {
    /// The registry's host:port
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: String,
    /// Path, on the nodes, of the CA that signed the registry's certificate
    #[arg(long, value_name = "PATH")]
    ca_file: String,
    /// Registries to mirror by name
    #[arg(long = "mirror", value_name = "HOST", default_values = Registries::USUAL)]
    mirrored: Vec<String>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("registry-mirror").log("registry_mirror=info").graceful().run(|ui, args: Args| async move {
        match args.verb {
            Verb::Serve(args) => serve_until_told(&ui, args).await,
            Verb::Mirror(args) => bring(&ui, args).await,
            Verb::Catalog(args) => catalog(&ui, &args.store).await,
            Verb::Verify(args) => verify(&ui, &args.store).await,
            Verb::Registries(args) => {
                let RegistriesYaml { endpoint, ca_file, mirrored } = args;
                ui.result_bytes(Registries { endpoint, ca_file, mirrored }.render().as_bytes())?;
                Ok(exit::OK)
            }
        }
    })
}

async fn serve_until_told(ui: &Ui, args: Serve) -> Ended {
    let spec = ServeSpec {
        address: args.address,
        port: args.port,
        store: args.store,
        cert_pem: read(&args.cert)?,
        key_pem: read(&args.key)?.into(),
        log: args.log,
    };
    let serving = serve(&spec)?;
    ui.say(&format!("serving {} on https://{}", spec.store.display(), serving.address()));
    serving.until(shutdown_signal(), GRACE).await?;
    Ok(exit::OK)
}

#[derive(Serialize)]
struct Mirrored {
    changed: usize,
    new: Vec<String>,
    updated: Vec<String>,
    present: Vec<String>,
    failed: Vec<String>,
}

async fn bring(ui: &Ui, args: Mirror) -> Ended {
    let store = Store::open(&args.store)?;
    let ca_pem = args.ca.as_deref().map(read).transpose()?;
    let mut report = MirrorReport::default();
    let mut images = Vec::new();
    for image in &args.images {
        let (name, source) = image.split_once('=').map_or((None, image.as_str()), |(n, s)| (Some(n), s));
        let path = PathBuf::from(source);
        match (path.exists(), name) {
            // Without a name, everything in the archive comes under its own.
            (true, None) => {
                let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let some = mirror_archives(&[(label, path)], &store, ui).await?;
                report.new.extend(some.new);
                report.present.extend(some.present);
                report.changed.extend(some.changed);
            }
            (true, Some(name)) => images.push(wanted(name, Source::File(path))),
            (false, name) => {
                let from = Source::Registry { reference: source.to_owned(), ca_pem: ca_pem.clone() };
                images.push(wanted(name.unwrap_or(source), from));
            }
        }
    }
    let rest = mirror(&images, &store, ui).await;
    let result = Mirrored {
        changed: report.new.len() + report.changed.len() + rest.new.len() + rest.changed.len(),
        new: [report.new, rest.new.clone()].concat(),
        updated: [report.changed, rest.changed.clone()].concat(),
        present: [report.present, rest.present.clone()].concat(),
        failed: rest.failed.iter().map(|(reference, _)| reference.clone()).collect(),
    };
    ui.result(&result, |r| {
        let rows = [("new", &r.new), ("updated", &r.updated), ("present", &r.present), ("failed", &r.failed)];
        let lines = rows.iter().flat_map(|(what, names)| names.iter().map(move |name| format!("{what:<8} {name}\n")));
        lines.collect()
    })?;
    rest.complete()?;
    Ok(exit::OK)
}

fn wanted(reference: &str, source: Source) -> Image {
    Image { reference: reference.to_owned(), digest: None, sources: vec![source] }
}

async fn catalog(ui: &Ui, dir: &Path) -> Ended {
    let catalog = Store::open(dir)?.catalog()?;
    ui.result(&catalog, |entries| {
        let rows: Vec<[String; 4]> = entries
            .iter()
            .flat_map(|entry| {
                entry.tags.iter().map(|image| {
                    let short = image.digest.chars().take(19).collect();
                    [entry.repository.clone(), image.tag.clone(), short, format!("{} KiB", image.size / 1024)]
                })
            })
            .collect();
        table(&["REPOSITORY", "TAG", "DIGEST", "SIZE"], &rows)
    })?;
    Ok(exit::OK)
}

async fn verify(ui: &Ui, dir: &Path) -> Ended {
    let verified = Store::open(dir)?.verify()?;
    ui.result(&verified, |v: &Verified| {
        format!("{} blobs, {} bytes, {} findings", v.blobs, v.bytes, v.findings.len())
    })?;
    let Some(first) = verified.findings.first() else { return Ok(exit::OK) };
    let first = match first {
        Finding::Damaged { digest, .. } => format!("{digest} is damaged"),
        Finding::Missing { needed_by, digest } => format!("{needed_by} needs {digest}"),
    };
    Err(RegistryError::Damaged { damaged: verified.findings.len(), blobs: verified.blobs, first }.into())
}

fn read(path: &Path) -> Result<String, Failure> {
    let file = |source| RegistryError::File { path: path.to_owned(), doing: "read", source };
    Ok(std::fs::read_to_string(path).map_err(file)?)
}
