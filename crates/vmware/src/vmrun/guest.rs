//! Commands that act inside a guest.

use secrecy::SecretString;

/// A login in the guest.
#[derive(Debug, Clone)]
pub struct GuestLogin {
    /// User name.
    pub user: String,
    /// Password.
    pub password: SecretString,
}

/// How a program runs in the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuestRun {
    /// Come back as soon as it has started.
    pub no_wait: bool,
    /// Make its window the active one.
    pub active_window: bool,
    /// In the session of the user who is logged in at the console.
    pub interactive: bool,
}

/// Which variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableKind {
    /// The machine's configuration while it runs.
    RuntimeConfig,
    /// Environment of the guest.
    GuestEnv,
    /// `guestinfo.` variables.
    GuestVar,
}

/// What to do in the guest. Paths are the guest's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the fields say what vmrun's own usage text says
pub enum GuestOp {
    /// Run a program. vmrun sends the arguments as one string, so only the first one is sure to arrive as it is.
    RunProgram {
        how: GuestRun,
        program: String,
        args: Vec<String>,
    },
    /// Run a script. Its output is never returned.
    RunScript {
        how: GuestRun,
        interpreter: String,
        script: String,
    },
    FileExists {
        path: String,
    },
    DirectoryExists {
        path: String,
    },
    ListProcesses,
    KillProcess {
        pid: u32,
    },
    DeleteFile {
        path: String,
    },
    CreateDirectory {
        path: String,
    },
    DeleteDirectory {
        path: String,
    },
    ListDirectory {
        path: String,
    },
    RenameFile {
        from: String,
        to: String,
    },
    /// Make an empty file and print its path.
    CreateTempFile,
    CopyToGuest {
        host: String,
        guest: String,
    },
    CopyFromGuest {
        guest: String,
        host: String,
    },
    TypeKeystrokes {
        keys: String,
    },
    /// Save the screen as PNG on the host.
    CaptureScreen {
        host: String,
    },
}

impl GuestOp {
    /// Whether it may take as long as the guest likes.
    pub(super) fn is_long(&self) -> bool {
        matches!(
            self,
            Self::RunProgram { .. } | Self::RunScript { .. } | Self::CopyToGuest { .. } | Self::CopyFromGuest { .. }
        )
    }

    /// Whether an answer "does not exist" is an answer, not a failure.
    pub(super) fn asks_existence(&self) -> bool {
        matches!(self, Self::FileExists { .. } | Self::DirectoryExists { .. })
    }
}
