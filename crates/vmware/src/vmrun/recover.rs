//! What may follow a failed call: the one table that decides it. A call that certainly did nothing may be made again or
//! take another way; after one whose outcome is unknown the world is looked at first.

use machine::ExecError;

use super::command::Command;
use super::error::VmrunError;
use super::error_kind::ErrorKind;
use super::guest::GuestOp;

/// What a command does to the world, as far as doing it twice is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Only asks.
    Asks,
    /// Sets something: a second time changes nothing.
    Sets,
    /// Moves something on: a second time does something else, and whether it happened can be seen.
    Moves,
    /// Only asks, inside the guest.
    GuestAsks,
    /// Sets something inside the guest: a second time changes nothing.
    GuestSets,
    /// Moves something on inside the guest.
    GuestMoves,
}

/// How a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing happened: vmrun did not start, or refused for a reason that may pass.
    NotStarted,
    /// Nothing happened, and the way into the guest is closed: no Tools, no login.
    NoWayIn,
    /// Nobody knows: vmrun was ended at its deadline, or failed in the middle.
    Lost,
    /// vmrun said no, and will again.
    Refused,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The same call again, after a pause.
    Again,
    /// Look whether it happened.
    Look,
    /// The same over SSH.
    Ssh,
    /// Give up: the error is the answer.
    GiveUp,
}

/// The table. Guest operations go over SSH as soon as vmrun's way is closed; asking again is always safe.
pub fn next(nature: Nature, fate: Fate) -> Next {
    use {Fate as F, Nature as N, Next as X};
    match (nature, fate) {
        (N::Asks | N::Sets | N::Moves, F::NotStarted) => X::Again,
        (N::GuestAsks | N::GuestSets | N::GuestMoves, F::NotStarted | F::NoWayIn) => X::Ssh,
        (N::Asks | N::Sets, F::Lost) => X::Again,
        (N::GuestAsks | N::GuestSets, F::Lost) => X::Ssh,
        (N::Moves | N::GuestMoves, F::Lost) => X::Look,
        (N::Asks | N::Sets | N::Moves, F::NoWayIn) => X::GiveUp,
        (_, F::Refused) => X::GiveUp,
    }
}

impl Command {
    /// What the command does to the world.
    pub fn nature(&self) -> Nature {
        match self {
            Self::List
            | Self::ListSnapshots { .. }
            | Self::ListNetworkAdapters { .. }
            | Self::ListHostNetworks
            | Self::ListPortForwardings { .. }
            | Self::ReadVariable { .. }
            | Self::GetGuestIpAddress { .. }
            | Self::CheckToolsState { .. } => Nature::Asks,
            // Reverting goes to the same place however often; what it throws away was to be thrown away.
            Self::RevertToSnapshot { .. }
            | Self::ConnectNamedDevice { .. }
            | Self::DisconnectNamedDevice { .. }
            | Self::WriteVariable { .. }
            | Self::SetNetworkAdapter { .. }
            | Self::SetPortForwarding { .. }
            | Self::SetSharedFolderState { .. }
            | Self::EnableSharedFolders { .. }
            | Self::DisableSharedFolders { .. } => Nature::Sets,
            Self::Start { .. }
            | Self::Stop { .. }
            | Self::Reset { .. }
            | Self::Suspend { .. }
            | Self::Pause { .. }
            | Self::Unpause { .. }
            | Self::Snapshot { .. }
            | Self::DeleteSnapshot { .. }
            | Self::AddNetworkAdapter { .. }
            | Self::DeleteNetworkAdapter { .. }
            | Self::DeletePortForwarding { .. }
            | Self::InstallTools { .. }
            | Self::UpgradeVm { .. }
            | Self::DeleteVm { .. }
            | Self::Clone { .. }
            | Self::AddSharedFolder { .. }
            | Self::RemoveSharedFolder { .. }
            | Self::DownloadPhotonVm { .. } => Nature::Moves,
            Self::Guest { op, .. } => match op {
                GuestOp::FileExists { .. }
                | GuestOp::DirectoryExists { .. }
                | GuestOp::ListProcesses
                | GuestOp::ListDirectory { .. }
                | GuestOp::CaptureScreen { .. } => Nature::GuestAsks,
                GuestOp::CopyToGuest { .. } | GuestOp::CopyFromGuest { .. } => Nature::GuestSets,
                GuestOp::RunProgram { .. }
                | GuestOp::RunScript { .. }
                | GuestOp::KillProcess { .. }
                | GuestOp::DeleteFile { .. }
                | GuestOp::CreateDirectory { .. }
                | GuestOp::DeleteDirectory { .. }
                | GuestOp::RenameFile { .. }
                | GuestOp::CreateTempFile
                | GuestOp::TypeKeystrokes { .. } => Nature::GuestMoves,
            },
        }
    }
}

impl VmrunError {
    /// How the call failed, as far as its effect is concerned.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Exec(ExecError::NotFound { .. }) | Self::Vmx(_) | Self::State { .. } => Fate::Refused,
            Self::Exec(ExecError::NotStarted { .. }) => Fate::NotStarted,
            Self::Exec(_) | Self::Answer { .. } => Fate::Lost,
            Self::Failed { kind, .. } => match kind {
                ErrorKind::Busy | ErrorKind::BadVmx | ErrorKind::Locked | ErrorKind::HostBroken => Fate::NotStarted,
                ErrorKind::ToolsNotRunning | ErrorKind::NoAddress | ErrorKind::GuestLogin => Fate::NoWayIn,
                ErrorKind::Canceled | ErrorKind::Other => Fate::Lost,
                ErrorKind::VmNotFound
                | ErrorKind::Encrypted
                | ErrorKind::NotRunning
                | ErrorKind::AlreadyRunning
                | ErrorKind::GuestExit(_)
                | ErrorKind::GuestFile
                | ErrorKind::HostPermission
                | ErrorKind::SnapshotConflict
                | ErrorKind::SnapshotMissing
                | ErrorKind::NotPossible
                | ErrorKind::NotUnderstood => Fate::Refused,
            },
        }
    }

    /// What may follow this failure of this command.
    pub fn next(&self, command: &Command) -> Next {
        next(command.nature(), self.fate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        use std::fmt::Write;
        let natures =
            [Nature::Asks, Nature::Sets, Nature::Moves, Nature::GuestAsks, Nature::GuestSets, Nature::GuestMoves];
        let fates = [Fate::NotStarted, Fate::NoWayIn, Fate::Lost, Fate::Refused];
        let mut text = String::new();
        for nature in natures {
            for fate in fates {
                let _ = writeln!(
                    text,
                    "{:<10} {:<10} -> {:?}",
                    format!("{nature:?}"),
                    format!("{fate:?}"),
                    next(nature, fate)
                );
                let blind = matches!(nature, Nature::Moves | Nature::GuestMoves) && fate == Fate::Lost;
                assert!(!blind || next(nature, fate) == Next::Look, "never again before a look");
            }
        }
        insta::assert_snapshot!(text);
    }
}
