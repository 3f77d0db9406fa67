//! The forwarder: one process that listens on the outside's loopback and connects inside the lab's network.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use machine::{Cmd, Local};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::{Spec, enter};
use crate::home::Home;
use crate::wait::until;
use crate::{Failure, files};

/// Written by the forwarder once it listens; the ports are used again by the next one.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Ports {
    pid: i32,
    ports: BTreeMap<SocketAddr, u16>,
}

fn lock_path(home: &Home) -> PathBuf {
    home.net().join("forward.lock")
}

fn load(home: &Home) -> Ports {
    let text = files::read(&home.net().join("ports.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Whether a forwarder lives: it holds the lock as long as it does.
pub(super) fn is_alive(home: &Home) -> bool {
    let Ok(file) = File::open(lock_path(home)) else { return false };
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

/// Address inside -> port on loopback.
pub(super) fn reach(home: &Home) -> BTreeMap<SocketAddr, u16> {
    load(home).ports
}

/// Starts the forwarder unless one with exactly these forwards lives.
pub(super) fn ensure(home: &Home, spec: &Spec) -> Result<(), Failure> {
    let has_all = |ports: &Ports| ports.ports.keys().eq(spec.forwards.iter());
    if spec.forwards.is_empty() {
        return stop(home);
    }
    if is_alive(home) && has_all(&load(home)) {
        return Ok(());
    }
    stop(home)?;
    let exe = std::env::current_exe().map_err(Failure::host("finding this program"))?;
    let cmd = Cmd::new("setsid").arg(exe).arg("__forward").env("QVMRUN_HOME", home.dir()).dir("/");
    let before = load(home).pid;
    Local.start(&cmd, &home.net().join("forward.log")).map_err(Failure::exec("starting the forwarder"))?;
    let up = until(Duration::from_secs(10), || {
        let now = load(home);
        now.pid != before && has_all(&now) && is_alive(home)
    });
    if up { Ok(()) } else { Err(Failure::host("starting the forwarder")("it does not listen; see net/forward.log")) }
}

/// Without a forwarder: chooses the ports that the machines' own networks will listen on.
pub(super) fn reserve(home: &Home, spec: &Spec) -> Result<(), Failure> {
    let old = load(home);
    let mut now = Ports::default();
    let mut held = Vec::new(); // until all are chosen, so that they differ
    for to in spec.forwards.iter().copied() {
        let port = match old.ports.get(&to) {
            Some(port) => *port,
            None => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::host("finding a port"))?;
                let port = listener.local_addr().map_err(Failure::host("finding a port"))?.port();
                held.push(listener);
                port
            }
        };
        now.ports.insert(to, port);
    }
    save(home, &now)
}

fn save(home: &Home, ports: &Ports) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(ports).map_err(Failure::host("writing ports.json"))?;
    files::save(&home.net().join("ports.json"), &text)
}

/// Ends the forwarder.
pub(super) fn stop(home: &Home) -> Result<(), Failure> {
    if is_alive(home)
        && let Some(pid) = Pid::from_raw(load(home).pid)
    {
        let _ = kill_process(pid, Signal::TERM);
    }
    if until(Duration::from_secs(5), || !is_alive(home)) {
        Ok(())
    } else {
        Err(Failure::host("stopping the forwarder")("it does not end"))
    }
}

/// The forwarder itself. Runs until it is ended.
pub(crate) fn run() -> Result<(), Failure> {
    let home = Home::from_env()?;
    let path = lock_path(&home);
    let lock = File::options().create(true).write(true).truncate(false).open(&path);
    let lock = lock.map_err(|source| Failure::File { path, doing: "not opened", source })?;
    if !until(Duration::from_secs(2), || lock.try_lock().is_ok()) {
        return Err(Failure::host("locking")("another forwarder lives"));
    }
    let spec = Spec::load(&home).ok_or(Failure::NetworkDown)?;
    let old = load(&home);
    let mut listeners = Vec::new();
    let mut now = Ports { pid: rustix::process::getpid().as_raw_nonzero().get(), ports: BTreeMap::new() };
    for to in spec.forwards.iter().copied() {
        let remembered = old.ports.get(&to).copied().unwrap_or(0);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, remembered))
            .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .map_err(Failure::host(format!("listening for {to}")))?;
        let port = listener.local_addr().map_err(Failure::host("listening"))?.port();
        now.ports.insert(to, port);
        listeners.push((listener, to));
    }
    enter(&home)?; // the listeners stay outside; connections made from here on begin inside
    save(&home, &now)?;
    let accepting: Vec<_> =
        listeners.into_iter().map(|(listener, to)| thread::spawn(move || accept(&listener, to))).collect();
    for thread in accepting {
        let _ = thread.join();
    }
    drop(lock);
    Ok(())
}

fn accept(listener: &TcpListener, to: SocketAddr) {
    loop {
        match listener.accept() {
            Ok((outside, _)) => {
                thread::spawn(move || {
                    if let Ok(inside) = TcpStream::connect_timeout(&to, Duration::from_secs(5)) {
                        let _ = carry(&outside, &inside);
                    }
                });
            }
            Err(_) => thread::sleep(Duration::from_millis(50)), // such as no file descriptor left: later again
        }
    }
}

/// Copies both ways; each side's end of file is passed on.
fn carry(a: &TcpStream, b: &TcpStream) -> io::Result<()> {
    let _ = (a.set_nodelay(true), b.set_nodelay(true));
    let (mut a2, mut b2) = (a.try_clone()?, b.try_clone()?);
    let back = thread::spawn(move || {
        let _ = io::copy(&mut b2, &mut a2);
        let _ = a2.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (a, b);
    let _ = io::copy(&mut from, &mut to);
    let _ = b.shutdown(Shutdown::Write);
    let _ = back.join();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn bytes_and_ends_of_file_are_carried_both_ways() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        let front = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = front.local_addr().unwrap();
        thread::spawn(move || accept(&front, to));
        let echo = thread::spawn(move || {
            let (mut peer, _) = server.accept().unwrap();
            let mut all = String::new();
            peer.read_to_string(&mut all).unwrap();
            peer.write_all(all.to_uppercase().as_bytes()).unwrap();
        });
        let mut client = TcpStream::connect(at).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        echo.join().unwrap();
        assert_eq!(answer, "HELLO");
    }
}
