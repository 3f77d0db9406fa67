//! OpenSSH servers on loopback addresses, each with a root of its own: stand-ins of nodes.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use machine::{Background, Cmd, Local, write_file};
use steps::chain;

const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/bench/ssh-node.sh");

/// Keys and addresses, which outlive the servers: as many as the largest measurement needs.
pub(super) struct Network {
    pub(super) dir: PathBuf,
    pub(super) port: u16,
    nodes: usize,
}

impl Network {
    /// Makes the keys and the files that name them.
    pub(super) fn new(dir: &Path, nodes: usize) -> Result<Self, String> {
        let io = |e: std::io::Error| format!("{}: {e}", dir.display());
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(io)?.port();
        let network = Self { dir: dir.to_owned(), port, nodes };
        keygen(&dir.join("key"))?;
        std::fs::copy(dir.join("key.pub"), dir.join("authorized_keys")).map_err(io)?;
        let mut known = String::new();
        for node in 1..=nodes {
            let home = network.home(node);
            std::fs::create_dir_all(&home).map_err(io)?;
            keygen(&home.join("host_key"))?;
            let public = std::fs::read_to_string(home.join("host_key.pub")).map_err(io)?;
            known.push_str(&format!("[{}]:{port} {public}", address(node)));
            let config = format!(
                "Port {port}\nListenAddress {}\nHostKey {}/host_key\nAuthorizedKeysFile {}/authorized_keys\nPidFile none\n\
                 StrictModes no\nUsePAM no\nUseDNS no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n",
                address(node),
                home.display(),
                dir.display()
            );
            write_file(&home.join("sshd_config"), config.as_bytes(), 0o644).map_err(|e| chain(&e))?;
        }
        std::fs::write(dir.join("known_hosts"), known).map_err(io)?;
        Ok(network)
    }

    fn home(&self, node: usize) -> PathBuf {
        self.dir.join(name(node))
    }

    /// Starts so many servers, nothing on any of them yet, and writes the list of them.
    pub(super) fn start(&self, nodes: usize) -> Result<Servers, String> {
        let io = |e: std::io::Error| format!("{}: {e}", self.dir.display());
        let mut list = String::new();
        let mut servers = Servers(Vec::new());
        for node in 1..=nodes.min(self.nodes) {
            let home = self.home(node);
            let public = std::fs::read_to_string(home.join("host_key.pub")).map_err(io)?;
            list.push_str(&format!("{} {}:{} {public}", name(node), address(node), self.port));
            let cmd = Cmd::new("unshare").args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", NODE]);
            servers.0.push(Local.start(&cmd.arg(&home), &home.join("log")).map_err(|e| chain(&e))?);
        }
        std::fs::write(self.dir.join("nodes"), list).map_err(io)?;
        for node in 1..=servers.0.len() {
            self.await_port(node, &servers.0[node - 1])?;
        }
        Ok(servers)
    }

    fn await_port(&self, node: usize, process: &Background) -> Result<(), String> {
        let begun = Instant::now();
        while TcpStream::connect((address(node), self.port)).is_err() {
            if begun.elapsed() > Duration::from_secs(60) || process.ended().is_some() {
                let log = std::fs::read_to_string(self.home(node).join("log")).unwrap_or_default();
                return Err(format!("{}: no SSH server: {log}", name(node)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// `n007`
pub(super) fn name(node: usize) -> String {
    format!("n{node:03}")
}

/// An address of loopback's own network.
pub(super) fn address(node: usize) -> String {
    format!("127.61.0.{node}")
}

fn keygen(path: &Path) -> Result<(), String> {
    let cmd = Cmd::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f"]).arg(path);
    Local.run_ok(&cmd).map(drop).map_err(|e| chain(&e))
}

/// Servers that run. All they wrote is gone with them.
pub(super) struct Servers(Vec<Background>);

impl Drop for Servers {
    fn drop(&mut self) {
        let groups = self.0.iter().map(|server| format!("-{}", server.pid));
        let _ = Local.run(&Cmd::new("kill").args(["-KILL", "--"]).args(groups));
        let begun = Instant::now();
        while self.0.iter().any(|s| s.ended().is_none()) && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
