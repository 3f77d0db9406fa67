//! The machine under test: its files, its console, and what it says over SSH.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::START;
use super::console::Console;
use crate::proof::{Fail, Proof, ensure, fail};
use crate::world::World;

const LAB: &str = include_str!("../../labs/boot.toml");

/// The lab file for this firmware and a real-time clock that starts here, in seconds since 1970.
pub(crate) fn lab(firmware: &str, rtc: i64) -> String {
    LAB.replace("\"FIRMWARE\"", &format!("\"{firmware}\"")).replace("\"RTC\"", &format!("\"{rtc}\""))
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// The one node of the lab.
pub(crate) struct Machine<'a> {
    pub(crate) world: &'a World,
    pub(crate) firmware: &'static str,
    pub(crate) name: &'static str,
    pub(crate) console: Console,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(world: &'a World, firmware: &'static str) -> Self {
        let console = Console::new(world.lab_dir().join("nodes/master/serial0.log"));
        Self { world, firmware, name: "master", console }
    }

    pub(crate) fn vmx(&self) -> PathBuf {
        self.world.lab_dir().join("nodes/master/master.vmx")
    }

    /// A line of shell as root.
    pub(crate) fn root(&self, line: &str) -> Proof {
        Ok(self.world.root_on(self.name, line)?.text())
    }

    /// A command in vmrun's language; its output.
    pub(crate) fn vmrun(&self, words: &[&str]) -> Proof {
        let vmx = self.vmx().display().to_string();
        let words = words.iter().map(|w| if *w == "VMX" { vmx.clone() } else { (*w).to_owned() });
        let cmd = self.world.airlab("vmrun", &["--"]).args(["-T", "ws"]).args(words);
        Ok(self.world.ok(cmd)?.text())
    }

    /// `provision --until clocks` with the clock starting here.
    pub(crate) fn up(&self, rtc: i64) -> Result<Value, Fail> {
        std::fs::write(self.world.scratch("lab.toml"), lab(self.firmware, rtc))?;
        let words = ["--yes", "--output", "json", "--until", "clocks"];
        let run = self.world.watch(&self.world.airlab("provision", &words), "up")?;
        run.succeeded()?;
        let answer: Value = run.json()?;
        ensure!(answer["until"] == "clocks", "{answer}");
        Ok(answer)
    }

    /// From nothing to a node whose first boot is done.
    pub(crate) fn install(&self) -> Proof {
        let answer = self.up(START)?;
        let facts: Value = serde_json::from_str(&self.vmrun(&["net", "show"])?)?;
        ensure!(facts["clock"] == "own", "whose is the clock: {facts}");
        Ok(format!("{} s, {} things changed; {}", answer["seconds"], answer["changed"], facts["evidence"]))
    }

    /// The same by the container engine, then switched off and booted as a machine.
    pub(crate) fn install_elsewhere(&self) -> Proof {
        self.world.set_engine("container");
        self.up(START)?;
        self.vmrun(&["stop", "VMX", "soft"])?;
        self.world.set_engine(super::ENGINE);
        let answer = self.up(START)?;
        Ok(format!("booted in {} s; {}", answer["seconds"], self.clock_is_right()?))
    }

    /// Switched off, and on again with the clock starting here: a whole boot.
    pub(crate) fn power_cycle(&self, rtc: i64) -> Result<Value, Fail> {
        self.vmrun(&["stop", "VMX", "soft"])?;
        self.up(rtc)
    }

    /// The id that the kernel makes at every boot.
    pub(crate) fn boot_id(&self) -> Proof {
        self.root("cat /proc/sys/kernel/random/boot_id")
    }

    /// Boots again from inside and waits until systemd has settled.
    pub(crate) fn reboot(&self) -> Proof {
        let lines = self.reboot_after("")?;
        Ok(format!("{}; {lines}", self.settled()?))
    }

    /// Boots again from inside; `before` is run right before. Comes back when SSH answers and the login is on the console.
    pub(crate) fn reboot_after(&self, before: &str) -> Proof {
        let (old, console) = (self.boot_id()?, self.console.rest());
        // the node may be gone before it has said how the command ended
        let asked = self.root(&format!("{before}\nsystemctl --no-block reboot"));
        self.world.until("another boot", || {
            let id = self.boot_id()?;
            ensure!(id != old, "still the boot before; asked for another: {asked:?}");
            Ok(())
        })?;
        let marks = ["Booting `airlab demo node'", "BOOT_IMAGE=/boot/vmlinuz", "master login:"];
        Ok(self.world.until("the login on the console", || console.in_order(&marks))?.join(" | "))
    }

    /// Waits until systemd has nothing left to start and cloud-init says done.
    pub(crate) fn settled(&self) -> Proof {
        self.world.until("systemd and cloud-init to be done", || {
            let state = self.root("systemctl is-system-running; cloud-init status; systemctl --failed --no-legend")?;
            let lines: Vec<&str> = state.lines().collect();
            ensure!(lines == ["running", "status: done"], "{}", lines.join(" | "));
            Ok("running, cloud-init done, no unit failed".to_owned())
        })
    }

    /// The state of systemd, whatever it is, once SSH answers.
    pub(crate) fn settled_or_starting(&self) -> Proof {
        self.world.until("SSH", || self.root("systemctl is-system-running; true"))
    }

    /// The node's clock minus the host's in milliseconds, as one line of its arrives; too small by what SSH takes, so
    /// the largest of several.
    pub(crate) fn offset(&self) -> Result<i64, Fail> {
        let line = "for i in 1 2 3 4 5 6; do date +%s%3N >&2; sleep 0.3; done";
        let start = now_ms();
        let run = self.world.watch(&self.world.airlab("ssh", &[self.name, "--", line]), "clock")?;
        run.succeeded()?;
        let offsets = run.lines.iter().filter_map(|(at, line)| {
            let arrived = start + i64::try_from(at.as_millis()).unwrap_or(0);
            Some(line.trim().parse::<i64>().ok()? - arrived)
        });
        offsets.max().ok_or_else(|| Fail(format!("no clock among {:?}", run.lines)))
    }

    /// System clock and real-time clock are within a second of the host's.
    pub(crate) fn clock_is_right(&self) -> Proof {
        let offset = least_delayed(|| self.offset())?;
        ensure!(offset.abs() < 1000, "the node's clock is off by {offset} ms");
        let line = "r=/sys/class/rtc/rtc0/since_epoch; a=$(cat $r); while b=$(cat $r); [ $b = $a ]; do :; done; \
                    echo $((b * 1000 - $(date +%s%3N))); hwclock --show --utc";
        let mut shown = String::new();
        let rtc = least_delayed(|| {
            // the timer may just have moved the one and not yet the other
            let offset = self.offset()?;
            let said = self.root(line)?;
            let Some((rtc, text)) = said.split_once('\n') else { fail!("hwclock: {said}") };
            shown = format!("{text}, clock {offset:+} ms");
            Ok(rtc.trim().parse::<i64>()? + offset)
        })?;
        let journal = self.root("journalctl -b -u sync-time -u sync-time-again -o cat --no-pager | grep sync-time:")?;
        let lines: Vec<&str> = journal.lines().collect();
        ensure!(rtc.abs() < 1000, "the real-time clock is off by {rtc} ms: {shown}; {}", lines.join(" | "));
        Ok(format!("clock {offset:+} ms, hwclock {rtc:+} ms against the host; {}", lines.join(" | ")))
    }

    /// What the node recorded about its clock.
    pub(crate) fn recorded(&self) -> Result<Value, Fail> {
        Ok(serde_json::from_str(&self.root("cat /run/airlab/clock.json")?)?)
    }

    /// Looks at the clock over and over, until it is right or this long has passed.
    pub(crate) fn until_right(&self, within: Duration) -> Proof {
        let start = std::time::Instant::now();
        self.world.until("the clock to be right", || {
            let offset = self.offset()?;
            if start.elapsed() > within {
                return Ok(Err(Fail(format!("off by {offset} ms after {:.0?}", start.elapsed()))));
            }
            ensure!(offset.abs() < 1000, "off by {offset} ms");
            Ok(Ok(format!("{offset:+} ms after {:.0} s", start.elapsed().as_secs_f32())))
        })?
    }
}

/// A clock's offset, looked at again while it is out of the second that is asked for: what a busy host takes to
/// hand a line on makes a measurement too small.
fn least_delayed(mut look: impl FnMut() -> Result<i64, Fail>) -> Result<i64, Fail> {
    let mut offset = look()?;
    for _ in 0..4 {
        if offset.abs() >= 1000 {
            offset = look()?;
        }
    }
    Ok(offset)
}
