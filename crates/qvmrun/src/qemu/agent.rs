//! The QEMU guest agent inside a machine.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::argv::AGENT;
use super::qmp::Qmp;
use super::wire::Wire;
use crate::Failure;
use crate::engine::GuestOutput;
use crate::place::Place;

/// An agent that is there answers within this, also in an emulated machine that is busy.
const THERE: Duration = Duration::from_secs(5);
/// How long one command may take.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a program in the guest may run.
const PROGRAM: Duration = Duration::from_secs(1800);

#[derive(Debug)]
pub(super) struct Agent(Wire);

impl Agent {
    /// Connects, and makes sure that what comes next is the answer to what is asked next.
    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        if !Qmp::open(place)?.hears_agent()? {
            return Err(Failure::host("asking the guest agent")("there is none"));
        }
        let mut wire = Wire::connect(place, AGENT)?;
        let mark = mark();
        let sync = json!({ "execute": "guest-sync-delimited", "arguments": { "id": mark } });
        wire.send(b"\xff", &sync, THERE)?;
        let until = Instant::now() + THERE;
        while wire.receive(until)?["return"] != json!(mark) {}
        Ok(Self(wire))
    }

    pub(super) fn run(&mut self, command: &str, arguments: Value) -> Result<Value, Failure> {
        self.0.send(&[], &json!({ "execute": command, "arguments": arguments }), ANSWER)?;
        let mut answer = self.0.receive(Instant::now() + ANSWER)?;
        if let Some(error) = answer.get("error") {
            let why = error["desc"].as_str().unwrap_or("no reason given");
            return Err(Failure::host(format!("the guest agent's {command}"))(why));
        }
        Ok(answer.get_mut("return").map(Value::take).unwrap_or_default())
    }

    /// Asks for a shutdown; there is no answer to it.
    pub(super) fn shutdown(&mut self, mode: &str) -> Result<(), Failure> {
        self.0.send(&[], &json!({ "execute": "guest-shutdown", "arguments": { "mode": mode } }), ANSWER)
    }

    /// Sets the guest's clock from its hardware clock, which never stood still.
    pub(super) fn set_clock(&mut self) -> Result<(), Failure> {
        self.run("guest-set-time", json!({})).map(drop)
    }

    /// The global IPv4 address of the adapter with this MAC address.
    pub(super) fn address(&mut self, mac: &str) -> Result<Option<IpAddr>, Failure> {
        Ok(address(&self.run("guest-network-get-interfaces", json!({}))?, mac))
    }

    pub(super) fn execute(&mut self, program: &[String], stdin: &[u8], wait: bool) -> Result<GuestOutput, Failure> {
        let [path, args @ ..] = program else { return Ok(GuestOutput::default()) };
        let input = STANDARD.encode(stdin);
        let started =
            self.run("guest-exec", json!({ "path": path, "arg": args, "input-data": input, "capture-output": wait }))?;
        if !wait {
            return Ok(GuestOutput::default());
        }
        let begun = Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            let status = self.run("guest-exec-status", json!({ "pid": started["pid"] }))?;
            if status["exited"] == json!(true) {
                return output(&status);
            }
            if begun.elapsed() > PROGRAM {
                return Err(Failure::host(format!("waiting for {path} in the guest"))("it does not end"));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

/// A number that no earlier question had.
fn mark() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_micros() as u64 & 0x1f_ffff_ffff_ffff // what a JSON number carries
}

/// How a program ended, from `guest-exec-status`.
fn output(status: &Value) -> Result<GuestOutput, Failure> {
    if status["out-truncated"] == json!(true) {
        return Err(Failure::host("reading a program's output")("the guest agent cut it off"));
    }
    let signal = status["signal"].as_i64().map(|n| 128 + n);
    let code = status["exitcode"].as_i64().or(signal).and_then(|n| i32::try_from(n).ok()).unwrap_or(-1);
    let stdout = STANDARD.decode(status["out-data"].as_str().unwrap_or_default());
    Ok(GuestOutput { code, stdout: stdout.map_err(Failure::host("reading a program's output"))? })
}

fn address(interfaces: &Value, mac: &str) -> Option<IpAddr> {
    let has = |i: &&Value| i["hardware-address"].as_str().is_some_and(|a| a.eq_ignore_ascii_case(mac));
    let addresses = interfaces.as_array()?.iter().find(has)?["ip-addresses"].as_array()?;
    let parsed = addresses.iter().filter_map(|a| a["ip-address"].as_str()?.parse::<IpAddr>().ok());
    parsed.into_iter().find(|a| matches!(a, IpAddr::V4(v4) if !v4.is_link_local() && !v4.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_that_of_the_adapter() {
        let answer = json!([
            { "name": "lo", "ip-addresses": [{ "ip-address": "127.0.0.1", "prefix": 8 }] },
            { "name": "cni0", "hardware-address": "02:00:00:00:00:01", "ip-addresses": [{ "ip-address": "10.42.0.1" }] },
            { "name": "ens3", "hardware-address": "00:50:56:06:00:0A", "ip-addresses": [
                { "ip-address": "fe80::1" }, { "ip-address": "169.254.1.1" }, { "ip-address": "192.168.6.10" }] },
        ]);
        assert_eq!(address(&answer, "00:50:56:06:00:0a"), Some("192.168.6.10".parse().unwrap()));
        assert_eq!(address(&answer, "00:50:56:06:00:0b"), None);
    }

    #[test]
    fn a_program_ends_with_a_code_or_by_a_signal() {
        let done = json!({ "exited": true, "exitcode": 3, "out-data": "aGk=" });
        assert_eq!(output(&done).unwrap(), GuestOutput { code: 3, stdout: b"hi".to_vec() });
        assert_eq!(output(&json!({ "exited": true, "signal": 9 })).unwrap().code, 137);
        assert!(output(&json!({ "exited": true, "exitcode": 0, "out-truncated": true })).is_err());
    }
}
