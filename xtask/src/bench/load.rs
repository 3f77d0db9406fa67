//! `wrk` against a server, and what the server's process needed meanwhile.

use std::time::Duration;

use machine::{Cmd, Local};
use steps::chain;

/// What one phase showed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) requests_per_s: f64,
    pub(super) mib_per_s: f64,
    pub(super) p99_ms: f64,
    /// The server's processor time in the phase.
    pub(super) cpu_s: f64,
    pub(super) gib: f64,
}

/// Drives `url` from this many connections for some seconds; any other answer than 200 is an error.
pub(super) fn drive(pid: u32, url: &str, connections: u32, seconds: u32) -> Result<Load, String> {
    let before = cpu_seconds(pid)?;
    let cmd = Cmd::new("wrk")
        .args([format!("-t{}", connections.min(2)), format!("-c{connections}"), format!("-d{seconds}s")])
        .args(["--timeout", "60s", "--latency", "-H", "Accept: application/vnd.oci.image.manifest.v1+json", url])
        .timeout(Duration::from_secs(u64::from(seconds) + 90));
    let text = Local.run_ok(&cmd).map_err(|e| chain(&e))?.text();
    let cpu_s = cpu_seconds(pid)? - before;
    let after = |mark: &str| text.split(mark).nth(1).and_then(|rest| rest.split_whitespace().next());
    if let Some(bad) = after("Non-2xx or 3xx responses:") {
        return Err(format!("{url}: {bad} answers were no success"));
    }
    let missing = || format!("wrk said something else:\n{text}");
    let requests_per_s = after("Requests/sec:").and_then(|n| n.parse().ok()).ok_or_else(missing)?;
    let mib_per_s = after("Transfer/sec:").and_then(bytes).ok_or_else(missing)? / f64::from(1 << 20);
    let gib = after(" requests in ").is_some().then_some(()).and_then(|()| {
        text.lines().find(|l| l.contains(" requests in "))?.rsplit(", ").next()?.split(' ').next().and_then(bytes)
    });
    let gib = gib.ok_or_else(missing)? / f64::from(1 << 30);
    let p99_ms = text.lines().find_map(|l| l.trim().strip_prefix("99%")).and_then(milliseconds).ok_or_else(missing)?;
    Ok(Load { requests_per_s, mib_per_s, p99_ms, cpu_s, gib })
}

/// `1.50GB`
fn bytes(text: &str) -> Option<f64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "B" => 0,
        "KB" => 10,
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * 2f64.powi(unit))
}

/// `1.50ms`
fn milliseconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 6e4,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}

/// User and system time of a process so far. The kernel counts it in hundredths of a second.
fn cpu_seconds(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}; has the server ended?"))?;
    let after = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}

/// The most memory a process ever held, in MiB.
pub(super) fn peak_mib(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}; has the server ended?"))?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.split_whitespace().next());
    let kib: f64 = line.and_then(|n| n.parse().ok()).ok_or("no VmHWM")?;
    Ok(kib / 1024.0)
}
