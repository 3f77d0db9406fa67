//! CD drives of running machines.

use std::path::Path;

use super::command::Command;
use super::error::VmrunError;
use super::guest::VariableKind;
use super::parse;
use super::runner::Vmrun;
use crate::Vmx;

impl Vmrun {
    /// Takes the medium out of a drive such as `sata0:1`, and says whether anything changed: by command where the
    /// machine is on, in its configuration where it is off.
    ///
    /// Workstation disconnects a device of a running machine without writing that into its .vmx: connected now and
    /// connected at the next start are two things to it. So that a second look does not disconnect again, the running
    /// machine itself is told: a `guestinfo` variable lives exactly as long as the disconnection, until power off.
    pub async fn disconnect(&self, vmx: &Path, device: &str) -> Result<bool, VmrunError> {
        if !has_medium(vmx, device)? {
            return Ok(false);
        }
        let key = format!("{device}.startConnected");
        if !self.is_running(vmx).await? {
            let out = |v: &mut Vmx| {
                if v.is_true(&key) {
                    v.set(&key, "FALSE");
                }
            };
            return Ok(crate::edit(vmx, self.deadlines.locks, out).await?);
        }
        let [ask, disconnect, tell] = Self::disconnecting(vmx, device);
        // A machine without the variable, or a vmrun that cannot read it, knows nothing.
        if self.run(&ask).await.is_ok_and(|text| parse::variable(&text) == OUT) {
            return Ok(false);
        }
        self.run(&disconnect).await?;
        if has_medium(vmx, device)? {
            self.run(&tell).await?;
        }
        Ok(true)
    }

    /// What [`Vmrun::disconnect`] may run on a machine that is on, in order, for plans.
    pub fn disconnecting(vmx: &Path, device: &str) -> [Command; 3] {
        let kind = VariableKind::GuestVar;
        let name = format!("airlab.{}.out", device.replace(':', "-"));
        [
            Command::ReadVariable { vmx: vmx.to_owned(), kind, name: name.clone() },
            Command::disconnect(vmx, device),
            Command::WriteVariable { vmx: vmx.to_owned(), kind, name, value: OUT.into() },
        ]
    }
}

const OUT: &str = "TRUE";

/// Whether the machine's configuration has a medium in the drive.
fn has_medium(vmx: &Path, device: &str) -> Result<bool, VmrunError> {
    let vmx = Vmx::load(vmx)?;
    Ok(vmx.is_true(&format!("{device}.present")) && vmx.is_true(&format!("{device}.startConnected")))
}
