//! One line per check, a sign of life every ten seconds, and the count at the end.

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::proof::{Fail, Proof};
use crate::world::World;

/// The lines printed so far.
#[derive(Default)]
pub(crate) struct Report {
    passed: Vec<String>,
    not_shown: usize,
    /// Names and reasons.
    failed: Vec<(String, String)>,
    evidence: Option<String>,
}

/// Prints one line; a closed standard output is nobody's failure.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// How evidence begins that says why this machine cannot show the matter.
pub(crate) const NOT_SHOWN: &str = "not shown here: ";

const SIGN_OF_LIFE: Duration = Duration::from_secs(9);

impl Report {
    /// From now on every line also says by which engine its evidence was gained, in the product's own sentence.
    pub(crate) fn gained_by(&mut self, evidence: &str) {
        self.evidence = (!evidence.is_empty()).then(|| evidence.to_owned());
    }

    /// Runs one check to its end, prints its line, and says whether it passed.
    pub(crate) fn check(
        &mut self,
        name: &str,
        deadline: Duration,
        world: &World,
        proof: impl FnOnce() -> Proof + Send,
    ) -> bool {
        let start = Instant::now();
        world.set_deadline(start + deadline);
        let (done, wait) = channel();
        let proof = std::thread::scope(|s| {
            s.spawn(move || done.send(proof()));
            loop {
                match wait.recv_timeout(SIGN_OF_LIFE) {
                    Ok(proof) => return proof,
                    Err(RecvTimeoutError::Timeout) => {
                        say(&format!("     {name} {:.0}s ... {}", start.elapsed().as_secs_f32(), world.last()));
                    }
                    Err(RecvTimeoutError::Disconnected) => return Err(Fail("the check itself broke".into())),
                }
            }
        });
        let took = start.elapsed();
        let late = (took > deadline).then(|| Fail(format!("took {took:.1?}, deadline {deadline:.0?}")));
        match proof.and_then(|text| late.map_or(Ok(text), Err)) {
            Ok(text) if text.starts_with(NOT_SHOWN) => {
                say(&format!("none {name}  ({text})  {:.1}s", took.as_secs_f32()));
                self.not_shown += 1;
                true
            }
            Ok(text) => {
                let engine = self.evidence.as_ref().map(|e| format!("; by {e}")).unwrap_or_default();
                say(&format!("ok   {name}  (evidence: {text}{engine})  {:.1}s", took.as_secs_f32()));
                self.passed.push(name.to_owned());
                true
            }
            Err(why) => {
                say(&format!("FAIL {name}  {why}  {:.1}s", took.as_secs_f32()));
                self.failed.push((name.to_owned(), why.0));
                false
            }
        }
    }

    /// The last lines; whether all is well.
    pub(crate) fn end(&self, took: Duration) -> bool {
        for (name, why) in &self.failed {
            say(&format!("failed: {name}  {}", why.replace('\n', " | ")));
        }
        let not_shown = if self.not_shown > 0 { format!(", {} not shown here", self.not_shown) } else { String::new() };
        let (passed, failed) = (self.passed.len(), self.failed.len());
        say(&format!("{passed} passed, {failed} failed{not_shown}, {:.0} s", took.as_secs_f32()));
        self.failed.is_empty() && !self.passed.is_empty()
    }
}
