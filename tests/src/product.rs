//! Long runs of the product, line by line with the clock beside them.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::proof::{Fail, fail, tail};
use crate::world::World;

/// What a successful `provision` says.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ready {
    pub(crate) lab: String,
    pub(crate) changed: u64,
    pub(crate) changes: Vec<String>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) context: String,
    pub(crate) registry: String,
    pub(crate) api: String,
    pub(crate) kubectl: Option<PathBuf>,
    pub(crate) evidence: String,
    /// What the run took.
    pub(crate) seconds: u64,
    pub(crate) stand_ins: Vec<String>,
}

/// A node in that answer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) address: String,
    pub(crate) ready: bool,
    pub(crate) memory_mib: u64,
}

impl Ready {
    /// The nodes that run workloads only.
    pub(crate) fn agents(&self) -> Result<Vec<&Node>, Fail> {
        let agents: Vec<&Node> = self.nodes.iter().filter(|n| n.role == "agent").collect();
        if agents.len() < 2 { Err(Fail(format!("{} agents", agents.len()))) } else { Ok(agents) }
    }

    /// The node that runs the control plane.
    pub(crate) fn server(&self) -> Result<&Node, Fail> {
        self.nodes.iter().find(|n| n.role == "server").ok_or_else(|| Fail("no server".into()))
    }
}

/// A run that ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) lines: Vec<(Duration, String)>,
    pub(crate) took: Duration,
}

impl Run {
    /// The longest time without a line, and the line before it.
    pub(crate) fn longest_gap(&self) -> (Duration, String) {
        let mut longest = (Duration::ZERO, String::new());
        let mut before = (Duration::ZERO, "the start");
        for (at, line) in self.lines.iter().map(|(at, l)| (*at, l.as_str())).chain([(self.took, "the end")]) {
            if at.saturating_sub(before.0) > longest.0 {
                longest = (at - before.0, before.1.to_owned());
            }
            before = (at, line);
        }
        longest
    }

    /// Standard output as the answer it should be.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Fail> {
        serde_json::from_str(&self.stdout)
            .map_err(|e| Fail(format!("standard output is not the promised JSON: {e}: {}", tail(&self.stdout, 2))))
    }

    /// Fails unless the run ended well.
    pub(crate) fn succeeded(&self) -> Result<(), Fail> {
        if self.code != 0 {
            let lines: Vec<&str> = self.lines.iter().map(|(_, l)| l.as_str()).collect();
            fail!("exit code {}: {} | {}", self.code, tail(&self.stdout, 20), tail(&lines.join("\n"), 6));
        }
        Ok(())
    }
}

/// A command of the product that is still running.
pub(crate) struct Running<'a> {
    world: &'a World,
    process: machine::Background,
    log: fs::File,
    out: std::path::PathBuf,
    half: String,
    lines: Vec<(Duration, String)>,
    start: Instant,
}

impl World {
    /// Starts a command; its standard error is read line by line, its standard output kept.
    pub(crate) fn start(&self, cmd: &Cmd, name: &str) -> Result<Running<'_>, Fail> {
        let (log, out) = (self.scratch(&format!("{name}.err")), self.scratch(&format!("{name}.out")));
        fs::write(&log, "")?;
        let words = ["-c", "out=$1; shift; exec \"$@\" > \"$out\"", "sh"].map(str::to_owned);
        let shell = self.bare("sh").args(words).arg(&out).args(cmd.argv());
        let start = Instant::now();
        let process = Local.start(&shell, &log)?;
        let log = fs::File::open(&log)?;
        Ok(Running { world: self, process, log, out, half: String::new(), lines: Vec::new(), start })
    }

    /// Runs a long command of the product to its end within the check's deadline.
    pub(crate) fn watch(&self, cmd: &Cmd, name: &str) -> Result<Run, Fail> {
        self.start(cmd, name)?.wait()
    }

    /// `provision`, watched.
    pub(crate) fn provision(&self, name: &str) -> Result<Run, Fail> {
        self.watch(&self.airlab("provision", &["--yes", "--output", "json"]), name)
    }
}

impl Running<'_> {
    /// Reads what was said since the last look; the exit code once it has ended.
    pub(crate) fn look(&mut self) -> Result<Option<i32>, Fail> {
        let ended = self.process.ended();
        let mut new = Vec::new();
        let at = self.log.stream_position()?;
        self.log.seek(SeekFrom::Start(at))?;
        self.log.read_to_end(&mut new)?;
        self.half += &String::from_utf8_lossy(&new);
        while let Some(end) = self.half.find('\n') {
            let line: String = self.half.drain(..=end).collect();
            self.world.set_last(line.trim_end());
            self.lines.push((self.start.elapsed(), line.trim_end().to_owned()));
        }
        Ok(ended)
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> &[(Duration, String)] {
        &self.lines
    }

    /// Asks it to stop, as a terminal would.
    pub(crate) fn interrupt(&self) -> Result<(), Fail> {
        self.signal("-INT")
    }

    /// Ends it at once; gives back what it said.
    pub(crate) fn end(mut self) -> Result<Vec<(Duration, String)>, Fail> {
        self.signal("-KILL")?;
        while self.look()?.is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.look()?;
        Ok(self.lines)
    }

    /// Its process id, also its process group.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Fails once all is to stop or the check's time is over.
    pub(crate) fn going_on(&self) -> Result<(), Fail> {
        if self.world.left() < Duration::from_secs(1) {
            fail!("no end in time; last: {}", self.world.last());
        }
        self.world.going_on()
    }

    fn signal(&self, signal: &str) -> Result<(), Fail> {
        let group = format!("-{}", self.process.pid);
        Local.run(&Cmd::new("kill").args([signal, "--", &group]).timeout(Duration::from_secs(5)))?;
        Ok(())
    }

    /// Waits for its end; past the check's deadline, or when all is to stop, it is ended.
    pub(crate) fn wait(mut self) -> Result<Run, Fail> {
        let mut asked: Option<(Instant, Fail)> = None;
        loop {
            let ended = self.look()?;
            if let Some(code) = ended {
                if let Some((_, why)) = asked {
                    return Err(why);
                }
                let took = self.start.elapsed();
                let stdout = fs::read_to_string(&self.out).unwrap_or_default();
                return Ok(Run { code, stdout, lines: self.lines, took });
            }
            let stop = self.world.going_on().err();
            let late = self.world.left() < Duration::from_secs(1);
            match &asked {
                None if late || stop.is_some() => {
                    self.signal("-TERM")?;
                    let why = stop.unwrap_or_else(|| Fail(format!("no end in time; last: {}", self.world.last())));
                    asked = Some((Instant::now(), why));
                }
                Some((at, _)) if at.elapsed() > Duration::from_secs(20) => self.signal("-KILL")?,
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(40));
        }
    }
}
