//! What a tool says: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use steps::{Clock, Event, Lines, Outcome, Sink, Timeline};

use crate::catalogue::Catalogue;
use crate::explain::{Explained, explain};
use crate::failure::Failure;
use crate::language::Language;

/// The form of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Text for people.
    #[default]
    Human,
    /// One JSON value.
    Json,
}

/// Options that every tool has.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Global {
    /// Form of the result on standard output: human or json
    #[arg(
        long,
        short,
        value_enum,
        default_value = "human",
        global = true,
        value_name = "FORM",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub output: Output,
    /// Say nothing but warnings, errors and the result
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// Where a tool speaks. Shared by everything that runs in it; also the [`Sink`] for the libraries' events.
pub struct Ui {
    global: Global,
    language: Language,
    clock: Clock,
    lines: Mutex<Lines>,
    timings: Mutex<Option<PathBuf>>,
    colour: bool,
}

impl Ui {
    /// Speaks on this process's standard output and standard error, and starts the signs of life.
    pub fn start(global: Global) -> Arc<Self> {
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let ui = Arc::new(Self {
            global,
            language: Language::of_environment(),
            clock: Clock::start(),
            lines: Mutex::default(),
            timings: Mutex::default(),
            colour,
        });
        let weak = Arc::downgrade(&ui);
        std::thread::spawn(move || keep_alive(&weak));
        ui
    }

    /// The form that was asked for.
    pub fn output(&self) -> Output {
        self.global.output
    }

    /// The language of this process.
    pub fn language(&self) -> Language {
        self.language
    }

    /// One line for a person, on standard error.
    pub fn say(&self, text: &str) {
        if !self.global.quiet {
            let line = self.lines().line(text, self.clock.now());
            self.write(&line);
        }
    }

    /// Text on standard error exactly as it is, even with `--quiet`: a question, a list before a question.
    pub fn show(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Shows the time left on every line from now on, as the last run of this `kind` went; on a first run as `usual`
    /// says. Until [`Ui::finished`] no silence is longer than ten seconds.
    pub fn expect(&self, kind: &str, usual: Timeline) {
        let path = cache_dir().map(|dir| dir.join("timings").join(format!("{kind}.json")));
        let kept = path.as_deref().and_then(|p| std::fs::read(p).ok()).and_then(|b| serde_json::from_slice(&b).ok());
        self.lines().expect(kept.unwrap_or(usual), self.clock.now());
        *self.timings.lock().unwrap_or_else(PoisonError::into_inner) = path;
    }

    /// The run that [`Ui::expect`] began ended well: its timings are kept for the next one.
    pub fn finished(&self) {
        let run = self.lines().close(self.clock.now());
        let path = self.timings.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(path), Ok(json)) = (path, serde_json::to_vec_pretty(&run)) {
            // an estimate only: when it cannot be kept, the next run starts from the usual figures
            let _ = machine::write_file(&path, &json, 0o644);
        }
    }

    /// The result, on standard output: `human` as text, or `value` as JSON when that was asked for.
    pub fn result<T: Serialize>(&self, value: &T, human: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let mut text = match self.global.output {
            Output::Human => human(value),
            Output::Json => serde_json::to_string_pretty(value)
                .map_err(|e| Failure::system("writing the result as JSON", io::Error::other(e)))?,
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        self.result_bytes(text.as_bytes())
    }

    /// A result that is bytes, such as a file's content, on standard output whatever form was asked for.
    pub fn result_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|e| Failure::system("writing the result", e)),
        }
    }

    /// Tells a failure, as text on standard error and, when JSON was asked for, as JSON on standard output.
    /// Gives back its exit code.
    pub fn failed(&self, failure: &Failure) -> u8 {
        let told = explain(&Catalogue::load(self.language), failure.problem());
        self.show(&self.in_colour(&told));
        if self.global.output == Output::Json {
            let _ = self.result(&told, Explained::human);
        }
        told.exit
    }

    fn in_colour(&self, told: &Explained) -> String {
        let text = told.human();
        match text.split_once(' ') {
            Some((label, rest)) if self.colour => format!("\x1b[1;31m{label}\x1b[0m {rest}"),
            _ => text,
        }
    }

    fn write(&self, line: &str) {
        let line = match line.split_once("] ") {
            Some((stamp, text)) if self.colour => format!("\x1b[2m{stamp}]\x1b[0m {text}\n"),
            _ => format!("{line}\n"),
        };
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Ui {
    fn emit(&self, event: Event) {
        let line = self.lines().event(&event, self.clock.now());
        if let Some(line) = line
            && (!self.global.quiet || matches!(event, Event::Finished { outcome: Outcome::Warned(_), .. }))
        {
            self.write(&line);
        }
    }
}

fn keep_alive(ui: &Weak<Ui>) {
    while let Some(ui) = ui.upgrade() {
        let line = ui.lines().still(ui.clock.now());
        if let Some(line) = line
            && !ui.global.quiet
        {
            ui.write(&line);
        }
        drop(ui);
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Where things are kept that can be made again: `AIRLAB_CACHE`, else the user's cache folder.
pub fn cache_dir() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let user = || var("XDG_CACHE_HOME").or_else(|| var("LOCALAPPDATA")).or_else(|| Some(var("HOME")?.join(".cache")));
    var("AIRLAB_CACHE").or_else(|| Some(user()?.join("airlab")))
}
