//! The command line of `registry-mirror`.

mod catalog;
mod garbage;
mod mirror;
mod profile;
mod serve;
mod service;
mod verify;
#[cfg(windows)]
mod windows;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use registry_mirror::{Registries, RegistryError};

use crate::{Failure, Tool, exit};

#[derive(Debug, clap::Parser)]
#[command(about = "An OCI registry for an air-gapped lab, and the mirror that fills it")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Serve a store over TLS until told to stop
    Serve(serve::Serve),
    /// Bring images into a store, a registry or a tar
    Mirror(mirror::Mirror),
    /// Write the digests of a profile's images into the lock file
    Resolve(profile::Resolve),
    /// Tell which image of a profile exists where, before anything is copied
    Check(profile::Check),
    /// List what a store holds, and what of a profile it lacks
    Catalog(catalog::Catalog),
    /// Remove what nobody can ask for any more, also while the store is served
    Gc(garbage::Garbage),
    /// Serve from now on, and after every start of this machine
    #[command(subcommand)]
    Service(service::Verb),
    /// Hash everything in a store and follow every tag
    Verify(InStore),
    /// Print the registries.yaml with which k3s nodes use a registry
    Registries(RegistriesYaml),
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
            Verb::Serve(args) => serve::serve_until_told(&ui, args).await,
            Verb::Mirror(args) => mirror::bring(&ui, args).await,
            Verb::Resolve(args) => profile::resolve(&ui, args).await,
            Verb::Check(args) => profile::check(&ui, args).await,
            Verb::Catalog(args) => catalog::catalog(&ui, args).await,
            Verb::Gc(args) => garbage::collect(&ui, &args).await,
            Verb::Service(verb) => service::run(&ui, verb).await,
            Verb::Verify(args) => verify::verify(&ui, &args.store).await,
            Verb::Registries(args) => {
                let RegistriesYaml { endpoint, ca_file, mirrored } = args;
                ui.result_bytes(Registries { endpoint, ca_file, login: None, mirrored }.render().as_bytes())?;
                Ok(exit::OK)
            }
        }
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    let file = |source| RegistryError::File { path: path.to_owned(), doing: "read", source };
    Ok(std::fs::read_to_string(path).map_err(file)?)
}
