//! How the small tools are told which node to speak to.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use machine::{KeyPair, Ssh, SshTarget};

use crate::Failure;

/// A node over SSH, with its host key known beforehand.
#[derive(Debug, clap::Args)]
pub(crate) struct NodeArgs {
    /// Address and port of the node's SSH server
    #[arg(long, value_name = "IP:PORT")]
    ssh: SocketAddr,
    /// Login name
    #[arg(long, default_value = "airlab")]
    user: String,
    /// Private key to log in with
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The node's public host key; any other key is refused
    #[arg(long, value_name = "FILE")]
    host_key: PathBuf,
}

impl NodeArgs {
    pub(crate) async fn connect(&self) -> Result<Ssh, Failure> {
        connect(self.ssh, &self.user, &self.key, &self.host_key).await
    }
}

/// Logs in with the private key in one file, where the server has the host key in the other.
pub(crate) async fn connect(addr: SocketAddr, user: &str, key: &Path, host_key: &Path) -> Result<Ssh, Failure> {
    let text = std::fs::read_to_string(host_key);
    let text = text.map_err(|e| Failure::system(format!("reading {}", host_key.display()), e))?;
    let key = Arc::new(KeyPair::load(key)?);
    let target = SshTarget { addr, user: user.to_owned(), key, host_key: text.trim().to_owned() };
    Ok(Ssh::connect(&target, Duration::from_secs(30)).await?)
}
