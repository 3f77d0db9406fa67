//! The moment of the blow: a seeded part of a step's length after its beginning.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::steps::{began, ended, own};
use crate::product::Running;
use crate::proof::Fail;

/// Reproducible chance (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    /// The dice of one draw of one case.
    pub(crate) fn new(seed: u64, case: &str, draw: u64) -> Self {
        let name =
            case.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ name ^ (draw << 56))
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.roll() & 1 == 0
    }

    /// A moment within the first nine tenths of a step of this length.
    pub(crate) fn part_of(&mut self, length: Duration) -> Duration {
        let thousandth = u32::try_from(self.roll() % 900).unwrap_or(0);
        length * thousandth / 1000
    }
}

/// When to strike: so long after the beginning of a step.
pub(crate) struct Moment<'a> {
    pub(crate) step: &'a str,
    pub(crate) after: Duration,
}

/// Waits for the moment; `None` if the step is over before it, or never comes.
pub(crate) fn strike(run: &mut Running<'_>, moment: &Moment<'_>) -> Result<Option<()>, Fail> {
    let mut since = None;
    loop {
        let over = run.look()?.is_some();
        let own = own(run.lines(), moment.step);
        let begun = own.iter().any(|(_, l)| began(l).as_deref() == Some(moment.step));
        let done = own.iter().any(|(_, l)| ended(l).as_deref() == Some(moment.step));
        if over || (begun && done) {
            return Ok(None);
        }
        if begun && since.get_or_insert_with(Instant::now).elapsed() >= moment.after {
            return Ok(Some(()));
        }
        if let Err(why) = run.going_on() {
            kill_group(run.pid());
            return Err(why);
        }
        std::thread::sleep(Duration::from_micros(if begun { 300 } else { 1000 }));
    }
}

/// Waits until a console says this.
pub(super) fn until_said(run: &mut Running<'_>, console: &Path, text: &str) -> Result<(), Fail> {
    loop {
        let said = fs::read(console).unwrap_or_default();
        if String::from_utf8_lossy(&said).contains(text) {
            return Ok(());
        }
        if run.look()?.is_some() {
            return Err(Fail(format!("the run ended before the console said {text:?}")));
        }
        if let Err(why) = run.going_on() {
            kill_group(run.pid());
            return Err(why);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills a process group at once.
pub(crate) fn kill_group(group: u32) {
    if let Some(pid) = pid(group) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Asks one process to end.
pub(super) fn ask_to_end(process: u32) {
    if let Some(pid) = pid(process) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Kills one process at once.
pub(crate) fn kill_one(process: u32) {
    if let Some(pid) = pid(process) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// Every process that has this one among its ancestors.
pub(crate) fn descendants(of: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all: Vec<(u32, u32)> = numbers
        .filter_map(|e| e.file_name().to_string_lossy().parse::<u32>().ok())
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, stat.rsplit_once(") ")?.1.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = vec![of];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(all.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_moment_and_another_draw_another() {
        let roll = |seed, draw| Dice::new(seed, "kill/keys", draw).part_of(Duration::from_secs(10));
        assert_eq!(roll(7, 0), roll(7, 0));
        assert_ne!(roll(7, 0), roll(7, 1));
        assert_ne!(roll(7, 0), roll(8, 0));
        assert!((0..200).all(|n| roll(n, 0) < Duration::from_secs(9)));
    }
}
