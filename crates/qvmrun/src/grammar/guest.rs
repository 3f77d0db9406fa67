//! Commands that act inside a guest.

use super::Misuse;
use super::words::Words;

/// What to do in the guest. Paths are the guest's, unless they are called `host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GuestOp {
    RunProgram { wait: bool, interactive: bool, program: String, args: Vec<String> },
    RunScript { wait: bool, interactive: bool, interpreter: String, script: String },
    FileExists { path: String },
    DirectoryExists { path: String },
    ListProcesses,
    KillProcess { pid: u32 },
    DeleteFile { path: String },
    CreateDirectory { path: String },
    DeleteDirectory { path: String },
    ListDirectory { path: String },
    RenameFile { from: String, to: String },
    CreateTempFile,
    CopyToGuest { host: String, guest: String },
    CopyFromGuest { guest: String, host: String },
    TypeKeystrokes,
    CaptureScreen { host: String },
}

/// The operation of a command, by its name in lower case; `None` when it is none of these.
pub(super) fn operation(command: &str, w: &mut Words<'_>) -> Result<Option<GuestOp>, Misuse> {
    let op = match command {
        "runprograminguest" => {
            let (wait, interactive) = how(w);
            GuestOp::RunProgram { wait, interactive, program: w.need()?, args: w.all() }
        }
        "runscriptinguest" => {
            let (wait, interactive) = how(w);
            GuestOp::RunScript { wait, interactive, interpreter: w.need()?, script: w.need()? }
        }
        "fileexistsinguest" => GuestOp::FileExists { path: w.need()? },
        "directoryexistsinguest" => GuestOp::DirectoryExists { path: w.need()? },
        "listprocessesinguest" => GuestOp::ListProcesses,
        "killprocessinguest" => GuestOp::KillProcess { pid: w.number()? },
        "deletefileinguest" => GuestOp::DeleteFile { path: w.need()? },
        "createdirectoryinguest" => GuestOp::CreateDirectory { path: w.need()? },
        "deletedirectoryinguest" => GuestOp::DeleteDirectory { path: w.need()? },
        "listdirectoryinguest" => GuestOp::ListDirectory { path: w.need()? },
        "renamefileinguest" => GuestOp::RenameFile { from: w.need()?, to: w.need()? },
        "createtempfileinguest" => GuestOp::CreateTempFile,
        "copyfilefromhosttoguest" => GuestOp::CopyToGuest { host: w.need()?, guest: w.need()? },
        "copyfilefromguesttohost" => GuestOp::CopyFromGuest { guest: w.need()?, host: w.need()? },
        "typekeystrokesinguest" => {
            w.need()?;
            GuestOp::TypeKeystrokes
        }
        "capturescreen" => GuestOp::CaptureScreen { host: w.need()? },
        _ => return Ok(None),
    };
    Ok(Some(op))
}

/// Whether to wait, and whether the user must be logged in at the console.
fn how(w: &mut Words<'_>) -> (bool, bool) {
    let (mut wait, mut interactive) = (true, false);
    while let Some(flag) = w.flag(&["-noWait", "-activeWindow", "-interactive"]) {
        wait &= flag != "-noWait";
        interactive |= flag == "-interactive";
    }
    (wait, interactive)
}
