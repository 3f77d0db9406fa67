//! Which nodes a command is about: those of a lab, or machines that are named with their keys.

use std::net::SocketAddr;
use std::path::PathBuf;

use airlab::{Context, Facts, Said};
use futures_util::future::join_all;
use machine::Ssh;
use timesync::{Comparison, Evidence, HostReading, NodeReading, Policy, Whose};

use crate::airlab::lab_args::{LabArgs, stopped};
use crate::airlab::network;
use crate::node::connect;
use crate::{Ended, Failure};

/// A node, and the way to it where there is one.
pub(super) type Login = (String, Result<Ssh, Failure>);
/// The lab that nodes are of, from inside its network.
pub(super) type Lab<'a> = (&'a Context, &'a Facts);

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Nodes of the lab; all of them where none is named
    nodes: Vec<String>,
    #[command(flatten)]
    lab: LabArgs,
    /// A machine outside any lab: address and port of its SSH server; may be repeated
    #[arg(long, value_name = "IP:PORT", requires_all = ["key", "host_key"], conflicts_with = "nodes")]
    ssh: Vec<SocketAddr>,
    /// Login name there
    #[arg(long, default_value = "airlab")]
    user: String,
    /// Private key to log in with there
    #[arg(long, value_name = "FILE", requires = "ssh")]
    key: Option<PathBuf>,
    /// Its public host key, any other is refused; one for each --ssh, in the same order
    #[arg(long, value_name = "FILE", requires = "ssh")]
    host_key: Vec<PathBuf>,
    /// The authority of its registry, to measure this host's clock too
    #[arg(long, value_name = "FILE", requires = "ssh")]
    ca: Option<PathBuf>,
}

impl Which {
    /// Does the work with logins to the nodes, those of a lab from inside its network.
    pub(super) async fn on(&self, work: impl AsyncFnOnce(Vec<Login>, Option<Lab<'_>>) -> Ended) -> Ended {
        if !self.ssh.is_empty() {
            return work(self.named().await?, None).await;
        }
        let context = self.lab.context()?;
        network::within(&context, None, async |facts| {
            let logins = airlab::logins(&context, &self.nodes).await.map_err(stopped)?;
            let logins = logins.into_iter().map(|(name, ssh)| (name, ssh.map_err(Failure::from)));
            work(logins.collect(), Some((&context, facts))).await
        })
        .await
    }

    async fn named(&self) -> Result<Vec<Login>, Failure> {
        let (ssh, keys) = (self.ssh.len(), self.host_key.len());
        let Some(key) = self.key.as_ref().filter(|_| ssh == keys) else {
            let why = format!("{ssh} times --ssh and {keys} times --host-key");
            return Err(Failure::system("pairing machines and keys", std::io::Error::other(why)));
        };
        let pairs = self.ssh.iter().zip(&self.host_key);
        Ok(join_all(
            pairs.map(|(at, host_key)| async { (at.to_string(), connect(*at, &self.user, key, host_key).await) }),
        )
        .await)
    }

    /// What these nodes said, beside this host's clock.
    pub(super) async fn compared(&self, said: Vec<Said>, lab: Option<Lab<'_>>) -> Result<Comparison, Failure> {
        if let Some((context, facts)) = lab {
            return airlab::compare_clocks(context, facts, said).await.map_err(stopped);
        }
        let own = said.iter().filter_map(|(_, clock)| clock.as_ref().ok()).filter(|c| c.clock == Whose::Own);
        let nodes = own.filter_map(|c| c.offset).collect();
        let registry = said.iter().find_map(|(_, c)| Some(c.as_ref().ok()?.source.clone())).unwrap_or_default();
        let offset = match &self.ca {
            None => Err("not measured: that takes --ca".to_owned()),
            Some(path) => {
                let ca = std::fs::read_to_string(path);
                let ca = ca.map_err(|e| Failure::system(format!("reading {}", path.display()), e))?;
                airlab::host_offset(&registry, Some(&ca)).await
            }
        };
        // of a time that is certainly past nothing is known here
        let verdict = timesync::judge_host(&Evidence { now: 0, past: 0, valid: 0, nodes, host: None, shared: false });
        let nodes = said.into_iter().map(|(name, said)| NodeReading::of(&name, said, Policy::default())).collect();
        let host =
            HostReading { verdict, offset_ms: offset.as_ref().ok().copied(), why: offset.err().unwrap_or_default() };
        Ok(Comparison { registry, nodes, host })
    }
}
