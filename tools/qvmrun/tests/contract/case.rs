//! A case: command lines and what they must answer.
//!
//! In all texts `{vmx}` is the case's machine, `{dir}` its folder, `{clone}` a .vmx that is not there yet, `{iso}` an image,
//! `{local}` a file path on the host, and `{missing}` a .vmx that is nowhere.

/// What a case needs to be there before its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A blank machine that is off.
    Off,
    /// A machine that is off and can be started.
    Startable,
    /// A blank machine that is off, whose processors and memory are its own: pause, suspend, snapshots of its memory.
    Memory,
    /// A machine with a guest in which Tools run; it is on already.
    Guest,
}

/// How a command must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Ok,
    /// Any code but 0: 255 on Unix is -1 on Windows.
    Failed,
    Any,
}

/// What a command must print, without white space at the end and with `\n` line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Out {
    Nothing,
    Is(&'static str),
    Begins(&'static str),
    /// Each of them somewhere, in any case; paths with `/`.
    Has(&'static [&'static str]),
    /// Not this, in any case.
    Lacks(&'static str),
    /// One of these.
    OneOf(&'static [&'static str]),
    Any,
}

#[derive(Debug, Clone, Copy)]
pub enum Step {
    Run {
        words: &'static [&'static str],
        exit: Exit,
        out: Out,
    },
    /// The file at this path must be there, or not.
    File {
        path: &'static str,
        there: bool,
    },
    /// Writes a file on the host.
    Write {
        path: &'static str,
        text: &'static str,
    },
    /// The file on the host must hold this.
    Holds {
        path: &'static str,
        text: &'static str,
    },
}

/// The command succeeds and prints this.
pub const fn ok(words: &'static [&'static str], out: Out) -> Step {
    Step::Run { words, exit: Exit::Ok, out }
}

/// The command succeeds and prints nothing.
pub const fn quiet(words: &'static [&'static str]) -> Step {
    ok(words, Out::Nothing)
}

/// The command fails and prints exactly this.
pub const fn fails(words: &'static [&'static str], text: &'static str) -> Step {
    Step::Run { words, exit: Exit::Failed, out: Out::Is(text) }
}

#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// Who says so.
    pub source: &'static str,
    pub needs: Needs,
    /// Whether a vmrun without the case's first command is let off: it is older or newer.
    pub optional: bool,
    pub steps: &'static [Step],
}

impl Case {
    pub const fn new(name: &'static str, source: &'static str, needs: Needs, steps: &'static [Step]) -> Self {
        Self { name, source, needs, optional: false, steps }
    }

    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// Whether an output is what was wanted, placeholders filled in already by `fill`.
pub fn agrees(out: Out, text: &str, fill: impl Fn(&str) -> String) -> Result<(), String> {
    let plain = |s: &str| s.replace('\\', "/").to_lowercase();
    let same = |want: &str| plain(&fill(want)) == plain(text);
    let (right, want) = match out {
        Out::Any => (true, String::new()),
        Out::Nothing => (text.is_empty(), "nothing".into()),
        Out::Is(want) => (same(want), fill(want)),
        Out::Begins(want) => (plain(text).starts_with(&plain(&fill(want))), format!("{}...", fill(want))),
        Out::Lacks(word) => (!plain(text).contains(&plain(&fill(word))), format!("something without {}", fill(word))),
        Out::OneOf(all) => (all.iter().any(|want| same(want)), format!("one of {all:?}")),
        Out::Has(words) => {
            let missing = words.iter().find(|word| !plain(text).contains(&plain(&fill(word))));
            (missing.is_none(), format!("...{}...", missing.map_or(String::new(), |w| fill(w))))
        }
    };
    if right { Ok(()) } else { Err(format!("wanted: {want}")) }
}
