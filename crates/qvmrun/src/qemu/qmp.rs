//! QEMU's monitor.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::argv::{AGENT, MONITOR};
use super::wire::Wire;
use crate::Failure;
use crate::place::Place;

/// The monitor serves one client at a time: another one may have to end first.
const TURN: Duration = Duration::from_secs(20);
/// How long one command may take. Those that write memory are only started here.
const ANSWER: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Qmp(Wire);

impl Qmp {
    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        let mut wire = Wire::connect(place, MONITOR)?;
        wire.receive(Instant::now() + TURN)?; // its greeting
        let mut monitor = Self(wire);
        monitor.run("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Whether the guest has opened its agent's channel.
    pub(super) fn hears_agent(&mut self) -> Result<bool, Failure> {
        let devices = self.run("query-chardev", json!({}))?;
        let agent = devices.as_array().and_then(|all| all.iter().find(|d| d["label"] == json!(AGENT)));
        Ok(agent.is_some_and(|d| d["frontend-open"] == json!(true)))
    }

    /// Runs one command and gives back what it returns.
    pub(super) fn run(&mut self, command: &str, arguments: Value) -> Result<Value, Failure> {
        self.0.send(&[], &json!({ "execute": command, "arguments": arguments }), ANSWER)?;
        let until = Instant::now() + ANSWER;
        loop {
            let mut answer = self.0.receive(until)?; // events come in between
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                let why = error["desc"].as_str().unwrap_or("no reason given");
                return Err(Failure::host(format!("QEMU's {command}"))(why));
            }
        }
    }
}
