//! What vmrun says when a command fails: the text after `Error: `.

use crate::Failure;

/// A failed vmrun command. `Display` is VMware's wording, where VMware has one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VmError {
    #[error("Cannot open VM: {0}, The virtual machine cannot be found")]
    NotFound(String),
    #[error("Cannot open VM: {0}, unknown file suffix")]
    Suffix(String),
    #[error("Cannot open VM: {0}, Cannot read the virtual machine configuration file")]
    BadConfig(String),
    #[error("The virtual machine is not powered on: {0}")]
    Off(String),
    #[error("The virtual machine is already running: {0}")]
    On(String),
    #[error("The VMware Tools are not running in the virtual machine: {0}")]
    NoTools(String),
    #[error("Unable to get the IP address")]
    NoAddress,
    #[error("The operation is not supported for the specified parameters")]
    NotSupported,
    #[error("One of the parameters was invalid")]
    BadParameter,
    #[error("A snapshot with the name already exists")]
    SnapshotExists,
    #[error("Invalid snapshot name '{0}'")]
    NoSnapshot(String),
    #[error("The snapshot name is not unique: {0}")]
    SnapshotNotUnique(String),
    #[error("The file already exists")]
    FileExists,
    /// Our own words: VMware's are not known.
    #[error("Linked clones need it: {0}")]
    HasClones(String),
    #[error(
        "Anonymous guest operations are not allowed on this virtual machine. \
         You must call VixVM_LoginInGuest before performing guest operations"
    )]
    Anonymous,
    #[error("Invalid user name or password for the guest OS")]
    BadLogin,
    #[error("The specified guest user must be logged in interactively to perform this operation")]
    NotAtConsole,
    #[error("Insufficient permissions in the host operating system")]
    HostDenied,
    #[error("A file was not found")]
    NoFile,
    #[error("You do not have access rights to this file")]
    FileDenied,
    #[error("The object is not a file")]
    NotAFile,
    #[error("The object is not a directory")]
    NotADirectory,
    #[error("No such process")]
    NoProcess,
    /// Stands alone, without `Error: `.
    #[error("Guest program exited with non-zero exit code: {0}")]
    GuestExit(i32),
    #[error("The virtual machine is already up-to-date")]
    UpToDate,
    #[error("Invalid device: {0}")]
    Device(String),
    /// The machine could not be started; the cause also goes into vmware.log.
    #[error("{0}")]
    NotStarted(String),
    #[error("The operation timed out: {0}")]
    TimedOut(String),
    #[error("{}", .0.chain())]
    Host(#[from] Failure),
}
