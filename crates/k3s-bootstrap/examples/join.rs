//! What `cargo xtask bench ssh` measures: many agents joined as `airlab provision` joins them, a bounded number at a time,
//! every connection kept to the end.
//!
//! `join FOLDER [RECORD]`: FOLDER holds `key` and `nodes`, one `NAME ADDRESS:PORT HOST-KEY` a line. Prints how much memory
//! it held before the first connection and at the most, in KiB. With RECORD, every command of every node is written to
//! that folder, what it reads beside it.

use std::error::Error;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use k3s_bootstrap::{AgentSpec, Node, Standing, ensure_agent};
use machine::{Cmd, Exec, ExecError, KeyPair, NODES_AT_ONCE, Output, Ssh, SshTarget};
use steps::Silent;

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder, record @ ..] = args.as_slice() else { return Err("FOLDER [RECORD]".into()) };
    let key = Arc::new(KeyPair::load(&folder.join("key"))?);
    let nodes = std::fs::read_to_string(folder.join("nodes"))?;
    let before = kib("VmRSS:")?;
    let joins = nodes.lines().map(|line| join(line, key.clone(), record.first()));
    let kept: Vec<Ssh> = stream::iter(joins).buffer_unordered(NODES_AT_ONCE).try_collect().await?;
    let most = kib("VmHWM:")?;
    Ok(writeln!(std::io::stdout(), "{before} {most} {}", kept.len())?)
}

/// One node, from no connection to a running agent.
async fn join(line: &str, key: Arc<KeyPair>, record: Option<&PathBuf>) -> Result<Ssh, Failed> {
    let [name, addr, host_key] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { return Err(line.into()) };
    let target = SshTarget { addr: addr.parse()?, user: "root".into(), key, host_key: host_key.into() };
    let ssh = Ssh::connect(&target, Duration::from_secs(60)).await?;
    let exec = Recorded { ssh, to: record.map(|folder| folder.join(name)), count: AtomicUsize::new(0) };
    let standing = Standing::look(&exec).await?;
    if standing.member {
        return Err(format!("{name} has joined before").into());
    }
    let report = ensure_agent(&exec, &spec(name), &Silent).await?;
    if !report.started {
        return Err(format!("{name}: k3s was not started").into());
    }
    Ok(exec.ssh)
}

/// What a lab's agent is told; the files that it fetches from the registry by itself are no traffic of ours.
fn spec(name: &str) -> AgentSpec {
    let mut node = Node::new(name, Ipv4Addr::new(192, 168, 6, 11));
    node.registries = "mirrors:\n  docker.io:\n    endpoint: [https://192.168.6.1:5000]\n".into();
    node.labels = vec!["airlab.io/bench=yes".into()];
    node.password = Some("0123456789abcdef0123456789abcdef".into());
    AgentSpec::new(node, "https://192.168.6.10:6443", "K10stand-in::node:stand-in".into())
}

/// A connection that writes down what goes over it.
struct Recorded {
    ssh: Ssh,
    to: Option<PathBuf>,
    count: AtomicUsize,
}

#[async_trait]
impl Exec for Recorded {
    async fn run(&self, cmd: &Cmd) -> Result<Output, ExecError> {
        if let Some(folder) = &self.to {
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            write(folder, number, cmd).map_err(|e| ExecError::NotStarted {
                program: cmd.program(),
                target: self.target(),
                source: Box::new(e),
            })?;
        }
        self.ssh.run(cmd).await
    }

    fn target(&self) -> String {
        self.ssh.target()
    }
}

fn write(folder: &Path, number: usize, cmd: &Cmd) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(format!("{number:02}.command")), cmd.to_string())?;
    std::fs::write(folder.join(format!("{number:02}.input")), cmd.input().unwrap_or_default())
}

/// A figure of the kernel's about this process.
fn kib(key: &str) -> Result<u64, Failed> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)).and_then(|line| line.split_whitespace().next());
    Ok(line.ok_or("no such figure")?.parse()?)
}
