//! What was seen: for people, and as JSON.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::case::Case;

/// One call of the program.
#[derive(Debug, Clone)]
pub struct Call {
    /// Without the password.
    pub argv: Vec<String>,
    /// The exit code; `None` when it could not be run or did not end in time.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    AsExpected,
    Differs(String),
    Skipped(String),
}

impl Verdict {
    fn words(&self) -> (&'static str, &str) {
        match self {
            Self::AsExpected => ("as expected", ""),
            Self::Differs(why) => ("DIFFERS", why),
            Self::Skipped(why) => ("skipped", why),
        }
    }
}

pub struct Outcome {
    pub case: &'static Case,
    pub calls: Vec<Call>,
    pub verdict: Verdict,
}

pub struct Report {
    pub subject: String,
    pub banner: String,
    pub outcomes: Vec<Outcome>,
}

impl Report {
    pub fn differing(&self) -> Vec<&'static str> {
        let differs = |o: &&Outcome| matches!(o.verdict, Verdict::Differs(_));
        self.outcomes.iter().filter(differs).map(|o| o.case.name).collect()
    }

    pub fn count(&self, wanted: &str) -> usize {
        self.outcomes.iter().filter(|o| o.verdict.words().0 == wanted).count()
    }

    fn summary(&self) -> String {
        let (good, bad, skipped) = (self.count("as expected"), self.count("DIFFERS"), self.count("skipped"));
        format!("{}: {good} as expected, {bad} differ, {skipped} skipped", self.subject)
    }

    /// One line per case, and everything about those that differ.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{} {}\n{}\n\n", self.summary(), std::env::consts::OS, system(), self.banner);
        for outcome in &self.outcomes {
            let (word, why) = outcome.verdict.words();
            let _ = writeln!(text, "{word:<12} {} ({})", outcome.case.name, outcome.case.source);
            if !why.is_empty() {
                let _ = writeln!(text, "             {}", why.replace('\n', "\n             "));
            }
            if word == "DIFFERS" {
                for call in &outcome.calls {
                    let _ = writeln!(text, "    $ vmrun {}", call.argv.join(" "));
                    let code = call.code.map_or("none".into(), |c| c.to_string());
                    let _ = writeln!(text, "      exit code {code} after {:.1} s", call.seconds);
                    for line in call.stdout.lines().chain(call.stderr.lines().take(5)) {
                        let _ = writeln!(text, "      | {line}");
                    }
                }
            }
        }
        text
    }

    pub fn json(&self) -> Value {
        let call = |c: &Call| json!({"argv": c.argv, "exit": c.code, "stdout": c.stdout, "stderr": c.stderr, "seconds": c.seconds});
        let case = |o: &Outcome| {
            let (word, why) = o.verdict.words();
            let calls: Vec<Value> = o.calls.iter().map(call).collect();
            json!({"name": o.case.name, "source": o.case.source, "verdict": word, "why": why, "calls": calls})
        };
        let cases: Vec<Value> = self.outcomes.iter().map(case).collect();
        json!({
            "subject": self.subject, "os": std::env::consts::OS, "arch": std::env::consts::ARCH, "system": system(),
            "banner": self.banner, "cases": cases,
        })
    }
}

/// Writes FILE (for people) and FILE.json.
pub fn write(file: &Path, reports: &[Report]) -> std::io::Result<()> {
    let text: Vec<String> = reports.iter().map(Report::text).collect();
    std::fs::write(file, text.join("\n"))?;
    let json: Vec<Value> = reports.iter().map(Report::json).collect();
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".json");
    std::fs::write(file.with_file_name(name), format!("{:#}\n", Value::Array(json)))
}

/// The operating system's own name for itself.
fn system() -> String {
    if cfg!(windows) {
        let ver = machine::Local.run(&machine::Cmd::new("cmd").args(["/c", "ver"]));
        return ver.map_or(String::new(), |out| out.text());
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).unwrap_or_default();
    name.trim_matches('"').to_owned()
}
