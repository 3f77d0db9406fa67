//! An OpenSSH server of the test's own: its keys, its port, its end.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use machine::{Background, Cmd, HostKey, KeyPair, Local, SshTarget, write_file};
use secrecy::ExposeSecret;

pub(crate) struct Sshd {
    pub(crate) target: SshTarget,
    pub(crate) dir: tempfile::TempDir,
    process: Background,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Sshd {
    /// `None`, with the reason printed, where no OpenSSH server is installed.
    pub(crate) fn start() -> Option<Self> {
        Self::with("PasswordAuthentication no\nPermitRootLogin prohibit-password\nMaxSessions 10\n")
    }

    /// The same with these lines of configuration.
    pub(crate) fn with(lines: &str) -> Option<Self> {
        let program = Path::new("/usr/sbin/sshd");
        if !program.exists() {
            eprintln!("skipped: no OpenSSH server here (apt-get install openssh-server)");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let host = HostKey::generate("host").unwrap();
        let key = Arc::new(KeyPair::generate("user").unwrap());
        let at = |name: &str| dir.path().join(name);
        write_file(&at("host_key"), host.private_openssh().expose_secret().as_bytes(), 0o600).unwrap();
        write_file(&at("authorized_keys"), key.public_openssh().as_bytes(), 0o600).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr: SocketAddr = free.local_addr().unwrap();
        drop(free);
        let config = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {d}/host_key\nAuthorizedKeysFile {d}/authorized_keys\nPidFile none\n\
             StrictModes no\nUsePAM no\n{lines}",
            addr.port(),
            d = dir.path().display()
        );
        write_file(&at("sshd_config"), config.as_bytes(), 0o644).unwrap();
        let _ = std::fs::create_dir_all("/run/sshd");
        let user = Local.run_ok(&Cmd::new("id").arg("-un")).unwrap().text();
        let target = SshTarget { addr, user, key, host_key: host.public_openssh() };
        let process = launch(&dir);
        let sshd = Self { target, dir, process };
        sshd.await_port();
        Some(sshd)
    }

    fn await_port(&self) {
        for _ in 0..100 {
            if TcpStream::connect(self.target.addr).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("sshd does not listen: {}", std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default());
    }

    /// Ends the server and every session of it.
    pub(crate) fn stop(&self) {
        let group = self.process.pid.to_string();
        let _ = Local.run(&Cmd::new("pkill").args(["-KILL", "-P", &group]));
        let _ = Local.run(&Cmd::new("kill").args(["-KILL", "--", &format!("-{group}")]));
    }

    /// The same server again, with the same keys on the same port.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.process = launch(&self.dir);
        self.await_port();
    }
}

fn launch(dir: &tempfile::TempDir) -> Background {
    let config = dir.path().join("sshd_config");
    Local.start(&Cmd::new("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(config), &dir.path().join("log")).unwrap()
}
