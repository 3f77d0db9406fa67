//! The command line of `cloudinit`.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cloudinit::NodeSpec;
use machine::{KeyPair, write_file};
use secrecy::ExposeSecret;

use crate::{Ended, Failure, Tool, Ui, exit};

#[derive(Debug, clap::Parser)]
#[command(about = "Write the user-data, meta-data and network-config that install a node unattended")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make the seed of one node
    Seed(Seed),
}

#[derive(Debug, clap::Args)]
struct Seed {
    /// Folder to write the three files into
    folder: PathBuf,
    /// Host name
    #[arg(long)]
    hostname: String,
    /// Static address
    #[arg(long)]
    address: Ipv4Addr,
    /// Default route and resolver; the network's first address when not given
    #[arg(long)]
    gateway: Option<Ipv4Addr>,
    /// Length of the network prefix
    #[arg(long, default_value_t = 24)]
    prefix: u8,
    /// Public key that may log in
    #[arg(long, value_name = "FILE", required = true)]
    authorized_key: Vec<PathBuf>,
    /// The node's own private host key; made when missing
    #[arg(long, value_name = "FILE")]
    host_key: PathBuf,
    /// Authority for the node's trust store, PEM
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("cloudinit").run(|ui, args: Args| async move {
        let Verb::Seed(wish) = args.verb;
        seed(&ui, &wish)
    })
}

fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure::system(format!("reading {}", path.display()), e))
}

fn seed(ui: &Ui, wish: &Seed) -> Ended {
    let mut node = NodeSpec::new(&wish.hostname, wish.address);
    node.prefix = wish.prefix;
    if let Some(gateway) = wish.gateway {
        node.gateway = gateway;
        node.nameservers = vec![gateway.into()];
    }
    for key in &wish.authorized_key {
        node.authorized_keys.push(text(key)?.trim().to_owned());
    }
    for ca in &wish.ca {
        node.trusted_cas.push(text(ca)?);
    }
    let (host_key, _) = KeyPair::ensure(&wish.host_key, &wish.hostname)?;
    node.host_key_private = host_key.private_openssh();
    node.host_key_public = host_key.public_openssh();
    let seed = cloudinit::seed(&node)?;
    let mut changed = 0;
    for (name, content, mode) in [
        ("user-data", seed.user_data.expose_secret(), 0o600),
        ("meta-data", seed.meta_data.as_str(), 0o644),
        ("network-config", seed.network_config.as_str(), 0o644),
    ] {
        changed += usize::from(write_file(&wish.folder.join(name), content.as_bytes(), mode)?);
    }
    let value = serde_json::json!({ "content_hash": seed.content_hash, "changed": changed });
    ui.result(&value, |_| format!("{}  {}: {changed} files changed", seed.content_hash, wish.folder.display()))?;
    Ok(exit::OK)
}
