//! How the small tools are told which node to speak to.

use std::net::SocketAddr;
use std::path::PathBuf;
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
        let host_key = std::fs::read_to_string(&self.host_key)
            .map_err(|e| Failure::system(format!("reading {}", self.host_key.display()), e))?;
        let target = SshTarget {
            addr: self.ssh,
            user: self.user.clone(),
            key: Arc::new(KeyPair::load(&self.key)?),
            host_key: host_key.trim().to_owned(),
        };
        Ok(Ssh::connect(&target, Duration::from_secs(30)).await?)
    }
}
